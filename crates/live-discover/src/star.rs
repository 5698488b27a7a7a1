//! `SELECT *` of a table with hundreds of columns. DataFusion compares the name of each selected column with those of all
//! before it, and writes both anew each time: 17 ms of planning for 348 columns. So one value stands for all columns
//! while it plans, and then the step that gives it is taken out: what is below gives all columns.

use datafusion::error::Result;
use datafusion::execution::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlan, Projection};
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    Expr as SqlExpr, Ident, OrderByKind, Query, Select, SelectItem, SetExpr,
    Statement as SqlStatement, Value, WildcardAdditionalOptions,
};

/// What the value that stands for all columns is called: no column of the lake is.
const ALL: &str = "*";

/// Plans a statement.
///
/// # Errors
///
/// As DataFusion, of the statement as it is.
pub(crate) async fn plan(state: &SessionState, statement: Statement) -> Result<LogicalPlan> {
    if let Some(stand_in) = with_stand_in(&statement)
        && let Ok(plan) = state.statement_to_plan(stand_in).await
        && let Some(plan) = with_all_columns(&plan)
    {
        return Ok(plan);
    }
    state.statement_to_plan(statement).await
}

/// The statement, if it is `SELECT * FROM` one relation, with the value in place of `*`.
fn with_stand_in(statement: &Statement) -> Option<Statement> {
    let Statement::Statement(statement) = statement else {
        return None;
    };
    let SqlStatement::Query(query) = statement.as_ref() else {
        return None;
    };
    let SetExpr::Select(select) = query.body.as_ref() else {
        return None;
    };
    let [SelectItem::Wildcard(options)] = select.projection.as_slice() else {
        return None;
    };
    let is_plain = matches!(select.from.as_slice(), [from] if from.joins.is_empty())
        && options.to_string() == WildcardAdditionalOptions::default().to_string()
        && has_nothing_else(select)
        && query.pipe_operators.is_empty()
        // A column of this name would be taken for the value.
        && !query.to_string().contains(&Ident::with_quote('"', ALL).to_string())
        && !orders_by_place(query);
    if !is_plain {
        return None;
    }
    let mut query = query.clone();
    let SetExpr::Select(select) = query.body.as_mut() else {
        return None;
    };
    select.projection = vec![SelectItem::ExprWithAlias {
        expr: SqlExpr::value(Value::Null),
        alias: Ident::with_quote('"', ALL),
    }];
    Some(Statement::Statement(Box::new(SqlStatement::Query(query))))
}

/// Whether a SELECT has no clause but FROM and WHERE.
fn has_nothing_else(select: &Select) -> bool {
    let rest = Select {
        projection: Vec::new(),
        from: Vec::new(),
        selection: None,
        ..select.clone()
    };
    rest.to_string().trim() == "SELECT"
}

/// `ORDER BY 2`, `ORDER BY ALL`.
fn orders_by_place(query: &Query) -> bool {
    let Some(order_by) = &query.order_by else {
        return false;
    };
    match &order_by.kind {
        OrderByKind::All(_) => true,
        OrderByKind::Expressions(keys) => {
            keys.iter().any(|key| matches!(key.expr, SqlExpr::Value(_)))
        }
    }
}

/// The plan without the steps that give the value; `None` where it isn't what was expected.
fn with_all_columns(plan: &LogicalPlan) -> Option<LogicalPlan> {
    match plan {
        LogicalPlan::Limit(_) | LogicalPlan::Sort(_) => {
            let [input] = plan.inputs().try_into().ok()?;
            let input = with_all_columns(input)?;
            plan.with_new_exprs(plan.expressions(), vec![input]).ok()
        }
        LogicalPlan::Projection(projection) if is_stand_in(projection) => {
            // It is there twice where rows are ordered by a column, which the lower one has beside it.
            match projection.input.as_ref() {
                sort @ LogicalPlan::Sort(_) => with_all_columns(sort),
                // All of its columns, which it has by itself. A step for that would be worked out by each rule.
                input => Some(input.clone()),
            }
        }
        _ => None,
    }
}

