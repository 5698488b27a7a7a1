//! Decoding of whole inputs, and rows as JSON to look at.

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Int64Type, TimestampMicrosecondType};
use audit_ingest::decode::{Reject, decode};
use audit_ingest::envelope::{Reader, detect};
use serde_json::{Map, Value, json};

/// What an input held: rows as JSON objects of their non-null columns, with the tenant, and rejects.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Read {
    pub(crate) rows: Vec<(String, Map<String, Value>)>,
    pub(crate) rejects: Vec<Reject>,
}

impl Read {
    pub(crate) fn reasons(&self) -> Vec<&'static str> {
        self.rejects
            .iter()
            .map(|reject| reject.reason.code())
            .collect()
    }

    /// The values of a column, row by row.
    pub(crate) fn column(&self, name: &str) -> Vec<Value> {
        self.rows
            .iter()
            .map(|(_, row)| row.get(name).cloned().unwrap_or(Value::Null))
            .collect()
    }
}

pub(crate) fn read(bytes: &[u8]) -> Read {
    read_in(bytes, &[bytes.len().max(1)], None)
}

/// Reads the bytes in pieces of the given sizes, again and again.
pub(crate) fn read_in(bytes: &[u8], sizes: &[usize], tenant: Option<&str>) -> Read {
    let mut slabs = Vec::new();
    let mut reader = Reader::new(&detect(&bytes[..bytes.len().min(64 << 10)]));
    let mut rest = bytes;
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, tail) = rest.split_at((*size).clamp(1, rest.len()));
        reader.push(piece, &mut |slab| slabs.push(slab));
        rest = tail;
    }
    reader.finish(&mut |slab| slabs.push(slab));

    let mut read = Read::default();
    let mut by_tenant: BTreeMap<String, Vec<Map<String, Value>>> = BTreeMap::new();
    for slab in slabs {
        let decoded = decode(slab, tenant).unwrap();
        read.rejects.extend(decoded.rejects);
        for batch in decoded.batches {
            let rows = by_tenant.entry(batch.tenant).or_default();
            let begin = rows.len();
            rows.resize(begin + batch.batch.num_rows(), Map::new());
            for (field, array) in batch
                .batch
                .schema()
                .fields()
                .iter()
                .zip(batch.batch.columns())
            {
                for row in (0..array.len()).filter(|row| array.is_valid(*row)) {
                    rows[begin + row].insert(field.name().clone(), value(array, row));
                }
            }
        }
    }
    for (tenant, rows) in by_tenant {
        read.rows
            .extend(rows.into_iter().map(|row| (tenant.clone(), row)));
    }
    read
}

fn value(array: &dyn Array, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    match array.data_type() {
        DataType::Utf8View => json!(array.as_string_view().value(row)),
        DataType::Utf8 => json!(array.as_string::<i32>().value(row)),
        DataType::Int64 => json!(array.as_primitive::<Int64Type>().value(row)),
        DataType::Boolean => json!(array.as_boolean().value(row)),
        DataType::Timestamp(_, _) => {
            json!(array.as_primitive::<TimestampMicrosecondType>().value(row))
        }
        DataType::Map(_, _) => {
            let entries = array.as_map().value(row);
            (0..entries.len())
                .map(|at| json!([value(entries.column(0), at), value(entries.column(1), at)]))
                .collect()
        }
        DataType::Struct(_) => array
            .as_struct()
            .columns()
            .iter()
            .map(|column| value(column, row))
            .collect(),
        other => panic!("no test value for {other}"),
    }
}
