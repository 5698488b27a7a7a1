//! A kept result: parts of Arrow IPC bytes, and from parts to pages.
//!
//! Bytes rather than batches: what they take is known exactly, they hold no memory of the query that made them, and
//! a part is the same in memory and in a store.

use std::io::Cursor;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, MapArray, RecordBatch, StructArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{BinaryViewType, DataType, SchemaRef, StringViewType};
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;

use super::RunId;
use crate::error::{Error, Result};

/// Rows and bytes that make a part; it has at least a batch.
const PART_ROWS: usize = 8_192;
const PART_BYTES: usize = 4 << 20;

/// A part that is kept: some rows of the result, in order.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    /// `None` where the store has it.
    pub(crate) data: Option<Arc<[u8]>>,
}

/// Bytes of an encoded part.
#[derive(Debug)]
pub(crate) struct Encoded {
    pub(crate) rows: u64,
    pub(crate) data: Vec<u8>,
}

/// Makes parts of batches.
pub(crate) struct Encoder {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    rows: usize,
    bytes: usize,
    has_parts: bool,
}

impl Encoder {
    pub(crate) fn new(schema: SchemaRef) -> Self {
        Self {
            schema,
            batches: Vec::new(),
            rows: 0,
            bytes: 0,
            has_parts: false,
        }
    }

    /// Takes a batch; gives a part when there is enough for one.
    pub(crate) fn push(&mut self, batch: &RecordBatch) -> Result<Option<Encoded>> {
        let batch = compact(batch)?;
        self.rows += batch.num_rows();
        self.bytes += batch.get_array_memory_size();
        self.batches.push(batch);
        if self.rows >= PART_ROWS || self.bytes >= PART_BYTES {
            self.encode().map(Some)
        } else {
            Ok(None)
        }
    }

    /// What is left. A result without rows has a part, too: it holds the columns.
    pub(crate) fn finish(mut self) -> Result<Option<Encoded>> {
        if self.batches.is_empty() && self.has_parts {
            return Ok(None);
        }
        self.encode().map(Some)
    }

    fn encode(&mut self) -> Result<Encoded> {
        let mut writer = StreamWriter::try_new(Vec::new(), &self.schema).map_err(defect)?;
        for batch in self.batches.drain(..) {
            writer.write(&batch).map_err(defect)?;
        }
        let rows = self.rows as u64;
        (self.rows, self.bytes, self.has_parts) = (0, 0, true);
        Ok(Encoded {
            rows,
            data: writer.into_inner().map_err(defect)?,
        })
    }
}

/// The columns and batches of a part.
pub(crate) fn decode(data: &[u8]) -> Result<(SchemaRef, Vec<RecordBatch>)> {
    let reader = StreamReader::try_new(Cursor::new(data), None).map_err(unreadable)?;
    let schema = reader.schema();
    let batches: Result<Vec<RecordBatch>, ArrowError> = reader.collect();
    Ok((schema, batches.map_err(unreadable)?))
}

/// `count` rows from the row `skip` on, as one batch.
pub(crate) fn cut(
    schema: &SchemaRef,
    batches: &[RecordBatch],
    mut skip: usize,
    mut count: usize,
) -> Result<RecordBatch> {
    let mut slices = Vec::new();
    for batch in batches {
        let from = skip.min(batch.num_rows());
        let rows = count.min(batch.num_rows() - from);
        skip -= from;
        count -= rows;
        if rows > 0 {
            slices.push(batch.slice(from, rows));
        }
    }
    match slices.as_slice() {
        [only] => Ok(only.clone()),
        slices => concat_batches(schema, slices).map_err(unreadable),
    }
}

/// A slice of views would be written with all the text that its batch was read with.
fn compact(batch: &RecordBatch) -> Result<RecordBatch> {
    let columns = batch.columns().iter().map(compact_array);
    let columns = columns.collect::<Result<Vec<ArrayRef>, ArrowError>>();
    let columns = columns.map_err(defect)?;
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(batch.schema(), columns, &options).map_err(defect)
}

fn compact_array(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    Ok(match array.data_type() {
        DataType::Utf8View => Arc::new(array.as_byte_view::<StringViewType>().gc()),
        DataType::BinaryView => Arc::new(array.as_byte_view::<BinaryViewType>().gc()),
        DataType::List(field) => {
            let list = array.as_list::<i32>();
            Arc::new(ListArray::try_new(
                Arc::clone(field),
                list.offsets().clone(),
                compact_array(list.values())?,
                list.nulls().cloned(),
            )?)
        }
        DataType::Struct(fields) if !fields.is_empty() => {
            let values = array.as_struct();
            let columns = values.columns().iter().map(compact_array);
            Arc::new(StructArray::try_new(
                fields.clone(),
                columns.collect::<Result<_, _>>()?,
                values.nulls().cloned(),
            )?)
        }
        DataType::Map(field, is_sorted) => {
            let map = array.as_map();
            let entries: ArrayRef = Arc::new(map.entries().clone());
            Arc::new(MapArray::try_new(
                Arc::clone(field),
                map.offsets().clone(),
                compact_array(&entries)?.as_struct().clone(),
                map.nulls().cloned(),
                *is_sorted,
            )?)
        }
        _ => Arc::clone(array),
    })
}

