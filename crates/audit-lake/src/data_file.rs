//! One data file: rows of one partition, encoded as Parquet.
//!
//! Row groups follow each other in time; in a row group, rows of one record type stand together, as
//! they have the same columns and look alike ([`stand`]). Only columns with a value in the file are there (Delta
//! reads a missing column as null); `id` has a bloom filter; numbers, times and texts of few values
//! have statistics a page. Behind each row group stands its index of texts ([`crate::text_index`]).

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, new_null_array};
use arrow::compute::interleave;
use arrow::datatypes::{DataType, FieldRef, Schema};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{
    ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, ArrowWriterOptions,
    compute_leaves,
};
use parquet::basic::{Compression, Encoding, PageType, ZstdLevel};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, PageEncodingStats};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::ColumnPath;

use crate::checksum;
use crate::keys::Texts;
use crate::sample::Sample;
use crate::text_index::{GroupMarks, TextIndex};
use crate::threads;

/// Rows of a row group: some 100 MB of records, a few MB encoded.
pub(crate) const ROW_GROUP_ROWS: usize = 128 << 10;

/// Rows of one record type and operation that stand by user: few enough that a time still names some of a large file's
/// pages, enough for a user's rows, which look alike, to meet, and for blocks of the index of texts to have few users each.
pub(crate) const USER_ROWS: usize = 8192;

/// Bytes of a page of records, before compression: what is unpacked for one of them. Records that stand together look
/// alike, so smaller pages would be larger together.
const RECORD_PAGE_BYTES: usize = 256 << 10;

/// Bytes of a page of any other column, of which few are more than a number a row.
const PAGE_BYTES: usize = 64 << 10;

/// Bytes of a page of ids in a large row group: they don't become smaller together, and each is asked for alone.
const ID_PAGE_BYTES: usize = 16 << 10;

/// False positives of the bloom filter on `id`: one id of a thousand costs a page in vain.
const BLOOM_FALSE_POSITIVES: f64 = 0.001;

/// The text columns that have statistics: few values, so that a page may lack the one that is asked
/// for. Of the others the minima and maxima would say nothing, and finding them costs a twentieth of
/// ingest.
const TEXTS_WITH_STATISTICS: [&str; 5] = [
    "tenant_id",
    "operation",
    "workload",
    "content_type",
    "content_id",
];

/// The column of the records themselves.
const RECORDS: &str = "raw";

/// Columns whose texts may stand outside the record's own text: what wrote the record around it says them, or we do.
const TEXTS_BESIDE_RECORD: [&str; 10] = [
    "id",
    "operation",
    "user_id",
    "user_key",
    "object_id",
    "client_ip",
    "workload",
    "organization_id",
    "source_ip",
    "extra",
];

/// Entry in the footer of a file whose ids are each in one letter case: the filter then answers for any
/// spelling by the lower and the upper one.
pub(crate) const ONE_CASE_IDS: &str = "live_discover.one_case_ids";

/// So many rows without a column are written at once, as a run of nulls.
const NULL_RUN_MIN: usize = 256;

/// A chunk of so many bytes is not compressed: all that are so small are an eighth smaller compressed, those of one value
/// larger, and making what compresses chunks had 3 to 6 % of the samples of ingest.
const SMALL_BYTES: usize = 512;
/// Rows of a small row group. Only these have such chunks: where values are absent takes a bit a row.
const SMALL_ROWS_MAX: usize = 16 << 10;

/// Rows of a row group from which on more than one thread is worth its start.
const THREADS_ROWS_MIN: usize = 1024;

/// Which row of which batch.
pub(crate) type RowIndex = (usize, usize);

/// Puts the rows of a row group, which are in the order of time, as they stand in it: by record type and operation, so
/// many in turn by user, those of one user still by time. `kind` ranks record type and operation, and both with the user.
pub(crate) fn stand<R>(group: &mut [R], kind: impl Fn(&R) -> (u32, u32)) {
    group.sort_by_key(|row| kind(row).0);
    for same in group.chunk_by_mut(|a, b| kind(a).0 == kind(b).0) {
        for rows in same.chunks_mut(USER_ROWS) {
            rows.sort_by_key(|row| kind(row).1);
        }
    }
}

/// Batches by column: for each column that any of them has, its array in each batch.
#[derive(Debug)]
pub(crate) struct Columns(Vec<Column>);

#[derive(Debug)]
struct Column {
    field: FieldRef,
    /// One for each batch; a batch without the column has nulls, which all such batches share.
    arrays: Vec<ArrayRef>,
    /// Whether the batch has the column.
    present: Vec<bool>,
}

