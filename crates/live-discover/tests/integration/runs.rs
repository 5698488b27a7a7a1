//! Runs: their states, pages, limits, tenants, and what survives the host.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use audit_testkit::{FaultyStore, ManualClock};
use live_discover::{
    Clock, Engine, EngineOptions, Error, IdSource, Library, LimitKind, Limits, Lookup,
    OutputFormat, Page, Request, Run, RunId, RunOptions, Runs, RunsOptions, Session, TenantScope,
    TimePoint, TimeRange, ValueType, write_result,
};
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::fixture::{CONTOSO, FABRIKAM, START_MICROS, lake, tenant, text};

const ORDERED: &str = "SELECT id, user_id, creation_time FROM m365_audit ORDER BY id";
/// Ends when it is stopped.
const ENDLESS: &str = "SELECT count(*) FROM m365_audit a CROSS JOIN m365_audit b CROSS JOIN m365_audit c \
                       CROSS JOIN m365_audit d CROSS JOIN m365_audit e \
                       WHERE length(a.id || b.id || c.id || d.id || e.id) > 1000";
const HOUR_MICROS: i64 = 3_600_000_000;

#[derive(Debug)]
struct TestClock(ManualClock);

impl Clock for TestClock {
    fn now_micros(&self) -> i64 {
        self.0.now_micros()
    }
}

#[derive(Debug, Default)]
struct CountedIds(AtomicU64);

impl IdSource for CountedIds {
    fn next_id(&self) -> uuid::Uuid {
        // The number first: keys of pages have the beginning of an id.
        let number = self.0.fetch_add(1, Ordering::SeqCst) + 1;
        uuid::Uuid::from_u128(u128::from(number) << 96)
    }
}

/// A host with a lake; it can be stopped and started again.
struct Host {
    clock: Arc<TestClock>,
    ids: Arc<CountedIds>,
    engine: Engine,
    store: Option<Arc<dyn ObjectStore>>,
    options: RunsOptions,
    runs: Runs,
}

impl Host {
    async fn new(options: RunsOptions) -> Self {
        Self::with(options, EngineOptions::default(), None).await
    }

    async fn with_store(store: &Arc<InMemory>, options: RunsOptions) -> Self {
        let store = Arc::clone(store) as Arc<dyn ObjectStore>;
        Self::with(options, EngineOptions::default(), Some(store)).await
    }

    async fn with(
        options: RunsOptions,
        engine_options: EngineOptions,
        store: Option<Arc<dyn ObjectStore>>,
    ) -> Self {
        let clock = Arc::new(TestClock(ManualClock::new(START_MICROS)));
        let engine = Engine::builder()
            .with_options(engine_options)
            .with_clock(Arc::clone(&clock) as Arc<dyn Clock>)
            .build(lake().await)
            .unwrap();
        let ids = Arc::new(CountedIds::default());
        let runs = open(&engine, &ids, &options, store.as_ref()).await;
        Self {
            clock,
            ids,
            engine,
            store,
            options,
            runs,
        }
    }

    /// The host stops, and starts again.
    async fn restart(&mut self) {
        self.runs = open(&self.engine, &self.ids, &self.options, self.store.as_ref()).await;
    }

    fn session(&self, tenants: &[&str]) -> Session {
        let tenants: BTreeSet<_> = tenants.iter().map(|id| tenant(id)).collect();
        let scope = TenantScope::Only(tenants);
        self.engine.session(scope, Limits::default())
    }

    fn of_all(&self) -> Session {
        self.engine.session(TenantScope::All, Limits::default())
    }

    async fn start(&self, session: &Session, request: impl Into<Request>) -> Run {
        let options = RunOptions {
            label: None,
            page_rows: 10,
        };
        let run = self.runs.start(session, request, options).await;
        run.unwrap()
    }

    /// The run, when it has ended.
    async fn run(&self, session: &Session, request: impl Into<Request>) -> Run {
        let run = self.start(session, request).await;
        self.runs.finished(session, run.id).await.unwrap()
    }