fn is_stand_in(projection: &Projection) -> bool {
    match projection.expr.first() {
        Some(Expr::Alias(alias)) => alias.name == ALL,
        Some(Expr::Column(column)) => column.name == ALL,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::datatypes::{DataType, Field, Schema};
    use datafusion::catalog::MemTable;
    use datafusion::prelude::SessionContext;

    use super::*;

    fn state() -> SessionState {
        let context = SessionContext::new();
        for table in ["t", "u"] {
            let fields = ["a", "b", "c"].map(|name| Field::new(name, DataType::Int64, true));
            let table_of = MemTable::try_new(Arc::new(Schema::new(fields.to_vec())), vec![vec![]]);
            context
                .register_table(table, Arc::new(table_of.unwrap()))
                .unwrap();
        }
        context.state()
    }

    fn parsed(state: &SessionState, sql: &str) -> Statement {
        let dialect = state.config_options().sql_parser.dialect;
        state.sql_to_statement(sql, &dialect).unwrap()
    }

    /// Queries, and whether a value stands for their columns.
    const QUERIES: &[(&str, bool)] = &[
        ("SELECT * FROM t", true),
        ("SELECT * FROM t AS x WHERE x.a = 1 AND b > 2", true),
        ("SELECT * FROM t ORDER BY b DESC NULLS FIRST, a", true),
        ("SELECT * FROM t ORDER BY t.b + 1 LIMIT 3 OFFSET 2", true),
        ("SELECT * FROM t WHERE a IN (SELECT a FROM u) LIMIT 1", true),
        ("SELECT * FROM (SELECT a, b AS d FROM t) ORDER BY d", true),
        (
            "SELECT * FROM (SELECT a, b FROM t ORDER BY c LIMIT 5)",
            true,
        ),
        (
            "SELECT * FROM (SELECT * FROM t ORDER BY c LIMIT 5) AS x ORDER BY a",
            true,
        ),
        (
            "WITH x AS (SELECT a, c FROM t) SELECT * FROM x WHERE c = 1 ORDER BY a",
            true,
        ),
        (
            r#"SELECT * FROM (SELECT a AS "*", b FROM t) ORDER BY "*""#,
            false,
        ),
        ("SELECT * FROM t ORDER BY 2", false),
        ("SELECT DISTINCT * FROM t", false),
        ("SELECT * FROM t GROUP BY a, b, c", false),
        ("SELECT * FROM t GROUP BY ALL", false),
        ("SELECT * FROM t HAVING a > 1", false),
        ("SELECT * EXCLUDE (a) FROM t", false),
        ("SELECT * EXCEPT (a) FROM t", false),
        ("SELECT * REPLACE (a + 1 AS a) FROM t", false),
        ("SELECT t.* FROM t", false),
        ("SELECT *, a + 1 FROM t", false),
        ("SELECT * FROM t JOIN u USING (a)", false),
        ("SELECT * FROM t NATURAL JOIN u", false),
        ("SELECT * FROM t, u", false),
        ("SELECT * FROM t UNION ALL SELECT * FROM u", false),
        (
            "SELECT * FROM t QUALIFY row_number() OVER (ORDER BY a) = 1",
            false,
        ),
        ("SELECT * FROM t |> WHERE a = 1", false),
        ("SELECT * FROM no_such_table", true),
        ("SELECT * FROM t ORDER BY no_such_column", true),
        ("SELECT *", false),
    ];

    /// But for a step that gives all columns, which is taken out when the plan is optimised.
    #[tokio::test]
    async fn the_plan_is_that_of_datafusion() {
        let state = state();
        for (sql, stands_in) in QUERIES {
            let statement = parsed(&state, sql);
            assert_eq!(with_stand_in(&statement).is_some(), *stands_in, "{sql}");
            let ours = plan(&state, statement.clone()).await;
            let theirs = state.statement_to_plan(statement).await;
            match (ours, theirs) {
                (Ok(ours), Ok(theirs)) => {
                    assert_eq!(ours.schema(), theirs.schema(), "{sql}");
                    let [ours, theirs] = [ours, theirs].map(|plan| {
                        // A state counts the names that it makes.
                        let optimised = self::state().optimize(&plan).unwrap();
                        optimised.display_indent_schema().to_string()
                    });
                    assert_eq!(ours, theirs, "{sql}");
                }
                (ours, theirs) => assert_eq!(
                    ours.unwrap_err().to_string(),
                    theirs.unwrap_err().to_string(),
                    "{sql}"
                ),
            }
        }
    }

    #[tokio::test]
    async fn the_value_leaves_no_trace() {
        let state = state();
        for (sql, _) in QUERIES
            .iter()
            .filter(|(sql, stands_in)| *stands_in && !sql.contains("no_such"))
        {
            let stand_in = with_stand_in(&parsed(&state, sql)).unwrap();
            let planned = state.statement_to_plan(stand_in).await.unwrap();
            assert!(with_all_columns(&planned).is_some(), "{sql}\n{planned}");
        }
    }
}
