//! Data files of one partition, written anew as few.
//!
//! The files lie in memory as they are stored. From each, what orders its rows is read first; then, for one file to
//! be made at a time, the rows that it gets, some columns after the other: the records with what the index of texts is
//! made of, then the others. So memory is that of the stored files, of some columns of one file's rows, and of what
//! these became. What footers say of rows is a mean: a file whose rows turn out to be larger is made as two.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use arrow::array::{
    Array, ArrayData, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, StringViewArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, FieldRef, Schema, TimestampMicrosecondType};
use arrow::error::ArrowError;
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection,
    RowSelector,
};

use crate::TableName;
use crate::append::file_columns;
use crate::data_file::{self, Columns, Encoder, ROW_GROUP_ROWS, RowIndex};
use crate::error::{Error, Result};
use crate::keys::{self, KeyColumns};
use crate::snapshot::DataFile;
use crate::stats::Stats;

/// Decoded bytes that a file to be made may have, by what the footers say.
const DECODED_BYTES_MAX: u64 = 256 << 20;

/// Decoded bytes of a file to be made that are held at a time, but for those of a single row.
const HELD_BYTES_MAX: usize = 384 << 20;

/// Decoded bytes of columns that are held at a time, beside those that the index is made of.
const COLUMNS_BYTES: u64 = 64 << 20;

/// Rows read at a time, and about how many bytes of them.
const BATCH_ROWS: usize = 8 << 10;
const BATCH_BYTES: u64 = 32 << 20;

/// What a text, a number or a list takes in memory beside what is stored.
const VALUE_BYTES: u64 = 16;

/// A file to be merged, as it is stored.
pub(super) struct Source {
    pub(super) file: DataFile,
    pub(super) bytes: Bytes,
}

/// One whose footer was read.
struct Opened {
    source: Source,
    metadata: ArrowReaderMetadata,
    /// Decoded bytes of a row, in the mean.
    row_bytes: u64,
}

/// Where a row is, and what orders it.
#[derive(Debug, Clone, Copy)]
struct Row {
    time: i64,
    /// Which record type, operation and user: a number, and ranks in the end.
    kind: (u32, u32),
    source: u32,
    row: u32,
}

impl Row {
    fn by_time(&self) -> (i64, u32, u32) {
        (self.time, self.source, self.row)
    }
}

/// The files to be made, each with its rows in their order.
pub(super) struct Plan {
    pub(super) table: TableName,
    sources: Vec<Opened>,
    outputs: Vec<Vec<Row>>,
    /// Files that are left as they are: damaged, or with columns that this program does not know.
    pub(super) left: Vec<DataFile>,
}

/// A file that was made.
pub(super) struct Merged {
    pub(super) bytes: Bytes,
    pub(super) stats: String,
}

