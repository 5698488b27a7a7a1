//! Groups and rows by the codes of texts: what DataFusion's own steps give.

use arrow::array::RecordBatch;
use arrow::compute::{concat_batches, sort_to_indices, take_record_batch};
use audit_testkit::GeneratorOptions;
use live_discover::{Engine, EngineOptions, Lake, Limits, Session, TenantScope};

use crate::fixture::{
    CONTOSO, DAY_MICROS, FABRIKAM, HOUR_MICROS, Record, START_MICROS, ask, commit, empty_lake,
    ingest_generated,
};

/// In two commits of two tenants, so that files have other columns and other dictionaries; of ids there are too many to
/// have codes.
async fn lake() -> Lake {
    let lake = empty_lake().await;
    for (tenant, from, to) in [
        (CONTOSO, 0, 9_000),
        (FABRIKAM, 9_000, 12_000),
        (CONTOSO, 12_000, 12_010),
    ] {
        let record = |number: i64| Record {
            id: format!("r-{number:05}"),
            micros: START_MICROS + number * (3 * DAY_MICROS / 12_010) + number % 7 * HOUR_MICROS,
            record_type: number % 5,
            operation: ["UserLoggedIn", "UserLoginFailed", "Send", "12", ""]
                [usize::try_from(number % 5).unwrap()],
            user_id: (number % 7 != 0 && from != 9_000)
                .then(|| format!("User-{}@contoso.com", number % 100)),
            parameters: match number % 4 {
                0 => vec![],
                1 => vec![(
                    "Name",
                    ["rule", "", "other"][usize::try_from(number % 3).unwrap()],
                )],
                2 => vec![("ForwardTo", "a@evil.example"), ("Name", "rule")],
                _ => vec![("x", "y"), ("Name", "r2"), ("Name", "second")],
            },
            client_ip: (number % 3 != 0).then(|| format!("203.0.113.{}", number % 250)),
            ..Record::default()
        };
        let records: Vec<Record> = (from..to).map(record).collect();
        commit(&lake, tenant, &records).await;
    }
    lake
}

fn session(lake: &Lake, options: EngineOptions, limits: Limits) -> Session {
    let engine = Engine::builder().with_options(options).build(lake.clone());
    engine.unwrap().session(TenantScope::All, limits)
}

const BY_CODES: &str = "AggregateByCodesExec";

