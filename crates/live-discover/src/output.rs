//! Results as files: CSV, NDJSON, Parquet, Arrow IPC.

mod bags;

use std::fmt;
use std::io::Write;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, StringBuilder};
use arrow::csv::WriterBuilder as CsvWriterBuilder;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::writer::StreamWriter;
use arrow::json::writer::{EncoderOptions, make_encoder};
use arrow::json::{LineDelimitedWriter, WriterBuilder};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use self::bags::Bags;
use crate::error::{Error, Result};
use crate::stream::QueryStream;

/// The form of a written result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OutputFormat {
    /// Comma-separated values with a header; bags and other structures as JSON text, as in NDJSON; null is empty.
    Csv,
    /// A JSON object a line, without the members that are null. Bags are objects; the values of a name that a bag has
    /// more than once are a list: `{"Users":["ada","bob"]}`.
    Ndjson,
    /// A Parquet file, compressed with zstd.
    Parquet,
    /// An Arrow IPC stream.
    ArrowIpc,
}

/// Writes a query's result to the end and returns the count of its rows.
///
/// `out` is written to as batches come, on the calling task: give it a buffer, and a thread of its own if it blocks
/// for long.
///
/// # Errors
///
/// Those of the stream; what came before is written and closed properly, so that a result cut by a limit is a valid
/// file. [`Error::Unavailable`] if `out` fails.
pub async fn write_result(
    mut stream: QueryStream,
    format: OutputFormat,
    out: impl Write + Send,
) -> Result<u64> {
    let mut writer = Writer::new(format, stream.schema(), out)?;
    let mut rows = 0;
    let mut outcome = Ok(());
    while let Some(batch) = stream.next().await {
        match batch {
            Ok(batch) => {
                rows += batch.num_rows() as u64;
                writer.write(&batch)?;
            }
            Err(error) => {
                outcome = Err(error);
                break;
            }
        }
    }
    writer.finish()?;
    outcome.map(|()| rows)
}

/// Writes batches that are not of a [`QueryStream`]: results of a watch, or kept ones.
///
/// A batch of CSV or NDJSON has gone to `out` when [`ResultWriter::write`] returns.
pub struct ResultWriter<W: Write + Send>(Writer<W>);

impl<W: Write + Send> ResultWriter<W> {
    /// A writer of batches that have this schema.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidQuery`] for a column that the form cannot hold; [`Error::Unavailable`] if `out` fails.
    pub fn new(format: OutputFormat, schema: SchemaRef, out: W) -> Result<Self> {
        Writer::new(format, schema, out).map(Self)
    }

    /// Writes a batch.
    ///
    /// # Errors
    ///
    /// As [`ResultWriter::new`].
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.0.write(batch)
    }

    /// Completes the file.
    ///
    /// # Errors
    ///
    /// As [`ResultWriter::new`].
    pub fn finish(self) -> Result<()> {
        self.0.finish()
    }
}

impl<W: Write + Send> fmt::Debug for ResultWriter<W> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ResultWriter")
            .finish_non_exhaustive()
    }
}

/// Writes batches in a form.
pub(crate) enum Writer<W: Write + Send> {
    Csv {
        writer: Box<arrow::csv::Writer<W>>,
        schema: SchemaRef,
        is_empty: bool,
    },
    Ndjson(LineDelimitedWriter<W>),
    Parquet(Box<ArrowWriter<W>>),
    ArrowIpc(Box<StreamWriter<W>>),
}

