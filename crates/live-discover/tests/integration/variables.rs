//! Variables and time ranges, from a request to its rows.

use std::sync::Arc;

use audit_lake::TableName;
use live_discover::{
    Clock, Engine, Limits, Query, RangeMode, Request, Session, TenantScope, TimePoint, TimeRange,
};
use proptest::prelude::*;

use crate::fixture::{
    CONTOSO, DAY_MICROS, HOUR_MICROS, Record, START_MICROS, ask, commit, lake, session, tenant,
    text,
};

async fn rows(session: &Session, request: Request) -> String {
    let sql = format!("{request:?}");
    let batches = session.collect(request).await;
    text(&batches.unwrap_or_else(|error| panic!("{sql}: {error}")))
}

#[tokio::test]
async fn variables_stand_where_templates_have_them() {
    let session = session(&lake().await);
    for (sql, name, value, expected) in [
        (
            "SELECT count(*) FROM m365_audit WHERE user_id = $$user$$",
            "user",
            "ada@contoso.com",
            "25",
        ),
        (
            "SELECT count(*) FROM m365_audit WHERE user_id ILIKE '%$$who (part)$$%'",
            "who (part)",
            "ADA",
            "25",
        ),
        (
            "SELECT count(*) FROM m365_audit WHERE creation_time < TIMESTAMP '2024-02-02' - interval '$$no.of.days$$' day",
            "no.of.days",
            "1",
            "25",
        ),
        (
            "SELECT count(*) FROM m365_audit WHERE event_date = DATE '$$YYYY-MM-DD$$'",
            "YYYY-MM-DD",
            "2024-02-01",
            "25",
        ),
        (
            "SELECT count(*) FROM m365_audit WHERE record_type - $$n$$ * 2 = 5",
            "n",
            "5",
            "73",
        ),
        (
            "SELECT count(*) -- of $$anybody$$\nFROM m365_audit [[WHERE user_id = $$user$$]]",
            "user",
            "",
            "75",
        ),
        (
            "SELECT '$$user$$' /* $$user$$ */",
            "user",
            "'; DROP TABLE x; --",
            "'; DROP TABLE x; --",
        ),
    ] {
        let request = Request::new(sql).with_variable(name, value);
        assert_eq!(rows(&session, request).await, expected, "{sql}");
    }
    let users = Request::new("SELECT count(*) FROM m365_audit WHERE user_id IN ($$users$$)")
        .with_values("users", ["ada@contoso.com", "eve@fabrikam.com"]);
    assert_eq!(rows(&session, users).await, "26");
}

#[tokio::test]
async fn a_declared_variable_is_checked() {
    let session = session(&lake().await);
    let query = Query::parse(
        "-- id: q\n-- name: q\n-- description: q\n-- range: off\n\
         -- variable $$since$$ datetime default \"2024-02-02\": from when\n\
         -- variable $$addresses$$ list of ip optional: which\n\
         -- column n: rows\n\
         SELECT count(*) AS n FROM m365_audit WHERE creation_time >= $$since$$ [[AND client_ip IN ($$addresses$$)]]",
    )
    .unwrap();
    assert_eq!(rows(&session, Request::of(&query)).await, "25");
    let two = Request::of(&query).with_values("addresses", ["203.0.113.1", "203.0.113.2"]);
    assert_eq!(rows(&session, two).await, "2");
    let error = session
        .collect(Request::of(&query).with_variable("since", "tomorrow"))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the variable `since`: `tomorrow` is no date or time such as 2024-01-31 or 2024-01-31T08:00:00Z (line 1, column 61)"
    );
}

#[tokio::test]
async fn errors_point_into_the_text_as_it_was_written() {
    let session = session(&lake().await);
    let request = Request::new("SELECT '$$long$$',\n  userid2 FROM m365_audit")
        .with_variable("long", "x\n".repeat(1000));
    assert_eq!(
        session.collect(request).await.unwrap_err().to_string(),
        "no column `userid2`; did you mean `user_id`? (line 2, column 3)"
    );
    let error = session.collect("SELECT $$a").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "a variable is written `$$name$$`: here the second `$$` is missing (line 1, column 11)"
    );
}

