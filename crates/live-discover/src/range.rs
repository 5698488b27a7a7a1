//! Time ranges: which records a query is about, without its text saying so.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use audit_lake::micros;
use audit_schema::RangeMode;
use chrono::{DateTime, Days, Months, NaiveDate, NaiveDateTime, TimeDelta, Utc};

use crate::error::{Error, Result};

/// A point in time, fixed or told from when the query begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimePoint(Point);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Point {
    /// µs since 1970.
    At(i64),
    Relative(Period),
}

/// An ISO 8601 duration and its direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Period {
    is_future: bool,
    months: u32,
    days: u64,
    seconds: u64,
}

impl TimePoint {
    /// A fixed point, in µs since 1970.
    pub const fn at_micros(micros: i64) -> Self {
        Self(Point::At(micros))
    }

    /// That long before the query begins.
    pub const fn ago(duration: Duration) -> Self {
        Self(Point::Relative(Period {
            is_future: false,
            months: 0,
            days: 0,
            seconds: duration.as_secs(),
        }))
    }

    /// In µs since 1970; `None` beyond the calendar.
    pub(crate) fn micros(self, now_micros: i64) -> Option<i64> {
        let period = match self.0 {
            Point::At(micros) => return Some(micros),
            Point::Relative(period) => period,
        };
        let now = DateTime::from_timestamp_micros(now_micros)?;
        let months = Months::new(period.months);
        let days = Days::new(period.days);
        let seconds = TimeDelta::try_seconds(i64::try_from(period.seconds).ok()?)?;
        let point = if period.is_future {
            now.checked_add_months(months)?
                .checked_add_days(days)?
                .checked_add_signed(seconds)?
        } else {
            now.checked_sub_months(months)?
                .checked_sub_days(days)?
                .checked_sub_signed(seconds)?
        };
        Some(point.timestamp_micros())
    }
}

/// `2024-01-31`, `2024-01-31T08:00:00Z` (without a zone in UTC), `now`, or an ISO 8601 duration before now: `-P7D`,
/// `PT12H` (`+P1D` after it).
impl FromStr for TimePoint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let text = text.trim();
        let at = |time: DateTime<Utc>| Self::at_micros(time.timestamp_micros());
        if text.eq_ignore_ascii_case("now") {
            return Ok(Self(Point::Relative(Period::default())));
        }
        if let Some(period) = period(text) {
            return Ok(Self(Point::Relative(period)));
        }
        if let Ok(time) = DateTime::parse_from_rfc3339(text) {
            return Ok(at(time.to_utc()));
        }
        for form in [
            "%Y-%m-%dT%H:%M:%S%.f",
            "%Y-%m-%d %H:%M:%S%.f",
            "%Y-%m-%dT%H:%M",
        ] {
            if let Ok(time) = NaiveDateTime::parse_from_str(text, form) {
                return Ok(at(time.and_utc()));
            }
        }
        if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d")
            && let Some(time) = date.and_hms_opt(0, 0, 0)
        {
            return Ok(at(time.and_utc()));
        }
        Err(Error::invalid(format!(
            "`{text}` is no time: write 2024-01-31, 2024-01-31T08:00:00Z, or a duration such as -P7D or -PT12H"
        )))
    }
}

/// `[+-]P[nY][nM][nW][nD][T[nH][nM][nS]]`, whole numbers.
fn period(text: &str) -> Option<Period> {
    let (is_future, text) = match text.strip_prefix('+') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('-').unwrap_or(text)),
    };
    let text = text.strip_prefix(['P', 'p'])?;
    let (dates, times) = match text.split_once(['T', 't']) {
        Some((dates, times)) => (dates, Some(times)),
        None => (text, None),
    };
    let mut period = Period {
        is_future,
        ..Period::default()
    };
    // Each unit once, from the largest to the smallest.
    let mut parts = 0;
    let mut take = |mut text: &str, units: &[(char, u64, Unit)]| {
        for (letter, factor, unit) in units {
            let digits = text
                .find(|character: char| !character.is_ascii_digit())
                .unwrap_or(text.len());
            let (number, rest) = text.split_at(digits);
            if let Some(rest) = rest.strip_prefix(|c: char| c.eq_ignore_ascii_case(letter)) {
                let number = number.parse::<u64>().ok()?.checked_mul(*factor)?;
                match unit {
                    Unit::Months => {
                        period.months = period.months.checked_add(u32::try_from(number).ok()?)?;
                    }
                    Unit::Days => period.days = period.days.checked_add(number)?,
                    Unit::Seconds => period.seconds = period.seconds.checked_add(number)?,
                }
                parts += 1;
                text = rest;
            }
        }
        text.is_empty().then_some(())
    };
    take(
        dates,
        &[
            ('Y', 12, Unit::Months),
            ('M', 1, Unit::Months),
            ('W', 7, Unit::Days),
            ('D', 1, Unit::Days),
        ],
    )?;
    if let Some(times) = times {
        take(
            times,
            &[
                ('H', 3600, Unit::Seconds),
                ('M', 60, Unit::Seconds),
                ('S', 1, Unit::Seconds),
            ],
        )?;
    }
    (parts > 0).then_some(period)
}

