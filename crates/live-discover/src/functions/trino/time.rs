//! Dates and times: <https://trino.io/docs/current/functions/datetime.html>.
//!
//! The session's zone is UTC. A time with a zone is an instant that is shown in the zone; one without is read as UTC.

use std::sync::Arc;

use chrono::{
    DateTime, Datelike, Days, Months, NaiveDate, NaiveDateTime, Offset, TimeZone, Timelike,
};
use datafusion::arrow::array::timezone::Tz;
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, Float64Array, Int64Array, TimestampMicrosecondArray,
    TimestampMillisecondArray,
};
use datafusion::arrow::datatypes::{DataType, Date32Type, TimeUnit, TimestampMicrosecondType};
use datafusion::common::{Result, exec_err, plan_err};

use super::Function;
use super::scalar::{
    Call, Memo, Planned, Scalar, Takes, at, gives_double, gives_integer, gives_text,
};
use super::time_pattern::{Local, Parsed, Pattern, offset};

const PAGE: &str = "datetime";
const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

pub(super) fn functions() -> Vec<Function> {
    use Takes::{Any, Double, Integer, Text, Time};
    let scalar =
        |syntax, meaning, scalar: Scalar| Function::scalar(PAGE, syntax, meaning, scalar.build());
    let mut functions = vec![
        scalar(
            "from_unixtime(seconds[, zone])",
            "The time at seconds since 1970, to the millisecond, in UTC or a zone.",
            Scalar::new(
                "from_unixtime",
                &[Double, Any],
                gives_unixtime,
                from_unixtime,
            )
            .with_optional(1),
        ),
        scalar(
            "to_unixtime(time)",
            "Seconds since 1970, with their fraction.",
            Scalar::new("to_unixtime", &[Time], gives_double, to_unixtime),
        ),
        scalar(
            "date(x)",
            "The date of a time or text, as `CAST(x AS date)`.",
            Scalar::new("date", &[Time], |_| Ok(DataType::Date32), date),
        ),
        scalar(
            "date_add(unit, value, time)",
            "A time or date so many units later: `millisecond`, `second`, `minute`, `hour`, `day`, `week`, `month`, `quarter`, `year`.",
            Scalar::new("date_add", &[Text, Integer, Time], gives_third, date_add),
        ),
        scalar(
            "date_diff(unit, from, to)",
            "Whole units from one to the other.",
            Scalar::new("date_diff", &[Text, Time, Time], gives_integer, date_diff),
        ),
        scalar(
            "date_format(time, pattern)",
            "A time as text by a pattern of MySQL: `%i` are minutes, `%s` seconds, `%M` is the name of the month.",
            Scalar::new("date_format", &[Time, Text], gives_text, date_format),
        ),
        scalar(
            "date_parse(text, pattern)",
            "A time from text by a pattern of MySQL.",
            Scalar::new("date_parse", &[Text, Text], |_| Ok(MILLIS), date_parse),
        ),
        scalar(
            "format_datetime(time, pattern)",
            "A time as text by a pattern of Joda: `yyyy-MM-dd HH:mm:ss`.",
            Scalar::new(
                "format_datetime",
                &[Time, Text],
                gives_text,
                format_datetime,
            ),
        ),
        scalar(
            "parse_datetime(text, pattern)",
            "A time from text by a pattern of Joda.",
            Scalar::new(
                "parse_datetime",
                &[Text, Text],
                |_| Ok(utc(TimeUnit::Millisecond)),
                parse_datetime,
            ),
        ),
        scalar(
            "from_iso8601_timestamp(text)",
            "A time from text such as `2020-05-11T11:15:05+01:00`.",
            Scalar::new(
                "from_iso8601_timestamp",
                &[Text],
                |_| Ok(utc(TimeUnit::Millisecond)),
                from_iso8601_timestamp,
            ),
        ),
        scalar(
            "from_iso8601_date(text)",
            "A date from text: `2020-05-11`, `2020-W10` or `2020-123`.",
            Scalar::new(
                "from_iso8601_date",
                &[Text],
                |_| Ok(DataType::Date32),
                from_iso8601_date,
            ),
        ),
        scalar(
            "to_iso8601(x)",
            "A date or time as ISO 8601 text.",
            Scalar::new("to_iso8601", &[Time], gives_text, to_iso8601),
        ),
        scalar(
            "at_timezone(time, zone)",
            "The same instant in another zone; `AT TIME ZONE` is the same. The zone is a constant.",
            Scalar::new("at_timezone", &[Time, Any], gives_zoned, at_timezone),
        ),
        scalar(
            "with_timezone(time, zone)",
            "A time without a zone, as the clocks of a zone show it. The zone is a constant.",
            Scalar::new("with_timezone", &[Time, Any], gives_zoned, with_timezone),
        ),
        scalar(
            "last_day_of_month(x)",
            "The last day of its month.",
            Scalar::new(
                "last_day_of_month",
                &[Time],
                |_| Ok(DataType::Date32),
                last_day_of_month,
            ),
        ),
        scalar(
            "to_milliseconds(x)",
            "Milliseconds of an interval.",
            Scalar::new("to_milliseconds", &[Any], gives_integer, to_milliseconds),
        ),
    ];
    for (name, aliases, syntax, meaning, run) in FIELDS {
        functions.push(scalar(
            syntax,
            meaning,
            Scalar::new(name, &[Time], gives_integer, *run).with_aliases(aliases),
        ));
    }
    functions.push(Function::same(PAGE, "date_trunc(unit, x)", "Also `now()`, `current_date`, `current_timestamp`, and intervals, as in the default dialect, in UTC."));
    functions
}

