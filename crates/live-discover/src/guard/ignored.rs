//! Clauses that the parser reads and the planner drops: what they say would be missing from the answer without a word, so
//! they are refused.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArguments, GroupByExpr, GroupByWithModifier,
    NamedWindowExpr, Select, SelectItem, SetExpr, SetOperator, SetQuantifier, Spanned, TableFactor,
    WildcardAdditionalOptions, WindowType,
};

use super::functions;
use super::tree::at;
use crate::error::Error;

/// What is dropped of a SELECT.
pub(super) fn of_select(select: &Select) -> Option<Error> {
    let modifiers = match &select.group_by {
        GroupByExpr::All(modifiers) | GroupByExpr::Expressions(_, modifiers) => modifiers,
    };
    if let Some(modifier) = modifiers.first() {
        let instead = match modifier {
            GroupByWithModifier::Rollup => "write GROUP BY ROLLUP (…)",
            GroupByWithModifier::Cube => "write GROUP BY CUBE (…)",
            GroupByWithModifier::GroupingSets(_) => "write GROUP BY GROUPING SETS (…)",
            GroupByWithModifier::Totals => "write GROUP BY GROUPING SETS ((…), ())",
        };
        return Some(at(
            select.group_by.span(),
            format!("`{modifier}` is not supported: {instead}"),
        ));
    }
    if let Some(connect_by) = select.connect_by.first() {
        return Some(at(
            connect_by.span(),
            "CONNECT BY and START WITH are not supported: they need not end",
        ));
    }
    let extended = select.named_window.iter().find_map(|named| match &named.1 {
        NamedWindowExpr::WindowSpec(spec) => spec.window_name.as_ref(),
        NamedWindowExpr::NamedWindow(_) => None,
    });
    if let Some(window) = extended {
        return Some(at(window.span, adds_to_window(&window.value)));
    }
    select.projection.iter().find_map(|item| match item {
        SelectItem::Wildcard(options) | SelectItem::QualifiedWildcard(_, options) => {
            of_wildcard(options)
        }
        _ => None,
    })
}

fn of_wildcard(options: &WildcardAdditionalOptions) -> Option<Error> {
    options.opt_ilike.as_ref().map(|_| {
        at(
            options.wildcard_token.0.span,
            "`* ILIKE` is not supported: name the columns",
        )
    })
}

fn adds_to_window(window: &str) -> String {
    format!("what a window adds to `{window}` is not supported: write all of it in one place")
}

/// What is dropped of what puts queries together.
pub(super) fn of_set(set: &SetExpr) -> Option<Error> {
    let SetExpr::SetOperation {
        left,
        op,
        set_quantifier,
        right,
    } = set
    else {
        return None;
    };
    let counts = matches!(
        set_quantifier,
        SetQuantifier::All | SetQuantifier::AllByName
    );
    if counts
        && matches!(
            op,
            SetOperator::Except | SetOperator::Intersect | SetOperator::Minus
        )
    {
        let message = format!(
            "`{op} ALL` is not supported: write `{op}`, or number the rows of both with row_number() OVER (PARTITION BY …)"
        );
        return Some(at(right.span(), message));
    }
    of_set(left).or_else(|| of_set(right))
}

/// What is dropped of a table in FROM.
pub(super) fn of_table(factor: &TableFactor) -> Option<Error> {
    let (sample, partitions) = match factor {
        TableFactor::Table {
            sample, partitions, ..
        } => (sample, partitions.as_slice()),
        TableFactor::Derived { sample, .. } => (sample, &[][..]),
        _ => return None,
    };
    if sample.is_some() {
        let message = "samples are not supported: name a time, or add LIMIT";
        return Some(at(factor.span(), message));
    }
    partitions.first().map(|partition| {
        let message = "partitions are not named in a query: a condition on `event_date` reads those of its days";
        at(partition.span, message)
    })
}

/// What is dropped of an expression.
pub(super) fn of_expr(expr: &Expr) -> Option<Error> {
    match expr {
        Expr::Function(function) => of_call(function),
        // The whole path would be taken for the name of one member.
        Expr::BinaryOp { left, op, .. } => {
            let (op, last) = match op {
                BinaryOperator::HashArrow => ("#>", "->"),
                BinaryOperator::HashLongArrow => ("#>>", "->>"),
                _ => return None,
            };
            let message = format!("`{op}` is not supported: write `->'a'{last}'b'`");
            Some(at(left.span(), message))
        }
        _ => None,
    }
}

fn of_call(function: &Function) -> Option<Error> {
    if let Some(WindowType::WindowSpec(spec)) = &function.over
        && let Some(window) = &spec.window_name
    {
        let name = &window.value;
        let message = match spec.partition_by.is_empty()
            && spec.order_by.is_empty()
            && spec.window_frame.is_none()
        {
            true => format!("`OVER ({name})` is not supported: write `OVER {name}`"),
            false => adds_to_window(name),
        };
        return Some(at(window.span, message));
    }
    let [part] = function.name.0.as_slice() else {
        return None;
    };
    let name = part.as_ident()?.value.to_ascii_lowercase();
    let (is_distinct, has_clauses) = match &function.args {
        FunctionArguments::List(list) => {
            (list.duplicate_treatment.is_some(), !list.clauses.is_empty())
        }
        _ => (false, false),
    };
    let clause = match () {
        () if function.filter.is_some() => "FILTER",
        () if function.over.is_some() => "OVER",
        () if is_distinct => "DISTINCT",
        () if has_clauses || !function.within_group.is_empty() => "ORDER BY",
        () => return None,
    };
    functions::is_of_values(&name).then(|| {
        let message = format!("`{name}` takes values of one row: {clause} is of aggregates");
        at(function.name.span(), message)
    })
}
