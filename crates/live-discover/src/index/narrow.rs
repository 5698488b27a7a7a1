//! Asking the files of a scan for the rows that may match.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use audit_lake::{Condition, GroupIndex, TextIndex};
use bytes::Bytes;
use datafusion::datasource::physical_plan::parquet::{ParquetAccessPlan, RowGroupAccess};
use datafusion::execution::cache::cache_manager::FileMetadataCache;
use futures::StreamExt;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use parquet::arrow::arrow_reader::{RowSelection, RowSelector};

use crate::footer;
use crate::memory::{Budget, Key, Part};

/// Files that are asked at once. Each waits for one or two requests, and has no more than its footer in hand.
const FILES_MAX: usize = 128;
/// Of more files than these some are asked first: if the index tells nothing of any, as of an operation that is in each,
/// the others are not.
const SAMPLE_FILES: usize = 8;
/// The whole index of a row group is read where its buckets that are asked for are more than one of so many.
const WHOLE_FROM: u64 = 8;

/// Parts of indexes that queries asked for, in the engine's budget.
pub(crate) struct IndexCache(pub(crate) Arc<Budget>);

impl IndexCache {
    fn get(&self, key: &Key) -> Arc<Known> {
        let none = || Arc::new(Known::Buckets(HashMap::new()));
        self.0.get(key).unwrap_or_else(none)
    }

    fn put(&self, key: Key, known: Known) {
        let bytes = known.size();
        self.0.put(key, Arc::new(known), bytes);
    }
}

/// What of a file is to be read.
#[derive(Debug, Clone)]
pub(crate) enum Access {
    /// Nothing is known of it.
    Whole,
    /// No row of it matches.
    Nothing,
    /// These rows; `rows` counts them.
    Rows { plan: ParquetAccessPlan, rows: u64 },
}

impl Access {
    /// Whether all rows are to be read.
    fn is_whole(&self) -> bool {
        match self {
            Self::Whole => true,
            Self::Nothing => false,
            Self::Rows { plan, .. } => {
                let mut groups = plan.inner().iter();
                groups.all(|group| matches!(group, RowGroupAccess::Scan))
            }
        }
    }
}

/// Where files and what is known of them come from.
pub(crate) struct Asked<'a> {
    pub(crate) store: &'a Arc<dyn ObjectStore>,
    pub(crate) footers: &'a Arc<FileMetadataCache>,
    pub(crate) indexes: &'a IndexCache,
    pub(crate) condition: &'a Condition,
}

/// What of each file may match.
pub(crate) async fn narrow(asked: &Asked<'_>, files: Vec<ObjectMeta>) -> Vec<Access> {
    let step = files.len().div_ceil(SAMPLE_FILES);
    if step > 1 {
        let sample = files.iter().step_by(step).cloned().collect();
        if asked.files(sample).await.iter().all(Access::is_whole) {
            return vec![Access::Whole; files.len()];
        }
    }
    asked.files(files).await
}

