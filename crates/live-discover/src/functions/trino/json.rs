//! JSON: <https://trino.io/docs/current/functions/json.html>.

use std::borrow::Cow;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int64Array, LargeStringArray, StringViewArray,
};
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type};
use datafusion::common::{Result, exec_err};

use super::Function;
use super::json_path::JsonPath;
use super::scalar::{
    Call, Memo, Scalar, Takes, at, gives_boolean, gives_integer, gives_json, gives_text,
};

const PAGE: &str = "json";

pub(super) fn functions() -> Vec<Function> {
    use Takes::{Any, Integer, Text};
    let scalar =
        |syntax, meaning, scalar: Scalar| Function::scalar(PAGE, syntax, meaning, scalar.build());
    vec![
        scalar(
            "json_extract(json, path)",
            "The JSON value at a path; the path may be computed. Takes text or JSON. NULL where there is none, or the text is no JSON.",
            Scalar::new("json_extract", &[Text, Text], gives_json, json_extract),
        ),
        scalar(
            "json_extract_scalar(json, path)",
            "The string, number or boolean at a path, as text; NULL for objects, arrays and null.",
            Scalar::new(
                "json_extract_scalar",
                &[Text, Text],
                gives_text,
                json_extract_scalar,
            )
            .with_aliases(&["json_value"]),
        ),
        scalar(
            "json_query(json, path)",
            "The JSON text at a path, as text. The clauses of the SQL standard are not supported.",
            Scalar::new("json_query", &[Text, Text], gives_text, json_query),
        ),
        scalar(
            "json_exists(json, path)",
            "Whether there is a value at a path.",
            Scalar::new("json_exists", &[Text, Text], gives_boolean, json_exists),
        ),
        scalar(
            "json_array_length(json)",
            "How many elements an array has; NULL for what is no array.",
            Scalar::new(
                "json_array_length",
                &[Text],
                gives_integer,
                json_array_length,
            ),
        ),
        scalar(
            "json_size(json, path)",
            "How many members the object or array at a path has; 0 for a scalar.",
            Scalar::new("json_size", &[Text, Text], gives_integer, json_size),
        ),
        scalar(
            "json_array_get(json, index)",
            "An element of an array, counted from 0, or from the end if negative.",
            Scalar::new(
                "json_array_get",
                &[Text, Integer],
                gives_json,
                json_array_get,
            ),
        ),
        scalar(
            "json_array_contains(json, value)",
            "Whether an array has an element that is this boolean, number or string.",
            Scalar::new(
                "json_array_contains",
                &[Text, Any],
                gives_boolean,
                json_array_contains,
            ),
        ),
        scalar(
            "is_json_scalar(json)",
            "Whether it is a number, string, boolean or null.",
            Scalar::new("is_json_scalar", &[Text], gives_boolean, is_json_scalar),
        ),
        scalar(
            "json_parse(text)",
            "Text as JSON; an error if it is none. `JSON '…'` is the same.",
            Scalar::new("json_parse", &[Text], gives_json, json_parse),
        ),
        scalar(
            "json_format(json)",
            "JSON as text, strings with their quotes.",
            Scalar::new("json_format", &[Text], gives_text, json_format),
        ),
    ]
}

/// What a JSON text is, told by where it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    Boolean(bool),
    Number,
    Text,
    Array,
    Object,
}

pub(super) fn kind(json: &str) -> Option<Kind> {
    match json.trim_start().as_bytes().first()? {
        b'n' => Some(Kind::Null),
        b't' => Some(Kind::Boolean(true)),
        b'f' => Some(Kind::Boolean(false)),
        b'"' => Some(Kind::Text),
        b'[' => Some(Kind::Array),
        b'{' => Some(Kind::Object),
        b'-' | b'0'..=b'9' => Some(Kind::Number),
        _ => None,
    }
}

/// A string, number or boolean as SQL has it as text.
pub(super) fn scalar_text(json: &str) -> Option<Cow<'_, str>> {
    let json = json.trim();
    match kind(json)? {
        Kind::Boolean(_) | Kind::Number => Some(Cow::Borrowed(json)),
        Kind::Text => Some(match sonic_rs::from_str::<String>(json) {
            Ok(text) => Cow::Owned(text),
            // A lone surrogate has no text in UTF-8: what is between the quotes.
            Err(_) => Cow::Borrowed(json.trim_matches('"')),
        }),
        Kind::Null | Kind::Array | Kind::Object => None,
    }
}

