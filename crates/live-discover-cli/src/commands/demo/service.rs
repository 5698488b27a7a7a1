//! The made-up tenant: a service in the process that answers as Microsoft 365 does, and its integration.

use std::sync::Arc;

use audit_testkit::api::{ApiServer, ApiServerOptions, AppRegistration};
use audit_testkit::{Counts, Generator, GeneratorOptions};
use chrono::DateTime;
use tokio_util::sync::CancellationToken;
use url::Url;
use uuid::Uuid;

use super::super::collect::{Arrivals, is_failure, showing_progress};
use super::super::ingest::bar;
use crate::failure::Failure;
use crate::library::{
    Cloud, Collector, CollectorOptions, Credential, CredentialError, CredentialProvider,
    Integration, IntegrationConfig, IntegrationError, IntegrationState, Integrations,
    InternalNetworks, Lake, Networks, PollSummary, Secret, TenantId, TenantOutcome,
};

/// Offices of the generator's organisation.
pub(super) const NETWORK: &str = "192.0.2.0/24";
/// The domain of its users.
pub(super) const DOMAIN: &str = "contoso.onmicrosoft.com";

/// Days of records: all of them can still be listed.
const DAYS: u32 = 6;
const HOUR_MICROS: i64 = 3_600_000_000;
const MINUTE_MICROS: i64 = 60_000_000;

const CLIENT_ID: Uuid = Uuid::from_u128(0x5d1f_0c2b_7a3e_4c88_b1d6_90e4_a2f3_7c15);

/// The service while it runs.
pub(super) struct Service {
    server: ApiServer,
    secret: Secret,
    pub(super) tenant: TenantId,
    pub(super) counts: Counts,
}

impl Service {
    /// Starts it, with its clock at `as_of_micros`. The same number and time make the same content.
    pub(super) async fn start(records: u64, as_of_micros: i64) -> Result<Self, Failure> {
        let server = ApiServer::start(ApiServerOptions {
            now_micros: as_of_micros,
            clock_runs: true,
            ..ApiServerOptions::default()
        });
        let server = server.await.map_err(|error| {
            Failure::new(format!("the made-up service could not be started: {error}"))
        })?;
        let secret = Secret::new(Uuid::new_v4().to_string());
        let filling = tokio::task::spawn_blocking(move || {
            let filled = fill(&server, &secret, records, as_of_micros);
            filled.map(|(tenant, counts)| Self {
                server,
                secret,
                tenant,
                counts,
            })
        });
        filling
            .await
            .map_err(|error| Failure::new(error.to_string()))?
    }

    pub(super) fn management_root(&self) -> String {
        self.server.management_root()
    }