impl Plan {
    /// Reads what orders the rows of the files, and deals them out.
    pub(super) fn of(
        table: TableName,
        sources: Vec<Source>,
        file_rows: NonZeroUsize,
        threads: NonZeroUsize,
    ) -> Self {
        let scans = each(&sources, threads, |source| Scan::of(table, source));
        let (mut kept, mut left) = (Vec::new(), Vec::new());
        let mut rows: Vec<Row> = Vec::new();
        let mut kinds: HashMap<Kind, u32> = HashMap::new();
        for (source, scan) in sources.into_iter().zip(scans) {
            match scan {
                Ok(scan) => {
                    // A merge has fewer files and kinds than its rows, and these fit the memory.
                    let number = kept.len() as u32;
                    let numbers: Vec<u32> = (scan.kinds.into_iter())
                        .map(|kind| {
                            let next = kinds.len() as u32;
                            *kinds.entry(kind).or_insert(next)
                        })
                        .collect();
                    rows.extend(
                        (scan.rows.into_iter().enumerate()).map(|(row, (time, kind))| Row {
                            time,
                            kind: (numbers[kind], 0),
                            source: number,
                            row: row as u32,
                        }),
                    );
                    kept.push(Opened {
                        row_bytes: scan.decoded_bytes.div_ceil(source.file.rows.max(1)),
                        metadata: scan.metadata,
                        source,
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, path = %source.file.path, "a data file is left as it is");
                    left.push(source.file);
                }
            }
        }
        rank(&kinds, &mut rows);
        rows.sort_unstable_by_key(Row::by_time);
        let row_bytes: Vec<u64> = kept.iter().map(|opened| opened.row_bytes).collect();
        Self {
            table,
            sources: kept,
            outputs: deal(rows, file_rows, &row_bytes),
            left,
        }
    }

    /// How many files are to be made.
    pub(super) fn outputs(&self) -> usize {
        self.outputs.len()
    }

    /// The partition that all of them are of.
    pub(super) fn event_date(&self) -> Option<i32> {
        self.sources.first()?.source.file.event_date
    }

    /// The files whose rows these are.
    pub(super) fn files(&self) -> Vec<DataFile> {
        self.sources
            .iter()
            .map(|opened| opened.source.file.clone())
            .collect()
    }

    /// Makes one of the files, or more of it where its rows are larger than the footers promised.
    pub(super) fn make(&self, output: usize, threads: NonZeroUsize) -> Result<Vec<Merged>> {
        let mut made = Vec::new();
        self.make_rows(&self.outputs[output], HELD_BYTES_MAX, threads, &mut made)?;
        Ok(made)
    }

    fn make_rows(
        &self,
        rows: &[Row],
        held_bytes_max: usize,
        threads: NonZeroUsize,
        made: &mut Vec<Merged>,
    ) -> Result<()> {
        let key = self.table.key_column();
        let mut encoder = Encoder::new(key, threads);
        let mut stats = Stats::default();
        let failed = |e| Error::internal(format!("could not encode {} rows: {e}", rows.len()));
        for names in self.column_sets(rows.len()) {
            let Some((batches, order)) = self.read(rows, &names, held_bytes_max, threads)? else {
                for half in halves(rows) {
                    self.make_rows(&half, held_bytes_max, threads, made)?;
                }
                return Ok(());
            };
            stats.add(&batches, &order);
            let columns = Columns::of(names.into_iter(), &batches);
            encoder.add(&columns, &order).map_err(failed)?;
        }
        encoder.arrange(file_columns(self.table));
        made.push(Merged {
            bytes: encoder.finish().map_err(failed)?,
            stats: stats.to_json(rows.len()),
        });
        Ok(())
    }

    /// The columns of so many rows in sets, one of which is held decoded at a time.
    fn column_sets(&self, rows: usize) -> Vec<Vec<&'static str>> {
        let mut stored: HashMap<&str, u64> = HashMap::new();
        let mut rows_stored = 0;
        for opened in &self.sources {
            rows_stored += opened.source.file.rows;
            let groups = opened.metadata.metadata().row_groups().iter();
            for chunk in groups.flat_map(|group| group.columns()) {
                let name = chunk.column_path().parts().first();
                *stored.entry(name.map_or("", String::as_str)).or_default() +=
                    chunk.uncompressed_size().unsigned_abs();
            }
        }
        let rows = rows as u64;
        let is_stored = |name: &&str| stored.contains_key(name);
        let (first, others): (Vec<&str>, Vec<&str>) = file_columns(self.table)
            .filter(is_stored)
            .partition(|name| data_file::is_indexed(name));
        let mut sets = vec![first];
        let mut decoded_bytes = COLUMNS_BYTES;
        for name in others {
            let bytes = stored[name] / rows_stored.max(1) * rows + VALUE_BYTES * rows;
            if decoded_bytes + bytes > COLUMNS_BYTES {
                sets.push(Vec::new());
                decoded_bytes = 0;
            }
            decoded_bytes += bytes;
            sets.last_mut().into_iter().for_each(|set| set.push(name));
        }
        sets
    }