/// The elements of an array; `None` if it is none, or broken.
pub(super) fn elements(json: &str) -> Option<Vec<&str>> {
    (kind(json)? == Kind::Array).then_some(())?;
    let mut elements = Vec::new();
    for element in sonic_rs::to_array_iter(json) {
        elements.push(within(json, element.ok()?.as_raw_str())?);
    }
    Some(elements)
}

/// The members of an object; `None` if it is none, or broken.
pub(super) fn members(json: &str) -> Option<Vec<(String, &str)>> {
    (kind(json)? == Kind::Object).then_some(())?;
    let mut members = Vec::new();
    for member in sonic_rs::to_object_iter(json) {
        let (name, value) = member.ok()?;
        members.push((name.to_string(), within(json, value.as_raw_str())?));
    }
    Some(members)
}

/// The part of a text that another text is, so that it lives as long.
fn within<'a>(text: &'a str, part: &str) -> Option<&'a str> {
    let start = (part.as_ptr() as usize).checked_sub(text.as_ptr() as usize)?;
    text.get(start..start.checked_add(part.len())?)
}

/// JSON without the white space between its tokens.
pub(super) fn compact(json: &str) -> Cow<'_, str> {
    if !json.bytes().any(|byte| byte.is_ascii_whitespace()) {
        return Cow::Borrowed(json);
    }
    let mut is_inside = false;
    let mut is_escaped = false;
    let mut compact = String::with_capacity(json.len());
    for character in json.chars() {
        if !is_inside && character.is_ascii_whitespace() {
            continue;
        }
        compact.push(character);
        if is_escaped {
            is_escaped = false;
        } else if character == '"' {
            is_inside = !is_inside;
        } else {
            is_escaped = is_inside && character == '\\';
        }
    }
    Cow::Owned(compact)
}

/// What `json` has at `path`, as it is written there.
fn find<'a>(json: &'a str, path: &JsonPath) -> Option<&'a str> {
    if path.0.is_empty() {
        return kind(json).map(|_| json.trim());
    }
    let found = sonic_rs::get(json, &path.0).ok()?;
    within(json, found.as_raw_str()).map(str::trim)
}

/// Calls with what each row has at its path.
fn at_paths<T, C: FromIterator<Option<T>>>(
    call: &Call,
    mut value: impl FnMut(&str) -> Option<T>,
) -> Result<C> {
    let (json, path) = (call.text(0)?, call.text(1)?);
    let mut paths = Memo::new();
    call.rows(|row| {
        let (Some(json), Some(path)) = (at(json, row), at(path, row)) else {
            return Ok(None);
        };
        Ok(find(json, paths.get(path, JsonPath::parse)?).and_then(&mut value))
    })
}

fn json_extract(call: &Call) -> Result<ArrayRef> {
    let array: LargeStringArray = at_paths(call, |found| Some(compact(found).into_owned()))?;
    Ok(Arc::new(array))
}

fn json_extract_scalar(call: &Call) -> Result<ArrayRef> {
    let array: StringViewArray = at_paths(call, |found| scalar_text(found).map(Cow::into_owned))?;
    Ok(Arc::new(array))
}

fn json_query(call: &Call) -> Result<ArrayRef> {
    let array: StringViewArray = at_paths(call, |found| Some(compact(found).into_owned()))?;
    Ok(Arc::new(array))
}

fn json_exists(call: &Call) -> Result<ArrayRef> {
    let (json, path) = (call.text(0)?, call.text(1)?);
    let mut paths = Memo::new();
    let array: BooleanArray = call.rows(|row| {
        let (Some(json), Some(path)) = (at(json, row), at(path, row)) else {
            return Ok(None);
        };
        Ok(Some(
            find(json, paths.get(path, JsonPath::parse)?).is_some(),
        ))
    })?;
    Ok(Arc::new(array))
}

