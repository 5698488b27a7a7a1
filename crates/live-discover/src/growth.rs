//! Bounds on functions that make much from little: `repeat`, `lpad`, `||`, `range`, `array_repeat` and the like.
//!
//! DataFusion counts the memory of operators, not of expressions. So each call of such a function is put into one
//! that estimates what it would make before it makes it, cuts the rows into pieces that are small enough, and counts
//! what comes out for the query's memory as long as it lives. Functions that we add have bounds of their own.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::{Array, ArrayData, ArrayRef, AsArray, Int64Array, RecordBatch};
use datafusion::arrow::buffer::Buffer;
use datafusion::arrow::compute::{CastOptions, cast, cast_with_options, concat};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Int64Type, Schema};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, DataFusionError, Result, ScalarValue};
use datafusion::execution::SessionStateDefaults;
use datafusion::execution::memory_pool::arrow::ArrowMemoryPool;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, UnboundedMemoryPool};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::type_coercion::binary::BinaryTypeCoercer;
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, Operator, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility,
};
use datafusion::physical_expr::expressions::{self, Column};
use datafusion::physical_plan::PhysicalExpr;

use crate::error::Error;
use crate::limits::LimitKind;
use crate::stop::Bounds;

/// What is made at a time.
const PIECE_BYTES_MAX: u64 = 16 << 20;
/// What a call may make of a batch of rows.
const CALL_BYTES_MAX: u64 = 64 << 20;
/// What a call may make where it has no row before it: the text is copied to each row of the result.
const CONSTANT_BYTES_MAX: u64 = 1 << 20;

/// What such a call may come to by its estimate: it is made again by each rule that looks at it.
const CONSTANT_ESTIMATE_MAX: u64 = 4 << 20;
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

/// A function whose result is bounded.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Bounded {
    inner: Arc<ScalarUDF>,
    growth: Growth,
}

impl Bounded {
    fn too_large(&self, bytes: u64, max: u64) -> Error {
        let name = self.inner.name();
        let message =
            format!("`{name}` would make {bytes} bytes at once, at most {max} are allowed");
        Error::exhausted(LimitKind::Growth, message)
    }

    /// Piece by piece.
    fn pieces(&self, args: ScalarFunctionArgs, made: &mut Vec<ArrayRef>) -> Result<()> {
        if let Some(bounds) = Bounds::of(&args.config_options) {
            bounds.stop.check()?;
        }
        let rows = args.number_rows;
        let bytes = self.growth.bytes(&args.args, rows);
        if bytes > PIECE_BYTES_MAX && rows > 1 {
            let half = rows / 2;
            for (start, count) in [(0, half), (half, rows - half)] {
                let slice = |arg: &ColumnarValue| match arg {
                    ColumnarValue::Array(array) => ColumnarValue::Array(array.slice(start, count)),
                    scalar => scalar.clone(),
                };
                let piece = ScalarFunctionArgs {
                    args: args.args.iter().map(slice).collect(),
                    arg_fields: args.arg_fields.clone(),
                    number_rows: count,
                    return_field: Arc::clone(&args.return_field),
                    config_options: Arc::clone(&args.config_options),
                };
                self.pieces(piece, made)?;
            }
            return Ok(());
        }
        if bytes > CALL_BYTES_MAX {
            return Err(self.too_large(bytes, CALL_BYTES_MAX).into());
        }
        let array = self.inner.invoke_with_args(args)?.into_array(rows)?;
        made.push(array);
        let total: u64 = made.iter().map(array_bytes).sum();
        if total > CALL_BYTES_MAX {
            return Err(self.too_large(total, CALL_BYTES_MAX).into());
        }
        Ok(())
    }
}

impl ScalarUDFImpl for Bounded {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        self.inner.schema_name(args)
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.inner.return_field_from_args(args)
    }

    fn is_strict(&self) -> bool {
        self.inner.is_strict()
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(types)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_constant = args.number_rows == 1
            && args
                .args
                .iter()
                .all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let bytes = self.growth.bytes(&args.args, args.number_rows);
        if is_constant {
            if bytes > CONSTANT_ESTIMATE_MAX {
                return Err(self.too_large(bytes, CONSTANT_BYTES_MAX).into());
            }
            let value = self.inner.invoke_with_args(args)?;
            let bytes = bytes_of(&value, 1);
            if bytes > CONSTANT_BYTES_MAX {
                return Err(self.too_large(bytes, CONSTANT_BYTES_MAX).into());
            }
            return Ok(value);
        }
        let bounds = Bounds::of(&args.config_options).cloned();
        let given = bounds.as_ref().map(|_| buffers_of(&args.args));
        let value = if bytes <= PIECE_BYTES_MAX {
            self.inner.invoke_with_args(args)?
        } else {
            let mut made = Vec::new();
            self.pieces(args, &mut made)?;
            let made: Vec<&dyn Array> = made.iter().map(AsRef::as_ref).collect();
            ColumnarValue::Array(concat(&made)?)
        };
        if let (ColumnarValue::Array(array), Some(bounds), Some(given)) = (&value, bounds, given) {
            count(array, &given, self.inner.name(), &bounds.memory)?;
        }
        Ok(value)
    }
}

/// The memory that arguments hold.
fn buffers_of(args: &[ColumnarValue]) -> Vec<Buffer> {
    let mut buffers = Vec::new();
    for arg in args {
        match arg {
            ColumnarValue::Array(array) => add_buffers(&array.to_data(), &mut buffers),
            // Those that hold an array give it as it is.
            ColumnarValue::Scalar(value) if value.data_type().is_nested() => {
                if let Ok(array) = value.to_array() {
                    add_buffers(&array.to_data(), &mut buffers);
                }
            }
            ColumnarValue::Scalar(_) => {}
        }
    }
    buffers
}

