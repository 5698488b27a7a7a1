//! `time_bucket`: the beginning of the interval that a time is in.

use std::sync::Arc;

use audit_lake::DAY_MICROS;
use chrono::{DateTime, Datelike, Months};
use datafusion::arrow::array::{AsArray, TimestampMicrosecondArray};
use datafusion::arrow::datatypes::{
    DataType, IntervalMonthDayNano, IntervalUnit, TimeUnit, TimestampMicrosecondType,
};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::{Function, Make};

pub(super) const FUNCTION: Function = Function {
    name: "time_bucket",
    arguments: "interval, time[, origin]",
    result: "timestamp",
    meaning: "The beginning of the interval that the time is in, in UTC. Intervals follow each other from the \
        origin, a constant; by default weeks begin on Mondays, months and years on their first day. The interval \
        is a constant of months (and years), or of weeks, days, hours, minutes, seconds.",
    examples: &[
        (
            "time_bucket(interval '15 minutes', TIMESTAMP '2024-01-31T08:44:59')",
            "2024-01-31T08:30:00",
        ),
        (
            "time_bucket('7 days', TIMESTAMP '2024-01-31T08:44:59')",
            "2024-01-29T00:00:00",
        ),
        (
            "time_bucket('3 months', DATE '2024-01-31')",
            "2024-01-01T00:00:00",
        ),
        (
            "time_bucket('1 day', TIMESTAMP '2024-01-31T08:44:59', TIMESTAMP '2024-01-01T09:00:00')",
            "2024-01-30T09:00:00",
        ),
    ],
    make: Make::Fixed(make),
};

/// 2000-01-03, a Monday, in µs since 1970.
const MONDAY_MICROS: i64 = 946_857_600_000_000;
/// 2000-01-01 in µs since 1970.
const MONTH_MICROS: i64 = 946_684_800_000_000;