/// Queries, and whether the step can do their work.
const QUERIES: &[(&str, bool)] = &[
    (
        "SELECT operation, approx_distinct(user_id), approx_distinct(record_type) FROM m365_audit GROUP BY 1",
        true,
    ),
    // What groups hand on of it is not what all rows do.
    (
        "SELECT approx_distinct(user_id), approx_distinct(record_type) FROM m365_audit",
        false,
    ),
    (
        "SELECT operation, count(*), count(DISTINCT user_id), count(DISTINCT client_ip) FROM m365_audit GROUP BY 1",
        true,
    ),
    (
        "SELECT extract(hour FROM creation_time), creation_time::date, count(*) FROM m365_audit GROUP BY 1, 2",
        true,
    ),
    (
        "SELECT operation, count(*) FROM m365_audit GROUP BY 1",
        true,
    ),
    (
        "SELECT user_id, count(*), count(client_ip), min(creation_time), max(record_type) FROM m365_audit GROUP BY 1",
        true,
    ),
    (
        "SELECT user_id, operation, client_ip, count(*) FROM m365_audit GROUP BY 1, 2, 3",
        true,
    ),
    ("SELECT id, count(*) FROM m365_audit GROUP BY 1", true),
    (
        "SELECT tenant_id, upper(operation), count(*), count(1) FROM m365_audit WHERE record_type < 3 GROUP BY 1, 2",
        true,
    ),
    (
        "SELECT operation, count(*), count(NULL) FROM m365_audit GROUP BY 1",
        true,
    ),
    (
        "SELECT event_date, tenant_id, operation, count(*) FROM m365_audit GROUP BY 1, 2, 3",
        true,
    ),
    (
        "SELECT event_date, count(*) FROM m365_audit WHERE operation = 'nothing' GROUP BY 1",
        true,
    ),
    (
        "SELECT event_date, count(*) FROM m365_audit WHERE user_id = 'User-3@contoso.com' GROUP BY 1",
        true,
    ),
    (
        "SELECT date_trunc('hour', creation_time), count(*) FROM m365_audit WHERE operation = 'Send' GROUP BY 1",
        true,
    ),
    (
        "SELECT record_type, record_type = 3, sum(record_type), avg(record_type) FROM m365_audit GROUP BY 1, 2",
        true,
    ),
    // Numbers below none, few, and many.
    (
        "SELECT record_type - 2, record_type * 40000, creation_time, count(*) FROM m365_audit GROUP BY 1, 2, 3",
        true,
    ),
    (
        "SELECT lower(user_id), substr(operation, 1, 4), count(*) FROM m365_audit WHERE client_ip LIKE '%.1%' GROUP BY 1, 2",
        true,
    ),
    (
        "SELECT coalesce(user_id, client_ip), min(user_id), max(operation) FROM m365_audit WHERE user_id IS NULL OR operation <> client_ip GROUP BY 1",
        true,
    ),
    (
        "SELECT operation, count(DISTINCT user_id) FROM m365_audit GROUP BY 1",
        true,
    ),
    (
        "SELECT DISTINCT operation, user_id IS NULL FROM m365_audit",
        true,
    ),
    (
        "SELECT count(*), min(id), max(creation_time) FROM m365_audit WHERE operation = 'Send'",
        true,
    ),
    (
        "SELECT count(*), min(id), sum(record_type) FROM m365_audit WHERE operation = 'nothing'",
        true,
    ),
    (
        "SELECT operation, count(*) FILTER (WHERE user_id IS NOT NULL) FROM m365_audit GROUP BY 1",
        true,
    ),
    (
        "SELECT operation, count(*) FROM m365_audit WHERE creation_time >= '2024-02-01T03:00:00Z' GROUP BY 1",
        true,
    ),
    (
        "SELECT n, count(*) FROM (SELECT user_id, count(*) AS n FROM m365_audit GROUP BY 1) GROUP BY 1",
        true,
    ),
    // A cast that fails for texts which another filter leaves out.
    (
        "SELECT operation, count(*) FROM m365_audit WHERE operation = '12' AND CASE WHEN operation = '12' THEN operation::int ELSE 0 END > 3 GROUP BY 1",
        true,
    ),
    // A column that no file has.
    ("SELECT site_url, count(*) FROM m365_audit GROUP BY 1", true),
    // What a key has in a bag: a text, too.
    (
        "SELECT parameters['Name'], count(*) FROM m365_audit GROUP BY 1",
        true,
    ),
    (
        "SELECT parameters['Name'], parameters['ForwardTo'], user_id, count(*) FROM m365_audit WHERE parameters['ForwardTo'] <> '' AND parameters['Name'] LIKE 'r%' GROUP BY 1, 2, 3",
        true,
    ),
    (
        "SELECT upper(parameters['Name']), max(parameters['Name'] || parameters['Name'] || parameters['x']), count(parameters['none']) FROM m365_audit GROUP BY 1",
        true,
    ),
    (
        "SELECT cardinality(parameters), count(*) FROM m365_audit GROUP BY 1",
        false,
    ),
    // What is looked for in large columns, also one that no file has, and by what other filters leave.
    (
        "SELECT operation, count(*) FROM m365_audit WHERE raw LIKE '%r-0001%' GROUP BY 1",
        true,
    ),
    (
        "SELECT user_id, count(*), min(id) FROM m365_audit WHERE raw LIKE '%User-3%' AND raw ILIKE '%SEND%' AND record_type = 2 GROUP BY 1",
        true,
    ),
    (
        "SELECT record_type, count(*) FROM m365_audit WHERE raw ~ 'r-0[0-9]+7\"' AND raw LIKE '{%r-%2_7%' GROUP BY 1",
        true,
    ),
    (
        "SELECT count(*) FROM m365_audit WHERE raw LIKE '{%' AND raw LIKE '%}' AND operation <> 'Send'",
        true,
    ),
    (
        "SELECT count(*) FROM m365_audit WHERE raw LIKE '%no such text%'",
        true,
    ),
    (
        "SELECT operation, count(*) FROM m365_audit WHERE actions LIKE '%a%' OR actions IS NULL GROUP BY 1",
        false,
    ),
    (
        "SELECT operation, count(*) FROM m365_audit WHERE actions LIKE '%a%' GROUP BY 1",
        true,
    ),
    // Large columns, other values each time, an order within groups, keys that are no whole numbers.
    (
        "SELECT operation, count(*) FROM m365_audit WHERE raw NOT LIKE '%r-0001%' GROUP BY 1",
        false,
    ),
    (
        "SELECT length(raw), count(*) FROM m365_audit GROUP BY 1",
        false,
    ),
    (
        "SELECT operation, array_agg(id ORDER BY id) FROM m365_audit GROUP BY 1",
        true,
    ),
    (
        "SELECT record_type / 2.0, count(*) FROM m365_audit GROUP BY 1",
        false,
    ),
    (
        "SELECT random() < 2, count(*) FROM m365_audit GROUP BY 1",
        false,
    ),
    (
        "SELECT operation, user_id, count(*) FROM m365_audit GROUP BY GROUPING SETS ((operation), (user_id))",
        true,
    ),
];