impl Asked<'_> {
    async fn files(&self, files: Vec<ObjectMeta>) -> Vec<Access> {
        let accesses = files
            .into_iter()
            .map(|file| async move { self.file(&file).await.unwrap_or(Access::Whole) });
        futures::stream::iter(accesses)
            .buffered(FILES_MAX)
            .collect()
            .await
    }

    /// `None` where it can't be told.
    async fn file(&self, file: &ObjectMeta) -> Option<Access> {
        let metadata = footer::of(self.store.as_ref(), self.footers, file)
            .await
            .ok()?;
        let index = TextIndex::of(&metadata)?;
        let mut accesses = Vec::with_capacity(metadata.num_row_groups());
        let mut selected = 0;
        for number in 0..metadata.num_row_groups() {
            let rows = usize::try_from(metadata.row_group(number).num_rows()).ok()?;
            let access = match index.group(number) {
                Some(group) if group.range().end <= file.size => {
                    let blocks = self.group(file, number, group).await;
                    rows_of(blocks, group.block_rows(), rows)
                }
                _ => RowGroupAccess::Scan,
            };
            selected += match &access {
                RowGroupAccess::Skip => 0,
                RowGroupAccess::Scan => rows,
                RowGroupAccess::Selection(selection) => selection.row_count(),
            };
            accesses.push(access);
        }
        Some(match selected {
            0 => Access::Nothing,
            rows => Access::Rows {
                plan: ParquetAccessPlan::new(accesses),
                rows: rows as u64,
            },
        })
    }

    /// The blocks of a row group that may match, a bit for each.
    async fn group(&self, file: &ObjectMeta, number: usize, group: &GroupIndex) -> u64 {
        let key = Key {
            path: file.location.clone(),
            part: Part::TextIndex { group: number },
        };
        let known = self.indexes.get(&key);
        let missing = known.missing(self.condition.buckets(group));
        if missing.is_empty() {
            return self.blocks(group, &known);
        }
        let known = match known.with_room_for(missing.len(), group) {
            Some(mut buckets) => {
                let ranges: Vec<Range<u64>> =
                    missing.iter().map(|bucket| group.bucket(*bucket)).collect();
                let Ok(parts) = self.store.get_ranges(&file.location, &ranges).await else {
                    return u64::MAX;
                };
                // Of their own: a store may give parts of what it read at once, which all of it would stay for.
                let parts = parts.iter().map(|bytes| Bytes::copy_from_slice(bytes));
                buckets.extend(missing.into_iter().zip(parts));
                Known::Buckets(buckets)
            }
            None => match self.store.get_range(&file.location, group.range()).await {
                Ok(whole) => Known::Whole(whole),
                Err(_) => return u64::MAX,
            },
        };
        let blocks = self.blocks(group, &known);
        self.indexes.put(key, known);
        blocks
    }

    fn blocks(&self, group: &GroupIndex, known: &Known) -> u64 {
        let start = group.range().start;
        (self.condition).blocks(group, &|bucket| match known {
            Known::Buckets(buckets) => buckets.get(&bucket).map(Bytes::as_ref),
            Known::Whole(whole) => {
                let range = group.bucket(bucket);
                let from = usize::try_from(range.start - start).ok()?;
                whole.get(from..from + group.bucket_bytes())
            }
        })
    }
}

/// What was read of a row group's index.
#[derive(Debug)]
enum Known {
    Buckets(HashMap<u32, Bytes>),
    Whole(Bytes),
}

impl Known {
    fn missing(&self, mut buckets: Vec<u32>) -> Vec<u32> {
        match self {
            Self::Buckets(known) => buckets.retain(|bucket| !known.contains_key(bucket)),
            Self::Whole(_) => buckets.clear(),
        }
        buckets
    }

    /// The buckets that are known; `None` if with so many more the whole may as well be read.
    fn with_room_for(&self, more: usize, group: &GroupIndex) -> Option<HashMap<u32, Bytes>> {
        let Self::Buckets(known) = self else {
            return None;
        };
        let whole = group.range().end - group.range().start;
        let bytes = (known.len() + more) as u64 * group.bucket_bytes() as u64;
        (bytes * WHOLE_FROM <= whole).then(|| known.clone())
    }

    fn size(&self) -> usize {
        /// Of an entry of the map, beside the bytes.
        const ENTRY_BYTES: usize = 64;
        match self {
            Self::Buckets(known) => known.values().map(|bytes| bytes.len() + ENTRY_BYTES).sum(),
            Self::Whole(whole) => whole.len(),
        }
    }
}

/// The rows of the blocks whose bits are set.
fn rows_of(blocks: u64, block_rows: usize, rows: usize) -> RowGroupAccess {
    let count = rows.div_ceil(block_rows);
    let all = u64::MAX >> (64 - count.clamp(1, 64));
    // More blocks than bits: the index is not one that we wrote.
    if blocks & all == all || count > 64 {
        return RowGroupAccess::Scan;
    }
    if blocks & all == 0 {
        return RowGroupAccess::Skip;
    }
    let selectors = (0..count).map(|block| {
        let len = block_rows.min(rows - block * block_rows);
        match blocks >> block & 1 {
            0 => RowSelector::skip(len),
            _ => RowSelector::select(len),
        }
    });
    RowGroupAccess::Selection(RowSelection::from(selectors.collect::<Vec<_>>()))
}
