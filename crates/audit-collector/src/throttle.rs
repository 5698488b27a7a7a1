//! How fast requests may go: a budget a minute, and a pause that all workers of a client keep together.
//!
//! The API says no more than "too many requests" (T8). So the pause grows by itself while it does, with jitter, so that
//! the collectors of a machine do not come back in step.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use audit_lake::{Clock, micros};

use crate::pace::Pace;

/// The quota is counted by the minute: pauses add up to one in three attempts.
const PAUSE_FIRST: Duration = Duration::from_secs(10);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// Longer than this nobody waits inside a call.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// Of the budget of a minute, what may go at once.
const BURST_SHARE: u32 = 10;

/// One for each client: tenant and publisher share a quota.
#[derive(Debug)]
pub(crate) struct Throttle {
    clock: Arc<dyn Clock>,
    pace: Arc<dyn Pace>,
    /// Time of one request. Units: microseconds.
    interval_micros: i64,
    burst_micros: i64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// When the budget would be unused again.
    spent_until_micros: i64,
    paused_until_micros: i64,
    pause: Duration,
    /// Pauses so far: an answer to a request from before the last one tells nothing new.
    pauses: u64,
    /// Pauses since a request succeeded.
    in_a_row: u32,
}

/// Leave to make a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pass {
    pauses: u64,
}

/// The pause is longer than a call may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Closed {
    pub(crate) wait: Duration,
}

impl Throttle {
    pub(crate) fn new(
        clock: Arc<dyn Clock>,
        pace: Arc<dyn Pace>,
        requests_per_minute: u32,
    ) -> Self {
        let interval_micros = 60_000_000 / i64::from(requests_per_minute.max(1));
        let burst = (requests_per_minute / BURST_SHARE).max(1);
        Self {
            clock,
            pace,
            interval_micros,
            burst_micros: interval_micros * i64::from(burst - 1),
            state: Mutex::default(),
        }
    }

    /// Waits for the end of a pause and for the budget.
    pub(crate) async fn pass(&self) -> Result<Pass, Closed> {
        let mut waited = None;
        loop {
            let (wait, pauses) = self.pause_left();
            // After one sleep the pause is over, whatever a clock says that goes another way; unless there is a new one.
            if wait.is_zero() || waited == Some(pauses) {
                break;
            }
            if wait > WAIT_MAX {
                return Err(Closed { wait });
            }
            self.pace.sleep(wait).await;
            waited = Some(pauses);
        }
        let (wait, pass) = self.spend();
        if !wait.is_zero() {
            self.pace.sleep(wait).await;
        }
        Ok(pass)
    }

    /// A request was answered by something else than throttling.
    pub(crate) fn succeeded(&self, pass: Pass) {
        let mut state = self.state();
        if pass.pauses == state.pauses {
            state.in_a_row = 0;
        }
    }

    /// A request was throttled: everybody pauses. Returns what is left of the pause.
    pub(crate) fn throttled(&self, pass: Pass, retry_after: Option<Duration>) -> Duration {
        let now = self.clock.now_micros();
        let jitter = self.pace.jitter();
        let mut state = self.state();
        if pass.pauses == state.pauses {
            let doubled = PAUSE_FIRST.saturating_mul(2_u32.saturating_pow(state.in_a_row));
            let own = doubled.min(PAUSE_MAX).mul_f64(0.5 + jitter / 2.0);
            state.pause = own.max(retry_after.unwrap_or_default());
            state.paused_until_micros = now.saturating_add(micros(state.pause));
            state.pauses += 1;
            state.in_a_row = state.in_a_row.saturating_add(1);
            tracing::warn!(pause = ?state.pause, in_a_row = state.in_a_row, "throttled: all requests pause");
        }
        left(&state, now)
    }

    fn pause_left(&self) -> (Duration, u64) {
        let now = self.clock.now_micros();
        let state = self.state();
        (left(&state, now), state.pauses)
    }

    fn spend(&self) -> (Duration, Pass) {
        let now = self.clock.now_micros();
        let mut state = self.state();
        let begin = state.spent_until_micros.max(now);
        // A clock that was set back must not stop everything.
        let begin = begin.min(now.saturating_add(60_000_000 + self.burst_micros));
        state.spent_until_micros = begin + self.interval_micros;
        let pass = Pass {
            pauses: state.pauses,
        };
        (duration(begin - self.burst_micros - now), pass)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is left of the pause, never more than all of it.
fn left(state: &State, now_micros: i64) -> Duration {
    duration(state.paused_until_micros.saturating_sub(now_micros)).min(state.pause)
}

fn duration(micros: i64) -> Duration {
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

#[cfg(test)]
mod tests;