impl Columns {
    /// Those of the columns `names` that a batch has, in this order.
    pub(crate) fn of<'n>(names: impl Iterator<Item = &'n str>, batches: &[RecordBatch]) -> Self {
        let rows_max = batches.iter().map(RecordBatch::num_rows).max().unwrap_or(0);
        let mut by_name: HashMap<&str, Vec<(usize, usize)>> = HashMap::new();
        let schemas: Vec<_> = batches.iter().map(RecordBatch::schema_ref).collect();
        for (batch, schema) in schemas.iter().enumerate() {
            for (at, field) in schema.fields().iter().enumerate() {
                by_name.entry(field.name()).or_default().push((batch, at));
            }
        }
        let columns = names.filter_map(|name| {
            let places = by_name.get(name)?;
            let &(first_batch, first_at) = places.first()?;
            let field = Arc::clone(&schemas[first_batch].fields()[first_at]);
            let nulls =
                (places.len() < batches.len()).then(|| new_null_array(field.data_type(), rows_max));
            let mut present = vec![false; batches.len()];
            let mut arrays: Vec<Option<ArrayRef>> = vec![nulls; batches.len()];
            for &(batch, at) in places {
                present[batch] = true;
                arrays[batch] = Some(Arc::clone(batches[batch].column(at)));
            }
            Some(Column {
                field,
                arrays: arrays.into_iter().flatten().collect(),
                present,
            })
        });
        Self(columns.collect())
    }
}

/// Encodes the rows `order` of the columns.
///
/// `threads` columns are encoded at a time; memory is that of the largest few columns.
pub(crate) fn encode(
    columns: &Columns,
    order: &[RowIndex],
    bloom: &str,
    threads: NonZeroUsize,
) -> Result<FileBytes, ParquetError> {
    let mut encoder = Encoder::new(bloom, threads);
    encoder.add(columns, order)?;
    encoder.finish()
}

/// A data file as it is stored, and what the log says of it.
#[derive(Debug)]
pub(crate) struct FileBytes {
    pub(crate) bytes: Bytes,
    pub(crate) sha256: [u8; 32],
    pub(crate) text_index: Option<TextIndex>,
}

/// A data file that is being made: all of its rows, some columns after the other. What was added is held encoded.
pub(crate) struct Encoder<'b> {
    bloom: &'b str,
    threads: NonZeroUsize,
    columns: Vec<Encoded>,
    /// Of each row group, if the rows have records.
    marks: Vec<Option<GroupMarks>>,
    has_one_case_ids: bool,
}

/// What is done of a row group at a time, each by one thread.
enum Job<'c> {
    Index,
    Column(&'c Column),
}

/// What became of it.
enum Done {
    Marks(Option<GroupMarks>),
    Chunks(Vec<ArrowColumnChunk>),
}

struct Encoded {
    field: FieldRef,
    /// For each row group a chunk for each leaf.
    groups: Vec<Vec<ArrowColumnChunk>>,
}

impl<'b> Encoder<'b> {
    /// A file whose column `bloom` has a filter.
    pub(crate) fn new(bloom: &'b str, threads: NonZeroUsize) -> Self {
        Self {
            bloom,
            threads,
            columns: Vec::new(),
            marks: Vec::new(),
            has_one_case_ids: false,
        }
    }

