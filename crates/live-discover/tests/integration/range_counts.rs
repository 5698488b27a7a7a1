//! Counts in frames of time: what a join that counts says.

use live_discover::{Engine, EngineOptions, Error, Lake, LimitKind, Limits, Session, TenantScope};

use crate::fixture::{CONTOSO, DAY_MICROS, Record, START_MICROS, ask, commit, empty_lake};

/// A user with many records, others with few, one of none; times that come again.
async fn lake() -> Lake {
    let lake = empty_lake().await;
    let record = |number: i64| Record {
        id: format!("r-{number:05}"),
        micros: START_MICROS + (number * number % 977) * DAY_MICROS / 977 / 60 * 60,
        record_type: number % 5,
        operation: "FileDownloaded",
        user_id: match number % 3 {
            0 => Some("busy@contoso.com".to_owned()),
            1 => Some(format!("user-{}@contoso.com", number % 40)),
            _ => (number % 2 == 0).then(|| "other@contoso.com".to_owned()),
        },
        client_ip: (number % 4 != 0).then(|| "203.0.113.7".to_owned()),
        ..Record::default()
    };
    let records: Vec<Record> = (0..2_000).map(record).collect();
    commit(&lake, CONTOSO, &records).await;
    lake
}

/// In batches of few rows, so that frames reach over them.
fn session(lake: &Lake) -> Session {
    let options = EngineOptions {
        parallelism: Some(2),
        ..EngineOptions::default()
    };
    let engine = Engine::builder().with_options(options).build(lake.clone());
    engine.unwrap().session(TenantScope::All, Limits::default())
}

const QUICK: &str = "RangeCountExec";