    /// Some columns of the rows, and where each row is in the batches; `None` where they have more bytes than may be.
    fn read(
        &self,
        rows: &[Row],
        names: &[&str],
        held_bytes_max: usize,
        threads: NonZeroUsize,
    ) -> Result<Option<(Vec<RecordBatch>, Vec<RowIndex>)>> {
        // The rows by source, each with its place in the file to be made.
        let mut wanted: Vec<(usize, &Row)> = rows.iter().enumerate().collect();
        wanted.sort_unstable_by_key(|(_, row)| (row.source, row.row));
        let wanted: Vec<&[(usize, &Row)]> = wanted
            .chunk_by(|(_, a), (_, b)| a.source == b.source)
            .collect();
        let held = Held {
            bytes: AtomicUsize::new(0),
            bytes_max: if rows.len() == 1 {
                usize::MAX
            } else {
                held_bytes_max
            },
        };
        let read = each(&wanted, threads, |wanted| {
            let opened = &self.sources[wanted[0].1.source as usize];
            let selected: Vec<u32> = wanted.iter().map(|(_, row)| row.row).collect();
            opened.read_rows(&selected, names, &held)
        });
        if !held.fits() {
            return Ok(None);
        }
        let mut batches: Vec<RecordBatch> = Vec::new();
        let mut order: Vec<RowIndex> = vec![(0, 0); rows.len()];
        for (wanted, read) in wanted.iter().zip(read) {
            let mut places = wanted.iter().map(|(place, _)| *place);
            for batch in read? {
                for (row, place) in (0..batch.num_rows()).zip(places.by_ref()) {
                    order[place] = (batches.len(), row);
                }
                batches.push(batch);
            }
        }
        Ok(Some((batches, order)))
    }
}

/// Record type, operation and user; the table of records alone has them.
type Kind = (Option<i64>, Option<String>, Option<String>);

/// What orders the rows of a file.
struct Scan {
    /// Time, and place in `kinds`.
    rows: Vec<(i64, usize)>,
    kinds: Vec<Kind>,
    decoded_bytes: u64,
    metadata: ArrowReaderMetadata,
}

impl Scan {
    fn of(table: TableName, source: &Source) -> Result<Self> {
        let metadata = open(table, source)?;
        let decoded_bytes = (metadata.metadata().row_groups().iter())
            .map(|group| group.total_byte_size().unsigned_abs())
            .sum();
        let names: &[&str] = match table {
            TableName::Audit => &["record_type", "operation", "user_id", "creation_time"],
            TableName::Content => &["state_at"],
            TableName::Rejects => &["ingested_at"],
        };
        let batches: Vec<RecordBatch> = reader(source, &metadata, names)
            .with_batch_size(BATCH_ROWS)
            .build()
            .and_then(|reader| reader.collect::<Result<_, _>>().map_err(Into::into))
            .map_err(|e| Error::corrupt(&source.file.path, e))?;
        let mut rows = Vec::new();
        let mut kinds: HashMap<keys::Kind<'_>, usize> = HashMap::new();
        for batch in &batches {
            if table != TableName::Audit {
                rows.extend(times(batch, names[0]).map(|time| (time, 0)));
                continue;
            }
            let columns = KeyColumns::of(batch)?;
            for row in 0..batch.num_rows() {
                let number = kinds.len();
                let kind = *kinds.entry(columns.kind(row)).or_insert(number);
                rows.push((columns.key(row).creation_time, kind));
            }
        }
        let mut numbered = vec![Kind::default(); kinds.len().max(1)];
        for ((record_type, operation, user_id), number) in kinds {
            let owned = |text: Option<&str>| text.map(str::to_owned);
            numbered[number] = (record_type, owned(operation), owned(user_id));
        }
        if rows.len() as u64 != source.file.rows {
            return Err(Error::corrupt(
                &source.file.path,
                format!("has {} rows, by the log {}", rows.len(), source.file.rows),
            ));
        }
        Ok(Self {
            rows,
            kinds: numbered,
            decoded_bytes,
            metadata,
        })
    }
}

