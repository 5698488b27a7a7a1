//! Which columns files have, by their footers: most records have few of the table's columns, and most files lack most.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::catalog::Session;
use datafusion::common::Result;
use datafusion::datasource::physical_plan::parquet::metadata::DFParquetMetadata;
use datafusion::execution::object_store::ObjectStoreUrl;

use crate::index::narrow::FOOTER_BYTES;
use crate::scan::{self, ScanFile};

/// The names of the columns that some of the files have; `None` if it can't be told.
pub(crate) async fn columns(
    state: &dyn Session,
    files: &[ScanFile<'_>],
) -> Result<Option<HashSet<String>>> {
    let runtime = state.runtime_env();
    let store = runtime.object_store(ObjectStoreUrl::parse(scan::STORE_URL)?)?;
    let mut names = HashSet::new();
    for file in files {
        let object = scan::object(file.of.file);
        let footer = DFParquetMetadata::new(store.as_ref(), &object)
            .with_metadata_size_hint(Some(FOOTER_BYTES))
            .with_file_metadata_cache(Some(Arc::clone(
                &runtime.cache_manager.get_file_metadata_cache(),
            )))
            .fetch_metadata()
            .await;
        let Ok(footer) = footer else {
            return Ok(None);
        };
        let schema = footer.file_metadata().schema_descr().root_schema();
        names.extend(
            schema
                .get_fields()
                .iter()
                .map(|field| field.name().to_owned()),
        );
    }
    Ok(Some(names))
}
