//! Bounds on functions that make much from little: `repeat`, `lpad`, `||`, `range`, `array_repeat` and the like.
//!
//! DataFusion counts the memory of operators, not of expressions. So each call of such a function is put into one
//! that estimates what it would make before it makes it, cuts the rows into pieces that are small enough, and counts
//! what comes out for the query's memory as long as it lives. Functions that we add have bounds of their own.

mod bounded;
mod join;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use datafusion::arrow::compute::{CastOptions, cast, cast_with_options};
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, DataFusionError, Result, ScalarValue};
use datafusion::execution::SessionStateDefaults;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::{BinaryExpr, ColumnarValue, Expr, Operator, ScalarUDF};

use self::bounded::Bounded;
pub(crate) use self::bounded::let_go;
use self::join::Join;

/// A format of dates and times.
const FORMAT_BYTES_MAX: u64 = 1_000;

/// Puts the calls of functions that grow into bounded ones.
#[derive(Debug)]
pub(crate) struct BoundGrowth;

impl FunctionRewrite for BoundGrowth {
    fn name(&self) -> &str {
        "bound_growth"
    }

    fn rewrite(
        &self,
        expr: Expr,
        _schema: &DFSchema,
        _config: &ConfigOptions,
    ) -> Result<Transformed<Expr>> {
        match expr {
            Expr::ScalarFunction(ScalarFunction { func, args }) => {
                let is_list = func.name() == "make_array"
                    && args.iter().all(|arg| matches!(arg, Expr::Literal(..)));
                let is_bounded = func.inner().is::<Bounded>();
                match growth_of(&func) {
                    Some(growth) if !is_list && !is_bounded => {
                        let bounded = Bounded {
                            inner: func,
                            growth,
                        };
                        let func = Arc::new(ScalarUDF::new_from_impl(bounded));
                        Ok(Transformed::yes(Expr::ScalarFunction(ScalarFunction {
                            func,
                            args,
                        })))
                    }
                    _ => Ok(Transformed::no(Expr::ScalarFunction(ScalarFunction {
                        func,
                        args,
                    }))),
                }
            }
            Expr::BinaryExpr(BinaryExpr {
                left,
                op: Operator::StringConcat,
                right,
            }) => {
                let bounded = Bounded {
                    inner: Arc::new(ScalarUDF::new_from_impl(Join::new())),
                    growth: Growth::Sum,
                };
                Ok(Transformed::yes(
                    ScalarUDF::new_from_impl(bounded).call(vec![*left, *right]),
                ))
            }
            expr => Ok(Transformed::no(expr)),
        }
    }
}

/// How a function's result grows with its arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Growth {
    /// As its arguments, up to a letter that has three bytes in upper case.
    Same,
    /// All arguments one after the other.
    Sum,
    /// The first, as often as the second says.
    Times,
    /// To as many letters or elements as the second says.
    To,
    /// The third for each place of the second in the first.
    Replaced,
    /// By a format.
    Formatted,
    /// An array of the steps between two values.
    Series,
    /// The elements of an array with a text between them.
    Joined,
    /// Work that is as the product of two texts.
    Compared,
}

/// Of a function of DataFusion: those of ours and of a dialect have bounds of their own.
fn growth_of(function: &Arc<ScalarUDF>) -> Option<Growth> {
    static BROUGHT: LazyLock<HashMap<String, Arc<ScalarUDF>>> = LazyLock::new(|| {
        let functions = SessionStateDefaults::default_scalar_functions();
        let named = functions
            .into_iter()
            .map(|function| (function.name().to_owned(), function));
        named.collect()
    });
    if BROUGHT.get(function.name()) != Some(function) {
        return None;
    }
    Some(match function.name() {
        "repeat" | "array_repeat" => Growth::Times,
        "lpad" | "rpad" | "array_resize" => Growth::To,
        "replace" | "regexp_replace" | "array_replace" | "array_replace_all"
        | "array_replace_n" => Growth::Replaced,
        "to_char" => Growth::Formatted,
        "range" | "generate_series" => Growth::Series,
        "array_to_string" => Growth::Joined,
        "levenshtein" => Growth::Compared,
        "concat" | "concat_ws" | "make_array" | "array_concat" | "array_append"
        | "array_prepend" | "array_union" | "map" | "overlay" | "named_struct" | "struct"
        | "arrays_zip" => Growth::Sum,
        "upper" | "lower" | "initcap" | "reverse" | "translate" | "btrim" | "ltrim" | "rtrim"
        | "split_part" | "substr" | "substr_index" | "left" | "right" | "chr" | "to_hex"
        | "encode" | "decode" | "md5" | "digest" | "sha224" | "sha256" | "sha384" | "sha512"
        | "uuid" | "string_to_array" | "regexp_match" | "map_keys" | "map_values"
        | "map_entries" | "flatten" | "array_sort" | "array_distinct" | "array_reverse" => {
            Growth::Same
        }
        _ => return None,
    })
}

