//! Time and unique ids come in from outside, so that tests are deterministic.

use std::fmt::Debug;
use std::time::Duration;

use uuid::Uuid;

/// A day in microseconds.
pub const DAY_MICROS: i64 = 86_400_000_000;

/// A stretch of time in microseconds, as clocks count them; what has no room is the longest that has.
pub fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// Where the lake reads the time.
pub trait Clock: Send + Sync + Debug {
    /// Microseconds since 1970-01-01T00:00:00Z.
    fn now_micros(&self) -> i64;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the wall clock"
    )]
    fn now_micros(&self) -> i64 {
        chrono::Utc::now().timestamp_micros()
    }
}

/// Where the lake takes names that nobody else uses: of tables, commits and data files.
pub trait IdSource: Send + Sync + Debug {
    /// An id that was never handed out before, by any process.
    fn next_id(&self) -> Uuid;
}

/// Random ids (version 4).
#[derive(Debug, Clone, Copy, Default)]
pub struct RandomIds;

impl IdSource for RandomIds {
    fn next_id(&self) -> Uuid {
        Uuid::new_v4()
    }
}
