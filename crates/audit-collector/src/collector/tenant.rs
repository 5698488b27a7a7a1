//! One tenant between polls: its lease, and what is remembered of it.

use std::sync::Arc;

use audit_lake::TenantId;
use tokio_util::sync::CancellationToken;

use super::Inner;
use super::holder::is_dead;
use super::summary::{TenantOutcome, TenantSummary};
use crate::api::{ApiClient, ApiSettings, ApiUsage};
use crate::collect::{Polled, TenantCollector};
use crate::health::{Health, StopCause};
use crate::integration::{Integration, IntegrationConfig, IntegrationState, StateEvent};
use crate::lease::{HolderInfo, Lease, LeaseState};
use crate::timeline::Windows;

pub(super) struct Tenant {
    lease: Lease,
    /// What it was made for; another configuration begins anew.
    collecting: Option<(IntegrationConfig, TenantCollector)>,
}

impl Tenant {
    pub(super) fn new(inner: &Inner, tenant: TenantId) -> Self {
        Self {
            lease: lease(inner, tenant, inner.holder.clone()),
            collecting: None,
        }
    }

    pub(super) async fn release(&mut self) {
        if let Err(error) = self.lease.release().await {
            tracing::debug!(%error, "a lease could not be released: it runs out");
        }
    }

    pub(super) async fn renew(&mut self) {
        if self.lease.is_held()
            && let Err(error) = self.lease.renew().await
        {
            tracing::debug!(%error, "a lease could not be renewed");
        }
    }

    pub(super) async fn poll(
        &mut self,
        inner: &Inner,
        integration: Integration,
        cancel: &CancellationToken,
    ) -> TenantSummary {
        let tenant = integration.tenant();
        match self.lead(inner, tenant).await {
            Ok(None) => {}
            Ok(Some(holder)) => {
                // What was remembered is old when this one leads again.
                self.collecting = None;
                let mut summary = TenantSummary::new(tenant, TenantOutcome::LedByOther(holder));
                summary.due_in = Some(inner.options.lease / 3);
                return summary;
            }
            Err(error) => {
                return TenantSummary::new(tenant, TenantOutcome::Failed(error.to_string()));
            }
        }
        match self.collect(inner, &integration, cancel).await {
            Ok((polled, health, backlog, usage)) => {
                let mut summary = TenantSummary::new(tenant, TenantOutcome::Polled);
                summary.settled = polled.settled;
                summary.records = polled.records;
                summary.backlog = backlog as u64;
                summary.usage = usage;
                summary.due_in = polled.next_due.map(|due| {
                    let micros = u64::try_from(due.saturating_sub(health.at_micros));
                    std::time::Duration::from_micros(micros.unwrap_or(0))
                });
                if let Err(error) = self.report(inner, &integration, &health).await {
                    tracing::warn!(%tenant, %error, "how the tenant is doing could not be written down");
                }
                summary.health = Some(health);
                summary
            }
            Err(error) => {
                // What it knows may be wrong now: the ledger is read again.
                let known = self.collecting.take();
                tracing::warn!(%tenant, %error, "the lake is in the way");
                let outcome = TenantOutcome::Failed(error.to_string());
                let mut summary = TenantSummary::new(tenant, outcome);
                summary.backlog = known.map_or(0, |(_, collector)| collector.backlog() as u64);
                summary
            }
        }
    }

    /// Leads the tenant, or says who does.
    async fn lead(
        &mut self,
        inner: &Inner,
        tenant: TenantId,
    ) -> Result<Option<HolderInfo>, crate::IntegrationError> {
        match self.lease.acquire().await? {
            LeaseState::Held { .. } => Ok(None),
            LeaseState::HeldByOther { holder, .. } if is_dead(&holder, &inner.holder) => {
                // As if it had started again.
                self.lease = lease(
                    inner,
                    tenant,
                    HolderInfo {
                        id: holder.id,
                        ..inner.holder.clone()
                    },
                );
                match self.lease.acquire().await? {
                    LeaseState::Held { .. } => Ok(None),
                    LeaseState::HeldByOther { holder, .. } => Ok(Some(holder)),
                }
            }
            LeaseState::HeldByOther { holder, .. } => Ok(Some(holder)),
        }
    }

