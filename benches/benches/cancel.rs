//! What cancelling a query costs: the CPU time of the process from the cancel until no task of the query is left.
//!
//! A criterion benchmark would measure time; what is promised is work, so this counts the ticks of the process (Linux).
#![expect(
    clippy::unwrap_used,
    reason = "a benchmark stops where its data is not as expected"
)]

use std::time::{Duration, Instant};

use benches::{ingested, inputs, write_blobs};
use live_discover::{Engine, Limits, RunOptions, RunState, Runs, TenantScope};

const RECORDS: u64 = 20_000;
/// What freeing everything may take.
const CPU_MAX: Duration = Duration::from_millis(200);
/// Units of `/proc/self/stat`: a hundredth of a second on every Linux.
const TICK: Duration = Duration::from_millis(10);
/// How long a query is at work before it is cancelled.
const AT_WORK: Duration = Duration::from_millis(200);

const QUERIES: [(&str, &str); 5] = [
    (
        "a join of everything with everything",
        "SELECT count(*) FROM m365_audit a, m365_audit b WHERE a.user_id || b.operation = 'x'",
    ),
    (
        "a sort that grows",
        "SELECT a.id, b.id FROM m365_audit a, m365_audit b ORDER BY a.id || b.id",
    ),
    (
        "groups without end",
        "SELECT a.id || b.id, count(*) FROM m365_audit a, m365_audit b GROUP BY 1",
    ),
    (
        "regular expressions",
        "SELECT count(*) FROM m365_audit a, m365_audit b WHERE a.raw || b.id ~ '(a.*b.*c.*d)+z$'",
    ),
    (
        "windows",
        "SELECT row_number() OVER (ORDER BY a.id, b.id) FROM m365_audit a, m365_audit b",
    ),
];

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    write_blobs(RECORDS, folder.path()).unwrap();
    let (lake, _) = runtime
        .block_on(async { ingested(inputs(folder.path()).await?).await })
        .unwrap();
    // The queries have a runtime of their own, so that its tasks are theirs alone.
    let queries = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let engine = Engine::builder().with_runtime(queries.handle().clone());
    let engine = runtime.block_on(async { engine.build(lake) }).unwrap();
    let session = engine.session(TenantScope::All, Limits::default());
    let runs = runtime.block_on(Runs::builder(&engine).open()).unwrap();
    let idle = queries.metrics().num_alive_tasks();
    let mut worst = Duration::ZERO;
    for (name, sql) in QUERIES {
        let run = runtime
            .block_on(runs.start(&session, sql, RunOptions::default()))
            .unwrap();
        std::thread::sleep(AT_WORK);
        let state = runs.get(&session, run.id).unwrap().state;
        assert!(matches!(state, RunState::Started), "{name}: {state}");
        let (cpu, start) = (cpu(), Instant::now());
        runtime.block_on(runs.cancel(&session, run.id)).unwrap();
        while queries.metrics().num_alive_tasks() > idle {
            std::thread::yield_now();
        }
        let wall = start.elapsed();
        // The loop above has worked all the time, on one of the cores.
        let spent = self::cpu().saturating_sub(cpu).saturating_sub(wall);
        worst = worst.max(spent);
        println!("{name:40} {spent:>8.0?} of CPU time, {wall:>8.1?}");
    }
    assert!(worst <= CPU_MAX, "cancelling took {worst:?} of CPU time");
}

/// What all threads have used so far.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Behind the name, which may hold anything: the 12th and 13th field are times in user and system mode.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u32 = (fields.split_whitespace().skip(11).take(2))
        .filter_map(|field| field.parse::<u32>().ok())
        .sum();
    TICK * ticks
}
