//! A clock that a test sets.

use std::sync::atomic::{AtomicI64, Ordering};

/// A clock that stands still until it is moved. Units: microseconds since 1970-01-01, UTC.
#[derive(Debug, Default)]
pub struct ManualClock {
    micros: AtomicI64,
}

impl ManualClock {
    /// A clock that shows `micros`.
    pub fn new(micros: i64) -> Self {
        Self {
            micros: AtomicI64::new(micros),
        }
    }

    /// What the clock shows.
    pub fn now_micros(&self) -> i64 {
        self.micros.load(Ordering::SeqCst)
    }

    /// Sets the clock, also backwards.
    pub fn set(&self, micros: i64) {
        self.micros.store(micros, Ordering::SeqCst);
    }

    /// Moves the clock and returns what it shows then.
    pub fn advance(&self, micros: i64) -> i64 {
        self.micros.fetch_add(micros, Ordering::SeqCst) + micros
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moves_only_when_told() {
        let clock = ManualClock::new(5);
        assert_eq!(clock.now_micros(), 5);
        assert_eq!(clock.advance(3), 8);
        clock.set(1);
        assert_eq!(clock.now_micros(), 1);
    }
}