    async fn pages(&self, session: &Session, id: RunId) -> Vec<Page> {
        let mut pages = vec![self.runs.page(session, id, None).await.unwrap()];
        while let Some(key) = pages.last().unwrap().next_key.clone() {
            pages.push(self.runs.page(session, id, Some(&key)).await.unwrap());
        }
        pages
    }

    fn states(&self, session: &Session) -> Vec<String> {
        let mut states: Vec<String> = (self.runs.list(session).iter())
            .map(|run| run.state.to_string())
            .collect();
        states.reverse();
        states
    }
}

async fn open(
    engine: &Engine,
    ids: &Arc<CountedIds>,
    options: &RunsOptions,
    store: Option<&Arc<dyn ObjectStore>>,
) -> Runs {
    let mut builder = Runs::builder(engine)
        .with_options(options.clone())
        .with_ids(Arc::clone(ids) as Arc<dyn IdSource>);
    if let Some(store) = store {
        builder = builder.with_store(Arc::clone(store), "host/runs");
    }
    builder.open().await.unwrap()
}

fn batches(pages: &[Page]) -> Vec<RecordBatch> {
    pages.iter().map(|page| page.batch.clone()).collect()
}

async fn objects(store: &InMemory) -> Vec<String> {
    use futures::TryStreamExt;
    let objects = store
        .list(None)
        .map_ok(|object| object.location.to_string());
    let mut names: Vec<String> = objects.try_collect().await.unwrap();
    names.sort();
    names
}

#[tokio::test]
async fn a_run_has_a_life() {
    let host = Host::new(RunsOptions::default()).await;
    let session = host.of_all();
    let options = RunOptions {
        label: Some("who".to_owned()),
        ..RunOptions::default()
    };
    let request = Request::new(
        "SELECT user_id, count(*) AS n FROM m365_audit WHERE record_type = $$type$$ GROUP BY 1",
    )
    .with_variable("type", "15");
    let run = host.runs.start(&session, request, options).await.unwrap();
    assert_eq!(run.id.to_string(), "00000001-0000-0000-0000-000000000000");
    assert_eq!(run.label.as_deref(), Some("who"));
    assert_eq!(run.variables["type"], ["15"]);
    assert_eq!(run.queued_micros, START_MICROS);

    let run = host.runs.finished(&session, run.id).await.unwrap();
    assert_eq!(run.state.to_string(), "succeeded");
    assert_eq!(run.started_micros, Some(START_MICROS));
    assert_eq!(run.finished_micros, Some(START_MICROS));
    assert_eq!(
        run.result_until_micros,
        Some(START_MICROS + 2 * HOUR_MICROS)
    );
    assert_eq!(run.rows, Some(4));
    assert!(run.warnings.is_empty() && run.error.is_none());
    let columns: Vec<_> = (run.columns.iter())
        .map(|column| (column.name.as_str(), column.data_type.as_str()))
        .collect();
    assert_eq!(columns, [("user_id", "Utf8View"), ("n", "Int64")]);
    // A file a day and tenant; all are read.
    let progress = run.progress;
    assert_eq!(
        (
            progress.files_total,
            progress.files_planned,
            progress.files_scanned
        ),
        (6, 6, 6)
    );
    assert!(progress.bytes_scanned > 0 && progress.bytes_planned >= progress.bytes_scanned);
    assert_eq!(progress.rows, 4);
}

#[tokio::test]
async fn pages_are_stable() {
    for rows in [0_u64, 1, 9, 10, 11, 20, 75] {
        let host = Host::new(RunsOptions::default()).await;
        let session = host.of_all();
        let sql = format!("{ORDERED} LIMIT {rows}");
        let run = host.run(&session, &sql).await;
        let pages = host.pages(&session, run.id).await;
        assert_eq!(pages.len() as u64, rows.div_ceil(10).max(1), "{rows} rows");
        let expected = text(&session.collect(&sql).await.unwrap());
        let taken = text(&batches(&pages));
        assert_eq!(taken, expected);
        for (number, page) in pages.iter().enumerate() {
            assert_eq!(page.first_row, 10 * number as u64);
            assert_eq!(page.total_rows, Some(rows));
            assert_eq!(page.batch.num_columns(), 3);
        }
        // In any order, and again.
        for (before, page) in pages.iter().zip(pages.iter().skip(1)).rev() {
            let key = before.next_key.as_deref();
            assert_eq!(host.runs.page(&session, run.id, key).await.unwrap(), *page);
        }
    }
}

