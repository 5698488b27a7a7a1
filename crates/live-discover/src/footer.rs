//! What a data file's footer says, from the engine's budget or by one request.

use std::sync::Arc;

use bytes::Bytes;
use datafusion::common::Result;
use datafusion::datasource::physical_plan::parquet::metadata::{
    CachedParquetMetaData, DFParquetMetadata,
};
use datafusion::execution::cache::cache_manager::{CachedFileMetadataEntry, FileMetadataCache};
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};

/// What is read of a file's end at first: nearly always all of its footer and page index, which have some 40 kB.
const BYTES: usize = 64 << 10;

/// The footer of a file, with its page index.
pub(crate) async fn of(
    store: &dyn ObjectStore,
    kept: &Arc<FileMetadataCache>,
    file: &ObjectMeta,
) -> Result<Arc<ParquetMetaData>> {
    DFParquetMetadata::new(store, file)
        .with_metadata_size_hint(Some(BYTES))
        .with_file_metadata_cache(Some(Arc::clone(kept)))
        .fetch_metadata()
        .await
}

/// The end of a file that may turn out not to be read: its footer is decoded, its page index only if it is
/// [kept](Self::keep).
pub(crate) struct End {
    bytes: Bytes,
    footer: ParquetMetaData,
}

impl End {
    /// `None` if it can't be read, or the footer is longer than most.
    pub(crate) async fn read(store: &dyn ObjectStore, file: &ObjectMeta) -> Option<Self> {
        let range = file.size.saturating_sub(BYTES as u64)..file.size;
        let bytes = store.get_range(&file.location, range).await.ok()?;
        let mut reader = ParquetMetaDataReader::new();
        reader.try_parse_sized(&bytes, file.size).ok()?;
        let footer = reader.finish().ok()?;
        Some(Self { bytes, footer })
    }

    pub(crate) fn footer(&self) -> &ParquetMetaData {
        &self.footer
    }

    /// Keeps the footer, with the page index, for whoever reads the file next.
    pub(crate) fn keep(self, kept: &FileMetadataCache, file: &ObjectMeta) {
        let mut reader = ParquetMetaDataReader::new_with_metadata(self.footer)
            .with_page_index_policy(PageIndexPolicy::Optional);
        // A page index that begins before these bytes is left to be read with the footer.
        if (reader.read_page_indexes_sized(&self.bytes, file.size)).is_ok()
            && let Ok(footer) = reader.finish()
        {
            let footer = Arc::new(CachedParquetMetaData::new(Arc::new(footer)));
            let entry = CachedFileMetadataEntry::new(file.clone(), footer);
            kept.put(&file.location, entry);
        }
    }
}