#[derive(Clone, Copy)]
enum Unit {
    Months,
    Days,
    Seconds,
}

/// Which records a query sees, by time: from `from`, included, to `to`, excluded.
///
/// It applies to every table of the lake in the query. [`TimeRange::default`] is the last 24 hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeRange {
    from: Option<TimePoint>,
    to: Option<TimePoint>,
}

/// The range where nothing is said.
const DEFAULT_RANGE: Duration = Duration::from_secs(24 * 3600);

impl Default for TimeRange {
    fn default() -> Self {
        Self::last(DEFAULT_RANGE)
    }
}

impl TimeRange {
    /// Everything there is.
    pub const fn all() -> Self {
        Self::between(None, None)
    }

    /// From that long before the query begins on.
    pub const fn last(duration: Duration) -> Self {
        Self::between(Some(TimePoint::ago(duration)), None)
    }

    /// Between two points; `None` is no bound.
    pub const fn between(from: Option<TimePoint>, to: Option<TimePoint>) -> Self {
        Self { from, to }
    }

    /// From texts, as people write them: see [`TimePoint`]; `all` is no bound. Without `from` it begins 24 hours
    /// before `to`, or before now.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidQuery`] with what is wrong.
    pub fn parse(from: Option<&str>, to: Option<&str>) -> Result<Self> {
        let is_all = |text: &str| text.trim().eq_ignore_ascii_case("all");
        let point = |text: Option<&str>| match text {
            Some(text) if !is_all(text) => text.parse().map(Some),
            _ => Ok(None),
        };
        let to_point: Option<TimePoint> = point(to)?;
        let from_point = match (from, to_point) {
            (Some(from), _) => point(Some(from))?,
            (None, None) => Some(TimePoint::ago(DEFAULT_RANGE)),
            (None, Some(TimePoint(Point::At(to)))) => Some(TimePoint::at_micros(
                to.saturating_sub(micros(DEFAULT_RANGE)),
            )),
            (None, Some(TimePoint(Point::Relative(_)))) => {
                return Err(Error::invalid(
                    "a range that ends before now needs its beginning, too: set `from`",
                ));
            }
        };
        Ok(Self::between(from_point, to_point))
    }

    /// Whether all records pass.
    pub fn is_all(&self) -> bool {
        self.from.is_none() && self.to.is_none()
    }

    /// The rows that are in the range at a time.
    pub(crate) fn resolve(&self, mode: RangeMode, now_micros: i64) -> Result<Window> {
        if self.is_all() || mode == RangeMode::Off {
            return Ok(Window::All);
        }
        let micros = |point: Option<TimePoint>| match point {
            None => Ok(None),
            Some(point) => (point.micros(now_micros))
                .map(Some)
                .ok_or_else(|| Error::invalid("the time range is beyond the calendar")),
        };
        let (from, to) = (micros(self.from)?, micros(self.to)?);
        if from.is_some_and(|from| from > now_micros) {
            return Err(Error::invalid("the time range begins in the future"));
        }
        if let (Some(from), Some(to)) = (from, to)
            && from >= to
        {
            return Err(Error::invalid(
                "the time range is empty: `from` is not before `to`",
            ));
        }
        let bounds = Bounds { from, to };
        Ok(match mode {
            RangeMode::IngestTime => Window::IngestTime(bounds),
            _ => Window::EventTime(bounds),
        })
    }
}

impl fmt::Display for TimeRange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_all() {
            return formatter.write_str("all time");
        }
        match self.from {
            Some(from) => write!(formatter, "from {from}")?,
            None => formatter.write_str("from the first record")?,
        }
        match self.to {
            Some(to) => write!(formatter, " to {to}"),
            None => formatter.write_str(" to now"),
        }
    }
}

impl fmt::Display for TimePoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Point::At(micros) => formatter.write_str(
                &DateTime::from_timestamp_micros(micros)
                    .unwrap_or_default()
                    .to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true),
            ),
            Point::Relative(period) if period == Period::default() => formatter.write_str("now"),
            Point::Relative(period) => period.fmt(formatter),
        }
    }
}

