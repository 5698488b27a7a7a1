//! The time of a server, by the `Date` of its answers (T12).

use std::sync::atomic::{AtomicI64, Ordering};

/// How far the server's clock is ahead of this machine's.
#[derive(Debug, Default)]
pub(crate) struct ServerClock {
    offset_micros: AtomicI64,
}

impl ServerClock {
    /// The server's time where this machine's is `now_micros`.
    pub(crate) fn now_micros(&self, now_micros: i64) -> i64 {
        now_micros.saturating_add(self.offset_micros.load(Ordering::Relaxed))
    }

    /// Takes in the `Date` of an answer that came at `now_micros`, `took_micros` after its request went.
    ///
    /// `Date` has whole seconds, so it names a second, and the answer was on its way for a while. Where the estimate so
    /// far is possible it stays: the time does not jump to and fro with each answer. Else it becomes the earliest time
    /// possible, because what is asked for before the server's now exists, and what is after it does not yet.
    pub(crate) fn observe(&self, date_micros: i64, now_micros: i64, took_micros: i64) {
        let estimate = self.now_micros(now_micros);
        let latest = date_micros
            .saturating_add(1_000_000)
            .saturating_add(took_micros.max(0));
        if !(date_micros..=latest).contains(&estimate) {
            let offset = date_micros.saturating_sub(now_micros);
            self.offset_micros.store(offset, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    #[test]
    fn a_right_clock_is_left_alone() {
        let clock = ServerClock::default();
        clock.observe(10 * SECOND, 10 * SECOND + 700_000, 0);
        clock.observe(10 * SECOND, 12 * SECOND, SECOND);
        assert_eq!(clock.now_micros(5), 5);
    }

    #[test]
    fn t12_a_wrong_clock_is_corrected_by_date() {
        for skew in [-7_200 * SECOND, -2 * SECOND, 2 * SECOND, 7_200 * SECOND] {
            let clock = ServerClock::default();
            let mut last = i64::MIN;
            for tenths in 0..50 {
                let server = 100 * SECOND + tenths * 300_000;
                let local = server - skew;
                clock.observe(server / SECOND * SECOND, local, 0);
                let estimate = clock.now_micros(local);
                assert!(
                    (server - estimate) <= SECOND && estimate <= server,
                    "{skew} {tenths}"
                );
                assert!(estimate >= last, "{skew} {tenths}: time goes back");
                last = estimate;
            }
        }
    }
}