type Field = (
    &'static str,
    &'static [&'static str],
    &'static str,
    &'static str,
    super::scalar::Run,
);

/// `EXTRACT(field FROM x)` calls them too.
const FIELDS: &[Field] = &[
    ("year", &[], "year(x)", "The year.", |call| {
        field(call, |time| i64::from(time.year()))
    }),
    ("quarter", &[], "quarter(x)", "1 to 4.", |call| {
        field(call, |time| i64::from(time.month0() / 3 + 1))
    }),
    ("month", &[], "month(x)", "1 to 12.", |call| {
        field(call, |time| i64::from(time.month()))
    }),
    (
        "week",
        &["week_of_year"],
        "week(x)",
        "The ISO week, 1 to 53.",
        |call| field(call, |time| i64::from(time.iso_week().week())),
    ),
    (
        "year_of_week",
        &["yow"],
        "year_of_week(x)",
        "The year of the ISO week.",
        |call| field(call, |time| i64::from(time.iso_week().year())),
    ),
    ("day", &["day_of_month"], "day(x)", "1 to 31.", |call| {
        field(call, |time| i64::from(time.day()))
    }),
    (
        "day_of_week",
        &["dow"],
        "day_of_week(x)",
        "1 (Monday) to 7.",
        |call| field(call, |time| i64::from(time.weekday().number_from_monday())),
    ),
    (
        "day_of_year",
        &["doy"],
        "day_of_year(x)",
        "1 to 366.",
        |call| field(call, |time| i64::from(time.ordinal())),
    ),
    ("hour", &[], "hour(x)", "0 to 23.", |call| {
        field(call, |time| i64::from(time.hour()))
    }),
    ("minute", &[], "minute(x)", "0 to 59.", |call| {
        field(call, |time| i64::from(time.minute()))
    }),
    ("second", &[], "second(x)", "0 to 59.", |call| {
        field(call, |time| i64::from(time.second()))
    }),
    ("millisecond", &[], "millisecond(x)", "0 to 999.", |call| {
        field(call, |time| i64::from(time.nanosecond() / 1_000_000))
    }),
];

const MILLIS: DataType = DataType::Timestamp(TimeUnit::Millisecond, None);

pub(crate) fn utc(unit: TimeUnit) -> DataType {
    DataType::Timestamp(unit, Some("UTC".into()))
}

