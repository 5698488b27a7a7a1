//! Asking the files of a scan for the rows that may match.

use std::cell::Cell;
use std::ops::Range;
use std::sync::Arc;

use audit_lake::{Condition, DataFile, GroupIndex, TextIndex};
use bytes::Bytes;
use datafusion::common::{HashMap, Result};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::{ParquetAccessPlan, RowGroupAccess};
use datafusion::execution::cache::cache_manager::FileMetadataCache;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::prelude::SessionConfig;
use futures::StreamExt;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use parquet::arrow::arrow_reader::{RowSelection, RowSelector};
use parquet::file::metadata::PageIndexPolicy;
use tokio::task::JoinSet;

use crate::footer::{self, End, Tail};
use crate::memory::{Budget, Key, Part};
use crate::scan;

/// Files that are asked at once. Each waits for one or two requests, and has no more than its end in hand.
const FILES_MAX: usize = 256;
/// So few are asked without other threads.
const FILES_ALONE: usize = 8;
/// Of more files than these so many are looked at first: if it is known of each that its index tells nothing, as of an
/// operation that is in all of them, no file is asked.
const SAMPLE_FILES: usize = 8;
/// The whole index of a row group is read where its buckets that are asked for are more than one of so many.
const WHOLE_FROM: u64 = 8;

/// What queries asked of the files' indexes, in the engine's budget.
pub(crate) struct IndexCache(pub(crate) Arc<Budget>);

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
    /// Whether a row group may have a row that is to be read.
    pub(crate) fn has_group(&self, group: usize) -> bool {
        match self {
            Self::Whole => true,
            Self::Nothing => false,
            Self::Rows { plan, .. } => {
                !matches!(plan.inner().get(group), Some(RowGroupAccess::Skip))
            }
        }
    }

    /// Whether all rows are to be read.
    pub(super) fn is_whole(&self) -> bool {
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

/// A file that is asked.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    object: ObjectMeta,
    /// Its index, where the log says where that is.
    index: Option<Arc<TextIndex>>,
}

/// The files' indexes: where they are read, what is known of them, and by how many threads they are asked.
#[derive(Clone)]
pub(crate) struct Indexes {
    store: Arc<dyn ObjectStore>,
    footers: Arc<FileMetadataCache>,
    known: Arc<IndexCache>,
    threads: usize,
}

impl Indexes {
    /// `None` if queries do not ask them.
    ///
    /// # Errors
    ///
    /// What the runtime says of its store.
    pub(crate) fn of(config: &SessionConfig, runtime: &RuntimeEnv) -> Result<Option<Self>> {
        let Some(known) = config.get_extension::<IndexCache>() else {
            return Ok(None);
        };
        Ok(Some(Self {
            store: scan::store(runtime)?,
            footers: runtime.cache_manager.get_file_metadata_cache(),
            known,
            threads: config.target_partitions().max(1),
        }))
    }

    /// What of each file may match.
    pub(crate) async fn ask(&self, condition: &Arc<Condition>, files: &[Asked]) -> Vec<Access> {
        let tells_nothing = |file: &Asked| {
            let known = self.known(&file.key());
            known.is_some_and(|known| known.access(condition).is_some_and(|a| a.is_whole()))
        };
        if files.len() > SAMPLE_FILES && sample(files).all(tells_nothing) {
            return vec![Access::Whole; files.len()];
        }
        let mut accesses = Vec::with_capacity(files.len());
        let mut unknown = Vec::new();
        for (at, file) in files.iter().enumerate() {
            let key = file.key();
            let known = self.known(&key);
            let access = known.as_ref().and_then(|known| known.access(condition));
            if access.is_none() {
                let file = file.clone();
                unknown.push(Unknown {
                    at,
                    file,
                    key,
                    known,
                });
            }
            accesses.push(access.unwrap_or(Access::Whole));
        }
        for (at, access) in self.read_all(condition, unknown).await {
            accesses[at] = access;
        }
        accesses
    }

    fn known(&self, key: &Key) -> Option<Arc<KnownFile>> {
        self.known.0.get(key)
    }

    /// What the files of which too little is known say. Footers of many take longer to decode than to read, so as many
    /// threads do that as the query has.
    async fn read_all(
        &self,
        condition: &Arc<Condition>,
        mut unknown: Vec<Unknown>,
    ) -> Vec<(usize, Access)> {
        if unknown.len() <= FILES_ALONE {
            return self.clone().read(Arc::clone(condition), unknown).await;
        }
        let of_thread = unknown.len().div_ceil(self.threads);
        let mut tasks = JoinSet::new();
        while !unknown.is_empty() {
            let part = unknown.split_off(unknown.len().saturating_sub(of_thread));
            tasks.spawn(self.clone().read(Arc::clone(condition), part));
        }
        let mut told = Vec::new();
        while let Some(part) = tasks.join_next().await {
            // Of a task that was stopped nothing is known.
            told.extend(part.unwrap_or_default());
        }
        told
    }

