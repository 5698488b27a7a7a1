//! Numbers: <https://trino.io/docs/current/functions/math.html>.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Float64Array, Int64Array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err};

use super::Function;
use super::scalar::{Call, Planned, Scalar, Takes, at, gives_double, gives_integer};

const PAGE: &str = "math";

pub(super) fn functions() -> Vec<Function> {
    use Takes::{Any, Double, Integer, Text};
    let scalar =
        |syntax, meaning, scalar: Scalar| Function::scalar(PAGE, syntax, meaning, scalar.build());
    let double = |name, syntax, meaning, run| {
        scalar(
            syntax,
            meaning,
            Scalar::new(name, &[Double], gives_double, run),
        )
    };
    let kept = |name, syntax, meaning, run| {
        scalar(
            syntax,
            meaning,
            Scalar::new(name, &[Any], gives_number, run),
        )
    };
    vec![
        kept("abs", "abs(x)", "Without its sign.", |call| {
            number(call, i64::checked_abs, f64::abs)
        }),
        kept(
            "ceil",
            "ceil(x)",
            "The next whole number; `ceiling` is the same.",
            |call| number(call, Some, f64::ceil),
        ),
        kept("ceiling", "ceiling(x)", "`ceil`", |call| {
            number(call, Some, f64::ceil)
        }),
        kept("floor", "floor(x)", "The whole number before.", |call| {
            number(call, Some, f64::floor)
        }),
        kept("truncate", "truncate(x)", "Without its fraction.", |call| {
            number(call, Some, f64::trunc)
        }),
        kept("sign", "sign(x)", "-1, 0 or 1.", |call| {
            number(
                call,
                |x| Some(x.signum()),
                |x| if x == 0.0 { 0.0 } else { x.signum() },
            )
        }),
        scalar(
            "round(x[, digits])",
            "To whole numbers or so many digits; halves away from zero.",
            Scalar::new("round", &[Any, Integer], gives_number, round).with_optional(1),
        ),
        double("sqrt", "sqrt(x)", "The square root.", |call| {
            doubles(call, f64::sqrt)
        }),
        double("cbrt", "cbrt(x)", "The cube root.", |call| {
            doubles(call, f64::cbrt)
        }),
        double("exp", "exp(x)", "e to a power.", |call| {
            doubles(call, f64::exp)
        }),
        double("ln", "ln(x)", "The natural logarithm.", |call| {
            doubles(call, f64::ln)
        }),
        double("log2", "log2(x)", "The logarithm to base 2.", |call| {
            doubles(call, f64::log2)
        }),
        double("log10", "log10(x)", "The logarithm to base 10.", |call| {
            doubles(call, f64::log10)
        }),
        scalar(
            "log(base, x)",
            "The logarithm to a base.",
            Scalar::new("log", &[Double, Double], gives_double, |call| {
                doubles2(call, |base, x| x.log(base))
            }),
        ),
        scalar(
            "power(x, p)",
            "A power; `pow` is the same.",
            Scalar::new("power", &[Double, Double], gives_double, |call| {
                doubles2(call, f64::powf)
            })
            .with_aliases(&["pow"]),
        ),
        scalar(
            "from_base(text, radix)",
            "The number that text is to a base.",
            Scalar::new("from_base", &[Text, Integer], gives_integer, from_base),
        ),
        Function::rewritten(PAGE, "mod(a, b)", "The rest of a division: `a % b`."),
        Function::rewritten("bitwise", "bitwise_and(a, b)", "`a & b`"),
        Function::rewritten("bitwise", "bitwise_or(a, b)", "`a | b`"),
        Function::rewritten("bitwise", "bitwise_xor(a, b)", "The bits that differ."),
        Function::rewritten("bitwise", "bitwise_not(a)", "The other bits."),
    ]
}

/// Whole numbers as 64 bits, others as doubles.
fn gives_number(planned: &Planned<'_>) -> Result<DataType> {
    Ok(match planned.types.first() {
        Some(given) if given.is_integer() => DataType::Int64,
        _ => DataType::Float64,
    })
}

fn number(
    call: &Call,
    whole: impl Fn(i64) -> Option<i64>,
    double: impl Fn(f64) -> f64,
) -> Result<ArrayRef> {
    use datafusion::arrow::array::AsArray;
    use datafusion::arrow::datatypes::{Float64Type, Int64Type};
    let given = cast(call.any(0)?, &call.gives)?;
    if let Some(values) = given.as_primitive_opt::<Int64Type>() {
        let array: Int64Array = call.rows(|row| match at(values, row) {
            None => Ok(None),
            Some(value) => match whole(value) {
                Some(value) => Ok(Some(value)),
                None => exec_err!("{}: {value} is out of range", call.name),
            },
        })?;
        return Ok(Arc::new(array));
    }
    let values = given.as_primitive::<Float64Type>();
    let array: Float64Array = (0..call.rows)
        .map(|row| at(values, row).map(&double))
        .collect();
    Ok(Arc::new(array))
}

fn round(call: &Call) -> Result<ArrayRef> {
    use datafusion::arrow::array::AsArray;
    use datafusion::arrow::datatypes::Float64Type;
    if !call.has(1) || call.gives == DataType::Int64 {
        return number(call, Some, f64::round);
    }
    let given = cast(call.any(0)?, &DataType::Float64)?;
    let (values, digits) = (given.as_primitive::<Float64Type>(), call.integers(1)?);
    let array: Float64Array = (0..call.rows)
        .map(|row| {
            let (value, digits) = (at(values, row)?, at(digits, row)?);
            let scale = 10f64.powi(i32::try_from(digits.clamp(-400, 400)).ok()?);
            let rounded = (value * scale).round() / scale;
            Some(if rounded.is_finite() { rounded } else { value })
        })
        .collect();
    Ok(Arc::new(array))
}

fn doubles(call: &Call, value: impl Fn(f64) -> f64) -> Result<ArrayRef> {
    let values = call.doubles(0)?;
    let array: Float64Array = (0..call.rows)
        .map(|row| at(values, row).map(&value))
        .collect();
    Ok(Arc::new(array))
}

fn doubles2(call: &Call, value: impl Fn(f64, f64) -> f64) -> Result<ArrayRef> {
    let (left, right) = (call.doubles(0)?, call.doubles(1)?);
    let array: Float64Array = (0..call.rows)
        .map(|row| Some(value(at(left, row)?, at(right, row)?)))
        .collect();
    Ok(Arc::new(array))
}

fn from_base(call: &Call) -> Result<ArrayRef> {
    let (text, radix) = (call.text(0)?, call.integers(1)?);
    let array: Int64Array = call.rows(|row| {
        let (Some(text), Some(radix)) = (at(text, row), at(radix, row)) else {
            return Ok(None);
        };
        let base = u32::try_from(radix)
            .ok()
            .filter(|radix| (2..=36).contains(radix));
        match base.and_then(|base| i64::from_str_radix(text, base).ok()) {
            Some(value) => Ok(Some(value)),
            None => exec_err!("from_base: `{text}` is no number to base {radix}"),
        }
    })?;
    Ok(Arc::new(array))
}