fn gives_third(planned: &Planned<'_>) -> Result<DataType> {
    match planned.types.get(2) {
        Some(third) => Ok(third.clone()),
        None => plan_err!("an argument is missing"),
    }
}

fn gives_unixtime(planned: &Planned<'_>) -> Result<DataType> {
    if planned.types.len() < 2 {
        return Ok(utc(TimeUnit::Millisecond));
    }
    zoned(planned, 1, TimeUnit::Millisecond)
}

fn gives_zoned(planned: &Planned<'_>) -> Result<DataType> {
    zoned(planned, 1, TimeUnit::Microsecond)
}

fn zoned(planned: &Planned<'_>, index: usize, unit: TimeUnit) -> Result<DataType> {
    let Some(zone) = planned.constant_text(index) else {
        return plan_err!("the time zone has to be a constant text such as 'Europe/Paris'");
    };
    if zone.parse::<Tz>().is_err() {
        return plan_err!("there is no time zone `{zone}`");
    }
    Ok(DataType::Timestamp(unit, Some(zone.into())))
}

/// A column of dates or times.
pub(super) struct Times<'a> {
    values: Values<'a>,
    zone: Option<(Tz, &'a str)>,
}

enum Values<'a> {
    Dates(&'a Date32Array),
    Micros(&'a TimestampMicrosecondArray),
}

impl<'a> Times<'a> {
    pub(super) fn new(array: &'a ArrayRef) -> Result<Self> {
        if let Some(dates) = array.as_primitive_opt::<Date32Type>() {
            return Ok(Self {
                values: Values::Dates(dates),
                zone: None,
            });
        }
        let Some(micros) = array.as_primitive_opt::<TimestampMicrosecondType>() else {
            return exec_err!("a date or timestamp is needed, not {}", array.data_type());
        };
        let zone = match array.data_type() {
            DataType::Timestamp(_, Some(zone)) => Some((zone.parse()?, zone.as_ref())),
            _ => None,
        };
        Ok(Self {
            values: Values::Micros(micros),
            zone,
        })
    }

    /// Since 1970 in UTC.
    fn micros(&self, row: usize) -> Option<i64> {
        match self.values {
            Values::Dates(dates) => Some(i64::from(at(dates, row)?) * DAY),
            Values::Micros(micros) => at(micros, row),
        }
    }

    /// As the clocks of its zone show it.
    pub(super) fn local(&self, row: usize) -> Option<Local> {
        let time = DateTime::from_timestamp_micros(self.micros(row)?)?.naive_utc();
        let (offset_seconds, zone) = match &self.zone {
            None => (0, "UTC"),
            Some((zone, name)) => {
                let offset = zone.offset_from_utc_datetime(&time).fix();
                (offset.local_minus_utc(), *name)
            }
        };
        Some(Local {
            time: time.checked_add_signed(chrono::TimeDelta::seconds(i64::from(offset_seconds)))?,
            offset_seconds,
            zone: zone.to_owned(),
        })
    }

    /// The instant at which the clocks of its zone show a time; of two the first, in a gap the time after it.
    fn instant(&self, local: NaiveDateTime) -> Option<i64> {
        match &self.zone {
            None => Some(local.and_utc().timestamp_micros()),
            Some((zone, _)) => instant_in(*zone, local),
        }
    }
}

pub(super) fn instant_in(zone: Tz, local: NaiveDateTime) -> Option<i64> {
    let found = zone.from_local_datetime(&local).earliest();
    let found = found.or_else(|| {
        let later = local.checked_add_signed(chrono::TimeDelta::hours(1))?;
        zone.from_local_datetime(&later).earliest()
    });
    Some(found?.timestamp_micros())
}

fn times(call: &Call, index: usize) -> Result<Times<'_>> {
    Times::new(call.any(index)?)
}

