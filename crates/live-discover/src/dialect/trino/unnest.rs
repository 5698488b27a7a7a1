//! `CROSS JOIN UNNEST(…) WITH ORDINALITY AS t(x, n)`: <https://trino.io/docs/current/sql/select.html#unnest>.
//!
//! The arrays may come from the tables on the left. DataFusion plans that as a correlated subquery, which it cannot
//! run; here it is a projection of the left side with the arrays beside it, and an unnesting of those.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{
    Column, DFSchema, NullHandling, Result, ScalarValue, TableReference, UnnestOptions, plan_err,
};
use datafusion::functions::core::expr_fn::get_field;
use datafusion::functions_nested::expr_fn::{map_keys, map_values};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::planner::{
    PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning,
};
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder};
use datafusion::sql::sqlparser::ast::{
    Expr as SqlExpr, Join, JoinConstraint, JoinOperator, TableAlias, TableFactor, TableWithJoins,
    Value,
};

use crate::functions::trino::{list_of, ordinality, type_name};

/// Plans UNNEST alone, and joins in parentheses whose last is one; [`super::rewrite`] makes the parentheses.
#[derive(Debug)]
pub(super) struct LateralUnnest;

impl RelationPlanner for LateralUnnest {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        let (plan, alias) = match relation {
            TableFactor::UNNEST { .. } => {
                let nothing = LogicalPlanBuilder::empty(true).build()?;
                (unnested(nothing, relation, true, context)?, None)
            }
            TableFactor::NestedJoin {
                mut table_with_joins,
                alias,
            } => match table_with_joins.joins.pop() {
                Some(last) if matches!(last.relation, TableFactor::UNNEST { .. }) => {
                    let left = if table_with_joins.joins.is_empty() {
                        table_with_joins.relation
                    } else {
                        TableFactor::NestedJoin {
                            table_with_joins,
                            alias: None,
                        }
                    };
                    let left = context.plan(left)?;
                    (joined(left, last, context)?, alias)
                }
                last => {
                    table_with_joins.joins.extend(last);
                    return Ok(RelationPlanning::Original(Box::new(
                        TableFactor::NestedJoin {
                            table_with_joins,
                            alias,
                        },
                    )));
                }
            },
            other => return Ok(RelationPlanning::Original(Box::new(other))),
        };
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(
            plan, alias,
        ))))
    }
}

/// The parentheses that [`LateralUnnest`] plans.
pub(super) fn in_parentheses(relation: TableFactor, joins: Vec<Join>) -> TableFactor {
    TableFactor::NestedJoin {
        table_with_joins: Box::new(TableWithJoins { relation, joins }),
        alias: None,
    }
}

fn joined(
    left: LogicalPlan,
    join: Join,
    context: &mut dyn RelationPlannerContext,
) -> Result<LogicalPlan> {
    use JoinOperator::{CrossJoin, Inner, Join as Plain, Left, LeftOuter};
    match join.join_operator {
        CrossJoin(JoinConstraint::None) => unnested(left, join.relation, true, context),
        Left(constraint) | LeftOuter(constraint) if is_always(&constraint) => {
            unnested(left, join.relation, false, context)
        }
        Inner(JoinConstraint::On(condition)) | Plain(JoinConstraint::On(condition)) => {
            let plan = unnested(left, join.relation, true, context)?;
            let condition = context.sql_to_expr(condition, plan.schema())?;
            LogicalPlanBuilder::from(plan).filter(condition)?.build()
        }
        _ => plan_err!("UNNEST takes CROSS JOIN, INNER JOIN … ON, or LEFT JOIN … ON TRUE"),
    }
}

fn is_always(constraint: &JoinConstraint) -> bool {
    matches!(
        constraint,
        JoinConstraint::On(SqlExpr::Value(value)) if value.value == Value::Boolean(true)
    )
}

/// What a column of the result is.
struct Output {
    name: String,
    value: Expr,
}

