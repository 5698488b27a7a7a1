//! Each limit ends the query with an error that names it; cancelling ends it too.

use std::num::NonZeroUsize;
use std::time::Duration;

use live_discover::{Engine, EngineOptions, Error, LimitKind, Limits, TenantScope};

use crate::fixture::{lake, text};

/// 54 million rows from nothing: more than any limit here lets through.
const ENDLESS: &str = "SELECT a.id, b.id AS b, c.id AS c, d.id AS d FROM m365_audit a CROSS JOIN m365_audit b \
                       CROSS JOIN m365_audit c CROSS JOIN m365_audit d";

async fn outcome(limits: Limits, sql: &str) -> (usize, Option<Error>) {
    let engine = Engine::new(lake().await).unwrap();
    let session = engine.session(TenantScope::All, limits);
    let mut stream = match session.query(sql).await {
        Ok(stream) => stream,
        Err(error) => return (0, Some(error)),
    };
    let mut rows = 0;
    while let Some(batch) = stream.next().await {
        match batch {
            Ok(batch) => rows += batch.num_rows(),
            Err(error) => {
                assert!(stream.next().await.is_none());
                return (rows, Some(error));
            }
        }
    }
    (rows, None)
}

fn limit_of(error: Option<Error>) -> LimitKind {
    match error {
        Some(Error::ResourcesExhausted { limit, .. }) => limit,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn rows_up_to_the_limit_are_delivered() {
    let limits = |rows| Limits {
        rows,
        ..Limits::default()
    };
    let sql = "SELECT id FROM m365_audit";
    let (rows, error) = outcome(limits(10), sql).await;
    assert_eq!(
        (rows, error.as_ref().unwrap().to_string().as_str()),
        (
            10,
            "the row limit of the query was reached: 10 rows, there are more"
        )
    );
    assert_eq!(limit_of(error), LimitKind::Rows);
    assert!(matches!(outcome(limits(75), sql).await, (75, None)));
    assert!(matches!(outcome(limits(76), sql).await, (75, None)));
}

#[tokio::test]
async fn bytes_are_limited() {
    let limits = Limits {
        bytes: 1_000_000,
        ..Limits::default()
    };
    let (_, error) = outcome(limits, ENDLESS).await;
    assert_eq!(limit_of(error), LimitKind::Bytes);
}

#[tokio::test]
async fn time_is_limited_to_the_last_row() {
    let limits = Limits {
        duration: Duration::from_millis(300),
        ..Limits::default()
    };
    let sql = format!("SELECT count(*) FROM ({ENDLESS}) WHERE length(id || b || c || d) > 1000");
    let started = std::time::Instant::now();
    let (_, error) = outcome(limits, &sql).await;
    assert!(matches!(error, Some(Error::TimedOut { .. })), "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_session_has_its_share_of_the_threads() {
    let options = EngineOptions {
        parallelism: Some(4),
        ..EngineOptions::default()
    };
    let engine = Engine::builder()
        .with_options(options)
        .build(lake().await)
        .unwrap();
    // As many groups as are read at once; the lake has more files.
    for (parallelism, expected) in [(None, 4), (Some(1), 1), (Some(3), 3), (Some(100), 4)] {
        let limits = Limits {
            parallelism: parallelism.and_then(NonZeroUsize::new),
            ..Limits::default()
        };
        let session = engine.session(TenantScope::All, limits);
        let plan = session.collect("EXPLAIN SELECT id FROM m365_audit").await;
        let plan = text(&plan.unwrap());
        let groups = plan.split("file_groups={").nth(1).unwrap();
        let groups = groups.split(" group").next().unwrap();
        assert_eq!(groups, expected.to_string(), "{parallelism:?}\n{plan}");
        // Steps that wait for each other do not wait for a turn that the other has.
        let sql = "SELECT count(*) FROM (SELECT user_id, max(id) AS id FROM m365_audit GROUP BY user_id \
                   UNION ALL SELECT user_id, id FROM m365_audit ORDER BY id) a \
                   JOIN m365_audit b ON a.id = b.id JOIN m365_audit c ON b.user_id < c.user_id";
        assert!(session.collect(sql).await.is_ok());
    }
}

#[tokio::test]
async fn memory_is_limited() {
    let limits = Limits {
        memory_bytes: 100_000,
        ..Limits::default()
    };
    let sql = format!("SELECT array_agg(id || b || c) FROM ({ENDLESS})");
    let (_, error) = outcome(limits, &sql).await;
    assert_eq!(limit_of(error), LimitKind::Memory);
}

#[tokio::test]
async fn all_queries_share_the_engines_memory_and_disk() {
    let options = EngineOptions {
        memory_bytes: 100_000,
        ..EngineOptions::default()
    };
    let engine = Engine::builder()
        .with_options(options)
        .build(lake().await)
        .unwrap();
    let session = engine.session(TenantScope::All, Limits::default());
    let sql = format!("SELECT array_agg(id || b || c) FROM ({ENDLESS})");
    let error = session.collect(&sql).await.unwrap_err();
    assert_eq!(limit_of(Some(error)), LimitKind::EngineMemory);

    let options = EngineOptions {
        spill_bytes: 1_000_000,
        ..EngineOptions::default()
    };
    let engine = Engine::builder()
        .with_options(options)
        .build(lake().await)
        .unwrap();
    let limits = Limits {
        memory_bytes: 30 << 20,
        // Sorting takes minutes in a build without optimisation.
        duration: Duration::from_secs(3_600),
        ..Limits::default()
    };
    let session = engine.session(TenantScope::All, limits);
    let sql = format!("SELECT * FROM ({ENDLESS}) ORDER BY id || b || c || d");
    let error = session.collect(&sql).await.unwrap_err();
    assert_eq!(limit_of(Some(error)), LimitKind::Spill);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_the_stream_cancels_the_query() {
    let runtime = tokio::runtime::Handle::current();
    let metrics = runtime.metrics();
    let engine = Engine::builder()
        .with_runtime(runtime)
        .build(lake().await)
        .unwrap();
    let session = engine.session(TenantScope::All, Limits::default());
    let before = metrics.num_alive_tasks();
    let mut stream = session.query(ENDLESS).await.unwrap();
    stream.next().await.unwrap().unwrap();
    assert!(stream.progress().rows > 0);
    drop(stream);
    for _ in 0..100 {
        if metrics.num_alive_tasks() <= before {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{} tasks still run", metrics.num_alive_tasks());
}

/// Its timer panicked in the host's task, with the engine's threads gone.
#[tokio::test]
async fn a_stream_is_read_to_its_end_also_where_the_engine_went_first() {
    let engine = Engine::new(lake().await).unwrap();
    let session = engine.session(TenantScope::All, Limits::default());
    let mut stream = session.query("SELECT id FROM m365_audit").await.unwrap();
    drop((session, engine));
    let mut rows = 0;
    while let Some(batch) = stream.next().await {
        rows += batch.unwrap().num_rows();
    }
    assert_eq!(rows, 75);
}

#[tokio::test]
async fn the_folder_for_intermediate_results_goes_with_the_engine() {
    let folder = tempfile::tempdir().unwrap();
    let options = EngineOptions {
        spill_folder: Some(folder.path().to_path_buf()),
        ..EngineOptions::default()
    };
    let engine = Engine::builder()
        .with_options(options)
        .build(lake().await)
        .unwrap();
    let entries = || std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(entries(), 1);
    let session = engine.session(TenantScope::All, Limits::default());
    drop(engine);
    assert_eq!(entries(), 1);
    drop(session);
    assert_eq!(entries(), 0);
}

/// Steps hold nothing here: all there is are values on their way.
#[tokio::test]
async fn what_functions_make_counts_while_it_lives_and_not_once_it_is_given() {
    let limits = Limits {
        memory_bytes: 64 << 20,
        ..Limits::default()
    };
    let padded = |columns: u32| {
        let columns: Vec<String> = (0..columns)
            .map(|column| format!("lpad('x', {} + value % 2) AS c{column}", 3_000 + column))
            .collect();
        format!("SELECT {} FROM range(0, 8192)", columns.join(", "))
    };
    let (_, error) = outcome(limits.clone(), &padded(40)).await;
    assert_eq!(limit_of(error), LimitKind::Memory);

    // Three times some 50 MB are the host's.
    let engine = Engine::new(lake().await).unwrap();
    let session = engine.session(TenantScope::All, limits);
    let mut results = Vec::new();
    for _ in 0..3 {
        results.push(session.collect(padded(2).as_str()).await.unwrap());
    }
    assert_eq!(engine.metrics().query_bytes, 0);
}

/// A part of a text is a view of the whole, and the whole may be kept for the next queries.
#[tokio::test]
async fn what_functions_are_given_is_not_counted_as_theirs() {
    let engine = Engine::new(lake().await).unwrap();
    let session = engine.session(TenantScope::All, Limits::default());
    for _ in 0..3 {
        for sql in [
            "SELECT substr(raw, 2), split_part(operation, ' ', 1), ltrim(user_id) FROM m365_audit",
            "SELECT substr(operation, 2), count(*) FROM m365_audit GROUP BY 1",
        ] {
            session.collect(sql).await.unwrap();
        }
    }
    assert_eq!(engine.metrics().query_bytes, 0);
}
