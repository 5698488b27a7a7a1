//! What a data file's footer says, from the engine's budget or by one request.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::datasource::physical_plan::parquet::metadata::DFParquetMetadata;
use datafusion::execution::cache::cache_manager::FileMetadataCache;
use object_store::{ObjectMeta, ObjectStore};
use parquet::file::metadata::ParquetMetaData;

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
