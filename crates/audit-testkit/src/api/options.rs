//! How the server starts.

/// How the server starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiServerOptions {
    /// The port on 127.0.0.1; 0 for any that is free.
    pub port: u16,
    /// What its clock shows first, in microseconds since 1970, UTC.
    pub now_micros: i64,
    /// Whether the clock runs; otherwise it stands until it is moved.
    pub clock_runs: bool,
    /// Chance of the faults, and the key that tokens are signed with.
    pub seed: u64,
    /// Requests in a minute of all callers together that send no `PublisherIdentifier`.
    pub shared_quota_per_minute: u64,
    /// A content type in another case than the documentation's makes a subscription that nobody finds. Otherwise the
    /// case is echoed and makes no difference.
    pub strict_content_types: bool,
    /// A start within 15 minutes of a stop says enabled and leaves a dead subscription.
    pub stop_start_trap: bool,
    /// What a listing is about that names no times: the documentation says both.
    pub implicit_window: ImplicitWindow,
}

impl Default for ApiServerOptions {
    /// Any port; the clock stands at 2026-10-08T12:00:00Z.
    fn default() -> Self {
        Self {
            port: 0,
            now_micros: 1_791_460_800_000_000,
            clock_runs: false,
            seed: 1,
            shared_quota_per_minute: 60,
            strict_content_types: false,
            stop_start_trap: true,
            implicit_window: ImplicitWindow::LastDay,
        }
    }
}

/// The window of a listing that names none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImplicitWindow {
    /// The last 24 hours.
    LastDay,
    /// Since 00:00 UTC.
    SinceMidnight,
}
