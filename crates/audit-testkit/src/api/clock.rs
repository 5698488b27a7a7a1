//! The clock that the server goes by, and its forms of a time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use chrono::{DateTime, NaiveDate, NaiveDateTime};

pub(crate) const SECOND: i64 = 1_000_000;
pub(crate) const MINUTE: i64 = 60 * SECOND;
pub(crate) const HOUR: i64 = 60 * MINUTE;
pub(crate) const DAY: i64 = 24 * HOUR;

/// The server's clock: it shows what a test says, and runs on from there where that is asked for. Clones show the
/// same. Units: microseconds since 1970-01-01, UTC.
#[derive(Debug, Clone)]
pub struct ApiClock {
    state: Arc<Mutex<ClockState>>,
}

#[derive(Debug)]
struct ClockState {
    micros: i64,
    /// Where the clock runs: when it showed `micros`.
    running_since: Option<Instant>,
}

impl ApiClock {
    pub(crate) fn new(micros: i64, runs: bool) -> Self {
        let state = ClockState {
            micros,
            running_since: runs.then(Instant::now),
        };
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// What the clock shows.
    pub fn now_micros(&self) -> i64 {
        self.change(|_| ())
    }

    /// Sets the clock, also backwards. One that runs goes on from there.
    pub fn set(&self, micros: i64) {
        self.change(|now| *now = micros);
    }

    /// Moves the clock and returns what it shows then.
    pub fn advance(&self, micros: i64) -> i64 {
        self.change(|now| *now += micros)
    }

    fn change(&self, change: impl FnOnce(&mut i64)) -> i64 {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(since) = state.running_since {
            let now = Instant::now();
            state.micros += now.duration_since(since).as_micros() as i64;
            state.running_since = Some(now);
        }
        change(&mut state.micros);
        state.micros
    }
}

fn formatted(micros: i64, format: &str) -> String {
    DateTime::from_timestamp_micros(micros)
        .unwrap_or_default()
        .format(format)
        .to_string()
}

/// `2026-10-01T08:15:00.123Z`.
pub(crate) fn millis_text(micros: i64) -> String {
    formatted(micros, "%Y-%m-%dT%H:%M:%S%.3fZ")
}

/// `2026-10-01T08:15:00`, the form of `CreationTime`.
pub(crate) fn zoneless_text(micros: i64) -> String {
    formatted(micros, "%Y-%m-%dT%H:%M:%S")
}

/// `2026-10-01 08:15:00Z`, the form of the token endpoint.
pub(crate) fn login_text(micros: i64) -> String {
    formatted(micros, "%Y-%m-%d %H:%M:%SZ")
}

/// `20261001081500123`, as content ids begin.
pub(crate) fn digits_text(micros: i64) -> String {
    formatted(micros, "%Y%m%d%H%M%S%3f")
}

/// The form of the `Date` header.
pub(crate) fn http_date(micros: i64) -> String {
    formatted(micros, "%a, %d %b %Y %H:%M:%S GMT")
}

/// A time of a request, in each form that the API takes: a day, with hours and minutes, with seconds, with a fraction;
/// with `Z` or without.
pub(crate) fn parse_time(text: &str) -> Option<i64> {
    let text = text.strip_suffix(['Z', 'z']).unwrap_or(text);
    if let Ok(day) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return Some(day.and_hms_opt(0, 0, 0)?.and_utc().timestamp_micros());
    }
    ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S%.f"]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
        .map(|time| time.and_utc().timestamp_micros())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stands_still_until_it_is_moved_and_clones_move_along() {
        let clock = ApiClock::new(5, false);
        let other = clock.clone();
        assert_eq!(clock.advance(3), 8);
        assert_eq!(other.now_micros(), 8);
        other.set(1);
        assert_eq!(clock.now_micros(), 1);
    }

    #[test]
    fn a_clock_that_runs_never_goes_back_on_its_own() {
        let clock = ApiClock::new(1_000, true);
        let first = clock.now_micros();
        assert!(first >= 1_000 && clock.now_micros() >= first);
    }

    #[test]
    fn every_documented_form_of_a_time_is_read() {
        let eight = 1_790_841_600_000_000;
        for (text, expected) in [
            ("2026-10-01", Some(eight - 8 * HOUR)),
            ("2026-10-01T08:00", Some(eight)),
            ("2026-10-01T08:00:00", Some(eight)),
            ("2026-10-01T08:00:00Z", Some(eight)),
            ("2026-10-01T08:00:00.250Z", Some(eight + 250_000)),
            ("2026-10-01 08:00", None),
            ("10/01/2026", None),
            ("", None),
        ] {
            assert_eq!(parse_time(text), expected, "{text}");
        }
        assert_eq!(millis_text(eight + 51_000), "2026-10-01T08:00:00.051Z");
        assert_eq!(http_date(eight), "Thu, 01 Oct 2026 08:00:00 GMT");
        assert_eq!(digits_text(eight + 51_000), "20261001080000051");
    }
}
