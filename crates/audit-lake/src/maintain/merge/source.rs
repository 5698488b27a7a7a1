//! A file to be merged: what orders its rows, and some of its rows.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

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

use crate::error::{Error, Result};
use crate::keys::{self, KeyColumns};
use crate::snapshot::DataFile;
use crate::{TableName, checksum};

/// Rows read at a time, and about how many bytes of them.
const BATCH_ROWS: usize = 8 << 10;
const BATCH_BYTES: u64 = 32 << 20;

/// A file to be merged, as it is stored.
pub(in crate::maintain) struct Source {
    pub(in crate::maintain) file: DataFile,
    pub(in crate::maintain) bytes: Bytes,
}

/// One whose footer was read.
pub(super) struct Opened {
    pub(super) source: Source,
    pub(super) metadata: ArrowReaderMetadata,
    /// Decoded bytes of a row, in the mean.
    pub(super) row_bytes: u64,
}

/// Record type, operation and user; the table of records alone has them.
pub(super) type Kind = (Option<i64>, Option<String>, Option<String>);

/// What orders the rows of a file.
pub(super) struct Scan {
    /// Time, and place in `kinds`.
    pub(super) rows: Vec<(i64, usize)>,
    pub(super) kinds: Vec<Kind>,
    pub(super) decoded_bytes: u64,
    pub(super) metadata: ArrowReaderMetadata,
}

impl Scan {
    pub(super) fn of(table: TableName, source: &Source) -> Result<Self> {
        // Written anew, damage would have a hash of its own.
        let file = &source.file;
        if (file.sha256).is_some_and(|hash| hash != checksum::of(&source.bytes)) {
            return Err(Error::corrupt(&file.path, checksum::DAMAGED));
        }
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

pub(super) fn times<'a>(batch: &'a RecordBatch, name: &str) -> impl Iterator<Item = i64> + 'a {
    let times: Option<&TimestampMicrosecondArray> = (batch.column_by_name(name))
        .and_then(|array| array.as_primitive_opt::<TimestampMicrosecondType>());
    (0..batch.num_rows()).map(move |row| {
        let times = times.filter(|times| times.is_valid(row));
        times.map_or(i64::MIN, |times| times.value(row))
    })
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

pub(super) type Builder = ParquetRecordBatchReaderBuilder<Bytes>;

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
    pub(super) fn read_rows(
        &self,
        rows: &[u32],
        names: &[&str],
        held: &Held,
    ) -> Result<Vec<RecordBatch>> {
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
pub(super) struct Held {
    bytes: AtomicUsize,
    bytes_max: usize,
}

impl Held {
    pub(super) fn at_most(bytes_max: usize) -> Self {
        Self {
            bytes: AtomicUsize::new(0),
            bytes_max,
        }
    }

    pub(super) fn fits(&self) -> bool {
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
