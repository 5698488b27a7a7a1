//! CAST where Trino's meaning is another than Arrow's:
//! <https://trino.io/docs/current/functions/conversion.html>,
//! <https://trino.io/docs/current/functions/json.html#cast-to-json>.

use std::fmt::Write;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, LargeStringArray, ListArray, MapArray,
    StringArray, StringViewArray, StructArray, TimestampMicrosecondArray,
};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion::arrow::compute::{CastOptions, cast, cast_with_options};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Float64Type, TimeUnit};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use super::json::{Kind, elements, kind, members, scalar_text};
use super::scalar::{IP_ADDRESS, JSON, TEXT};
use super::{network, time};

/// The function that does a cast, if Arrow's own means something else.
pub(crate) fn cast_function(
    from: &DataType,
    to: &DataType,
    is_lenient: bool,
) -> Option<Arc<ScalarUDF>> {
    differs(from, to).then(|| cast_to(to, is_lenient))
}

/// The function that casts anything.
pub(crate) fn cast_to(to: &DataType, is_lenient: bool) -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::new_from_impl(Cast {
        to: to.clone(),
        is_lenient,
        signature: Signature::any(1, Volatility::Immutable),
    }))
}

/// What a cast to varchar gives.
pub(super) fn to_text(array: &ArrayRef) -> Result<ArrayRef> {
    let to_text = Cast {
        to: TEXT,
        is_lenient: false,
        signature: Signature::any(1, Volatility::Immutable),
    };
    to_text.cast(array)
}

