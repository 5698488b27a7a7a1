//! One bound for queries and caches, and answers that do not depend on what is kept.

use std::cell::Cell;
use std::path::Path;
use std::time::Duration;

use audit_testkit::GeneratorOptions;
use futures::future::join_all;
use live_discover::{
    Engine, EngineMetrics, EngineOptions, Error, Lake, LakeOptions, Limits, TenantScope,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::fixture::{ask, ingest_generated, text};
use crate::questions::questions;

const MIB: usize = 1 << 20;

async fn generated(folder: &Path, days: u32, records: u64) -> Lake {
    let lake = Lake::create_or_open("memory://memory", LakeOptions::default())
        .await
        .unwrap();
    let input = folder.join("input");
    std::fs::create_dir(&input).unwrap();
    let options = GeneratorOptions {
        users: 50,
        days,
        records,
        ..GeneratorOptions::default()
    };
    ingest_generated(&lake, &input, options).await;
    lake
}

fn engine(lake: &Lake, memory_bytes: usize) -> Engine {
    let options = EngineOptions {
        memory_bytes,
        parallelism: Some(2),
        ..EngineOptions::default()
    };
    let engine = Engine::builder().with_options(options).build(lake.clone());
    engine.unwrap()
}

fn assert_within(metrics: &EngineMetrics) {
    assert!(
        metrics.memory_bytes_max <= metrics.memory_bytes,
        "{metrics:?}"
    );
    assert_eq!(metrics.query_bytes, 0, "{metrics:?}");
    assert_eq!(metrics.queries_running, 0, "{metrics:?}");
    assert_eq!(metrics.queries_waiting, 0, "{metrics:?}");
}

/// What does not fit into the memory that a query has beside others.
const LARGE: [&str; 3] = [
    "SELECT id, raw FROM m365_audit ORDER BY md5(raw), id",
    "SELECT raw, count(*) FROM m365_audit GROUP BY raw ORDER BY md5(raw)",
    "SELECT a.id, b.operation FROM m365_audit a JOIN m365_audit b ON a.id = b.id ORDER BY a.id, b.operation",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_queries_stays_inside_the_bound_and_finishes() {
    let folder = tempfile::tempdir().unwrap();
    let lake = generated(folder.path(), 24, 30_000).await;
    let large = engine(&lake, 4 << 30);
    let alone = large.session(TenantScope::All, Limits::default());
    let mut storm: Vec<String> = LARGE.map(str::to_owned).into();
    let wanted = [
        "id_whole",
        "address",
        "user_month",
        "needle_once",
        "needle_absent",
        "needle_count",
        "indicators",
        "latest",
        "by_operation",
        "addresses_by_user",
        "first_seen",
        "mass_download",
        "chain",
    ];
    let questions = questions(&alone).await;
    let questions = questions.into_iter();
    storm.extend(
        questions
            .filter(|(id, _)| wanted.contains(id))
            .map(|(_, sql)| sql),
    );
    assert_eq!(storm.len(), 16);
    let mut expected = Vec::new();
    for sql in &storm {
        expected.push(ask(&alone, sql).await);
    }
    assert_within(&large.metrics());

    let small = engine(&lake, 256 * MIB);
    let session = small.session(TenantScope::All, Limits::default());
    // The first has less than it sorts.
    let little = Limits {
        memory_bytes: 96 * MIB,
        ..Limits::default()
    };
    let spilling = small.session(TenantScope::All, little);
    let sessions = std::iter::once(&spilling).chain(std::iter::repeat(&session));
    for _ in 0..2 {
        let asked = sessions.clone().zip(&storm);
        let answers = join_all(asked.map(|(session, sql)| ask(session, sql))).await;
        for ((sql, answer), expected) in storm.iter().zip(answers).zip(&expected) {
            assert!(answer == *expected, "{sql}");
        }
    }
    assert_within(&small.metrics());
    assert_eq!(small.metrics().queries_finished, 32);
}

/// Rows between the threads of a join go to disk where there is no memory for them, and come back. That such a query waited
/// for ever before a file had one batch alone (`spill.rs`) took more rows, and a release build.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_join_that_has_too_little_memory_ends() {
    const SQL: &str = "SELECT a.id, a.operation, length(a.raw) FROM m365_audit AS a JOIN m365_audit AS b \
        ON b.id = a.id AND b.user_id = a.user_id AND b.workload = a.workload \
        ORDER BY a.creation_time DESC, a.id LIMIT 20";
    let folder = tempfile::tempdir().unwrap();
    let lake = generated(folder.path(), 4, 20_000).await;
    let alone = engine(&lake, 1 << 30).session(TenantScope::All, Limits::default());
    let expected = ask(&alone, SQL).await;
    let limits = Limits {
        duration: Duration::from_secs(60),
        ..Limits::default()
    };
    let (mut answered, mut went_to_disk) = (0, false);
    for attempt in 0..8 {
        let engine = engine(&lake, 16 * MIB);
        let session = engine.session(TenantScope::All, limits.clone());
        match session.collect(SQL).await {
            Ok(rows) => {
                assert_eq!(text(&rows), expected);
                answered += 1;
                let ran = session.collect(&format!("EXPLAIN ANALYZE {SQL}")).await;
                let ran = ran.map_or_else(|_| String::new(), |rows| text(&rows));
                let mut spilled = ran.split("spilled_rows=").skip(1);
                went_to_disk |= spilled.any(|rows| !rows.starts_with('0'));
            }
            Err(Error::ResourcesExhausted { .. }) => {}
            Err(other) => panic!("{attempt}: {other:?}"),
        }
    }
    assert!(answered > 0);
    assert!(went_to_disk);
}

#[test]
fn answers_do_not_depend_on_what_is_kept() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let lake = runtime.block_on(generated(folder.path(), 6, 2_000));
    let reference = engine(&lake, 1 << 30).session(TenantScope::All, Limits::default());
    let questions = runtime.block_on(questions(&reference));
    let expected: Vec<String> = questions
        .iter()
        .map(|(_, sql)| runtime.block_on(ask(&reference, sql)))
        .collect();
    let (answered, evicted) = (Cell::new(0), Cell::new(0));
    let mut runner = TestRunner::new_with_rng(
        Config::with_cases(30),
        TestRng::deterministic_rng(RngAlgorithm::ChaCha),
    );
    // The memory, and questions one after the other, the last of them twice: from nothing kept to all.
    let case = (
        prop::sample::select(vec![MIB / 4, 2 * MIB, 8 * MIB, 64 * MIB]),
        prop::collection::vec(0..questions.len(), 1..5),
    );
    let cases = runner.run(&case, |(memory_bytes, mut asked)| {
        let engine = engine(&lake, memory_bytes);
        let session = engine.session(TenantScope::All, Limits::default());
        asked.extend(asked.last().copied());
        for number in asked {
            let (id, sql) = &questions[number];
            match runtime.block_on(session.collect(sql.as_str())) {
                Ok(batches) => {
                    prop_assert!(text(&batches) == expected[number], "{}", id);
                    answered.set(answered.get() + 1);
                }
                // Too little for a query alone: said, and no other answer.
                Err(Error::ResourcesExhausted { .. }) if memory_bytes < 64 * MIB => {}
                Err(error) => prop_assert!(false, "{}: {}", id, error),
            }
        }
        let metrics = engine.metrics();
        prop_assert!(metrics.memory_bytes_max <= metrics.memory_bytes);
        let evictions = metrics.footers.evictions + metrics.text_indexes.evictions;
        evicted.set(evicted.get() + evictions);
        Ok(())
    });
    cases.unwrap();
    let (answered, evicted) = (answered.get(), evicted.get());
    assert!(answered > 40 && evicted > 0, "{answered}, {evicted}");
}