fn times<'a>(batch: &'a RecordBatch, name: &str) -> impl Iterator<Item = i64> + 'a {
    let times: Option<&TimestampMicrosecondArray> = (batch.column_by_name(name))
        .and_then(|array| array.as_primitive_opt::<TimestampMicrosecondType>());
    (0..batch.num_rows()).map(move |row| {
        let times = times.filter(|times| times.is_valid(row));
        times.map_or(i64::MIN, |times| times.value(row))
    })
}

/// Puts ranks in the place of the kinds' numbers.
fn rank(kinds: &HashMap<Kind, u32>, rows: &mut [Row]) {
    let numbers = (kinds.iter()).map(|((record_type, operation, user_id), number)| {
        let kind = (*record_type, operation.as_deref(), user_id.as_deref());
        (kind, *number as usize)
    });
    let ranks = keys::ranks(numbers.collect());
    for row in rows {
        row.kind = ranks[row.kind.0 as usize];
    }
}

/// Deals rows, sorted by time, out to files that follow each other in time; in each row group rows stand by kind.
fn deal(rows: Vec<Row>, file_rows: NonZeroUsize, row_bytes: &[u64]) -> Vec<Vec<Row>> {
    let mut outputs: Vec<Vec<Row>> = Vec::new();
    let mut decoded_bytes = 0;
    for row in rows {
        let size_bytes = row_bytes[row.source as usize];
        match outputs.last_mut() {
            Some(output)
                if output.len() < file_rows.get()
                    && decoded_bytes + size_bytes <= DECODED_BYTES_MAX =>
            {
                output.push(row);
                decoded_bytes += size_bytes;
            }
            _ => {
                outputs.push(vec![row]);
                decoded_bytes = size_bytes;
            }
        }
    }
    for group in outputs
        .iter_mut()
        .flat_map(|output| output.chunks_mut(ROW_GROUP_ROWS))
    {
        data_file::stand(group, |row| row.kind);
    }
    outputs
}

/// The rows of a file in the order of time, halved.
fn halves(rows: &[Row]) -> [Vec<Row>; 2] {
    let mut first = rows.to_vec();
    first.sort_unstable_by_key(Row::by_time);
    let mut halves = [first.split_off(rows.len() / 2), first];
    halves.reverse();
    for group in halves
        .iter_mut()
        .flat_map(|half| half.chunks_mut(ROW_GROUP_ROWS))
    {
        data_file::stand(group, |row| row.kind);
    }
    halves
}

/// Reads the footer. Texts are read as views, which share what is stored once.
fn open(table: TableName, source: &Source) -> Result<ArrowReaderMetadata> {
    let corrupt = |e| Error::corrupt(&source.file.path, e);
    let options = || ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let metadata = ArrowReaderMetadata::load(&source.bytes, options()).map_err(corrupt)?;
    check_columns(table, source, &metadata)?;
    let fields = metadata.schema().fields().iter().map(with_views);
    let options = options().with_schema(Arc::new(Schema::new(fields.collect::<Vec<_>>())));
    ArrowReaderMetadata::try_new(Arc::clone(metadata.metadata()), options).map_err(corrupt)
}

/// The field, its texts as views.
fn with_views(field: &FieldRef) -> FieldRef {
    let data_type = match field.data_type() {
        DataType::Utf8 => DataType::Utf8View,
        DataType::Map(entry, sorted) => DataType::Map(with_views(entry), *sorted),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(with_views).collect()),
        other => other.clone(),
    };
    Arc::new(field.as_ref().clone().with_data_type(data_type))
}

type Builder = ParquetRecordBatchReaderBuilder<Bytes>;

/// A reader of some columns, of those that the file has.
fn reader(source: &Source, metadata: &ArrowReaderMetadata, names: &[&str]) -> Builder {
    let builder = Builder::new_with_metadata(source.bytes.clone(), metadata.clone());
    let mask = ProjectionMask::columns(builder.parquet_schema(), names.iter().copied());
    builder.with_projection(mask)
}

