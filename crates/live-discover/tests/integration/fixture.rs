//! Small lakes with records that a test can count in its head.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, Int64Array, MapBuilder, MapFieldNames, RecordBatch, StringArray,
    StringBuilder, StructBuilder, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Fields, Schema};
use audit_lake::{
    CommitOutcome, DeltaTableHandle, Lake, LakeOptions, NewFile, TableName, TenantId,
};
use audit_testkit::{Generator, GeneratorOptions};
use live_discover::ingest::{IngestOptions, find_inputs, ingest};
use live_discover::{Engine, Limits, Session, TenantScope};
use object_store::ObjectStoreExt;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;

pub(crate) const CONTOSO: &str = "0fad12b5-8d6a-4c43-a01f-e6d0a0d0e1c7";
pub(crate) const FABRIKAM: &str = "8b7f9a52-1f0e-4d3b-9c55-2f6f0f6a7e10";

pub(crate) const DAY_MICROS: i64 = 86_400_000_000;
pub(crate) const HOUR_MICROS: i64 = 3_600_000_000;
/// 2024-01-31T00:00:00Z
pub(crate) const START_MICROS: i64 = 1_706_659_200_000_000;

/// A record, as far as the tests ask for it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Record {
    pub(crate) id: String,
    pub(crate) micros: i64,
    pub(crate) record_type: i64,
    pub(crate) operation: &'static str,
    pub(crate) user_id: Option<String>,
    pub(crate) client_ip: Option<String>,
    pub(crate) parameters: Vec<(&'static str, &'static str)>,
    pub(crate) changes: Vec<(&'static str, &'static str, &'static str)>,
    pub(crate) extra: Option<&'static str>,
}

pub(crate) fn tenant(id: &str) -> TenantId {
    id.parse().unwrap()
}

pub(crate) async fn empty_lake() -> Lake {
    Lake::create_or_open("memory://test", LakeOptions::default())
        .await
        .unwrap()
}

/// Takes generated records into a lake, and what else lies in the folder.
pub(crate) async fn ingest_generated(lake: &Lake, folder: &Path, options: GeneratorOptions) {
    for blob in Generator::new(options) {
        blob.write_to(folder).unwrap();
    }
    let inputs = find_inputs(folder.to_str().unwrap()).await.unwrap();
    let report = ingest(lake, inputs, IngestOptions::default())
        .await
        .unwrap();
    assert_eq!(report.rejects(), 0);
}

/// Writes the records as one file for each day and commits them at once.
pub(crate) async fn commit(lake: &Lake, tenant_id: &str, records: &[Record]) {
    let table = lake
        .open_or_create_table(tenant(tenant_id), TableName::Audit)
        .await
        .unwrap();
    let base = table.snapshot().await.unwrap();
    let sequence = i64::try_from(base.version() + 1).unwrap();
    let mut days: BTreeMap<i64, Vec<Record>> = BTreeMap::new();
    for record in records {
        days.entry(record.micros.div_euclid(DAY_MICROS))
            .or_default()
            .push(record.clone());
    }
    let mut files = Vec::new();
    for (day, mut records) in days {
        records.sort_by_key(|record| record.micros);
        files.push(write(lake, &table, day, &records, sequence).await);
    }
    let outcome = table.try_commit(&base, &files).await.unwrap();
    assert!(matches!(outcome, CommitOutcome::Committed { .. }));
}

