//! Lookup tables: lists of a host or an analyst beside the lake's tables, for indicators, assets, people, ranges.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Seek};
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::csv::ReaderBuilder as CsvReader;
use datafusion::arrow::csv::reader::Format as CsvFormat;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::json::ReaderBuilder as JsonReader;
use datafusion::arrow::json::reader::infer_json_schema;
use datafusion::catalog::{MemTable, TableProvider};
use datafusion::common::utils::memory::RecordBatchMemoryCounter;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::error::{Error, Result};
use crate::names;

/// A table of a session's own, in memory. Cheap to clone.
///
/// Its columns are named as the lake's are: `ClientIP` becomes `client_ip`, `IP address` becomes `ip_address`.
#[derive(Clone)]
pub struct Lookup {
    schema: SchemaRef,
    batches: Arc<Vec<RecordBatch>>,
}

/// Memory of one lookup table.
const BYTES_MAX: usize = 512 << 20;
const BATCH_ROWS: usize = 8192;

impl Lookup {
    /// A table of these rows; every batch has the schema's columns, in its order.
    ///
    /// A column of Arrow's type `Null` is one of texts, which are all NULL; a run-end encoded one is unpacked. Batches that
    /// are slices of one are kept as they are, and count once.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidQuery`] if a batch has other columns, two columns have one name, there are none, or it is larger
    /// than 512 MiB.
    pub fn from_batches(schema: &SchemaRef, batches: Vec<RecordBatch>) -> Result<Self> {
        let mut lookup = Growing::new(schema)?;
        for batch in batches {
            lookup.push(&batch)?;
        }
        Ok(lookup.finish())
    }

    /// Reads a file, whose form its name tells: `.csv` (with a header; all columns are text), `.ndjson`, `.jsonl`
    /// or `.json` (one object a line), or `.parquet`.
    ///
    /// JSON has the columns that any of its lines has, also a late one; where some of a column's values are texts and others
    /// numbers or truth values, all are texts. An empty value of a CSV file is NULL.
    ///
    /// Reads the whole file before it returns.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] and [`Error::Unavailable`] for a file that cannot be read, [`Error::InvalidQuery`] for one
    /// that is not what its name says, or too large.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let ending = path.extension().and_then(|ending| ending.to_str());
        let read = match ending.map(str::to_ascii_lowercase).as_deref() {
            Some("csv") => read_csv,
            Some("ndjson" | "jsonl" | "json") => read_json,
            Some("parquet") => read_parquet,
            _ => {
                return Err(Error::invalid(format!(
                    "`{}`: a lookup table is a .csv, .ndjson or .parquet file",
                    path.display()
                )));
            }
        };
        let file = File::open(path).map_err(|error| {
            let message = format!("could not read `{}`: {error}", path.display());
            match error.kind() {
                std::io::ErrorKind::NotFound => Error::NotFound { message },
                _ => Error::Unavailable { message },
            }
        })?;
        read(file).map_err(|error| match error {
            Error::InvalidQuery { message, .. } => {
                Error::invalid(format!("`{}`: {message}", path.display()))
            }
            other => other,
        })
    }

    /// Its columns.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// How many rows it has.
    pub fn rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    pub(crate) fn provider(&self) -> Result<Arc<dyn TableProvider>> {
        let partitions = vec![self.batches.to_vec()];
        Ok(Arc::new(MemTable::try_new(self.schema(), partitions)?))
    }
}

impl fmt::Debug for Lookup {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Lookup")
            .field("columns", &self.schema.fields().len())
            .field("rows", &self.rows())
            .finish()
    }
}

/// The name under which a lookup table is known, if it can have it.
pub(crate) fn checked_name(name: &str) -> Result<String> {
    let known = names::in_sql(name);
    let is_plain = |character: char| character.is_ascii_alphanumeric() || character == '_';
    if name.is_empty()
        || !name.chars().all(is_plain)
        || name.starts_with(|first: char| first.is_ascii_digit())
    {
        return Err(Error::invalid(format!(
            "a lookup table cannot be named `{name}`: letters, digits and `_`, a letter first"
        )));
    }
    if names::table_names().any(|table| table == known) {
        return Err(Error::invalid(format!(
            "a lookup table cannot be named `{name}`: there is such a table"
        )));
    }
    Ok(known)
}

