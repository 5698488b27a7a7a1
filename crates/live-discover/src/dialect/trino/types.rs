//! Types: how they are written, and what they are in Arrow (<https://trino.io/docs/current/language/types.html>).

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType as ArrowType, Field, FieldRef, TimeUnit};
use datafusion::common::{Result, not_impl_err};
use datafusion::logical_expr::planner::TypePlanner;
use datafusion::sql::sqlparser::ast::{
    ArrayElemTypeDef, DataType, Ident, ObjectName, StructBracketKind, StructField, TimezoneInfo,
};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;

use crate::functions::trino::{IP_ADDRESS, JSON, TEXT, list_of, map_from};

/// Types inside each other.
const NESTING_MAX: usize = 20;

/// Reads a type: `array(varchar)`, `map(varchar, bigint)`, `row(a bigint)`, `varchar(10)`, `json`, `ipaddress`, …
pub(super) fn parse(parser: &mut Parser<'_>) -> Result<DataType, ParserError> {
    parse_nested(parser, 0)
}

fn parse_nested(parser: &mut Parser<'_>, depth: usize) -> Result<DataType, ParserError> {
    if depth >= NESTING_MAX {
        return Err(ParserError::RecursionLimitExceeded);
    }
    let word = match &parser.peek_token_ref().token {
        Token::Word(word) if word.quote_style.is_none() => word.value.to_ascii_lowercase(),
        _ => return parser.parse_data_type(),
    };
    let takes_types = parser.peek_nth_token_ref(1).token == Token::LParen;
    match word.as_str() {
        "array" if takes_types => {
            open(parser)?;
            let element = parse_nested(parser, depth + 1)?;
            parser.expect_token(&Token::RParen)?;
            Ok(DataType::Array(ArrayElemTypeDef::AngleBracket(Box::new(
                element,
            ))))
        }
        "map" if takes_types => {
            open(parser)?;
            let key = parse_nested(parser, depth + 1)?;
            parser.expect_token(&Token::Comma)?;
            let value = parse_nested(parser, depth + 1)?;
            parser.expect_token(&Token::RParen)?;
            Ok(DataType::Map(Box::new(key), Box::new(value)))
        }
        "row" if takes_types => {
            open(parser)?;
            let fields = parser.parse_comma_separated(|parser| field(parser, depth + 1))?;
            parser.expect_token(&Token::RParen)?;
            Ok(DataType::Struct(fields, StructBracketKind::Parentheses))
        }
        "json" => {
            parser.next_token();
            Ok(DataType::JSON)
        }
        "ipaddress" => {
            parser.next_token();
            Ok(ip_address())
        }
        "varbinary" => {
            parser.next_token();
            Ok(DataType::Varbinary(None))
        }
        _ => parser.parse_data_type(),
    }
}

fn open(parser: &mut Parser<'_>) -> Result<(), ParserError> {
    parser.next_token();
    parser.expect_token(&Token::LParen)?;
    Ok(())
}

/// `name type`, or a type alone.
fn field(parser: &mut Parser<'_>, depth: usize) -> Result<StructField, ParserError> {
    let is_named = !matches!(
        parser.peek_nth_token_ref(1).token,
        Token::Comma | Token::RParen | Token::LParen
    ) && !parser.peek_keyword(Keyword::TIMESTAMP);
    let field_name = is_named.then(|| parser.parse_identifier()).transpose()?;
    Ok(StructField {
        field_name,
        field_type: parse_nested(parser, depth)?,
        options: None,
    })
}

pub(super) fn ip_address() -> DataType {
    DataType::Custom(ObjectName::from(vec![Ident::new("ipaddress")]), Vec::new())
}

/// How long `varchar(n)` and `char(n)` are at most.
pub(super) fn text_length(data_type: &DataType) -> Option<u64> {
    use datafusion::sql::sqlparser::ast::CharacterLength;
    let length = match data_type {
        DataType::Varchar(length)
        | DataType::Char(length)
        | DataType::Character(length)
        | DataType::CharacterVarying(length)
        | DataType::CharVarying(length) => length.as_ref()?,
        _ => return None,
    };
    match length {
        CharacterLength::IntegerLength { length, .. } => Some(*length),
        CharacterLength::Max => None,
    }
}

/// Trino's types in Arrow.
#[derive(Debug)]
pub(super) struct TrinoTypes;

impl TypePlanner for TrinoTypes {
    fn plan_type_field(&self, data_type: &DataType) -> Result<Option<FieldRef>> {
        let planned = arrow_type(data_type, false)?;
        Ok(planned.map(|planned| Arc::new(Field::new("", planned, true))))
    }
}

/// `None` is what DataFusion makes of it. Text inside of others is as in array literals.
fn arrow_type(data_type: &DataType, is_inside: bool) -> Result<Option<ArrowType>> {
    let inside = |data_type: &DataType| match arrow_type(data_type, true)? {
        Some(planned) => Ok(planned),
        None => not_impl_err!("the type {data_type} inside of another"),
    };
    Ok(Some(match data_type {
        DataType::Array(ArrayElemTypeDef::AngleBracket(element)) => list_of(inside(element)?),
        DataType::Map(key, value) => map_from(inside(key)?, inside(value)?),
        DataType::Struct(fields, _) => {
            let fields: Vec<Field> = (fields.iter().enumerate())
                .map(|(index, field)| {
                    let name = match &field.field_name {
                        Some(name) => name.value.to_lowercase(),
                        None => format!("field{index}"),
                    };
                    Ok(Field::new(name, inside(&field.field_type)?, true))
                })
                .collect::<Result<_>>()?;
            ArrowType::Struct(fields.into())
        }
        DataType::JSON => JSON,
        DataType::Custom(name, _) if name.to_string().eq_ignore_ascii_case("ipaddress") => {
            IP_ADDRESS
        }
        DataType::Varchar(_)
        | DataType::Char(_)
        | DataType::Character(_)
        | DataType::CharacterVarying(_)
        | DataType::CharVarying(_)
        | DataType::Text
        | DataType::String(_) => {
            if is_inside {
                ArrowType::Utf8
            } else {
                TEXT
            }
        }
        DataType::Boolean => ArrowType::Boolean,
        DataType::TinyInt(_) => ArrowType::Int8,
        DataType::SmallInt(_) => ArrowType::Int16,
        DataType::Int(_) | DataType::Integer(_) => ArrowType::Int32,
        DataType::BigInt(_) => ArrowType::Int64,
        DataType::Real => ArrowType::Float32,
        DataType::Double(_) | DataType::DoublePrecision | DataType::Float(_) => ArrowType::Float64,
        DataType::Date => ArrowType::Date32,
        DataType::Varbinary(_) => ArrowType::Binary,
        DataType::Timestamp(_, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => {
            ArrowType::Timestamp(TimeUnit::Microsecond, None)
        }
        DataType::Timestamp(_, TimezoneInfo::WithTimeZone | TimezoneInfo::Tz) => {
            ArrowType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
        }
        _ => return Ok(None),
    }))
}
