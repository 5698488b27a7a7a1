//! What came of a poll, and counts for a host's metrics.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use audit_lake::TenantId;

use crate::api::ApiUsage;
use crate::health::Health;
use crate::lease::HolderInfo;

/// What came of asking tenants once.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct PollSummary {
    /// One for each tenant, in their order.
    pub tenants: Vec<TenantSummary>,
}

/// What came of asking one tenant.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TenantSummary {
    /// Which.
    pub tenant: TenantId,
    /// How it ended.
    pub outcome: TenantOutcome,
    /// Blobs that were stored or given up.
    pub settled: u64,
    /// Rows that were added to the lake.
    pub records: u64,
    /// Blobs that are listed and neither stored nor given up.
    pub backlog: u64,
    /// How it is doing; `None` if it could not be asked.
    pub health: Option<Health>,
    pub(crate) due_in: Option<Duration>,
    /// What was asked of the service in this poll.
    pub(crate) usage: ApiUsage,
}

/// How asking a tenant ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TenantOutcome {
    /// What could be done was done; its health says whether something is in the way.
    Polled,
    /// Another collector leads the tenant.
    LedByOther(HolderInfo),
    /// The lake could not be read or written: what it said.
    Failed(String),
}

impl TenantSummary {
    pub(crate) fn new(tenant: TenantId, outcome: TenantOutcome) -> Self {
        Self {
            tenant,
            outcome,
            settled: 0,
            records: 0,
            backlog: 0,
            health: None,
            due_in: None,
            usage: ApiUsage::default(),
        }
    }

    /// How long until something that waits for its time is due; `None` if nothing does.
    pub fn due_in(&self) -> Option<Duration> {
        self.due_in
    }
}

impl PollSummary {
    /// Blobs that were stored or given up.
    pub fn settled(&self) -> u64 {
        self.tenants.iter().map(|tenant| tenant.settled).sum()
    }

    /// Rows that were added.
    pub fn records(&self) -> u64 {
        self.tenants.iter().map(|tenant| tenant.records).sum()
    }

    /// Blobs that wait.
    pub fn backlog(&self) -> u64 {
        self.tenants.iter().map(|tenant| tenant.backlog).sum()
    }

    /// How long until something that waits for its time is due.
    pub fn due_in(&self) -> Option<Duration> {
        self.tenants.iter().filter_map(|tenant| tenant.due_in).min()
    }

    /// The state after the later one, and the counts of both.
    pub(crate) fn followed_by(self, mut later: Self) -> Self {
        for tenant in &mut later.tenants {
            let earlier = self
                .tenants
                .iter()
                .find(|earlier| earlier.tenant == tenant.tenant);
            if let Some(earlier) = earlier {
                tenant.settled += earlier.settled;
                tenant.records += earlier.records;
            }
        }
        later
    }
}

/// Counts of a collector since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Metrics {
    /// Times that a tenant was asked.
    pub polls: u64,
    /// Times that the lake was in the way.
    pub failures: u64,
    /// Blobs that were stored or given up.
    pub blobs: u64,
    /// Rows that were added.
    pub records: u64,
    /// Requests to the API, without those for tokens.
    pub requests: u64,
    /// Of these, requests that were answered by throttling.
    pub throttled: u64,
    /// Bytes of the API's answers, as they are after decompression.
    pub bytes: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    polls: AtomicU64,
    failures: AtomicU64,
    blobs: AtomicU64,
    records: AtomicU64,
    requests: AtomicU64,
    throttled: AtomicU64,
    bytes: AtomicU64,
}

impl Counters {
    pub(super) fn polled(&self, summary: &TenantSummary) {
        self.polls.fetch_add(1, Ordering::Relaxed);
        self.blobs.fetch_add(summary.settled, Ordering::Relaxed);
        self.records.fetch_add(summary.records, Ordering::Relaxed);
        self.requests
            .fetch_add(summary.usage.requests, Ordering::Relaxed);
        self.throttled
            .fetch_add(summary.usage.throttled, Ordering::Relaxed);
        self.bytes.fetch_add(summary.usage.bytes, Ordering::Relaxed);
        if matches!(summary.outcome, TenantOutcome::Failed(_)) {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn read(&self) -> Metrics {
        Metrics {
            polls: self.polls.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            blobs: self.blobs.load(Ordering::Relaxed),
            records: self.records.load(Ordering::Relaxed),
            requests: self.requests.load(Ordering::Relaxed),
            throttled: self.throttled.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }
}
