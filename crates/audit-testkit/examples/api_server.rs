//! Serves the Management Activity API with one tenant on a local port, for programs that collect from it.
//!
//! `cargo run -p audit-testkit --features api-server --example api_server -- [--port N] [--tenant GUID]
//! [--client-id GUID] [--client-secret TEXT] [--records N] [--days N] [--seed N] [--blobs FOLDER]
//! [--records-per-blob N] [--fault-per-mille N] [--page-size N] [--quota N] [--latency-ms N] [--now TIME]
//! [--big-blob-mib N] [--odd-records] [--forever]`
//!
//! It prints the roots, the tenant and the credential as `name=value` lines, then commands are read from standard input,
//! one a line, until it ends or says `quit` (with `--forever`, until the process is killed):
//!
//! - `advance SECONDS` moves the clock,
//! - `publish CONTENT_TYPE FILE` and `late CONTENT_TYPE HOURS FILE` publish a blob now, or late,
//! - `heal` removes the faults, `faults N` adds them with N of 1,000,
//! - `truth` prints one line for each blob: content type, id, times, bytes,
//! - `requests` prints the number of requests by operation.
//!
//! The clock begins at the machine's time, or at `--now`, and runs.

use std::error::Error;
use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::time::Duration;

use audit_testkit::api::{
    ApiFault, ApiFaultKind, ApiOperation, ApiServer, ApiServerOptions, AppRegistration,
    GeneratedBody, TenantHandle, Truncation,
};
use audit_testkit::{FaultTrigger, GeneratorOptions};

type Failure = Box<dyn Error + Send + Sync>;

struct Arguments {
    server: ApiServerOptions,
    generator: GeneratorOptions,
    tenant: String,
    client_id: String,
    client_secret: String,
    blobs: Option<PathBuf>,
    faults_per_mille: u64,
    page_size: Option<usize>,
    quota: Option<u64>,
    latency: Duration,
    big_blob_mib: u64,
    odd: bool,
    forever: bool,
}

fn main() -> Result<(), Failure> {
    let arguments = arguments()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(serve(arguments))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the clock of the server begins at the machine's"
)]
fn arguments() -> Result<Arguments, Failure> {
    let mut arguments = Arguments {
        server: ApiServerOptions {
            now_micros: chrono::DateTime::<chrono::Utc>::from(std::time::SystemTime::now())
                .timestamp_micros(),
            clock_runs: true,
            ..ApiServerOptions::default()
        },
        generator: GeneratorOptions {
            records: 10_000,
            records_per_blob: 200,
            days: 6,
            ..GeneratorOptions::default()
        },
        tenant: "0a5f7d5e-6f1b-4b8c-9e0d-3c2b1a495867".to_owned(),
        client_id: "5d1f0c2b-7a3e-4c88-b1d6-90e4a2f37c15".to_owned(),
        client_secret: "secret-of-the-test-server".to_owned(),
        blobs: None,
        faults_per_mille: 0,
        page_size: None,
        quota: None,
        latency: Duration::ZERO,
        big_blob_mib: 0,
        odd: false,
        forever: false,
    };
    let mut given = std::env::args().skip(1);
    while let Some(name) = given.next() {
        if name == "--forever" {
            arguments.forever = true;
            continue;
        }
        if name == "--odd-records" {
            arguments.odd = true;
            continue;
        }
        let value = given
            .next()
            .ok_or_else(|| format!("{name} needs a value"))?;
        match name.as_str() {
            "--port" => arguments.server.port = value.parse()?,
            "--now" => {
                let now = chrono::DateTime::parse_from_rfc3339(&value)?;
                arguments.server.now_micros = now.timestamp_micros();
            }
            "--seed" => {
                arguments.server.seed = value.parse()?;
                arguments.generator.seed = arguments.server.seed;
            }
            "--records" => arguments.generator.records = value.parse()?,
            "--records-per-blob" => arguments.generator.records_per_blob = value.parse()?,
            "--big-blob-mib" => arguments.big_blob_mib = value.parse()?,
            "--days" => arguments.generator.days = value.parse()?,
            "--tenant" => arguments.tenant = value,
            "--client-id" => arguments.client_id = value,
            "--client-secret" => arguments.client_secret = value,
            "--blobs" => arguments.blobs = Some(value.into()),
            "--fault-per-mille" => arguments.faults_per_mille = value.parse()?,
            "--page-size" => arguments.page_size = Some(value.parse()?),
            "--quota" => arguments.quota = Some(value.parse()?),
            "--latency-ms" => arguments.latency = Duration::from_millis(value.parse()?),
            _ => return Err(format!("unknown argument {name}").into()),
        }
    }
    Ok(arguments)
}

