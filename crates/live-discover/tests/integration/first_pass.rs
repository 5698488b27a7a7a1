//! `ORDER BY … LIMIT` over wide rows: two passes give what one gives.

use live_discover::{Engine, EngineOptions, Limits, Session, TenantScope};

use crate::fixture::{CONTOSO, DAY_MICROS, Record, START_MICROS, ask, commit, empty_lake};

/// More than one pass is taken for, on two days, four of each time.
const RECORDS: i64 = 17_000;

async fn session() -> Session {
    let lake = empty_lake().await;
    let records: Vec<Record> = (0..RECORDS)
        .map(|number| Record {
            id: format!("r-{number:05}"),
            micros: START_MICROS + number / 4 * (8 * DAY_MICROS / RECORDS),
            record_type: 15,
            operation: ["UserLoggedIn", "UserLoginFailed", "Send"]
                [usize::try_from(number % 3).unwrap()],
            user_id: (number % 7 != 0).then(|| format!("user-{}@contoso.com", number % 100)),
            client_ip: Some(format!("203.0.113.{}", number % 250)),
            ..Record::default()
        })
        .collect();
    commit(&lake, CONTOSO, &records).await;
    // By codes such rows are found in one pass, where no large column decides.
    let options = EngineOptions {
        by_codes: false,
        ..EngineOptions::default()
    };
    let engine = Engine::builder().with_options(options).build(lake);
    engine.unwrap().session(TenantScope::All, Limits::default())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_passes_give_what_one_gives() {
    const WIDE: &str =
        "id, creation_time, operation, user_id, client_ip, record_type, raw, ingest_sequence";
    let session = session().await;
    for (condition, order, limit, is_two) in [
        ("true", "creation_time DESC, id", 10, true),
        ("true", "creation_time, id DESC", 6, true),
        ("operation = 'Send'", "creation_time DESC, id", 10, true),
        (
            "raw LIKE '%Failed%'",
            "creation_time DESC, id DESC",
            7,
            true,
        ),
        // Nulls first, then last; more of them than rows are wanted, and fewer rows than are wanted.
        ("true", "user_id DESC, id", 10, true),
        ("true", "user_id, id", 10, true),
        ("user_id IS NULL", "user_id, id", 10, true),
        ("id < 'r-00005'", "creation_time DESC, id", 10, true),
        ("id = 'nobody'", "creation_time DESC, id", 10, true),
        // Those that are in a list, which is found once, and those that are not.
        (
            "client_ip IN (SELECT client_ip FROM m365_audit WHERE operation = 'Send')",
            "creation_time DESC, id",
            10,
            true,
        ),
        (
            "client_ip NOT IN (SELECT client_ip FROM m365_audit WHERE id < 'r-00100') AND operation <> 'Send'",
            "creation_time, id",
            10,
            true,
        ),
        (
            "user_id NOT IN (SELECT user_id FROM m365_audit WHERE id > 'r-16900' AND user_id IS NOT NULL)",
            "creation_time, id",
            10,
            true,
        ),
        (
            "user_id IN (SELECT user_id FROM m365_audit WHERE random() >= 0)",
            "creation_time DESC, id",
            10,
            true,
        ),
        // Another row each time it is asked.
        ("random() >= 0", "creation_time DESC, id", 10, false),
        ("true", "lower(id) DESC", 10, false),
    ] {
        let sql = format!(
            "SELECT {WIDE} FROM m365_audit WHERE {condition} ORDER BY {order} LIMIT {limit}"
        );
        let plan = ask(&session, &format!("EXPLAIN {sql}")).await;
        assert_eq!(plan.contains("FirstPassExec"), is_two, "{sql}: {plan}");
        // The second pass knows the last key, whatever sort the rules have put there.
        if is_two && (condition, order) == ("true", "creation_time DESC, id") {
            let run = ask(&session, &format!("EXPLAIN ANALYZE {sql}")).await;
            let is_scan = |line: &&str| line.contains("DataSourceExec");
            let scan = run.lines().rfind(is_scan).unwrap();
            assert!(!scan.contains("pushdown_rows_pruned=0,"), "{run}");
        }
        // All of them in order, which is no sort with a limit.
        let all = format!("SELECT {WIDE} FROM m365_audit WHERE {condition} ORDER BY {order}");
        let all = ask(&session, &all).await;
        let first: Vec<&str> = all.lines().take(limit).collect();
        let answer = ask(&session, &sql).await;
        assert_eq!(answer.lines().collect::<Vec<_>>(), first, "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_are_others_each_time_are_read_once() {
    let session = session().await;
    for key in ["random() AS key", "1 AS key", "lower(id) AS key"] {
        let sql = format!("SELECT *, {key} FROM m365_audit ORDER BY key LIMIT 10");
        assert_eq!(ask(&session, &sql).await.lines().count(), 10, "{key}");
    }
}