#[tokio::test]
async fn a_result_of_many_parts_has_the_same_pages() {
    let host = Host::new(RunsOptions::default()).await;
    let session = host.of_all();
    let sql = "SELECT a.id || b.id || c.id AS id FROM m365_audit a CROSS JOIN m365_audit b CROSS JOIN m365_audit c \
               WHERE c.record_type <> 15 OR c.user_id LIKE 'a%' ORDER BY 1";
    let options = RunOptions {
        page_rows: 7_000,
        ..RunOptions::default()
    };
    let run = host.runs.start(&session, sql, options).await.unwrap();
    let pages = host.pages(&session, run.id).await;
    assert!(pages.len() > 15);
    assert_eq!(
        text(&batches(&pages)),
        text(&session.collect(sql).await.unwrap())
    );
}

#[tokio::test]
async fn keys_of_something_else_are_refused() {
    let host = Host::new(RunsOptions::default()).await;
    let session = host.of_all();
    let run = host.run(&session, ORDERED).await;
    let other = host.run(&session, ORDERED).await;
    let key = host.pages(&session, other.id).await[0].next_key.clone();
    for key in [
        key.as_deref().unwrap(),
        "",
        "1",
        "00000001-b",
        "00000001-50",
    ] {
        let error = host.runs.page(&session, run.id, Some(key)).await;
        assert_eq!(
            error.unwrap_err().to_string(),
            format!(
                "this key names no page of the run {}: take `next_key` of the page before",
                run.id
            ),
            "{key}"
        );
    }
}

#[tokio::test]
async fn runs_end_in_one_of_four_ways() {
    let host = Host::new(RunsOptions::default()).await;
    let limits = |change: fn(&mut Limits)| {
        let mut limits = Limits::default();
        change(&mut limits);
        host.engine.session(TenantScope::All, limits)
    };
    for (session, sql, state, told) in [
        (host.of_all(), ORDERED, "succeeded", None),
        (
            limits(|limits| limits.rows = 10),
            ORDERED,
            "succeeded",
            Some(
                "the result is cut: the row limit of the query was reached: 10 rows, there are more",
            ),
        ),
        (
            host.of_all(),
            "SELECT userid2\nFROM m365_audit",
            "failed",
            Some("no column `userid2`; did you mean `user_id`? (line 1, column 8)"),
        ),
        (
            limits(|limits| limits.duration = Duration::from_millis(50)),
            ENDLESS,
            "timed out",
            Some("the query took longer than its time limit of 50ms"),
        ),
        (
            host.of_all(),
            "SELECT * FROM m365_audit WHERE creation_time < '2001-01-01'",
            "succeeded",
            Some(
                "no data file can have a record for this query: look whether its time range and its values are \
                 what you meant",
            ),
        ),
    ] {
        let run = host.run(&session, sql).await;
        assert_eq!(run.state.to_string(), state, "{sql}");
        let error = run.error.as_ref().map(ToString::to_string);
        let told_of = run.warnings.first().cloned().or(error);
        assert_eq!(told_of.as_deref(), told, "{sql}");
        if state == "succeeded" {
            assert_eq!(run.rows, host.pages(&session, run.id).await[0].total_rows);
        } else {
            // Asking for rows tells why there are none.
            let error = host.runs.page(&session, run.id, None).await.unwrap_err();
            assert_eq!(Some(error.to_string().as_str()), told);
        }
    }
}

