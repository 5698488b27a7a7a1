//! What Trino has under another name or in another form, as the planner knows it.

use std::collections::HashSet;
use std::fmt::{self, Write};
use std::mem;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    AccessExpr, BinaryOperator, CaseWhen, DateTimeField, Distinct, DuplicateTreatment, Expr,
    Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause, FunctionArgumentList,
    FunctionArguments, GroupByExpr, Ident, LimitClause, ObjectName, OrderByExpr, OrderByKind,
    OrderByOptions, Query, Select, SelectItem, SetExpr, Statement, Subscript, TableFactor,
    UnaryOperator, Value, VisitMut, VisitorMut,
};

use crate::dialect::{flow, unnest};
use crate::error::{Error, Result};
use crate::functions::trino::ONLY_VALUE;

/// Rewrites a query of Trino.
pub(crate) fn rewrite(statement: &mut Statement) -> Result<()> {
    match statement.visit(&mut Rewriter) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

struct Rewriter;

impl VisitorMut for Rewriter {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        sort_distinct(query);
        flow(fetch(query))
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
        name_columns(select);
        flow(unnest::lateral(&mut select.from))
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
        flow(unnest::in_nested(factor))
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        flow(rewritten(expr))
    }
}

/// Names the columns that the query does not, by their text as it was written: two of them may be alike in Trino, and
/// what is rewritten has another text.
fn name_columns(select: &mut Select) {
    let mut seen = HashSet::new();
    for (index, item) in select.projection.iter_mut().enumerate() {
        let SelectItem::UnnamedExpr(expr) = item else {
            continue;
        };
        if matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_)) {
            continue;
        }
        let mut name = Short::default();
        let is_short = write!(name, "{expr}").is_ok();
        let name = if is_short && seen.insert(name.0.clone()) {
            name.0
        } else {
            format!("_col{index}")
        };
        let expr = mem::replace(expr, Expr::Value(Value::Null.into()));
        *item = SelectItem::ExprWithAlias {
            expr,
            alias: Ident::with_quote('"', name),
        };
    }
}

/// With DISTINCT, the planner sorts by columns of the result alone: an expression of ORDER BY that is one gets its name.
fn sort_distinct(query: &mut Query) {
    let SetExpr::Select(select) = query.body.as_mut() else {
        return;
    };
    let Some(OrderByKind::Expressions(order)) =
        query.order_by.as_mut().map(|order| &mut order.kind)
    else {
        return;
    };
    if select.distinct.is_none() {
        return;
    }
    name_columns(select);
    for by in order {
        let named = select.projection.iter().find_map(|item| match item {
            SelectItem::ExprWithAlias { expr, alias } if *expr == by.expr => Some(alias),
            _ => None,
        });
        if let Some(alias) = named {
            by.expr = Expr::Identifier(alias.clone());
        }
    }
}

/// A text that stops where it is too long for a name, so that a long expression is not written out.
#[derive(Default)]
struct Short(String);

