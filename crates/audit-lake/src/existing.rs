//! The rows of data files that may be those of an append.
//!
//! From cheap to dear: a file's partition and time range (in the snapshot), the bloom filter on
//! `id` and the pages of `creation_time` (in the footer, kept in memory), the key columns of the
//! pages that may match, and the text of the rows that do.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex};

use arrow::array::{Array, AsArray, RecordBatch, StringArray};
use arrow::datatypes::Int64Type;
use futures::TryStreamExt;
use object_store::ObjectStore;
use object_store::path::Path;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, RowSelection, RowSelector,
};
use parquet::arrow::async_reader::{ParquetRecordBatchStream, ParquetRecordBatchStreamBuilder};
use parquet::bloom_filter::Sbbf;
use parquet::file::metadata::PageIndexPolicy;
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::page_index::offset_index::PageLocation;

use crate::data_file::ONE_CASE_IDS;
use crate::error::{Error, Result};
use crate::file_reader::FileReader;
use crate::keys::{KEY_COLUMNS, Key, KeyColumns, Keys, Texts};
use crate::snapshot::DataFile;

/// Memory for the footers and filters of files that appends meet again and again.
const CACHE_BYTES: usize = 64 << 20;

/// What is kept of a data file to rule keys out.
struct KeyFile {
    metadata: ArrowReaderMetadata,
    /// On the key, one a row group; `None` where the group has none.
    blooms: Vec<Option<Sbbf>>,
    /// Whether the filters find an id in whatever letter case it is asked for.
    one_case_ids: bool,
    size_bytes: usize,
}

/// Footers and filters of data files, bounded. Data files never change, so nothing goes stale.
#[derive(Default)]
pub(crate) struct KeyFiles(Mutex<Cache>);

#[derive(Default)]
struct Cache {
    files: HashMap<Path, Arc<KeyFile>>,
    order: VecDeque<Path>,
    size_bytes: usize,
}

impl std::fmt::Debug for KeyFiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyFiles").finish_non_exhaustive()
    }
}

