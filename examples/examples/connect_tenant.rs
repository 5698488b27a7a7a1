//! A tenant of Microsoft 365, connected and collected: consent, prerequisites, records, and what is proven to be there.
//!
//! `cargo run -p examples --example connect_tenant`
//!
//! The service is a stand-in in this process. For the real one leave `cloud` as it is, and open the consent's URL.

use std::sync::Arc;

use audit_testkit::api::{ApiServer, ApiServerOptions, AppRegistration};
use live_discover::collect::{
    Cloud, Collector, CollectorOptions, Coverage, Credential, CredentialError, CredentialProvider,
    IntegrationConfig, Integrations, Networks, Secret,
};
use live_discover::{Clock, Engine, Lake, LakeOptions, Limits, SystemClock, TenantId, TenantScope};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const TENANT: &str = "0fad12b5-8d6a-4c43-a01f-e6d0a0d0e1c7";
const APPLICATION: &str = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";

/// Where the host keeps its secrets: a vault, the environment, a managed identity. The lake keeps none.
struct Vault;

#[async_trait::async_trait]
impl CredentialProvider for Vault {
    async fn credential(&self, _: TenantId, _: Uuid) -> Result<Credential, CredentialError> {
        Ok(Credential::ClientSecret(Secret::new(
            "a secret of the vault".to_owned(),
        )))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let service = service().await?;
    let lake = Lake::create_or_open("memory://example", LakeOptions::default()).await?;
    let tenant: TenantId = TENANT.parse()?;

    // The first integration of a lake needs to know what is inside.
    let integrations = Integrations::new(lake.clone());
    let mut config = IntegrationConfig::new(tenant, APPLICATION.parse()?)?;
    config.cloud = Cloud::custom(
        service.management_root().parse()?,
        service.login_root().parse()?,
    )?;
    let networks = Networks::Given("203.0.113.0/24 contoso.com".parse()?);
    integrations.add(config, networks).await?;

    let options = CollectorOptions::default();
    let collector = Collector::new(lake.clone(), Arc::new(Vault), options)?;
    for prerequisite in collector.check(tenant).await? {
        println!(
            "{}: {}. {}",
            prerequisite.title, prerequisite.state, prerequisite.seen
        );
    }

    // A host without a scheduler calls `run`, which goes on until it is cancelled.
    let summary = collector.catch_up(None, &CancellationToken::new()).await?;
    println!(
        "{} records, {} blobs wait",
        summary.records(),
        summary.backlog()
    );

    let coverage = Coverage::read(&lake, tenant).await?;
    for day in coverage.days.iter().filter(|day| day.blobs > 0) {
        println!(
            "{} day {}: {}, {} records",
            day.content_type, day.day, day.state, day.records
        );
    }
    assert!(coverage.losses.is_empty());

    let session = Engine::new(lake)?.session(TenantScope::Only([tenant].into()), Limits::default());
    let rows = session
        .collect("SELECT count(*) AS records FROM m365_audit")
        .await?;
    arrow::util::pretty::print_batches(&rows)?;
    Ok(())
}

/// Microsoft 365, as far as the example needs it.
async fn service() -> Result<ApiServer, Box<dyn std::error::Error>> {
    let service = ApiServer::start(ApiServerOptions {
        now_micros: SystemClock.now_micros(),
        clock_runs: true,
        ..ApiServerOptions::default()
    })
    .await?;
    let tenant = service.tenant(TENANT);
    tenant.register(AppRegistration::with_secret(
        APPLICATION,
        "a secret of the vault",
    ));
    let yesterday = SystemClock.now_micros() - 86_400_000_000;
    let record = r#"[{"Id":"6f1f5c3e-0000-4000-8000-000000000001","CreationTime":"2026-10-01T08:00:00","Operation":"UserLoggedIn","OrganizationId":"0fad12b5-8d6a-4c43-a01f-e6d0a0d0e1c7","RecordType":15,"UserId":"ada@contoso.com","UserType":0,"Workload":"AzureActiveDirectory"}]"#;
    tenant.publish("Audit.AzureActiveDirectory", yesterday, record.into());
    Ok(service)
}
