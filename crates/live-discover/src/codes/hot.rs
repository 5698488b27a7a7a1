//! Decoded columns that queries asked for, kept for the next ones.

use std::sync::Arc;

use datafusion::common::TableReference;
use datafusion::execution::cache::default_cache::DefaultCache;
use datafusion::execution::cache::{Cache, CacheKey, CacheValue};
use object_store::path::Path;

use super::column::Chunk;

/// Bounded. Data files never change, so nothing goes stale.
pub(crate) struct HotColumns(DefaultCache<Place, Chunk>);

/// A column of a row group.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) path: Path,
    pub(super) group: usize,
    pub(super) column: Arc<str>,
}

impl CacheKey for Place {
    fn size(&self) -> usize {
        size_of::<Self>() + self.path.as_ref().len()
    }

    fn table_ref(&self) -> Option<&TableReference> {
        None
    }
}

impl CacheValue for Chunk {
    fn size(&self) -> usize {
        Chunk::size(self)
    }
}

impl HotColumns {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self(DefaultCache::new(bytes_max))
    }

    pub(super) fn get(&self, place: &Place) -> Option<Chunk> {
        self.0.get(place)
    }

    pub(super) fn put(&self, place: &Place, chunk: Chunk) {
        self.0.put(place, chunk);
    }
}
