//! Two lakes of the same generated records: `minutes FED FRESH [RECORDS] [DAYS]`.
//!
//! FED gets one commit a minute and is maintained each hour, in simulated time, as a host would. FRESH gets the records
//! at once and is then compacted. What both are like is told by `benches/peers/queries --lake` of each.

use std::sync::Arc;
use std::time::Instant;

use audit_ingest::pipeline::{IngestOptions, Input, ingest};
use audit_lake::{Clock, Lake, LakeOptions, MaintenancePolicy, Origin, SystemClock, TableName};
use audit_testkit::{Generator, GeneratorOptions, ManualClock};
use benches::SetupError;

// As the command line has.
#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const MINUTES_A_DAY: u64 = 24 * 60;
/// Content blobs in memory until FRESH has them.
const HELD_BYTES: usize = 256 << 20;

#[derive(Debug)]
struct Simulated(ManualClock);

impl Clock for Simulated {
    fn now_micros(&self) -> i64 {
        self.0.now_micros()
    }
}

#[tokio::main]
async fn main() -> Result<(), SetupError> {
    let mut arguments = std::env::args().skip(1);
    let (Some(fed), Some(fresh)) = (arguments.next(), arguments.next()) else {
        return Err("usage: minutes FED FRESH [RECORDS] [DAYS]".into());
    };
    let mut number = |default| {
        arguments
            .next()
            .map_or(Ok(default), |number| number.parse())
    };
    let (records, days) = (number(1_000_000)?, number(30)?);
    // The store's own times are those of the machine: what is written now is never later than the simulated time.
    let clock = Arc::new(Simulated(ManualClock::new(SystemClock.now_micros())));
    let options = LakeOptions {
        clock: Arc::clone(&clock) as Arc<dyn Clock>,
        ..LakeOptions::default()
    };
    let fed = Lake::create_or_open(&fed, options).await?;
    let fresh = Lake::create_or_open(&fresh, LakeOptions::default()).await?;
    let generator = Generator::new(GeneratorOptions {
        records,
        days: u32::try_from(days)?,
        records_per_blob: records.div_ceil(days * MINUTES_A_DAY),
        ..GeneratorOptions::default()
    });
    let started = Instant::now();
    let (mut held, mut held_bytes) = (Vec::new(), 0);
    for (minute, blob) in (1..).zip(generator) {
        let origin = Origin {
            content_type: Some(blob.content_type.to_owned()),
            content_id: Some(blob.content_id.clone()),
            content_created: None,
        };
        held_bytes += blob.body.len();
        let input = Input::of_bytes(blob.content_id, blob.body.into(), origin);
        held.push(input.clone());
        ingest(&fed, vec![input], IngestOptions::default()).await?;
        clock.0.advance(60 * 1_000_000);
        if minute % 60 == 0 {
            maintain(&fed, &MaintenancePolicy::default()).await?;
        }
        if minute % MINUTES_A_DAY == 0 {
            let (day, seconds) = (minute / MINUTES_A_DAY, started.elapsed().as_secs());
            eprintln!("day {day}: {}, {seconds} s", state(&fed).await?);
        }
        if held_bytes > HELD_BYTES {
            ingest(&fresh, std::mem::take(&mut held), IngestOptions::default()).await?;
            held_bytes = 0;
        }
    }
    maintain(&fed, &MaintenancePolicy::default()).await?;
    ingest(&fresh, held, IngestOptions::default()).await?;
    // Nobody reads it yet.
    let at_once = MaintenancePolicy {
        vacuum_after: Some(std::time::Duration::ZERO),
        nobody_reads: true,
        ..MaintenancePolicy::default()
    };
    maintain(&fresh, &at_once).await?;
    println!("fed: {}", state(&fed).await?);
    println!("fresh: {}", state(&fresh).await?);
    Ok(())
}

async fn maintain(lake: &Lake, policy: &MaintenancePolicy) -> Result<(), SetupError> {
    for tenant in lake.tenants().await? {
        lake.maintain(tenant, policy, |_| {}).await?;
    }
    Ok(())
}

async fn state(lake: &Lake) -> Result<String, SetupError> {
    let mut states = Vec::new();
    for tenant in lake.tenants().await? {
        if let Some(snapshot) = lake.snapshot(&tenant, TableName::Audit).await? {
            states.push(format!(
                "version {}, {} files, {} rows, {} MB",
                snapshot.version(),
                snapshot.files().len(),
                snapshot.rows(),
                snapshot.size_bytes() / 1_000_000
            ));
        }
    }
    Ok(states.join("; "))
}