/// A column that the table lacks, or has in another type, would be lost.
fn check_columns(table: TableName, source: &Source, metadata: &ArrowReaderMetadata) -> Result<()> {
    for field in metadata.schema().fields() {
        let column = table.schema().column(field.name());
        let expected = column.map(|column| column.column_type.arrow());
        if expected.as_ref() != Some(field.data_type()) {
            return Err(Error::corrupt(
                &source.file.path,
                format!(
                    "its column `{}` is not the table's: {}",
                    field.name(),
                    field.data_type()
                ),
            ));
        }
    }
    Ok(())
}

impl Opened {
    /// Reads some rows, given in order, with those of the columns that have a value in them. What does not fit is left
    /// out.
    fn read_rows(&self, rows: &[u32], names: &[&str], held: &Held) -> Result<Vec<RecordBatch>> {
        let mut selectors = Vec::new();
        let mut at = 0;
        for run in rows.chunk_by(|a, b| a + 1 == *b) {
            let begin = run[0] as usize;
            selectors.push(RowSelector::skip(begin - at));
            selectors.push(RowSelector::select(run.len()));
            at = begin + run.len();
        }
        let batch_rows = (BATCH_BYTES / self.row_bytes.max(1)).clamp(1, BATCH_ROWS as u64);
        let path = &self.source.file.path;
        let reader = reader(&self.source, &self.metadata, names)
            .with_row_selection(RowSelection::from(selectors))
            .with_batch_size(batch_rows as usize)
            .build()
            .map_err(|e| Error::corrupt(path, e))?;
        let (mut batches, mut read) = (Vec::new(), 0);
        let mut seen = HashSet::new();
        for batch in reader {
            let batch = batch.and_then(|batch| kept(&batch));
            let batch = batch.map_err(|e| Error::corrupt(path, e))?;
            held.add(&batch, &mut seen);
            if !held.fits() {
                return Ok(Vec::new());
            }
            read += batch.num_rows();
            batches.push(batch);
        }
        if read != rows.len() {
            return Err(Error::internal(format!(
                "read {read} of {} rows of `{path}`",
                rows.len(),
            )));
        }
        Ok(batches)
    }
}

/// The batch without columns that have no value in it, which most have not where rows of a kind stand together, and
/// without the rest of the pages of which it has a few texts.
fn kept(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let has_value = |at: &usize| batch.column(*at).null_count() < batch.num_rows();
    let places: Vec<usize> = (0..batch.num_columns()).filter(has_value).collect();
    let batch = batch.project(&places)?;
    let columns = batch.columns().iter();
    let columns = columns.map(|column| match column.as_string_view_opt() {
        Some(views) if is_sparse(views) => Arc::new(views.gc()) as ArrayRef,
        _ => Arc::clone(column),
    });
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(batch.schema(), columns.collect(), &options)
}

/// Whether most of what the views hold is not theirs.
fn is_sparse(views: &StringViewArray) -> bool {
    let buffers = views.data_buffers().iter();
    let held: usize = buffers.map(|buffer| buffer.capacity()).sum();
    held / 2 > views.total_buffer_bytes_used()
}

/// Decoded bytes that are held for a file to be made.
struct Held {
    bytes: AtomicUsize,
    bytes_max: usize,
}