impl Write for Short {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        /// Longer ones are named by their place, as in Trino.
        const BYTES_MAX: usize = 60;
        if self.0.len() + text.len() > BYTES_MAX {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

/// `FETCH FIRST n ROWS ONLY` is LIMIT.
fn fetch(query: &mut Query) -> Result<()> {
    let Some(fetch) = query.fetch.take() else {
        return Ok(());
    };
    if fetch.with_ties || fetch.percent {
        return Err(Error::invalid(
            "FETCH takes ROWS ONLY, not WITH TIES or PERCENT",
        ));
    }
    let count = Some(fetch.quantity.unwrap_or_else(|| number(1)));
    match &mut query.limit_clause {
        None => {
            query.limit_clause = Some(LimitClause::LimitOffset {
                limit: count,
                offset: None,
                limit_by: Vec::new(),
            });
            Ok(())
        }
        Some(LimitClause::LimitOffset { limit, .. }) if limit.is_none() => {
            *limit = count;
            Ok(())
        }
        Some(_) => Err(Error::invalid("a query has LIMIT or FETCH, not both")),
    }
}

fn rewritten(expr: &mut Expr) -> Result<()> {
    let nothing = Expr::Value(Value::Null.into());
    let new = match expr {
        Expr::Substring { .. } | Expr::Extract { .. } | Expr::AtTimeZone { .. } => {
            match mem::replace(expr, nothing) {
                Expr::Substring {
                    expr,
                    substring_from,
                    substring_for,
                    ..
                } => {
                    let from = substring_from.map_or_else(|| number(1), |from| *from);
                    let length = substring_for.map(|length| *length);
                    call("substr", [*expr, from].into_iter().chain(length).collect())
                }
                Expr::Extract { field, expr, .. } => call(field_function(&field)?, vec![*expr]),
                Expr::AtTimeZone {
                    timestamp,
                    time_zone,
                } => call("at_timezone", vec![*timestamp, *time_zone]),
                other => other,
            }
        }
        Expr::CompoundFieldAccess { root, access_chain } => {
            if !matches!(
                root.as_ref(),
                Expr::Identifier(_) | Expr::CompoundIdentifier(_)
            ) {
                access_chain.iter_mut().for_each(by_name);
            }
            return Ok(());
        }
        Expr::Subquery(query) => {
            only_value(query);
            return Ok(());
        }
        Expr::Like {
            pattern,
            escape_char: None,
            ..
        } => {
            escape(pattern);
            return Ok(());
        }
        Expr::Function(function) => match of_function(function)? {
            Some(new) => new,
            None => return Ok(()),
        },
        _ => return Ok(()),
    };
    *expr = new;
    Ok(())
}

/// Without ESCAPE nothing is an escape: <https://trino.io/docs/current/functions/comparison.html#pattern-comparison-like>.
fn escape(pattern: &mut Expr) {
    if let Expr::Value(value) = pattern
        && let Value::SingleQuotedString(text) = &mut value.value
    {
        *text = text.replace('\\', "\\\\");
    }
}

/// A field of a value that is no column: `['field']`.
fn by_name(access: &mut AccessExpr) {
    if let AccessExpr::Dot(Expr::Identifier(name)) = access {
        let index = text(name.value.to_lowercase());
        *access = AccessExpr::Subscript(Subscript::Index { index });
    }
}

/// `EXTRACT(field FROM x)`: <https://trino.io/docs/current/functions/datetime.html#extraction-function>
fn field_function(field: &DateTimeField) -> Result<&'static str> {
    Ok(match field.to_string().to_ascii_uppercase().as_str() {
        "YEAR" => "year",
        "QUARTER" => "quarter",
        "MONTH" => "month",
        "WEEK" => "week",
        "DAY" | "DAY_OF_MONTH" => "day",
        "DAY_OF_WEEK" | "DAYOFWEEK" | "DOW" => "day_of_week",
        "DAY_OF_YEAR" | "DAYOFYEAR" | "DOY" => "day_of_year",
        "YEAR_OF_WEEK" | "YOW" => "year_of_week",
        "HOUR" => "hour",
        "MINUTE" => "minute",
        "SECOND" => "second",
        other => return Err(Error::invalid(format!("EXTRACT has no field {other}"))),
    })
}

/// A scalar subquery with DISTINCT has one row or fails: an aggregate, which can be correlated.
fn only_value(query: &mut Query) {
    let is_plain = query.with.is_none() && query.limit_clause.is_none();
    let SetExpr::Select(select) = query.body.as_mut() else {
        return;
    };
    let has_groups = !matches!(&select.group_by, GroupByExpr::Expressions(by, _) if by.is_empty())
        || select.having.is_some();
    if !is_plain || has_groups || !matches!(select.distinct, Some(Distinct::Distinct)) {
        return;
    }
    let [SelectItem::UnnamedExpr(value) | SelectItem::ExprWithAlias { expr: value, .. }] =
        select.projection.as_mut_slice()
    else {
        return;
    };
    let inner = mem::replace(value, Expr::Value(Value::Null.into()));
    *value = call(ONLY_VALUE, vec![inner]);
    select.distinct = None;
    query.order_by = None;
}

fn of_function(function: &mut Function) -> Result<Option<Expr>> {
    let Some(name) = simple_name(function) else {
        return Ok(None);
    };
    let Some(count) = argument_count(function) else {
        return Ok(None);
    };
    match (name.as_str(), count) {
        ("levenshtein_distance", 2) => rename(function, "levenshtein"),
        ("title_case", 1) => rename(function, "initcap"),
        ("filter", 2) => rename(function, "array_filter"),
        ("array_remove", 2) => rename(function, "array_remove_all"),
        ("arrays_overlap", 2) => rename(function, "array_has_any"),
        ("arbitrary", 1) => rename(function, "any_value"),
        ("every", 1) => rename(function, "bool_and"),
        ("approx_percentile", 2) => rename(function, "approx_percentile_cont"),
        ("variance", 1) => rename(function, "var_samp"),
        ("set_agg", 1) => {
            rename(function, "array_agg");
            if let FunctionArguments::List(list) = &mut function.args {
                list.duplicate_treatment = Some(DuplicateTreatment::Distinct);
            }
        }
        ("approx_distinct", 2) => {
            // How exact it is, is not for the query to say.
            if let FunctionArguments::List(list) = &mut function.args {
                list.args.truncate(1);
            }
        }
        ("array_sort", 1) => append_arguments(function, ["ASC", "NULLS LAST"].map(text)),
        ("listagg", 1 | 2) => listagg(function),
        ("count_if", 1) => {
            rename(function, "count");
            if let Some([condition]) = take_arguments(function).and_then(exactly) {
                let counted = case(condition, Expr::Value(Value::Boolean(true).into()), None);
                set_arguments(function, vec![counted]);
            }
        }
        ("min_by" | "max_by", 2) => by(function, name == "min_by")?,
        ("map_agg", 2) => return Ok(map_agg(function)),
        ("all_match" | "none_match", 2) => {
            return matches_of(function, name == "all_match").map(Some);
        }
        ("if", 2 | 3) => {
            let mut arguments = take_arguments(function).unwrap_or_default().into_iter();
            let (Some(condition), Some(then)) = (arguments.next(), arguments.next()) else {
                return Ok(None);
            };
            return Ok(Some(case(condition, then, arguments.next())));
        }
        ("md5", 1) => {
            let mut inner = function.clone();
            inner.over = None;
            return Ok(Some(call("from_hex", vec![Expr::Function(inner)])));
        }
        ("mod", 2) => return Ok(binary(function, BinaryOperator::Modulo)),
        ("bitwise_and", 2) => return Ok(binary(function, BinaryOperator::BitwiseAnd)),
        ("bitwise_or", 2) => return Ok(binary(function, BinaryOperator::BitwiseOr)),
        ("bitwise_xor", 2) => return Ok(binary(function, BinaryOperator::PGBitwiseXor)),
        ("bitwise_not", 1) => {
            append_arguments(
                function,
                [Expr::UnaryOp {
                    op: UnaryOperator::Minus,
                    expr: Box::new(number(1)),
                }],
            );
            return Ok(binary(function, BinaryOperator::PGBitwiseXor));
        }
        _ => {}
    }
    Ok(None)
}

/// `first_value(x ORDER BY y) FILTER (WHERE y IS NOT NULL)`
fn by(function: &mut Function, is_smallest: bool) -> Result<()> {
    if function.over.is_some() {
        return Err(Error::invalid(
            "min_by and max_by over a window are not supported: use first_value(x) OVER (… ORDER BY y)",
        ));
    }
    let Some([value, order]) = take_arguments(function).and_then(exactly) else {
        return Ok(());
    };
    rename(function, "first_value");
    let is_there = Expr::IsNotNull(Box::new(order.clone()));
    let filter = match function.filter.take() {
        None => is_there,
        Some(filter) => Expr::BinaryOp {
            left: Box::new(Expr::Nested(filter)),
            op: BinaryOperator::And,
            right: Box::new(is_there),
        },
    };
    function.filter = Some(Box::new(filter));
    let order = OrderByExpr {
        expr: order,
        options: OrderByOptions {
            asc: Some(is_smallest),
            nulls_first: Some(false),
        },
        with_fill: None,
    };
    set_arguments(function, vec![value]);
    if let FunctionArguments::List(list) = &mut function.args {
        list.clauses = vec![FunctionArgumentClause::OrderBy(vec![order])];
    }
    Ok(())
}

/// `string_agg(x, separator ORDER BY y)`
fn listagg(function: &mut Function) {
    rename(function, "string_agg");
    if argument_count(function) == Some(1) {
        append_arguments(function, [text("")]);
    }
    let order = mem::take(&mut function.within_group);
    if let FunctionArguments::List(list) = &mut function.args {
        list.clauses
            .retain(|clause| !matches!(clause, FunctionArgumentClause::OnOverflow(_)));
        if !order.is_empty() {
            list.clauses.push(FunctionArgumentClause::OrderBy(order));
        }
    }
}

/// `map(array_agg(key), array_agg(value))` of the keys that are there.
fn map_agg(function: &mut Function) -> Option<Expr> {
    let [key, value] = take_arguments(function).and_then(exactly)?;
    let is_there = Expr::IsNotNull(Box::new(key.clone()));
    let of = |argument: Expr| {
        let mut gathered = function.clone();
        rename(&mut gathered, "array_agg");
        set_arguments(&mut gathered, vec![argument]);
        gathered.filter = Some(Box::new(match gathered.filter.take() {
            None => is_there.clone(),
            Some(filter) => Expr::BinaryOp {
                left: Box::new(Expr::Nested(filter)),
                op: BinaryOperator::And,
                right: Box::new(is_there.clone()),
            },
        }));
        Expr::Function(gathered)
    };
    Some(call("map", vec![of(key), of(value)]))
}

/// `NOT any_match(array, x -> …)`
fn matches_of(function: &mut Function, is_all: bool) -> Result<Expr> {
    let Some([array, Expr::Lambda(mut lambda)]) = take_arguments(function).and_then(exactly) else {
        return Err(Error::invalid(
            "all_match and none_match take an array and a condition such as x -> x > 0",
        ));
    };
    if is_all {
        lambda.body = Box::new(not(*lambda.body));
    }
    Ok(not(call("any_match", vec![array, Expr::Lambda(lambda)])))
}

fn not(expr: Expr) -> Expr {
    Expr::UnaryOp {
        op: UnaryOperator::Not,
        expr: Box::new(Expr::Nested(Box::new(expr))),
    }
}

fn binary(function: &mut Function, op: BinaryOperator) -> Option<Expr> {
    let [left, right] = take_arguments(function).and_then(exactly)?;
    Some(Expr::Nested(Box::new(Expr::BinaryOp {
        left: Box::new(Expr::Nested(Box::new(left))),
        op,
        right: Box::new(Expr::Nested(Box::new(right))),
    })))
}

fn case(condition: Expr, result: Expr, otherwise: Option<Expr>) -> Expr {
    Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: vec![CaseWhen { condition, result }],
        else_result: otherwise.map(Box::new),
    }
}

