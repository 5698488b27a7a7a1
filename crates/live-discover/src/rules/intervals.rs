//! Intervals, compared by how long they are, and added to dates and times.
//!
//! Arrow compares the months of two intervals, then their days, then the rest: `INTERVAL '36 hours' > INTERVAL '1 day'` is
//! false, and so is whatever two times are apart, which has no days at all. Here, as in PostgreSQL, a day has 24 hours and a
//! month 30 days when intervals are compared (<https://www.postgresql.org/docs/current/datatype-datetime.html>).
//!
//! A date and an interval are a date in DataFusion, whatever the interval has of a day: `event_date + INTERVAL '8 hours'` was
//! midnight. As in PostgreSQL they are a time here, unless the interval has whole days.

use std::sync::{Arc, LazyLock};

use audit_lake::DAY_MICROS;
use datafusion::arrow::array::{ArrayRef, AsArray, Decimal128Array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{
    DataType, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit, TimeUnit,
};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result, ScalarValue, exec_err};
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::{
    Between, BinaryExpr, ColumnarValue, Expr, ExprSchemable, Operator, ScalarFunctionArgs,
    ScalarUDF, ScalarUDFImpl, Signature, Volatility, cast as cast_to, lit,
};

const INTERVAL: DataType = DataType::Interval(IntervalUnit::MonthDayNano);
const TIME: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);
/// Of the longest interval, in nanoseconds.
const LENGTH: DataType = DataType::Decimal128(38, 0);
const DAY_NANOS: i128 = DAY_MICROS as i128 * 1_000;
/// Of what is added as a length: some hundred thousand years. With more, Arrow says that it is out of range.
const ADDED_MICROS_MAX: i64 = 36_500_000 * DAY_MICROS;
const MONTH_NANOS: i128 = 30 * DAY_NANOS;

/// Puts the length of intervals in their place where they are compared.
#[derive(Debug)]
pub(crate) struct ByLength;

impl FunctionRewrite for ByLength {
    fn name(&self) -> &str {
        "intervals_by_length"
    }

    fn rewrite(
        &self,
        mut expr: Expr,
        schema: &DFSchema,
        _config: &ConfigOptions,
    ) -> Result<Transformed<Expr>> {
        let compared = compared(&mut expr, schema);
        let is_length = |of: &DataType| matches!(of, DataType::Interval(_) | DataType::Duration(_));
        let becomes_one = |of: &DataType| is_length(of) || of.is_string() || of.is_null();
        // What times are apart is a number.
        let is_number = |of: &DataType| matches!(of, DataType::Duration(_));
        let mut types = compared.iter().map(|(_, of)| of);
        if !types.clone().any(is_length) || !types.clone().all(becomes_one) || types.all(is_number)
        {
            return Ok(Transformed::no(expr));
        }
        for (expr, of) in compared {
            let interval = match is_length(&of) {
                true => expr.clone(),
                false => cast_to(expr.clone(), INTERVAL),
            };
            *expr = LENGTH_OF.call(vec![interval]);
        }
        Ok(Transformed::yes(expr))
    }
}

/// Makes a time of a date that a part of a day is added to.
#[derive(Debug)]
pub(crate) struct TimesOfDates;

impl FunctionRewrite for TimesOfDates {
    fn name(&self) -> &str {
        "times_of_dates"
    }

    fn rewrite(
        &self,
        expr: Expr,
        schema: &DFSchema,
        _config: &ConfigOptions,
    ) -> Result<Transformed<Expr>> {
        let Expr::BinaryExpr(BinaryExpr {
            left,
            op: op @ (Operator::Plus | Operator::Minus),
            right,
        }) = expr
        else {
            return Ok(Transformed::no(expr));
        };
        let is_date = |expr: &Expr| matches!(expr.get_type(schema), Ok(DataType::Date32));
        let is_part_of_day = |expr: &Expr| {
            matches!(expr.get_type(schema), Ok(DataType::Interval(_))) && !is_of_whole_days(expr)
        };
        let time = |date: Box<Expr>| Box::new(cast_to(*date, TIME));
        let (left, right, is_time) = if is_date(&left) && is_part_of_day(&right) {
            (time(left), right, true)
        } else if op == Operator::Plus && is_part_of_day(&left) && is_date(&right) {
            (left, time(right), true)
        } else {
            (left, right, false)
        };
        let expr = Expr::BinaryExpr(BinaryExpr { left, op, right });
        Ok(Transformed::new_transformed(expr, is_time))
    }
}

/// Makes a length of an interval that is added to a time, where it is one: Arrow asks a calendar for each time that an
/// interval is added to, which took a fourth of a join of times near each other.
#[derive(Debug)]
pub(crate) struct AddedByLength;

impl FunctionRewrite for AddedByLength {
    fn name(&self) -> &str {
        "intervals_added_by_length"
    }