impl Growth {
    /// At most so many bytes come of the arguments.
    fn bytes(self, args: &[ColumnarValue], rows: usize) -> u64 {
        /// What an element of an array or a short text takes.
        const ELEMENT_BYTES: u64 = 16;
        let rows = rows as u64;
        let size = |index: usize| args.get(index).map_or(0, |arg| bytes_of(arg, rows));
        let largest = |index: usize| args.get(index).map_or(0, largest_of);
        let all = (0..args.len()).fold(0_u64, |sum, index| sum.saturating_add(size(index)));
        let each = rows.saturating_mul(ELEMENT_BYTES);
        let grown = match self {
            Self::Same => all.saturating_mul(3),
            Self::Sum => all.saturating_add(each.saturating_mul(args.len() as u64)),
            Self::Times => size(0)
                .saturating_add(each)
                .saturating_mul(number_max(args.get(1))),
            Self::To => {
                let one = largest(2).clamp(4, 1 << 20);
                rows.saturating_mul(number_max(args.get(1)).saturating_mul(one))
            }
            Self::Replaced => {
                // One for each byte, as far as is known, and each may bring what was found once more.
                let found = largest(1).max(1);
                let references = largest_text(args.get(2)).map_or(0, |text| {
                    text.bytes()
                        .filter(|byte| matches!(byte, b'\\' | b'$'))
                        .count() as u64
                });
                let places = size(0).saturating_add(rows) / found.min(4);
                places
                    .saturating_mul(largest(2))
                    .saturating_add(size(0).saturating_mul(references + 1))
            }
            Self::Formatted if largest(1) > FORMAT_BYTES_MAX => u64::MAX,
            Self::Formatted => rows.saturating_mul(largest(1).saturating_mul(32)),
            Self::Series => {
                let steps = steps(args).unwrap_or(u64::MAX);
                rows.saturating_mul(steps.saturating_mul(ELEMENT_BYTES))
            }
            Self::Joined => {
                let elements = size(0) / 4;
                size(0)
                    .saturating_mul(3)
                    .saturating_add(elements.saturating_mul(largest(1)))
            }
            Self::Compared => rows.saturating_mul(largest(0).saturating_mul(largest(1))) / 256,
        };
        grown.saturating_add(each)
    }
}

/// Bytes of an argument for all rows.
fn bytes_of(value: &ColumnarValue, rows: u64) -> u64 {
    match value {
        ColumnarValue::Scalar(value) => rows.saturating_mul(scalar_bytes(value)),
        ColumnarValue::Array(array) => array_bytes(array),
    }
}

fn scalar_bytes(value: &ScalarValue) -> u64 {
    match value.try_as_str() {
        Some(text) => text.map_or(0, str::len) as u64,
        None => value.size() as u64,
    }
}

fn array_bytes(array: &ArrayRef) -> u64 {
    match array.data_type() {
        DataType::Utf8 => {
            let offsets = array.as_string::<i32>().offsets();
            let at =
                |offset: Option<&i32>| u64::from(offset.map_or(0, |offset| offset.unsigned_abs()));
            at(offsets.last()) - at(offsets.first())
        }
        DataType::Utf8View => (array.as_string_view().views().iter())
            // The length of a view is its first four bytes.
            .map(|view| u64::from((view & u128::from(u32::MAX)) as u32))
            .sum(),
        _ => {
            // A slice has the memory of the whole.
            let whole = array.get_array_memory_size() as u64;
            array
                .to_data()
                .get_slice_memory_size()
                .map_or(whole, |bytes| bytes as u64)
        }
    }
}

/// Bytes of the largest value of an argument.
fn largest_of(value: &ColumnarValue) -> u64 {
    match value {
        ColumnarValue::Scalar(value) => scalar_bytes(value),
        ColumnarValue::Array(array) => match array.data_type() {
            DataType::Utf8 => (array.as_string::<i32>().iter().flatten())
                .map(|text| text.len() as u64)
                .max()
                .unwrap_or(0),
            DataType::Utf8View => (array.as_string_view().iter().flatten())
                .map(|text| text.len() as u64)
                .max()
                .unwrap_or(0),
            _ => array_bytes(array),
        },
    }
}

