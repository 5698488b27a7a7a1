//! `IN (SELECT …)` where NULL is one of its answers.
//!
//! The optimiser makes a join of it whose mark is true or false. That is right where NULL and false come to the same:
//! for what a filter keeps, below AND and OR. Elsewhere (`NOT`, `NOT IN` beside OR, `IS NULL`, CASE) the answer is NULL
//! for a value that is not found, if the value is NULL and there are rows, or if one of them is NULL: there it is
//! spelled out. `NOT IN` alone is spelled out too, as an anti join beside what NULL asks of the list: DataFusion's join that
//! knows of NULL holds all rows outside.

mod extremes;

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, ExprSchema, Result, ScalarValue};
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::expr::{Exists, InSubquery, SetComparison, SetQuantifier};
use datafusion::logical_expr::{
    BinaryExpr, Expr, ExprSchemable, Filter, LogicalPlan, LogicalPlanBuilder, Operator, Subquery,
    lit, not, when,
};

/// The plan with the answers of the standard.
pub(crate) fn with_nulls(plan: LogicalPlan) -> Result<LogicalPlan> {
    let mut is_asked = false;
    plan.apply_with_subqueries(|node| {
        is_asked = matches!(node, LogicalPlan::Filter(filter) if asks(&filter.predicate)?);
        Ok(match is_asked {
            true => TreeNodeRecursion::Stop,
            false => TreeNodeRecursion::Continue,
        })
    })?;
    if !is_asked {
        return Ok(plan);
    }
    // From the innermost: what is named several times is shared, not rewritten once more.
    let rewritten = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Filter(filter) if asks(&filter.predicate)? => {
            let Filter {
                predicate, input, ..
            } = filter;
            let predicate = condition(predicate, Place::Conjunct, input.schema())?;
            let filter = Filter::try_new(predicate, input)?;
            Ok(Transformed::yes(LogicalPlan::Filter(filter)))
        }
        node => Ok(Transformed::no(node)),
    })?;
    Ok(rewritten.data)
}

fn asks(predicate: &Expr) -> Result<bool> {
    predicate.exists(|expr| {
        Ok(matches!(
            expr,
            Expr::InSubquery(_) | Expr::SetComparison(_) | Expr::Exists(_)
        ))
    })
}

/// Where in a filter an expression stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// It decides alone whether a row goes.
    Conjunct,
    /// A row that it is NULL for goes the way of those that it is false for.
    NullIsFalse,
    Elsewhere,
}

fn condition(expr: Expr, place: Place, input: &DFSchema) -> Result<Expr> {
    match member(expr) {
        Expr::BinaryExpr(BinaryExpr {
            left,
            op: op @ (Operator::And | Operator::Or),
            right,
        }) => {
            let place = match (op, place) {
                (Operator::Or, Place::Conjunct) => Place::NullIsFalse,
                _ => place,
            };
            let [left, right] = [
                condition(*left, place, input)?,
                condition(*right, place, input)?,
            ];
            Ok(Expr::BinaryExpr(BinaryExpr::new(
                Box::new(left),
                op,
                Box::new(right),
            )))
        }
        Expr::IsTrue(inner) => {
            let inner = condition(*inner, Place::NullIsFalse, input)?;
            Ok(Expr::IsTrue(Box::new(inner)))
        }
        Expr::IsNotTrue(inner) => {
            let inner = condition(*inner, Place::NullIsFalse, input)?;
            Ok(Expr::IsNotTrue(Box::new(inner)))
        }
        Expr::InSubquery(within) => is_member(within, place, input),
        Expr::SetComparison(comparison) => extremes::compared(comparison, place, input),
        Expr::Exists(exists) => exists_or_not(exists),
        other => {
            let mapped = other.map_children(|child| {
                condition(child, Place::Elsewhere, input).map(Transformed::yes)
            })?;
            Ok(mapped.data)
        }
    }
}

/// `= ANY`, `<> ALL` and NOT as the IN that they are; `NOT x < ALL` is `x >= ANY`.
fn member(expr: Expr) -> Expr {
    match expr {
        Expr::SetComparison(SetComparison {
            expr,
            subquery,
            op: op @ (Operator::Eq | Operator::NotEq),
            quantifier,
        }) if (op == Operator::Eq) == (quantifier == SetQuantifier::Any) => {
            Expr::InSubquery(InSubquery::new(expr, subquery, op == Operator::NotEq))
        }
        Expr::Not(inner) => match member(*inner) {
            Expr::InSubquery(within) => Expr::InSubquery(InSubquery {
                negated: !within.negated,
                ..within
            }),
            Expr::SetComparison(comparison) => opposite(comparison),
            inner => Expr::Not(Box::new(inner)),
        },
        expr => expr,
    }
}