fn add_buffers(data: &ArrayData, buffers: &mut Vec<Buffer>) {
    buffers.extend(data.buffers().iter().cloned());
    buffers.extend(data.nulls().map(|nulls| nulls.buffer().clone()));
    for child in data.child_data() {
        add_buffers(child, buffers);
    }
}

/// Counts what a function made as long as it lives.
///
/// What it made is all that was not `given`: many give a part of a text as a view of the whole, and the whole may be kept
/// for other queries long after this one.
fn count(
    array: &ArrayRef,
    given: &[Buffer],
    name: &str,
    memory: &Arc<dyn MemoryPool>,
) -> Result<()> {
    let mut known: HashSet<_> = given.iter().map(Buffer::data_ptr).collect();
    let mut made = Vec::new();
    add_buffers(&array.to_data(), &mut made);
    made.retain(|buffer| buffer.capacity() > 0 && known.insert(buffer.data_ptr()));
    // A claim cannot be refused, so there has to be room for all of them before.
    let bytes = made.iter().map(Buffer::capacity).sum();
    (MemoryConsumer::new(name).register(memory)).try_grow(bytes)?;
    let pool = ArrowMemoryPool::new(Arc::clone(memory), MemoryConsumer::new(name));
    for buffer in &made {
        buffer.claim(&pool);
    }
    Ok(())
}

/// Counts what functions made no longer: a result is the host's, and may outlive its query.
pub(crate) fn let_go(batch: &RecordBatch) {
    let nobody: Arc<dyn MemoryPool> = Arc::new(UnboundedMemoryPool::default());
    let pool = ArrowMemoryPool::new(nobody, MemoryConsumer::new("results"));
    for column in batch.columns() {
        column.claim(&pool);
    }
}

/// `||` of texts, as DataFusion has it.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Join {
    signature: Signature,
}

impl Join {
    fn new() -> Self {
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

impl ScalarUDFImpl for Join {
    fn name(&self) -> &str {
        "||"
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        let args: Vec<String> = args
            .iter()
            .map(|arg| arg.schema_name().to_string())
            .collect();
        Ok(args.join(" || "))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let [left, right] = types else {
            return Err(DataFusionError::Plan("|| takes two values".to_owned()));
        };
        let (left, right) =
            BinaryTypeCoercer::new(left, &Operator::StringConcat, right).get_input_types()?;
        Ok(vec![left, right])
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let [left, right] = types else {
            return Err(DataFusionError::Plan("|| takes two values".to_owned()));
        };
        BinaryTypeCoercer::new(left, &Operator::StringConcat, right).get_result_type()
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_constant = args
            .args
            .iter()
            .all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let fields: Vec<Field> = arrays
            .iter()
            .map(|array| Field::new("", array.data_type().clone(), true))
            .collect();
        let columns = arrays
            .iter()
            .map(|array| {
                if array.len() == args.number_rows || is_constant {
                    Ok(Arc::clone(array))
                } else {
                    ScalarValue::try_from_array(array, 0)?.to_array_of_size(args.number_rows)
                }
            })
            .collect::<Result<Vec<ArrayRef>>>()?;
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?;
        let side = |index| Arc::new(Column::new("", index)) as Arc<dyn PhysicalExpr>;
        let joined = expressions::BinaryExpr::new(side(0), Operator::StringConcat, side(1))
            .evaluate(&batch)?;
        if is_constant {
            let value = ScalarValue::try_from_array(&joined.into_array(1)?, 0)?;
            return Ok(ColumnarValue::Scalar(value));
        }
        Ok(joined)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use datafusion::arrow::array::StringViewArray;

    use super::*;
    use crate::stop::Stop;

    #[test]
    fn what_a_function_made_counts_as_long_as_it_lives_and_what_it_was_given_does_not() {
        let memory: Arc<dyn MemoryPool> = Arc::new(UnboundedMemoryPool::default());
        let mut options = ConfigOptions::default();
        options.extensions.insert(Bounds {
            stop: Arc::new(Stop::after(Duration::MAX)),
            memory: Arc::clone(&memory),
        });
        let options = Arc::new(options);
        const ROWS: usize = 100;
        let text = "a text that is too long for a view of its own".repeat(20);
        let texts: StringViewArray = (0..ROWS).map(|_| Some(text.as_str())).collect();
        let texts: ArrayRef = Arc::new(texts);
        let call = |name: &str, further: Option<i64>| {
            let functions = SessionStateDefaults::default_scalar_functions();
            let inner = functions.into_iter().find(|found| found.name() == name);
            let inner = inner.unwrap();
            let growth = growth_of(&inner).unwrap();
            let mut args = vec![ColumnarValue::Array(Arc::clone(&texts))];
            args.extend(further.map(|number| ColumnarValue::Scalar(number.into())));
            let field = |data_type| Arc::new(Field::new("", data_type, true));
            let given = ScalarFunctionArgs {
                arg_fields: args.iter().map(|arg| field(arg.data_type())).collect(),
                args,
                number_rows: ROWS,
                return_field: field(DataType::Utf8View),
                config_options: Arc::clone(&options),
            };
            Bounded { inner, growth }.invoke_with_args(given).unwrap()
        };
        let views = 16 * ROWS;
        let part = call("substr", Some(20));
        let counted = memory.reserved();
        assert!((views..2 * views).contains(&counted), "{counted}");
        drop(part);
        assert_eq!(memory.reserved(), 0);
        let upper = call("upper", None);
        let counted = memory.reserved();
        assert!(counted >= ROWS * text.len(), "{counted}");
        drop(upper);
        assert_eq!(memory.reserved(), 0);
    }
}