const SELECT_BY_CODES: &str = "SelectByCodesExec";

/// Queries for some rows, and whether the step finds them. Where an order is asked for, the rows have one.
const SELECTIONS: &[(&str, bool)] = &[
    (
        "SELECT id, raw, parameters FROM m365_audit WHERE user_id = 'User-3@contoso.com'",
        true,
    ),
    (
        "SELECT * FROM m365_audit WHERE user_id ILIKE 'user-3@CONTOSO.com' AND record_type = 2",
        true,
    ),
    (
        "SELECT id, tenant_id, event_date, operation || '/' || coalesce(client_ip, '-') FROM m365_audit WHERE client_ip LIKE '%.11' AND operation <> 'Send'",
        true,
    ),
    (
        "SELECT id FROM m365_audit WHERE user_id IS NULL AND client_ip IS NULL",
        true,
    ),
    (
        "SELECT id, raw FROM m365_audit WHERE operation = 'nothing'",
        true,
    ),
    (
        "SELECT id, raw FROM m365_audit WHERE record_type >= 0",
        true,
    ),
    (
        "SELECT id, raw FROM m365_audit WHERE creation_time >= '2024-02-01T03:00:00Z' AND creation_time < '2024-02-01T03:10:00Z'",
        true,
    ),
    (
        "SELECT id, parameters['ForwardTo'], parameters['x'] FROM m365_audit WHERE parameters['Name'] LIKE 'r%' AND user_id > 'User-5'",
        true,
    ),
    (
        "SELECT site_url, id FROM m365_audit WHERE site_url IS NULL AND record_type = 3",
        true,
    ),
    // The files have no index of texts, so the bloom filters of their ids are asked.
    (
        "SELECT id, raw FROM m365_audit WHERE id IN ('r-00017', 'r-11999', 'r-12003')",
        false,
    ),
    (
        "SELECT id, raw FROM m365_audit WHERE client_ip LIKE '%.17' OR user_id LIKE '%-99%'",
        true,
    ),
    // The first by a key, also where others have the same as the last of them.
    (
        "SELECT id, creation_time, raw, parameters FROM m365_audit WHERE operation = 'Send' ORDER BY creation_time DESC, id LIMIT 100",
        true,
    ),
    (
        "SELECT id, creation_time, raw, parameters FROM m365_audit WHERE operation = 'Send' ORDER BY creation_time, id LIMIT 17 OFFSET 30",
        true,
    ),
    (
        "SELECT id, creation_time, raw, operation, user_id, client_ip FROM m365_audit ORDER BY creation_time DESC, id LIMIT 50",
        true,
    ),
    (
        "SELECT id, record_type, raw FROM m365_audit WHERE user_id IS NOT NULL ORDER BY record_type DESC, id LIMIT 20",
        true,
    ),
    (
        "SELECT id, event_date FROM m365_audit WHERE client_ip LIKE '%.1%' ORDER BY event_date, id DESC LIMIT 20",
        true,
    ),
    (
        "SELECT id, record_type AS n FROM m365_audit WHERE operation = 'nothing' ORDER BY n LIMIT 20",
        true,
    ),
    (
        "SELECT a.id, b.id FROM m365_audit a JOIN m365_audit b ON a.client_ip = b.client_ip WHERE a.user_id = 'User-17@contoso.com' AND b.operation = 'Send'",
        true,
    ),
    // What is looked for in large columns, in the order of the key.
    (
        "SELECT id, creation_time, user_id FROM m365_audit WHERE raw LIKE '%User-3%' ORDER BY creation_time DESC, id LIMIT 100",
        true,
    ),
    (
        "SELECT id, raw FROM m365_audit WHERE raw ILIKE '%USER-7%' AND raw ~ '-0[0-9]+[37]' AND operation = 'Send' ORDER BY creation_time, id LIMIT 7",
        true,
    ),
    (
        "SELECT id FROM m365_audit WHERE raw LIKE '%r-0%' ORDER BY record_type DESC, id LIMIT 20",
        true,
    ),
    (
        "SELECT id FROM m365_audit WHERE raw LIKE '%no such text%' ORDER BY creation_time LIMIT 20",
        true,
    ),
    // In two passes through a join, as it needs a key's column alone.
    (
        "SELECT id, creation_time, raw, parameters FROM m365_audit WHERE client_ip IN (SELECT client_ip FROM m365_audit WHERE operation = 'Send') ORDER BY creation_time DESC, id LIMIT 50",
        true,
    ),
    (
        "SELECT id, raw FROM m365_audit WHERE user_id NOT IN (SELECT user_id FROM m365_audit WHERE id < 'r-00090') ORDER BY creation_time, id LIMIT 20",
        true,
    ),
    // The first of each key: what is known of them is asked before other columns are read.
    (
        "SELECT id, raw, parameters FROM (SELECT *, row_number() OVER (PARTITION BY user_id ORDER BY creation_time DESC, id) AS n FROM m365_audit) WHERE n = 1 ORDER BY id",
        true,
    ),
    (
        "SELECT id, operation, client_ip FROM m365_audit WHERE operation <> 'Send' QUALIFY row_number() OVER (PARTITION BY operation, client_ip ORDER BY creation_time, id) <= 2 ORDER BY id",
        true,
    ),
    (
        "SELECT id, event_date FROM m365_audit QUALIFY rank() OVER (PARTITION BY id ORDER BY creation_time) = 1 ORDER BY id",
        false,
    ),
    (
        "SELECT DISTINCT ON (client_ip) client_ip, id, raw, creation_time FROM m365_audit WHERE client_ip <> '' ORDER BY client_ip, creation_time DESC, id",
        true,
    ),
    (
        "SELECT user_id, first_value(id ORDER BY creation_time, id), last_value(operation ORDER BY creation_time DESC, id DESC) FROM m365_audit GROUP BY 1 ORDER BY 1",
        true,
    ),
    // Large columns decide, or nothing does; keys that are no whole numbers; other values each time.
    (
        "SELECT id FROM m365_audit WHERE raw LIKE '%r-00017%'",
        false,
    ),
    ("SELECT id, user_id FROM m365_audit", false),
    (
        "SELECT id, user_id FROM m365_audit ORDER BY user_id, id LIMIT 10",
        false,
    ),
    (
        "SELECT id FROM m365_audit WHERE random() < 2 AND record_type = 3",
        false,
    ),
];

