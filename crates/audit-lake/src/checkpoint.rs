//! Checkpoints of a log: whether they can be read.
//!
//! A checkpoint spares readers the commits before it. One that is damaged is passed over as long as these commits are
//! there, so they must not be deleted for it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::TryStreamExt;
use object_store::{ObjectMeta, ObjectStore};
use parquet::arrow::async_reader::ParquetRecordBatchStreamBuilder;

use crate::error::{Error, Result};
use crate::file_reader::FileReader;
use crate::paths;

/// Why a checkpoint, or the part of one, can't be read; `None` if it can, or is gone.
pub(crate) async fn damage(
    store: &Arc<dyn ObjectStore>,
    object: &ObjectMeta,
) -> Result<Option<String>> {
    let path = &object.location;
    if path.extension() != Some("parquet") {
        return Ok(None);
    }
    let read = async {
        let reader = FileReader::at(store, path, object.size);
        let builder = ParquetRecordBatchStreamBuilder::new(reader).await?;
        let mut rows = builder.build()?;
        while rows.try_next().await?.is_some() {}
        Ok(())
    };
    match read.await.map_err(|source| Error::parquet(path, source)) {
        Ok(()) | Err(Error::NotFound { .. }) => Ok(None),
        Err(Error::Corrupt { message, .. }) => Ok(Some(message)),
        Err(error) => Err(error),
    }
}

/// The versions whose checkpoints can't be read, of those up to `version`, down to the newest one that can.
pub(crate) async fn damaged_before(
    store: &Arc<dyn ObjectStore>,
    objects: &[ObjectMeta],
    version: u64,
) -> Result<BTreeSet<u64>> {
    let mut parts: BTreeMap<u64, Vec<&ObjectMeta>> = BTreeMap::new();
    for object in objects {
        if let Some(of) = paths::version_of_checkpoint(&object.location) {
            parts.entry(of).or_default().push(object);
        }
    }
    let mut damaged = BTreeSet::new();
    for (&of, parts) in parts.range(..=version).rev() {
        let mut is_damaged = false;
        for part in parts {
            is_damaged |= damage(store, part).await?.is_some();
        }
        if !is_damaged {
            break;
        }
        damaged.insert(of);
    }
    Ok(damaged)
}