impl<W: Write + Send> Writer<W> {
    pub(crate) fn new(format: OutputFormat, schema: SchemaRef, out: W) -> Result<Self> {
        Ok(match format {
            OutputFormat::Csv => Self::Csv {
                writer: Box::new(CsvWriterBuilder::new().with_header(true).build(out)),
                schema: flat_schema(&schema),
                is_empty: true,
            },
            OutputFormat::Ndjson => Self::Ndjson(
                WriterBuilder::new()
                    .with_encoder_factory(Arc::new(Bags))
                    .build(out),
            ),
            OutputFormat::Parquet => {
                let properties = WriterProperties::builder()
                    .set_compression(Compression::ZSTD(ZstdLevel::default()))
                    .build();
                Self::Parquet(Box::new(
                    ArrowWriter::try_new(out, schema, Some(properties)).map_err(of_parquet)?,
                ))
            }
            OutputFormat::ArrowIpc => Self::ArrowIpc(Box::new(
                StreamWriter::try_new(out, &schema).map_err(of_arrow)?,
            )),
        })
    }

    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        match self {
            Self::Csv {
                writer,
                schema,
                is_empty,
            } => {
                *is_empty = false;
                writer.write(&flat(batch, schema)?).map_err(of_arrow)
            }
            Self::Ndjson(writer) => writer.write(batch).map_err(of_arrow),
            Self::Parquet(writer) => writer.write(batch).map_err(of_parquet),
            Self::ArrowIpc(writer) => writer.write(batch).map_err(of_arrow),
        }
    }

    pub(crate) fn finish(self) -> Result<()> {
        match self {
            Self::Csv {
                mut writer,
                schema,
                is_empty,
            } => {
                // A result without rows has a header all the same.
                if is_empty {
                    writer
                        .write(&RecordBatch::new_empty(schema))
                        .map_err(of_arrow)?;
                }
                writer
                    .into_inner()
                    .flush()
                    .map_err(|error| unavailable(&error))
            }
            Self::Ndjson(mut writer) => {
                writer.finish().map_err(of_arrow)?;
                writer
                    .into_inner()
                    .flush()
                    .map_err(|error| unavailable(&error))
            }
            Self::Parquet(writer) => writer.close().map(|_| ()).map_err(of_parquet),
            Self::ArrowIpc(mut writer) => writer.finish().map_err(of_arrow),
        }
    }
}

/// The schema with structures as text.
fn flat_schema(schema: &SchemaRef) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| {
        if field.data_type().is_nested() {
            Arc::new(Field::new(field.name(), DataType::Utf8, true))
        } else {
            Arc::clone(field)
        }
    });
    Arc::new(Schema::new(fields.collect::<Vec<FieldRef>>()))
}

fn flat(batch: &RecordBatch, flat_schema: &SchemaRef) -> Result<RecordBatch> {
    let columns = batch
        .schema_ref()
        .fields()
        .iter()
        .zip(batch.columns())
        .map(|(field, column)| {
            if field.data_type().is_nested() {
                json_text(field, column)
            } else {
                Ok(Arc::clone(column))
            }
        });
    let columns = columns.collect::<Result<Vec<ArrayRef>>>()?;
    RecordBatch::try_new(Arc::clone(flat_schema), columns).map_err(of_arrow)
}

fn json_text(field: &FieldRef, column: &ArrayRef) -> Result<ArrayRef> {
    let options = EncoderOptions::default().with_encoder_factory(Arc::new(Bags));
    let mut encoder = make_encoder(field, column.as_ref(), &options).map_err(of_arrow)?;
    let mut texts = StringBuilder::new();
    let mut text = Vec::new();
    for row in 0..column.len() {
        if encoder.is_null(row) {
            texts.append_null();
            continue;
        }
        text.clear();
        encoder.encode(row, &mut text);
        texts.append_value(std::str::from_utf8(&text).map_err(Error::internal)?);
    }
    Ok(Arc::new(texts.finish()))
}

fn of_arrow(error: ArrowError) -> Error {
    match error {
        ArrowError::IoError(_, error) => unavailable(&error),
        ArrowError::CsvError(message) => unavailable(&message),
        error => Error::invalid(format!(
            "the result cannot be written in this form: {error}"
        )),
    }
}

fn of_parquet(error: ParquetError) -> Error {
    match error {
        ParquetError::General(_) | ParquetError::External(_) => unavailable(&error),
        error => Error::invalid(format!(
            "the result cannot be written in this form: {error}"
        )),
    }
}

fn unavailable(error: &dyn std::fmt::Display) -> Error {
    Error::Unavailable {
        message: format!("could not write the result: {error}"),
    }
}