/// Footers are large beside what they are asked for: a lake of ten thousand small files has more than there is room for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_of_columns_that_are_kept_ask_for_no_footer() {
    let folder = tempfile::tempdir().unwrap();
    let lake = generated(folder.path(), 6, 2_000).await;
    let engine = engine(&lake, 1 << 30);
    let session = engine.session(TenantScope::All, Limits::default());
    let footers = || {
        let footers = engine.metrics().footers;
        (footers.hits, footers.misses)
    };
    for sql in [
        "SELECT operation, count(*) FROM m365_audit GROUP BY operation ORDER BY operation",
        "SELECT event_date, workload, count(*) FROM m365_audit GROUP BY event_date, workload ORDER BY 1, 2",
        // Not each file has these.
        "SELECT session_id, count(*) FROM m365_audit GROUP BY session_id ORDER BY session_id",
        "SELECT user_id, count(*) FROM m365_audit WHERE source_ip LIKE '%.1%' GROUP BY user_id ORDER BY user_id",
    ] {
        let before = footers();
        let first = ask(&session, sql).await;
        assert_ne!(footers(), before, "{sql}");
        let before = footers();
        assert_eq!(ask(&session, sql).await, first, "{sql}");
        assert_eq!(footers(), before, "{sql}");
    }
}

/// Footers have no room beside each other, the columns have: they stay, and nothing is read the second time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn footers_do_not_take_the_place_of_columns() {
    // Sorts would have more than there is.
    const SQL: &str = "SELECT count(DISTINCT operation) FROM m365_audit";
    let folder = tempfile::tempdir().unwrap();
    let lake = generated(folder.path(), 60, 1_000).await;
    let unbounded = engine(&lake, 1 << 30);
    let expected = ask(&unbounded.session(TenantScope::All, Limits::default()), SQL).await;
    let footers = unbounded.metrics().footers;
    let columns = unbounded.metrics().columns;
    assert!(footers.entries >= 40 && columns.bytes * 4 < footers.bytes);

    // Half of it is counted.
    let memory_bytes = usize::try_from(footers.bytes + 2 * columns.bytes).unwrap();
    let engine = engine(&lake, memory_bytes);
    let session = engine.session(TenantScope::All, Limits::default());
    let misses = || engine.metrics().footers.misses;
    assert_eq!(ask(&session, SQL).await, expected);
    let first = misses();
    // The first columns went for the last ones, as some footers had come when there was room.
    assert_eq!(ask(&session, SQL).await, expected);
    let second = misses();
    assert_eq!(ask(&session, SQL).await, expected);
    let third = misses();
    assert!((second - first) * 2 < first, "{first} {second}");
    assert_eq!(third, second, "{first} {second}");
}