    async fn read(self, condition: Arc<Condition>, files: Vec<Unknown>) -> Vec<(usize, Access)> {
        let (indexes, condition) = (&self, condition.as_ref());
        let told = files.into_iter().map(|unknown| async move {
            let at = unknown.at;
            let access = indexes.file(condition, unknown).await;
            (at, access.unwrap_or(Access::Whole))
        });
        let files_max = FILES_MAX.div_ceil(self.threads);
        let told = futures::stream::iter(told).buffer_unordered(files_max);
        told.collect().await
    }

    /// What is read of the file's index for it is known from now on. `None` where it can't be told.
    async fn file(&self, condition: &Condition, unknown: Unknown) -> Option<Access> {
        let Unknown {
            file, key, known, ..
        } = unknown;
        let (mut known, end) = match known {
            Some(known) => (KnownFile::clone(&known), None),
            None => self.first(&file).await?,
        };
        let file = file.object;
        let tail = end.as_ref().map(|end| &end.tail);
        for group in &mut known.groups {
            if let Some((index, known)) = &mut group.index {
                self.complete(condition, &file, tail, index, known).await?;
            }
        }
        let access = known.access(condition);
        if let Some(end) = end
            && !matches!(access, Some(Access::Nothing))
        {
            end.keep(self.footers.as_ref(), &file, PageIndexPolicy::Optional);
        }
        let bytes = known.size();
        self.known.0.put(key, Arc::new(known), bytes);
        access
    }

    /// What the log says of the file's index, or a footer; with the file's end, if that was read for it.
    async fn first(&self, file: &Asked) -> Option<(KnownFile, Option<End>)> {
        let Asked {
            object: file,
            index,
        } = file;
        if let Some(index) = index {
            return Some((KnownFile::of(Some(index), file.size), None));
        }
        if !self.footers.contains_key(&file.location)
            && let Some(end) = End::read(self.store.as_ref(), file).await
        {
            let index = TextIndex::of(end.footer());
            return Some((KnownFile::of(index.as_ref(), file.size), Some(end)));
        }
        let footer = footer::of(self.store.as_ref(), &self.footers, file).await;
        let index = TextIndex::of(footer.ok()?.as_ref());
        Some((KnownFile::of(index.as_ref(), file.size), None))
    }

    /// Reads what the condition asks of a row group's index, and is not known yet; what the file's end has is read.
    async fn complete(
        &self,
        condition: &Condition,
        file: &ObjectMeta,
        tail: Option<&Tail>,
        index: &GroupIndex,
        known: &mut Known,
    ) -> Option<()> {
        let missing = known.missing(condition.buckets(index));
        if missing.is_empty() {
            return Some(());
        }
        if known.has_room_for(missing.len(), index)
            && let Known::Buckets(buckets) = known
        {
            let ranges: Vec<Range<u64>> =
                missing.iter().map(|bucket| index.bucket(*bucket)).collect();
            let read = |tail: &Tail| ranges.iter().map(|range| tail.part(range)).collect();
            let parts: Vec<Bytes> = match tail.and_then(read) {
                Some(parts) => parts,
                None => self.store.get_ranges(&file.location, &ranges).await.ok()?,
            };
            // Of their own: a store may give parts of what it read at once, which all of it would stay for.
            let parts = parts.iter().map(|bytes| Bytes::copy_from_slice(bytes));
            buckets.extend(missing.into_iter().zip(parts));
        } else {
            let range = index.range();
            *known = Known::Whole(match tail.and_then(|tail| tail.part(&range)) {
                Some(part) => part,
                None => self.store.get_range(&file.location, range).await.ok()?,
            });
        }
        Some(())
    }
}

/// Some of the files, from all over.
pub(super) fn sample<T>(files: &[T]) -> impl Iterator<Item = &T> {
    files
        .iter()
        .step_by(files.len().div_ceil(SAMPLE_FILES).max(1))
}

/// A file, one of those that are asked, of which too little is known.
struct Unknown {
    at: usize,
    file: Asked,
    key: Key,
    known: Option<Arc<KnownFile>>,
}

impl Asked {
    pub(super) fn of(file: &DataFile) -> Self {
        Self {
            object: scan::object(file),
            index: file.text_index.clone(),
        }
    }

