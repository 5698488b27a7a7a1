//! The second look, at the parsed query: what it does, what it calls, and how much of it there is.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, GroupByExpr, ObjectName, Query, Select, SetExpr, Spanned, Statement, TableFactor, Visit,
    Visitor,
};
use datafusion::sql::sqlparser::tokenizer::Span;

use super::{absent, functions, ignored};
use crate::error::{Error, Position, Result};
use crate::limits::{LimitKind, ShapeLimits};

/// Refuses what does more than read, functions that are not allowed, and trees that are too large.
pub(crate) fn check(statement: &Statement, limits: &ShapeLimits) -> Result<()> {
    let mut tree = Tree {
        limits,
        statements: 0,
        relations: 0,
        ctes: 0,
        calls: 0,
        columns: 0,
        open: Vec::new(),
    };
    match statement.visit(&mut tree) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

struct Tree<'a> {
    limits: &'a ShapeLimits,
    statements: usize,
    relations: usize,
    ctes: usize,
    calls: usize,
    columns: usize,
    /// The queries around what is looked at, the innermost last.
    open: Vec<Open>,
}

/// A query that is being looked at.
#[derive(Default)]
struct Open {
    /// By address, which of the queries in it is which in its WITH.
    named: Vec<(usize, String)>,
    /// What each of its WITH that was looked at comes to.
    sizes: Vec<(String, usize)>,
    /// Its tables and queries, with those in WITH as often as they are named.
    size: usize,
}

type Checked = ControlFlow<Error>;

fn refused(error: Error) -> Checked {
    ControlFlow::Break(error)
}

pub(super) fn at(span: Span, message: impl Into<String>) -> Error {
    Error::InvalidQuery {
        message: message.into(),
        position: (span.start.line > 0).then_some(Position {
            line: span.start.line,
            column: span.start.column,
        }),
        suggestion: None,
    }
}

fn within(count: usize, max: usize, what: &str, help: &str) -> Checked {
    if count <= max {
        return ControlFlow::Continue(());
    }
    refused(Error::exhausted(
        LimitKind::Shape,
        format!("{max} {what}; {help}"),
    ))
}

impl Tree<'_> {
    /// The planner walks over each query in WITH wherever it is named.
    fn within_size(&self) -> Checked {
        let size = self.open.last().map_or(0, |open| open.size);
        within(
            size,
            self.limits.plan_steps,
            "steps of its plan, with each query in WITH wherever it is named",
            "ask in several queries",
        )
    }

    fn call(&mut self, name: &ObjectName) -> Checked {
        self.calls += 1;
        within(
            self.calls,
            self.limits.calls,
            "calls of functions",
            "ask in several queries",
        )?;
        let [part] = name.0.as_slice() else {
            return refused(at(
                name.span(),
                format!("no function `{name}`: functions have no schema"),
            ));
        };
        let Some(ident) = part.as_ident() else {
            return refused(at(name.span(), format!("no function `{name}`")));
        };
        let called = match ident.quote_style {
            Some(_) => ident.value.clone(),
            None => ident.value.to_ascii_lowercase(),
        };
        match functions::refusal(&called) {
            Some(reason) => refused(at(
                ident.span,
                format!("the function `{called}` is not available here: {reason}"),
            )),
            None => ControlFlow::Continue(()),
        }
    }
}