fn size(json: &str) -> Option<i64> {
    let size = match kind(json)? {
        Kind::Array => elements(json)?.len(),
        Kind::Object => members(json)?.len(),
        Kind::Null | Kind::Boolean(_) | Kind::Number | Kind::Text => 0,
    };
    i64::try_from(size).ok()
}

fn json_size(call: &Call) -> Result<ArrayRef> {
    let array: Int64Array = at_paths(call, size)?;
    Ok(Arc::new(array))
}

fn json_array_length(call: &Call) -> Result<ArrayRef> {
    let json = call.text(0)?;
    let array: Int64Array = call.rows(|row| {
        let elements = at(json, row).and_then(elements);
        Ok(elements.and_then(|elements| i64::try_from(elements.len()).ok()))
    })?;
    Ok(Arc::new(array))
}

fn json_array_get(call: &Call) -> Result<ArrayRef> {
    let (json, index) = (call.text(0)?, call.integers(1)?);
    let array: LargeStringArray = call.rows(|row| {
        let (Some(json), Some(index)) = (at(json, row), at(index, row)) else {
            return Ok(None);
        };
        let Some(elements) = elements(json) else {
            return Ok(None);
        };
        let length = i64::try_from(elements.len()).unwrap_or(i64::MAX);
        let index = if index < 0 { length + index } else { index };
        let element = usize::try_from(index)
            .ok()
            .and_then(|index| elements.get(index).copied());
        Ok(element
            .filter(|element| kind(element) != Some(Kind::Null))
            .map(compact))
    })?;
    Ok(Arc::new(array))
}

fn json_array_contains(call: &Call) -> Result<ArrayRef> {
    let json = call.text(0)?;
    let wanted = call.any(1)?;
    let is_text = wanted.data_type().is_string();
    let wanted: ArrayRef = match wanted.data_type() {
        DataType::Boolean => Arc::clone(wanted),
        given if given.is_integer() => datafusion::arrow::compute::cast(wanted, &DataType::Int64)?,
        given if given.is_numeric() => {
            datafusion::arrow::compute::cast(wanted, &DataType::Float64)?
        }
        _ => datafusion::arrow::compute::cast(wanted, &DataType::Utf8View)?,
    };
    let is = |element: &str, row: usize| -> bool {
        if let Some(wanted) = wanted.as_boolean_opt() {
            return kind(element) == Some(Kind::Boolean(wanted.value(row)));
        }
        if let Some(wanted) = wanted.as_primitive_opt::<Int64Type>() {
            return element.trim().parse() == Ok(wanted.value(row));
        }
        if let Some(wanted) = wanted.as_primitive_opt::<Float64Type>() {
            return element.trim().parse() == Ok(wanted.value(row));
        }
        is_text
            && kind(element) == Some(Kind::Text)
            && wanted.as_string_view_opt().is_some_and(|wanted| {
                scalar_text(element).is_some_and(|text| text == wanted.value(row))
            })
    };
    let array: BooleanArray = call.rows(|row| {
        let elements = at(json, row)
            .filter(|_| wanted.is_valid(row))
            .and_then(elements);
        Ok(elements.map(|elements| elements.iter().any(|element| is(element, row))))
    })?;
    Ok(Arc::new(array))
}

fn is_json_scalar(call: &Call) -> Result<ArrayRef> {
    let json = call.text(0)?;
    let array: BooleanArray = call.rows(|row| {
        let kind = at(json, row).and_then(kind);
        Ok(kind.map(|kind| !matches!(kind, Kind::Array | Kind::Object)))
    })?;
    Ok(Arc::new(array))
}

fn json_parse(call: &Call) -> Result<ArrayRef> {
    let text = call.text(0)?;
    let array: LargeStringArray = call.rows(|row| {
        let Some(text) = at(text, row) else {
            return Ok(None);
        };
        match serde_json::from_str::<serde::de::IgnoredAny>(text) {
            Ok(_) => Ok(Some(compact(text.trim()).into_owned())),
            Err(error) => exec_err!("json_parse: the text is no JSON: {error}"),
        }
    })?;
    Ok(Arc::new(array))
}

fn json_format(call: &Call) -> Result<ArrayRef> {
    let json = call.text(0)?;
    call.text_rows(|row| Ok(at(json, row).map(compact)))
}
