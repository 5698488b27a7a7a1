//! What a row's texts must hold for filters to match: the part of them that the index of texts can answer.
//!
//! A condition follows from the filters, never the other way round: rows that it lets pass are filtered as ever.

use audit_lake::{Condition, TableName};
use audit_schema::ColumnType;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::expr::{InList, ScalarFunction};
use datafusion::logical_expr::{BinaryExpr, Cast, Expr, Like, Operator};

use super::regex;
use crate::functions::any_text_matches;

/// What follows from all of the filters; `None` if nothing does that the index knows of.
pub(crate) fn of<'a>(
    table: TableName,
    filters: impl IntoIterator<Item = &'a Expr>,
) -> Option<Condition> {
    if table != TableName::Audit {
        return None;
    }
    Condition::all(filters.into_iter().map(of_filter))
}

/// Of so many texts a list takes longer to be asked of all files than to be asked of those that are read. A row group's
/// index is looked at twice for each, in places that no cache has.
pub(super) const LONG_LIST: usize = 64;

/// Whether a column is in a list of so many texts, which [`running`](super::running) knows too.
pub(super) fn is_long_list(filter: &Expr) -> bool {
    let Expr::InList(InList {
        expr,
        list,
        negated: false,
    }) = filter
    else {
        return false;
    };
    // Of ids the few rows are looked at that the index leaves, or bloom filters are asked.
    let is_key = |column: &Column| column.name == TableName::Audit.key_column();
    list.len() >= LONG_LIST
        && matches!(expr.as_ref(), Expr::Column(column) if !is_key(column))
        && source(expr).is_some()
}

/// A text of the row, by how it got there from the record's.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    /// The whole text of a string of the record.
    String,
    /// A part of the record's text, as it is written or with its strings read.
    Part,
    /// The whole text of a string of the record, or the JSON of another value.
    Value,
}

fn of_filter(filter: &Expr) -> Option<Condition> {
    match filter {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match op {
            Operator::And => Condition::all([of_filter(left), of_filter(right)]),
            Operator::Or => Condition::any([of_filter(left), of_filter(right)]),
            _ if is_of_values(*op) => {
                let compared = match op {
                    Operator::Eq => equals(left, right).or_else(|| equals(right, left)),
                    Operator::RegexMatch => matches(left, right, false),
                    Operator::RegexIMatch => matches(left, right, true),
                    _ => is_found(left, *op, right),
                };
                Condition::all([compared, has_name(left), has_name(right)])
            }
            _ => None,
        },
        Expr::InList(InList {
            expr,
            list,
            negated,
        }) => {
            // Nothing is equal to null.
            let is_value = |value: &&Expr| !matches!(value, Expr::Literal(of, _) if of.is_null());
            let values = list.iter().filter(is_value);
            let values = values.map(|value| equals(expr, value));
            let listed = (!negated).then(|| Condition::any(values)).flatten();
            Condition::all([listed, has_name(expr)])
        }
        Expr::Like(Like {
            negated,
            expr,
            pattern,
            escape_char,
            case_insensitive: _,
        }) => {
            let is_like = || like(expr, text(pattern)?, escape_char.unwrap_or('\\'));
            let is_like = (!negated).then(is_like).flatten();
            Condition::all([is_like, has_name(expr)])
        }
        Expr::IsNotNull(expr) => has_name(expr),
        Expr::ScalarFunction(call) => of_call(call),
        _ => None,
    }
}

/// Whether a comparison is true of values only, never of nulls.
fn is_of_values(op: Operator) -> bool {
    use Operator::{
        Eq, Gt, GtEq, Lt, LtEq, NotEq, RegexIMatch, RegexMatch, RegexNotIMatch, RegexNotMatch,
    };
    matches!(
        op,
        Eq | NotEq
            | Lt
            | LtEq
            | Gt
            | GtEq
            | RegexMatch
            | RegexIMatch
            | RegexNotMatch
            | RegexNotIMatch
    )
}

/// Where a value by its name is compared, the name stands in the record.
fn has_name(expr: &Expr) -> Option<Condition> {
    match expr {
        Expr::Cast(Cast { expr, .. }) => has_name(expr),
        Expr::ScalarFunction(call) => match (call.func.name(), call.args.as_slice()) {
            ("lower" | "upper", [expr]) => has_name(expr),
            ("get_field", [Expr::Column(column), name, ..]) if is_bag(&column.name) => {
                Condition::contains(text(name)?)
            }
            ("json_as_text", [Expr::Column(column), name, ..]) if column.name == "extra" => {
                Condition::contains(text(name)?)
            }
            _ => None,
        },
        _ => None,
    }
}

fn of_call(call: &ScalarFunction) -> Option<Condition> {
    match (call.func.name(), call.args.as_slice()) {
        ("contains" | "starts_with" | "ends_with", [expr, part]) => contains(expr, part),
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
        ("strpos", [expr, part]) if is_found => contains(expr, part),
        _ => None,
    }
}

/// What follows from a text of the row being a value.
pub(super) fn equals(expr: &Expr, value: &Expr) -> Option<Condition> {
    let value = text(value)?;
    match source(expr)? {
        Source::String => Condition::equals(value),
        // A number, `true` or `false` is whole too; an object is not.
        Source::Value if !value.contains([',', ':', '{', '}', '[', ']', ' ']) => {
            Condition::equals(value)
        }
        Source::Value | Source::Part => Condition::contains(value),
    }
}

fn matches(expr: &Expr, pattern: &Expr, ignores_case: bool) -> Option<Condition> {
    source(expr)?;
    regex::condition(text(pattern)?, ignores_case)
}

fn like(expr: &Expr, pattern: &str, escape: char) -> Option<Condition> {
    source(expr)?;
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
    Condition::all(parts.iter().map(|part| Condition::contains(part)))
}

fn contains(expr: &Expr, part: &Expr) -> Option<Condition> {
    source(expr)?;
    Condition::contains(text(part)?)
}

/// The text of the row that an expression is, in whatever case.
fn source(expr: &Expr) -> Option<Source> {
    match expr {
        Expr::Column(column) => of_column(&column.name),
        Expr::Cast(Cast { expr, field }) if is_text(field.data_type()) => source(expr),
        Expr::ScalarFunction(call) => match (call.func.name(), call.args.as_slice()) {
            ("lower", [text]) => source(text),
            // A value of a bag.
            ("get_field", [Expr::Column(column), ..]) if is_bag(&column.name) => Some(Source::Part),
            ("json_as_text", [Expr::Column(column), _]) if column.name == "extra" => {
                Some(Source::Value)
            }
            _ => None,
        },
        _ => None,
    }
}

fn of_column(name: &str) -> Option<Source> {
    match name {
        "raw" | "extra" => Some(Source::Part),
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

fn is_bag(column: &str) -> bool {
    let column = TableName::Audit.schema().column(column);
    let column_type = column.map(|column| column.column_type);
    matches!(column_type, Some(ColumnType::Bag | ColumnType::Changes))
}

fn is_record(expr: &Expr) -> bool {
    matches!(expr, Expr::Column(column) if column.name == "raw")
}

pub(super) fn is_text(data_type: &DataType) -> bool {
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
