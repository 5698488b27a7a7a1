//! DataFusion's cache of footers and page indexes, in the engine's budget.

use std::sync::Arc;
use std::time::Duration;

use datafusion::common::{HashMap, Result, TableReference};
use datafusion::execution::cache::cache_manager::CachedFileMetadataEntry;
use datafusion::execution::cache::{Cache, CacheEntryInfo, CacheValue};
use object_store::path::Path;

use super::{Budget, Key, Kind, Part};
use crate::footer;

/// Footers and page indexes of data files.
pub(crate) struct Footers(pub(crate) Arc<Budget>);

fn key(path: &Path) -> Key {
    Key {
        path: path.clone(),
        part: Part::Footer,
    }
}

impl Cache<Path, CachedFileMetadataEntry> for Footers {
    fn get(&self, path: &Path) -> Option<CachedFileMetadataEntry> {
        self.0.get(&key(path)).map(Arc::unwrap_or_clone)
    }

    fn put(&self, path: &Path, value: CachedFileMetadataEntry) -> Option<CachedFileMetadataEntry> {
        let bytes = value.size() + size_of::<CachedFileMetadataEntry>() + path.as_ref().len();
        let (key, value) = (key(path), Arc::new(value));
        // Without a page index it was read for whole columns, which are kept, and ask for no footer then.
        let footer = footer::parquet(&value);
        match footer.is_some_and(|footer| footer.offset_index().is_some()) {
            true => self.0.put(key, value, bytes),
            false => self.0.put_in_free(key, value, bytes),
        }
        // Who had it before is asked by nobody.
        None
    }

    fn remove(&self, path: &Path) -> Option<CachedFileMetadataEntry> {
        self.0.remove(&key(path)).map(Arc::unwrap_or_clone)
    }

    fn contains_key(&self, path: &Path) -> bool {
        self.0.contains(&key(path))
    }

    fn len(&self) -> usize {
        self.0.keys(Kind::Footers).len()
    }

    fn clear(&self) {
        self.0.clear(Kind::Footers);
    }

    fn name(&self) -> String {
        "footers".to_owned()
    }

    fn cache_limit(&self) -> usize {
        self.0.limit_bytes()
    }

    /// The bound is the engine's.
    fn update_cache_limit(&self, _limit: usize) {}

    /// Data files never change.
    fn cache_ttl(&self) -> Option<Duration> {
        None
    }

    fn update_cache_ttl(&self, _ttl: Option<Duration>) {}

    /// No entry is of a table that has a name.
    fn drop_table_entries(&self, _table: &TableReference) -> Result<()> {
        Ok(())
    }

    /// None: the engine's metrics tell what there is.
    fn list_entries(&self) -> HashMap<Path, CacheEntryInfo<CachedFileMetadataEntry>> {
        HashMap::new()
    }
}
