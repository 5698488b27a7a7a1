//! Results as files, read back.

use arrow::array::RecordBatch;
use live_discover::{Limits, OutputFormat, TenantScope, write_result};

use crate::fixture::{CONTOSO, Record, commit, empty_lake, lake, session, sign_in, text};

const COLUMNS: &str = "SELECT id, creation_time, record_type, parameters, modified_properties, extra, event_date \
                       FROM m365_audit WHERE record_type < 10 ORDER BY id";

async fn written(sql: &str, format: OutputFormat) -> Vec<u8> {
    let session = session(&lake().await);
    let mut bytes = Vec::new();
    write_result(session.query(sql).await.unwrap(), format, &mut bytes)
        .await
        .unwrap();
    bytes
}

#[tokio::test]
async fn csv_has_a_header_and_bags_as_json() {
    let csv = String::from_utf8(written(COLUMNS, OutputFormat::Csv).await).unwrap();
    let expected = r#"id,creation_time,record_type,parameters,modified_properties,extra,event_date
d-1,2024-02-02T00:30:00Z,8,,"{""Role.DisplayName"":{""old_value"":"""",""new_value"":""Global Administrator""}}",,2024-02-02
x-1,2024-02-01T00:30:00Z,1,"{""ForwardTo"":""mallory@example.com"",""Name"":""."",""UserId"":""a key, no column""}",,"{""Odd"":{""Depth"":[1,2]},""Flag"":true,""UserId"":""kept""}",2024-02-01
"#;
    assert_eq!(csv, expected);
    let empty = written(
        "SELECT id, parameters FROM m365_audit WHERE false",
        OutputFormat::Csv,
    )
    .await;
    assert_eq!(String::from_utf8(empty).unwrap(), "id,parameters\n");
}

#[tokio::test]
async fn ndjson_has_bags_as_objects() {
    let json = String::from_utf8(written(COLUMNS, OutputFormat::Ndjson).await).unwrap();
    let expected = r#"{"id":"d-1","creation_time":"2024-02-02T00:30:00Z","record_type":8,"modified_properties":{"Role.DisplayName":{"old_value":"","new_value":"Global Administrator"}},"event_date":"2024-02-02"}
{"id":"x-1","creation_time":"2024-02-01T00:30:00Z","record_type":1,"parameters":{"ForwardTo":"mallory@example.com","Name":".","UserId":"a key, no column"},"extra":"{\"Odd\":{\"Depth\":[1,2]},\"Flag\":true,\"UserId\":\"kept\"}","event_date":"2024-02-01"}
"#;
    assert_eq!(json, expected);
}

/// Most readers of JSON keep one of members that have the same name.
#[tokio::test]
async fn a_name_that_a_bag_has_twice_is_one_member() {
    let lake = empty_lake().await;
    let records = [
        vec![],
        vec![("a", "1")],
        vec![("b", "1"), ("a", "2"), ("b", "\"3"), ("b", "")],
    ];
    let records = records
        .into_iter()
        .zip(0..)
        .map(|(parameters, hour)| Record {
            parameters,
            ..sign_in(0, hour)
        });
    commit(&lake, CONTOSO, &records.collect::<Vec<_>>()).await;
    let session = session(&lake);
    for (format, expected) in [
        (
            OutputFormat::Ndjson,
            r#"{"parameters":{"a":"1"},"list":[{"a":"1"}]}
{"parameters":{"b":["1","\"3",""],"a":"2"},"list":[{"b":["1","\"3",""],"a":"2"}]}
"#,
        ),
        (
            OutputFormat::Csv,
            r#"parameters,list
"{""a"":""1""}","[{""a"":""1""}]"
"{""b"":[""1"",""\""3"",""""],""a"":""2""}","[{""b"":[""1"",""\""3"",""""],""a"":""2""}]"
"#,
        ),
    ] {
        let mut bytes = Vec::new();
        let sql = "SELECT parameters, [parameters] AS list FROM m365_audit WHERE parameters IS NOT NULL ORDER BY id";
        write_result(session.query(sql).await.unwrap(), format, &mut bytes)
            .await
            .unwrap();
        assert_eq!(String::from_utf8(bytes).unwrap(), expected, "{format:?}");
    }
}

#[tokio::test]
async fn parquet_and_arrow_hold_the_same_as_the_stream() {
    let expected = text(&session(&lake().await).collect(COLUMNS).await.unwrap());
    let parquet = bytes::Bytes::from(written(COLUMNS, OutputFormat::Parquet).await);
    let reader =
        parquet::arrow::arrow_reader::ParquetRecordBatchReader::try_new(parquet, 1024).unwrap();
    let batches: Vec<RecordBatch> = reader.map(Result::unwrap).collect();
    assert_eq!(text(&batches), expected);

    let ipc = written(COLUMNS, OutputFormat::ArrowIpc).await;
    let reader = arrow::ipc::reader::StreamReader::try_new(ipc.as_slice(), None).unwrap();
    let batches: Vec<RecordBatch> = reader.map(Result::unwrap).collect();
    assert_eq!(text(&batches), expected);
}

#[tokio::test]
async fn every_format_writes_every_column() {
    for format in [
        OutputFormat::Csv,
        OutputFormat::Ndjson,
        OutputFormat::Parquet,
        OutputFormat::ArrowIpc,
    ] {
        for sql in [
            "SELECT *, extra->'Odd' AS odd FROM m365_audit",
            "SELECT * FROM m365_rejects",
            "EXPLAIN SELECT 1",
        ] {
            assert!(
                format == OutputFormat::Ndjson || !written(sql, format).await.is_empty(),
                "{format:?} {sql}"
            );
        }
    }
}

#[tokio::test]
async fn a_result_cut_by_a_limit_is_a_whole_file() {
    let engine = live_discover::Engine::new(lake().await).unwrap();
    let session = engine.session(
        TenantScope::All,
        Limits {
            rows: 3,
            ..Limits::default()
        },
    );
    let mut bytes = Vec::new();
    let stream = session.query("SELECT id FROM m365_audit").await.unwrap();
    let error = write_result(stream, OutputFormat::Parquet, &mut bytes)
        .await
        .unwrap_err();
    assert!(error.to_string().starts_with("the row limit"));
    let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReader::try_new(
        bytes::Bytes::from(bytes),
        1024,
    );
    let rows: usize = reader.unwrap().map(|batch| batch.unwrap().num_rows()).sum();
    assert_eq!(rows, 3);
}