fn opposite(comparison: SetComparison) -> Expr {
    let Some(op) = comparison.op.negate() else {
        return Expr::Not(Box::new(Expr::SetComparison(comparison)));
    };
    let quantifier = match comparison.quantifier {
        SetQuantifier::Any => SetQuantifier::All,
        SetQuantifier::All => SetQuantifier::Any,
    };
    Expr::SetComparison(SetComparison {
        op,
        quantifier,
        ..comparison
    })
}

fn is_member(within: InSubquery, place: Place, input: &DFSchema) -> Result<Expr> {
    let InSubquery {
        expr: value,
        subquery,
        negated,
    } = within;
    let is_correlated = !subquery.outer_ref_columns.is_empty();
    if is_correlated
        && let Some(Only {
            having,
            columns,
            of,
        }) = only_row(&subquery.subquery)
    {
        let Some(column) = columns.first() else {
            return Ok(Expr::InSubquery(InSubquery::new(value, subquery, negated)));
        };
        let is_equal = Expr::eq(*value, scalar(&subquery, &of, column)?);
        let is_found = match having {
            Some(having) => scalar(&subquery, &of, &having)?.is_true().and(is_equal),
            None => is_equal,
        };
        return Ok(negated_if(negated, is_found));
    }
    // The optimiser refuses it, and would drop the limit of an EXISTS.
    if is_limited_by_row(&subquery.subquery)? {
        return Ok(Expr::InSubquery(InSubquery::new(value, subquery, negated)));
    }
    let is_join = !is_correlated && is_of_columns(&value)?;
    let null_is_false = match place {
        Place::Conjunct if !negated || (is_join && !is_the_same_again(&subquery.subquery)?) => {
            return Ok(Expr::InSubquery(InSubquery::new(value, subquery, negated)));
        }
        Place::Conjunct | Place::NullIsFalse => !negated,
        Place::Elsewhere => false,
    };
    // By a name of its own: a mark would take a column that is computed for two, and a condition a column inside for the one
    // outside, where both tables have one name.
    let rows = match is_correlated {
        // The optimiser does not look for a row outside behind a name.
        true => subquery.subquery.as_ref().clone(),
        false => LogicalPlanBuilder::from(Arc::clone(&subquery.subquery))
            .alias("__members")?
            .build()?,
    };
    let Some((qualifier, field)) = rows.schema().iter().next() else {
        return Ok(Expr::InSubquery(InSubquery::new(value, subquery, negated)));
    };
    let member = Expr::Column(Column::from((qualifier, field)));
    let only = |condition: Expr| {
        LogicalPlanBuilder::from(rows.clone())
            .filter(condition)?
            .build()
    };
    // A value whose type is not known is one of a query that fails.
    let may_be_null = value.nullable(input).unwrap_or(true);
    if place == Place::Conjunct && is_join {
        let outside = outside(value.as_ref().clone(), input)?;
        let is_none = not(exists(&subquery, only(member.clone().eq(outside))?));
        return Ok(if may_be_null || field.is_nullable() {
            is_none.and(null_is_none(&subquery, rows, member, *value)?)
        } else {
            is_none
        });
    }
    let mut answer = if is_correlated {
        // Not IN: the optimiser would make the join of `NOT IN` of it again, which cannot be of two columns.
        let outside = outside(value.as_ref().clone(), input)?;
        exists(&subquery, only(member.clone().eq(outside))?)
    } else {
        let named = subquery.with_plan(Arc::new(rows.clone()));
        Expr::InSubquery(InSubquery::new(value.clone(), named, false))
    };
    let null = || lit(ScalarValue::Boolean(None));
    if !null_is_false && field.is_nullable() {
        answer = answer.or(null().and(has_rows(&subquery, only(member.is_null())?)?));
    }
    if !null_is_false && may_be_null {
        let has_rows = has_rows(&subquery, rows)?;
        answer = answer.or(null().and(value.is_null().and(has_rows)));
    }
    Ok(negated_if(negated, answer))
}

fn negated_if(negated: bool, expr: Expr) -> Expr {
    if negated { not(expr) } else { expr }
}

/// Whether a LIMIT counts rows that depend on the row outside.
fn is_limited_by_row(plan: &LogicalPlan) -> Result<bool> {
    plan.exists(|node| {
        Ok(matches!(node, LogicalPlan::Limit(_)) && !node.all_out_ref_exprs().is_empty())
    })
}

/// Whether the join for `NOT IN` has this for its key: without a column it would compare row by row.
fn is_of_columns(value: &Expr) -> Result<bool> {
    let is_other = value.exists(|expr| {
        Ok(expr.is_volatile_node()
            || matches!(
                expr,
                Expr::ScalarSubquery(_) | Expr::OuterReferenceColumn(..)
            ))
    })?;
    Ok(!is_other && !value.column_refs().is_empty())
}

/// A value of the row outside, as the query inside names it.
fn outside(value: Expr, input: &DFSchema) -> Result<Expr> {
    let named = value.transform_up(|expr| match expr {
        Expr::Column(column) => {
            let field = Arc::clone(input.field_from_column(&column)?);
            Ok(Transformed::yes(Expr::OuterReferenceColumn(field, column)))
        }
        expr => Ok(Transformed::no(expr)),
    })?;
    Ok(named.data)
}