fn by_texts() -> EngineOptions {
    EngineOptions {
        by_codes: false,
        ..EngineOptions::default()
    }
}

/// Ways to run an engine that make no difference.
fn ways() -> [(&'static str, EngineOptions); 3] {
    [
        ("", EngineOptions::default()),
        (
            "one thread",
            EngineOptions {
                parallelism: Some(1),
                ..EngineOptions::default()
            },
        ),
        (
            "nothing is kept",
            EngineOptions {
                memory_bytes: 48 << 20,
                ..EngineOptions::default()
            },
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_found_by_codes_are_those_found_by_texts() {
    let lake = lake().await;
    let by_texts = session(&lake, by_texts(), Limits::default());
    for (way, options) in ways() {
        let by_codes = session(&lake, options, Limits::default());
        for (sql, is_by_codes) in SELECTIONS {
            let plan = ask(&by_codes, &format!("EXPLAIN {sql}")).await;
            let is_selected = plan.contains(SELECT_BY_CODES);
            assert_eq!(is_selected, *is_by_codes, "{way} {sql}: {plan}");
            let rows = |answer: String| match sql.contains("ORDER BY") {
                true => answer.lines().map(str::to_owned).collect(),
                false => sorted(&answer),
            };
            let expected = rows(ask(&by_texts, sql).await);
            // Cold, by pages, and by what was kept of them.
            for _ in 0..4 {
                assert_eq!(rows(ask(&by_codes, sql).await), expected, "{way} {sql}");
            }
        }
    }
}

/// Rows of pages of which some are kept, from questions before, and some are not, or that were searched for the text or not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_kept_of_one_question_serves_the_next() {
    let lake = lake().await;
    let by_texts = session(&lake, by_texts(), Limits::default());
    let by_codes = session(&lake, EngineOptions::default(), Limits::default());
    let time = |hours: u64| {
        let micros = START_MICROS + i64::try_from(hours).unwrap() * HOUR_MICROS;
        chrono::DateTime::from_timestamp_micros(micros).unwrap()
    };
    let mut random = 1_u64;
    for _ in 0..60 {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let (user, from, hours) = (random >> 32, random >> 40, random >> 48);
        let some = format!(
            "user_id LIKE '%-{}%' AND creation_time BETWEEN '{}' AND '{}'",
            user % 20,
            time(from % 60),
            time(from % 60 + hours % 30),
        );
        let text = format!("raw LIKE '%r-0{}%7%'", user % 3);
        for (sql, step) in [
            (
                format!(
                    "SELECT id, raw, extra, parameters, client_ip, creation_time FROM m365_audit \
                     WHERE {some} ORDER BY id"
                ),
                SELECT_BY_CODES,
            ),
            (
                format!(
                    "SELECT id, raw FROM m365_audit WHERE {some} AND {text} \
                     ORDER BY creation_time DESC, id LIMIT 5"
                ),
                SELECT_BY_CODES,
            ),
            (
                format!("SELECT count(*), min(id) FROM m365_audit WHERE {some} AND {text}"),
                BY_CODES,
            ),
        ] {
            let plan = ask(&by_codes, &format!("EXPLAIN {sql}")).await;
            assert!(plan.contains(step), "{sql}: {plan}");
            assert_eq!(
                ask(&by_codes, &sql).await,
                ask(&by_texts, &sql).await,
                "{sql}"
            );
        }
    }
}

/// So many rows of a row group, of so many columns, that they are decoded in parts; of one in a hundred pages are whole, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_whole_records_are_those_found_by_texts() {
    let folder = tempfile::tempdir().unwrap();
    let lake = empty_lake().await;
    let options = GeneratorOptions {
        days: 1,
        records: 12_000,
        ..GeneratorOptions::default()
    };
    ingest_generated(&lake, folder.path(), options).await;
    let by_texts = session(&lake, by_texts(), Limits::default());
    for (way, options) in ways() {
        let by_codes = session(&lake, options, Limits::default());
        for filter in [
            "operation <> 'UserLoggedIn'",
            "user_id ILIKE 'a%'",
            "md5(correlation_id) < '03'",
            "source_ip IS NULL",
        ] {
            let sql = format!("SELECT * FROM m365_audit WHERE {filter}");
            let plan = ask(&by_codes, &format!("EXPLAIN {sql}")).await;
            assert!(plan.contains(SELECT_BY_CODES), "{way} {sql}: {plan}");
            let expected = in_order(&by_texts.collect(&sql).await.unwrap());
            for _ in 0..2 {
                let found = in_order(&by_codes.collect(&sql).await.unwrap());
                assert!(found == expected, "{way} {sql}");
            }
        }
    }
}

/// Of the first rows by a key those only are read that may be wanted, also where more were found on the way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_rows_alone_are_read() {
    let session = session(&lake().await, EngineOptions::default(), Limits::default());
    const FIRST: &str = "SELECT id, raw, creation_time FROM m365_audit WHERE operation = 'Send' ORDER BY creation_time DESC LIMIT 50";
    let last = format!("SELECT min(creation_time) FROM ({FIRST})");
    let last = ask(&session, &last).await;
    let as_late = format!(
        "SELECT count(*) FROM m365_audit WHERE operation = 'Send' AND creation_time >= '{}'",
        last.trim()
    );
    let as_late = ask(&session, &as_late).await;
    let run = ask(&session, &format!("EXPLAIN ANALYZE {FIRST}")).await;
    let step = run.lines().find(|line| line.contains(SELECT_BY_CODES));
    let read = format!("output_rows={},", as_late.trim());
    assert!(
        step.is_some_and(|step| step.contains(&read)),
        "{read} {run}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_by_codes_are_those_by_texts() {
    let lake = lake().await;
    let by_texts = session(&lake, by_texts(), Limits::default());
    for (way, options) in ways() {
        let by_codes = session(&lake, options, Limits::default());
        for (sql, is_by_codes) in QUERIES {
            let plan = ask(&by_codes, &format!("EXPLAIN {sql}")).await;
            assert_eq!(plan.contains(BY_CODES), *is_by_codes, "{way} {sql}: {plan}");
            let expected = sorted(&ask(&by_texts, sql).await);
            // Cold and warm.
            for _ in 0..2 {
                assert_eq!(sorted(&ask(&by_codes, sql).await), expected, "{way} {sql}");
            }
        }
    }
}

/// A list of thousands of indicators is one part of a filter.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_lists_are_asked_by_codes() {
    let lake = lake().await;
    let users = (0..3_000).map(|number| format!("'User-{}@contoso.com'", number * 7));
    let users: Vec<String> = users.collect();
    let sql = format!(
        "SELECT operation, count(*) FROM m365_audit WHERE user_id IN ({}) GROUP BY 1",
        users.join(", ")
    );
    let by_codes = session(&lake, EngineOptions::default(), Limits::default());
    let plan = ask(&by_codes, &format!("EXPLAIN {sql}")).await;
    assert!(plan.contains(BY_CODES));
    let by_texts = session(&lake, by_texts(), Limits::default());
    let expected = sorted(&ask(&by_texts, &sql).await);
    assert_eq!(sorted(&ask(&by_codes, &sql).await), expected);
    assert!(expected.len() > 1, "{expected:?}");
}

/// With no room for all groups they go on in parts; what puts the parts together has to have the room.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_go_on_in_parts_where_there_is_no_room() {
    const GROUPS: &str = "SELECT id, user_id, count(*) FROM m365_audit GROUP BY 1, 2";
    let lake = lake().await;
    let small = Limits {
        memory_bytes: 6 << 20,
        ..Limits::default()
    };
    let by_codes = session(&lake, EngineOptions::default(), small);
    let plan = ask(&by_codes, &format!("EXPLAIN {GROUPS}")).await;
    assert!(plan.contains(BY_CODES), "{plan}");
    assert_eq!(ask(&by_codes, GROUPS).await.lines().count(), 12_010);
}

