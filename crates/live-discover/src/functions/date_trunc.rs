//! DataFusion's `date_trunc`, quicker for times in UTC, and for all of them.
//!
//! For a time with a time zone it asks a calendar, value by value, and the lake's times have one. Weeks and longer it cuts in
//! nanoseconds, which reach from 1677 to 2262 only: one record of the year 1, which is what .NET writes for no time at all,
//! failed a query about all others.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray};
use datafusion::arrow::datatypes::{
    DataType, FieldRef, IntervalMonthDayNano, TimeUnit, TimestampMicrosecondType as Micros,
};
use datafusion::common::Result;
use datafusion::functions::datetime::date_trunc;
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature,
};

use super::as_inner::as_inner;
use super::time_bucket::Buckets;

/// What stands in place of DataFusion's.
pub(crate) fn udf() -> ScalarUDF {
    ScalarUDF::new_from_impl(DateTrunc {
        inner: date_trunc(),
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct DateTrunc {
    inner: Arc<ScalarUDF>,
}

impl ScalarUDFImpl for DateTrunc {
    as_inner!();

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match in_micros(&arguments.args) {
            Some(cut) => Ok(cut),
            None => self.inner.inner().invoke_with_args(arguments),
        }
    }

    fn output_ordering(&self, arguments: &[ExprProperties]) -> Result<SortProperties> {
        self.inner.output_ordering(arguments)
    }
}

/// Times in microseconds, in UTC, cut to a constant unit; `None` of others.
fn in_micros(arguments: &[ColumnarValue]) -> Option<ColumnarValue> {
    let [ColumnarValue::Scalar(unit), times] = arguments else {
        return None;
    };
    let DataType::Timestamp(TimeUnit::Microsecond, zone) = times.data_type() else {
        return None;
    };
    let is_utc = zone.is_none_or(|zone| zone.as_ref() == "UTC");
    let unit = is_utc.then(|| unit.try_as_str()).flatten().flatten()?;
    let (months, days, nanos) = match unit.to_ascii_lowercase().as_str() {
        "year" => (12, 0, 0),
        "quarter" => (3, 0, 0),
        "month" => (1, 0, 0),
        "week" => (0, 7, 0),
        "day" => (0, 1, 0),
        "hour" => (0, 0, 3_600_000_000_000),
        "minute" => (0, 0, 60_000_000_000),
        "second" => (0, 0, 1_000_000_000),
        "millisecond" => (0, 0, 1_000_000),
        _ => return None,
    };
    let interval = IntervalMonthDayNano::new(months, days, nanos);
    Buckets::new(interval, None).ok()?.begins(times)
}

/// Times in UTC, with the name that it has and without.
pub(super) fn in_utc(times: &ArrayRef) -> Option<(Arc<str>, ArrayRef)> {
    match times.data_type() {
        DataType::Timestamp(TimeUnit::Microsecond, Some(zone)) if zone.as_ref() == "UTC" => {
            let without = times.as_primitive::<Micros>().clone();
            let without = without.with_timezone_opt(None::<Arc<str>>);
            Some((Arc::clone(zone), Arc::new(without)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{Array, TimestampMicrosecondArray};
    use datafusion::common::ScalarValue;
    use datafusion::common::config::ConfigOptions;

    use super::*;

    #[test]
    fn it_cuts_as_that_of_datafusion() {
        const DAY: i64 = 86_400_000_000;
        let times = [
            Some(0),
            None,
            Some(-1),
            Some(-719_000 * DAY / 7),
            Some(19_700 * DAY + 1),
            Some(20_454 * DAY + 86_399_999_999),
        ];
        let times = TimestampMicrosecondArray::from(times.to_vec()).with_timezone("UTC");
        let times: ArrayRef = Arc::new(times);
        let units = [
            "microsecond",
            "millisecond",
            "second",
            "Minute",
            "hour",
            "day",
            "week",
            "month",
            "quarter",
            "year",
        ];
        for unit in units {
            let cut = |udf: &ScalarUDF| {
                let field = |name: &str, data_type: &DataType| {
                    Arc::new(datafusion::arrow::datatypes::Field::new(
                        name,
                        data_type.clone(),
                        true,
                    ))
                };
                let arguments = ScalarFunctionArgs {
                    args: vec![
                        ColumnarValue::Scalar(ScalarValue::from(unit)),
                        ColumnarValue::Array(Arc::clone(&times)),
                    ],
                    arg_fields: vec![
                        field("unit", &DataType::Utf8),
                        field("time", times.data_type()),
                    ],
                    number_rows: times.len(),
                    return_field: field("cut", times.data_type()),
                    config_options: Arc::new(ConfigOptions::default()),
                };
                udf.inner().invoke_with_args(arguments).unwrap()
            };
            let (ours, theirs) = (cut(&udf()), cut(&date_trunc()));
            let array = |value: ColumnarValue| value.into_array(times.len()).unwrap();
            assert_eq!(array(ours).as_ref(), array(theirs).as_ref(), "{unit}");
        }
    }
}