async fn write(
    lake: &Lake,
    table: &DeltaTableHandle,
    day: i64,
    records: &[Record],
    sequence: i64,
) -> NewFile {
    let batch = batch(records, sequence);
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(100.max(records.len() / 50)))
        .build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let size_bytes = bytes.len() as u64;
    let day = i32::try_from(day).unwrap();
    let date = arrow::temporal_conversions::date32_to_datetime(day)
        .unwrap()
        .format("%Y-%m-%d");
    let path = format!("event_date={date}/part-{sequence:05}.parquet");
    let location = path
        .split('/')
        .fold(table.root(), |root, part| root.join(part));
    lake.store().put(&location, bytes.into()).await.unwrap();
    let time = |record: &Record| {
        let time = arrow::temporal_conversions::timestamp_us_to_datetime(record.micros).unwrap();
        time.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
    };
    NewFile {
        path,
        event_date: Some(day),
        size_bytes,
        stats: format!(
            r#"{{"numRecords":{},"minValues":{{"creation_time":"{}","ingest_sequence":{sequence}}},"maxValues":{{"creation_time":"{}","ingest_sequence":{sequence}}},"nullCount":{{}}}}"#,
            records.len(),
            time(records.first().unwrap()),
            time(records.last().unwrap()),
        ),
        modification_time_ms: 1_706_800_000_000,
        sha256: None,
        text_index: None,
    }
}

/// The columns that have a value, as the lake's files hold them.
fn batch(records: &[Record], sequence: i64) -> RecordBatch {
    fn text<T: AsRef<str>>(values: impl Iterator<Item = Option<T>>) -> ArrayRef {
        Arc::new(values.collect::<StringArray>())
    }
    let times: TimestampMicrosecondArray =
        records.iter().map(|record| Some(record.micros)).collect();
    let raw = records.iter().map(|record| {
        Some(format!(
            r#"{{"Id":"{}","Operation":"{}","UserId":"{}"}}"#,
            record.id,
            record.operation,
            record.user_id.as_deref().unwrap_or_default()
        ))
    });
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", text(records.iter().map(|record| Some(&record.id)))),
        (
            "record_type",
            Arc::new(
                records
                    .iter()
                    .map(|record| Some(record.record_type))
                    .collect::<Int64Array>(),
            ),
        ),
        ("creation_time", Arc::new(times.with_timezone("UTC"))),
        (
            "operation",
            text(records.iter().map(|record| Some(record.operation))),
        ),
        (
            "user_id",
            text(records.iter().map(|record| record.user_id.as_ref())),
        ),
        (
            "client_ip",
            text(records.iter().map(|record| record.client_ip.as_ref())),
        ),
        ("parameters", bag(records)),
        ("modified_properties", changes(records)),
        ("extra", text(records.iter().map(|record| record.extra))),
        ("raw", text(raw)),
        (
            "ingest_sequence",
            Arc::new(
                records
                    .iter()
                    .map(|_| Some(sequence))
                    .collect::<Int64Array>(),
            ),
        ),
        // A lie, as only a damaged or foreign file tells it: the place of the file is what counts.
        (
            "tenant_id",
            text(records.iter().map(|_| Some("somebody else"))),
        ),
    ];
    let columns = columns
        .into_iter()
        .filter(|(_, values)| values.null_count() < values.len());
    let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = columns
        .map(|(name, values)| (Field::new(name, values.data_type().clone(), true), values))
        .unzip();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

fn map_names() -> MapFieldNames {
    MapFieldNames {
        entry: "key_value".to_owned(),
        key: "key".to_owned(),
        value: "value".to_owned(),
    }
}

fn bag(records: &[Record]) -> ArrayRef {
    let mut builder = MapBuilder::new(
        Some(map_names()),
        StringBuilder::new(),
        StringBuilder::new(),
    );
    for record in records {
        for (name, value) in &record.parameters {
            builder.keys().append_value(name);
            builder.values().append_value(value);
        }
        builder.append(!record.parameters.is_empty()).unwrap();
    }
    Arc::new(builder.finish())
}

fn changes(records: &[Record]) -> ArrayRef {
    let fields = Fields::from(vec![
        Field::new("old_value", DataType::Utf8, true),
        Field::new("new_value", DataType::Utf8, true),
    ]);
    let values = StructBuilder::from_fields(fields, 0);
    let mut builder = MapBuilder::new(Some(map_names()), StringBuilder::new(), values);
    for record in records {
        for (name, old, new) in &record.changes {
            builder.keys().append_value(name);
            let values = builder.values();
            values
                .field_builder::<StringBuilder>(0)
                .unwrap()
                .append_value(old);
            values
                .field_builder::<StringBuilder>(1)
                .unwrap()
                .append_value(new);
            values.append(true);
        }
        builder.append(!record.changes.is_empty()).unwrap();
    }
    Arc::new(builder.finish())
}

