//! What a data file's footer says, from the engine's budget or by one request, and what comes with it.

use std::ops::Range;
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
    let (footer, _) = with_file(store, kept, file, PageIndexPolicy::Optional).await?;
    Ok(footer)
}

/// The footer of a file, and all of the file if it has no more than what is read for a footer that is not kept.
pub(crate) async fn with_file(
    store: &dyn ObjectStore,
    kept: &Arc<FileMetadataCache>,
    file: &ObjectMeta,
    pages: PageIndexPolicy,
) -> Result<(Arc<ParquetMetaData>, Option<Tail>)> {
    let known = kept.get(&file.location);
    match known.as_ref().and_then(parquet) {
        Some(footer) if pages == PageIndexPolicy::Skip || footer.offset_index().is_some() => {
            return Ok((Arc::clone(footer), None));
        }
        Some(_) => {}
        None => {
            if let Some(end) = End::read(store, file).await {
                let whole = (end.tail.start == 0).then(|| end.tail.clone());
                if let Some(footer) = end.keep(kept.as_ref(), file, pages) {
                    return Ok((footer, whole));
                }
            }
        }
    }
    let footer = DFParquetMetadata::new(store, file)
        .with_metadata_size_hint(Some(BYTES))
        .with_file_metadata_cache(Some(Arc::clone(kept)))
        .with_page_index_policy(Some(pages))
        .fetch_metadata()
        .await?;
    Ok((footer, None))
}

/// The footer that an entry of the cache is.
pub(crate) fn parquet(entry: &CachedFileMetadataEntry) -> Option<&Arc<ParquetMetaData>> {
    let footer = entry.file_metadata.as_any();
    let footer = footer.downcast_ref::<CachedParquetMetaData>();
    footer.map(CachedParquetMetaData::parquet_metadata)
}

/// The end of a file.
#[derive(Debug, Clone)]
pub(crate) struct Tail {
    /// Where in the file the bytes begin.
    start: u64,
    bytes: Bytes,
}

impl Tail {
    /// A part of the file, if it is in these bytes; of its own, as what is made of it may stay for long.
    pub(crate) fn part(&self, range: &Range<u64>) -> Option<Bytes> {
        let at = |place: u64| usize::try_from(place.checked_sub(self.start)?).ok();
        let (start, end) = (at(range.start)?, at(range.end)?);
        (self.bytes.get(start..end)).map(Bytes::copy_from_slice)
    }

    /// Bytes that it holds.
    pub(crate) fn size(&self) -> usize {
        self.bytes.len()
    }
}

/// The end of a file, with its footer, and without its page index.
pub(crate) struct End {
    pub(crate) tail: Tail,
    footer: ParquetMetaData,
}

impl End {
    /// `None` if it can't be read, or the footer is longer than most.
    pub(crate) async fn read(store: &dyn ObjectStore, file: &ObjectMeta) -> Option<Self> {
        let start = file.size.saturating_sub(BYTES as u64);
        let bytes = store.get_range(&file.location, start..file.size);
        let bytes = bytes.await.ok()?;
        let mut reader = ParquetMetaDataReader::new();
        reader.try_parse_sized(&bytes, file.size).ok()?;
        let footer = reader.finish().ok()?;
        Some(Self {
            tail: Tail { start, bytes },
            footer,
        })
    }

    pub(crate) fn footer(&self) -> &ParquetMetaData {
        &self.footer
    }

    /// Keeps the footer for whoever reads the file next, with the page index if that is asked for. `None` if the page
    /// index begins before these bytes: it is left to be read with the footer.
    pub(crate) fn keep(
        self,
        kept: &FileMetadataCache,
        file: &ObjectMeta,
        pages: PageIndexPolicy,
    ) -> Option<Arc<ParquetMetaData>> {
        let mut reader =
            ParquetMetaDataReader::new_with_metadata(self.footer).with_page_index_policy(pages);
        (reader.read_page_indexes_sized(&self.tail.bytes, file.size)).ok()?;
        let footer = Arc::new(reader.finish().ok()?);
        let cached = Arc::new(CachedParquetMetaData::new(Arc::clone(&footer)));
        kept.put(
            &file.location,
            CachedFileMetadataEntry::new(file.clone(), cached),
        );
        Some(footer)
    }
}