#[tokio::test]
async fn a_range_without_data_is_told() {
    let host = Host::new(RunsOptions::default()).await;
    let from = Some(TimePoint::at_micros(START_MICROS - 48 * HOUR_MICROS));
    let to = Some(TimePoint::at_micros(START_MICROS - 24 * HOUR_MICROS));
    let request = Request::new("SELECT count(*) AS n FROM m365_audit")
        .with_range(TimeRange::between(from, to));
    let run = host.run(&host.of_all(), request).await;
    assert_eq!(
        run.range,
        "from 2024-01-29T00:00:00Z to 2024-01-30T00:00:00Z"
    );
    assert_eq!(run.rows, Some(1));
    assert_eq!(
        run.warnings,
        [
            "no data file can have a record for this query: look whether its time range and its values are what you meant"
        ]
    );
}

#[tokio::test]
async fn cancelled_runs_have_no_result() {
    let host = Host::new(RunsOptions {
        running: 1,
        ..RunsOptions::default()
    })
    .await;
    let session = host.of_all();
    let started = host.start(&session, ENDLESS).await;
    let pending = host.start(&session, ORDERED).await;
    assert_eq!(host.states(&session), ["started", "pending"]);

    let run = host.runs.cancel(&session, pending.id).await.unwrap();
    assert_eq!(run.state.to_string(), "cancelled");
    assert_eq!(run.started_micros, None);
    let run = host.runs.cancel(&session, started.id).await.unwrap();
    assert_eq!(run.state.to_string(), "cancelled");
    assert_eq!(run.finished_micros, Some(START_MICROS));
    for id in [pending.id, started.id] {
        let error = host.runs.page(&session, id, None).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("the run {id} was cancelled and has no result")
        );
        // Again, it stays what it is.
        let run = host.runs.cancel(&session, id).await.unwrap();
        assert_eq!(run.state.to_string(), "cancelled");
    }
    let after = host.run(&session, ORDERED).await;
    assert_eq!(after.state.to_string(), "succeeded");
    let run = host.runs.cancel(&session, after.id).await.unwrap();
    assert_eq!(run.state.to_string(), "succeeded");
}

#[tokio::test]
async fn cancelling_frees_threads() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let engine = Engine::builder()
        .with_runtime(runtime.handle().clone())
        .build(lake().await)
        .unwrap();
    let session = engine.session(TenantScope::All, Limits::default());
    let runs = Runs::builder(&engine).open().await.unwrap();
    let mut ids = Vec::new();
    for _ in 0..3 {
        let run = runs.start(&session, ENDLESS, RunOptions::default()).await;
        ids.push(run.unwrap().id);
    }
    for id in ids {
        runs.cancel(&session, id).await.unwrap();
    }
    // Each worker is at a step of a task that was stopped, and this waits for its turn behind it.
    while runtime.metrics().num_alive_tasks() > 0 {
        runtime.spawn(async {}).await.unwrap();
    }
    // Letting go of all handles cancels, too.
    runs.start(&session, ENDLESS, RunOptions::default())
        .await
        .unwrap();
    drop(runs);
    while runtime.metrics().num_alive_tasks() > 0 {
        runtime.spawn(async {}).await.unwrap();
    }
    runtime.shutdown_background();
}

#[tokio::test]
async fn cancelling_waits_for_no_thread_of_the_queries() {
    // One thread, which a join that finds nothing does not give back.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let engine = Engine::builder()
        .with_runtime(runtime.handle().clone())
        .build(lake().await)
        .unwrap();
    let values: StringArray = (0..20_000).map(|value| Some(value.to_string())).collect();
    let values = RecordBatch::try_from_iter([("v", Arc::new(values) as ArrayRef)]).unwrap();
    let session = engine
        .session(TenantScope::All, Limits::default())
        .with_lookup(
            "many",
            Lookup::from_batches(&values.schema(), vec![values]).unwrap(),
        )
        .unwrap();
    let runs = Runs::builder(&engine).open().await.unwrap();
    let sql = "SELECT count(*) FROM many a, many b WHERE a.v || b.v = 'none'";
    let run = runs
        .start(&session, sql, RunOptions::default())
        .await
        .unwrap();
    // It is at work once the one thread takes nothing else.
    while runs.get(&session, run.id).unwrap().columns.is_empty() {
        tokio::task::yield_now().await;
    }
    let run = runs.cancel(&session, run.id).await.unwrap();
    assert_eq!(run.state.to_string(), "cancelled");
    runtime.shutdown_background();
}

