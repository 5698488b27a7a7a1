//! The integrations of a lake, kept by compare-and-swap.
//!
//! Why they are kept as they are: `docs/decisions/0011-integrations.md`.

use audit_lake::{
    Change, DocumentKind, Documents, InternalNetworks, Lake, NetworksDecision, TenantId,
};
use futures::StreamExt;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::integration::{self, Integration, IntegrationConfig, IntegrationError, StateEvent};
use crate::lease;

const CONFIGURATION: &str = "configuration";
const HEALTH: &str = "health";

/// How often a change is tried that others come before.
const CHANGES_MAX: usize = 8;
/// Integrations that are read at once.
const READS_MAX: usize = 16;

type Result<T, E = IntegrationError> = std::result::Result<T, E>;

/// What is said of the customer's own networks and domains when an integration is added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Networks {
    /// These are the customer's own, beside the private ranges and what the lake has of other tenants.
    Given(InternalNetworks),
    /// There are none, or none are to be given.
    Declined,
    /// As it was decided for the lake before.
    Keep,
}

/// What becomes of the data of an integration that is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Removal {
    /// It stays, and can be asked.
    #[default]
    KeepData,
    /// All that the lake has of the tenant is deleted, for good.
    DeleteData,
}

/// The integrations of a lake.
///
/// Any number of programs may change them at the same time: a change is made as a whole, on what is there, or not at
/// all.
///
/// # Example
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use audit_collector::{IntegrationConfig, IntegrationError, Integrations, Networks};
/// use audit_lake::{Lake, LakeOptions};
///
/// let lake = Lake::create_or_open("memory://example", LakeOptions::default()).await?;
/// let integrations = Integrations::new(lake);
/// let tenant = "0fad12b5-8d6a-4c43-a01f-e6d0a0d0e1c7".parse()?;
/// let config = IntegrationConfig::new(tenant, uuid::Uuid::from_u128(7))?;
///
/// let refused = integrations.add(config.clone(), Networks::Keep).await;
/// assert!(matches!(refused, Err(IntegrationError::NetworksUndecided)));
///
/// let networks = Networks::Given("203.0.113.0/24 contoso.com".parse()?);
/// let integration = integrations.add(config, networks).await?;
/// assert_eq!(integration.state.state.as_str(), "awaiting_consent");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Integrations {
    lake: Lake,
}

impl Integrations {
    /// Those of the lake.
    pub fn new(lake: Lake) -> Self {
        Self { lake }
    }

    /// Adds an integration. It awaits consent.
    ///
    /// A tenant whose integration was removed gets another one over the data that is there.
    ///
    /// # Errors
    ///
    /// [`IntegrationError::InvalidInput`] for a configuration that cannot be used, [`IntegrationError::NetworksUndecided`]
    /// for [`Networks::Keep`] where nobody has decided yet, [`IntegrationError::Exists`].
    pub async fn add(&self, config: IntegrationConfig, networks: Networks) -> Result<Integration> {
        config.check()?;
        let tenant = config.tenant;
        match self.read(tenant).await?.1 {
            Some(there) if !there.is_removed() => return Err(IntegrationError::Exists { tenant }),
            // Somebody was interrupted: tables that are half there are of no use.
            Some(there) if there.is_being_deleted => self.delete(tenant).await?,
            _ => {}
        }
        // First, so that no integration is there without it.
        self.decide(networks).await?;
        let lake = &self.lake;
        let new = Integration::new(config, lake.ids().next_id(), lake.clock().now_micros());
        self.change(tenant, |there| match there {
            None => Ok(Some(new.clone())),
            Some(there) if there.is_removed() => Ok(Some(new.clone())),
            // Ours, and its answer was lost.
            Some(there) if there.id == new.id => Ok(None),
            Some(_) => Err(IntegrationError::Exists { tenant }),
        })
        .await
    }

    /// All integrations that were not removed, by tenant.
    ///
    /// # Errors
    ///
    /// What the lake says.
    pub async fn list(&self) -> Result<Vec<Integration>> {
        let each = self.list_each().await?.into_iter();
        each.map(|(_, integration)| integration).collect()
    }