/// The key of the page that begins with a row.
pub(crate) fn key_of(id: RunId, row: u64) -> String {
    format!("{}-{row:x}", mark(id))
}

/// The first row of the page that a key names.
pub(crate) fn row_of(id: RunId, key: Option<&str>, page_rows: u64) -> Result<u64> {
    let Some(key) = key else {
        return Ok(0);
    };
    key.split_once('-')
        .filter(|(of, _)| *of == mark(id))
        .and_then(|(_, row)| u64::from_str_radix(row, 16).ok())
        .filter(|row| row.is_multiple_of(page_rows))
        .ok_or_else(|| no_such_page(id))
}

pub(crate) fn no_such_page(id: RunId) -> Error {
    Error::invalid(format!(
        "this key names no page of the run {id}: take `next_key` of the page before"
    ))
}

/// Keys of one run are none of another.
fn mark(id: RunId) -> String {
    id.to_string().chars().take(8).collect()
}

#[cold]
fn defect(error: ArrowError) -> Error {
    Error::internal(format!("the result cannot be kept: {error}"))
}

#[cold]
fn unreadable(error: ArrowError) -> Error {
    Error::Corrupt {
        message: format!("the kept result cannot be read: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, StringViewArray};
    use arrow::datatypes::{Field, Schema};
    use uuid::Uuid;

    use super::*;

    fn batch(from: i64, rows: i64) -> RecordBatch {
        let numbers: ArrayRef = Arc::new((from..from + rows).collect::<Int64Array>());
        let texts =
            (from..from + rows).map(|row| Some(format!("a text that is no short one {row}")));
        let texts: ArrayRef = Arc::new(texts.collect::<StringViewArray>());
        RecordBatch::try_from_iter([("number", numbers), ("text", texts)]).unwrap()
    }

    #[test]
    fn parts_hold_the_rows_in_order() {
        let mut encoder = Encoder::new(batch(0, 0).schema());
        let mut parts = Vec::new();
        let rows = PART_ROWS as i64 / 2;
        for number in 0..5 {
            parts.extend(encoder.push(&batch(number * rows, rows)).unwrap());
        }
        parts.extend(encoder.finish().unwrap());
        assert_eq!(parts.len(), 3);
        let mut batches = Vec::new();
        for part in &parts {
            let (schema, decoded) = decode(&part.data).unwrap();
            assert_eq!(schema, batch(0, 0).schema());
            assert_eq!(
                decoded.iter().map(RecordBatch::num_rows).sum::<usize>() as u64,
                part.rows
            );
            batches.extend(decoded);
        }
        let all = concat_batches(&batch(0, 0).schema(), &batches).unwrap();
        assert_eq!(all, batch(0, 5 * rows));
        for (skip, count) in [(0, 1), (4_000, 200), (20_000, 1_000), (20_480, 10)] {
            let page = cut(&all.schema(), &batches, skip, count).unwrap();
            assert_eq!(page, all.slice(skip, count.min(all.num_rows() - skip)));
        }
    }

    #[test]
    fn a_result_without_rows_has_its_columns() {
        let encoder = Encoder::new(batch(0, 0).schema());
        let part = encoder.finish().unwrap().unwrap();
        let (schema, batches) = decode(&part.data).unwrap();
        assert_eq!((part.rows, batches.len()), (0, 0));
        assert_eq!(cut(&schema, &batches, 0, 10).unwrap(), batch(0, 0));
        // Columns there may be none, either.
        let none = Encoder::new(Arc::new(Schema::empty()));
        assert!(none.finish().unwrap().is_some());
    }

    #[test]
    fn a_slice_takes_its_own_bytes_only() {
        let large = batch(0, 8_000);
        let list = |batch: &RecordBatch| {
            let item = Arc::new(Field::new("item", DataType::Utf8View, true));
            let offsets = arrow::buffer::OffsetBuffer::from_repeated_length(1, batch.num_rows());
            let values = Arc::clone(batch.column(1));
            let list: ArrayRef = Arc::new(ListArray::new(item, offsets, values, None));
            RecordBatch::try_from_iter([("list", list)]).unwrap()
        };
        for slice in [large.slice(5, 3), list(&large.slice(5, 3))] {
            let mut encoder = Encoder::new(slice.schema());
            assert!(encoder.push(&slice).unwrap().is_none());
            let part = encoder.finish().unwrap().unwrap();
            assert!(part.data.len() < 2_000, "{}", part.data.len());
            assert_eq!(decode(&part.data).unwrap().1, [slice]);
        }
    }

    #[test]
    fn keys_are_of_one_run() {
        let (id, other) = (
            RunId::new(Uuid::from_u128(1 << 100)),
            RunId::new(Uuid::nil()),
        );
        assert_eq!(row_of(id, None, 100).unwrap(), 0);
        assert_eq!(row_of(id, Some(&key_of(id, 300)), 100).unwrap(), 300);
        for key in ["", "-", "0", "2c", &key_of(id, 301), &key_of(other, 300)] {
            assert!(row_of(id, Some(key), 100).is_err(), "{key}");
        }
    }
}