impl KeyFiles {
    async fn get(
        &self,
        store: &Arc<dyn ObjectStore>,
        file: &DataFile,
        key: &str,
    ) -> Result<Arc<KeyFile>> {
        let cached = self.lock().files.get(&file.path).map(Arc::clone);
        if let Some(cached) = cached {
            return Ok(cached);
        }
        let loaded = Arc::new(KeyFile::load(store, file, key).await?);
        let mut cache = self.lock();
        if cache
            .files
            .insert(file.path.clone(), Arc::clone(&loaded))
            .is_none()
        {
            cache.order.push_back(file.path.clone());
            cache.size_bytes += loaded.size_bytes;
        }
        while cache.size_bytes > CACHE_BYTES
            && let Some(oldest) = cache.order.pop_front()
        {
            let size = cache
                .files
                .remove(&oldest)
                .map_or(0, |file| file.size_bytes);
            cache.size_bytes -= size;
        }
        Ok(loaded)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Cache> {
        self.0
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl KeyFile {
    async fn load(store: &Arc<dyn ObjectStore>, file: &DataFile, key: &str) -> Result<Self> {
        let corrupt = |e| Error::parquet(&file.path, e);
        let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional);
        let mut builder = ParquetRecordBatchStreamBuilder::new_with_options(
            FileReader::new(store, file),
            options.clone(),
        )
        .await
        .map_err(corrupt)?;
        let id = leaf(builder.metadata(), key);
        let mut blooms = Vec::new();
        for group in 0..builder.metadata().num_row_groups() {
            blooms.push(match id {
                Some(id) => builder
                    .get_row_group_column_bloom_filter(group, id)
                    .await
                    .map_err(corrupt)?,
                None => None,
            });
        }
        let parquet = Arc::clone(builder.metadata());
        let filter_bytes: usize = parquet
            .row_groups()
            .iter()
            .filter_map(|group| id.and_then(|id| group.column(id).bloom_filter_length()))
            .map(|len| len.unsigned_abs() as usize)
            .sum();
        let size_bytes = parquet.memory_size() + filter_bytes;
        let one_case_ids = parquet
            .file_metadata()
            .key_value_metadata()
            .is_some_and(|entries| entries.iter().any(|entry| entry.key == ONE_CASE_IDS));
        let metadata = ArrowReaderMetadata::try_new(parquet, options).map_err(corrupt)?;
        Ok(Self {
            metadata,
            blooms,
            one_case_ids,
            size_bytes,
        })
    }

    /// The ranges of rows (within the group) whose time may be one of `times`, which are sorted.
    ///
    /// # Errors
    ///
    /// A footer that contradicts itself.
    fn pages(&self, file: &DataFile, group: usize, times: &[i64]) -> Result<Vec<(usize, usize)>> {
        let metadata = self.metadata.metadata();
        let rows = self.rows(file, group)?;
        let index = leaf(metadata, "creation_time").and_then(|column| {
            let pages = metadata
                .offset_index()?
                .get(group)?
                .get(column)?
                .page_locations();
            match metadata.column_index()?.get(group)?.get(column)? {
                ColumnIndexMetaData::INT64(index) => Some((index, pages)),
                _ => None,
            }
        });
        let Some((index, pages)) = index else {
            return Ok(vec![(0, rows)]);
        };
        let first_row = |page: &PageLocation| usize::try_from(page.first_row_index).ok();
        let mut ranges: Vec<(usize, usize)> = Vec::new();
        let mut begin = 0;
        for (at, page) in pages.iter().enumerate() {
            let end = pages.get(at + 1).map_or(Some(rows), first_row);
            let end =
                end.filter(|end| first_row(page) == Some(begin) && (begin..=rows).contains(end));
            let end = end.ok_or_else(|| {
                Error::corrupt(&file.path, "an index of pages that contradicts itself")
            })?;
            let may_match = match (index.min_values().get(at), index.max_values().get(at)) {
                (Some(&min), Some(&max)) => {
                    let first = times.partition_point(|&time| time < min);
                    times.get(first).is_some_and(|&time| time <= max)
                }
                _ => true,
            };
            if may_match {
                match ranges.last_mut() {
                    Some(last) if last.1 == begin => last.1 = end,
                    _ => ranges.push((begin, end)),
                }
            }
            begin = end;
        }
        Ok(ranges)
    }

    fn rows(&self, file: &DataFile, group: usize) -> Result<usize> {
        let rows = self.metadata.metadata().row_group(group).num_rows();
        usize::try_from(rows)
            .map_err(|_| Error::corrupt(&file.path, "a row group of less than no rows"))
    }
}

fn leaf(metadata: &parquet::file::metadata::ParquetMetaData, name: &str) -> Option<usize> {
    metadata
        .file_metadata()
        .schema_descr()
        .columns()
        .iter()
        .position(|column| column.path().string() == name)
}

/// Whether the filter, of ids that are each of one letter case, may hold the id or another case of it.
fn may_hold(bloom: &Sbbf, id: &str) -> bool {
    let has = |is: fn(&u8) -> bool| id.as_bytes().iter().any(is);
    bloom.check(id)
        || (has(u8::is_ascii_uppercase) && bloom.check(id.to_ascii_lowercase().as_str()))
        || (has(u8::is_ascii_lowercase) && bloom.check(id.to_ascii_uppercase().as_str()))
}

/// Tells `keys` which of its records are in `file`. `probes` are those whose time the file covers.
pub(crate) async fn look_up(
    cache: &KeyFiles,
    store: &Arc<dyn ObjectStore>,
    file: &DataFile,
    probes: &[usize],
    keys: &mut Keys<'_>,
) -> Result<()> {
    let key_file = cache.get(store, file, "id").await?;
    for group in 0..key_file.metadata.metadata().num_row_groups() {
        let mut times: Vec<i64> = probes
            .iter()
            .map(|&probe| keys.first(probe))
            .filter(|key| match (key.id, &key_file.blooms[group]) {
                (Some(id), Some(bloom)) if key_file.one_case_ids => may_hold(bloom, id),
                _ => true,
            })
            .map(|key| key.creation_time)
            .collect();
        if times.is_empty() {
            continue;
        }
        times.sort_unstable();
        times.dedup();
        let pages = key_file.pages(file, group, &times)?;
        let found = find_rows(store, file, &key_file, group, &pages, &times, keys).await?;
        if !found.is_empty() {
            read_texts(store, file, &key_file, group, &found, keys).await?;
        }
    }
    Ok(())
}

/// The rows (within the group, in order) of `pages` whose time is one of `times`, which are sorted, and
/// whose key is one of `keys`, with its group of keys.
async fn find_rows(
    store: &Arc<dyn ObjectStore>,
    file: &DataFile,
    key_file: &KeyFile,
    group: usize,
    pages: &[(usize, usize)],
    times: &[i64],
    keys: &Keys<'_>,
) -> Result<Vec<(usize, usize)>> {
    let mut stream = select(store, file, key_file, group, pages, &KEY_COLUMNS)?;
    let mut positions = pages.iter().flat_map(|&(begin, end)| begin..end);
    let mut found = Vec::new();
    while let Some(batch) = stream
        .try_next()
        .await
        .map_err(|e| Error::parquet(&file.path, e))?
    {
        let columns = KeyColumns::of(&batch)?;
        for (row, position) in (0..batch.num_rows()).zip(positions.by_ref()) {
            let key: Key<'_> = columns.key(row);
            if times.binary_search(&key.creation_time).is_ok()
                && let Some(group) = keys.find(&key)
            {
                found.push((position, group));
            }
        }
    }
    Ok(found)
}

async fn read_texts(
    store: &Arc<dyn ObjectStore>,
    file: &DataFile,
    key_file: &KeyFile,
    group: usize,
    found: &[(usize, usize)],
    keys: &mut Keys<'_>,
) -> Result<()> {
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for &(position, _) in found {
        match ranges.last_mut() {
            Some(last) if last.1 == position => last.1 += 1,
            _ => ranges.push((position, position + 1)),
        }
    }
    let mut stream = select(store, file, key_file, group, &ranges, &["raw", "variant"])?;
    let mut found = found.iter();
    while let Some(batch) = stream
        .try_next()
        .await
        .map_err(|e| Error::parquet(&file.path, e))?
    {
        let raw = Texts::of(&batch, "raw");
        let raw = raw.ok_or_else(|| Error::corrupt(&file.path, "no text column `raw`"))?;
        let variant = batch
            .column_by_name("variant")
            .and_then(|array| array.as_primitive_opt::<Int64Type>());
        for (row, (_, group)) in (0..batch.num_rows()).zip(found.by_ref()) {
            let variant = variant
                .filter(|array| array.is_valid(row))
                .map_or(0, |array| array.value(row));
            keys.exists(*group, raw.value(row), variant);
        }
    }
    Ok(())
}

type Stream = ParquetRecordBatchStream<FileReader>;

/// Reads columns of row ranges (within the group, in order, apart).
fn select(
    store: &Arc<dyn ObjectStore>,
    file: &DataFile,
    key_file: &KeyFile,
    group: usize,
    ranges: &[(usize, usize)],
    columns: &[&str],
) -> Result<Stream> {
    let mut selectors = Vec::with_capacity(ranges.len() * 2);
    let mut at = 0;
    for &(begin, end) in ranges {
        selectors.push(RowSelector::skip(begin - at));
        selectors.push(RowSelector::select(end - begin));
        at = end;
    }
    let schema = key_file.metadata.metadata().file_metadata().schema_descr();
    let mask = ProjectionMask::columns(schema, columns.iter().copied());
    ParquetRecordBatchStreamBuilder::new_with_metadata(
        FileReader::new(store, file),
        key_file.metadata.clone(),
    )
    .with_projection(mask)
    .with_row_groups(vec![group])
    .with_row_selection(RowSelection::from(selectors))
    .with_batch_size(8192)
    .build()
    .map_err(|e| Error::parquet(&file.path, e))
}

/// Adds to `known` the keys of `rows` (its text column `key`) that the file has.
pub(crate) async fn known_keys(
    cache: &KeyFiles,
    store: &Arc<dyn ObjectStore>,
    file: &DataFile,
    rows: &RecordBatch,
    key: &str,
    known: &mut HashSet<String>,
) -> Result<()> {
    let keys = key_column(rows, key)?;
    let key_file = cache.get(store, file, key).await?;
    for group in 0..key_file.metadata.metadata().num_row_groups() {
        let may_hold = |value: &str| {
            key_file.blooms[group]
                .as_ref()
                .is_none_or(|bloom| bloom.check(value))
        };
        let wanted: HashSet<&str> = (0..keys.len())
            .map(|row| keys.value(row))
            .filter(|key| may_hold(key))
            .collect();
        if wanted.is_empty() {
            continue;
        }
        let all = key_file.rows(file, group)?;
        let mut stream = select(store, file, &key_file, group, &[(0, all)], &[key])?;
        while let Some(batch) = stream
            .try_next()
            .await
            .map_err(|e| Error::parquet(&file.path, e))?
        {
            let found = key_column(&batch, key)?;
            known.extend(
                (0..found.len())
                    .map(|row| found.value(row))
                    .filter(|key| wanted.contains(key))
                    .map(str::to_owned),
            );
        }
    }
    Ok(())
}

/// A text column without nulls.
pub(crate) fn key_column<'a>(rows: &'a RecordBatch, key: &str) -> Result<&'a StringArray> {
    rows.column_by_name(key)
        .and_then(|array| array.as_string_opt())
        .filter(|array| array.null_count() == 0)
        .ok_or_else(|| Error::internal(format!("rows without a key `{key}`")))
}