/// Contoso: three days of an hourly sign-in by one of three users, an inbox rule and a role change.
/// Fabrikam: one sign-in.
pub(crate) async fn lake() -> Lake {
    let lake = empty_lake().await;
    for day in 0..3 {
        let records: Vec<Record> = (0..24).map(|hour| sign_in(day, hour)).collect();
        commit(&lake, CONTOSO, &records).await;
    }
    commit(&lake, CONTOSO, &[inbox_rule(), role_change()]).await;
    commit(
        &lake,
        FABRIKAM,
        &[Record {
            id: "f-1".to_owned(),
            user_id: Some("eve@fabrikam.com".to_owned()),
            ..sign_in(0, 0)
        }],
    )
    .await;
    lake
}

pub(crate) fn sign_in(day: i64, hour: i64) -> Record {
    let users = ["ada@contoso.com", "bob@contoso.com", "cyd@contoso.com"];
    Record {
        id: format!("s-{day}-{hour:02}"),
        micros: START_MICROS + day * DAY_MICROS + hour * HOUR_MICROS,
        record_type: 15,
        operation: if hour % 6 == 5 {
            "UserLoginFailed"
        } else {
            "UserLoggedIn"
        },
        user_id: Some(users[usize::try_from(hour % 3).unwrap()].to_owned()),
        client_ip: Some(format!("203.0.113.{hour}")),
        ..Record::default()
    }
}

fn inbox_rule() -> Record {
    Record {
        id: "x-1".to_owned(),
        micros: START_MICROS + DAY_MICROS + HOUR_MICROS / 2,
        record_type: 1,
        operation: "New-InboxRule",
        user_id: Some("bob@contoso.com".to_owned()),
        parameters: vec![
            ("ForwardTo", "mallory@example.com"),
            ("Name", "."),
            ("UserId", "a key, no column"),
        ],
        extra: Some(r#"{"Odd":{"Depth":[1,2]},"Flag":true,"UserId":"kept"}"#),
        ..Record::default()
    }
}

fn role_change() -> Record {
    Record {
        id: "d-1".to_owned(),
        micros: START_MICROS + 2 * DAY_MICROS + HOUR_MICROS / 2,
        record_type: 8,
        operation: "Add member to role.",
        user_id: Some("ada@contoso.com".to_owned()),
        changes: vec![("Role.DisplayName", "", "Global Administrator")],
        ..Record::default()
    }
}

pub(crate) fn session(lake: &Lake) -> Session {
    Engine::new(lake.clone())
        .unwrap()
        .session(TenantScope::All, Limits::default())
}

/// The result as text, a row a line, values separated by tabs.
pub(crate) fn text(batches: &[RecordBatch]) -> String {
    use arrow::util::display::{ArrayFormatter, FormatOptions};
    let options = FormatOptions::default().with_null("NULL");
    let mut lines = Vec::new();
    for batch in batches {
        let columns: Vec<ArrayFormatter<'_>> = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column, &options).unwrap())
            .collect();
        for row in 0..batch.num_rows() {
            let values: Vec<String> = columns
                .iter()
                .map(|column| column.value(row).to_string())
                .collect();
            lines.push(values.join("\t"));
        }
    }
    lines.join("\n")
}

pub(crate) async fn ask(session: &Session, sql: &str) -> String {
    text(
        &session
            .collect(sql)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}")),
    )
}

pub(crate) async fn refusal(session: &Session, sql: &str) -> String {
    match session.collect(sql).await {
        Ok(_) => panic!("{sql} was answered"),
        Err(error) => error.to_string(),
    }
}