async fn serve(arguments: Arguments) -> Result<(), Failure> {
    let server = ApiServer::start(arguments.server).await?;
    let tenant = server.tenant(&arguments.tenant);
    tenant.register(AppRegistration::with_secret(
        &arguments.client_id,
        &arguments.client_secret,
    ));
    tenant.configure(|settings| {
        settings.page_size = arguments.page_size.unwrap_or(settings.page_size);
        settings.quota_per_minute = arguments.quota.unwrap_or(settings.quota_per_minute);
        settings.latency = arguments.latency;
    });
    if arguments.big_blob_mib > 0 {
        let body = GeneratedBody::new(arguments.big_blob_mib << 10, 1 << 10);
        let created = server.clock().now_micros() - 3_600_000_000;
        tenant.publish_generated("Audit.General", created, body);
    }
    if arguments.odd {
        let created = server.clock().now_micros() - 3_600_000_000;
        tenant.publish_odd_records("Audit.SharePoint", created);
    }
    let published = match &arguments.blobs {
        Some(folder) => tenant.publish_folder(folder, arguments.generator.days)?,
        None => tenant.publish_records(arguments.generator),
    };
    add_faults(&server, arguments.faults_per_mille);
    let mut out = std::io::stdout();
    writeln!(out, "management_root={}", server.management_root())?;
    writeln!(out, "login_root={}", server.login_root())?;
    writeln!(out, "tenant={}", tenant.id())?;
    writeln!(out, "client_id={}", arguments.client_id)?;
    writeln!(out, "client_secret={}", arguments.client_secret)?;
    writeln!(out, "blobs={published}")?;
    out.flush()?;
    if arguments.forever {
        std::future::pending::<()>().await;
    }
    loop {
        let line = tokio::task::spawn_blocking(|| {
            let mut line = String::new();
            std::io::stdin().lock().read_line(&mut line).map(|_| line)
        })
        .await??;
        if line.is_empty() || line.trim() == "quit" {
            return Ok(());
        }
        // A command that is wrong doesn't end a campaign.
        match command(&server, &tenant, line.trim()) {
            Ok(()) => println!("ok"),
            Err(error) => println!("error: {error}"),
        }
    }
}

fn command(server: &ApiServer, tenant: &TenantHandle, line: &str) -> Result<(), Failure> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let now = server.clock().now_micros();
    match words.as_slice() {
        ["advance", seconds] => {
            server.clock().advance(seconds.parse::<i64>()? * 1_000_000);
        }
        ["publish", content_type, file] => {
            println!(
                "{}",
                tenant.publish(content_type, now, std::fs::read(file)?.into())
            );
        }
        ["late", content_type, hours, file] => {
            let created = now - hours.parse::<i64>()? * 3_600_000_000;
            let body = std::fs::read(file)?.into();
            println!("{}", tenant.publish_late(content_type, created, body));
        }
        ["heal"] => server.heal(),
        ["faults", per_mille] => add_faults(server, per_mille.parse()?),
        ["truth"] => {
            for blob in server.truth() {
                println!(
                    "{} {} {} {} {} {}",
                    blob.content_type,
                    blob.content_id,
                    blob.created_micros,
                    blob.expires_micros,
                    blob.listed_from_micros,
                    blob.body.size()
                );
            }
        }
        ["requests"] => {
            let requests = server.requests();
            for operation in [
                ApiOperation::Token,
                ApiOperation::StartSubscription,
                ApiOperation::ListSubscriptions,
                ApiOperation::ListContent,
                ApiOperation::GetBlob,
            ] {
                println!("{} {}", operation.method_name(), requests.of(operation));
            }
            println!("faults {}", server.injected());
        }
        _ => return Err("no such command".into()),
    }
    Ok(())
}

/// Faults that a client outlives, so many of 1,000 together.
fn add_faults(server: &ApiServer, per_mille: u64) {
    let anywhere = [
        ApiFaultKind::Unauthorized,
        ApiFaultKind::Throttled {
            status: 403,
            retry_after_seconds: None,
        },
        ApiFaultKind::ThrottledInOk,
        ApiFaultKind::InternalError,
        ApiFaultKind::Timeout,
        ApiFaultKind::UnavailableHtml,
        ApiFaultKind::Reset,
        ApiFaultKind::ResetAfter,
        ApiFaultKind::Truncated(Truncation::ShorterThanDeclared),
        ApiFaultKind::Truncated(Truncation::WithoutLength),
        ApiFaultKind::Truncated(Truncation::Silent),
        ApiFaultKind::HtmlBody,
    ];
    let at_listings = [ApiFaultKind::Unordered, ApiFaultKind::ListedTwice];
    let at_blobs = [
        ApiFaultKind::NotFound,
        ApiFaultKind::ByteOrderMark,
        ApiFaultKind::ErrorInOk,
        ApiFaultKind::PagedBlob { records: 50 },
    ];
    let kinds = anywhere.len() + at_listings.len() + at_blobs.len();
    let each = FaultTrigger::PerMille((per_mille / kinds as u64).max(u64::from(per_mille > 0)));
    let faults = (anywhere.into_iter().map(ApiFault::new))
        .chain(at_listings.map(|kind| ApiFault::new(kind).on(ApiOperation::ListContent)))
        .chain(at_blobs.map(|kind| ApiFault::new(kind).on(ApiOperation::GetBlob)));
    if per_mille > 0 {
        faults.for_each(|fault| server.fault(fault.when(each)));
    }
}