fn unnested(
    left: LogicalPlan,
    relation: TableFactor,
    drops_empty: bool,
    context: &mut dyn RelationPlannerContext,
) -> Result<LogicalPlan> {
    let TableFactor::UNNEST {
        alias,
        array_exprs,
        with_offset,
        with_ordinality,
        ..
    } = relation
    else {
        return plan_err!("UNNEST is expected");
    };
    if with_offset {
        return plan_err!("UNNEST takes WITH ORDINALITY, not WITH OFFSET");
    }
    let schema = Arc::clone(left.schema());
    let mut lists = Vec::new();
    let mut outputs = Vec::new();
    for array in array_exprs {
        let array = context.sql_to_expr(array, &schema)?;
        if array.contains_outer() {
            return plan_err!(
                "UNNEST of an array from outside of the subquery is not supported: join it there, or use any_match"
            );
        }
        expand(array, &schema, &mut lists, &mut outputs)?;
    }
    if lists.is_empty() {
        return plan_err!("UNNEST takes at least one array");
    }
    if with_ordinality {
        let counted = ScalarFunction::new_udf(ordinality(), lists.clone());
        let value = list(&mut lists, Expr::ScalarFunction(counted));
        outputs.push(Output {
            name: "ordinality".to_owned(),
            value,
        });
    }
    let table = name_outputs(alias, &mut outputs, context)?;

    let kept: Vec<Expr> = (schema.columns().into_iter()).map(Expr::Column).collect();
    let columns: Vec<Column> = (0..lists.len())
        .map(|index| Column::from_name(list_name(index)))
        .collect();
    let beside = lists.into_iter().zip(&columns);
    let beside = beside.map(|(list, column)| list.alias(column.name.clone()));
    let handling = if drops_empty {
        NullHandling::Drop
    } else {
        NullHandling::PreserveAndExpandEmpty
    };
    let given = outputs.into_iter();
    let given = given.map(|output| output.value.alias_qualified(table.clone(), output.name));
    LogicalPlanBuilder::from(left)
        .project(kept.iter().cloned().chain(beside))?
        .unnest_columns_with_options(columns, UnnestOptions::new().with_null_handling(handling))?
        .project(kept.iter().cloned().chain(given))?
        .build()
}

/// Long enough that no column of a query is called so.
fn list_name(index: usize) -> String {
    format!("__unnested_list_{index}")
}

/// Adds a list to those that are unnested; the expression is its element.
fn list(lists: &mut Vec<Expr>, list: Expr) -> Expr {
    let element = Expr::Column(Column::from_name(list_name(lists.len())));
    lists.push(list);
    element
}

/// An array gives a column, one of rows a column for each field; a map gives its keys and its values.
fn expand(
    array: Expr,
    schema: &DFSchema,
    lists: &mut Vec<Expr>,
    outputs: &mut Vec<Output>,
) -> Result<()> {
    match array.get_type(schema)? {
        DataType::List(field) | DataType::LargeList(field) | DataType::FixedSizeList(field, _) => {
            let array = if matches!(field.data_type(), DataType::Null) {
                Expr::Literal(ScalarValue::try_from(&list_of(DataType::Null))?, None)
            } else {
                array
            };
            let element = list(lists, array);
            match field.data_type() {
                DataType::Struct(fields) => outputs.extend(fields.iter().map(|field| Output {
                    name: field.name().clone(),
                    value: get_field(element.clone(), field.name().as_str()),
                })),
                _ => outputs.push(Output {
                    name: format!("_col{}", outputs.len()),
                    value: element,
                }),
            }
        }
        DataType::Map(..) => {
            for (name, parts) in [
                ("key", map_keys(array.clone())),
                ("value", map_values(array)),
            ] {
                let value = list(lists, parts);
                outputs.push(Output {
                    name: name.to_owned(),
                    value,
                });
            }
        }
        DataType::Null => {
            let nothing = ScalarValue::try_from(&list_of(DataType::Null))?;
            let value = list(lists, Expr::Literal(nothing, None));
            outputs.push(Output {
                name: format!("_col{}", outputs.len()),
                value,
            });
        }
        other => {
            let other = type_name(&other);
            return plan_err!(
                "UNNEST takes an array or a map, not {other}{}",
                if other == "json" {
                    ": CAST(… AS array(json)) makes one"
                } else {
                    ""
                }
            );
        }
    }
    Ok(())
}

/// Gives the columns the names of `AS t(a, b)`.
fn name_outputs(
    alias: Option<TableAlias>,
    outputs: &mut [Output],
    context: &dyn RelationPlannerContext,
) -> Result<Option<TableReference>> {
    let Some(alias) = alias else {
        return Ok(None);
    };
    let table = context.normalize_ident(alias.name);
    if !alias.columns.is_empty() {
        if alias.columns.len() != outputs.len() {
            return plan_err!(
                "`{table}` has {} columns, and {} names for them",
                outputs.len(),
                alias.columns.len()
            );
        }
        for (output, column) in outputs.iter_mut().zip(alias.columns) {
            output.name = context.normalize_ident(column.name);
        }
    }
    Ok(Some(TableReference::bare(table)))
}