/// Noon of the fixture's last day.
#[derive(Debug)]
struct Noon;

impl Clock for Noon {
    fn now_micros(&self) -> i64 {
        START_MICROS + 2 * DAY_MICROS + 12 * HOUR_MICROS
    }
}

async fn at_noon() -> Session {
    let engine = Engine::builder()
        .with_clock(Arc::new(Noon))
        .build(lake().await)
        .unwrap();
    engine.session(TenantScope::All, Limits::default())
}

#[tokio::test]
async fn a_range_applies_to_every_scan_and_prunes_files() {
    let session = at_noon().await;
    let count = "SELECT count(*) FROM m365_audit";
    let everywhere = "SELECT (SELECT count(*) FROM m365_signins) AS n, count(*) \
                      FROM m365_audit a JOIN (SELECT id FROM m365_audit) b USING (id)";
    for (sql, from, to, expected, files) in [
        (count, Some("all"), None, "75", 6),
        (count, None, None, "37", 3),
        (count, Some("-PT12H"), None, "25", 2),
        (count, Some("2024-01-31"), Some("2024-02-01"), "25", 2),
        // From is in the range, to is not.
        (
            count,
            Some("2024-01-31T01:00:00Z"),
            Some("2024-01-31T03:00:00Z"),
            "2",
            1,
        ),
        (everywhere, Some("2024-02-02"), None, "24\t25", 6),
    ] {
        let range = TimeRange::parse(from, to).unwrap();
        let mut stream = session
            .query(Request::new(sql).with_range(range))
            .await
            .unwrap();
        let mut batches = Vec::new();
        while let Some(batch) = stream.next().await {
            batches.push(batch.unwrap());
        }
        assert_eq!(text(&batches), expected, "{sql} {range}");
        assert_eq!(stream.progress().files_planned, files, "{sql} {range}");
    }
}

/// What came with which commit: late records are seen by whoever asks for what is new.
#[tokio::test]
async fn a_request_can_go_by_commits() {
    let lake = lake().await;
    let table = lake
        .open_or_create_table(tenant(CONTOSO), TableName::Audit)
        .await
        .unwrap();
    let last = i64::try_from(table.snapshot().await.unwrap().version()).unwrap();
    let late = Record {
        id: "late".to_owned(),
        micros: START_MICROS + 1,
        ..Record::default()
    };
    commit(&lake, CONTOSO, &[late]).await;
    let contoso = TenantScope::Only([tenant(CONTOSO)].into());
    let session = Engine::new(lake)
        .unwrap()
        .session(contoso, Limits::default());
    let sql = "SELECT count(*) FROM m365_audit";
    let all = ask(&session, sql).await;
    let asked = async |request: Request| {
        let mut stream = session.query(request).await.unwrap();
        let mut batches = Vec::new();
        while let Some(batch) = stream.next().await {
            batches.push(batch.unwrap());
        }
        (text(&batches), stream.progress().files_planned)
    };
    let request = || Request::new(sql);
    let new = ("1".to_owned(), 1);
    assert_eq!(asked(request().with_commits(last + 1..)).await, new);
    assert_eq!(asked(request().with_commits(last + 1..last + 2)).await, new);
    assert_eq!(
        asked(request().with_commits(last + 1..=last + 1)).await,
        new
    );
    assert_eq!(asked(request().with_commits(last + 2..)).await.0, "0");
    assert_eq!(asked(request().with_commits(..)).await.0, all);
    let before: i64 = all.parse().unwrap();
    assert_eq!(
        asked(request().with_commits(..=last)).await.0,
        (before - 1).to_string()
    );
    // What was said last counts.
    let range = TimeRange::all();
    assert_eq!(
        asked(request().with_commits(last + 1..).with_range(range))
            .await
            .0,
        all
    );
    let empty = session.collect(request().with_commits(3..3)).await;
    assert_eq!(
        empty.unwrap_err().to_string(),
        "the range of commits is empty"
    );
}

