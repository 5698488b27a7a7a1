//! Asks a lake questions and takes the time, for `benches/peers/queries`: `suite SYSTEM LAKE [LATENCY_MS [MEMORY_MIB]]`.
//!
//! SYSTEM is `ours`; `datafusion`, stock DataFusion on the lake's data files with filters evaluated in the Parquet
//! reader; or `datafusion-default`, the same as it comes. `ours` can have the lake in memory and wait before each request,
//! as if it were far away, unless LATENCY_MS is 0, and can have another bound of its memory. Questions come as JSON lines on
//! standard input, and for each an answer goes to standard output, with what the engine of `ours` does with its memory by
//! then. The first line of output says what opening took.

use std::fs::File;
use std::io::{BufRead, Write, stdin, stdout};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::ipc::writer::FileWriter;
use benches::SetupError;
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};
use futures::TryStreamExt;
use live_discover::{
    Engine, EngineMetrics, EngineOptions, Lake, LakeOptions, Limits, Request, Session, TenantScope,
};
use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use object_store::throttle::{ThrottleConfig, ThrottledStore};
use serde::{Deserialize, Serialize};

// As the command line has.
#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const THREADS: usize = 2;

#[derive(Deserialize)]
struct Question {
    id: String,
    sql: String,
    /// So many times, and no more once they have taken `seconds` in all.
    runs: usize,
    seconds: f64,
    /// Where the result goes, an Arrow IPC file.
    result: PathBuf,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Ms(Vec<f64>),
    Error(String),
}

#[derive(Serialize)]
struct Answer {
    id: String,
    #[serde(flatten)]
    outcome: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<EngineMetrics>,
}

#[derive(Serialize)]
struct Opened {
    open_ms: f64,
    version: &'static str,
}

enum System {
    Ours(Box<(Engine, Session)>),
    DataFusion(SessionContext),
}

fn main() -> Result<(), SetupError> {
    let mut arguments = std::env::args().skip(1);
    let (Some(system), Some(lake)) = (arguments.next(), arguments.next()) else {
        return Err(
            "usage: suite ours|datafusion|datafusion-default LAKE [LATENCY_MS [MEMORY_MIB]]".into(),
        );
    };
    let mut number = || arguments.next().map(|number| number.parse()).transpose();
    let latency = number()?.filter(|ms| *ms > 0).map(Duration::from_millis);
    let memory_mib: Option<u64> = number()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()?;
    let start = Instant::now();
    let system = runtime.block_on(open(&system, &lake, latency, memory_mib))?;
    say(&Opened {
        open_ms: milliseconds(start),
        version: match system {
            System::Ours(_) => env!("CARGO_PKG_VERSION"),
            System::DataFusion(_) => datafusion::DATAFUSION_VERSION,
        },
    })?;
    for line in stdin().lock().lines() {
        let question: Question = serde_json::from_str(&line?)?;
        // An error is an answer too, and the next question is asked.
        let outcome = match runtime.block_on(answer(&system, &question)) {
            Ok(milliseconds) => Outcome::Ms(milliseconds),
            Err(error) => Outcome::Error(error.to_string()),
        };
        say(&Answer {
            id: question.id,
            outcome,
            memory: system.memory(),
        })?;
    }
    Ok(())
}

impl System {
    fn memory(&self) -> Option<EngineMetrics> {
        match self {
            Self::Ours(ours) => Some(ours.0.metrics()),
            Self::DataFusion(_) => None,
        }
    }
}

async fn open(
    system: &str,
    lake: &str,
    latency: Option<Duration>,
    memory_mib: Option<u64>,
) -> Result<System, SetupError> {
    Ok(match system {
        "ours" => System::Ours(Box::new(ours(lake, latency, memory_mib).await?)),
        "datafusion" => System::DataFusion(stock(lake, true).await?),
        "datafusion-default" => System::DataFusion(stock(lake, false).await?),
        other => return Err(format!("no system `{other}`").into()),
    })
}

