//! What a row's texts must hold for filters to match: the part of them that the index of texts can answer.
//!
//! A condition follows from the filters, never the other way round: rows that it lets pass are filtered as ever.

use audit_lake::{Condition, TableName};
use audit_schema::ColumnType;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::{InList, ScalarFunction};
use datafusion::logical_expr::{BinaryExpr, Cast, Expr, Like, Operator};

use super::regex;
use crate::functions::any_text_matches;

/// What follows from all of the filters; `None` if nothing does that the index knows of.
pub(crate) fn of(table: TableName, filters: &[Expr]) -> Option<Condition> {
    if table != TableName::Audit {
        return None;
    }
    Condition::all(filters.iter().map(of_filter))
}

/// A text of the row, by how it got there from the record's.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    /// The whole text of a string of the record.
    String,
    /// A part of the record's text, as it is written or with its strings read.
    Part,
    /// Such parts put together anew: what is between strings and numbers is not the record's.
    Joined,
    /// A string of the record, or another value as somebody may spell it.
    Spelled,
}

fn of_filter(filter: &Expr) -> Option<Condition> {
    match filter {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match op {
            Operator::And => Condition::all([of_filter(left), of_filter(right)]),
            Operator::Or => Condition::any([of_filter(left), of_filter(right)]),
            Operator::Eq => equals(left, right).or_else(|| equals(right, left)),
            Operator::RegexMatch => matches(left, right, false),
            Operator::RegexIMatch => matches(left, right, true),
            Operator::Gt | Operator::GtEq | Operator::NotEq => is_found(left, *op, right),
            _ => None,
        },
        Expr::InList(InList {
            expr,
            list,
            negated: false,
        }) => Condition::any(list.iter().map(|value| equals(expr, value))),
        Expr::Like(Like {
            negated: false,
            expr,
            pattern,
            escape_char,
            case_insensitive: _,
        }) => like(source(expr)?, text(pattern)?, escape_char.unwrap_or('\\')),
        Expr::ScalarFunction(call) => of_call(call),
        _ => None,
    }
}

fn of_call(call: &ScalarFunction) -> Option<Condition> {
    match (call.func.name(), call.args.as_slice()) {
        ("contains" | "starts_with" | "ends_with", [expr, part]) => {
            contains(source(expr)?, text(part)?)
        }
        ("regexp_like", [expr, pattern]) => matches(expr, pattern, false),
        ("regexp_like", [expr, pattern, flags]) => match text(flags)? {
            "" => matches(expr, pattern, false),
            "i" => matches(expr, pattern, true),
            _ => None,
        },
        (any_text_matches::NAME, [record, needle, ..]) if is_record(record) => {
            Condition::contains(text(needle)?)
        }
        _ => None,
    }
}

/// `strpos(text, part) > 0` and its like.
fn is_found(left: &Expr, op: Operator, right: &Expr) -> Option<Condition> {
    let Expr::ScalarFunction(call) = left else {
        return None;
    };
    let at = match right {
        Expr::Literal(ScalarValue::Int32(Some(at)), _) => i64::from(*at),
        Expr::Literal(ScalarValue::Int64(Some(at)), _) => *at,
        _ => return None,
    };
    let is_found = match op {
        Operator::Gt => at >= 0,
        Operator::GtEq => at >= 1,
        Operator::NotEq => at == 0,
        _ => false,
    };
    match (call.func.name(), call.args.as_slice()) {
        ("strpos", [expr, part]) if is_found => contains(source(expr)?, text(part)?),
        _ => None,
    }
}

fn equals(expr: &Expr, value: &Expr) -> Option<Condition> {
    let value = text(value)?;
    match source(expr)? {
        Source::String => Condition::equals(value),
        source => contains(source, value),
    }
}

fn matches(expr: &Expr, pattern: &Expr, ignores_case: bool) -> Option<Condition> {
    let source = source(expr)?;
    regex::condition(text(pattern)?, ignores_case, |part| contains(source, part))
}

fn like(source: Source, pattern: &str, escape: char) -> Option<Condition> {
    let mut parts = vec![String::new()];
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        let literal = match character {
            '%' | '_' => None,
            _ if character == escape => Some(characters.next().unwrap_or(escape)),
            _ => Some(character),
        };
        match (literal, parts.last_mut()) {
            (Some(literal), Some(part)) => part.push(literal),
            _ => parts.push(String::new()),
        }
    }
    Condition::all(parts.iter().map(|part| contains(source, part)))
}

fn contains(source: Source, part: &str) -> Option<Condition> {
    let is_of_number = |c: char| c.is_ascii_digit() || "+-.eE".contains(c);
    match source {
        Source::Joined if part.contains([',', ':', '{', '}', '[', ']', '"', ' ']) => None,
        Source::Spelled if part.chars().all(is_of_number) => None,
        _ => Condition::contains(part),
    }
}

/// The text of the row that an expression is, in whatever case.
fn source(expr: &Expr) -> Option<Source> {
    match expr {
        Expr::Column(column) => of_column(&column.name),
        Expr::Cast(Cast { expr, field }) if is_text(field.data_type()) => source(expr),
        Expr::ScalarFunction(call) => match (call.func.name(), call.args.as_slice()) {
            ("lower", [text]) => source(text),
            // A value of a bag.
            ("get_field", [Expr::Column(column), ..]) => {
                let column_type = column_type(&column.name)?;
                matches!(column_type, ColumnType::Bag | ColumnType::Changes).then_some(Source::Part)
            }
            ("json_as_text", [Expr::Column(column), _]) if column.name == "extra" => {
                Some(Source::Spelled)
            }
            _ => None,
        },
        _ => None,
    }
}

fn of_column(name: &str) -> Option<Source> {
    match name {
        "raw" => Some(Source::Part),
        "extra" => Some(Source::Joined),
        "source_ip" => Some(Source::String),
        _ => {
            let column = TableName::Audit.schema().column(name)?;
            match column.column_type {
                ColumnType::Text if !column.fields.is_empty() => Some(Source::String),
                ColumnType::Json if !column.fields.is_empty() => Some(Source::Part),
                _ => None,
            }
        }
    }
}

fn column_type(name: &str) -> Option<ColumnType> {
    let column = TableName::Audit.schema().column(name)?;
    Some(column.column_type)
}

fn is_record(expr: &Expr) -> bool {
    matches!(expr, Expr::Column(column) if column.name == "raw")
}

fn is_text(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
    )
}

fn text(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Literal(literal, _) => literal.try_as_str().flatten(),
        _ => None,
    }
}
