//! Makes a lake of generated records: `generated_lake LAKE RECORDS [DAYS]`.
//!
//! Slice by slice, so that disk and memory hold a part of the content blobs at a time.

use std::path::Path;

use audit_ingest::pipeline::{IngestOptions, ingest};
use audit_lake::{Lake, LakeOptions};
use audit_testkit::{Generator, GeneratorOptions};
use benches::{SetupError, inputs};

/// Content blobs on disk at a time.
const SLICE_BYTES: usize = 1 << 30;
/// Records of a user in a day. The organisation grows with the records, as far as the generator's users go.
const RECORDS_A_USER_AND_DAY: u64 = 67;

#[tokio::main]
async fn main() -> Result<(), SetupError> {
    let mut arguments = std::env::args().skip(1);
    let (Some(lake), Some(records)) = (arguments.next(), arguments.next()) else {
        return Err("usage: generated_lake LAKE RECORDS [DAYS]".into());
    };
    let days = arguments.next().map(|days| days.parse()).transpose()?;
    let mut generator = Generator::new(options(records.parse()?, days));
    let lake = Lake::create_or_open(&lake, LakeOptions::default()).await?;
    loop {
        let slice = tempfile::tempdir()?;
        if !write_slice(&mut generator, slice.path())? {
            return Ok(());
        }
        let inputs = inputs(slice.path()).await?;
        let report = ingest(&lake, inputs, IngestOptions::default()).await?;
        if report.rejects() > 0 {
            return Err(format!("{} generated records were rejected", report.rejects()).into());
        }
        eprintln!("{} records generated", generator.counts().distinct);
    }
}

/// An organisation that has so many records within some days: by default one, three or six months.
fn options(records: u64, days: Option<u32>) -> GeneratorOptions {
    let days = days.unwrap_or(match records {
        0..=1_000_000 => 30,
        1_000_001..=10_000_000 => 90,
        _ => 180,
    });
    let users = records / (u64::from(days) * RECORDS_A_USER_AND_DAY);
    let users = usize::try_from(users).unwrap_or(usize::MAX);
    GeneratorOptions {
        records,
        days,
        // The generator has no more than 5,000.
        users: users.clamp(500, 5_000),
        ..GeneratorOptions::default()
    }
}

/// Whether there was anything left to write.
fn write_slice(generator: &mut Generator, folder: &Path) -> std::io::Result<bool> {
    let mut bytes = 0;
    while bytes < SLICE_BYTES {
        let Some(blob) = generator.next() else {
            break;
        };
        blob.write_to(folder)?;
        bytes += blob.body.len();
    }
    Ok(bytes > 0)
}