impl Visitor for Tree<'_> {
    type Break = Error;

    fn pre_visit_statement(&mut self, statement: &Statement) -> Checked {
        self.statements += 1;
        // An EXPLAIN holds one; whatever else does changes something.
        let is_read = match statement {
            Statement::Explain { .. } => self.statements == 1,
            Statement::Query(_) => self.statements <= 2,
            _ => false,
        };
        if is_read {
            ControlFlow::Continue(())
        } else {
            refused(super::only_reads())
        }
    }

    fn post_visit_query(&mut self, query: &Query) -> Checked {
        let size = self.open.pop().map_or(0, |open| open.size);
        let Some(around) = self.open.last_mut() else {
            return ControlFlow::Continue(());
        };
        let address = std::ptr::from_ref(query).addr();
        match around.named.iter().find(|(of, _)| *of == address) {
            Some((_, name)) => around.sizes.push((name.clone(), size)),
            None => around.size = around.size.saturating_add(size),
        }
        self.within_size()
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> Checked {
        let name = relation.0.last().and_then(|part| part.as_ident());
        let size = name.and_then(|name| {
            let mut sizes = self
                .open
                .iter()
                .rev()
                .flat_map(|open| open.sizes.iter().rev());
            sizes
                .find(|(known, _)| known.eq_ignore_ascii_case(&name.value))
                .map(|(_, size)| *size)
        });
        if let Some(open) = self.open.last_mut() {
            open.size = open.size.saturating_add(size.unwrap_or(1));
        }
        self.within_size()
    }

    fn pre_visit_query(&mut self, query: &Query) -> Checked {
        let mut open = Open {
            size: 1,
            ..Open::default()
        };
        if let Some(with) = &query.with {
            open.named = (with.cte_tables.iter())
                .map(|cte| {
                    let address = std::ptr::from_ref(cte.query.as_ref()).addr();
                    (address, cte.alias.name.value.clone())
                })
                .collect();
        }
        self.open.push(open);
        if let Some(with) = &query.with {
            if with.recursive {
                return refused(at(
                    with.with_token.0.span,
                    "recursive queries are not supported: they need not end",
                ));
            }
            self.ctes += with.cte_tables.len();
            within(
                self.ctes,
                self.limits.ctes,
                "queries in WITH",
                "ask in several queries",
            )?;
        }
        if !query.pipe_operators.is_empty() {
            return refused(Error::invalid("not supported: pipes (`|>`)"));
        }
        if !query.locks.is_empty() || query.settings.is_some() || query.for_clause.is_some() {
            return refused(super::only_reads());
        }
        if let Some(error) = ignored::of_set(&query.body) {
            return refused(error);
        }
        match query.body.as_ref() {
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
                refused(super::only_reads())
            }
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_select(&mut self, select: &Select) -> Checked {
        if select.into.is_some() {
            return refused(super::only_reads());
        }
        if let Some(error) = ignored::of_select(select) {
            return refused(error);
        }
        self.columns += select.projection.len();
        within(
            self.columns,
            self.limits.columns,
            "columns in SELECT",
            "name fewer",
        )?;
        if let Some(twice) = grouped_twice(&select.group_by) {
            return refused(at(
                twice.span(),
                format!("`{twice}` stands twice in this ROLLUP or CUBE; name it once"),
            ));
        }
        let sets = grouping_sets(&select.group_by);
        within(
            usize::try_from(sets).unwrap_or(usize::MAX),
            self.limits.grouping_sets,
            "groupings at once",
            "CUBE of fewer columns",
        )
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> Checked {
        self.relations += 1;
        within(
            self.relations,
            self.limits.relations,
            "tables and subqueries in FROM",
            "ask in several queries",
        )?;
        if let Some(error) = ignored::of_table(factor).or_else(|| absent::of_table(factor)) {
            return refused(error);
        }
        match factor {
            TableFactor::Table {
                name,
                args: Some(_),
                ..
            }
            | TableFactor::Function { name, .. } => self.call(name),
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> Checked {
        if let Expr::Function(function) = expr {
            self.call(&function.name)?;
        }
        let error = ignored::of_expr(expr).or_else(|| absent::of_expr(expr));
        error.map_or(ControlFlow::Continue(()), refused)
    }
}

/// What one ROLLUP or CUBE names a second time: the planner would tell of two tables of a name.
fn grouped_twice(group_by: &GroupByExpr) -> Option<&Expr> {
    let GroupByExpr::Expressions(exprs, _) = group_by else {
        return None;
    };
    exprs.iter().find_map(|expr| match expr {
        Expr::Cube(sets) | Expr::Rollup(sets) => {
            let mut named = sets.iter().flatten().enumerate();
            named.find_map(|(at, expr)| {
                let mut before = sets.iter().flatten().take(at);
                before.any(|before| before == expr).then_some(expr)
            })
        }
        _ => None,
    })
}

/// How many groupings a GROUP BY stands for: those of its parts multiply.
fn grouping_sets(group_by: &GroupByExpr) -> u64 {
    let GroupByExpr::Expressions(exprs, _) = group_by else {
        return 1;
    };
    let of_parts = exprs.iter().map(|expr| match expr {
        Expr::Cube(sets) => u32::try_from(sets.len())
            .ok()
            .and_then(|columns| 1_u64.checked_shl(columns))
            .unwrap_or(u64::MAX),
        Expr::Rollup(sets) => sets.len() as u64 + 1,
        Expr::GroupingSets(sets) => sets.len() as u64,
        _ => 1,
    });
    of_parts.fold(1, u64::saturating_mul)
}