    /// As [`list`](Self::list), where one that cannot be read does not stand in the way of the others: in its place is why.
    ///
    /// # Errors
    ///
    /// If the tenants cannot be listed.
    pub async fn list_each(&self) -> Result<Vec<(TenantId, Result<Integration>)>> {
        let each = futures::stream::iter(self.lake.tenants().await?)
            .map(|tenant| async move { (tenant, self.read(tenant).await) })
            .buffered(READS_MAX)
            .filter_map(|(tenant, read)| {
                let there = match read {
                    Ok((_, there)) => there.filter(|there| !there.is_removed()).map(Ok),
                    Err(error) => Some(Err(error)),
                };
                std::future::ready(there.map(|there| (tenant, there)))
            });
        Ok(each.collect().await)
    }

    /// The integration of a tenant, also one that was removed and whose data was kept: its state says so.
    ///
    /// # Errors
    ///
    /// [`IntegrationError::NotFound`] if there is none; what the lake says.
    pub async fn get(&self, tenant: TenantId) -> Result<Integration> {
        let (_, there) = self.read(tenant).await?;
        there.ok_or(IntegrationError::NotFound { tenant })
    }

    /// Changes how a tenant is connected: `edit` gets what there is. It is called again if somebody else was first.
    ///
    /// # Errors
    ///
    /// [`IntegrationError::NotFound`], also for one that was removed, and [`IntegrationError::InvalidInput`].
    pub async fn reconfigure(
        &self,
        tenant: TenantId,
        edit: impl Fn(&mut IntegrationConfig) + Send + Sync,
    ) -> Result<Integration> {
        self.change_present(tenant, |there| {
            let mut next = there.clone();
            edit(&mut next.config);
            next.config.check()?;
            if next.tenant() != tenant {
                return Err(IntegrationError::invalid(
                    "an integration stays with its tenant: add one for the other",
                ));
            }
            Ok((next != *there).then_some(next))
        })
        .await
    }

    /// Stops collecting for a time. Pausing what is paused changes nothing.
    ///
    /// # Errors
    ///
    /// As [`Integrations::set_state`].
    pub async fn pause(&self, tenant: TenantId, reason: Option<&str>) -> Result<Integration> {
        let reason = reason.map(str::to_owned);
        self.set_state(tenant, &StateEvent::Paused { reason }).await
    }

    /// Goes on collecting. Resuming what is not paused changes nothing.
    ///
    /// # Errors
    ///
    /// As [`Integrations::set_state`].
    pub async fn resume(&self, tenant: TenantId) -> Result<Integration> {
        self.set_state(tenant, &StateEvent::Resumed).await
    }

    /// Changes the state by what happened, where it is a change ([`crate::StateSince::after`]).
    ///
    /// # Errors
    ///
    /// [`IntegrationError::NotFound`], also for one that was removed; [`IntegrationError::Conflict`]; what the lake
    /// says.
    pub async fn set_state(&self, tenant: TenantId, event: &StateEvent) -> Result<Integration> {
        let now_micros = self.lake.clock().now_micros();
        self.change_present(tenant, |there| {
            let state = there.state.after(event, now_micros);
            Ok(state.map(|state| Integration {
                state,
                ..there.clone()
            }))
        })
        .await
    }

    /// Stops collecting for good. The tenant's data stays unless it is to be deleted, which takes all that the lake has
    /// of the tenant. Removing what was removed does what is left to be done.
    ///
    /// Other processes that have the tenant's tables open see errors after its data was deleted, until they open the
    /// lake again.
    ///
    /// # Errors
    ///
    /// [`IntegrationError::NotFound`]; [`IntegrationError::InUse`] for data that a collector may be adding to: the
    /// integration is removed, and nothing is deleted yet; what the lake says. Do it again.
    pub async fn remove(&self, tenant: TenantId, removal: Removal) -> Result<()> {
        let now_micros = self.lake.clock().now_micros();
        let event = StateEvent::Removed { reason: None };
        self.change(tenant, |there| {
            let there = there.ok_or(IntegrationError::NotFound { tenant })?;
            let mut next = there.clone();
            next.is_being_deleted |= removal == Removal::DeleteData;
            if let Some(state) = there.state.after(&event, now_micros) {
                next.state = state;
            }
            Ok((next != *there).then_some(next))
        })
        .await?;
        match removal {
            Removal::KeepData => Ok(()),
            Removal::DeleteData => self.delete(tenant).await,
        }
    }

