//! Lookup tables: lists of a host or an analyst beside the lake's tables, for indicators, assets, people, ranges.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Seek};
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::csv::ReaderBuilder as CsvReader;
use datafusion::arrow::csv::reader::Format as CsvFormat;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::json::ReaderBuilder as JsonReader;
use datafusion::arrow::json::reader::infer_json_schema;
use datafusion::catalog::{MemTable, TableProvider};
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
/// Rows of a JSON file by which its columns are told.
const JSON_ROWS_INFERRED: usize = 10_000;
const BATCH_ROWS: usize = 8192;

impl Lookup {
    /// A table of these rows; every batch has the schema.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidQuery`] if a batch has another schema, two columns have one name, or it is larger than 512 MiB.
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
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    bytes: usize,
}

impl Growing {
    fn new(schema: &Schema) -> Result<Self> {
        let mut seen = BTreeSet::new();
        let mut fields = Vec::new();
        for field in schema.fields() {
            let name = names::in_sql(field.name());
            if !seen.insert(name.clone()) {
                return Err(Error::invalid(format!("two columns are named `{name}`")));
            }
            fields.push(Field::new(name, field.data_type().clone(), true));
        }
        Ok(Self {
            schema: Arc::new(Schema::new(fields)),
            batches: Vec::new(),
            bytes: 0,
        })
    }

    fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        self.bytes += batch.get_array_memory_size();
        if self.bytes > BYTES_MAX {
            return Err(Error::invalid(format!(
                "a lookup table has at most {} MiB",
                BYTES_MAX >> 20
            )));
        }
        let columns = batch.columns().to_vec();
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(unfit)?;
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
    let (schema, _) = infer_json_schema(&mut reader, Some(JSON_ROWS_INFERRED)).map_err(unfit)?;
    reader
        .seek(std::io::SeekFrom::Start(start))
        .map_err(unread)?;
    let schema = Arc::new(schema);
    let batches = JsonReader::new(Arc::clone(&schema))
        .with_batch_size(BATCH_ROWS)
        .build(reader)
        .map_err(unfit)?;
    Growing::of(&schema, batches)
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
            ("a.ndjson", "no json\n", "Json error"),
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