/// ISO 8601, as it is read.
impl fmt::Display for Period {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.is_future { "+P" } else { "-P" })?;
        let mut part = |number: u64, unit: &str| match number {
            0 => Ok(()),
            number => write!(formatter, "{number}{unit}"),
        };
        part(self.months.into(), "M")?;
        part(self.days, "D")?;
        if self.seconds > 0 {
            formatter.write_str("T")?;
        }
        let mut part = |number: u64, unit: &str| match number {
            0 => Ok(()),
            number => write!(formatter, "{number}{unit}"),
        };
        part(self.seconds / 3600, "H")?;
        part(self.seconds / 60 % 60, "M")?;
        part(self.seconds % 60, "S")
    }
}

/// Bounds in µs since 1970, or numbers of commits; `from` included and `to` excluded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) from: Option<i64>,
    pub(crate) to: Option<i64>,
}

impl Bounds {
    /// The window of these commits.
    pub(crate) fn some_commits(self) -> Result<Window> {
        match self {
            Self {
                from: None,
                to: None,
            } => Ok(Window::All),
            Self {
                from: Some(from),
                to: Some(to),
            } if from >= to => Err(Error::invalid("the range of commits is empty")),
            bounds => Ok(Window::Commits(bounds)),
        }
    }
}

/// Which rows of the lake's tables a query sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Window {
    All,
    EventTime(Bounds),
    IngestTime(Bounds),
    /// By the commit of the tenant's table.
    Commits(Bounds),
    /// Commits of one tenant's table up to one, of these the records that happened in one of the times.
    Around {
        to: i64,
        times: Arc<[Bounds]>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2024-03-31T12:00:00Z
    const NOW: i64 = 1_711_886_400_000_000;

    #[test]
    fn points_are_read() {
        for (text, expected) in [
            ("2024-03-30", Some("2024-03-30T00:00:00Z")),
            ("2024-03-30T08:00:00Z", Some("2024-03-30T08:00:00Z")),
            (
                "2024-03-30T08:00:00.25+02:00",
                Some("2024-03-30T06:00:00.250Z"),
            ),
            ("2024-03-30 08:00:00", Some("2024-03-30T08:00:00Z")),
            ("2024-03-30T08:00", Some("2024-03-30T08:00:00Z")),
            ("now", Some("2024-03-31T12:00:00Z")),
            ("-P7D", Some("2024-03-24T12:00:00Z")),
            ("P7D", Some("2024-03-24T12:00:00Z")),
            ("P1M", Some("2024-02-29T12:00:00Z")),
            ("-P1W", Some("2024-03-24T12:00:00Z")),
            ("-PT90M", Some("2024-03-31T10:30:00Z")),
            ("P1DT1H1S", Some("2024-03-30T10:59:59Z")),
            ("+P1D", Some("2024-04-01T12:00:00Z")),
            ("P", None),
            ("PT", None),
            ("P1H", None),
            ("P1D1Y", None),
            ("P99999999999999999999D", None),
            ("yesterday", None),
            ("2024-02-30", None),
        ] {
            let micros = text.parse::<TimePoint>().ok();
            let micros = micros.and_then(|point| point.micros(NOW));
            let time = micros.and_then(DateTime::from_timestamp_micros);
            let time = time.map(|time| time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true));
            assert_eq!(time.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn ranges_have_a_beginning() {
        let hours = |hours: i64| hours * 3_600_000_000;
        for (from, to, expected) in [
            (None, None, Ok((Some(NOW - hours(24)), None))),
            (Some("all"), None, Ok((None, None))),
            (Some("-PT1H"), None, Ok((Some(NOW - hours(1)), None))),
            (
                None,
                Some("2024-03-31"),
                Ok((Some(NOW - hours(36)), Some(NOW - hours(12)))),
            ),
            (
                None,
                Some("-PT1H"),
                Err("a range that ends before now needs its beginning, too: set `from`"),
            ),
            (
                Some("2024-04-01"),
                None,
                Err("the time range begins in the future"),
            ),
            (
                Some("2024-03-02"),
                Some("2024-03-02"),
                Err("the time range is empty: `from` is not before `to`"),
            ),
        ] {
            let resolved = TimeRange::parse(from, to)
                .and_then(|range| range.resolve(RangeMode::EventTime, NOW));
            let bounds = match &resolved {
                Ok(Window::EventTime(bounds)) => Ok((bounds.from, bounds.to)),
                Ok(_) => Ok((None, None)),
                Err(error) => Err(error.to_string()),
            };
            assert_eq!(bounds, expected.map_err(str::to_owned), "{from:?} {to:?}");
        }
    }
}