impl Held {
    fn fits(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) <= self.bytes_max
    }

    /// Adds a batch; `seen` are buffers of others that are counted already, as batches share pages.
    fn add(&self, batch: &RecordBatch, seen: &mut HashSet<usize>) {
        let columns = batch.columns().iter();
        let bytes: usize = columns
            .map(|column| bytes_of(&column.to_data(), seen))
            .sum();
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

fn bytes_of(data: &ArrayData, seen: &mut HashSet<usize>) -> usize {
    let mut bytes = 0;
    for buffer in data.buffers() {
        if seen.insert(buffer.data_ptr().as_ptr().addr()) {
            bytes += buffer.capacity();
        }
    }
    let children = data.child_data().iter();
    bytes + children.map(|child| bytes_of(child, seen)).sum::<usize>()
}

/// Does `work` for each item, on some threads.
fn each<I: Sync, T: Send>(
    items: &[I],
    threads: NonZeroUsize,
    work: impl Fn(&I) -> T + Sync,
) -> Vec<T> {
    let results: Vec<Mutex<Option<T>>> = items.iter().map(|_| Mutex::new(None)).collect();
    let next = AtomicUsize::new(0);
    let run = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let (Some(item), Some(result)) = (items.get(at), results.get(at)) else {
                return;
            };
            let done = work(item);
            *result
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(done);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads.get().min(items.len()) {
            scope.spawn(run);
        }
        run();
    });
    let take = |result: Mutex<Option<T>>| {
        result
            .into_inner()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    };
    results.into_iter().filter_map(take).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data_file::USER_ROWS;

    #[test]
    fn files_and_row_groups_follow_each_other_in_time() {
        let rows = 3 * ROW_GROUP_ROWS + 100;
        let row = |time: usize| Row {
            time: time as i64,
            kind: ((time % 7) as u32, (time % 21) as u32),
            source: (time % 2) as u32,
            row: 0,
        };
        let file_rows = NonZeroUsize::new(2 * ROW_GROUP_ROWS).unwrap();
        let outputs = deal((0..rows).map(row).collect(), file_rows, &[1, 1]);
        let lens: Vec<usize> = outputs.iter().map(Vec::len).collect();
        assert_eq!(lens, [2 * ROW_GROUP_ROWS, ROW_GROUP_ROWS + 100]);
        let mut next = 0;
        for group in outputs
            .iter()
            .flat_map(|output| output.chunks(ROW_GROUP_ROWS))
        {
            for same in group.chunk_by(|a, b| a.kind.0 == b.kind.0) {
                let rows = || same.chunks(USER_ROWS);
                assert!(rows().all(|rows| rows.is_sorted_by_key(|row| (row.kind, row.time))));
                let first = |rows: &[Row]| rows.iter().map(|row| row.time).min();
                assert!(rows().is_sorted_by_key(first));
            }
            assert!(group.is_sorted_by_key(|row| row.kind.0));
            let mut times: Vec<i64> = group.iter().map(|row| row.time).collect();
            times.sort_unstable();
            assert!(times.iter().copied().eq(next..next + group.len() as i64));
            next += group.len() as i64;
        }
    }

    /// A file of records with these times and lengths of text.
    fn source(name: &str, rows: &[(i64, usize)]) -> Source {
        let texts = |of: &dyn Fn(i64, usize) -> String| {
            let texts = rows.iter().map(|&(time, len)| of(time, len));
            Arc::new(StringViewArray::from_iter_values(texts)) as ArrayRef
        };
        let times = rows.iter().map(|(time, _)| *time);
        let times = TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC");
        let batch = RecordBatch::try_from_iter([
            ("id", texts(&|time, _| format!("{time}"))),
            ("creation_time", Arc::new(times) as ArrayRef),
            ("operation", texts(&|_, _| "FileAccessed".to_owned())),
            ("object_id", texts(&|time, _| format!("{}", time % 3))),
            ("site_url", texts(&|time, _| format!("{}", time % 5))),
            (
                "raw",
                texts(&|time, len| format!("{time} {}", "x".repeat(len))),
            ),
        ])
        .unwrap();
        let order: Vec<RowIndex> = (0..rows.len()).map(|row| (0, row)).collect();
        let batches = [batch];
        let columns = Columns::of(file_columns(TableName::Audit), &batches);
        let bytes = data_file::encode(&columns, &order, "id", NonZeroUsize::MIN).unwrap();
        let file = DataFile {
            path: name.into(),
            size_bytes: bytes.len() as u64,
            rows: rows.len() as u64,
            event_date: Some(0),
            creation_time: None,
            ingest_sequence: None,
            rows_written_at: None,
            modification_time_ms: 0,
        };
        Source { file, bytes }
    }

    fn plan(sources: Vec<Source>) -> Plan {
        let file_rows = NonZeroUsize::new(ROW_GROUP_ROWS).unwrap();
        Plan::of(TableName::Audit, sources, file_rows, NonZeroUsize::MIN)
    }

    /// The batches of a file that was made.
    fn batches(merged: &Merged) -> Vec<RecordBatch> {
        let reader = Builder::try_new(merged.bytes.clone()).unwrap().build();
        reader.unwrap().map(Result::unwrap).collect()
    }

    #[test]
    fn no_more_is_held_than_may_be_whatever_the_footers_promise() {
        // Ten large records stand beside small ones in each file, so that the mean says little.
        const LARGE: usize = 1 << 20;
        let rows = |first: i64| (first..).step_by(2).take(500);
        let large = |time: i64| if time < 20 { LARGE } else { 10 };
        let sized = |first| -> Vec<_> { rows(first).map(|time| (time, large(time))).collect() };
        let plan = plan(vec![source("a", &sized(0)), source("b", &sized(1))]);
        assert_eq!(plan.outputs(), 1);
        for (held_bytes_max, files) in [(HELD_BYTES_MAX, 1), (5 * LARGE / 2, 17)] {
            let mut made = Vec::new();
            let threads = NonZeroUsize::new(2).unwrap();
            plan.make_rows(&plan.outputs[0], held_bytes_max, threads, &mut made)
                .unwrap();
            assert_eq!(made.len(), files);
            let mut times = Vec::new();
            for merged in &made {
                let mut bytes = 0;
                for batch in batches(merged) {
                    times.extend(super::times(&batch, "creation_time"));
                    let raw = batch.column_by_name("raw").unwrap().as_string::<i32>();
                    bytes += raw.value_data().len();
                }
                assert!(bytes < held_bytes_max, "{bytes}");
            }
            // Files follow each other in time, and so do their rows, which are of one kind.
            assert!(times.into_iter().eq(0..1_000));
        }
        // A single row is made whatever it has.
        let mut made = Vec::new();
        plan.make_rows(&plan.outputs[0][..1], 1, NonZeroUsize::MIN, &mut made)
            .unwrap();
        assert_eq!(made.len(), 1);
    }

    #[test]
    fn a_few_texts_of_a_page_hold_no_page() {
        let rows: Vec<(i64, usize)> = (0..1_000).map(|time| (time, 1_000)).collect();
        let plan = plan(vec![source("a", &rows)]);
        let selected: Vec<Row> = plan.outputs[0].iter().step_by(100).copied().collect();
        let names = ["raw"];
        let fit = |bytes| {
            plan.read(&selected, &names, bytes, NonZeroUsize::MIN)
                .unwrap()
        };
        assert!(fit(20_000).is_some());
        assert!(fit(5_000).is_none());
    }

    #[test]
    fn columns_are_in_one_set_each_and_those_of_the_index_in_the_first() {
        let plan = plan(vec![source("a", &[(1, 10), (2, 10)])]);
        let indexed = ["id", "operation", "object_id", "raw"].as_slice();
        let sorted = |rows| -> Vec<Vec<&str>> {
            let mut sets = plan.column_sets(rows);
            sets[0].sort_unstable_by_key(|name| indexed.iter().position(|other| other == name));
            sets
        };
        assert_eq!(sorted(2), [indexed, &["creation_time", "site_url"]]);
        // So many rows that two columns are too much.
        let sets = sorted(3 << 20);
        assert_eq!(sets, [indexed, &["creation_time"], &["site_url"]]);
    }

    #[test]
    fn large_rows_make_more_files() {
        let row = |time: usize| Row {
            time: time as i64,
            kind: (0, 0),
            source: (time / 5) as u32,
            row: 0,
        };
        // Five rows of which two fit, and five of which all fit beside the last of those.
        let row_bytes = [DECODED_BYTES_MAX / 2, 1];
        let file_rows = NonZeroUsize::new(100).unwrap();
        let outputs = deal((0..10).map(row).collect(), file_rows, &row_bytes);
        let lens: Vec<usize> = outputs.iter().map(Vec::len).collect();
        assert_eq!(lens, [2, 2, 6]);
        // One that is too large by itself has a file of its own.
        let outputs = deal(
            (0..2).map(row).collect(),
            file_rows,
            &[2 * DECODED_BYTES_MAX],
        );
        assert_eq!(outputs.len(), 2);
    }
}