/// Times of the type that the call gives, from microseconds.
fn finish(call: &Call, micros: impl Iterator<Item = Option<i64>>) -> Result<ArrayRef> {
    Ok(match &call.gives {
        DataType::Date32 => {
            let days = micros.map(|micros| i32::try_from(micros?.div_euclid(DAY)).ok());
            Arc::new(days.collect::<Date32Array>())
        }
        DataType::Timestamp(TimeUnit::Millisecond, zone) => {
            let millis = micros.map(|micros| Some(micros?.div_euclid(1000)));
            let array: TimestampMillisecondArray = millis.collect();
            Arc::new(array.with_timezone_opt(zone.clone()))
        }
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            let array: TimestampMicrosecondArray = micros.collect();
            Arc::new(array.with_timezone_opt(zone.clone()))
        }
        other => return exec_err!("{} gives no {other}", call.name),
    })
}

fn from_unixtime(call: &Call) -> Result<ArrayRef> {
    let seconds = call.doubles(0)?;
    let micros = (0..call.rows).map(|row| {
        let millis = (at(seconds, row)? * 1e3).round();
        // Beyond it there is no calendar.
        (millis.abs() < 8.2e15).then_some(millis as i64 * 1000)
    });
    finish(call, micros)
}

fn to_unixtime(call: &Call) -> Result<ArrayRef> {
    let times = times(call, 0)?;
    let array: Float64Array = (0..call.rows)
        .map(|row| Some(times.micros(row)? as f64 / 1e6))
        .collect();
    Ok(Arc::new(array))
}

fn date(call: &Call) -> Result<ArrayRef> {
    let times = times(call, 0)?;
    let locals =
        (0..call.rows).map(|row| Some(times.local(row)?.time.and_utc().timestamp_micros()));
    finish(call, locals)
}

fn last_day_of_month(call: &Call) -> Result<ArrayRef> {
    let times = times(call, 0)?;
    let days = (0..call.rows).map(|row| {
        let date = times.local(row)?.time.date().with_day(1)?;
        let last = date.checked_add_months(Months::new(1))?.pred_opt()?;
        Some(midnight(last))
    });
    finish(call, days)
}

fn midnight(date: NaiveDate) -> i64 {
    date.and_time(chrono::NaiveTime::MIN)
        .and_utc()
        .timestamp_micros()
}

#[derive(Debug, Clone, Copy)]
enum Unit {
    Micros(i64),
    Days(i64),
    Months(i64),
}

fn unit(call: &Call, name: &str) -> Result<Unit> {
    Ok(match name.to_ascii_lowercase().as_str() {
        "millisecond" => Unit::Micros(1000),
        "second" => Unit::Micros(SECOND),
        "minute" => Unit::Micros(60 * SECOND),
        "hour" => Unit::Micros(3600 * SECOND),
        "day" => Unit::Days(1),
        "week" => Unit::Days(7),
        "month" => Unit::Months(1),
        "quarter" => Unit::Months(3),
        "year" => Unit::Months(12),
        _ => {
            return exec_err!(
                "{}: `{name}` is no unit: millisecond, second, minute, hour, day, week, month, quarter, year",
                call.name
            );
        }
    })
}

fn date_add(call: &Call) -> Result<ArrayRef> {
    let (units, values, times) = (call.text(0)?, call.integers(1)?, times(call, 2)?);
    let micros: Vec<Option<i64>> = call.rows(|row| {
        let (Some(name), Some(value), Some(micros)) =
            (at(units, row), at(values, row), times.micros(row))
        else {
            return Ok(None);
        };
        let later = match unit(call, name)? {
            Unit::Micros(_) if matches!(times.values, Values::Dates(_)) => {
                return exec_err!("date_add: a date has no {name}");
            }
            Unit::Micros(each) => value
                .checked_mul(each)
                .and_then(|by| micros.checked_add(by)),
            Unit::Days(each) => {
                let shift = |local: Local| {
                    let days = value.checked_mul(each)?;
                    let count = Days::new(days.unsigned_abs());
                    if days < 0 {
                        local.time.checked_sub_days(count)
                    } else {
                        local.time.checked_add_days(count)
                    }
                };
                times
                    .local(row)
                    .and_then(shift)
                    .and_then(|local| times.instant(local))
            }
            Unit::Months(each) => {
                let shift = |local: Local| {
                    let months = value.checked_mul(each)?;
                    let count = Months::new(u32::try_from(months.unsigned_abs()).ok()?);
                    if months < 0 {
                        local.time.checked_sub_months(count)
                    } else {
                        local.time.checked_add_months(count)
                    }
                };
                times
                    .local(row)
                    .and_then(shift)
                    .and_then(|local| times.instant(local))
            }
        };
        match later {
            Some(later) => Ok(Some(later)),
            None => exec_err!("date_add: the result is out of range"),
        }
    })?;
    finish(call, micros.into_iter())
}