    /// What a collector saw last; `None` if none has said anything.
    ///
    /// # Errors
    ///
    /// What the lake says, and [`audit_lake::Error::Corrupt`] for what is no `T`.
    pub async fn health<T: DeserializeOwned>(&self, tenant: TenantId) -> Result<Option<T>> {
        let Some(document) = self.documents(tenant).latest(HEALTH).await? else {
            return Ok(None);
        };
        let kept: Kept<T> = integration::read(tenant, HEALTH, &document)?;
        Ok(Some(kept.health))
    }

    /// Says what a collector sees, in place of what was said before.
    ///
    /// # Errors
    ///
    /// [`IntegrationError::Conflict`] if another collector says something else at the same time; what the lake says.
    pub async fn save_health<T: Serialize + Sync>(
        &self,
        tenant: TenantId,
        health: &T,
    ) -> Result<()> {
        let documents = self.documents(tenant);
        for _ in 0..CHANGES_MAX {
            let base = documents.latest(HEALTH).await?;
            let written_micros = self.lake.clock().now_micros();
            let kept = Kept {
                written_micros,
                health,
            };
            let content = integration::write(&self.lake, &kept)?;
            let base = base.map(|base| base.version);
            match documents.change(HEALTH, base, content).await? {
                Change::Done | Change::Overtaken => return Ok(()),
                Change::Conflicted => {}
            }
        }
        Err(IntegrationError::Conflict { tenant })
    }

    fn documents(&self, tenant: TenantId) -> Documents {
        self.lake.documents(tenant, DocumentKind::Integration)
    }

    async fn decide(&self, networks: Networks) -> Result<()> {
        match networks {
            Networks::Given(given) => {
                let add = |there: InternalNetworks| Ok(there.with_all_of(&given));
                self.lake.update_internal_networks(add).await?;
            }
            Networks::Declined => self.lake.decline_internal_networks().await?,
            Networks::Keep => match self.lake.networks_decision().await? {
                Some(NetworksDecision::Given | NetworksDecision::Declined) => {}
                _ => return Err(IntegrationError::NetworksUndecided),
            },
        }
        Ok(())
    }

    async fn delete(&self, tenant: TenantId) -> Result<()> {
        if let Some((holder, until_micros)) = lease::holder_of(&self.lake, tenant).await? {
            return Err(IntegrationError::InUse {
                tenant,
                holder,
                until_micros,
            });
        }
        let kind = DocumentKind::Integration;
        self.lake.delete_tenant(tenant, kind, CONFIGURATION).await?;
        // Last: as long as it is there, it can be done again.
        self.documents(tenant).delete(CONFIGURATION).await?;
        Ok(())
    }

    async fn read(&self, tenant: TenantId) -> Result<(Option<u64>, Option<Integration>)> {
        match self.documents(tenant).latest(CONFIGURATION).await? {
            None => Ok((None, None)),
            Some(document) => {
                let integration = Integration::read(tenant, &document)?;
                Ok((Some(document.version), Some(integration)))
            }
        }
    }

    async fn change_present(
        &self,
        tenant: TenantId,
        edit: impl Fn(&Integration) -> Result<Option<Integration>> + Send + Sync,
    ) -> Result<Integration> {
        self.change(tenant, |there| match there {
            Some(there) if !there.is_removed() => edit(there),
            _ => Err(IntegrationError::NotFound { tenant }),
        })
        .await
    }

    /// Puts what `edit` makes of what there is, anew while somebody else is first. `None` leaves it as it is.
    async fn change(
        &self,
        tenant: TenantId,
        edit: impl Fn(Option<&Integration>) -> Result<Option<Integration>> + Send + Sync,
    ) -> Result<Integration> {
        for _ in 0..CHANGES_MAX {
            let (base, there) = self.read(tenant).await?;
            let Some(next) = edit(there.as_ref())? else {
                return there.ok_or(IntegrationError::NotFound { tenant });
            };
            let content = next.write(&self.lake)?;
            let documents = self.documents(tenant);
            match documents.change(CONFIGURATION, base, content).await? {
                Change::Done => return Ok(next),
                // After an overtaken one, what follows tells whether it is part of it.
                Change::Conflicted | Change::Overtaken => {}
            }
        }
        Err(IntegrationError::Conflict { tenant })
    }
}

#[derive(Serialize, Deserialize)]
struct Kept<T> {
    written_micros: i64,
    health: T,
}

#[cfg(test)]
mod tests;