/// A lookup as it is read.
struct Growing {
    /// As it is given: names and types are other ones in SQL.
    given: Schema,
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    memory: RecordBatchMemoryCounter,
}

impl Growing {
    fn new(schema: &Schema) -> Result<Self> {
        if schema.fields().is_empty() {
            return Err(Error::invalid(
                "a lookup table has columns, and here are none",
            ));
        }
        let mut seen = BTreeSet::new();
        let mut fields = Vec::new();
        for field in schema.fields() {
            let name = names::in_sql(field.name());
            if !seen.insert(name.clone()) {
                return Err(Error::invalid(format!("two columns are named `{name}`")));
            }
            fields.push(Field::new(name, type_in_sql(field.data_type()), true));
        }
        Ok(Self {
            given: schema.clone(),
            schema: Arc::new(Schema::new(fields)),
            batches: Vec::new(),
            memory: RecordBatchMemoryCounter::new(),
        })
    }

    fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        // Columns of one type in another order would be taken for each other.
        let (schema, given) = (batch.schema(), self.given.fields());
        let is_same = |(one, other): (&FieldRef, &FieldRef)| {
            (one.name(), one.data_type()) == (other.name(), other.data_type())
        };
        if schema.fields().len() != given.len() || !schema.fields().iter().zip(given).all(is_same) {
            return Err(Error::invalid(
                "a batch has other columns than the lookup table, or in another order",
            ));
        }
        let columns = batch.columns().iter().zip(self.schema.fields());
        let columns: std::result::Result<Vec<ArrayRef>, ArrowError> = columns
            .map(
                |(column, field)| match column.data_type() == field.data_type() {
                    true => Ok(Arc::clone(column)),
                    false => cast(column, field.data_type()),
                },
            )
            .collect();
        let columns = columns.map_err(unfit)?;
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(unfit)?;
        self.memory.count_batch(&batch);
        if self.memory.memory_usage() > BYTES_MAX {
            return Err(Error::invalid(format!(
                "a lookup table has at most {} MiB",
                BYTES_MAX >> 20
            )));
        }
        self.batches.push(batch);
        Ok(())
    }

    fn of(
        schema: &Schema,
        batches: impl Iterator<Item = std::result::Result<RecordBatch, ArrowError>>,
    ) -> Result<Lookup> {
        let mut lookup = Self::new(schema)?;
        for batch in batches {
            lookup.push(&batch.map_err(unfit)?)?;
        }
        Ok(lookup.finish())
    }

    fn finish(self) -> Lookup {
        Lookup {
            schema: self.schema,
            batches: Arc::new(self.batches),
        }
    }
}

/// What a column is to queries. Steps of DataFusion that have no notion of a type fail, or take its rows for others': grouping by
/// `Null` panics, and a join by run-end encoded texts finds no match for all of them.
fn type_in_sql(given: &DataType) -> DataType {
    match given {
        DataType::Null => DataType::Utf8,
        DataType::RunEndEncoded(_, values) => type_in_sql(values.data_type()),
        other => other.clone(),
    }
}

fn unfit(error: ArrowError) -> Error {
    Error::invalid(error.to_string())
}

/// A mark of the byte order is no part of the first column's name.
fn past_byte_order_mark(file: File) -> Result<BufReader<File>> {
    const MARK: &[u8] = b"\xef\xbb\xbf";
    let mut reader = BufReader::new(file);
    let start = reader.fill_buf().map_err(unread)?;
    let skip = if start.starts_with(MARK) {
        MARK.len()
    } else {
        0
    };
    reader.consume(skip);
    Ok(reader)
}

fn unread(error: std::io::Error) -> Error {
    Error::Unavailable {
        message: format!("could not read a lookup table: {error}"),
    }
}

