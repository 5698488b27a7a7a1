//! Writes generated audit records to a folder: content blobs, or one NDJSON file.
//!
//! `cargo run --release -p audit-testkit --example generate -- --out DIR [--records N] [--seed N]
//! [--tenants N] [--users N] [--days N] [--ndjson]`

use std::error::Error;
use std::fs::{File, create_dir_all};
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use audit_testkit::{Generator, GeneratorOptions};

fn main() -> Result<(), Box<dyn Error>> {
    let mut options = GeneratorOptions::default();
    let (mut out, mut ndjson) = (None, false);
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        if name == "--ndjson" {
            ndjson = true;
            continue;
        }
        let value = arguments
            .next()
            .ok_or_else(|| format!("{name} needs a value"))?;
        match name.as_str() {
            "--out" => out = Some(PathBuf::from(value)),
            "--records" => options.records = value.parse()?,
            "--seed" => options.seed = value.parse()?,
            "--tenants" => options.tenants = value.parse()?,
            "--users" => options.users = value.parse()?,
            "--days" => options.days = value.parse()?,
            _ => return Err(format!("unknown argument {name}").into()),
        }
    }
    let out = out.ok_or("--out DIR is missing")?;
    create_dir_all(&out)?;

    let mut generator = Generator::new(options);
    if ndjson {
        let mut file = BufWriter::new(File::create(out.join("records.ndjson"))?);
        generator.write_ndjson(&mut file)?;
        file.flush()?;
    } else {
        for blob in generator.by_ref() {
            blob.write_to(&out)?;
        }
    }
    let counts = generator.counts();
    eprintln!(
        "{} records, {} of them distinct, {} blobs, {} bytes",
        counts.records, counts.distinct, counts.blobs, counts.bytes
    );
    Ok(())
}