fn exists(subquery: &Subquery, plan: LogicalPlan) -> Expr {
    let subquery = Subquery {
        outer_ref_columns: plan.all_out_ref_exprs(),
        ..subquery.with_plan(Arc::new(plan))
    };
    Expr::Exists(Exists::new(subquery, false))
}

/// Whether a query has a row: once for all, where it does not depend on the row outside.
fn has_rows(subquery: &Subquery, plan: LogicalPlan) -> Result<Expr> {
    if !subquery.outer_ref_columns.is_empty() {
        return Ok(exists(subquery, plan));
    }
    let counted = LogicalPlanBuilder::from(plan)
        .limit(0, Some(1))?
        .aggregate(Vec::<Expr>::new(), vec![count(lit(1_i64)).alias("rows")])?
        .project(vec![
            Expr::Column(Column::new_unqualified("rows")).gt(lit(0_i64)),
        ])?
        .build()?;
    Ok(Expr::ScalarSubquery(subquery.with_plan(Arc::new(counted))))
}

/// What a value that is found nowhere in a list needs to be none of it: no row of the list is NULL, and neither is the
/// value, unless the list has no rows. As one comparison, so that the list is asked once: of an empty list with any value
/// (2), of others with one that is there (1), and of one with NULL with none (0).
fn null_is_none(subquery: &Subquery, list: LogicalPlan, member: Expr, value: Expr) -> Result<Expr> {
    let column = |name: &str| Expr::Column(Column::new_unqualified(name));
    let allows = when(column("rows").eq(lit(0_i64)), lit(2_i64))
        .when(column("known").lt(column("rows")), lit(0_i64))
        .otherwise(lit(1_i64))?;
    let counts = vec![
        count(lit(1_i64)).alias("rows"),
        count(member).alias("known"),
    ];
    let allows = LogicalPlanBuilder::from(list)
        .aggregate(Vec::<Expr>::new(), counts)?
        .project(vec![allows.alias("allows")])?
        .build()?;
    let allows = Expr::ScalarSubquery(subquery.with_plan(Arc::new(allows)));
    let needs = when(value.is_null(), lit(2_i64)).otherwise(lit(1_i64))?;
    Ok(allows.gt_eq(needs))
}

/// Whether a list that is asked for twice is the same list.
fn is_the_same_again(list: &LogicalPlan) -> Result<bool> {
    let may_differ = list.exists(|node| {
        let mut is_volatile = false;
        node.apply_expressions(|expr| {
            is_volatile |= expr.is_volatile();
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(is_volatile || matches!(node, LogicalPlan::Limit(_)))
    })?;
    Ok(!may_differ)
}

/// A query of aggregates without GROUP BY: it has a row also where it finds none, which a join would miss.
struct Only {
    having: Option<Expr>,
    columns: Vec<Expr>,
    of: Arc<LogicalPlan>,
}

fn only_row(plan: &LogicalPlan) -> Option<Only> {
    let LogicalPlan::Projection(projection) = plan else {
        return None;
    };
    let (having, of) = match projection.input.as_ref() {
        LogicalPlan::Filter(filter) => (Some(filter.predicate.clone()), &filter.input),
        _ => (None, &projection.input),
    };
    match of.as_ref() {
        LogicalPlan::Aggregate(aggregate) if aggregate.group_expr.is_empty() => Some(Only {
            having,
            columns: projection.expr.clone(),
            of: Arc::clone(of),
        }),
        _ => None,
    }
}

fn scalar(subquery: &Subquery, of: &Arc<LogicalPlan>, column: &Expr) -> Result<Expr> {
    let plan = LogicalPlanBuilder::from(Arc::clone(of))
        .project(vec![column.clone()])?
        .build()?;
    Ok(Expr::ScalarSubquery(subquery.with_plan(Arc::new(plan))))
}

fn exists_or_not(exists: Exists) -> Result<Expr> {
    let Exists { subquery, negated } = exists;
    if !subquery.outer_ref_columns.is_empty()
        && let Some(Only { having, of, .. }) = only_row(&subquery.subquery)
    {
        let is_there = match having {
            Some(having) => scalar(&subquery, &of, &having)?.is_true(),
            None => lit(true),
        };
        return Ok(negated_if(negated, is_there));
    }
    if !subquery.outer_ref_columns.is_empty() {
        return Ok(Expr::Exists(Exists { subquery, negated }));
    }
    // Whether there is any row is told by one: each row outside would be joined with all of them.
    let one = LogicalPlanBuilder::new_from_arc(Arc::clone(&subquery.subquery))
        .limit(0, Some(1))?
        .build()?;
    Ok(Expr::Exists(Exists {
        subquery: subquery.with_plan(Arc::new(one)),
        negated,
    }))
}