async fn ours(
    lake: &str,
    latency: Option<Duration>,
    memory_mib: Option<u64>,
) -> Result<(Engine, Session), SetupError> {
    let mut options = EngineOptions {
        parallelism: Some(THREADS),
        ..EngineOptions::default()
    };
    if let Some(mib) = memory_mib {
        options.memory_bytes = usize::try_from(mib << 20)?;
    }
    let limits = Limits {
        memory_bytes: options.memory_bytes,
        duration: Duration::from_secs(3_600),
        ..Limits::default()
    };
    let engine = Engine::builder().with_options(options);
    let mut lake = Lake::open(lake, LakeOptions::default()).await?;
    if let Some(latency) = latency {
        lake = far_away(&lake, latency).await?;
    }
    let engine = engine.build(lake)?;
    let session = engine.session(TenantScope::All, limits);
    Ok((engine, session))
}

/// The lake in memory, behind a store that waits before each request.
async fn far_away(lake: &Lake, latency: Duration) -> Result<Lake, SetupError> {
    let copy = InMemory::new();
    let mut objects = lake.store().list(None);
    while let Some(object) = objects.try_next().await? {
        let content = lake.store().get(&object.location).await?.bytes().await?;
        copy.put(&object.location, content.into()).await?;
    }
    let waits = ThrottleConfig {
        wait_get_per_call: latency,
        wait_list_per_call: latency,
        wait_list_with_delimiter_per_call: latency,
        ..ThrottleConfig::default()
    };
    let store = Arc::new(ThrottledStore::new(copy, waits));
    Ok(Lake::with_store(store, lake.url().clone(), LakeOptions::default()).await?)
}

/// The files as they lie there. The schema is that of all of them, which DataFusion looks up in each.
async fn stock(lake: &str, pushdown: bool) -> Result<SessionContext, SetupError> {
    let mut config = SessionConfig::new().with_target_partitions(THREADS);
    let parquet = &mut config.options_mut().execution.parquet;
    parquet.pushdown_filters = pushdown;
    parquet.reorder_filters = pushdown;
    let mut context = SessionContext::new_with_config(config);
    datafusion_functions_json::register_all(&mut context)?;
    let options = ParquetReadOptions::default()
        .table_partition_cols(vec![("event_date".to_owned(), DataType::Date32)]);
    // It looks into folders of partitions only, so not into the log.
    let folder = format!("{}/", table(lake)?.display());
    context
        .register_parquet("m365_audit", folder, options)
        .await?;
    Ok(context)
}

/// The folder of the table of the lake's one tenant.
fn table(lake: &str) -> Result<PathBuf, SetupError> {
    let mut tenants = std::fs::read_dir(Path::new(lake).join("tenants"))?;
    match (tenants.next(), tenants.next()) {
        (Some(tenant), None) => Ok(tenant?.path().join("m365_audit")),
        _ => Err("stock DataFusion reads lakes of one tenant".into()),
    }
}

/// How long each run took, from the text to the last batch.
async fn answer(system: &System, question: &Question) -> Result<Vec<f64>, SetupError> {
    let first = Instant::now();
    let mut times = Vec::new();
    loop {
        let start = Instant::now();
        let (schema, batches) = ask(system, &question.sql).await?;
        times.push(milliseconds(start));
        if times.len() >= question.runs || first.elapsed().as_secs_f64() >= question.seconds {
            write(&question.result, &schema, &batches)?;
            return Ok(times);
        }
    }
}

async fn ask(system: &System, sql: &str) -> Result<(SchemaRef, Vec<RecordBatch>), SetupError> {
    Ok(match system {
        System::Ours(ours) => {
            let mut stream = ours.1.query(Request::new(sql)).await?;
            let mut batches = Vec::new();
            while let Some(batch) = stream.next().await {
                batches.push(batch?);
            }
            (stream.schema(), batches)
        }
        System::DataFusion(context) => {
            let query = context.sql(sql).await?;
            let schema = Arc::clone(query.schema().inner());
            // On a thread of the runtime, as its tasks are.
            (schema, tokio::spawn(query.collect()).await??)
        }
    })
}

fn write(path: &Path, schema: &SchemaRef, batches: &[RecordBatch]) -> Result<(), SetupError> {
    // What the batches say counts: a plan's own schema may differ in what can be null.
    let schema = batches
        .first()
        .map_or_else(|| Arc::clone(schema), RecordBatch::schema);
    let mut writer = FileWriter::try_new(File::create(path)?, &schema)?;
    for batch in batches {
        writer.write(batch)?;
    }
    Ok(writer.finish()?)
}

fn say(line: &impl Serialize) -> Result<(), SetupError> {
    let mut out = stdout().lock();
    writeln!(out, "{}", serde_json::to_string(line)?)?;
    Ok(out.flush()?)
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1_000.0
}
