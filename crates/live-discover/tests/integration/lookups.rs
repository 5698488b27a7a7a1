//! Tables that a session brings.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use live_discover::{Error, Lookup, Session};

use crate::fixture::{ask, lake, refusal, session};

fn addresses(count: usize) -> Lookup {
    let addresses: StringArray = (0..count)
        .map(|number| Some(format!("203.0.{}.{}", 113 + number / 256, number % 256)))
        .collect();
    let notes: StringArray = (0..count)
        .map(|number| Some(format!("note {number}")))
        .collect();
    let batch = RecordBatch::try_from_iter([
        ("IP", Arc::new(addresses) as ArrayRef),
        ("Note", Arc::new(notes) as ArrayRef),
    ])
    .unwrap();
    Lookup::from_batches(&batch.schema(), vec![batch]).unwrap()
}

async fn with_lookup(count: usize) -> Session {
    let session = session(&lake().await);
    session.with_lookup("Iocs", addresses(count)).unwrap()
}

#[tokio::test]
async fn lookups_join_like_any_table() {
    let session = with_lookup(3).await;
    for (sql, expected) in [
        ("SELECT count(*) FROM iocs", "3"),
        (
            "SELECT count(*) FROM m365_audit WHERE ClientIP IN (SELECT ip FROM iocs)",
            "10",
        ),
        (
            "SELECT DISTINCT i.Note FROM m365_audit s JOIN IOCS i ON s.client_ip = i.IP JOIN iocs j USING (ip) ORDER BY 1",
            "note 0\nnote 1\nnote 2",
        ),
        (
            "SELECT count(*) FROM m365_audit a WHERE NOT EXISTS (SELECT 1 FROM iocs WHERE ip = a.client_ip)",
            "65",
        ),
        ("WITH iocs AS (SELECT 1 AS n) SELECT n FROM iocs", "1"),
    ] {
        assert_eq!(ask(&session, sql).await, expected, "{sql}");
    }
}

#[tokio::test]
async fn a_lookup_is_the_sessions_own_and_read_only() {
    let lake = lake().await;
    let with = session(&lake).with_lookup("iocs", addresses(3)).unwrap();
    let without = session(&lake);
    assert_eq!(ask(&with, "SELECT count(*) FROM iocs").await, "3");
    assert!(
        refusal(&without, "SELECT count(*) FROM iocs")
            .await
            .starts_with("no table `iocs`")
    );
    assert_eq!(
        refusal(&with, "INSERT INTO iocs VALUES ('a', 'b')").await,
        "only SELECT and EXPLAIN of a SELECT are allowed"
    );
    let taken = with.with_lookup("m365_audit", addresses(1)).unwrap_err();
    assert!(matches!(taken, Error::InvalidQuery { .. }));
}

#[tokio::test]
async fn a_list_of_indicators_filters_the_scan() {
    let session = with_lookup(100_000).await;
    let sql = "SELECT a.id FROM m365_audit a JOIN iocs i ON a.client_ip = i.ip";
    assert_eq!(ask(&session, sql).await.lines().count(), 73);
    // Where the list is the smaller side, the scan knows it before it reads; of wide rows only those that match. (The
    // files have no index of texts, which would rule out more.)
    let session = with_lookup(10).await;
    assert_eq!(ask(&session, sql).await.lines().count(), 31);
    let wide =
        "SELECT a.* FROM m365_audit a JOIN iocs i ON a.client_ip = i.ip AND i.note = 'note 1'";
    for (sql, rows) in [(sql, "output_rows=75,"), (wide, "output_rows=3,")] {
        let plan = ask(&session, &format!("EXPLAIN ANALYZE {sql}")).await;
        let scan = plan
            .lines()
            .find(|line| line.contains("parquet") || line.contains("SelectByCodesExec"))
            .unwrap_or_else(|| panic!("{plan}"));
        assert!(scan.contains("DynamicFilter"), "{scan}");
        assert!(scan.contains(rows), "{scan}");
    }
}
