//! `format`: <https://trino.io/docs/current/functions/conversion.html#format>.

use datafusion::arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array, StringViewArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type};
use datafusion::common::{Result, exec_err};

use super::Function;
use super::cast::to_text;
use super::scalar::{Call, Scalar, Takes, at, gives_text};

const PAGE: &str = "conversion";

/// Characters that one value is padded to at most.
const WIDTH_MAX: usize = 1000;

pub(super) fn functions() -> Vec<Function> {
    use Takes::{Any, Text};
    vec![
        Function::scalar(
            PAGE,
            "format(pattern, x, …)",
            "Values in a text, by a pattern of Java: `%s`, `%d`, `%,d`, `%05d`, `%.2f`, `%x`, `%-10s`, `%2$s`, `%%`.",
            Scalar::new("format", &[Text, Any], gives_text, format)
                .repeating()
                .build(),
        ),
        Function::scalar(
            PAGE,
            "typeof(x)",
            "The name of its type.",
            super::types::type_of(),
        ),
    ]
}

enum Column {
    Whole(Int64Array),
    Double(Float64Array),
    Text(StringViewArray),
}

impl Column {
    fn new(array: &ArrayRef) -> Result<Self> {
        Ok(match array.data_type() {
            given if given.is_integer() => Self::Whole(
                cast(array, &DataType::Int64)?
                    .as_primitive::<Int64Type>()
                    .clone(),
            ),
            given if given.is_numeric() => Self::Double(
                cast(array, &DataType::Float64)?
                    .as_primitive::<Float64Type>()
                    .clone(),
            ),
            _ => Self::Text(to_text(array)?.as_string_view().clone()),
        })
    }

    fn text(&self, row: usize) -> String {
        let text = match self {
            Self::Whole(values) => at(values, row).map(|value| value.to_string()),
            Self::Double(values) => at(values, row).map(|value| format!("{value:?}")),
            Self::Text(values) => at(values, row).map(str::to_owned),
        };
        text.unwrap_or_else(|| "null".to_owned())
    }

    fn formatted(&self, spec: &Spec, row: usize) -> Result<String> {
        let number = match (spec.conversion, self) {
            ('s' | 'S', _) => {
                let text = self.text(row);
                return Ok(match spec.precision {
                    Some(most) => text.chars().take(most).collect(),
                    None => text,
                });
            }
            ('d', Self::Whole(values)) => at(values, row).map(|value| value.to_string()),
            ('x' | 'X', Self::Whole(values)) => at(values, row).map(|value| format!("{value:x}")),
            ('f', Self::Double(values)) => {
                let digits = spec.precision.unwrap_or(6);
                at(values, row).map(|value| format!("{value:.digits$}"))
            }
            ('f', Self::Whole(values)) => {
                let digits = spec.precision.unwrap_or(6);
                at(values, row).map(|value| format!("{:.digits$}", value as f64))
            }
            (other, _) => return exec_err!("format: `%{other}` does not fit its value"),
        };
        let mut number = number.unwrap_or_else(|| "null".to_owned());
        if spec.has(',') {
            number = grouped(&number);
        }
        if spec.has('+') && !number.starts_with('-') {
            number.insert(0, '+');
        }
        Ok(number)
    }
}

/// A comma after each three digits of the whole part.
fn grouped(number: &str) -> String {
    let (sign, rest) = number.split_at(usize::from(number.starts_with('-')));
    let (whole, fraction) = rest.split_at(rest.find('.').unwrap_or(rest.len()));
    let mut grouped = sign.to_owned();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + fraction
}

/// `%[index$][flags][width][.precision]conversion`
struct Spec {
    index: Option<usize>,
    flags: String,
    width: usize,
    precision: Option<usize>,
    conversion: char,
}

impl Spec {
    fn has(&self, flag: char) -> bool {
        self.flags.contains(flag)
    }

    /// Reads what follows a `%`.
    fn read(text: &str) -> Option<(Self, &str)> {
        let is_digit = |character: char| character.is_ascii_digit();
        let cut = |text: &'_ str, is: &dyn Fn(char) -> bool| {
            text.find(|character| !is(character)).unwrap_or(text.len())
        };
        let (digits, rest) = text.split_at(cut(text, &is_digit));
        let (index, rest) = match rest.strip_prefix('$') {
            Some(rest) => (digits.parse().ok(), rest),
            None => (None, text),
        };
        let (flags, rest) = rest.split_at(cut(rest, &|character| "-+0, ".contains(character)));
        let (width, rest) = rest.split_at(cut(rest, &is_digit));
        let (precision, rest) = match rest.strip_prefix('.') {
            Some(rest) => {
                let (digits, rest) = rest.split_at(cut(rest, &is_digit));
                (Some(digits.parse().ok()?), rest)
            }
            None => (None, rest),
        };
        let conversion = rest.chars().next()?;
        let spec = Self {
            index,
            flags: flags.to_owned(),
            width: if width.is_empty() {
                0
            } else {
                width.parse().ok()?
            },
            precision,
            conversion,
        };
        let is_bounded = spec.width.max(spec.precision.unwrap_or(0)) <= WIDTH_MAX;
        is_bounded.then_some((spec, rest.get(conversion.len_utf8()..)?))
    }
}

fn format(call: &Call) -> Result<ArrayRef> {
    let patterns = call.text(0)?;
    let columns: Vec<Column> = (1..call.args.len())
        .map(|index| Column::new(call.any(index)?))
        .collect::<Result<_>>()?;
    call.text_rows(|row| match at(patterns, row) {
        None => Ok(None),
        Some(pattern) => filled(call, pattern, &columns, row).map(Some),
    })
}

fn filled(call: &Call, pattern: &str, columns: &[Column], row: usize) -> Result<String> {
    let mut text = String::new();
    let mut next = 0;
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('%') {
        text.push_str(before);
        if let Some(after) = after.strip_prefix('%') {
            text.push('%');
            rest = after;
            continue;
        }
        let Some((spec, after)) = Spec::read(after) else {
            return exec_err!("format: the pattern cannot be read at `%{after}`");
        };
        let index = match spec.index {
            Some(index) => index.saturating_sub(1),
            None => {
                next += 1;
                next - 1
            }
        };
        let Some(column) = columns.get(index) else {
            return exec_err!("format: the pattern has more places than there are values");
        };
        let value = column.formatted(&spec, row)?;
        let missing = spec.width.saturating_sub(value.chars().count());
        if spec.has('-') {
            text.push_str(&value);
            text.extend(std::iter::repeat_n(' ', missing));
        } else if spec.has('0') {
            let (sign, digits) = value.split_at(usize::from(value.starts_with(['-', '+'])));
            text.push_str(sign);
            text.extend(std::iter::repeat_n('0', missing));
            text.push_str(digits);
        } else {
            text.extend(std::iter::repeat_n(' ', missing));
            text.push_str(&value);
        }
        call.bounded(text.len())?;
        rest = after;
    }
    text.push_str(rest);
    Ok(text)
}
