//! Which columns a query names.
//!
//! A table has hundreds, and the planner writes, hashes and compares the names of all of them at each of its steps: a
//! fifth of the time of a query that finds one record. So it is shown those alone that the query names, where no part of
//! the query means others without naming them. A query that fails with these is planned again with all of them.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArguments, JoinConstraint, JoinOperator, Query,
    Select, SelectFlavor, SelectItem, SetExpr, TableFactor, Visit, Visitor,
};

/// Every name in the expressions of a query, of columns among others; `None` if it may mean columns that it does not name.
pub(crate) fn named(statement: &Statement) -> Option<HashSet<String>> {
    let Statement::Statement(statement) = statement else {
        return None;
    };
    let mut names = Names::default();
    let visited = statement.visit(&mut names);
    visited.is_continue().then_some(names.0)
}

#[derive(Default)]
struct Names(HashSet<String>);

/// Goes on where nothing else is meant than what is named.
fn only_named(is_named: bool) -> ControlFlow<()> {
    match is_named {
        true => ControlFlow::Continue(()),
        false => ControlFlow::Break(()),
    }
}

impl Visitor for Names {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        only_named(query.pipe_operators.is_empty() && has_selects(&query.body))
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        let is_expression = |item: &SelectItem| {
            matches!(
                item,
                SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. }
            )
        };
        let mut joins = select.from.iter().flat_map(|from| &from.joins);
        only_named(
            matches!(select.flavor, SelectFlavor::Standard)
                && select.projection.iter().all(is_expression)
                && joins.all(|join| joins_by_expression(&join.join_operator)),
        )
    }

    fn pre_visit_table_factor(&mut self, table: &TableFactor) -> ControlFlow<()> {
        only_named(match table {
            // Names that are given to the columns of a table are those of the first ones.
            TableFactor::Table { alias, .. } => {
                (alias.as_ref()).is_none_or(|alias| alias.columns.is_empty())
            }
            TableFactor::Derived { .. } | TableFactor::UNNEST { .. } => true,
            TableFactor::NestedJoin {
                table_with_joins,
                alias: None,
            } => {
                (table_with_joins.joins.iter()).all(|join| joins_by_expression(&join.join_operator))
            }
            _ => false,
        })
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Identifier(name) => {
                self.0.insert(name.value.clone());
            }
            Expr::CompoundIdentifier(parts) => {
                self.0.extend(parts.iter().map(|part| part.value.clone()));
            }
            Expr::Wildcard(_) | Expr::QualifiedWildcard(..) => return ControlFlow::Break(()),
            Expr::Function(function) => {
                let counts = function.name.to_string().eq_ignore_ascii_case("count");
                return only_named(arguments_are_named(&function.args, counts));
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// Whether a query is made of SELECTs and values; `TABLE t` means all columns.
fn has_selects(body: &SetExpr) -> bool {
    match body {
        SetExpr::Select(_) | SetExpr::Query(_) | SetExpr::Values(_) => true,
        SetExpr::SetOperation { left, right, .. } => has_selects(left) && has_selects(right),
        _ => false,
    }
}

/// Whether a join says itself what it compares, not by names that both sides have.
fn joins_by_expression(join: &JoinOperator) -> bool {
    match join {
        JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint)
        | JoinOperator::Right(constraint)
        | JoinOperator::RightOuter(constraint)
        | JoinOperator::FullOuter(constraint)
        | JoinOperator::CrossJoin(constraint) => {
            matches!(constraint, JoinConstraint::On(_) | JoinConstraint::None)
        }
        _ => false,
    }
}

/// Whether the arguments are expressions, or the `*` of a count.
fn arguments_are_named(arguments: &FunctionArguments, counts: bool) -> bool {
    let FunctionArguments::List(list) = arguments else {
        return true;
    };
    list.args.iter().all(|argument| match argument {
        FunctionArg::Named { arg, .. }
        | FunctionArg::ExprNamed { arg, .. }
        | FunctionArg::Unnamed(arg) => match arg {
            FunctionArgExpr::Expr(_) => true,
            FunctionArgExpr::Wildcard => counts,
            _ => false,
        },
    })
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::GenericDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    #[test]
    fn a_query_names_its_columns_or_may_mean_others() {
        for (sql, expected) in [
            (
                "SELECT a, t.b FROM t WHERE c = 'x' ORDER BY d + 1",
                Some("a b c d t"),
            ),
            ("EXPLAIN SELECT a FROM t", Some("a")),
            (
                "SELECT count(*), max(a) FROM t GROUP BY b HAVING min(c) > 1",
                Some("a b c"),
            ),
            ("SELECT a['k'], b->>'k' FROM t", Some("a b")),
            (
                "SELECT a FROM t WHERE b IN (SELECT c FROM u WHERE u.d = t.d)",
                Some("a b c d t u"),
            ),
            (
                "WITH x AS (SELECT a AS b FROM t) SELECT b FROM x",
                Some("a b"),
            ),
            ("SELECT a FROM t UNION ALL SELECT b FROM u", Some("a b")),
            (
                "SELECT a FROM t JOIN u ON t.b = u.c CROSS JOIN w",
                Some("a b c t u"),
            ),
            (
                "SELECT sum(a) OVER (PARTITION BY b ORDER BY c) FROM t",
                Some("a b c"),
            ),
            ("SELECT e FROM t, UNNEST(a) AS u(e)", Some("a e")),
            (
                "SELECT e FROM (t CROSS JOIN UNNEST(a) AS u(e)) JOIN v ON v.b = e",
                Some("a b e v"),
            ),
            ("SELECT a FROM (SELECT b AS a FROM t) AS x", Some("a b")),
            ("SELECT 1", Some("")),
            ("SELECT * FROM t", None),
            ("SELECT t.* FROM t", None),
            ("SELECT a, * FROM t", None),
            ("SELECT a FROM (SELECT * FROM t) AS x", None),
            ("SELECT a FROM t WHERE EXISTS (SELECT * FROM u)", None),
            ("SELECT a FROM t NATURAL JOIN u", None),
            ("SELECT a FROM t JOIN u USING (b)", None),
            ("SELECT a FROM (t JOIN u USING (b))", None),
            ("SELECT x FROM t AS t(x)", None),
            ("SELECT count(t.*) FROM t", None),
            ("SELECT max(*) FROM t", None),
            ("SELECT a FROM u UNION ALL TABLE t", None),
            ("FROM t", None),
            ("SELECT a FROM t |> WHERE b = 1", None),
        ] {
            let mut parsed = Parser::parse_sql(&GenericDialect {}, sql).unwrap();
            let statement = Statement::Statement(Box::new(parsed.swap_remove(0)));
            let names = named(&statement).map(|names| {
                let mut names: Vec<_> = names.into_iter().collect();
                names.sort_unstable();
                names.join(" ")
            });
            assert_eq!(names.as_deref(), expected, "{sql}");
        }
    }
}
