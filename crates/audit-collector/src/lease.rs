//! The lease: of several collectors at the same tenant, one leads.
//!
//! It saves requests and a storm of them, and no more: that each record is stored once is the append's work, and what
//! was listed is the ledger's. Two collectors that both believe they lead do the same work twice and store nothing
//! twice.
//!
//! The lease is a document that its holder renews. Clocks of two machines may differ, so a time in it says little to
//! others: who waits takes over when it has seen the same version for a whole duration *by its own clock*, or when the
//! end is past by more than clocks differ. A holder counts the duration from before it renewed, so it stops no later
//! than another one starts.

use std::sync::Arc;
use std::time::Duration;

use audit_lake::{Change, Clock, Document, DocumentKind, Documents, Lake, TenantId, micros};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::integration::{self, IntegrationError};

const LEASE: &str = "lease";
/// How often a change is tried that others come before.
const CHANGES_MAX: usize = 4;
/// What clocks differ by at most: a lease that ended longer ago is free at once, as after a crash yesterday.
const SKEW_MAX: Duration = Duration::from_secs(300);
/// A duration in a document that is longer is none of ours.
const DURATION_MAX: Duration = Duration::from_secs(3600);

type Result<T, E = IntegrationError> = std::result::Result<T, E>;

/// Who leads, for people, and for one that starts again to know its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HolderInfo {
    /// Another one for each collector. One that starts again under its id has its lease at once.
    pub id: Uuid,
    /// The machine.
    pub host: String,
    /// The process.
    pub pid: u32,
}

/// Whether a collector leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaseState {
    /// It leads, if it renews in time.
    Held {
        /// Until when, by its own clock. Units: microseconds since 1970-01-01, UTC.
        until_micros: i64,
    },
    /// Another one does.
    HeldByOther {
        /// Which.
        holder: HolderInfo,
        /// When it is worth asking again at the latest, by one's own clock. It may be longer, if the other one renews.
        until_micros: i64,
    },
}

/// One collector's part in the lease of a tenant.
///
/// Acquire until it is held; then renew every third of the duration, and stop work for the tenant when it is
/// [held by another one](LeaseState::HeldByOther) or [not held](Lease::is_held) any more.
#[derive(Debug)]
pub struct Lease {
    lake: Lake,
    tenant: TenantId,
    documents: Documents,
    holder: HolderInfo,
    claim: Uuid,
    clock: Arc<dyn Clock>,
    duration: Duration,
    held: Option<Held>,
    has_led: bool,
    watched: Option<Watched>,
}

#[derive(Debug)]
struct Held {
    version: u64,
    until_micros: i64,
}

/// A version of somebody else's, and when it was first seen.
#[derive(Debug)]
struct Watched {
    version: u64,
    since_micros: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct LeaseDocument {
    /// `None`: it was released.
    holder: Option<HolderInfo>,
    /// Another one for each [`Lease`].
    claim: Uuid,
    renewed_micros: i64,
    duration_micros: i64,
}

impl LeaseDocument {
    fn duration_micros(&self) -> i64 {
        self.duration_micros.clamp(0, micros(DURATION_MAX))
    }

    fn until_micros(&self) -> i64 {
        self.renewed_micros.saturating_add(self.duration_micros())
    }

    fn is_long_over(&self, now_micros: i64) -> bool {
        self.until_micros().saturating_add(micros(SKEW_MAX)) < now_micros
    }
}

impl Lease {
    /// A part in the lease of the tenant; nothing is held yet.
    pub fn new(
        lake: &Lake,
        tenant: TenantId,
        holder: HolderInfo,
        clock: Arc<dyn Clock>,
        duration: Duration,
    ) -> Self {
        Self {
            lake: lake.clone(),
            tenant,
            documents: lake.documents(tenant, DocumentKind::Integration),
            holder,
            claim: lake.ids().next_id(),
            clock,
            duration: duration.min(DURATION_MAX),
            held: None,
            has_led: false,
            watched: None,
        }
    }

    /// Whether this one leads, as far as it knows without asking.
    pub fn is_held(&self) -> bool {
        let now_micros = self.clock.now_micros();
        (self.held.as_ref()).is_some_and(|held| now_micros < held.until_micros)
    }