fn date_diff(call: &Call) -> Result<ArrayRef> {
    let (units, from, to) = (call.text(0)?, times(call, 1)?, times(call, 2)?);
    let array: Int64Array = call.rows(|row| {
        let Some(name) = at(units, row) else {
            return Ok(None);
        };
        let unit = unit(call, name)?;
        let (Some(start), Some(end)) = (from.micros(row), to.micros(row)) else {
            return Ok(None);
        };
        let (Some(first), Some(last)) = (from.local(row), to.local(row)) else {
            return Ok(None);
        };
        Ok(match unit {
            Unit::Micros(each) => end.checked_sub(start).map(|apart| apart / each),
            Unit::Days(each) => {
                let apart = (last.time - first.time).num_days();
                Some(apart / each)
            }
            Unit::Months(each) => Some(months_between(first.time, last.time) / each),
        })
    })?;
    Ok(Arc::new(array))
}

fn months_between(from: NaiveDateTime, to: NaiveDateTime) -> i64 {
    if to < from {
        return -months_between(to, from);
    }
    let months =
        i64::from(to.year() - from.year()) * 12 + i64::from(to.month()) - i64::from(from.month());
    // The last month is whole if the day of the month, or the end of a shorter month, is reached.
    let reached = u32::try_from(months)
        .ok()
        .and_then(|months| from.checked_add_months(Months::new(months)));
    if reached.is_some_and(|reached| reached > to) {
        months - 1
    } else {
        months
    }
}

fn field(call: &Call, value: impl Fn(&NaiveDateTime) -> i64) -> Result<ArrayRef> {
    let times = times(call, 0)?;
    let array: Int64Array = (0..call.rows)
        .map(|row| Some(value(&times.local(row)?.time)))
        .collect();
    Ok(Arc::new(array))
}

type Read = fn(&str) -> Result<Pattern>;

fn format(call: &Call, read: Read) -> Result<ArrayRef> {
    let mut patterns = Memo::new();
    let (times, pattern) = (times(call, 0)?, call.text(1)?);
    call.text_rows(|row| {
        let (Some(local), Some(pattern)) = (times.local(row), at(pattern, row)) else {
            return Ok(None);
        };
        Ok(Some(patterns.get(pattern, read)?.format(&local)))
    })
}

fn parse(call: &Call, read: Read) -> Result<ArrayRef> {
    let mut patterns = Memo::new();
    let (text, pattern) = (call.text(0)?, call.text(1)?);
    let micros: Vec<Option<i64>> = call.rows(|row| {
        let (Some(text), Some(pattern)) = (at(text, row), at(pattern, row)) else {
            return Ok(None);
        };
        match patterns.get(pattern, read)?.parse(text) {
            Some(parsed) => Ok(Some(micros_of(parsed))),
            None => exec_err!("{}: `{text}` is not as `{pattern}` says", call.name),
        }
    })?;
    finish(call, micros.into_iter())
}

fn micros_of(parsed: Parsed) -> i64 {
    let offset = i64::from(parsed.offset_seconds.unwrap_or(0)) * SECOND;
    parsed.time.and_utc().timestamp_micros() - offset
}