fn simple_name(function: &Function) -> Option<String> {
    let [part] = function.name.0.as_slice() else {
        return None;
    };
    let ident = part.as_ident()?;
    Some(ident.value.to_ascii_lowercase())
}

/// Keeps the place in the text, so that errors point there.
fn rename(function: &mut Function, name: &str) {
    let span = function
        .name
        .0
        .first()
        .and_then(|part| part.as_ident())
        .map(|ident| ident.span);
    let mut ident = Ident::new(name);
    if let Some(span) = span {
        ident.span = span;
    }
    function.name = ObjectName::from(vec![ident]);
}

fn argument_count(function: &Function) -> Option<usize> {
    match &function.args {
        FunctionArguments::List(list) => Some(list.args.len()),
        FunctionArguments::None | FunctionArguments::Subquery(_) => None,
    }
}

/// The arguments, if they are plain expressions; the list is empty then.
fn take_arguments(function: &mut Function) -> Option<Vec<Expr>> {
    let FunctionArguments::List(list) = &mut function.args else {
        return None;
    };
    let is_plain =
        |argument: &FunctionArg| matches!(argument, FunctionArg::Unnamed(FunctionArgExpr::Expr(_)));
    if !list.args.iter().all(is_plain) {
        return None;
    }
    let arguments = mem::take(&mut list.args).into_iter();
    Some(
        arguments
            .filter_map(|argument| match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
                _ => None,
            })
            .collect(),
    )
}

fn exactly<const N: usize>(arguments: Vec<Expr>) -> Option<[Expr; N]> {
    arguments.try_into().ok()
}

fn set_arguments(function: &mut Function, arguments: Vec<Expr>) {
    if let FunctionArguments::List(list) = &mut function.args {
        list.args = arguments.into_iter().map(argument).collect();
    }
}

fn append_arguments(function: &mut Function, arguments: impl IntoIterator<Item = Expr>) {
    if let FunctionArguments::List(list) = &mut function.args {
        list.args.extend(arguments.into_iter().map(argument));
    }
}

fn argument(expr: Expr) -> FunctionArg {
    FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))
}

/// A call of a function.
pub(super) fn call(name: &str, arguments: Vec<Expr>) -> Expr {
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: arguments.into_iter().map(argument).collect(),
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

pub(super) fn number(value: u64) -> Expr {
    Expr::Value(Value::Number(value.to_string(), false).into())
}

pub(super) fn text(value: impl Into<String>) -> Expr {
    Expr::Value(Value::SingleQuotedString(value.into()).into())
}
