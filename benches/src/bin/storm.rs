//! Sixteen queries at once over a lake, and the memory that the process took: `storm LAKE MEMORY_MIB [ROUNDS]`.
//!
//! Rows are counted and let go of, so what is measured is the engine. Answers are checked against each other: in each
//! round a question has as many rows as in the first.

use std::time::{Duration, Instant};

use arrow::array::{Array, AsArray};
use benches::SetupError;
use futures::future::try_join_all;
use live_discover::{Engine, EngineOptions, Lake, LakeOptions, Limits, Session, TenantScope};

// As the command line has.
#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Names in braces are values that are picked from the lake's records: see [`PICKED`].
const STORM: [&str; 16] = [
    "SELECT * FROM m365_audit WHERE id = '{id}'",
    "SELECT * FROM m365_audit WHERE source_ip = '{source_ip}' ORDER BY creation_time DESC LIMIT 100",
    "SELECT * FROM m365_audit WHERE user_id = '{user_id}' ORDER BY creation_time DESC LIMIT 1000",
    "SELECT * FROM m365_audit ORDER BY creation_time DESC LIMIT 100",
    "SELECT id, raw FROM m365_audit WHERE raw LIKE '%{session_id}%'",
    "SELECT id, raw FROM m365_audit WHERE raw LIKE '%no such text%'",
    "SELECT operation, count(*) FROM m365_audit WHERE raw LIKE '%{user_id}%' GROUP BY operation",
    "SELECT id, object_id FROM m365_audit WHERE object_id ILIKE '%report%' ORDER BY creation_time DESC LIMIT 100",
    "SELECT operation, count(*) FROM m365_audit GROUP BY operation",
    "SELECT event_date, workload, count(*) FROM m365_audit GROUP BY event_date, workload",
    "SELECT user_id, count(DISTINCT source_ip) FROM m365_audit GROUP BY user_id",
    "SELECT user_id, source_ip, min(creation_time) FROM m365_audit GROUP BY user_id, source_ip",
    "SELECT id, creation_time, operation, user_id, object_id FROM m365_audit ORDER BY md5(id)",
    "SELECT id, raw FROM m365_audit WHERE creation_time < TIMESTAMP '{half}' ORDER BY md5(id)",
    "SELECT a.user_id, count(*) FROM m365_audit a JOIN (SELECT DISTINCT source_ip FROM m365_audit WHERE user_id = \
     '{user_id}') b ON a.source_ip = b.source_ip GROUP BY a.user_id",
    "SELECT user_id, max(n) FROM (SELECT user_id, count(*) OVER (PARTITION BY user_id ORDER BY creation_time RANGE \
     BETWEEN INTERVAL '1' HOUR PRECEDING AND CURRENT ROW) AS n FROM m365_audit WHERE operation = '{operation}') \
     GROUP BY user_id",
];

const PICKED: [(&str, &str); 6] = [
    ("id", "min(id)"),
    ("source_ip", "min(source_ip)"),
    ("user_id", "max(user_id)"),
    ("session_id", "min(session_id)"),
    ("operation", "min(operation)"),
    (
        "half",
        "to_char(to_timestamp_seconds(avg(date_part('epoch', creation_time))::BIGINT), '%Y-%m-%d %H:%M:%S')",
    ),
];

fn main() -> Result<(), SetupError> {
    let mut arguments = std::env::args().skip(1);
    let (Some(lake), Some(memory)) = (arguments.next(), arguments.next()) else {
        return Err("usage: storm LAKE MEMORY_MIB [ROUNDS]".into());
    };
    let memory_bytes = memory.parse::<usize>()? << 20;
    let rounds = arguments
        .next()
        .map_or(Ok(3), |rounds| rounds.parse::<usize>())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(storm(&lake, memory_bytes, rounds))
}

async fn storm(lake: &str, memory_bytes: usize, rounds: usize) -> Result<(), SetupError> {
    let lake = Lake::open(lake, LakeOptions::default()).await?;
    let options = EngineOptions {
        memory_bytes,
        ..EngineOptions::default()
    };
    let engine = Engine::builder().with_options(options).build(lake)?;
    let limits = Limits {
        duration: Duration::from_secs(3_600),
        ..Limits::default()
    };
    let session = engine.session(TenantScope::All, limits);
    let mut texts = STORM.map(str::to_owned);
    for (name, value) in PICKED {
        let sql =
            format!("SELECT {value} FROM m365_audit WHERE session_id <> '' AND source_ip <> ''");
        let value = one(&session, &sql).await?;
        texts = texts.map(|text| text.replace(&format!("{{{name}}}"), &value));
    }
    println!("before: resident at most {} MiB", peak_mib()?);
    let mut first = Vec::new();
    for round in 0..rounds {
        let start = Instant::now();
        let rows = try_join_all(texts.iter().map(|sql| rows(&session, sql))).await?;
        println!(
            "round {round}: {:.1} s, resident at most {} MiB",
            start.elapsed().as_secs_f64(),
            peak_mib()?
        );
        if round == 0 {
            println!("rows: {rows:?}");
            first = rows;
        } else if rows != first {
            return Err(format!("other rows than before: {rows:?}").into());
        }
    }
    println!("{:#?}", engine.metrics());
    Ok(())
}

async fn one(session: &Session, sql: &str) -> Result<String, SetupError> {
    let batches = session.collect(sql).await?;
    let column = batches.first().ok_or("the lake is empty")?.column(0);
    let text = arrow::compute::cast(column, &arrow::datatypes::DataType::Utf8)?;
    let text = text.as_string::<i32>();
    if text.is_null(0) {
        return Err(format!("no value: {sql}").into());
    }
    Ok(text.value(0).to_owned())
}

async fn rows(session: &Session, sql: &str) -> Result<usize, SetupError> {
    let mut stream = (session.query(sql).await).map_err(|error| format!("{sql}: {error}"))?;
    let mut rows = 0;
    while let Some(batch) = stream.next().await {
        rows += batch.map_err(|error| format!("{sql}: {error}"))?.num_rows();
    }
    Ok(rows)
}

/// The most memory that the process had, as Linux tells it.
fn peak_mib() -> Result<u64, SetupError> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .ok_or("no VmHWM")?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib / 1_024)
}