    fn rewrite(
        &self,
        mut expr: Expr,
        schema: &DFSchema,
        _config: &ConfigOptions,
    ) -> Result<Transformed<Expr>> {
        let Expr::BinaryExpr(BinaryExpr { left, op, right }) = &mut expr else {
            return Ok(Transformed::no(expr));
        };
        let (time, interval) = match op {
            Operator::Plus | Operator::Minus if matches!(**right, Expr::Literal(..)) => {
                (left, right)
            }
            Operator::Plus => (right, left),
            _ => return Ok(Transformed::no(expr)),
        };
        let Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(of)), _) = **interval else {
            return Ok(Transformed::no(expr));
        };
        let length = match time.get_type(schema) {
            Ok(DataType::Timestamp(TimeUnit::Microsecond, zone))
                if of.days == 0 || has_equal_days(zone.as_deref()) =>
            {
                micros(of).filter(|length| (-ADDED_MICROS_MAX..=ADDED_MICROS_MAX).contains(length))
            }
            _ => None,
        };
        let is_length = length.is_some();
        if is_length {
            **interval = lit(ScalarValue::DurationMicrosecond(length));
        }
        Ok(Transformed::new_transformed(expr, is_length))
    }
}

/// Whether all days of times with such a zone have 24 hours: no clock changes.
pub(super) fn has_equal_days(zone: Option<&str>) -> bool {
    matches!(zone, None | Some("UTC" | "+00:00"))
}

/// How long an interval is, where days have 24 hours; `None` for what has months, which are of unequal length, and what is
/// no number of microseconds.
pub(super) fn micros(of: IntervalMonthDayNano) -> Option<i64> {
    let is_whole = of.months == 0 && of.nanoseconds % 1_000 == 0;
    let micros = i64::from(of.days)
        .checked_mul(DAY_MICROS)?
        .checked_add(of.nanoseconds / 1_000)?;
    is_whole.then_some(micros)
}

/// Whether an interval is known to have no part of a day.
fn is_of_whole_days(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(interval)), _) => {
            interval.nanoseconds == 0
        }
        Expr::Literal(ScalarValue::IntervalDayTime(Some(interval)), _) => {
            interval.milliseconds == 0
        }
        Expr::Literal(ScalarValue::IntervalYearMonth(_), _) => true,
        Expr::Negative(interval) => is_of_whole_days(interval),
        _ => false,
    }
}

/// What is compared with each other, with its types; nothing if one has none yet, which the planner tells.
pub(super) fn compared<'e>(expr: &'e mut Expr, schema: &DFSchema) -> Vec<(&'e mut Expr, DataType)> {
    use Operator::{Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, NotEq};
    let compared: Vec<&mut Expr> = match expr {
        Expr::BinaryExpr(BinaryExpr {
            left,
            op: Eq | NotEq | Lt | LtEq | Gt | GtEq | IsDistinctFrom | IsNotDistinctFrom,
            right,
        }) => vec![left, right],
        Expr::Between(Between {
            expr, low, high, ..
        }) => vec![expr, low, high],
        Expr::InList(InList { expr, list, .. }) => {
            std::iter::once(expr.as_mut()).chain(list).collect()
        }
        _ => Vec::new(),
    };
    let typed = compared.into_iter().map(|expr| {
        let of = expr.get_type(schema)?;
        Ok((expr, of))
    });
    typed.collect::<Result<_>>().unwrap_or_default()
}

/// No name that SQL has: queries don't call it.
static LENGTH_OF: LazyLock<ScalarUDF> = LazyLock::new(|| {
    ScalarUDF::from(LengthOf {
        signature: Signature::any(1, Volatility::Immutable),
    })
});

/// Nanoseconds of an interval, or of what two times are apart.
#[derive(Debug, PartialEq, Eq, Hash)]
struct LengthOf {
    signature: Signature,
}

impl ScalarUDFImpl for LengthOf {
    fn name(&self) -> &str {
        "length_of_interval"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(LENGTH)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [of] = args.args.as_slice() else {
            return exec_err!("an interval has one length");
        };
        Ok(match of {
            ColumnarValue::Array(of) => ColumnarValue::Array(lengths(of)?),
            ColumnarValue::Scalar(of) => {
                let lengths = lengths(&of.to_array()?)?;
                ColumnarValue::Scalar(ScalarValue::try_from_array(&lengths, 0)?)
            }
        })
    }
}

fn lengths(of: &ArrayRef) -> Result<ArrayRef> {
    let lengths: Decimal128Array = match of.data_type() {
        DataType::Duration(unit) => {
            let nanos_each = match unit {
                TimeUnit::Second => 1_000_000_000,
                TimeUnit::Millisecond => 1_000_000,
                TimeUnit::Microsecond => 1_000,
                TimeUnit::Nanosecond => 1,
            };
            let counts = cast(of, &DataType::Int64)?;
            let counts = counts.as_primitive::<Int64Type>();
            counts.unary(|count| i128::from(count) * nanos_each)
        }
        _ => {
            let intervals = cast(of, &INTERVAL)?;
            (intervals.as_primitive::<IntervalMonthDayNanoType>()).unary(length)
        }
    };
    Ok(Arc::new(lengths.with_data_type(LENGTH)))
}

fn length(of: IntervalMonthDayNano) -> i128 {
    i128::from(of.months) * MONTH_NANOS
        + i128::from(of.days) * DAY_NANOS
        + i128::from(of.nanoseconds)
}