    /// Adds the integration, or lets the one of before go on at the address of today.
    pub(super) async fn connect(&self, lake: &Lake) -> Result<(), Failure> {
        let integrations = Integrations::new(lake.clone());
        let cloud = self.cloud()?;
        match integrations.get(self.tenant).await {
            Ok(there) if there.state.state != IntegrationState::Removed => {
                let edit = |config: &mut IntegrationConfig| config.cloud = cloud.clone();
                integrations.reconfigure(self.tenant, edit).await?;
                integrations.resume(self.tenant).await?;
            }
            Ok(_) | Err(IntegrationError::NotFound { .. }) => {
                self.add(&integrations, cloud).await?;
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    async fn add(
        &self,
        integrations: &Integrations,
        cloud: Cloud,
    ) -> Result<Integration, IntegrationError> {
        let mut config = IntegrationConfig::new(self.tenant, CLIENT_ID)?;
        config.name = Some("made up by the demo".to_owned());
        config.cloud = cloud;
        let networks = InternalNetworks::default()
            .with_network(NETWORK)?
            .with_domain(DOMAIN)?;
        integrations.add(config, Networks::Given(networks)).await
    }

    fn cloud(&self) -> Result<Cloud, Failure> {
        let url = |text: String| {
            Url::parse(&text).map_err(|error| Failure::new(format!("`{text}`: {error}")))
        };
        let management_root = url(self.server.management_root())?;
        let login_root = url(self.server.login_root())?;
        Cloud::custom(management_root, login_root).map_err(|error| Failure::new(error.to_string()))
    }

    /// Takes in all that there is.
    pub(super) async fn collect(&self, lake: &Lake) -> Result<PollSummary, Failure> {
        let options = CollectorOptions {
            // Nobody else is served.
            requests_per_minute: u32::MAX,
            ..CollectorOptions::default()
        };
        let provider = Arc::new(OneSecret(self.secret.clone()));
        let collector = Collector::new(lake.clone(), provider, options)?;
        let mut arrivals = Arrivals::new(lake, &[self.tenant]).await?;
        let (only, cancel) = ([self.tenant].into(), CancellationToken::new());
        let collecting = collector.catch_up(Some(&only), &cancel);
        let summary = showing_progress(&mut arrivals, 0, collecting).await?;
        for tenant in &summary.tenants {
            let stop = (tenant.health.iter())
                .flat_map(|health| health.stops())
                .find(|(_, stop)| is_failure(stop));
            match (&tenant.outcome, stop) {
                (TenantOutcome::Polled, None) => {}
                (TenantOutcome::Polled, Some((_, stop))) => {
                    return Err(Failure::new(stop.message.clone()));
                }
                (TenantOutcome::Failed(message), _) => return Err(Failure::new(message.clone())),
                _ => {
                    return Err(Failure::new("another demo collects into this folder")
                        .with_hint("wait for it, or choose another folder with --dir"));
                }
            }
        }
        Ok(summary)
    }

    /// The service ends with the process: nobody shall look for it.
    pub(super) async fn disconnect(&self, lake: &Lake) -> Result<(), Failure> {
        let reason = "the made-up service ended with the demo";
        Integrations::new(lake.clone())
            .pause(self.tenant, Some(reason))
            .await?;
        Ok(())
    }
}

/// Makes the tenant and its content.
fn fill(
    server: &ApiServer,
    secret: &Secret,
    records: u64,
    as_of_micros: i64,
) -> Result<(TenantId, Counts), Failure> {
    let bar = bar(
        records,
        "{bar:30} {human_pos}/{human_len} records generated",
    );
    let first_micros = as_of_micros - i64::from(DAYS) * 24 * HOUR_MICROS;
    let mut generator = Generator::new(GeneratorOptions {
        records,
        days: DAYS,
        // Its hours are whole ones, and the last one ends before now.
        start_micros: first_micros.div_euclid(HOUR_MICROS) * HOUR_MICROS,
        ..GeneratorOptions::default()
    });
    let mut tenant = None;
    while let Some(blob) = generator.next() {
        let handle = tenant.get_or_insert_with(|| {
            let handle = server.tenant(&blob.tenant_id);
            let app = AppRegistration::with_secret(&CLIENT_ID.to_string(), secret.expose());
            handle.register(app);
            handle.configure(|settings| settings.quota_per_minute = u64::MAX);
            handle
        });
        // Nothing is available before it is, or so long ago that it cannot be listed.
        let created = DateTime::parse_from_rfc3339(&blob.content_created);
        let created = created.map_or(first_micros, |time| time.timestamp_micros());
        let created = created.clamp(first_micros, as_of_micros - MINUTE_MICROS);
        handle.publish(blob.content_type, created, blob.body.into());
        bar.set_position(generator.counts().distinct);
    }
    bar.finish_and_clear();
    let tenant = tenant.map(|handle| handle.id().parse());
    match tenant {
        Some(Ok(tenant)) => Ok((tenant, generator.counts())),
        _ => Err(Failure::new("the generator made no records of a tenant")),
    }
}

/// The credential of the made-up tenant.
struct OneSecret(Secret);

#[async_trait::async_trait]
impl CredentialProvider for OneSecret {
    async fn credential(
        &self,
        _tenant: TenantId,
        _client_id: Uuid,
    ) -> Result<Credential, CredentialError> {
        Ok(Credential::ClientSecret(self.0.clone()))
    }
}
