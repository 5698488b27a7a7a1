//! The index of texts: it rules out, and never what matches.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use audit_lake::Clock;
use audit_testkit::{FaultyStore, GeneratorOptions, Operation};
use live_discover::{
    Engine, EngineOptions, Lake, LakeOptions, Limits, Lookup, Session, TenantScope,
};
use object_store::ObjectStore;
use object_store::memory::InMemory;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use url::Url;

use crate::fixture::{ask, ingest_generated};
use crate::questions::questions;

/// Records as other interfaces wrap them, and as JSON may be written.
const ODD: [(&str, &str); 4] = [
    (
        "search.json",
        r#"[{"Identity":"0d1c2b3a-0000-4000-8000-000000000001","CreationDate":"2026-10-01T10:00:00Z","RecordType":"ExchangeItem",
            "Operations":"Outer.Operation","UserIds":"outer.user@contoso.com","AuditData":"{\"Version\":1,\"ObjectId\":\"C:\\\\Inner\\\\File.docx\"}"}]"#,
    ),
    (
        "graph.json",
        r#"{"value":[{"id":"0d1c2b3a-0000-4000-8000-000000000002","createdDateTime":"2026-10-01T11:00:00Z","auditLogRecordType":"25",
            "operation":"Graph.Operation","userPrincipalName":"graph.user@contoso.com","clientIp":"::ffff:203.0.113.77",
            "objectId":"graph-object-name","auditData":{"SessionId":12345678}}]}"#,
    ),
    (
        "escapes.ndjson",
        r#"{"Id":"0d1c2b3a-0000-4000-8000-000000000003","CreationTime":"2026-10-01T12:00:00","Operation":"\u0046ileAccessed","UserId":"\u212Aelvin.Stra\u00dfe@contoso.com","ObjectId":"https:\/\/odd-escapes.example\/a \"b\"\/\u00e9t\u00e9.docx","ClientIP":"[2606:4700:0:0::01a9]:443","NewField":{"deep":["one\ntwo-three",{"number":987654321}]}}"#,
    ),
    (
        "pretty.json",
        "[{\n  \"Id\" : \"0d1c2b3a-0000-4000-8000-000000000004\",\n  \"CreationTime\" : \"2026-10-01T13:00:00\",\n  \"Operation\" :\n\"Pretty.Operation\",\n  \"UserId\" :\n87654321,\n  \"Parameters\" : [ {\"Name\":\"ForwardTo\",\"Value\":\"smtp:Drop@Evil.Example\"}, {\"Name\":\"Size\",\"Value\":1234567} ]\n}]",
    ),
];

#[derive(Debug)]
struct NewYear;

impl Clock for NewYear {
    fn now_micros(&self) -> i64 {
        1_798_761_600_000_000
    }
}

/// A lake of generated records, and the odd ones.
async fn ingested(folder: &Path, store: Arc<dyn ObjectStore>, days: u32, records: u64) -> Lake {
    let url = Url::parse("memory:///index").unwrap();
    // At one time: the bytes of its files, and so what the index can say, are the same each time.
    let options = LakeOptions {
        clock: Arc::new(NewYear),
        ..LakeOptions::default()
    };
    let lake = Lake::with_store(store, url, options).await.unwrap();
    let input = folder.join("input");
    std::fs::create_dir(&input).unwrap();
    for (name, text) in ODD {
        std::fs::write(input.join(name), text).unwrap();
    }
    let options = GeneratorOptions {
        users: 30,
        days,
        records,
        ..GeneratorOptions::default()
    };
    ingest_generated(&lake, &input, options).await;
    lake
}

fn session(lake: &Lake, uses_text_index: bool) -> Session {
    let options = EngineOptions {
        uses_text_index,
        parallelism: Some(1),
        ..EngineOptions::default()
    };
    let engine = Engine::builder().with_options(options).build(lake.clone());
    engine.unwrap().session(TenantScope::All, Limits::default())
}

