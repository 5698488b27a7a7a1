//! Types as Trino names them: <https://trino.io/docs/current/language/types.html>.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, StringViewArray};
use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::logical_expr::ScalarUDF;

use super::scalar::{IP_ADDRESS, JSON, Scalar, TEXT, Takes};

/// A type in Trino's words.
pub(crate) fn type_name(given: &DataType) -> String {
    match given {
        given if *given == JSON => "json".to_owned(),
        given if *given == IP_ADDRESS => "ipaddress".to_owned(),
        DataType::Null => "unknown".to_owned(),
        DataType::Boolean => "boolean".to_owned(),
        DataType::Int8 | DataType::UInt8 => "tinyint".to_owned(),
        DataType::Int16 | DataType::UInt16 => "smallint".to_owned(),
        DataType::Int32 | DataType::UInt32 => "integer".to_owned(),
        DataType::Int64 | DataType::UInt64 => "bigint".to_owned(),
        DataType::Float16 | DataType::Float32 => "real".to_owned(),
        DataType::Float64 => "double".to_owned(),
        DataType::Decimal128(precision, scale) => format!("decimal({precision},{scale})"),
        DataType::Date32 | DataType::Date64 => "date".to_owned(),
        DataType::Timestamp(unit, zone) => {
            let digits = match unit {
                TimeUnit::Second => 0,
                TimeUnit::Millisecond => 3,
                TimeUnit::Microsecond => 6,
                TimeUnit::Nanosecond => 9,
            };
            let zone = if zone.is_some() {
                " with time zone"
            } else {
                ""
            };
            format!("timestamp({digits}){zone}")
        }
        DataType::Interval(_) | DataType::Duration(_) => "interval".to_owned(),
        given if given.is_string() => "varchar".to_owned(),
        given if given.is_binary() => "varbinary".to_owned(),
        DataType::List(field) | DataType::LargeList(field) | DataType::FixedSizeList(field, _) => {
            format!("array({})", type_name(field.data_type()))
        }
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) => {
                let types: Vec<String> = fields
                    .iter()
                    .map(|field| type_name(field.data_type()))
                    .collect();
                format!("map({})", types.join(", "))
            }
            _ => "map".to_owned(),
        },
        DataType::Struct(fields) => {
            let fields: Vec<String> = (fields.iter())
                .map(|field| format!("{} {}", field.name(), type_name(field.data_type())))
                .collect();
            format!("row({})", fields.join(", "))
        }
        other => other.to_string(),
    }
}

/// `typeof(x)`
pub(super) fn type_of() -> Arc<ScalarUDF> {
    Scalar::new(
        "typeof",
        &[Takes::Any],
        |_| Ok(TEXT),
        |call| {
            let name = type_name(call.any(0)?.data_type());
            let array: StringViewArray = (0..call.rows).map(|_| Some(name.as_str())).collect();
            Ok(Arc::new(array) as ArrayRef)
        },
    )
    .build()
}