/// Rows most of which are a group of their own are not counted twice: they go on as they are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_are_groups_of_their_own_are_handed_on() {
    const ROWS: i64 = 101_000;
    const BOTH: i64 = 1_000;
    let lake = empty_lake().await;
    for from in [0, ROWS] {
        let record = |number: i64| Record {
            id: format!("r-{number}"),
            micros: START_MICROS + number,
            record_type: number % 3,
            // Some are in both commits.
            user_id: Some(format!("user-{}@contoso.com", number % (2 * ROWS - BOTH))),
            client_ip: (number % 2 == 0).then(|| format!("203.0.113.{}", number % 250)),
            ..Record::default()
        };
        let records: Vec<Record> = (from..from + ROWS).map(record).collect();
        commit(&lake, CONTOSO, &records).await;
    }
    const BY_USER: &str = "SELECT user_id, count(*) AS n, count(client_ip) AS ips, min(id) AS first, \
        max(record_type) FILTER (WHERE record_type < 2) AS last, avg(record_type), median(record_type), \
        stddev_pop(record_type), bool_or(record_type = 1), approx_distinct(client_ip), count(DISTINCT record_type) \
        FROM m365_audit GROUP BY 1";
    let all = format!(
        "SELECT count(*), sum(n), sum(ips), min(first), sum(last), count(last) FROM ({BY_USER}) t"
    );
    let twice = format!("SELECT * FROM ({BY_USER}) t WHERE n > 1");
    let one_thread = EngineOptions {
        parallelism: Some(1),
        ..EngineOptions::default()
    };
    let by_codes = session(&lake, one_thread, Limits::default());
    let by_texts = session(&lake, by_texts(), Limits::default());
    for sql in [&all, &twice] {
        let expected = sorted(&ask(&by_texts, sql).await);
        assert_eq!(sorted(&ask(&by_codes, sql).await), expected, "{sql}");
    }
    let run = ask(&by_codes, &format!("EXPLAIN ANALYZE {BY_USER}")).await;
    let step = run.lines().find(|line| line.contains(BY_CODES));
    // Those of the second commit were not put together with those of the first.
    assert!(
        step.is_some_and(|step| step.contains("output_rows=202.0 K,")),
        "{run}"
    );
}

/// In the order of the records' text.
fn in_order(batches: &[RecordBatch]) -> RecordBatch {
    let rows = concat_batches(&batches[0].schema(), batches).unwrap();
    let order = sort_to_indices(rows.column_by_name("raw").unwrap(), None, None).unwrap();
    take_record_batch(&rows, &order).unwrap()
}

fn sorted(rows: &str) -> Vec<String> {
    let mut rows: Vec<String> = rows.lines().map(str::to_owned).collect();
    rows.sort_unstable();
    rows
}
