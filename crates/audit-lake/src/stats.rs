//! Statistics of a data file for Delta's log: what files are told apart by before they are opened.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use serde_json::{Map, Value, json};

use crate::data_file::RowIndex;

/// The columns worth a place in the log.
const COLUMNS: [&str; 5] = [
    "creation_time",
    "ingest_sequence",
    "record_type",
    "ingested_at",
    "state_at",
];

/// Minima, maxima and nulls of some columns.
#[derive(Default)]
pub(crate) struct Stats {
    min: Map<String, Value>,
    max: Map<String, Value>,
    nulls: Map<String, Value>,
}

impl Stats {
    pub(crate) fn of(batches: &[RecordBatch], order: &[RowIndex]) -> Self {
        let mut stats = Self::default();
        stats.add(batches, order);
        stats
    }

    /// Adds the batches' columns, of the same rows as those of others.
    pub(crate) fn add(&mut self, batches: &[RecordBatch], order: &[RowIndex]) {
        for name in COLUMNS {
            let arrays: Vec<Option<&ArrayRef>> = batches
                .iter()
                .map(|batch| batch.column_by_name(name))
                .collect();
            if arrays.iter().all(Option::is_none) {
                continue;
            }
            let values = order
                .iter()
                .filter_map(|&(batch, row)| value(arrays[batch]?, row));
            let (count, range) = values.fold((0, None), |(count, range), value| {
                let range = range.map_or((value, value), |(min, max): (i64, i64)| {
                    (min.min(value), max.max(value))
                });
                (count + 1, Some(range))
            });
            self.nulls
                .insert(name.to_owned(), json!(order.len() - count));
            if let Some((min, max)) = range {
                let is_time = arrays.iter().flatten().any(|array| {
                    array
                        .as_primitive_opt::<TimestampMicrosecondType>()
                        .is_some()
                });
                let spell = |value| {
                    if is_time {
                        time(value)
                    } else {
                        Some(json!(value))
                    }
                };
                if let (Some(min), Some(max)) = (spell(min), spell(max)) {
                    self.min.insert(name.to_owned(), min);
                    self.max.insert(name.to_owned(), max);
                }
            }
        }
    }

    pub(crate) fn to_json(&self, rows: usize) -> String {
        json!({ "numRecords": rows, "minValues": self.min, "maxValues": self.max, "nullCount": self.nulls }).to_string()
    }
}

fn value(array: &ArrayRef, row: usize) -> Option<i64> {
    if array.is_null(row) {
        return None;
    }
    array
        .as_primitive_opt::<Int64Type>()
        .map(|array| array.value(row))
        .or_else(|| {
            array
                .as_primitive_opt::<TimestampMicrosecondType>()
                .map(|array| array.value(row))
        })
}

fn time(micros: i64) -> Option<Value> {
    let time = chrono::DateTime::from_timestamp_micros(micros)?;
    Some(json!(time.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()))
}
