//! All integrations of a lake, collected side by side.
//!
//! A host with a scheduler calls [`Collector::poll_once`]; one without calls [`Collector::run`], which goes on until it
//! is cancelled. Both stop within seconds of being told, and lose nothing: what was committed stays, what was not is
//! done again.

mod holder;
mod summary;
mod tenant;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use audit_lake::{Clock, Lake, TenantId};
use futures::{StreamExt, stream};
use tokio::sync::{Notify, Semaphore};
use tokio::task::{self, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::api::{BLOB_BYTES_MAX, HttpClient, HttpError, REQUESTS_PER_MINUTE, Timeouts};
use crate::check;
use crate::collect::{CollectOptions, Shared};
use crate::credential::CredentialProvider;
use crate::health::Health;
use crate::integration::{Integration, IntegrationError};
use crate::lease::HolderInfo;
use crate::pace::{Pace, SystemPace};
use crate::prerequisites::{Prerequisite, prerequisites};
use crate::registry::Integrations;
pub use summary::{Metrics, PollSummary, TenantOutcome, TenantSummary};
use tenant::Tenant;

/// How long [`Collector::catch_up`] waits for what is due a little later.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it does so without anything having come of it.
const VAIN_POLLS_MAX: u32 = 4;

/// How a collector works.
#[derive(Debug, Clone)]
pub struct CollectorOptions {
    /// How each tenant is collected.
    pub collect: CollectOptions,
    /// How often a tenant is asked for what is new.
    pub poll_every: Duration,
    /// How long a collector that died keeps others from its tenants.
    pub lease: Duration,
    /// Tenants that are collected at a time; the others wait for their turn.
    pub tenants_at_once: usize,
    /// How long servers are waited for.
    pub timeouts: Timeouts,
    /// Requests a minute for each tenant.
    pub requests_per_minute: u32,
    /// A blob with more bytes is called lost.
    pub blob_bytes_max: u64,
    /// Who this collector is, for the lease; `None`: a new id on this machine.
    pub holder: Option<HolderInfo>,
}

impl Default for CollectorOptions {
    fn default() -> Self {
        Self {
            collect: CollectOptions::default(),
            poll_every: Duration::from_secs(60),
            lease: Duration::from_secs(30),
            tenants_at_once: 8,
            timeouts: Timeouts::default(),
            requests_per_minute: REQUESTS_PER_MINUTE,
            blob_bytes_max: BLOB_BYTES_MAX,
            holder: None,
        }
    }
}

/// Why a collector cannot work at all. What is wrong with one tenant is in its [`TenantSummary`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CollectorError {
    /// The integrations cannot be read.
    #[error(transparent)]
    Integrations(#[from] IntegrationError),
    /// There is no HTTPS on this machine.
    #[error(transparent)]
    Http(#[from] HttpError),
}

/// Collects the integrations of a lake. Cheap to clone.
#[derive(Clone)]
pub struct Collector {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    shared: Arc<Shared>,
    integrations: Integrations,
    http: HttpClient,
    provider: Arc<dyn CredentialProvider>,
    clock: Arc<dyn Clock>,
    pace: Arc<dyn Pace>,
    options: CollectorOptions,
    holder: HolderInfo,
    turns: Semaphore,
    tenants: Mutex<BTreeMap<TenantId, Arc<tokio::sync::Mutex<Tenant>>>>,
    /// Wakes those who wait to ask a tenant again.
    hints: Mutex<BTreeMap<TenantId, Arc<Notify>>>,
    metrics: summary::Counters,
}

/// The lake's clock, for those who keep one.
#[derive(Debug)]
struct LakeClock(Lake);

impl Clock for LakeClock {
    fn now_micros(&self) -> i64 {
        self.0.clock().now_micros()
    }
}

impl std::fmt::Debug for Collector {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Collector")
            .field("lake", &self.inner.shared.lake)
            .field("holder", &self.inner.holder)
            .finish_non_exhaustive()
    }
}

impl Collector {
    /// A collector of the lake's integrations, by the lake's clock; nothing is asked yet.
    ///
    /// # Errors
    ///
    /// Where the machine cannot do HTTPS.
    pub fn new(
        lake: Lake,
        provider: Arc<dyn CredentialProvider>,
        options: CollectorOptions,
    ) -> Result<Self, CollectorError> {
        Self::with_pace(lake, provider, Arc::new(SystemPace), options)
    }

    /// A collector that waits as `pace` says.
    ///
    /// # Errors
    ///
    /// Where the machine cannot do HTTPS.
    pub fn with_pace(
        lake: Lake,
        provider: Arc<dyn CredentialProvider>,
        pace: Arc<dyn Pace>,
        options: CollectorOptions,
    ) -> Result<Self, CollectorError> {
        let holder = options.holder.clone();
        let holder = holder.unwrap_or_else(|| holder::of_this_process(lake.ids()));
        let shared = Shared {
            lake: lake.clone(),
            pace: Arc::clone(&pace),
            options: options.collect.clone(),
            ingests: Semaphore::new(1),
        };
        Ok(Self {
            inner: Arc::new(Inner {
                shared: Arc::new(shared),
                clock: Arc::new(LakeClock(lake.clone())),
                integrations: Integrations::new(lake),
                http: HttpClient::try_new(&options.timeouts)?,
                provider,
                pace,
                holder,
                turns: Semaphore::new(options.tenants_at_once.max(1)),
                tenants: Mutex::default(),
                hints: Mutex::default(),
                metrics: summary::Counters::default(),
                options,
            }),
        })
    }

    /// The integrations that it collects.
    pub fn integrations(&self) -> &Integrations {
        &self.inner.integrations
    }

    /// Counts since it was made.
    pub fn metrics(&self) -> Metrics {
        self.inner.metrics.read()
    }

    /// Asks each tenant once for what is new, takes in what there is, and returns. `only`: these tenants; `None`: all.
    ///
    /// # Errors
    ///
    /// If the integrations cannot be read. Trouble with a tenant is in its part of the summary.
    pub async fn poll_once(
        &self,
        only: Option<&BTreeSet<TenantId>>,
        cancel: &CancellationToken,
    ) -> Result<PollSummary, CollectorError> {
        let summary = self.poll_all(only, cancel).await;
        self.release(only).await;
        summary
    }

    /// Polls until nothing is due any more: what failed in a way that passes is tried again for a while.
    ///
    /// # Errors
    ///
    /// As [`poll_once`](Self::poll_once).
    pub async fn catch_up(
        &self,
        only: Option<&BTreeSet<TenantId>>,
        cancel: &CancellationToken,
    ) -> Result<PollSummary, CollectorError> {
        let mut total = PollSummary::default();
        let mut vain = 0;
        loop {
            let summary = self.poll_all(only, cancel).await?;
            vain = if summary.settled() > 0 { 0 } else { vain + 1 };
            let wait = summary.due_in();
            total = total.followed_by(summary);
            let wait = wait.filter(|wait| *wait <= PATIENCE && vain < VAIN_POLLS_MAX);
            let Some(wait) = wait.filter(|_| !cancel.is_cancelled()) else {
                break;
            };
            tokio::select! {
                () = self.inner.pace.sleep(wait) => {}
                () = cancel.cancelled() => break,
            }
        }
        self.release(only).await;
        Ok(total)
    }

    /// Collects until it is cancelled. Integrations that are added, paused, resumed or removed meanwhile are seen.
    ///
    /// # Errors
    ///
    /// If the integrations cannot be read at the beginning. Later, that is tried again.
    pub async fn run(
        &self,
        only: Option<&BTreeSet<TenantId>>,
        cancel: &CancellationToken,
    ) -> Result<(), CollectorError> {
        let mut at_work: HashMap<task::Id, TenantId> = HashMap::new();
        let mut tasks = JoinSet::new();
        let mut integrations = self.collected(only).await?;
        while !cancel.is_cancelled() {
            for (tenant, integration) in integrations {
                if let Err(error) = integration {
                    tracing::warn!(%tenant, %error, "the integration cannot be read; it is tried again");
                } else if !at_work.values().any(|at_work| *at_work == tenant) {
                    let (inner, cancel) = (Arc::clone(&self.inner), cancel.clone());
                    let task = tasks.spawn(async move { inner.follow(tenant, &cancel).await });
                    at_work.insert(task.id(), tenant);
                }
            }
            tokio::select! {
                () = self.inner.pace.sleep(self.inner.options.poll_every) => {}
                () = cancel.cancelled() => break,
            }
            // One that was paused or removed has ended, and may come back; one that panicked is begun anew.
            while let Some(ended) = tasks.try_join_next_with_id() {
                let id = ended.map_or_else(|panic| panic.id(), |(id, ())| id);
                at_work.remove(&id);
            }
            integrations = match self.collected(only).await {
                Ok(integrations) => integrations,
                Err(error) => {
                    tracing::warn!(%error, "the integrations cannot be read; they are tried again");
                    Vec::new()
                }
            };
        }
        while tasks.join_next().await.is_some() {}
        self.release(only).await;
        Ok(())
    }

    /// Asks the service whether what has to be so before records can come is so, and says what an administrator does.
    ///
    /// # Errors
    ///
    /// If the integration or the lake cannot be read. What the service says is in the answer.
    pub async fn check(&self, tenant: TenantId) -> Result<Vec<Prerequisite>, CollectorError> {
        let inner = &self.inner;
        let integration = inner.integrations.get(tenant).await?;
        let health: Option<Health> = inner.integrations.health(tenant).await?;
        let seen = check::observe(
            &tenant::client(inner, &integration.config),
            &integration.config,
            inner.provider.as_ref(),
            &inner.shared.lake,
            health.as_ref(),
        )
        .await
        .map_err(IntegrationError::from)?;
        Ok(prerequisites(&seen))
    }

    /// Makes a tenant that [`run`](Self::run) collects be asked soon, as after a notification. Any other is let be: whoever
    /// sends notifications chooses what they name.
    pub fn hint(&self, tenant: TenantId) {
        if let Some(hinted) = self.inner.hints().get(&tenant) {
            hinted.notify_one();
        }
    }

    async fn collected(
        &self,
        only: Option<&BTreeSet<TenantId>>,
    ) -> Result<Vec<(TenantId, Result<Integration, IntegrationError>)>, CollectorError> {
        let mut integrations = self.inner.integrations.list_each().await?;
        integrations.retain(|(tenant, integration)| {
            let is_collected = integration.as_ref().map_or(true, Integration::is_collected);
            is_collected && only.is_none_or(|only| only.contains(tenant))
        });
        Ok(integrations)
    }

    async fn poll_all(
        &self,
        only: Option<&BTreeSet<TenantId>>,
        cancel: &CancellationToken,
    ) -> Result<PollSummary, CollectorError> {
        let integrations = self.collected(only).await?;
        let polls = stream::iter(integrations)
            .map(|(tenant, integration)| async move {
                match integration {
                    Ok(integration) => self.inner.poll(integration, cancel).await,
                    Err(error) => {
                        TenantSummary::new(tenant, TenantOutcome::Failed(error.to_string()))
                    }
                }
            })
            .buffer_unordered(self.inner.options.tenants_at_once.max(1));
        let mut tenants: Vec<TenantSummary> = polls.collect().await;
        tenants.sort_by_key(|summary| summary.tenant);
        Ok(PollSummary { tenants })
    }

    async fn release(&self, only: Option<&BTreeSet<TenantId>>) {
        let tenants: Vec<_> = {
            let tenants = self.inner.tenants();
            let wanted = |tenant: &TenantId| only.is_none_or(|only| only.contains(tenant));
            (tenants.iter())
                .filter(|(tenant, _)| wanted(tenant))
                .map(|(_, state)| Arc::clone(state))
                .collect()
        };
        for tenant in tenants {
            tenant.lock().await.release().await;
        }
    }
}

impl Inner {
    fn tenants(
        &self,
    ) -> std::sync::MutexGuard<'_, BTreeMap<TenantId, Arc<tokio::sync::Mutex<Tenant>>>> {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tenant(&self, tenant: TenantId) -> Arc<tokio::sync::Mutex<Tenant>> {
        let mut tenants = self.tenants();
        let state = tenants
            .entry(tenant)
            .or_insert_with(|| Arc::new(tokio::sync::Mutex::new(Tenant::new(self, tenant))));
        Arc::clone(state)
    }

    fn hints(&self) -> std::sync::MutexGuard<'_, BTreeMap<TenantId, Arc<Notify>>> {
        self.hints.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn poll(&self, integration: Integration, cancel: &CancellationToken) -> TenantSummary {
        let tenant = self.tenant(integration.tenant());
        let mut tenant = tenant.lock().await;
        let span = tracing::info_span!("collect", tenant = %integration.tenant());
        let polling = tenant.poll(self, integration, cancel);
        let summary = polling.instrument(span).await;
        self.metrics.polled(&summary);
        summary
    }

    /// Polls a tenant again and again, until it is no longer collected or all is cancelled.
    async fn follow(&self, tenant: TenantId, cancel: &CancellationToken) {
        let hinted = Arc::clone(self.hints().entry(tenant).or_default());
        loop {
            let integration = match self.integrations.get(tenant).await {
                Ok(integration) if integration.is_collected() => Some(integration),
                Ok(_) | Err(IntegrationError::NotFound { .. }) => break,
                Err(error) => {
                    tracing::warn!(%tenant, %error, "the integration cannot be read; it is tried again");
                    None
                }
            };
            let mut wait = self.options.poll_every;
            if let Some(integration) = integration {
                let Ok(_turn) = self.turns.acquire().await else {
                    break;
                };
                let summary = self.poll(integration, cancel).await;
                wait = wait
                    .min(summary.due_in().unwrap_or(wait))
                    .max(Duration::from_secs(1));
            }
            if !self.rest(tenant, wait, &hinted, cancel).await {
                break;
            }
        }
        let state = self.tenant(tenant);
        state.lock().await.release().await;
        self.tenants().remove(&tenant);
        self.hints().remove(&tenant);
    }

    /// Waits, and keeps the lease. False: all is cancelled.
    async fn rest(
        &self,
        tenant: TenantId,
        wait: Duration,
        hinted: &Notify,
        cancel: &CancellationToken,
    ) -> bool {
        let state = self.tenant(tenant);
        let mut left = wait;
        while !left.is_zero() {
            let step = left
                .min(self.options.lease / 3)
                .max(Duration::from_millis(1));
            tokio::select! {
                () = self.pace.sleep(step) => {}
                () = hinted.notified() => return true,
                () = cancel.cancelled() => return false,
            }
            state.lock().await.renew().await;
            left = left.saturating_sub(step);
        }
        !cancel.is_cancelled()
    }
}

#[cfg(test)]
mod tests;
