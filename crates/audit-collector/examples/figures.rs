//! Figures of collection, from a server of the API in the same process into a lake in a folder.
//!
//! ```sh
//! cargo run --release -p audit-collector --example figures -- records 1000000
//! cargo run --release -p audit-collector --example figures -- blob 300
//! cargo run --release -p audit-collector --example figures -- tenants 100
//! ```
//!
//! `records N`: N generated records as content blobs of six days. `blob M`: one blob of M MiB. `tenants T`: T tenants,
//! each with 2,000 records. Prints time, rates, requests against the least that would do, and the peak of memory
//! (Linux), which has the server's copies of what it serves in it.
#![expect(
    clippy::unwrap_used,
    reason = "figures stop where something is not as expected"
)]

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use audit_collector::{
    Cloud, Collector, CollectorOptions, Credential, CredentialError, CredentialProvider,
    IntegrationConfig, Integrations, Networks, Secret,
};
use audit_lake::{Clock, Lake, LakeOptions, SystemClock, TenantId};
use audit_testkit::GeneratorOptions;
use audit_testkit::api::{
    ApiOperation, ApiServer, ApiServerOptions, AppRegistration, GeneratedBody, TenantHandle,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const CLIENT: &str = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";

struct OneSecret;

#[async_trait]
impl CredentialProvider for OneSecret {
    async fn credential(&self, _: TenantId, _: Uuid) -> Result<Credential, CredentialError> {
        Ok(Credential::ClientSecret(Secret::new("secret".to_owned())))
    }
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = || arguments.get(1).and_then(|number| number.parse().ok());
    let server = ApiServer::start(ApiServerOptions {
        now_micros: SystemClock.now_micros(),
        clock_runs: true,
        ..ApiServerOptions::default()
    });
    let server = server.await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let url = folder.path().to_string_lossy().into_owned();
    let lake = Lake::create_or_open(&url, LakeOptions::default())
        .await
        .unwrap();
    match arguments.first().map(String::as_str) {
        Some("records") => {
            let records = number().unwrap_or(100_000);
            publish(&tenant(&server, &lake, 1).await, records);
        }
        Some("blob") => {
            let body = GeneratedBody::new(number().unwrap_or(300) * 1024, 1024);
            let created = SystemClock.now_micros() - 3_600_000_000;
            let tenant = tenant(&server, &lake, 1).await;
            tenant.publish_generated("Audit.General", created, body);
        }
        Some("tenants") => {
            for at in 0..number().unwrap_or(100) {
                publish(&tenant(&server, &lake, at + 1).await, 2_000);
            }
        }
        _ => {
            eprintln!("usage: figures records N | blob MIB | tenants T");
            std::process::exit(2);
        }
    }
    let truth = server.truth();
    let bytes: u64 = truth.iter().map(|blob| blob.body.size()).sum();
    let mut tenants: Vec<&str> = truth.iter().map(|blob| blob.tenant_id.as_str()).collect();
    tenants.dedup();
    // Subscriptions, a start and eight windows of each content type; then each blob.
    let pages = tenants.len() as u64 * (1 + 5 + 5 * 8);
    let least = pages + truth.len() as u64;
    drop(truth);

    let options = CollectorOptions {
        requests_per_minute: 1_000_000,
        ..CollectorOptions::default()
    };
    let collector = Collector::new(lake, Arc::new(OneSecret), options);
    let start = Instant::now();
    let summary = collector
        .unwrap()
        .catch_up(None, &CancellationToken::new())
        .await
        .unwrap();
    let seconds = start.elapsed().as_secs_f64();
    let requests = server.requests();
    let of_tokens = requests.of(ApiOperation::Token);
    println!(
        "{} records, {:.0} MB in {seconds:.1} s: {:.0} records/s, {:.0} MB/s; {} blobs wait",
        summary.records(),
        bytes as f64 / 1e6,
        summary.records() as f64 / seconds,
        bytes as f64 / 1e6 / seconds,
        summary.backlog(),
    );
    println!(
        "{} requests, {of_tokens} of them for tokens; the least is {least} (listings of one page)",
        requests.total(),
    );
    println!("peak of memory, with the server: {}", peak());
}

async fn tenant(server: &ApiServer, lake: &Lake, number: u64) -> TenantHandle {
    let id = format!("00000000-0000-4000-8000-{number:012}");
    let tenant = server.tenant(&id);
    tenant.register(AppRegistration::with_secret(CLIENT, "secret"));
    tenant.configure(|settings| {
        settings.quota_per_minute = u64::MAX;
        settings.page_size = 100_000;
    });
    let cloud = Cloud::custom(
        server.management_root().parse().unwrap(),
        server.login_root().parse().unwrap(),
    );
    let mut config = IntegrationConfig::new(id.parse().unwrap(), CLIENT.parse().unwrap()).unwrap();
    config.cloud = cloud.unwrap();
    let integrations = Integrations::new(lake.clone());
    integrations.add(config, Networks::Declined).await.unwrap();
    tenant
}

fn publish(tenant: &TenantHandle, records: u64) {
    tenant.publish_records(GeneratorOptions {
        records,
        ..GeneratorOptions::default()
    });
}

/// The most that was resident.
fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or("unknown".to_owned(), |line| line.trim().to_owned())
}
