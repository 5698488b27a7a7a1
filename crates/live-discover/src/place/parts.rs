//! The parts of a query that can be asked on their own.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Cte, Expr, GroupByExpr, JoinConstraint, JoinOperator, OrderByExpr, OrderByKind, Query, Select,
    SelectItem, Spanned, Statement, TableFactor, Value, Visit, Visitor,
};
use datafusion::sql::sqlparser::tokenizer::Location;

/// Queries and SELECTs, inner ones first, each with the number of what it sees.
#[derive(Debug, Default)]
pub(super) struct Parts {
    pub(super) selects: Vec<(Select, usize)>,
    pub(super) queries: Vec<(Query, usize)>,
    /// The queries in WITH that a part may name, outer ones first.
    pub(super) seen: Vec<Vec<Cte>>,
    /// What the queries see around what is looked at.
    open: Vec<usize>,
}

impl Parts {
    pub(super) fn of(statement: &Statement) -> Self {
        let mut parts = Self {
            seen: vec![Vec::new()],
            ..Self::default()
        };
        let _: ControlFlow<()> = statement.visit(&mut parts);
        parts
    }

    fn around(&self) -> usize {
        self.open.last().copied().unwrap_or_default()
    }
}

impl Visitor for Parts {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let around = self.around();
        match &query.with {
            None => self.open.push(around),
            Some(with) => {
                let ctes = with_inner(self.seen.get(around), &with.cte_tables);
                self.open.push(self.seen.len());
                self.seen.push(ctes);
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        self.open.pop();
        self.queries.push((query.clone(), self.around()));
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        self.selects.push((select.clone(), self.around()));
        ControlFlow::Continue(())
    }
}

/// What an inner WITH adds to the outer ones, whose names it may take.
pub(super) fn with_inner(outer: Option<&Vec<Cte>>, inner: &[Cte]) -> Vec<Cte> {
    let is_taken = |outer: &Cte| {
        inner
            .iter()
            .any(|inner| inner.alias.name == outer.alias.name)
    };
    let outer = outer.into_iter().flatten();
    let outer = outer.filter(|outer| !is_taken(outer));
    outer.chain(inner).cloned().collect()
}

/// Joins without their conditions, which are given back.
pub(super) fn without_conditions(select: &mut Select) -> Vec<Expr> {
    let mut conditions = Vec::new();
    for join in select.from.iter_mut().flat_map(|table| &mut table.joins) {
        let constraint = match &mut join.join_operator {
            JoinOperator::Join(constraint)
            | JoinOperator::Inner(constraint)
            | JoinOperator::Left(constraint)
            | JoinOperator::LeftOuter(constraint)
            | JoinOperator::Right(constraint)
            | JoinOperator::RightOuter(constraint)
            | JoinOperator::FullOuter(constraint) => constraint,
            _ => continue,
        };
        if let JoinConstraint::On(expr) = constraint {
            let always = Expr::Value(Value::Boolean(true).into());
            conditions.push(std::mem::replace(expr, always));
        }
    }
    conditions
}

/// Expressions of a SELECT over its rows, without the conditions on them.
pub(super) fn expressions(select: &Select) -> Vec<Expr> {
    let items = select.projection.iter().filter_map(|item| match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => Some(expr),
        _ => None,
    });
    let groups = match &select.group_by {
        GroupByExpr::Expressions(groups, _) => groups.as_slice(),
        GroupByExpr::All(_) => &[],
    };
    items
        .chain(groups)
        .chain(&select.having)
        .chain(&select.qualify)
        .cloned()
        .collect()
}

/// Where a table goes wrong that is made of what does not: in its new name, if it has one.
pub(super) fn start_of_table(table: &TableFactor) -> Location {
    match table {
        TableFactor::Table {
            alias: Some(alias), ..
        }
        | TableFactor::Derived {
            alias: Some(alias), ..
        } => alias.name.span.start,
        table => table.span().start,
    }
}

pub(super) fn orders(query: &Query) -> &[OrderByExpr] {
    match query.order_by.as_ref().map(|order| &order.kind) {
        Some(OrderByKind::Expressions(orders)) => orders,
        _ => &[],
    }
}

/// The expressions inside of one, inner ones first.
pub(super) fn inside(expr: &Expr) -> Vec<Expr> {
    #[derive(Default)]
    struct Inside(Vec<Expr>);
    impl Visitor for Inside {
        type Break = ();

        fn post_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            self.0.push(expr.clone());
            ControlFlow::Continue(())
        }
    }
    let mut inside = Inside::default();
    let _: ControlFlow<()> = expr.visit(&mut inside);
    // The last one is the whole.
    inside.0.pop();
    // Names fail in no other way than with a place of their own.
    inside
        .0
        .retain(|part| !matches!(part, Expr::Identifier(_) | Expr::CompoundIdentifier(_)));
    inside.0
}