fn date_format(call: &Call) -> Result<ArrayRef> {
    format(call, Pattern::mysql)
}

fn date_parse(call: &Call) -> Result<ArrayRef> {
    parse(call, Pattern::mysql)
}

fn format_datetime(call: &Call) -> Result<ArrayRef> {
    format(call, Pattern::joda)
}

fn parse_datetime(call: &Call) -> Result<ArrayRef> {
    parse(call, Pattern::joda)
}

fn from_iso8601_timestamp(call: &Call) -> Result<ArrayRef> {
    let text = call.text(0)?;
    let micros: Vec<Option<i64>> = call.rows(|row| {
        let Some(text) = at(text, row) else {
            return Ok(None);
        };
        let found = match text.split_once(['T', 't']) {
            None => iso_date(text).map(midnight),
            Some((date, _)) if date.len() == 10 => iso_time(text),
            Some(_) => None,
        };
        match found {
            Some(micros) => Ok(Some(micros)),
            None => exec_err!("from_iso8601_timestamp: `{text}` is no such time"),
        }
    })?;
    finish(call, micros.into_iter())
}

/// With an offset, or without one in UTC; seconds and minutes may be left out.
fn iso_time(text: &str) -> Option<i64> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.timestamp_micros());
    }
    (["%Y-%m-%dT%H:%M:%S%.f%z", "%Y-%m-%dT%H:%M%z"].iter())
        .find_map(|pattern| DateTime::parse_from_str(text, pattern).ok())
        .map(|time| time.timestamp_micros())
        .or_else(|| {
            let text = text.strip_suffix(['Z', 'z']).unwrap_or(text);
            let patterns = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"];
            (patterns.iter())
                .find_map(|pattern| NaiveDateTime::parse_from_str(text, pattern).ok())
                .map(|time| time.and_utc().timestamp_micros())
        })
}

fn iso_date(text: &str) -> Option<NaiveDate> {
    let parts: Vec<&str> = text.split('-').collect();
    let year = parts.first()?.parse().ok()?;
    match parts.get(1..)? {
        [week] if week.starts_with('W') => {
            let week = week.get(1..)?.parse().ok()?;
            NaiveDate::from_isoywd_opt(year, week, chrono::Weekday::Mon)
        }
        [week, day] if week.starts_with('W') => {
            let week = week.get(1..)?.parse().ok()?;
            let day = chrono::Weekday::try_from(day.parse::<u8>().ok()?.checked_sub(1)?).ok()?;
            NaiveDate::from_isoywd_opt(year, week, day)
        }
        [day] if day.len() == 3 => NaiveDate::from_yo_opt(year, day.parse().ok()?),
        [month, day] => NaiveDate::from_ymd_opt(year, month.parse().ok()?, day.parse().ok()?),
        _ => None,
    }
}

fn from_iso8601_date(call: &Call) -> Result<ArrayRef> {
    let text = call.text(0)?;
    let micros: Vec<Option<i64>> = call.rows(|row| {
        let Some(text) = at(text, row) else {
            return Ok(None);
        };
        match iso_date(text) {
            Some(date) => Ok(Some(midnight(date))),
            None => exec_err!("from_iso8601_date: `{text}` is no such date"),
        }
    })?;
    finish(call, micros.into_iter())
}

fn to_iso8601(call: &Call) -> Result<ArrayRef> {
    let times = times(call, 0)?;
    let is_date = matches!(times.values, Values::Dates(_));
    let has_zone = times.zone.is_some();
    call.text_rows(|row| {
        Ok(times.local(row).map(|local| {
            if is_date {
                return local.time.format("%Y-%m-%d").to_string();
            }
            let time = format!("{}T{}", local.time.format("%Y-%m-%d"), clock(&local.time));
            match (has_zone, local.offset_seconds) {
                (false, _) => time,
                (true, 0) => time + "Z",
                (true, seconds) => time + &offset(seconds, true),
            }
        }))
    })
}