#[tokio::test]
async fn scopes_take_turns() {
    let host = Host::new(RunsOptions {
        running: 3,
        running_per_scope: 2,
        waiting: 5,
        waiting_per_scope: 2,
        ..RunsOptions::default()
    })
    .await;
    let contoso = host.session(&[CONTOSO]);
    let fabrikam = host.session(&[FABRIKAM]);
    let all = host.of_all();
    let mut of_contoso = Vec::new();
    for _ in 0..4 {
        of_contoso.push(host.start(&contoso, ENDLESS).await.id);
    }
    let error = host
        .runs
        .start(&contoso, ENDLESS, RunOptions::default())
        .await
        .unwrap_err();
    assert!(matches!(
        error,
        Error::ResourcesExhausted {
            limit: LimitKind::WaitingRuns,
            ..
        }
    ));
    assert_eq!(
        error.to_string(),
        "the limit of waiting runs was reached: 2 of yours wait already; try again when one has finished"
    );
    // Two are under way, two wait, and another tenant starts at once.
    host.start(&fabrikam, ENDLESS).await;
    host.start(&fabrikam, ORDERED).await;
    host.start(&fabrikam, ORDERED).await;
    host.start(&all, ORDERED).await;
    let expected = [
        "started", "started", "pending", "pending", "started", "pending", "pending", "pending",
    ];
    assert_eq!(host.states(&all), expected);
    let error = host
        .runs
        .start(&all, ENDLESS, RunOptions::default())
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("5 of all wait already"),
        "{error}"
    );

    // A place is free: the scope with nothing under way has it, though others have waited longer.
    host.runs.cancel(&contoso, of_contoso[0]).await.unwrap();
    let last = host.runs.list(&all)[0].id;
    let run = host.runs.finished(&all, last).await.unwrap();
    assert_eq!(run.state.to_string(), "succeeded");
}

#[tokio::test]
async fn a_run_has_its_share_of_the_memory() {
    let engine_options = EngineOptions {
        memory_bytes: 1 << 20,
        ..EngineOptions::default()
    };
    let options = RunsOptions {
        running: 4,
        ..RunsOptions::default()
    };
    let host = Host::with(options, engine_options, None).await;
    let sql = "SELECT array_agg(a.id || b.id || c.id) FROM m365_audit a CROSS JOIN m365_audit b CROSS JOIN m365_audit c";
    let run = host.run(&host.of_all(), sql).await;
    let error = run.error.unwrap().to_string();
    assert!(
        error.starts_with("the memory limit of the query was reached: 98304 bytes"),
        "{error}"
    );
}

#[tokio::test]
async fn results_expire_and_the_history_stays() {
    let host = Host::new(RunsOptions {
        history: 4,
        history_per_scope: 3,
        ..RunsOptions::default()
    })
    .await;
    let session = host.session(&[CONTOSO]);
    let run = host.run(&session, ORDERED).await;
    host.clock.0.advance(2 * HOUR_MICROS - 1);
    assert!(host.runs.page(&session, run.id, None).await.is_ok());
    host.clock.0.advance(1);
    for _ in 0..2 {
        let error = host.runs.page(&session, run.id, None).await.unwrap_err();
        assert!(matches!(error, Error::NotFound { .. }));
        assert_eq!(
            error.to_string(),
            format!(
                "the result of the run {} is no longer kept: it has expired, or made room for newer ones; start it \
                 again",
                run.id
            )
        );
        host.runs.sweep().await;
    }
    let seen = host.runs.get(&session, run.id).unwrap();
    assert_eq!((seen.rows, seen.result_until_micros), (Some(74), None));

    // The oldest of a scope goes first, then the oldest of all.
    let fabrikam = host.session(&[FABRIKAM]);
    for _ in 0..3 {
        host.run(&session, ORDERED).await;
    }
    assert!(host.runs.get(&session, run.id).is_err());
    assert_eq!(host.runs.list(&session).len(), 3);
    for _ in 0..2 {
        host.run(&fabrikam, ORDERED).await;
    }
    assert_eq!(host.runs.list(&session).len(), 2);
    assert_eq!(host.runs.list(&host.of_all()).len(), 4);
}

