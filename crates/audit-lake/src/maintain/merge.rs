//! Data files of one partition, written anew as few.
//!
//! The files lie in memory as they are stored. From each, what orders its rows is read first; then, for one file to
//! be made at a time, the rows that it gets, some columns after the other: the records with what the index of texts is
//! made of, then the others. So memory is that of the stored files, of some columns of one file's rows, and of what
//! these became. What footers say of rows is a mean: a file whose rows turn out to be larger is made as two.

mod deal;
mod source;

use std::collections::HashMap;
use std::num::NonZeroUsize;

use arrow::array::RecordBatch;

use self::deal::{Row, deal, halves};
pub(super) use self::source::Source;
use self::source::{Held, Kind, Opened, Scan};
use crate::TableName;
use crate::append::file_columns;
use crate::data_file::{self, Columns, Encoder, FileBytes, RowIndex};
use crate::error::{Error, Result};
use crate::keys;
use crate::snapshot::DataFile;
use crate::stats::Stats;
use crate::threads::each;

/// Decoded bytes of a file to be made that are held at a time, but for those of a single row.
const HELD_BYTES_MAX: usize = 384 << 20;

/// Decoded bytes of columns that are held at a time, beside those that the index is made of.
const COLUMNS_BYTES: u64 = 64 << 20;

/// What a text, a number or a list takes in memory beside what is stored.
const VALUE_BYTES: u64 = 16;

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
    pub(super) file: FileBytes,
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
            file: encoder.finish().map_err(failed)?,
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
        let held = Held::at_most(match rows.len() {
            1 => usize::MAX,
            _ => held_bytes_max,
        });
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, AsArray, StringViewArray, TimestampMicrosecondArray};

    use super::source::{Builder, times};
    use super::*;
    use crate::data_file::ROW_GROUP_ROWS;

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
        let encoded = data_file::encode(&columns, &order, "id", NonZeroUsize::MIN);
        let bytes = encoded.unwrap().bytes;
        let file = DataFile {
            path: name.into(),
            size_bytes: bytes.len() as u64,
            rows: rows.len() as u64,
            event_date: Some(0),
            creation_time: None,
            ingest_sequence: None,
            rows_written_at: None,
            modification_time_ms: 0,
            sha256: None,
            text_index: None,
        };
        Source { file, bytes }
    }

    fn plan(sources: Vec<Source>) -> Plan {
        let file_rows = NonZeroUsize::new(ROW_GROUP_ROWS).unwrap();
        Plan::of(TableName::Audit, sources, file_rows, NonZeroUsize::MIN)
    }

    /// The batches of a file that was made.
    fn batches(merged: &Merged) -> Vec<RecordBatch> {
        let reader = Builder::try_new(merged.file.bytes.clone()).unwrap().build();
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
            let mut seen = Vec::new();
            for merged in &made {
                let mut bytes = 0;
                for batch in batches(merged) {
                    seen.extend(times(&batch, "creation_time"));
                    let raw = batch.column_by_name("raw").unwrap().as_string::<i32>();
                    bytes += raw.value_data().len();
                }
                assert!(bytes < held_bytes_max, "{bytes}");
            }
            // Files follow each other in time, and so do their rows, which are of one kind.
            assert!(seen.into_iter().eq(0..1_000));
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
}