fn largest_text(value: Option<&ColumnarValue>) -> Option<&str> {
    match value? {
        ColumnarValue::Scalar(value) => value.try_as_str().flatten(),
        ColumnarValue::Array(array) => match array.data_type() {
            DataType::Utf8 => {
                let texts = array.as_string::<i32>().iter().flatten();
                texts.max_by_key(|text| text.len())
            }
            DataType::Utf8View => {
                let texts = array.as_string_view().iter().flatten();
                texts.max_by_key(|text| text.len())
            }
            _ => None,
        },
    }
}

/// The largest number of an argument; below zero is none, and what is no number of ours is too large.
fn number_max(value: Option<&ColumnarValue>) -> u64 {
    let Some(value) = value else {
        return 0;
    };
    let max = |numbers: Int64Array| numbers.iter().flatten().max().unwrap_or(0);
    int64_of(value).map_or(u64::MAX, |numbers| u64::try_from(max(numbers)).unwrap_or(0))
}

/// Steps of the longest series.
fn steps(args: &[ColumnarValue]) -> Result<u64> {
    let [start, stop, step] = match args {
        [stop] => [None, Some(stop), None],
        [start, stop] => [Some(start), Some(stop), None],
        [start, stop, step, ..] => [Some(start), Some(stop), Some(step)],
        [] => return Ok(0),
    };
    let is_number = |value: &ColumnarValue| value.data_type().is_integer();
    let (unit, step) = match step {
        None => (1, 1),
        Some(step) if is_number(step) => {
            let numbers = int64_of(step)?;
            let steps = (numbers.iter().flatten()).map(|step| i128::from(step).abs());
            (1, steps.filter(|step| *step > 0).min().unwrap_or(1))
        }
        Some(step) => (0, interval_nanos(step)),
    };
    // Days for dates, nanoseconds for times with a step.
    let scale = |value: &ColumnarValue| match value.data_type() {
        DataType::Date32 if unit == 0 => 86_400_000_000_000_i128,
        DataType::Timestamp(of, _) if unit == 0 => match of {
            datafusion::arrow::datatypes::TimeUnit::Second => 1_000_000_000,
            datafusion::arrow::datatypes::TimeUnit::Millisecond => 1_000_000,
            datafusion::arrow::datatypes::TimeUnit::Microsecond => 1_000,
            datafusion::arrow::datatypes::TimeUnit::Nanosecond => 1,
        },
        _ => 1,
    };
    let bounds = |value: Option<&ColumnarValue>| {
        let Some(value) = value else {
            return Ok((0, 0));
        };
        let (numbers, scale) = (int64_of(value)?, scale(value));
        let all = || {
            numbers
                .iter()
                .flatten()
                .map(|number| i128::from(number) * scale)
        };
        Ok::<_, DataFusionError>((all().min().unwrap_or(0), all().max().unwrap_or(0)))
    };
    let (start, stop) = (bounds(start)?, bounds(stop)?);
    let span = (stop.1 - start.0).abs().max((start.1 - stop.0).abs());
    Ok(u64::try_from(span / step.max(1) + 1).unwrap_or(u64::MAX))
}

/// # Errors
///
/// A number that has no room: without that it were NULL, and nothing would be made of it.
fn int64_of(value: &ColumnarValue) -> Result<Int64Array> {
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    let array = cast_with_options(&value.to_array(1)?, &DataType::Int64, &options)?;
    Ok(array.as_primitive::<Int64Type>().clone())
}

/// The shortest of the intervals.
fn interval_nanos(value: &ColumnarValue) -> i128 {
    let Ok(array) = value.to_array(1) else {
        return 1;
    };
    let DataType::Interval(_) = array.data_type() else {
        return 1;
    };
    let interval = DataType::Interval(datafusion::arrow::datatypes::IntervalUnit::MonthDayNano);
    let Ok(array) = cast(&array, &interval) else {
        return 1;
    };
    let intervals = array.as_primitive::<datafusion::arrow::datatypes::IntervalMonthDayNanoType>();
    let nanos = intervals.iter().flatten().map(|interval| {
        let days = i128::from(interval.months) * 28 + i128::from(interval.days);
        (days * 86_400_000_000_000 + i128::from(interval.nanoseconds)).abs()
    });
    nanos.filter(|nanos| *nanos > 0).min().unwrap_or(1)
}