fn differs(from: &DataType, to: &DataType) -> bool {
    if from == to || from.is_null() {
        return false;
    }
    let is_float = |given: &DataType| matches!(given, DataType::Float32 | DataType::Float64);
    match (from, to) {
        (from, to) if *from == JSON || *to == JSON || *from == IP_ADDRESS || *to == IP_ADDRESS => {
            true
        }
        (DataType::Timestamp(..), to) if to.is_string() => true,
        (DataType::Timestamp(_, Some(zone)), DataType::Timestamp(_, None) | DataType::Date32) => {
            zone.as_ref() != "UTC"
        }
        (from, DataType::Timestamp(..)) if from.is_string() => true,
        (DataType::Struct(_), DataType::Struct(_)) => true,
        (from, to) => is_float(from) && to.is_integer(),
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Cast {
    to: DataType,
    is_lenient: bool,
    signature: Signature,
}

impl ScalarUDFImpl for Cast {
    fn name(&self) -> &str {
        if self.is_lenient { "try_cast" } else { "cast" }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(self.to.clone())
    }

    fn return_field_from_args(&self, _args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        Ok(Arc::new(Field::new(self.name(), self.to.clone(), true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [value] = args.args.as_slice() else {
            return exec_err!("a cast takes one value");
        };
        match value {
            ColumnarValue::Array(array) => Ok(ColumnarValue::Array(self.cast(array)?)),
            ColumnarValue::Scalar(value) => {
                let array = self.cast(&value.to_array()?)?;
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(
                    &array, 0,
                )?))
            }
        }
    }
}

impl Cast {
    fn cast(&self, array: &ArrayRef) -> Result<ArrayRef> {
        let from = array.data_type();
        if *from == self.to {
            return Ok(Arc::clone(array));
        }
        if *from == JSON {
            let json = array.as_string::<i64>();
            let values: Vec<Option<&str>> = json.iter().collect();
            return self.read_json(&values, &self.to);
        }
        if self.to == JSON {
            return to_json(array);
        }
        if *from == IP_ADDRESS {
            return Ok(cast(&network::to_text(array)?, &self.to)?);
        }
        if self.to == IP_ADDRESS {
            return network::from_text(array, self.is_lenient);
        }
        match from {
            DataType::Timestamp(_, zone) if differs(from, &self.to) => {
                let micros = DataType::Timestamp(TimeUnit::Microsecond, zone.clone());
                let times = cast(array, &micros)?;
                if self.to.is_string() {
                    let text: StringViewArray = time::text(&times)?.into_iter().collect();
                    return Ok(cast(&text, &self.to)?);
                }
                Ok(cast(&time::without_zone(&times)?, &self.to)?)
            }
            DataType::Float32 | DataType::Float64 if self.to.is_integer() => {
                // Halves away from zero; Arrow cuts the fraction off.
                let values = cast(array, &DataType::Float64)?;
                let rounded: Float64Array = values.as_primitive::<Float64Type>().unary(f64::round);
                self.to_type(&rounded, &self.to)
            }
            from if from.is_string() && matches!(self.to, DataType::Timestamp(..)) => {
                self.to_time(array)
            }
            DataType::Struct(_) => self.to_row(array),
            _ => self.to_type(array, &self.to),
        }
    }

    fn to_time(&self, array: &ArrayRef) -> Result<ArrayRef> {
        let text = cast(array, &TEXT)?;
        let micros: TimestampMicrosecondArray = (text.as_string_view().iter())
            .map(|text| {
                let Some(text) = text else {
                    return Ok(None);
                };
                match time::micros_from_text(text) {
                    None if !self.is_lenient => exec_err!("`{text}` is no timestamp"),
                    micros => Ok(micros),
                }
            })
            .collect::<Result<_>>()?;
        // An instant, whatever zone it is shown in.
        self.to_type(&micros.with_timezone("UTC"), &self.to)
    }

    /// Field by field, as they come.
    fn to_row(&self, array: &ArrayRef) -> Result<ArrayRef> {
        let (row, DataType::Struct(fields)) = (array.as_struct(), &self.to) else {
            return self.to_type(array, &self.to);
        };
        if row.num_columns() != fields.len() {
            return exec_err!(
                "a row of {} fields is none of {}",
                row.num_columns(),
                fields.len()
            );
        }
        let columns: Vec<ArrayRef> = (row.columns().iter().zip(fields))
            .map(|(column, field)| {
                let field = Self {
                    to: field.data_type().clone(),
                    is_lenient: self.is_lenient,
                    signature: self.signature.clone(),
                };
                field.cast(column)
            })
            .collect::<Result<_>>()?;
        let nulls = row.nulls().cloned();
        Ok(Arc::new(StructArray::try_new_with_length(
            fields.clone(),
            columns,
            nulls,
            row.len(),
        )?))
    }

    fn to_type(&self, array: &dyn Array, to: &DataType) -> Result<ArrayRef> {
        let options = CastOptions {
            safe: self.is_lenient,
            ..CastOptions::default()
        };
        Ok(cast_with_options(array, to, &options)?)
    }

    fn read_json(&self, values: &[Option<&str>], to: &DataType) -> Result<ArrayRef> {
        if *to == JSON {
            return Ok(Arc::new(LargeStringArray::from_iter(values)));
        }
        let values: Vec<Option<&str>> = (values.iter())
            .map(|value| value.filter(|value| kind(value) != Some(Kind::Null)))
            .collect();
        match to {
            DataType::Utf8 | DataType::Utf8View => {
                let text = values.iter().map(|value| {
                    // An object is text too: Trino has an error for it.
                    value.map(|value| scalar_text(value).unwrap_or(value.into()))
                });
                Ok(if *to == TEXT {
                    Arc::new(text.collect::<StringViewArray>())
                } else {
                    Arc::new(text.collect::<StringArray>())
                })
            }
            DataType::Boolean => {
                let is_true = |value: &str| match (kind(value), scalar_text(value).as_deref()) {
                    (Some(Kind::Boolean(value)), _) => Some(value),
                    (Some(Kind::Number), Some(number)) => Some(number.parse::<f64>().ok()? != 0.0),
                    (_, Some(text)) if text.eq_ignore_ascii_case("true") => Some(true),
                    (_, Some(text)) if text.eq_ignore_ascii_case("false") => Some(false),
                    _ => None,
                };
                let array = self.each(&values, "boolean", is_true)?;
                Ok(Arc::new(array.into_iter().collect::<BooleanArray>()))
            }
            to if to.is_integer() => {
                let whole = |value: &str| {
                    let text = number_text(value)?;
                    let rounded = || text.parse::<f64>().ok().map(f64::round);
                    text.parse::<i64>().ok().or_else(|| {
                        rounded()
                            .filter(|value| value.abs() < 9.2e18)
                            .map(|value| value as i64)
                    })
                };
                let array = self.each(&values, "a whole number", whole)?;
                let array: datafusion::arrow::array::Int64Array = array.into_iter().collect();
                self.to_type(&array, to)
            }
            to if to.is_numeric() => {
                let number = |value: &str| number_text(value)?.parse::<f64>().ok();
                let array = self.each(&values, "a number", number)?;
                let array: Float64Array = array.into_iter().collect();
                self.to_type(&array, to)
            }
            DataType::List(field) => self.lists(&values, field),
            DataType::Map(entries, is_sorted) => self.maps(&values, entries, *is_sorted),
            DataType::Struct(fields) => {
                let mut columns = vec![Vec::with_capacity(values.len()); fields.len()];
                let mut valid = Vec::with_capacity(values.len());
                for value in &values {
                    let members = match value {
                        Some(value) => self.read(members(value), value, "an object")?,
                        None => None,
                    };
                    for (field, column) in fields.iter().zip(&mut columns) {
                        let mut members = members.iter().flatten();
                        let named =
                            members.find(|(name, _)| name.eq_ignore_ascii_case(field.name()));
                        column.push(named.map(|(_, value)| *value));
                    }
                    valid.push(members.is_some());
                }
                let columns: Vec<ArrayRef> = (fields.iter().zip(&columns))
                    .map(|(field, column)| self.read_json(column, field.data_type()))
                    .collect::<Result<_>>()?;
                let nulls = Some(NullBuffer::from(valid));
                Ok(Arc::new(StructArray::try_new_with_length(
                    fields.clone(),
                    columns,
                    nulls,
                    values.len(),
                )?))
            }
            other => {
                let text: StringViewArray =
                    values.iter().map(|value| scalar_text((*value)?)).collect();
                self.to_type(&text, other)
            }
        }
    }

    fn lists(&self, values: &[Option<&str>], field: &FieldRef) -> Result<ArrayRef> {
        let (mut all, mut lengths, mut valid) = (Vec::new(), Vec::new(), Vec::new());
        for value in values {
            let found = match value {
                Some(value) => self.read(elements(value), value, "an array")?,
                None => None,
            };
            valid.push(found.is_some());
            lengths.push(found.as_ref().map_or(0, Vec::len));
            all.extend(found.unwrap_or_default().into_iter().map(Some));
        }
        let elements = self.read_json(&all, field.data_type())?;
        Ok(Arc::new(ListArray::try_new(
            Arc::clone(field),
            OffsetBuffer::from_lengths(lengths),
            elements,
            Some(valid.into()),
        )?))
    }

    fn maps(
        &self,
        values: &[Option<&str>],
        entries: &FieldRef,
        is_sorted: bool,
    ) -> Result<ArrayRef> {
        let DataType::Struct(fields) = entries.data_type() else {
            return exec_err!("a map has entries");
        };
        let [key, value_field] = fields.as_ref() else {
            return exec_err!("a map has keys and values");
        };
        let (mut keys, mut all) = (Vec::new(), Vec::new());
        let (mut lengths, mut valid) = (Vec::new(), Vec::new());
        for value in values {
            let found = match value {
                Some(value) => self.read(members(value), value, "an object")?,
                None => None,
            };
            valid.push(found.is_some());
            lengths.push(found.as_ref().map_or(0, Vec::len));
            for (name, value) in found.unwrap_or_default() {
                keys.push(Some(name));
                all.push(Some(value));
            }
        }
        let keys: StringArray = keys.into_iter().collect();
        let keys = self.to_type(&keys, key.data_type())?;
        let columns = vec![keys, self.read_json(&all, value_field.data_type())?];
        Ok(Arc::new(MapArray::try_new(
            Arc::clone(entries),
            OffsetBuffer::from_lengths(lengths),
            StructArray::try_new(fields.clone(), columns, None)?,
            Some(valid.into()),
            is_sorted,
        )?))
    }

    fn each<T>(
        &self,
        values: &[Option<&str>],
        wanted: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Vec<Option<T>>> {
        (values.iter())
            .map(|value| match value {
                None => Ok(None),
                Some(value) => self.read(read(value), value, wanted),
            })
            .collect()
    }

    fn read<T>(&self, read: Option<T>, value: &str, wanted: &str) -> Result<Option<T>> {
        if read.is_none() && !self.is_lenient {
            let shown: String = value.chars().take(40).collect();
            return exec_err!("cannot cast the JSON `{shown}`: it is not {wanted}");
        }
        Ok(read)
    }
}

fn number_text(json: &str) -> Option<String> {
    match kind(json)? {
        Kind::Boolean(value) => Some(i64::from(value).to_string()),
        _ => Some(scalar_text(json)?.trim().to_owned()),
    }
}

fn to_json(array: &ArrayRef) -> Result<ArrayRef> {
    let mut json = Vec::with_capacity(array.len());
    for row in 0..array.len() {
        json.push(match array.is_valid(row) {
            true => {
                let mut text = String::new();
                write_json(array, row, &mut text)?;
                Some(text)
            }
            false => None,
        });
    }
    Ok(Arc::new(LargeStringArray::from_iter(json)))
}

fn write_json(array: &ArrayRef, row: usize, json: &mut String) -> Result<()> {
    if array.is_null(row) {
        json.push_str("null");
        return Ok(());
    }
    match array.data_type() {
        given if *given == JSON => json.push_str(array.as_string::<i64>().value(row)),
        DataType::List(_) => {
            let elements = array.as_list::<i32>().value(row);
            json.push('[');
            for element in 0..elements.len() {
                if element > 0 {
                    json.push(',');
                }
                write_json(&elements, element, json)?;
            }
            json.push(']');
        }
        DataType::Map(..) => {
            let entries = array.as_map().value(row);
            let (keys, values) = (entries.column(0), entries.column(1));
            let keys = cast(keys, &TEXT)?;
            json.push('{');
            for entry in 0..entries.len() {
                if entry > 0 {
                    json.push(',');
                }
                write_string(keys.as_string_view().value(entry), json);
                json.push(':');
                write_json(values, entry, json)?;
            }
            json.push('}');
        }
        DataType::Struct(fields) => {
            let columns = array.as_struct().columns();
            json.push('{');
            for (index, (field, column)) in fields.iter().zip(columns).enumerate() {
                if index > 0 {
                    json.push(',');
                }
                write_string(field.name(), json);
                json.push(':');
                write_json(column, row, json)?;
            }
            json.push('}');
        }
        DataType::Boolean => {
            let _ = write!(json, "{}", array.as_boolean().value(row));
        }
        given if given.is_numeric() => {
            let text = cast(&array.slice(row, 1), &TEXT)?;
            let text = text.as_string_view().value(0);
            // Neither infinity nor NaN is a number in JSON.
            let is_number = text.ends_with(|last: char| last.is_ascii_digit());
            json.push_str(if is_number { text } else { "null" });
        }
        DataType::Timestamp(_, zone) => {
            let micros = DataType::Timestamp(TimeUnit::Microsecond, zone.clone());
            let text = time::text(&cast(&array.slice(row, 1), &micros)?)?;
            write_string(
                text.first().and_then(Option::as_deref).unwrap_or_default(),
                json,
            );
        }
        given if *given == IP_ADDRESS => {
            let text = network::to_text(&array.slice(row, 1))?;
            write_string(text.as_string_view().value(0), json);
        }
        _ => {
            let text = cast(&array.slice(row, 1), &TEXT)?;
            write_string(text.as_string_view().value(0), json);
        }
    }
    Ok(())
}

fn write_string(text: &str, json: &mut String) {
    // `Value`'s text form cannot fail.
    let _ = write!(json, "{}", serde_json::Value::from(text));
}