#[tokio::test]
async fn results_are_bounded_together_and_each() {
    // A result of 75 rows has some 5 kB.
    let host = Host::new(RunsOptions {
        result_bytes: 20_000,
        results_bytes: 20_000,
        ..RunsOptions::default()
    })
    .await;
    let contoso = host.session(&[CONTOSO]);
    let fabrikam = host.session(&[FABRIKAM]);
    let small = host.run(&fabrikam, ORDERED).await;
    let mut ids = Vec::new();
    for _ in 0..6 {
        ids.push(host.run(&contoso, ORDERED).await.id);
    }
    let is_kept = |session: &Session, id| {
        let run = host.runs.get(session, id).unwrap();
        run.result_until_micros.is_some()
    };
    // The scope that keeps the most gives way, from its oldest on.
    assert!(is_kept(&fabrikam, small.id));
    let kept: Vec<bool> = ids.iter().map(|id| is_kept(&contoso, *id)).collect();
    assert!(kept.is_sorted() && !kept[0] && kept[5], "{kept:?}");

    let cross = "SELECT a.id || b.id || c.id AS id FROM m365_audit a CROSS JOIN m365_audit b CROSS JOIN m365_audit c";
    let run = host.run(&contoso, cross).await;
    assert_eq!(run.state.to_string(), "failed");
    assert_eq!(
        run.error.unwrap().to_string(),
        "the byte limit of the query was reached: 20000 bytes of one result are kept, 20000 of all; ask for fewer \
         rows or columns"
    );
    let host = Host::new(RunsOptions {
        result_bytes: 2_000_000,
        ..RunsOptions::default()
    })
    .await;
    let session = host.of_all();
    let run = host.run(&session, cross).await;
    assert_eq!(run.state.to_string(), "succeeded");
    assert!(run.rows.is_some_and(|rows| rows > 0 && rows < 75 * 75 * 75));
    assert!(run.warnings[0].starts_with("the result is cut: 2000000 bytes"));
    let options = RunOptions::default();
    assert!(options.page_rows > 10);
    let page = host.runs.page(&session, run.id, None).await.unwrap();
    assert_eq!(page.total_rows, run.rows);
}

#[tokio::test]
async fn a_run_is_its_scopes() {
    let host = Host::new(RunsOptions::default()).await;
    let contoso = host.session(&[CONTOSO]);
    let both = host.session(&[CONTOSO, FABRIKAM]);
    let fabrikam = host.session(&[FABRIKAM]);
    let of_contoso = host.run(&contoso, ORDERED).await;
    let of_both = host.run(&both, "SELECT oops FROM m365_audit").await;
    let of_all = host.run(&host.of_all(), ORDERED).await;
    let unknown: RunId = "11111111-1111-1111-1111-111111111111".parse().unwrap();

    for (session, seen) in [
        (&fabrikam, vec![]),
        (&contoso, vec![of_contoso.id]),
        (&both, vec![of_both.id, of_contoso.id]),
        (&host.of_all(), vec![of_all.id, of_both.id, of_contoso.id]),
    ] {
        let listed: Vec<RunId> = (host.runs.list(session).iter()).map(|run| run.id).collect();
        assert_eq!(listed, seen);
        for id in [of_contoso.id, of_both.id, of_all.id, unknown] {
            if seen.contains(&id) {
                assert!(host.runs.get(session, id).is_ok());
                continue;
            }
            // As if it had never been, whatever is asked.
            let never = format!("there is no run {id}");
            for error in [
                host.runs.get(session, id).unwrap_err(),
                host.runs.finished(session, id).await.unwrap_err(),
                host.runs.page(session, id, None).await.unwrap_err(),
                host.runs.page(session, id, Some("x")).await.unwrap_err(),
                host.runs.cancel(session, id).await.unwrap_err(),
                host.runs
                    .export(session, id, OutputFormat::Csv, Vec::new())
                    .await
                    .unwrap_err(),
            ] {
                assert!(matches!(error, Error::NotFound { .. }));
                assert_eq!(error.to_string(), never);
            }
        }
    }
    let other = Engine::new(lake().await).unwrap();
    let stranger = other.session(TenantScope::All, Limits::default());
    let error = host
        .runs
        .start(&stranger, ORDERED, RunOptions::default())
        .await;
    assert_eq!(
        error.unwrap_err().to_string(),
        "the session is one of another engine"
    );
}