fn read_csv(file: File) -> Result<Lookup> {
    let mut reader = past_byte_order_mark(file)?;
    let start = reader.stream_position().map_err(unread)?;
    // All text: what looks like a number may be an identifier with zeros in front.
    let format = CsvFormat::default().with_header(true);
    let (inferred, _) = format.infer_schema(&mut reader, Some(1)).map_err(unfit)?;
    let names = inferred.fields().iter().map(|field| field.name());
    let fields: Vec<Field> = names
        .map(|name| Field::new(name.trim(), DataType::Utf8, true))
        .collect();
    let schema = Arc::new(Schema::new(fields));
    reader
        .seek(std::io::SeekFrom::Start(start))
        .map_err(unread)?;
    let batches = CsvReader::new(Arc::clone(&schema))
        .with_header(true)
        .with_batch_size(BATCH_ROWS)
        .build_buffered(reader)
        .map_err(unfit)?;
    Growing::of(&schema, batches)
}

fn read_json(file: File) -> Result<Lookup> {
    let mut reader = past_byte_order_mark(file)?;
    let start = reader.stream_position().map_err(unread)?;
    let beginning = reader.fill_buf().map_err(unread)?.trim_ascii_start();
    if beginning.starts_with(b"[") {
        return Err(Error::invalid(
            "it is one JSON list; a lookup table has one object a line",
        ));
    }
    // All of them: a field that comes late is a column, too.
    let (schema, _) = infer_json_schema(&mut reader, None).map_err(no_objects)?;
    reader
        .seek(std::io::SeekFrom::Start(start))
        .map_err(unread)?;
    let schema = Arc::new(schema);
    let batches = JsonReader::new(Arc::clone(&schema))
        .with_batch_size(BATCH_ROWS)
        // A column of numbers and texts is one of texts.
        .with_coerce_primitive(true)
        .build(reader)
        .map_err(unfit)?;
    Growing::of(&schema, batches)
}

fn no_objects(error: ArrowError) -> Error {
    Error::invalid(format!("it has not one JSON object a line: {error}"))
}

