//! Data files of one partition, written anew as few.
//!
//! The files lie in memory as they are stored. From each, what orders its rows is read first; then, for one file to
//! be made at a time, the rows that it gets. So memory is that of the stored files and of one file's rows.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::{Array, AsArray, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::TimestampMicrosecondType;
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection, RowSelector,
};

use crate::TableName;
use crate::append::file_columns;
use crate::data_file::{self, Columns, ROW_GROUP_ROWS, RowIndex};
use crate::error::{Error, Result};
use crate::keys::{self, KeyColumns};
use crate::snapshot::DataFile;
use crate::stats::Stats;

/// Decoded bytes that a file to be made may have, by what the footers say.
const DECODED_BYTES_MAX: u64 = 256 << 20;

/// Rows read at a time.
const BATCH_ROWS: usize = 8 << 10;

/// A file to be merged, as it is stored.
pub(super) struct Source {
    pub(super) file: DataFile,
    pub(super) bytes: Bytes,
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

/// The files to be made, each with its rows in their order.
pub(super) struct Plan {
    pub(super) table: TableName,
    sources: Vec<Source>,
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
        let mut row_bytes = Vec::new();
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
                    row_bytes.push(scan.decoded_bytes.div_ceil(source.file.rows.max(1)));
                    kept.push(source);
                }
                Err(error) => {
                    tracing::warn!(%error, path = %source.file.path, "a data file is left as it is");
                    left.push(source.file);
                }
            }
        }
        rank(&kinds, &mut rows);
        rows.sort_unstable_by_key(|row| (row.time, row.source, row.row));
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
        self.sources.first()?.file.event_date
    }

    /// The files whose rows these are.
    pub(super) fn files(&self) -> Vec<DataFile> {
        self.sources
            .iter()
            .map(|source| source.file.clone())
            .collect()
    }

    /// Makes one of the files.
    pub(super) fn make(&self, output: usize, threads: NonZeroUsize) -> Result<Merged> {
        let rows = &self.outputs[output];
        // The rows by source, each with its place in the file to be made.
        let mut wanted: Vec<(usize, &Row)> = rows.iter().enumerate().collect();
        wanted.sort_unstable_by_key(|(_, row)| (row.source, row.row));
        let wanted: Vec<&[(usize, &Row)]> = wanted
            .chunk_by(|(_, a), (_, b)| a.source == b.source)
            .collect();
        let read = each(&wanted, threads, |wanted| {
            let source = &self.sources[wanted[0].1.source as usize];
            let selected: Vec<u32> = wanted.iter().map(|(_, row)| row.row).collect();
            read_rows(source, &selected)
        });
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
        let columns = Columns::of(file_columns(self.table), &batches);
        let key = self.table.key_column();
        let bytes = data_file::encode(&columns, &order, key, threads)
            .map_err(|e| Error::internal(format!("could not encode {} rows: {e}", rows.len())))?;
        Ok(Merged {
            bytes,

            stats: Stats::of(&batches, &order).to_json(rows.len()),
        })
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
}

impl Scan {
    fn of(table: TableName, source: &Source) -> Result<Self> {
        let builder = open(source)?;
        check_columns(table, source, &builder)?;
        let metadata = builder.metadata();
        let decoded_bytes = (metadata.row_groups().iter())
            .map(|group| group.total_byte_size().unsigned_abs())
            .sum();
        let names: &[&str] = match table {
            TableName::Audit => &["record_type", "operation", "user_id", "creation_time"],
            TableName::Content => &["state_at"],
            TableName::Rejects => &["ingested_at"],
        };
        let mask = ProjectionMask::columns(builder.parquet_schema(), names.iter().copied());
        let batches = read(source, builder.with_projection(mask))?;
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

type Builder = ParquetRecordBatchReaderBuilder<Bytes>;

fn open(source: &Source) -> Result<Builder> {
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    Builder::try_new_with_options(source.bytes.clone(), options)
        .map_err(|e| Error::corrupt(&source.file.path, e))
}

fn read(source: &Source, builder: Builder) -> Result<Vec<RecordBatch>> {
    builder
        .with_batch_size(BATCH_ROWS)
        .build()
        .and_then(|reader| reader.collect::<Result<_, _>>().map_err(Into::into))
        .map_err(|e| Error::corrupt(&source.file.path, e))
}

/// A column that the table lacks, or has in another type, would be lost.
fn check_columns(table: TableName, source: &Source, builder: &Builder) -> Result<()> {
    for field in builder.schema().fields() {
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

/// Reads some rows, given in order, with the columns that have a value in them.
fn read_rows(source: &Source, rows: &[u32]) -> Result<Vec<RecordBatch>> {
    let mut selectors = Vec::new();
    let mut at = 0;
    for run in rows.chunk_by(|a, b| a + 1 == *b) {
        let begin = run[0] as usize;
        selectors.push(RowSelector::skip(begin - at));
        selectors.push(RowSelector::select(run.len()));
        at = begin + run.len();
    }
    let builder = open(source)?.with_row_selection(RowSelection::from(selectors));
    let batches: Vec<RecordBatch> = read(source, builder)?.iter().map(without_nulls).collect();
    let read: usize = batches.iter().map(RecordBatch::num_rows).sum();
    if read != rows.len() {
        return Err(Error::internal(format!(
            "read {read} of {} rows of `{}`",
            rows.len(),
            source.file.path
        )));
    }
    Ok(batches)
}

/// Rows of a kind stand together, and most columns have no value in them.
fn without_nulls(batch: &RecordBatch) -> RecordBatch {
    let has_value = |at: &usize| batch.column(*at).null_count() < batch.num_rows();
    let columns: Vec<usize> = (0..batch.num_columns()).filter(has_value).collect();
    batch.project(&columns).unwrap_or_else(|_| batch.clone())
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