    /// Takes the lease where it is free, and renews it where it is held.
    ///
    /// # Errors
    ///
    /// What the lake says: it is as before, and runs out if this goes on.
    pub async fn acquire(&mut self) -> Result<LeaseState> {
        if self.held.is_some() {
            return self.renew().await;
        }
        for _ in 0..CHANGES_MAX {
            // From before asking: what is read may have been put right after.
            let now_micros = self.clock.now_micros();
            let document = self.documents.latest(LEASE).await?;
            if let Some(document) = &document {
                let there = self.read(document)?;
                if let Some(state) = self.wait(document.version, &there) {
                    return Ok(state);
                }
            }
            let base = document.map(|document| document.version);
            if let Some(until_micros) = self.put(base, now_micros).await? {
                return Ok(LeaseState::Held { until_micros });
            }
        }
        Err(IntegrationError::Conflict {
            tenant: self.tenant,
        })
    }

    /// Renews the lease; takes it again where it ran out and nobody else has it.
    ///
    /// # Errors
    ///
    /// As [`Lease::acquire`].
    pub async fn renew(&mut self) -> Result<LeaseState> {
        let Some(Held { version, .. }) = self.held else {
            return Box::pin(self.acquire()).await;
        };
        let now_micros = self.clock.now_micros();
        if let Some(until_micros) = self.put(Some(version), now_micros).await? {
            return Ok(LeaseState::Held { until_micros });
        }
        // Overtaken: whoever did that leads now.
        self.held = None;
        Box::pin(self.acquire()).await
    }

    /// Gives the lease back, so that another collector can lead at once; nothing if it is not held.
    ///
    /// # Errors
    ///
    /// What the lake says: it runs out by itself then.
    pub async fn release(&mut self) -> Result<()> {
        let Some(Held { version, .. }) = self.held.take() else {
            return Ok(());
        };
        let released = self.document(None, self.clock.now_micros());
        let content = integration::write(&self.lake, &released)?;
        match self.documents.change(LEASE, Some(version), content).await? {
            // In the latter cases it is another one's already.
            Change::Done | Change::Conflicted | Change::Overtaken => Ok(()),
        }
    }

    /// Who leads and how long, where that is not this one and the lease is not free.
    fn wait(&mut self, version: u64, there: &LeaseDocument) -> Option<LeaseState> {
        let holder = there.holder.as_ref()?;
        let now_micros = self.clock.now_micros();
        // Its own: renewed with an answer that was lost, or from before it started again. Two that share an id by
        // mistake don't take it from each other again and again.
        let is_own = there.claim == self.claim || holder.id == self.holder.id && !self.has_led;
        if is_own || there.is_long_over(now_micros) {
            return None;
        }
        let since_micros = match &self.watched {
            // A clock that was set back begins anew.
            Some(watched) if watched.version == version && watched.since_micros <= now_micros => {
                watched.since_micros
            }
            _ => now_micros,
        };
        self.watched = Some(Watched {
            version,
            since_micros,
        });
        let until_micros = since_micros.saturating_add(there.duration_micros());
        (now_micros < until_micros).then(|| LeaseState::HeldByOther {
            holder: holder.clone(),
            until_micros,
        })
    }

    /// Until when the lease is held, if nobody else was first.
    async fn put(&mut self, base: Option<u64>, now_micros: i64) -> Result<Option<i64>> {
        let document = self.document(Some(self.holder.clone()), now_micros);
        let until_micros = document.until_micros();
        let content = integration::write(&self.lake, &document)?;
        match self.documents.change(LEASE, base, content).await? {
            Change::Done => {
                self.held = Some(Held {
                    version: base.map_or(0, |base| base + 1),
                    until_micros,
                });
                self.has_led = true;
                self.watched = None;
                Ok(Some(until_micros))
            }
            Change::Conflicted | Change::Overtaken => Ok(None),
        }
    }

    fn document(&self, holder: Option<HolderInfo>, now_micros: i64) -> LeaseDocument {
        LeaseDocument {
            holder,
            claim: self.claim,
            renewed_micros: now_micros,
            duration_micros: micros(self.duration),
        }
    }

    fn read(&self, document: &Document) -> Result<LeaseDocument> {
        integration::read(self.tenant, LEASE, document)
    }
}

/// Who may be at work for a tenant, and until when by its own clock.
///
/// Whoever asks once cannot watch for a whole duration: an end that is past is believed.
pub(crate) async fn holder_of(lake: &Lake, tenant: TenantId) -> Result<Option<(String, i64)>> {
    let documents = lake.documents(tenant, DocumentKind::Integration);
    let Some(document) = documents.latest(LEASE).await? else {
        return Ok(None);
    };
    let there: LeaseDocument = integration::read(tenant, LEASE, &document)?;
    let until_micros = there.until_micros();
    let is_over = until_micros <= lake.clock().now_micros();
    Ok(there.holder.filter(|_| !is_over).map(|holder| {
        let holder = format!("process {} on {}", holder.pid, holder.host);
        (holder, until_micros)
    }))
}

#[cfg(test)]
mod tests;
