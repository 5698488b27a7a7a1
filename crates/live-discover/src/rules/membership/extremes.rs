//! `>= ALL (SELECT …)`, `< ANY (SELECT …)`: what is compared with all rows of a list is compared with its least or its
//! greatest.
//!
//! The optimiser makes a join of it that compares each row outside with each of the list. Here the list is asked once for
//! all, where it does not depend on the row outside and has an order that the comparison goes by.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Column, DFSchema, Result, ScalarValue};
use datafusion::functions_aggregate::expr_fn::{max, min};
use datafusion::logical_expr::expr::{SetComparison, SetQuantifier};
use datafusion::logical_expr::{
    Expr, ExprSchemable, LogicalPlanBuilder, Operator, binary_expr, lit, not,
};

use super::{Place, has_rows, is_the_same_again};

/// The comparison with the extremes of the list, or as it was.
pub(super) fn compared(comparison: SetComparison, place: Place, input: &DFSchema) -> Result<Expr> {
    use Operator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
    use SetQuantifier::{All, Any};
    let SetComparison {
        expr: value,
        subquery,
        op,
        quantifier,
    } = &comparison;
    let (op, list) = (*op, &subquery.subquery);
    let is_fixed =
        subquery.outer_ref_columns.is_empty() && !value.is_volatile() && is_the_same_again(list)?;
    let Some((qualifier, field)) = list.schema().iter().next().filter(|_| is_fixed) else {
        return Ok(Expr::SetComparison(comparison));
    };
    // A value whose type is not known is one of a query that fails.
    let given = value.get_type(input).unwrap_or(DataType::Null);
    if !are_in_one_order(&given, field.data_type()) {
        return Ok(Expr::SetComparison(comparison));
    }
    let member = Expr::Column(Column::from((qualifier, field)));
    let with = |op: Operator, extreme: fn(Expr) -> Expr| -> Result<Expr> {
        let extreme = LogicalPlanBuilder::from(Arc::clone(list))
            .aggregate(Vec::<Expr>::new(), vec![extreme(member.clone())])?
            .build()?;
        let extreme = Expr::ScalarSubquery(subquery.with_plan(Arc::new(extreme)));
        Ok(binary_expr(value.as_ref().clone(), op, extreme))
    };
    let compared = match (op, quantifier) {
        (Gt | GtEq, All) | (Lt | LtEq, Any) => with(op, max)?,
        (Lt | LtEq, All) | (Gt | GtEq, Any) => with(op, min)?,
        (Eq, All) => with(Eq, min)?.and(with(Eq, max)?),
        (NotEq, Any) => with(NotEq, min)?.or(with(NotEq, max)?),
        _ => return Ok(Expr::SetComparison(comparison)),
    };
    // An extreme of no rows is NULL, so the comparison is.
    let null_is_false = place != Place::Elsewhere;
    if null_is_false && *quantifier == Any {
        return Ok(compared);
    }
    let is_empty = not(has_rows(subquery, list.as_ref().clone())?);
    let has_null = || {
        let nulls = LogicalPlanBuilder::from(Arc::clone(list)).filter(member.clone().is_null())?;
        has_rows(subquery, nulls.build()?)
    };
    let null = || lit(ScalarValue::Boolean(None));
    Ok(match quantifier {
        All if !field.is_nullable() => is_empty.or(compared),
        All if null_is_false => is_empty.or(compared.and(not(has_null()?))),
        All => is_empty.or(compared.and(not(has_null()?).or(null()))),
        Any if !field.is_nullable() => not(is_empty).and(compared),
        Any => not(is_empty).and(compared.or(has_null()?.and(null()))),
    })
}

/// Whether values of two types are compared in the order that `min` and `max` go by.
fn are_in_one_order(one: &DataType, other: &DataType) -> bool {
    let is_time = |of: &DataType| matches!(of, DataType::Timestamp(..) | DataType::Date32);
    (one.is_numeric() && other.is_numeric())
        || (one.is_string() && other.is_string())
        || (is_time(one) && is_time(other))
}