fn read_parquet(file: File) -> Result<Lookup> {
    let unfit =
        |error: datafusion::parquet::errors::ParquetError| Error::invalid(error.to_string());
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(unfit)?;
    let schema = Arc::clone(builder.schema());
    let batches = builder.with_batch_size(BATCH_ROWS).build().map_err(unfit)?;
    Growing::of(&schema, batches)
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{Int32Array, NullArray, RunArray, StringArray};

    use super::*;

    fn written(name: &str, text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        (folder, path)
    }

    fn columns(lookup: &Lookup) -> Vec<String> {
        let schema = lookup.schema();
        let fields = schema.fields().iter();
        fields
            .map(|field| format!("{} {}", field.name(), field.data_type()))
            .collect()
    }

    #[test]
    fn files_are_read_by_their_name() {
        for (name, text, expected, rows) in [
            (
                "a.csv",
                "\u{feff}ClientIP,IP address,n\n203.0.113.1,\"x, y\",007\n,,\n",
                vec!["client_ip Utf8", "ip_address Utf8", "n Utf8"],
                2,
            ),
            ("b.CSV", "ip\n", vec!["ip Utf8"], 0),
            (
                "c.ndjson",
                "{\"UserId\":\"a\",\"n\":1}\n{\"UserId\":\"b\"}\n",
                vec!["user_id Utf8", "n Int64"],
                2,
            ),
            // Numbers and texts are texts; what is NULL everywhere is text, too.
            (
                "d.ndjson",
                "{\"id\":1,\"note\":null}\n{\"id\":\"b\",\"note\":null}\n",
                vec!["id Utf8", "note Utf8"],
                2,
            ),
        ] {
            let (_folder, path) = written(name, text);
            let lookup = Lookup::read(path).unwrap();
            assert_eq!(columns(&lookup), expected, "{name}");
            assert_eq!(lookup.rows(), rows, "{name}");
        }
    }

    #[test]
    fn what_is_no_table_is_told() {
        for (name, text, expected) in [
            (
                "a.txt",
                "",
                "a lookup table is a .csv, .ndjson or .parquet file",
            ),
            (
                "a.csv",
                "UserId,user_id\na,b\n",
                "two columns are named `user_id`",
            ),
            ("a.csv", "a,b\n1\n", "at line 2"),
            ("a.csv", "", "a lookup table has columns, and here are none"),
            ("a.ndjson", "no json\n", "not one JSON object a line"),
            ("a.ndjson", "{}\n", "a lookup table has columns"),
            ("a.json", "\n [{\"a\":1}]", "it is one JSON list"),
            ("a.parquet", "no parquet", "Parquet"),
        ] {
            let (_folder, path) = written(name, text);
            let error = Lookup::read(path).unwrap_err().to_string();
            assert!(error.contains(expected), "{name}: {error}");
        }
        let error = Lookup::read("/no/such.csv").unwrap_err();
        assert!(matches!(error, Error::NotFound { .. }));
    }

    #[test]
    fn a_field_that_comes_late_in_a_json_file_is_a_column() {
        let mut text = "{\"ip\":\"203.0.113.1\"}\n".repeat(20_000);
        text.push_str("{\"ip\":\"203.0.113.2\",\"note\":\"late\"}\n");
        let (_folder, path) = written("a.ndjson", &text);
        let lookup = Lookup::read(path).unwrap();
        assert_eq!(columns(&lookup), ["ip Utf8", "note Utf8"]);
        assert_eq!(lookup.rows(), 20_001);
    }

    fn of_texts(columns: &[(&str, &[&str])]) -> RecordBatch {
        let columns = columns.iter().map(|(name, texts)| {
            let texts: ArrayRef = Arc::new(StringArray::from(texts.to_vec()));
            (*name, texts)
        });
        RecordBatch::try_from_iter(columns).unwrap()
    }

    #[test]
    fn columns_of_a_batch_are_not_taken_for_each_other() {
        let first = of_texts(&[("ip", &["203.0.113.1"]), ("note", &["a"])]);
        let swapped = of_texts(&[("note", &["b"]), ("ip", &["203.0.113.2"])]);
        let error = Lookup::from_batches(&first.schema(), vec![first.clone(), swapped]);
        assert_eq!(
            error.unwrap_err().to_string(),
            "a batch has other columns than the lookup table, or in another order"
        );
    }

    #[test]
    fn slices_of_a_batch_count_once() {
        let texts: Vec<String> = (0..100_000).map(|number| format!("{number:032}")).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let whole = of_texts(&[("id", &texts)]);
        // Each counted as the whole they would have more than a lookup table may.
        let slices: Vec<RecordBatch> = (0..1_000)
            .map(|part| whole.slice(part * 100, 100))
            .collect();
        let lookup = Lookup::from_batches(&whole.schema(), slices).unwrap();
        assert_eq!(lookup.rows(), 100_000);
    }

    #[test]
    fn columns_are_of_types_that_queries_know() {
        let nulls: ArrayRef = Arc::new(NullArray::new(3));
        let ends = Int32Array::from(vec![2, 3]);
        let runs = RunArray::try_new(&ends, &StringArray::from(vec![Some("a"), None])).unwrap();
        let runs: ArrayRef = Arc::new(runs);
        let batch = RecordBatch::try_from_iter([("nothing", nulls), ("runs", runs)]).unwrap();
        let lookup = Lookup::from_batches(&batch.schema(), vec![batch]).unwrap();
        assert_eq!(columns(&lookup), ["nothing Utf8", "runs Utf8"]);
        let runs: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), Some("a"), None]));
        assert_eq!(lookup.batches[0].column(1), &runs);
    }

    #[test]
    fn names_are_not_taken_twice() {
        for (name, expected) in [
            ("iocs", Some("iocs")),
            ("MyList", Some("mylist")),
            ("m365_audit", None),
            ("M365Audit", None),
            ("m365_signins", None),
            ("a b", None),
            ("1a", None),
            ("", None),
            ("a.b", None),
        ] {
            assert_eq!(checked_name(name).ok().as_deref(), expected, "{name}");
        }
    }
}