    async fn collect(
        &mut self,
        inner: &Inner,
        integration: &Integration,
        cancel: &CancellationToken,
    ) -> audit_lake::Result<(Polled, Health, usize, ApiUsage)> {
        let config = &integration.config;
        let is_first = self
            .collecting
            .as_ref()
            .is_none_or(|(made_for, _)| made_for != config);
        if is_first {
            let collector = TenantCollector::new(
                Arc::clone(&inner.shared),
                client(inner, config),
                config.content_types.iter().copied().collect(),
                std::time::Duration::from_secs(u64::from(config.late_hours) * 3_600),
            )
            .await?;
            self.collecting = Some((config.clone(), collector));
        }
        let Some((_, collector)) = &mut self.collecting else {
            return Err(audit_lake::Error::Internal {
                message: "a collector was made and is not there".to_owned(),
            });
        };
        let windows = match is_first {
            true => Windows::All,
            false => Windows::Due,
        };
        let before = collector.usage();
        // What another collector does not know is lost with the lease: it stops before that.
        let cancel = cancel.child_token();
        let polled = {
            let mut poll = std::pin::pin!(collector.poll(windows, &cancel));
            loop {
                tokio::select! {
                    polled = &mut poll => break polled,
                    () = inner.pace.time_limit(inner.options.lease / 3) => {
                        if let Err(error) = self.lease.renew().await {
                            tracing::debug!(%error, "a lease could not be renewed");
                        }
                        if !self.lease.is_held() {
                            cancel.cancel();
                        }
                    }
                }
            }
        }?;
        let usage = collector.usage().since(before);
        Ok((polled, collector.health(), collector.backlog(), usage))
    }

    /// Writes down how the tenant is doing, and what became of its integration.
    async fn report(
        &self,
        inner: &Inner,
        integration: &Integration,
        health: &Health,
    ) -> Result<(), crate::IntegrationError> {
        let tenant = integration.tenant();
        inner.integrations.save_health(tenant, health).await?;
        for event in events(health, integration.state.state) {
            inner.integrations.set_state(tenant, &event).await?;
        }
        Ok(())
    }
}

fn lease(inner: &Inner, tenant: TenantId, holder: HolderInfo) -> Lease {
    Lease::new(
        &inner.shared.lake,
        tenant,
        holder,
        Arc::clone(&inner.clock),
        inner.options.lease,
    )
}

pub(super) fn client(inner: &Inner, config: &IntegrationConfig) -> ApiClient {
    let settings = ApiSettings {
        publisher_id: config.publisher_id,
        timeouts: inner.options.timeouts,
        requests_per_minute: inner.options.requests_per_minute,
        blob_bytes_max: inner.options.blob_bytes_max,
        ..ApiSettings::new(config.cloud.clone(), config.tenant, config.client_id)
    };
    ApiClient::new(
        inner.http.clone(),
        settings,
        Arc::clone(&inner.provider),
        Arc::clone(&inner.clock),
        Arc::clone(&inner.pace),
    )
}

/// What the integration goes through, by how the tenant is doing and the state it is in.
fn events(health: &Health, state: IntegrationState) -> Vec<StateEvent> {
    let of_all = health.stopped.as_ref().or_else(|| {
        // All content types stopped, by what somebody has to mend.
        let mut stops = health
            .content_types
            .values()
            .map(|feed| feed.stopped.as_ref());
        let first = stops.next().flatten()?;
        let is_mended_by_somebody = |stop: &crate::Stop| !stop.cause.is_passing();
        let others = stops.all(|stop| stop.is_some_and(is_mended_by_somebody));
        (is_mended_by_somebody(first) && others).then_some(first)
    });
    match of_all {
        // What passes by itself is no failure. Of one that is failing it is what is seen now: what was in the way before may
        // have been put right.
        Some(stop) if stop.cause.is_passing() && state != IntegrationState::Failing => Vec::new(),
        Some(stop) if stop.cause == StopCause::Consent => vec![StateEvent::ConsentMissing {
            reason: stop.message.clone(),
        }],
        Some(stop) => vec![StateEvent::Failed {
            reason: stop.message.clone(),
        }],
        None => {
            let has_data =
                (health.content_types.values()).any(|feed| feed.last_blob_micros.is_some());
            let connected = [StateEvent::Consented, StateEvent::Connected { has_data }];
            let stored = has_data.then_some(StateEvent::DataStored);
            connected.into_iter().chain(stored).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::Stop;

    /// One line a state of the integration and a cause: what is said of it.
    #[test]
    fn a_reason_is_that_of_the_last_poll() {
        use IntegrationState as S;
        for (state, cause, is_said) in [
            (S::Active, StopCause::Credential, true),
            (S::Failing, StopCause::Credential, true),
            (S::Active, StopCause::Unavailable, false),
            (S::AwaitingConsent, StopCause::Throttled, false),
            (S::Failing, StopCause::Unavailable, true),
            (S::Failing, StopCause::Throttled, true),
        ] {
            let health = Health {
                stopped: Some(Stop {
                    cause,
                    since_micros: 0,
                    message: "what is seen now".to_owned(),
                }),
                ..Health::default()
            };
            let said = StateEvent::Failed {
                reason: "what is seen now".to_owned(),
            };
            let expected = if is_said { vec![said] } else { Vec::new() };
            assert_eq!(events(&health, state), expected, "{state}, {cause}");
        }
    }
}
