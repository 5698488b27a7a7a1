//! DataFusion's `date_part`, and so `extract`, quicker for times in UTC.
//!
//! As [`date_trunc`](super::date_trunc) it asks a calendar for a time with a time zone. In UTC hours, minutes and days of
//! the week are divisions, and the other parts are taken of times without a zone.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{
    DataType, FieldRef, Float64Type, Int32Type, Int64Type, TimeUnit,
    TimestampMicrosecondType as Micros,
};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result};
use datafusion::functions::datetime::date_part;
use datafusion::functions::datetime::date_part::DatePartFunc;
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::preimage::PreimageResult;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature,
};

use super::as_inner::as_inner;
use super::date_trunc::in_utc;

/// Puts it in the place of DataFusion's, which `extract` calls whatever is registered.
#[derive(Debug)]
pub(crate) struct PartsByDivision {
    function: Arc<ScalarUDF>,
}

impl PartsByDivision {
    pub(crate) fn new() -> Self {
        Self {
            function: Arc::new(udf()),
        }
    }
}

impl FunctionRewrite for PartsByDivision {
    fn name(&self) -> &str {
        "parts_by_division"
    }

    fn rewrite(
        &self,
        expr: Expr,
        _schema: &DFSchema,
        _config: &ConfigOptions,
    ) -> Result<Transformed<Expr>> {
        Ok(match expr {
            Expr::ScalarFunction(mut call) if call.func.inner().is::<DatePartFunc>() => {
                call.func = Arc::clone(&self.function);
                Transformed::yes(Expr::ScalarFunction(call))
            }
            _ => Transformed::no(expr),
        })
    }
}