/// What is counted, the order, the frame, and the condition on `b` that says the same of two rows.
const FRAMES: &[(&str, &str, &str, &str)] = &[
    (
        "*",
        "creation_time",
        "INTERVAL '1' HOUR PRECEDING AND CURRENT ROW",
        "b.creation_time BETWEEN a.creation_time - INTERVAL '1' HOUR AND a.creation_time",
    ),
    (
        "client_ip",
        "creation_time",
        "INTERVAL '3' HOUR PRECEDING AND INTERVAL '10' MINUTE FOLLOWING",
        "b.creation_time BETWEEN a.creation_time - INTERVAL '3' HOUR AND a.creation_time + INTERVAL '10' MINUTE",
    ),
    (
        "*",
        "creation_time DESC",
        "INTERVAL '1' DAY PRECEDING AND CURRENT ROW",
        "b.creation_time BETWEEN a.creation_time AND a.creation_time + INTERVAL '1' DAY",
    ),
    (
        "*",
        "creation_time",
        "CURRENT ROW AND INTERVAL '90' SECOND FOLLOWING",
        "b.creation_time BETWEEN a.creation_time AND a.creation_time + INTERVAL '90' SECOND",
    ),
    // Not all rows have it: nulls are each other's frame.
    (
        "*",
        "CASE WHEN record_type > 0 THEN creation_time END",
        "INTERVAL '1' HOUR PRECEDING AND CURRENT ROW",
        "(b.record_type > 0 AND a.record_type > 0 AND b.creation_time BETWEEN a.creation_time - INTERVAL '1' HOUR AND a.creation_time OR a.record_type = 0 AND b.record_type = 0)",
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_in_frames_of_time_are_those_of_a_join() {
    let lake = lake().await;
    let session = session(&lake);
    for (what, order, frame, condition) in FRAMES {
        let counted = match *what {
            "*" => "*".to_owned(),
            column => format!("b.{column}"),
        };
        let window = format!(
            "SELECT id, count({what}) OVER (PARTITION BY user_id ORDER BY {order} RANGE BETWEEN {frame}) AS n FROM m365_audit ORDER BY id"
        );
        let join = format!(
            "SELECT a.id, count({counted}) AS n FROM m365_audit a JOIN m365_audit b ON (a.user_id IS NOT DISTINCT FROM b.user_id) AND ({condition}) GROUP BY a.id ORDER BY a.id"
        );
        let plan = ask(&session, &format!("EXPLAIN {window}")).await;
        assert!(plan.contains(QUICK), "{window}: {plan}");
        assert_eq!(
            ask(&session, &window).await,
            ask(&session, &join).await,
            "{window}"
        );
    }
}

/// Two frames in one step, and one over all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_go_together() {
    let lake = lake().await;
    let session = session(&lake);
    let hour = "RANGE BETWEEN INTERVAL '1' HOUR PRECEDING AND CURRENT ROW";
    let wide = "RANGE BETWEEN INTERVAL '20' HOUR PRECEDING AND INTERVAL '2' HOUR FOLLOWING";
    let both = format!(
        "SELECT sum(h), sum(w) FROM (SELECT count(*) OVER (ORDER BY creation_time {hour}) AS h, count(*) OVER (ORDER BY creation_time {wide}) AS w FROM m365_audit)"
    );
    let plan = ask(&session, &format!("EXPLAIN {both}")).await;
    assert!(plan.contains(QUICK), "{plan}");
    let each = |frame| {
        format!(
            "SELECT sum(n) FROM (SELECT count(*) OVER (ORDER BY creation_time {frame}) AS n FROM m365_audit)"
        )
    };
    let sum = |answer: String| answer.lines().last().unwrap().to_owned();
    let (h, w) = (
        sum(ask(&session, &each(hour)).await),
        sum(ask(&session, &each(wide)).await),
    );
    let pairs = "SELECT count(*) FROM m365_audit a JOIN m365_audit b ON b.creation_time BETWEEN a.creation_time - INTERVAL '20' HOUR AND a.creation_time + INTERVAL '2' HOUR";
    assert_eq!(w, sum(ask(&session, pairs).await));
    let both = sum(ask(&session, &both).await);
    assert!(both.contains(&h) && both.contains(&w), "{both}: {h}, {w}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_frames_are_left_alone() {
    let lake = lake().await;
    let session = session(&lake);
    for function in [
        "count(*) OVER (PARTITION BY user_id ORDER BY creation_time)",
        "count(DISTINCT client_ip) OVER (PARTITION BY user_id ORDER BY creation_time RANGE BETWEEN INTERVAL '1' HOUR PRECEDING AND CURRENT ROW)",
        "count(*) FILTER (WHERE record_type = 1) OVER (PARTITION BY user_id ORDER BY creation_time RANGE BETWEEN INTERVAL '1' HOUR PRECEDING AND CURRENT ROW)",
        "count(*) OVER (PARTITION BY user_id ORDER BY creation_time RANGE BETWEEN INTERVAL '1' MONTH PRECEDING AND CURRENT ROW)",
        "count(*) OVER (PARTITION BY user_id ORDER BY creation_time ROWS BETWEEN 3 PRECEDING AND CURRENT ROW)",
        "min(client_ip) OVER (PARTITION BY user_id ORDER BY creation_time RANGE BETWEEN INTERVAL '1' HOUR PRECEDING AND INTERVAL '1' HOUR FOLLOWING)",
        "count(*) OVER (PARTITION BY user_id ORDER BY record_type RANGE BETWEEN 3 PRECEDING AND CURRENT ROW)",
    ] {
        let plan = ask(
            &session,
            &format!("EXPLAIN SELECT id, {function} FROM m365_audit"),
        )
        .await;
        assert!(!plan.contains(QUICK), "{function}: {plan}");
    }
}

/// A frame that goes on to the end keeps all rows, one of a minute hardly any.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_wait_for_their_frames_are_counted() {
    let lake = lake().await;
    let limits = Limits {
        memory_bytes: 16 << 20,
        ..Limits::default()
    };
    let options = EngineOptions {
        parallelism: Some(1),
        ..EngineOptions::default()
    };
    let engine = Engine::builder().with_options(options).build(lake).unwrap();
    let session = engine.session(TenantScope::All, limits);
    let count = |frame: &str| {
        format!(
            "SELECT max(n), max(length(raw)) FROM (SELECT raw, count(*) OVER (ORDER BY creation_time {frame}) AS n \
             FROM m365_audit CROSS JOIN range(0, 100))"
        )
    };
    for (frame, who) in [
        (
            "RANGE BETWEEN CURRENT ROW AND INTERVAL '400' DAY FOLLOWING",
            "`frames` needs",
        ),
        (
            "ROWS BETWEEN CURRENT ROW AND 3000000 FOLLOWING",
            "`rows of a window` needs",
        ),
    ] {
        match session.collect(count(frame).as_str()).await {
            Err(Error::ResourcesExhausted {
                limit: LimitKind::Memory,
                message,
            }) => {
                assert!(message.contains(who), "{frame}: {message}");
            }
            other => panic!("{frame}: {other:?}"),
        }
    }
    for frame in [
        "RANGE BETWEEN INTERVAL '1' MINUTE PRECEDING AND INTERVAL '1' MINUTE FOLLOWING",
        "ROWS BETWEEN 3 PRECEDING AND 3 FOLLOWING",
    ] {
        ask(&session, &count(frame)).await;
    }
    assert_eq!(engine.metrics().query_bytes, 0);
}