fn make() -> ScalarUDF {
    ScalarUDF::from(TimeBucket {
        signature: Signature::user_defined(Volatility::Immutable),
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct TimeBucket {
    signature: Signature,
}

impl ScalarUDFImpl for TimeBucket {
    fn name(&self) -> &str {
        FUNCTION.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match arguments {
            [_, time, ..] => time_type(time),
            _ => usage(),
        }
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let ([interval, time] | [interval, time, _]) = arguments else {
            return usage();
        };
        if !(matches!(interval, DataType::Interval(_) | DataType::Null) || interval.is_string()) {
            return plan_err!("`time_bucket` takes an interval first, such as interval '1 hour'");
        }
        let mut types = vec![
            DataType::Interval(IntervalUnit::MonthDayNano),
            time_type(time)?,
        ];
        if let [_, _, origin] = arguments {
            types.push(time_type(origin)?);
        }
        Ok(types)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let ([interval, times] | [interval, times, _]) = arguments.args.as_slice() else {
            return usage();
        };
        let ColumnarValue::Scalar(ScalarValue::IntervalMonthDayNano(interval)) = interval else {
            return exec_err!("the interval of `time_bucket` has to be a constant");
        };
        let origin = match arguments.args.get(2) {
            None => Some(None),
            Some(ColumnarValue::Scalar(ScalarValue::TimestampMicrosecond(origin, _))) => {
                origin.map(Some)
            }
            Some(_) => return exec_err!("the origin of `time_bucket` has to be a constant"),
        };
        let (Some(interval), Some(origin)) = (interval, origin) else {
            let null = ScalarValue::try_from(arguments.return_field.data_type())?;
            return Ok(ColumnarValue::Scalar(null));
        };
        let buckets = Buckets::new(*interval, origin)?;
        buckets.begins(times).map_or_else(usage, Ok)
    }
}

fn usage<T>() -> Result<T> {
    plan_err!("`time_bucket` takes an interval, a time and, if need be, an origin")
}

/// What a time is given as.
fn time_type(given: &DataType) -> Result<DataType> {
    match given {
        DataType::Timestamp(_, zone) => {
            Ok(DataType::Timestamp(TimeUnit::Microsecond, zone.clone()))
        }
        DataType::Date32 | DataType::Date64 | DataType::Null => {
            Ok(DataType::Timestamp(TimeUnit::Microsecond, None))
        }
        given if given.is_string() => Ok(DataType::Timestamp(TimeUnit::Microsecond, None)),
        _ => plan_err!("`time_bucket` takes a time such as `creation_time`"),
    }
}

/// Intervals that follow each other, in both directions.
pub(super) struct Buckets {
    width: Width,
    origin_micros: i64,
}

#[derive(Clone, Copy)]
enum Width {
    Months(u32),
    Micros(i64),
}

impl Buckets {
    /// By default weeks begin on Mondays, months and years on their first day.
    pub(super) fn new(interval: IntervalMonthDayNano, origin_micros: Option<i64>) -> Result<Self> {
        let micros = i64::from(interval.days)
            .checked_mul(DAY_MICROS)
            .and_then(|days| days.checked_add(interval.nanoseconds / 1_000));
        let width = match (u32::try_from(interval.months), micros) {
            (Ok(0), Some(micros)) if micros > 0 => Width::Micros(micros),
            (Ok(months), Some(0)) if months > 0 => Width::Months(months),
            _ => {
                return exec_err!(
                    "the interval of `time_bucket` is longer than 0, and of months or of days and time, not both"
                );
            }
        };
        let default_micros = match width {
            Width::Months(_) => MONTH_MICROS,
            Width::Micros(_) => MONDAY_MICROS,
        };
        Ok(Self {
            width,
            origin_micros: origin_micros.unwrap_or(default_micros),
        })
    }

    /// Where the interval begins of each time in microseconds; NULL beyond the calendar. `None` of what is no such time.
    pub(super) fn begins(&self, times: &ColumnarValue) -> Option<ColumnarValue> {
        match times {
            ColumnarValue::Array(times) => {
                let times = times.as_primitive_opt::<TimestampMicrosecondType>()?;
                let begins: TimestampMicrosecondArray =
                    times.unary_opt(|micros| self.begin(micros));
                let begins = begins.with_timezone_opt(times.timezone());
                Some(ColumnarValue::Array(Arc::new(begins)))
            }
            ColumnarValue::Scalar(ScalarValue::TimestampMicrosecond(micros, zone)) => {
                let begin = micros.and_then(|micros| self.begin(micros));
                let begin = ScalarValue::TimestampMicrosecond(begin, zone.clone());
                Some(ColumnarValue::Scalar(begin))
            }
            ColumnarValue::Scalar(_) => None,
        }
    }

    /// `None` beyond the calendar.
    fn begin(&self, micros: i64) -> Option<i64> {
        match self.width {
            Width::Micros(width) => {
                let distance = micros.checked_sub(self.origin_micros)?;
                micros.checked_sub(distance.rem_euclid(width))
            }
            Width::Months(width) => {
                let time = DateTime::from_timestamp_micros(micros)?;
                let origin = DateTime::from_timestamp_micros(self.origin_micros)?;
                let width = i64::from(width);
                let month = |year: i32, month0: u32| i64::from(year) * 12 + i64::from(month0);
                let distance =
                    month(time.year(), time.month0()) - month(origin.year(), origin.month0());
                let shifted = |months: i64| {
                    let count = Months::new(u32::try_from(months.unsigned_abs()).ok()?);
                    if months < 0 {
                        origin.checked_sub_months(count)
                    } else {
                        origin.checked_add_months(count)
                    }
                };
                let months = distance - distance.rem_euclid(width);
                let begin = shifted(months)?;
                // An origin late in its month: the month's interval has not begun yet.
                let begin = if begin > time {
                    shifted(months - width)?
                } else {
                    begin
                };
                Some(begin.timestamp_micros())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn micros(text: &str) -> i64 {
        DateTime::parse_from_rfc3339(text)
            .unwrap()
            .timestamp_micros()
    }

    fn begin(months: i32, days: i32, seconds: i64, time: &str, origin: Option<&str>) -> String {
        let interval = IntervalMonthDayNano::new(months, days, seconds * 1_000_000_000);
        let buckets = Buckets::new(interval, origin.map(micros)).unwrap();
        let begin = buckets.begin(micros(time)).unwrap();
        DateTime::from_timestamp_micros(begin)
            .unwrap()
            .to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
    }

    #[test]
    fn buckets_begin_where_people_expect() {
        for ((months, days, seconds), time, origin, expected) in [
            (
                (0, 0, 3600),
                "2024-01-31T08:00:00Z",
                None,
                "2024-01-31T08:00:00Z",
            ),
            (
                (0, 0, 3600),
                "2024-01-31T08:59:59.999999Z",
                None,
                "2024-01-31T08:00:00Z",
            ),
            (
                (0, 1, 0),
                "1969-12-31T23:00:00Z",
                None,
                "1969-12-31T00:00:00Z",
            ),
            (
                (0, 7, 0),
                "2024-01-28T23:59:59Z",
                None,
                "2024-01-22T00:00:00Z",
            ),
            (
                (0, 7, 0),
                "1999-12-31T00:00:00Z",
                None,
                "1999-12-27T00:00:00Z",
            ),
            (
                (0, 1, 43_200),
                "2000-01-05T00:00:00Z",
                None,
                "2000-01-04T12:00:00Z",
            ),
            (
                (1, 0, 0),
                "2024-02-29T12:00:00Z",
                None,
                "2024-02-01T00:00:00Z",
            ),
            (
                (3, 0, 0),
                "1999-12-31T00:00:00Z",
                None,
                "1999-10-01T00:00:00Z",
            ),
            (
                (12, 0, 0),
                "0001-01-01T00:00:00Z",
                None,
                "0001-01-01T00:00:00Z",
            ),
            (
                (1, 0, 0),
                "2024-02-14T00:00:00Z",
                Some("2024-01-15T00:00:00Z"),
                "2024-01-15T00:00:00Z",
            ),
            (
                (1, 0, 0),
                "2023-12-14T00:00:00Z",
                Some("2024-01-15T00:00:00Z"),
                "2023-11-15T00:00:00Z",
            ),
        ] {
            assert_eq!(
                begin(months, days, seconds, time, origin),
                expected,
                "{time}"
            );
        }
    }

    #[test]
    fn intervals_without_length_are_refused() {
        for interval in [
            IntervalMonthDayNano::new(0, 0, 0),
            IntervalMonthDayNano::new(0, 0, 999),
            IntervalMonthDayNano::new(0, -1, 0),
            IntervalMonthDayNano::new(-1, 0, 0),
            IntervalMonthDayNano::new(1, 1, 0),
        ] {
            assert!(Buckets::new(interval, None).is_err(), "{interval:?}");
        }
    }
}