/// With milliseconds, Trino's default precision; with more digits only where there are any.
pub(super) fn clock(time: &NaiveDateTime) -> String {
    let micros = time.nanosecond() / 1000;
    if micros.is_multiple_of(1000) {
        time.format("%H:%M:%S%.3f").to_string()
    } else {
        time.format("%H:%M:%S%.6f").to_string()
    }
}

/// What `CAST(time AS varchar)` gives: with the name of the zone, unless it is UTC.
pub(super) fn text(array: &ArrayRef) -> Result<Vec<Option<String>>> {
    let times = Times::new(array)?;
    let text = |row| {
        let local = times.local(row)?;
        let time = format!("{} {}", local.time.format("%Y-%m-%d"), clock(&local.time));
        Some(if local.zone == "UTC" {
            time
        } else {
            format!("{time} {}", local.zone)
        })
    };
    Ok((0..array.len()).map(text).collect())
}

/// A time from text: a date, perhaps with hours and minutes, a fraction, and a zone or offset. Without one it is UTC.
pub(super) fn micros_from_text(text: &str) -> Option<i64> {
    let text = text.trim();
    let (date, rest) = text.split_at_checked(10).unwrap_or((text, ""));
    let date = NaiveDate::parse_from_str(date, "%Y-%m-%d").ok()?;
    let rest = rest.strip_prefix(['T', 't']).unwrap_or(rest).trim_start();
    let is_of_clock =
        |character: char| character.is_ascii_digit() || character == ':' || character == '.';
    let (clock, zone) = rest.split_at(rest.find(|c| !is_of_clock(c)).unwrap_or(rest.len()));
    let time = match clock {
        "" => chrono::NaiveTime::MIN,
        clock => (["%H:%M:%S%.f", "%H:%M"].iter())
            .find_map(|pattern| chrono::NaiveTime::parse_from_str(clock, pattern).ok())?,
    };
    let local = date.and_time(time);
    match zone.trim() {
        "" | "Z" | "z" => Some(local.and_utc().timestamp_micros()),
        zone => instant_in(zone.parse().ok()?, local),
    }
}

/// What the clocks of its zone show, as a time without one.
pub(super) fn without_zone(array: &ArrayRef) -> Result<TimestampMicrosecondArray> {
    let times = Times::new(array)?;
    Ok((0..array.len())
        .map(|row| Some(times.local(row)?.time.and_utc().timestamp_micros()))
        .collect())
}

fn at_timezone(call: &Call) -> Result<ArrayRef> {
    let times = times(call, 0)?;
    finish(call, (0..call.rows).map(|row| times.micros(row)))
}

fn with_timezone(call: &Call) -> Result<ArrayRef> {
    let times = times(call, 0)?;
    let DataType::Timestamp(_, Some(name)) = &call.gives else {
        return exec_err!("with_timezone gives a time with a zone");
    };
    let zone: Tz = name.parse()?;
    finish(
        call,
        (0..call.rows).map(|row| instant_in(zone, times.local(row)?.time)),
    )
}

fn to_milliseconds(call: &Call) -> Result<ArrayRef> {
    let duration = DataType::Duration(TimeUnit::Millisecond);
    let array = call.any(0)?;
    let array = match array.data_type() {
        DataType::Duration(_) => datafusion::arrow::compute::cast(array, &duration)?,
        _ => return exec_err!("to_milliseconds takes an interval between two times"),
    };
    Ok(datafusion::arrow::compute::cast(&array, &DataType::Int64)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_whole() {
        let months =
            |from: &str, to: &str| months_between(from.parse().unwrap(), to.parse().unwrap());
        assert_eq!(months("2020-01-31T00:00:00", "2020-02-29T00:00:00"), 1);
        assert_eq!(months("2020-01-31T00:00:01", "2020-02-29T00:00:00"), 0);
        assert_eq!(months("2020-01-15T00:00:00", "2021-01-14T00:00:00"), 11);
        assert_eq!(months("2020-03-01T00:00:00", "2020-01-01T00:00:00"), -2);
    }
}