    /// Adds columns of the rows, which stand in the same order each time. Those for the index come together
    /// ([`is_indexed`]).
    pub(crate) fn add(
        &mut self,
        columns: &Columns,
        order: &[RowIndex],
    ) -> Result<(), ParquetError> {
        let batches = columns.0.first().map_or(0, |column| column.arrays.len());
        let mut used = vec![false; batches];
        if batches > 0 {
            order.iter().for_each(|&(batch, _)| used[batch] = true);
        }
        let columns: Vec<&Column> = columns
            .0
            .iter()
            .filter(|column| column.has_value(order, &used))
            .collect();
        let mut bloom = columns.iter().filter(|c| c.field.name() == self.bloom);
        self.has_one_case_ids |= bloom.any(|column| column.is_one_case(order));
        let has_records = columns.iter().any(|column| column.field.name() == RECORDS);
        let first = self.columns.len();
        self.columns.extend(columns.iter().map(|column| Encoded {
            field: Arc::clone(&column.field),
            groups: Vec::new(),
        }));
        // The index takes longest, and of the columns the last do, as `raw` stands at the end of the table: they go first.
        let index = has_records.then_some(Job::Index);
        let encodings = columns.iter().rev().map(|column| Job::Column(column));
        let jobs: Vec<Job<'_>> = index.into_iter().chain(encodings).collect();
        for rows in order.chunks(ROW_GROUP_ROWS) {
            let threads = match rows.len() {
                ..THREADS_ROWS_MIN => NonZeroUsize::MIN,
                _ => self.threads,
            };
            let done = threads::each(&jobs, threads, |job| match job {
                Job::Index => Ok(Done::Marks(marks_of(&columns, rows))),
                Job::Column(column) => column.encode(rows, self.bloom).map(Done::Chunks),
            });
            let mut encoded = self.columns[first..].iter_mut().rev();
            for done in done {
                match done? {
                    Done::Marks(marks) => self.marks.push(marks),
                    Done::Chunks(chunks) => {
                        if let Some(column) = encoded.next() {
                            column.groups.push(chunks);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Brings the columns into an order that is not the one in which they were added.
    pub(crate) fn arrange<'n>(&mut self, names: impl Iterator<Item = &'n str>) {
        let places: HashMap<&str, usize> = names.zip(0..).collect();
        self.columns
            .sort_by_key(|column| places.get(column.field.name().as_str()).copied());
    }

    /// About how many bytes the file has: of what was added, and a fourth for indexes and the footer.
    fn size_bytes(&self) -> usize {
        let chunks = self.columns.iter().flat_map(|column| &column.groups);
        let sizes = chunks.flatten().map(|chunk| chunk.close().bytes_written);
        usize::try_from(sizes.sum::<u64>()).map_or(0, |bytes| bytes + bytes / 4)
    }

    /// The file.
    pub(crate) fn finish(self) -> Result<FileBytes, ParquetError> {
        let fields = self.columns.iter().map(|column| &column.field);
        let (mut file, _) = writer(fields, plain_properties().build(), self.size_bytes())?;
        let mut marks = self.marks.into_iter();
        let mut columns: Vec<_> = (self.columns.into_iter())
            .map(|column| column.groups.into_iter())
            .collect();
        let mut groups = Vec::new();
        loop {
            let chunks: Vec<_> = columns.iter_mut().filter_map(Iterator::next).collect();
            if chunks.is_empty() {
                break;
            }
            let mut group = file.next_row_group()?;
            for chunk in chunks.into_iter().flatten() {
                chunk.append_to_row_group(&mut group)?;
            }
            let metadata = group.close()?;
            let (rows, size_bytes) = (metadata.num_rows(), metadata.compressed_size());
            let index = match marks.next().flatten() {
                Some(marks) => {
                    let size_bytes = usize::try_from(size_bytes).unwrap_or(0);
                    let (index, bytes) = marks.encode(size_bytes, file.bytes_written() as u64);
                    file.write_all(&bytes)?;
                    Some(index)
                }
                None => None,
            };
            groups.push((u64::try_from(rows).unwrap_or(0), index));
        }
        if self.has_one_case_ids {
            let entry = KeyValue::new(ONE_CASE_IDS.to_owned(), "true".to_owned());
            file.append_key_value_metadata(entry);
        }
        let has_index = groups.iter().any(|(_, index)| index.is_some());
        let text_index = has_index.then(|| TextIndex::new(groups));
        if let Some(index) = &text_index {
            file.append_key_value_metadata(index.footer_entry());
        }
        let bytes = Bytes::from(file.into_inner()?);
        Ok(FileBytes {
            sha256: checksum::of(&bytes),
            bytes,
            text_index,
        })
    }
}

/// Whether the index of a row group is made of this column, among others.
pub(crate) fn is_indexed(name: &str) -> bool {
    name == RECORDS || TEXTS_BESIDE_RECORD.contains(&name)
}

/// What writes a file of these columns, of about so many bytes, and what encodes them.
fn writer<'f>(
    fields: impl Iterator<Item = &'f FieldRef>,
    properties: WriterProperties,
    size_bytes: usize,
) -> Result<(SerializedFileWriter<Vec<u8>>, ArrowRowGroupWriterFactory), ParquetError> {
    let schema = Arc::new(Schema::new(fields.map(Arc::clone).collect::<Vec<_>>()));
    // Parquet's own types say all there is to say; Arrow's copy of the schema would be a good part of
    // a small file.
    let options = ArrowWriterOptions::new()
        .with_properties(properties)
        .with_skip_arrow_metadata(true);
    let file = Vec::with_capacity(size_bytes);
    ArrowWriter::try_new_with_options(file, schema, options)?.into_serialized_writer()
}

/// The marks of the rows for the index of texts, if they have records.
fn marks_of(columns: &[&Column], rows: &[RowIndex]) -> Option<GroupMarks> {
    let named = |name: &str| columns.iter().find(|column| column.field.name() == name);
    let record = named(RECORDS)?;
    let others = TEXTS_BESIDE_RECORD.iter().filter_map(|name| named(name));
    let columns: Vec<&[ArrayRef]> = std::iter::once(record)
        .chain(others)
        .map(|column| column.arrays.as_slice())
        .collect();
    GroupMarks::of(&columns, rows)
}

impl Column {
    /// Whether one of the rows has a value; `used` says which batches they are of.
    fn has_value(&self, order: &[RowIndex], used: &[bool]) -> bool {
        let mut batches = self.present.iter().zip(used);
        batches.any(|(present, used)| *present && *used)
            && order
                .iter()
                .any(|&(batch, row)| self.present[batch] && self.arrays[batch].is_valid(row))
    }

    /// The chunk of each leaf for the rows of a row group.
    fn encode(
        &self,
        rows: &[RowIndex],
        bloom: &str,
    ) -> Result<Vec<ArrowColumnChunk>, ParquetError> {
        let mut arrays = Vec::new();
        for (present, run) in self.runs(rows) {
            match present {
                true => arrays.push(self.values(&rows[run])?),
                false => arrays.extend(self.nulls(&rows[run])),
            }
        }
        let properties = properties(&self.field, &arrays, rows.len(), bloom);
        let chunks = self.chunks(&arrays, properties.clone().build())?;
        let is_full = is_text(self.field.data_type())
            && chunks
                .iter()
                .any(|chunk| has_full_dictionary(chunk.close()));
        match is_full {
            true => self.chunks(&arrays, properties.set_dictionary_enabled(false).build()),
            false => Ok(chunks),
        }
    }

    /// The same with these properties.
    fn chunks(
        &self,
        arrays: &[ArrayRef],
        properties: WriterProperties,
    ) -> Result<Vec<ArrowColumnChunk>, ParquetError> {
        let (_, factory) = writer(std::iter::once(&self.field), properties, 0)?;
        let mut writers = factory.create_column_writers(0)?;
        for array in arrays {
            let leaves = compute_leaves(&self.field, array)?;
            for (leaf, writer) in leaves.iter().zip(&mut writers) {
                writer.write(leaf)?;
            }
        }
        writers.into_iter().map(ArrowColumnWriter::close).collect()
    }

    /// The values of rows, one after the other.
    fn values(&self, rows: &[RowIndex]) -> Result<ArrayRef, ParquetError> {
        // Those batches only that the rows are of: arrays that are given are looked at.
        let mut places = vec![None; self.arrays.len()];
        let mut arrays: Vec<&dyn Array> = Vec::new();
        let rows: Vec<RowIndex> = (rows.iter())
            .map(|&(batch, row)| {
                let place = *places[batch].get_or_insert_with(|| {
                    arrays.push(&self.arrays[batch]);
                    arrays.len() - 1
                });
                (place, row)
            })
            .collect();
        Ok(interleave(&arrays, &rows)?)
    }

    /// Nulls for rows of batches that lack the column, in parts: no larger array of them is made.
    fn nulls(&self, rows: &[RowIndex]) -> impl Iterator<Item = ArrayRef> {
        let of_batch = rows.first().map(|&(batch, _)| &self.arrays[batch]);
        of_batch.into_iter().flat_map(move |nulls| {
            let parts = rows.chunks(nulls.len().max(1));
            parts.map(|rows| nulls.slice(0, rows.len()))
        })
    }

    /// Where rows have the column or lack it by their batch, in turn: rows of one record type come
    /// from batches with the same columns, so most columns are absent for long runs.
    fn runs(&self, rows: &[RowIndex]) -> Vec<(bool, Range<usize>)> {
        if self.present.iter().all(|present| *present) {
            return vec![(true, 0..rows.len())];
        }
        let mut runs: Vec<(bool, Range<usize>)> = Vec::new();
        let mut at = 0;
        while at < rows.len() {
            let present = self.present[rows[at].0];
            let len = rows[at..]
                .iter()
                .take_while(|row| self.present[row.0] == present)
                .count();
            let present = present || len < NULL_RUN_MIN;
            match runs.last_mut() {
                Some((last, range)) if *last == present => range.end += len,
                _ => runs.push((present, at..at + len)),
            }
            at += len;
        }
        runs
    }

    /// Whether each text has letters of one case only.
    fn is_one_case(&self, order: &[RowIndex]) -> bool {
        let arrays: Vec<Option<Texts<'_>>> = self.arrays.iter().map(Texts::of_array).collect();
        order.iter().all(|&(batch, row)| {
            let text = arrays[batch].map_or("", |texts| texts.value(row));
            let letters = text.bytes().fold((false, false), |(lower, upper), byte| {
                (
                    lower | byte.is_ascii_lowercase(),
                    upper | byte.is_ascii_uppercase(),
                )
            });
            letters != (true, true)
        })
    }
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::Utf8View)
}

/// Those of any file.
fn plain_properties() -> WriterPropertiesBuilder {
    WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_data_page_size_limit(PAGE_BYTES)
        .set_column_data_page_size_limit(ColumnPath::from(RECORDS), RECORD_PAGE_BYTES)
        .set_created_by(concat!("live-discover ", env!("CARGO_PKG_VERSION")).to_owned())
}

/// Those of a chunk of `rows` rows, whose values stand in `arrays`.
fn properties(
    field: &FieldRef,
    arrays: &[ArrayRef],
    rows: usize,
    bloom: &str,
) -> WriterPropertiesBuilder {
    let name = field.name().as_str();
    let mut properties = plain_properties();
    if let Some(sample) = Sample::of(arrays) {
        if rows <= SMALL_ROWS_MAX && sample.encoded_bytes() <= SMALL_BYTES {
            properties = properties.set_compression(Compression::UNCOMPRESSED);
        }
        if is_text(field.data_type()) {
            properties = properties.set_dictionary_enabled(sample.repeats());
            if sample.is_of_ids() && rows > SMALL_ROWS_MAX {
                properties = properties.set_data_page_size_limit(ID_PAGE_BYTES);
            }
        }
    }
    if is_text(field.data_type()) && !TEXTS_WITH_STATISTICS.contains(&name) {
        properties = properties.set_statistics_enabled(EnabledStatistics::None);
    }
    if matches!(field.data_type(), DataType::Timestamp(_, _)) {
        properties = properties
            .set_dictionary_enabled(false)
            .set_encoding(Encoding::DELTA_BINARY_PACKED);
    }
    if name == bloom {
        properties = properties
            .set_bloom_filter_enabled(true)
            .set_bloom_filter_fpp(BLOOM_FALSE_POSITIVES)
            .set_bloom_filter_max_ndv(rows.max(1) as u64);
    }
    properties
}

/// Whether a dictionary had no room for all values of a chunk, so that some of its pages are of values. It has 1 MiB then,
/// all of which is unpacked for a row of any page of 64 KiB; without it the chunk is a tenth larger.
fn has_full_dictionary(chunk: &ColumnCloseResult) -> bool {
    let chunk = &chunk.metadata;
    let is_of_values = |page: &PageEncodingStats| {
        page.page_type != PageType::DICTIONARY_PAGE && page.encoding == Encoding::PLAIN
    };
    chunk.dictionary_page_offset().is_some()
        && (chunk.page_encoding_stats()).is_some_and(|pages| pages.iter().any(is_of_values))
}

#[cfg(test)]
mod tests {
    use arrow::array::StringViewArray;
    use parquet::file::metadata::ParquetMetaDataReader;

    use super::*;

    #[test]
    fn a_dictionary_has_all_texts_of_its_chunk_or_is_not_there() {
        // One comes often, so that a dictionary seems worth its work.
        let text = |row: usize| format!("{:>100}", if row.is_multiple_of(4) { 0 } else { row });
        for (rows, has_dictionary) in [(2_000, true), (40_000, false)] {
            let texts: ArrayRef = Arc::new(
                (0..rows)
                    .map(|row| Some(text(row)))
                    .collect::<StringViewArray>(),
            );
            let batches = [RecordBatch::try_from_iter([("object_id", texts)]).unwrap()];
            let columns = Columns::of(std::iter::once("object_id"), &batches);
            let order: Vec<RowIndex> = (0..rows).map(|row| (0, row)).collect();
            let file = encode(&columns, &order, "id", NonZeroUsize::MIN).unwrap();
            let footer = ParquetMetaDataReader::new().parse_and_finish(&file.bytes);
            let footer = footer.unwrap();
            let chunk = footer.row_group(0).column(0);
            assert_eq!(
                chunk.dictionary_page_offset().is_some(),
                has_dictionary,
                "{rows}"
            );
        }
    }
}