#[tokio::test]
async fn a_query_says_what_time_its_range_is_about() {
    let session = at_noon().await;
    let header = "-- id: q\n-- name: q\n-- description: q\n-- column n: rows\n";
    let query = |range: &str| {
        Query::parse(&format!(
            "{header}-- range: {range}\nSELECT count(*) AS n FROM m365_audit"
        ))
        .unwrap()
    };
    assert_eq!(
        rows(&session, Request::of(&query("event_time"))).await,
        "37"
    );
    assert_eq!(rows(&session, Request::of(&query("off"))).await, "75");
    // The fixture's rows do not say when they were written.
    assert_eq!(
        rows(&session, Request::of(&query("ingest_time"))).await,
        "0"
    );
    let off = Request::of(&query("event_time")).with_range_mode(RangeMode::Off);
    assert_eq!(rows(&session, off).await, "75");
    let future = TimeRange::between(Some("+P1D".parse::<TimePoint>().unwrap()), None);
    let error = session
        .collect(Request::of(&query("event_time")).with_range(future))
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "the time range begins in the future");
    // A text alone is over all time.
    assert_eq!(ask(&session, "SELECT count(*) FROM m365_audit").await, "75");
}

/// The plan without its literals.
async fn shape(session: &Session, value: &str) -> Vec<String> {
    let request = Request::new(
        "EXPLAIN SELECT user_id, '$$v$$' FROM m365_audit \
         WHERE user_id = $$v$$ OR operation = 'x$$v$$y' [[AND id = '$$v$$']] ORDER BY id",
    )
    .with_variable("v", value);
    let plan = text(&session.collect(request).await.unwrap());
    // A value may be long and hold anything, also lines: the names of the operators tell what was planned.
    plan.lines()
        .filter_map(|line| line.trim_start().split([':', ' ']).next())
        .filter(|word| {
            word.ends_with("Exec") || ["Sort", "Projection", "Filter", "TableScan"].contains(word)
        })
        .map(str::to_owned)
        .collect()
}

fn value() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("'".to_owned()),
        Just("''".to_owned()),
        Just("\"".to_owned()),
        Just("--".to_owned()),
        Just("/*".to_owned()),
        Just("*/".to_owned()),
        Just("$$".to_owned()),
        Just("$$v$$".to_owned()),
        Just("]]".to_owned()),
        Just("\\".to_owned()),
        Just("\0".to_owned()),
        Just(" OR 1=1 ".to_owned()),
        Just("; DROP TABLE m365_audit; ".to_owned()),
        Just("\u{202e}\u{ff07}\u{2028}".to_owned()),
        any::<String>(),
    ];
    prop::collection::vec(piece, 1..8).prop_map(|pieces| format!("v{}", pieces.concat()))
}

#[test]
fn no_value_changes_the_plan_or_itself() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let session = runtime.block_on(async { session(&lake().await) });
    let plain = runtime.block_on(shape(&session, "value"));
    assert!(plain.len() > 5, "{plain:?}");
    let echo = |value: &str| {
        let request =
            Request::new("SELECT $$v$$ = '$$v$$' AS same, $$v$$ AS v").with_variable("v", value);
        let batches = runtime.block_on(session.collect(request)).unwrap();
        text(&batches)
    };
    let config = ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    proptest!(config, |(value in value())| {
        prop_assert_eq!(&runtime.block_on(shape(&session, &value)), &plain);
        prop_assert_eq!(echo(&value), format!("true\t{value}"));
    });
    let megabyte = "'; -- $$ ☂ ".repeat(100_000);
    assert_eq!(runtime.block_on(shape(&session, &megabyte)), plain);
    assert_eq!(echo(&megabyte), format!("true\t{megabyte}"));
}