    pub(super) fn of_scan(file: &PartitionedFile) -> Self {
        Self {
            object: file.object_meta.clone(),
            index: file.extension::<Arc<TextIndex>>().cloned(),
        }
    }

    fn key(&self) -> Key {
        Key {
            path: self.object.location.clone(),
            part: Part::TextIndex,
        }
    }
}

/// What is known of a file's index; without one it has no groups.
#[derive(Debug, Clone)]
struct KnownFile {
    groups: Vec<KnownGroup>,
}

#[derive(Debug, Clone)]
struct KnownGroup {
    rows: usize,
    index: Option<(GroupIndex, Known)>,
}

impl KnownFile {
    fn of(index: Option<&TextIndex>, file_bytes: u64) -> Self {
        let groups = index.into_iter().flat_map(TextIndex::groups);
        let groups = groups.map(|(rows, index)| {
            let index = index.filter(|index| index.range().end <= file_bytes);
            KnownGroup {
                rows: usize::try_from(rows).unwrap_or(usize::MAX),
                index: index.map(|index| (index.clone(), Known::Buckets(HashMap::new()))),
            }
        });
        Self {
            groups: groups.collect(),
        }
    }

    /// What of the file may match; `None` if more of its index has to be known.
    fn access(&self, condition: &Condition) -> Option<Access> {
        if self.groups.is_empty() {
            return Some(Access::Whole);
        }
        let (mut accesses, mut selected) = (Vec::with_capacity(self.groups.len()), 0);
        for KnownGroup { rows, index } in &self.groups {
            let access = match index {
                Some((index, known)) => {
                    let all = all_blocks(index, *rows);
                    rows_of(
                        known.blocks(condition, index, all)?,
                        all,
                        index.block_rows(),
                        *rows,
                    )
                }
                None => RowGroupAccess::Scan,
            };
            selected += match &access {
                RowGroupAccess::Skip => 0,
                RowGroupAccess::Scan => *rows,
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

    fn size(&self) -> usize {
        let groups = self.groups.iter();
        let known = groups.map(|group| {
            let known = group.index.as_ref().map_or(0, |(_, known)| known.size());
            known + size_of::<KnownGroup>()
        });
        known.sum()
    }
}

/// What was read of a row group's index.
#[derive(Debug, Clone)]
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

    /// Whether with so many more buckets less than the whole is read.
    fn has_room_for(&self, more: usize, index: &GroupIndex) -> bool {
        let known = match self {
            Self::Buckets(known) => known.len(),
            Self::Whole(_) => return false,
        };
        let whole = index.range().end - index.range().start;
        let bytes = (known + more) as u64 * index.bucket_bytes() as u64;
        bytes * WHOLE_FROM <= whole
    }

    /// Those of some blocks that may match, a bit for each; `None` if a bucket that tells is not known.
    fn blocks(&self, condition: &Condition, index: &GroupIndex, among: u64) -> Option<u64> {
        let start = index.range().start;
        let is_missing = Cell::new(false);
        let blocks = condition.blocks(index, among, &|bucket| match self {
            Self::Buckets(buckets) => {
                let bytes = buckets.get(&bucket).map(Bytes::as_ref);
                is_missing.set(is_missing.get() || bytes.is_none());
                bytes
            }
            Self::Whole(whole) => {
                let range = index.bucket(bucket);
                let from = usize::try_from(range.start - start).ok()?;
                whole.get(from..from + index.bucket_bytes())
            }
        });
        (!is_missing.get()).then_some(blocks)
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

/// The blocks of a row group of so many rows, a bit for each: an index that told fewer than there are is none.
fn all_blocks(index: &GroupIndex, rows: usize) -> u64 {
    match rows.div_ceil(index.block_rows()) {
        count @ 1..=64 => u64::MAX >> (64 - count),
        _ => 0,
    }
}

/// The rows of the blocks whose bits are set, of `all` of a row group of so many rows.
fn rows_of(blocks: u64, all: u64, block_rows: usize, rows: usize) -> RowGroupAccess {
    if blocks == all {
        return RowGroupAccess::Scan;
    }
    if blocks == 0 {
        return RowGroupAccess::Skip;
    }
    let selectors = (0..rows)
        .step_by(block_rows)
        .enumerate()
        .map(|(block, start)| {
            let len = block_rows.min(rows - start);
            match blocks >> block & 1 {
                0 => RowSelector::skip(len),
                _ => RowSelector::select(len),
            }
        });
    RowGroupAccess::Selection(RowSelection::from(selectors.collect::<Vec<_>>()))
}
