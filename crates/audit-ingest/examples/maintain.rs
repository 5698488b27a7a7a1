//! What maintenance makes of a lake that was fed by one commit a minute:
//! `cargo run --release -p audit-ingest --example maintain -- LAKE [DAYS [RECORDS_A_MINUTE]]`
//!
//! Feeds generated records, then compacts, and tells files, bytes, times and the most memory that the process had
//! before and after. `feed` or `compact` as a fourth argument does one of the two, to measure each in a process of
//! its own.

use std::time::{Duration, Instant};

use audit_ingest::pipeline::{IngestOptions, Input, ingest};
use audit_lake::{Lake, LakeOptions, MaintenancePolicy, Origin, TableName, TenantId};
use audit_testkit::{Generator, GeneratorOptions};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let location = arguments
        .first()
        .ok_or("usage: maintain LAKE [DAYS [RECORDS_A_MINUTE [feed|compact]]]")?;
    let number =
        |at: usize, default: u64| arguments.get(at).map_or(Ok(default), |text| text.parse());
    let (days, records_a_minute) = (number(1, 3)?, number(2, 20)?);
    let only = arguments.get(3).map(String::as_str);

    let lake = Lake::create_or_open(location, LakeOptions::default()).await?;
    if only != Some("compact") {
        feed(&lake, days, records_a_minute).await?;
    }
    if only != Some("feed") {
        compact(&lake).await?;
    }
    Ok(())
}

async fn feed(lake: &Lake, days: u64, records_a_minute: u64) -> Result<()> {
    let started = Instant::now();
    let generator = Generator::new(GeneratorOptions {
        days: u32::try_from(days)?,
        records: days * 1_440 * records_a_minute,
        records_per_blob: records_a_minute,
        ..GeneratorOptions::default()
    });
    let mut blobs = 0;
    for blob in generator {
        let origin = Origin {
            content_type: Some(blob.content_type.to_owned()),
            content_id: Some(blob.content_id.clone()),
            content_created: None,
        };
        let input = Input::of_bytes(blob.content_id.clone(), blob.body.into(), origin);
        ingest(lake, vec![input], IngestOptions::default()).await?;
        blobs += 1;
    }
    println!(
        "fed {blobs} blobs in {:.1} s",
        started.elapsed().as_secs_f64()
    );
    Ok(())
}

async fn compact(lake: &Lake) -> Result<()> {
    let policy = MaintenancePolicy {
        vacuum_after: None,
        ..MaintenancePolicy::default()
    };
    for tenant in lake.tenants().await? {
        show(lake, tenant).await?;
        let (started, cpu) = (Instant::now(), usage().0);
        for done in lake.maintain(tenant, &policy, |_| {}).await? {
            println!("{:?}", done.compacted);
        }
        let (after, memory) = usage();
        println!(
            "compacted in {:.1} s, {:.1} s of CPU, {} MB of memory at most",
            started.elapsed().as_secs_f64(),
            (after - cpu).as_secs_f64(),
            memory / 1_000
        );
        show(lake, tenant).await?;
    }
    Ok(())
}

async fn show(lake: &Lake, tenant: TenantId) -> Result<()> {
    for table in TableName::ALL {
        let started = Instant::now();
        let Some(snapshot) = lake.snapshot(&tenant, table).await? else {
            continue;
        };
        println!(
            "{table}: version {}, {} files, {} rows, {:.1} MB; opened in {} ms",
            snapshot.version(),
            snapshot.files().len(),
            snapshot.rows(),
            snapshot.size_bytes() as f64 / 1e6,
            started.elapsed().as_millis()
        );
    }
    Ok(())
}

/// CPU time so far, and the most memory, in kB.
fn usage() -> (Duration, u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let memory = peak.and_then(|text| text.trim().trim_end_matches(" kB").parse().ok());
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // After the name in parentheses: the 12th and 13th are user and system time in hundredths of a second.
    let fields = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace();
    let hundredths: u64 = fields
        .skip(11)
        .take(2)
        .filter_map(|text| text.parse::<u64>().ok())
        .sum();
    (Duration::from_millis(hundredths * 10), memory.unwrap_or(0))
}
