//! Data files on the object store, for the Parquet reader.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, TryFutureExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

use crate::error::Error;
use crate::retry::retry;
use crate::snapshot::DataFile;

/// Reads ranges of one data file.
#[derive(Debug, Clone)]
pub(crate) struct FileReader {
    store: Arc<dyn ObjectStore>,
    path: Path,
    size_bytes: u64,
}

impl FileReader {
    pub(crate) fn new(store: &Arc<dyn ObjectStore>, file: &DataFile) -> Self {
        Self::at(store, &file.path, file.size_bytes)
    }

    /// Of any Parquet file.
    pub(crate) fn at(store: &Arc<dyn ObjectStore>, path: &Path, size_bytes: u64) -> Self {
        Self {
            store: Arc::clone(store),
            path: path.clone(),
            size_bytes,
        }
    }
}

fn external(source: Error) -> ParquetError {
    ParquetError::External(Box::new(source))
}

impl AsyncFileReader for FileReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes>> {
        let (store, path) = (&self.store, &self.path);
        retry(move || {
            let range = range.clone();
            async move {
                let got = store.get_range(path, range).await;
                got.map_err(|source| Error::store("read", path, source))
            }
        })
        .map_err(external)
        .boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>>> {
        let (store, path) = (&self.store, &self.path);
        async move {
            retry(|| async {
                let got = store.get_ranges(path, &ranges).await;
                got.map_err(|source| Error::store("read", path, source))
            })
            .await
            .map_err(external)
        }
        .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>>> {
        let size_bytes = self.size_bytes;
        async move {
            let reader = ParquetMetaDataReader::new().with_arrow_reader_options(options);
            Ok(Arc::new(reader.load_and_finish(self, size_bytes).await?))
        }
        .boxed()
    }
}
