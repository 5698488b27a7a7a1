//! Lakes to ingest into, and their tables read back by the plain Parquet reader.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int64Type, TimestampMicrosecondType};
use audit_ingest::canonical;
use audit_ingest::pipeline::{IngestOptions, Report, find_inputs, ingest};
use audit_lake::{Lake, LakeOptions, TableName, TenantId};
use audit_testkit::{Generator, GeneratorOptions};
use object_store::ObjectStoreExt;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Map, Value, json};

pub(crate) type Row = Map<String, Value>;

pub(crate) async fn memory() -> Lake {
    Lake::create_or_open("memory://test", LakeOptions::default())
        .await
        .unwrap()
}

pub(crate) async fn take_in(lake: &Lake, folder: &Path) -> Report {
    take_in_with(lake, folder, IngestOptions::default()).await
}

pub(crate) async fn take_in_with(lake: &Lake, path: &Path, options: IngestOptions) -> Report {
    let inputs = find_inputs(path.to_str().unwrap()).await.unwrap();
    ingest(lake, inputs, options).await.unwrap()
}

/// The table's rows as JSON objects of their non-null columns.
pub(crate) async fn table(lake: &Lake, tenant: TenantId, name: TableName) -> Vec<Row> {
    let mut rows = Vec::new();
    if let Some(snapshot) = lake.snapshot(&tenant, name).await.unwrap() {
        for file in snapshot.files() {
            let bytes = lake
                .store()
                .get(&file.path)
                .await
                .unwrap()
                .bytes()
                .await
                .unwrap();
            for batch in ParquetRecordBatchReaderBuilder::try_new(bytes)
                .unwrap()
                .build()
                .unwrap()
            {
                push_rows(&batch.unwrap(), &mut rows);
            }
        }
    }
    rows
}

/// The table's rows of all tenants.
pub(crate) async fn all(lake: &Lake, name: TableName) -> Vec<Row> {
    let mut rows = Vec::new();
    for tenant in lake.tenants().await.unwrap() {
        rows.extend(table(lake, tenant, name).await);
    }
    rows
}

fn push_rows(batch: &RecordBatch, rows: &mut Vec<Row>) {
    let begin = rows.len();
    rows.resize(begin + batch.num_rows(), Map::new());
    for (field, array) in batch.schema().fields().iter().zip(batch.columns()) {
        for row in (0..array.len()).filter(|row| array.is_valid(*row)) {
            let value = match array.data_type() {
                DataType::Utf8 => json!(array.as_string::<i32>().value(row)),
                DataType::Int64 => json!(array.as_primitive::<Int64Type>().value(row)),
                DataType::Timestamp(_, _) => {
                    json!(array.as_primitive::<TimestampMicrosecondType>().value(row))
                }
                DataType::Binary => json!(array.as_binary::<i32>().value(row)),
                // Not looked at here.
                _ => continue,
            };
            rows[begin + row].insert(field.name().clone(), value);
        }
    }
}

/// The ledger's numbers of a row: held, records, duplicates, rejects.
pub(crate) fn counts(entry: &Row) -> [u64; 4] {
    ["held", "records", "duplicates", "rejects"].map(|name| entry[name].as_u64().unwrap())
}

/// Fails unless the lake has each of these records once, and nothing wrong with it.
pub(crate) async fn check_each_once(lake: &Lake, want: &BTreeSet<String>) {
    let rows = all(lake, TableName::Audit).await;
    let found: BTreeSet<String> = rows
        .iter()
        .map(|row| canonical(row["raw"].as_str().unwrap()).unwrap())
        .collect();
    assert_eq!(rows.len(), found.len(), "a record is there twice");
    assert!(
        found == *want,
        "{} records, not {}",
        found.len(),
        want.len()
    );
    check_whole(lake).await;
}

/// Fails if `verify` finds something broken.
pub(crate) async fn check_whole(lake: &Lake) {
    let tenants = lake.tenants().await.unwrap();
    let findings = lake.verify(&tenants, canonical, |_| {}).await.unwrap();
    let broken: Vec<String> = findings
        .iter()
        .filter(|finding| finding.severity == audit_lake::Severity::Broken)
        .map(ToString::to_string)
        .collect();
    assert_eq!(broken, Vec::<String>::new());
}

/// Writes generated content blobs below the folder; the contents of their records, and how many
/// each file holds.
pub(crate) fn generate(
    folder: &Path,
    options: GeneratorOptions,
) -> (BTreeSet<String>, BTreeMap<String, u64>) {
    let mut contents = BTreeSet::new();
    let mut held = BTreeMap::new();
    for blob in Generator::new(options) {
        let path = blob.write_to(folder).unwrap();
        held.insert(
            path.to_str().unwrap().to_owned(),
            blob.records().len() as u64,
        );
        contents.extend(
            blob.records()
                .map(|record| canonical(std::str::from_utf8(record).unwrap()).unwrap()),
        );
    }
    (contents, held)
}