/// One session that asks the index and one that does not, over the same lake.
async fn sessions(folder: &Path) -> (Session, Session) {
    let lake = ingested(folder, Arc::new(InMemory::new()), 3, 3_000).await;
    (session(&lake, true), session(&lake, false))
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Files that a query would open, and those of its table.
async fn files(session: &Session, sql: &str) -> (u64, u64) {
    let mut stream = session.query(sql).await.unwrap();
    while let Some(batch) = stream.next().await {
        batch.unwrap();
    }
    let progress = stream.progress();
    (progress.files_planned, progress.files_total)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_without_the_text_are_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    let (with, without) = sessions(folder.path()).await;
    let all = files(
        &without,
        "SELECT id FROM m365_audit WHERE raw LIKE '%no such text%'",
    )
    .await;
    assert_eq!(all.0, all.1);
    let mut opened = 0;
    let predicates = [
        ("raw LIKE '%no such text%'", 0),
        ("id = 'e7d5a0f1-93bc-4a6e-b2d8-5c41f09e7d3f'", 0),
        ("id = '0d1c2b3a-0000-4000-8000-000000000001'", 1),
        ("user_id = 'OUTER.user@contoso.com'", 0),
        ("lower(user_id) = 'outer.user@contoso.com'", 1),
        ("operation = 'Outer.Operation'", 1),
        ("operation = 'FileAccessed' AND user_id ILIKE '%kelvin%'", 1),
        ("object_id LIKE 'C:\\\\Inner\\\\%.docx'", 1),
        (
            "object_id LIKE 'https://odd-escapes.example/a \"b\"/été.docx'",
            1,
        ),
        ("source_ip = '203.0.113.77'", 1),
        ("source_ip = '2606:4700::1a9'", 1),
        (
            "source_ip IN ('203.0.113.78', '203.0.113.77', '2606:4700::1a9')",
            2,
        ),
        ("session_id = '12345678'", 1),
        ("user_id = '87654321'", 1),
        ("strpos(object_id, 'graph-object') > 0", 1),
        ("starts_with(object_id, 'graph-object')", 1),
        ("object_id ~ '^graph-(object|subject)-name$'", 1),
        ("object_id ~* 'GRAPH-OBJECT'", 1),
        ("regexp_like(object_id, 'graph-[a-z]+-name')", 1),
        ("parameters['ForwardTo'] LIKE '%@Evil.Example'", 1),
        ("parameters['Size'] = '1234567'", 1),
        ("extra LIKE '%two-three%'", 1),
        ("any_text_matches('two-three')", 1),
        ("any_text_matches('EVIL.example', true)", 1),
        ("any_text_matches('987654321')", 1),
        (
            "(raw LIKE '%no such text%' OR object_id = 'graph-object-name') AND user_id LIKE '%contoso%'",
            1,
        ),
    ];
    for (predicate, rows) in predicates {
        let sql = format!("SELECT id FROM m365_audit WHERE {predicate}");
        let count = format!("SELECT count(*) FROM m365_audit WHERE {predicate}");
        assert_eq!(ask(&with, &count).await, rows.to_string(), "{predicate}");
        assert_eq!(ask(&without, &count).await, rows.to_string(), "{predicate}");
        opened += files(&with, &sql).await.0;
    }
    // Small files have small indexes, which may seem to have anything.
    let total = all.1 * predicates.len() as u64;
    assert!(opened * 2 < total, "{opened} of {total}");
}

/// What the questions of the suite read of the store: cold, with nothing in memory, and warm, asked again.
///
/// One who changes a plan sees here what it costs. Beside these come the looks for new tenants and commits.
#[tokio::test]
async fn questions_read_what_they_need() {
    let folder = tempfile::tempdir().unwrap();
    let store = FaultyStore::new(Arc::new(InMemory::new()), 1);
    let lake = ingested(folder.path(), Arc::new(store.clone()), 3, 3_000).await;
    let mut questions = questions(&session(&lake, true)).await;
    questions.push((
        "name in a bag",
        "SELECT id FROM m365_audit WHERE parameters['ForwardTo'] LIKE '%Evil%'".to_owned(),
    ));
    let mut read = String::new();
    for (id, sql) in questions {
        let session = session(&lake, true);
        ask(&session, "SELECT count(*) FROM m365_audit").await;
        write!(read, "{id:17}").unwrap();
        for _ in 0..2 {
            store.reset_counts();
            ask(&session, &sql).await;
            let counts = store.counts();
            let gets = counts.of(Operation::Get);
            write!(read, " {gets:3} {:4}", counts.bytes_read / 1_024).unwrap();
        }
        read.push('\n');
    }
    assert_eq!(read, READ, "\n{read}");
}

/// Question; requests and KiB cold; the same warm.
const READ: &str = "\
id                  9  197   2    0
id_whole            9  305   2    0
address            15  767   2    0
user_day            6  350   2    0
user_month         15  312   2    0
file               15  489   2    0
session             9  225   2    0
correlation         9  171   2    0
needle_once         9  157   2    0
needle_absent       6    5   2    0
needle_percent     18 1241   2    0
needle_count       15  697   2    0
like               12  404   2    0
ilike              12  416   2    0
regex              12  418   2    0
indicators         14  939   2    0
latest              5  119   3   48
latest_operation   15  471   2    0
by_operation        9  200   2    0
by_day              9  198   2    0
by_hour            13  232   2    0
failed_sign_ins    12  220   2    0
addresses_by_user   9  207   2    0
first_seen          9  221   2    0
inbox_rules        10  113   2    0
user_agents        13  207   2    0
mass_download      15  233   2    0
chain              16  303   2    0
extra              12  368   2    0
name in a bag       7   10   2    0
";

/// Each request takes 30 ms, as one to an object store far away does.
#[tokio::test]
async fn a_needle_in_many_files_is_found_within_a_second_cold() {
    let folder = tempfile::tempdir().unwrap();
    let store = FaultyStore::new(Arc::new(InMemory::new()), 1);
    let lake = ingested(folder.path(), Arc::new(store.clone()), 250, 5_000).await;
    let needles = [
        ("raw LIKE '%odd-escapes.example%'", "1"),
        ("id = '0d1c2b3a-0000-4000-8000-000000000001'", "1"),
        ("raw LIKE '%no such text%'", "0"),
    ];
    for (needle, rows) in needles {
        store.set_latency(Duration::from_millis(30));
        let lake = Lake::with_store(
            Arc::new(store.clone()),
            lake.url().clone(),
            LakeOptions::default(),
        );
        let session = session(&lake.await.unwrap(), true);
        let sql = format!("SELECT count(raw) FROM m365_audit WHERE {needle}");
        assert_eq!(ask(&session, &sql).await, rows, "{needle}");
        let cold = store.elapsed();
        store.set_latency(Duration::from_millis(30));
        assert_eq!(ask(&session, &sql).await, rows, "{needle}");
        let warm = store.elapsed();
        assert!(cold < Duration::from_secs(1), "{needle}: {cold:?}");
        assert!(warm < cold, "{needle}: {warm:?}");
        let (opened, total) = files(&session, &sql).await;
        assert!(total >= 250 && opened < total / 2, "{opened} of {total}");
    }
}

/// What a join looks for is known only while it runs: the files are asked then.
#[tokio::test]
async fn joins_open_the_files_that_may_have_what_they_look_for() {
    let folder = tempfile::tempdir().unwrap();
    let lake = ingested(folder.path(), Arc::new(InMemory::new()), 100, 2_000).await;
    let (with, without) = (session(&lake, true), session(&lake, false));
    for column in ["id", "session_id", "correlation_id"] {
        let texts = format!(
            "SELECT {column} FROM m365_audit WHERE {column} <> '' ORDER BY md5(id) LIMIT 3"
        );
        let texts = ask(&without, &texts).await;
        let texts: StringArray = (texts.lines().map(Some))
            .chain([Some("no such"), None])
            .collect();
        let texts: ArrayRef = Arc::new(texts);
        let keys = RecordBatch::try_from_iter_with_nullable([("text", texts, true)]).unwrap();
        let lookup = || Lookup::from_batches(&keys.schema(), vec![keys.clone()]).unwrap();
        let with = with.clone().with_lookup("keys", lookup()).unwrap();
        let without = without.clone().with_lookup("keys", lookup()).unwrap();
        for sql in [
            format!(
                "SELECT a.id, a.operation, a.raw FROM m365_audit a JOIN keys ON a.{column} = keys.text ORDER BY 1"
            ),
            format!(
                "SELECT id, extra FROM m365_audit WHERE {column} IN (SELECT text FROM keys) AND record_type > 0 ORDER BY 1"
            ),
        ] {
            let answer = ask(&with, &sql).await;
            assert_eq!(answer, ask(&without, &sql).await, "{sql}");
            assert!(!answer.is_empty(), "{sql}");
            let ruled_out = metric(&with, &sql, "files_ruled_out").await;
            assert!(ruled_out > 70, "{sql}: {ruled_out}");
        }
    }
}

async fn metric(session: &Session, sql: &str, name: &str) -> u64 {
    let run = ask(session, &format!("EXPLAIN ANALYZE {sql}")).await;
    let (_, value) = run.split_once(&format!("{name}=")).expect(&run);
    let end = value.find([',', ']']).unwrap();
    value[..end].trim().parse().unwrap()
}

/// A list costs each file that is asked: of the latest rows those are asked that may have them.
#[tokio::test]
async fn a_long_list_is_asked_of_the_files_that_are_come_to() {
    let folder = tempfile::tempdir().unwrap();
    let lake = ingested(folder.path(), Arc::new(InMemory::new()), 100, 2_000).await;
    let (with, without) = (session(&lake, true), session(&lake, false));
    let (nowhere, common) = (
        (0..100).map(|number| format!("no such {number}")),
        "SELECT user_id FROM m365_audit WHERE user_id <> '' GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1",
    );
    let nowhere: Vec<String> = nowhere.map(|text| quoted(&text)).collect();
    let nowhere = nowhere.join(", ");
    let common = quoted(&ask(&without, common).await);
    for (sql, opened, ruled_out) in [
        (
            format!(
                "SELECT id, raw FROM m365_audit WHERE user_id IN ({nowhere}, {common}) ORDER BY creation_time DESC, id LIMIT 3"
            ),
            1..50,
            0..50,
        ),
        (
            format!(
                "SELECT id, raw FROM m365_audit WHERE session_id IN ({nowhere}) ORDER BY creation_time DESC, id LIMIT 3"
            ),
            0..10,
            90..1_000,
        ),
    ] {
        assert_eq!(ask(&with, &sql).await, ask(&without, &sql).await, "{sql}");
        let files_processed = metric(&with, &sql, "files_processed").await;
        let files_ruled_out = metric(&with, &sql, "files_ruled_out").await;
        assert!(
            opened.contains(&files_processed),
            "{sql}: {files_processed}"
        );
        assert!(
            ruled_out.contains(&files_ruled_out),
            "{sql}: {files_ruled_out}"
        );
    }
}

/// A filter on a value of a column, of which characters `a` to `b` are taken where a part will do.
fn predicate(form: usize, column: &str, value: &str, a: usize, b: usize) -> String {
    let characters: Vec<char> = value.chars().collect();
    let (a, b) = (a % (characters.len() + 1), b % (characters.len() + 1));
    let part: String = characters[a.min(b)..a.max(b)].iter().collect();
    let escaped = part
        .replace('\\', "\\\\")
        .replace('%', "\\%")
        .replace('_', "\\_");
    let like = quoted(&format!("%{escaped}%"));
    match form % 13 {
        0 => format!("{column} = {}", quoted(value)),
        1 => format!("{column} LIKE {like}"),
        2 => format!("{column} ILIKE {}", like.to_uppercase()),
        3 => format!("strpos({column}, {}) > 0", quoted(&part)),
        4 => format!("lower({column}) = {}", quoted(&value.to_lowercase())),
        5 => format!("{column} ~ {}", quoted(&regex::escape(&part))),
        6 => format!(
            "{column} ~* {}",
            quoted(&format!("{}|no such text", regex::escape(&part)))
        ),
        7 => format!(
            "{column} IN ({}, {}, 'no such text', NULL)",
            quoted(value),
            quoted(&part)
        ),
        8 => format!("raw LIKE {like}"),
        9 => format!("any_text_matches({})", quoted(&part)),
        10 => format!(
            "{column} IN (SELECT column1 FROM (VALUES ({}), ({})))",
            quoted(value),
            quoted(&part)
        ),
        11 => {
            let others: Vec<String> = (0..70)
                .map(|number| quoted(&format!("no such text {number}")))
                .collect();
            let (others, value, part) = (others.join(", "), quoted(value), quoted(&part));
            format!("{column} IN ({value}, {others}, {part}, NULL)")
        }
        _ => format!("any_text_matches({}, true)", quoted(&part.to_uppercase())),
    }
}

#[test]
fn the_index_changes_no_answer() {
    const TEXTS: [&str; 10] = [
        "id",
        "user_id",
        "user_key",
        "source_ip",
        "client_ip",
        "object_id",
        "session_id",
        "user_agent",
        "parameters['Name']",
        "extended_properties['UserAgent']",
    ];
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (with, without) = runtime.block_on(sessions(folder.path()));
    let values: Vec<(&str, String)> = TEXTS
        .iter()
        .flat_map(|column| {
            let sql = format!("SELECT v FROM (SELECT DISTINCT {column} AS v FROM m365_audit WHERE {column} <> '') ORDER BY md5(v) LIMIT 40");
            let values = runtime.block_on(ask(&without, &sql));
            values.lines().map(|value| (*column, value.to_owned())).collect::<Vec<_>>()
        })
        .collect();
    assert!(values.len() > 200);
    let mut runner = TestRunner::new(Config::with_cases(120));
    let case = (
        any::<prop::sample::Index>(),
        any::<usize>(),
        0..40_usize,
        0..40_usize,
    );
    runner
        .run(&case, |(value, form, a, b)| {
            let (column, value) = value.get(&values);
            let predicate = predicate(form, column, value, a, b);
            let sql =
                format!("SELECT count(*), min(id), max(id) FROM m365_audit WHERE {predicate}");
            let answers =
                runtime.block_on(async { (ask(&with, &sql).await, ask(&without, &sql).await) });
            prop_assert_eq!(answers.0, answers.1, "{}", predicate);
            Ok(())
        })
        .unwrap();
}
