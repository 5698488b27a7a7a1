//! What a client has done, for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts since the client was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ApiUsage {
    /// Requests to the API, with those that were repeated and without those for tokens.
    pub requests: u64,
    /// Requests that were answered by throttling.
    pub throttled: u64,
    /// Requests that were repeated because of trouble.
    pub repeated: u64,
    /// Bytes of answers of success, as they are after decompression.
    pub bytes: u64,
}

impl ApiUsage {
    /// What came after an earlier count of the same client.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            requests: self.requests.saturating_sub(before.requests),
            throttled: self.throttled.saturating_sub(before.throttled),
            repeated: self.repeated.saturating_sub(before.repeated),
            bytes: self.bytes.saturating_sub(before.bytes),
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    requests: AtomicU64,
    throttled: AtomicU64,
    repeated: AtomicU64,
    bytes: AtomicU64,
}

impl Counters {
    pub(super) fn request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn throttled(&self) {
        self.throttled.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn repeated(&self) {
        self.repeated.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn bytes(&self, count: usize) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.bytes.fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn usage(&self) -> ApiUsage {
        ApiUsage {
            requests: self.requests.load(Ordering::Relaxed),
            throttled: self.throttled.load(Ordering::Relaxed),
            repeated: self.repeated.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }
}
