//! Sleeping and randomness come in from outside, so that tests are deterministic and never wait.

use std::fmt::Debug;
use std::time::Duration;

use futures::future::BoxFuture;
use uuid::Uuid;

/// How the collector waits.
pub trait Pace: Send + Sync + Debug {
    /// Resolves after `duration`: back-off, pauses of the throttle, schedules.
    fn sleep(&self, duration: Duration) -> BoxFuture<'_, ()>;

    /// A random number from 0 up to, not including, 1.
    fn jitter(&self) -> f64;

    /// Resolves when a wait for somebody else has lasted `duration`: time-outs.
    ///
    /// Apart from [`sleep`](Self::sleep), because a test that skips sleeping does not want every request to time out.
    fn time_limit(&self, duration: Duration) -> BoxFuture<'_, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// The timer of the runtime and random numbers of the system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemPace;

impl Pace for SystemPace {
    fn sleep(&self, duration: Duration) -> BoxFuture<'_, ()> {
        Box::pin(tokio::time::sleep(duration))
    }

    fn jitter(&self) -> f64 {
        // The first 32 bits of a random GUID are random.
        f64::from(Uuid::new_v4().as_fields().0) / (f64::from(u32::MAX) + 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_is_from_0_up_to_1() {
        let values: Vec<f64> = (0..1000).map(|_| SystemPace.jitter()).collect();
        assert!(values.iter().all(|value| (0.0..1.0).contains(value)));
        assert!(values.iter().any(|value| *value < 0.1));
        assert!(values.iter().any(|value| *value > 0.9));
    }
}