#[tokio::test]
async fn exports_are_what_the_query_would_write() {
    let host = Host::new(RunsOptions::default()).await;
    let session = host.of_all();
    for sql in [
        "SELECT id, parameters, modified_properties, extra->'Odd' AS odd FROM m365_audit ORDER BY id",
        "SELECT id FROM m365_audit WHERE false",
    ] {
        let run = host.run(&session, sql).await;
        for format in [
            OutputFormat::Csv,
            OutputFormat::Ndjson,
            OutputFormat::ArrowIpc,
            OutputFormat::Parquet,
        ] {
            let (mut kept, mut asked) = (Vec::new(), Vec::new());
            let rows = host.runs.export(&session, run.id, format, &mut kept);
            assert_eq!(Some(rows.await.unwrap()), run.rows);
            let stream = session.query(sql).await.unwrap();
            write_result(stream, format, &mut asked).await.unwrap();
            if format == OutputFormat::Parquet {
                let rows = |bytes: Vec<u8>| {
                    let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReader::try_new(
                        bytes::Bytes::from(bytes),
                        1024,
                    );
                    let batches: Result<Vec<RecordBatch>, _> = reader.unwrap().collect();
                    text(&batches.unwrap())
                };
                assert_eq!(rows(kept), rows(asked), "{sql}");
            } else {
                assert_eq!(kept, asked, "{sql} {format:?}");
            }
        }
    }
}

#[tokio::test]
async fn columns_mean_what_the_query_says() {
    let host = Host::new(RunsOptions::default()).await;
    let library = Library::new();
    let mut query = library.require("top_users").unwrap().clone();
    query.columns[0].value_type = Some(ValueType::User);
    let run = host.run(&host.of_all(), Request::of(&query)).await;
    assert_eq!(run.state.to_string(), "succeeded");
    assert_eq!(run.query.as_deref(), Some("top_users"));
    assert_eq!(run.columns.len(), query.columns.len());
    let user = &run.columns[0];
    assert_eq!(
        (user.name.as_str(), user.value_type),
        ("user_id", Some(ValueType::User))
    );
    assert_eq!(user.meaning.as_ref(), Some(&query.columns[0].meaning));
}

#[tokio::test]
async fn a_restart_loses_nothing_that_had_ended() {
    let store = Arc::new(InMemory::new());
    let mut host = Host::with_store(&store, RunsOptions::default()).await;
    let session = host.session(&[CONTOSO]);
    let done = host.run(&session, ORDERED).await;
    let pages = host.pages(&session, done.id).await;
    let wrong = host.run(&session, "SELECT oops FROM m365_audit").await;
    let under_way = host.start(&session, ENDLESS).await;
    // The host is gone at once: nothing of it writes any more.
    let frozen = copy(&store).await;

    host.store = Some(Arc::clone(&frozen) as Arc<dyn ObjectStore>);
    host.clock.0.advance(HOUR_MICROS);
    host.restart().await;
    assert_eq!(host.states(&session), ["succeeded", "failed", "failed"]);
    for before in [&done, &wrong] {
        let after = host.runs.get(&session, before.id).unwrap();
        assert_eq!(format!("{after:?}"), format!("{before:?}"));
    }
    assert_eq!(host.pages(&session, done.id).await, pages);
    let run = host.runs.get(&session, under_way.id).unwrap();
    assert_eq!(
        run.error.unwrap().to_string(),
        "the host stopped while the run was under way: start it again"
    );
    assert_eq!(run.finished_micros, Some(START_MICROS + HOUR_MICROS));
    assert!(host.runs.list(&host.session(&[FABRIKAM])).is_empty());
    let mut csv = Vec::new();
    let rows = host
        .runs
        .export(&session, done.id, OutputFormat::Csv, &mut csv);
    assert_eq!(rows.await.unwrap(), 74);

    // What expires is deleted, also what did while nobody was there.
    let folder = format!("host/runs/{}", done.id);
    let of_done = |names: Vec<String>| -> Vec<String> {
        names
            .into_iter()
            .filter(|name| name.starts_with(&folder))
            .collect()
    };
    assert_eq!(of_done(objects(&frozen).await).len(), 2);
    host.clock.0.advance(HOUR_MICROS);
    host.restart().await;
    assert_eq!(
        of_done(objects(&frozen).await),
        [format!("{folder}/run.json")]
    );
    assert!(host.runs.page(&session, done.id, None).await.is_err());
    assert_eq!(host.runs.get(&session, done.id).unwrap().rows, Some(74));
}

