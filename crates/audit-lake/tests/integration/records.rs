//! Records to append, and the rows of a lake read back by the plain Parquet reader.

use std::num::NonZeroUsize;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringViewArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Int64Type, TimestampMicrosecondType};
use audit_lake::{AppendOptions, Appended, Arrival, Lake, Origin, TableName, TenantId};
use object_store::ObjectStoreExt;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

/// 2024-01-31T00:00:00Z in microseconds.
pub(crate) const DAY: i64 = 1_706_659_200_000_000;
pub(crate) const MICROS_PER_DAY: i64 = 86_400_000_000;

pub(crate) const OPTIONS: AppendOptions = AppendOptions {
    canonical,
    threads: NonZeroUsize::MIN,
};

/// A record as a decoder hands it on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Record {
    pub(crate) id: Option<String>,
    pub(crate) record_type: Option<i64>,
    pub(crate) operation: Option<String>,
    pub(crate) creation_time: i64,
    pub(crate) raw: String,
}

impl Record {
    /// The record `id` at `creation_time`, with a member that makes its content.
    pub(crate) fn new(id: &str, creation_time: i64, content: &str) -> Self {
        Self {
            id: (!id.is_empty()).then(|| id.to_owned()),
            record_type: Some(1),
            operation: Some("Op".to_owned()),
            creation_time,
            raw: format!(r#"{{"Id":"{id}","Content":"{content}"}}"#),
        }
    }

    pub(crate) fn raw(mut self, raw: &str) -> Self {
        self.raw = raw.to_owned();
        self
    }

    pub(crate) fn operation(mut self, operation: Option<&str>) -> Self {
        self.operation = operation.map(str::to_owned);
        self
    }
}

/// A row of the lake, as far as the tests look at it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Row {
    pub(crate) record: Record,
    pub(crate) variant: i64,
    pub(crate) ingest_sequence: i64,
}

pub(crate) fn batch(records: &[Record]) -> RecordBatch {
    let texts = |of: fn(&Record) -> Option<&str>| -> ArrayRef {
        Arc::new(StringViewArray::from_iter(records.iter().map(of)))
    };
    let times = TimestampMicrosecondArray::from_iter_values(
        records.iter().map(|record| record.creation_time),
    );
    let mut columns: Vec<(&str, ArrayRef)> = vec![
        ("id", texts(|record| record.id.as_deref())),
        (
            "record_type",
            Arc::new(Int64Array::from_iter(
                records.iter().map(|record| record.record_type),
            )),
        ),
        ("operation", texts(|record| record.operation.as_deref())),
        ("creation_time", Arc::new(times.with_timezone("UTC"))),
        ("raw", texts(|record| Some(&record.raw))),
    ];
    // As a decoder does: a column without a value is not there.
    columns.retain(|(_, array)| records.is_empty() || array.null_count() < array.len());
    RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, array)| (name, array, true)),
    )
    .unwrap()
}

pub(crate) fn arrival(records: &[Record]) -> Arrival {
    Arrival {
        batch: batch(records),
        origin: Arc::new(Origin::default()),
    }
}

pub(crate) async fn append(lake: &Lake, tenant: TenantId, records: &[Record]) -> Appended {
    lake.append(tenant, &[arrival(records)], OPTIONS)
        .await
        .unwrap()
}

/// Every row of the tenant's `m365_audit`, sorted; each file is checked on the way.
pub(crate) async fn rows(lake: &Lake, tenant: TenantId) -> Vec<Row> {
    let mut all = Vec::new();
    let Some(snapshot) = lake.snapshot(&tenant, TableName::Audit).await.unwrap() else {
        return all;
    };
    for file in snapshot.files() {
        let bytes = lake.store().get(&file.path).await.unwrap();
        let bytes = bytes.bytes().await.unwrap();
        assert_eq!(bytes.len() as u64, file.size_bytes, "{}", file.path);
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes)
            .unwrap()
            .build()
            .unwrap();
        let before = all.len();
        for batch in reader {
            let batch = batch.unwrap();
            let text = |name: &str, row: usize| {
                let array = batch.column_by_name(name)?;
                array
                    .is_valid(row)
                    .then(|| array.as_string::<i32>().value(row).to_owned())
            };
            let number = |name: &str, row: usize| {
                let array = batch.column_by_name(name)?;
                array
                    .is_valid(row)
                    .then(|| array.as_primitive::<Int64Type>().value(row))
            };
            let times = batch.column_by_name("creation_time").unwrap();
            assert!(matches!(times.data_type(), DataType::Timestamp(_, Some(_))));
            let times = times.as_primitive::<TimestampMicrosecondType>();
            for row in 0..batch.num_rows() {
                assert_eq!(text("tenant_id", row), Some(tenant.to_string()));
                let creation_time = times.value(row);
                assert_eq!(
                    Some(creation_time.div_euclid(MICROS_PER_DAY) as i32),
                    file.event_date
                );
                all.push(Row {
                    record: Record {
                        id: text("id", row),
                        record_type: number("record_type", row),
                        operation: text("operation", row),
                        creation_time,
                        raw: text("raw", row).unwrap(),
                    },
                    variant: number("variant", row).unwrap(),
                    ingest_sequence: number("ingest_sequence", row).unwrap(),
                });
            }
        }
        let of_file = &all[before..];
        assert_eq!(of_file.len() as u64, file.rows, "{}", file.path);
        let times = || of_file.iter().map(|row: &Row| row.record.creation_time);
        // No test fills more than one row group.
        let kinds = of_file.iter().map(|Row { record, .. }| {
            (record.record_type, &record.operation, record.creation_time)
        });
        assert!(kinds.is_sorted(), "{}", file.path);
        let sequences = || of_file.iter().map(|row: &Row| row.ingest_sequence);
        assert_eq!(file.creation_time, times().min().zip(times().max()));
        assert_eq!(
            file.ingest_sequence,
            sequences().min().zip(sequences().max())
        );
    }
    all.sort();
    all
}

/// A record's content, whatever the order of members at any depth and the letter case of `Id`.
pub(crate) fn canonical(text: &str) -> Option<String> {
    let Value::Object(mut members) = serde_json::from_str(text).ok()? else {
        return None;
    };
    if let Some(Value::String(id)) = members.get_mut("Id") {
        id.make_ascii_lowercase();
    }
    Some(sorted(&Value::Object(members)))
}

fn sorted(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let mut members: Vec<String> = members
                .iter()
                .map(|(name, value)| format!("{name:?}:{}", sorted(value)))
                .collect();
            members.sort();
            format!("{{{}}}", members.join(","))
        }
        Value::Array(elements) => {
            let elements: Vec<String> = elements.iter().map(sorted).collect();
            format!("[{}]", elements.join(","))
        }
        plain => plain.to_string(),
    }
}

/// Numbers from a seed (SplitMix64).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}