fn udf() -> ScalarUDF {
    ScalarUDF::new_from_impl(DatePart { inner: date_part() })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct DatePart {
    inner: Arc<ScalarUDF>,
}

impl ScalarUDFImpl for DatePart {
    as_inner!();

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn invoke_with_args(&self, mut arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if let [ColumnarValue::Scalar(part), ColumnarValue::Array(durations)] =
            arguments.args.as_slice()
            && let DataType::Duration(unit) = durations.data_type()
            && let Some(Some(part)) = part.try_as_str()
            && part.eq_ignore_ascii_case("epoch")
        {
            return Ok(ColumnarValue::Array(seconds(durations, *unit)?));
        }
        if let [ColumnarValue::Scalar(part), ColumnarValue::Array(times)] =
            arguments.args.as_mut_slice()
            && let Some((_, without)) = in_utc(times)
        {
            if let Some(Some(part)) = part.try_as_str()
                && let Some(parts) = divided(part, &without)
            {
                return Ok(ColumnarValue::Array(parts));
            }
            *times = without;
        }
        self.inner.inner().invoke_with_args(arguments)
    }

    fn preimage(
        &self,
        arguments: &[Expr],
        value: &Expr,
        context: &SimplifyContext,
    ) -> Result<PreimageResult> {
        self.inner.inner().preimage(arguments, value, context)
    }
}

/// What times are apart in seconds, with their fractions, which DataFusion drops.
fn seconds(durations: &ArrayRef, unit: TimeUnit) -> Result<ArrayRef> {
    let a_second = match unit {
        TimeUnit::Second => 1.0,
        TimeUnit::Millisecond => 1e3,
        TimeUnit::Microsecond => 1e6,
        TimeUnit::Nanosecond => 1e9,
    };
    let counts = cast(durations, &DataType::Int64)?;
    let counts = counts.as_primitive::<Int64Type>();
    let seconds = counts.unary::<_, Float64Type>(|count| count as f64 / a_second);
    Ok(Arc::new(seconds))
}

/// The parts of times that are a division away.
fn divided(part: &str, times: &ArrayRef) -> Option<ArrayRef> {
    const MINUTE: i64 = 60_000_000;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;
    const WEEK: i64 = 7 * DAY;
    // The first day of all was a Thursday, and weeks begin with Sunday, which is 0.
    const THURSDAY: i64 = 4 * DAY;
    let times = times.as_primitive::<Micros>();
    Some(match part.to_ascii_lowercase().as_str() {
        "minute" => units::<MINUTE, DAY, 0, 60>(times),
        "hour" => units::<HOUR, DAY, 0, 24>(times),
        "dow" => units::<DAY, WEEK, THURSDAY, 7>(times),
        _ => return None,
    })
}

/// How many units times are into their day or week, modulo `COUNT`, if the first time of all was `FIRST` into one. By
/// constants, as a division by one that is known is a multiplication, and of 32 bits: where a day or a week begins is
/// worked out for the first of its times, as most that follow each other are of one.
fn units<const UNIT: i64, const WHOLE: i64, const FIRST: i64, const COUNT: u32>(
    times: &PrimitiveArray<Micros>,
) -> ArrayRef {
    // Units are whole numbers of these, of which a week has fewer than 32 bits can count.
    const PART: i64 = 256;
    let mut start = -FIRST;
    let units = times.values().iter().map(|time| {
        let mut into = time.wrapping_sub(start) as u64;
        if into >= WHOLE as u64 {
            into = ((time.rem_euclid(WHOLE) + FIRST) % WHOLE) as u64;
            start = time.wrapping_sub(into as i64);
        }
        let units = (into / PART as u64) as u32 / (UNIT / PART) as u32;
        match WHOLE == UNIT * i64::from(COUNT) {
            true => units as i32,
            false => (units % COUNT) as i32,
        }
    });
    let units: Vec<i32> = units.collect();
    let nulls = times.nulls().cloned();
    Arc::new(PrimitiveArray::<Int32Type>::new(units.into(), nulls))
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::TimestampMicrosecondArray;
    use datafusion::arrow::datatypes::Field;
    use datafusion::common::ScalarValue;

    use super::*;

    #[test]
    fn it_gives_the_parts_that_datafusion_gives() {
        const DAY: i64 = 86_400_000_000;
        let days = (-400..400).map(|day| Some(day * DAY * 7 / 5 + day * 61_234_567));
        let edges = [0, -1, 1, DAY - 1, -DAY, 20_454 * DAY + 86_399_999_999];
        let day = (0..100).map(|part| Some(20_454 * DAY + part * (DAY / 100)));
        // First, as the week of the first time of all is where no other one is known.
        let week = (0..8).map(|day| Some(day * DAY));
        let times: Vec<_> = week
            .chain(days)
            .chain(edges.map(Some))
            .chain(day)
            .chain([None])
            .collect();
        let times = TimestampMicrosecondArray::from(times).with_timezone("UTC");
        let times: ArrayRef = Arc::new(times);
        let parts = [
            "year",
            "isoyear",
            "quarter",
            "month",
            "week",
            "day",
            "doy",
            "dow",
            "DOW",
            "isodow",
            "hour",
            "Hour",
            "hours",
            "minute",
            "MINUTE",
            "second",
            "millisecond",
            "epoch",
        ];
        for part in parts {
            let given = |udf: &ScalarUDF| {
                let part = ScalarValue::from(part);
                let fields = [&part.data_type(), times.data_type()]
                    .map(|data_type| Arc::new(Field::new("x", data_type.clone(), true)));
                let return_field = udf.inner().return_field_from_args(ReturnFieldArgs {
                    arg_fields: &fields,
                    scalar_arguments: &[Some(&part), None],
                });
                let given = udf.inner().invoke_with_args(ScalarFunctionArgs {
                    args: vec![
                        ColumnarValue::Scalar(part),
                        ColumnarValue::Array(Arc::clone(&times)),
                    ],
                    arg_fields: fields.to_vec(),
                    number_rows: times.len(),
                    return_field: return_field.unwrap(),
                    config_options: Arc::new(ConfigOptions::default()),
                });
                given.unwrap().into_array(times.len()).unwrap()
            };
            assert_eq!(
                given(&udf()).as_ref(),
                given(&date_part()).as_ref(),
                "{part}"
            );
        }
    }
}