async fn copy(store: &InMemory) -> Arc<InMemory> {
    let copy = InMemory::new();
    for name in objects(store).await {
        let location = object_store::path::Path::from(name);
        let bytes = store.get(&location).await.unwrap().bytes().await.unwrap();
        copy.put(&location, bytes.into()).await.unwrap();
    }
    Arc::new(copy)
}

#[tokio::test]
async fn what_is_forgotten_is_deleted() {
    let store = Arc::new(InMemory::new());
    let host = Host::with_store(
        &store,
        RunsOptions {
            history: 1,
            ..RunsOptions::default()
        },
    )
    .await;
    let session = host.of_all();
    host.run(&session, ORDERED).await;
    let stopped = host.start(&session, ENDLESS).await;
    host.runs.cancel(&session, stopped.id).await.unwrap();
    let folder = format!("host/runs/{}", stopped.id);
    assert_eq!(objects(&store).await, [format!("{folder}/run.json")]);
    let last = host.run(&session, ORDERED).await;
    let folder = format!("host/runs/{}", last.id);
    assert_eq!(
        objects(&store).await,
        [
            format!("{folder}/part-00000.arrow"),
            format!("{folder}/run.json")
        ]
    );
    host.clock.0.advance(2 * HOUR_MICROS);
    host.runs.sweep().await;
    assert_eq!(objects(&store).await, [format!("{folder}/run.json")]);
}

/// Whoever asks may go away before the store has answered.
#[tokio::test]
async fn who_goes_away_takes_nobodys_turn() {
    let store = Arc::new(FaultyStore::new(Arc::new(InMemory::new()), 1));
    let options = RunsOptions {
        running: 1,
        waiting_per_scope: 2,
        ..RunsOptions::default()
    };
    let of_host = Arc::clone(&store) as Arc<dyn ObjectStore>;
    let host = Host::with(options, EngineOptions::default(), Some(of_host)).await;
    let session = host.of_all();
    // From here on requests do not answer at once.
    store.set_latency(Duration::from_millis(1));
    for _ in 0..4 {
        let start = host.runs.start(&session, ORDERED, RunOptions::default());
        assert!(futures::poll!(Box::pin(start)).is_pending());
    }
    assert!(host.runs.list(&session).is_empty());

    let under_way = host.start(&session, ENDLESS).await;
    let waiting = host.start(&session, ORDERED).await;
    let cancel = host.runs.cancel(&session, waiting.id);
    // The engine's own threads end the run, by chance before the caller is gone.
    let _ = futures::poll!(Box::pin(cancel));
    let cancelled = host.runs.finished(&session, waiting.id).await.unwrap();
    assert_eq!(cancelled.state.to_string(), "cancelled");
    host.runs.cancel(&session, under_way.id).await.unwrap();
    let last = host.run(&session, ORDERED).await;
    assert_eq!(last.state.to_string(), "succeeded");
    assert_eq!(host.runs.list(&session).len(), 3);
}
