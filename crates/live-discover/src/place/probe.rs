//! Asks parts of a query on their own, to find the smallest one that fails as the whole did.

use std::sync::Arc;
use std::time::Duration;

use datafusion::execution::SessionState;
use datafusion::physical_plan::execute_stream;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    Cte, Expr, GroupByExpr, OrderBy, OrderByKind, Parens, Query, Select, SelectItem, SetExpr,
    Spanned, Statement as SqlStatement, TableFactor, TableWithJoins, Value, With,
};
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Location;
use futures::StreamExt;
use tokio::time::Instant;

use super::parts::{self, Parts};
use super::{Asked, kind};
use crate::dialect::LakeDialect;
use crate::error::{Error, Result};
use crate::session;
use crate::stop::Stop;

/// Parts that are asked before the place stays unknown.
const TRIES_MAX: usize = 100;

/// When the error came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Planning,
    Running,
}

/// Asks parts of one query.
pub(super) struct Probe<'a> {
    asked: &'a Asked,
    parts: &'a Parts,
    phase: Phase,
    message: &'a str,
    /// What can be named of [`Parts::seen`], as far as it was asked for.
    sound: Vec<Option<Vec<Cte>>>,
    tries: usize,
    deadline: Instant,
}

/// The smallest query that fails.
pub(super) struct Failing {
    /// What in it is to blame, if that is known.
    pub(super) part: Option<Location>,
    pub(super) start: Location,
}

impl<'a> Probe<'a> {
    pub(super) fn new(
        asked: &'a Asked,
        parts: &'a Parts,
        phase: Phase,
        message: &'a str,
        within: Duration,
    ) -> Self {
        Self {
            asked,
            parts,
            phase,
            message,
            sound: vec![None; parts.seen.len()],
            tries: TRIES_MAX,
            deadline: Instant::now() + within,
        }
    }

    /// The smallest expression that fails where it stands.
    pub(super) async fn expression(&mut self) -> Option<Expr> {
        for (select, seen) in &self.parts.selects {
            let ctes = self.sound(*seen).await;
            let mut joined = Select {
                selection: None,
                ..select.clone()
            };
            if self.fails(&ctes, of_rows(&joined, one())).await {
                let conditions = parts::without_conditions(&mut joined);
                if let Some(found) = self.expression_of(&ctes, &joined, conditions).await {
                    return Some(found);
                }
                // What is joined fails on its own: then no expression of this SELECT is to blame.
                continue;
            }
            let conditions = select.selection.iter().cloned().collect();
            if let Some(found) = self.expression_of(&ctes, &joined, conditions).await {
                return Some(found);
            }
            if self.phase == Phase::Running {
                // Values that the condition keeps out do no harm.
                joined.selection.clone_from(&select.selection);
            }
            let expressions = parts::expressions(select);
            if let Some(found) = self.expression_of(&ctes, &joined, expressions).await {
                return Some(found);
            }
        }
        None
    }

    async fn expression_of(
        &mut self,
        ctes: &[Cte],
        select: &Select,
        expressions: Vec<Expr>,
    ) -> Option<Expr> {
        for expr in expressions {
            if !self.fails(ctes, of_rows(select, expr.clone())).await {
                continue;
            }
            for part in parts::inside(&expr) {
                if self.fails(ctes, of_rows(select, part.clone())).await {
                    return Some(part);
                }
            }
            return Some(expr);
        }
        None
    }

    /// The smallest query that fails, where no expression does.
    pub(super) async fn query(&mut self) -> Option<Failing> {
        for (query, seen) in &self.parts.queries {
            let ctes = self.sound(*seen).await;
            if self.fails(&ctes, query.clone()).await {
                return Some(Failing {
                    part: self.part_of(&ctes, query).await,
                    start: query.span().start,
                });
            }
        }
        None
    }

    async fn part_of(&mut self, ctes: &[Cte], query: &Query) -> Option<Location> {
        let own = query.with.iter().flat_map(|with| &with.cte_tables);
        let mut named = ctes.to_vec();
        for cte in own {
            named.push(cte.clone());
            if self.fails(&named, of_cte(cte)?).await {
                return Some(cte.alias.name.span.start);
            }
        }
        match query.body.as_ref() {
            SetExpr::Select(select) => {
                for table in &select.from {
                    if let Some(found) = self.table_of(&named, table).await {
                        return Some(found);
                    }
                }
            }
            SetExpr::Values(values) => return self.row_of(query, &values.rows).await,
            _ => {}
        }
        let ordered_by = |orders: &[_]| Query {
            order_by: (!orders.is_empty()).then(|| OrderBy {
                kind: OrderByKind::Expressions(orders.to_vec()),
                interpolate: None,
            }),
            ..query.clone()
        };
        if self.fails(ctes, ordered_by(&[])).await {
            return None;
        }
        for order in parts::orders(query) {
            if self
                .fails(ctes, ordered_by(std::slice::from_ref(order)))
                .await
            {
                return Some(order.span().start);
            }
        }
        None
    }

    /// The first table or join that fails.
    async fn table_of(&mut self, ctes: &[Cte], table: &TableWithJoins) -> Option<Location> {
        let mut table = table;
        while self.fails(ctes, of_table(&table.relation)?).await {
            match &table.relation {
                TableFactor::NestedJoin {
                    table_with_joins, ..
                } => table = table_with_joins,
                relation => return Some(parts::start_of_table(relation)),
            }
        }
        let mut joined = TableWithJoins {
            relation: table.relation.clone(),
            joins: Vec::new(),
        };
        for join in &table.joins {
            joined.joins.push(join.clone());
            // In parentheses, as the Trino dialect makes them.
            let nested = TableFactor::NestedJoin {
                table_with_joins: Box::new(joined.clone()),
                alias: None,
            };
            if self.fails(ctes, of_table(&nested)?).await {
                return Some(parts::start_of_table(&join.relation));
            }
        }
        None
    }

    /// The first row of VALUES that does not go with those before it.
    async fn row_of(&mut self, query: &Query, rows: &[Parens<Vec<Expr>>]) -> Option<Location> {
        let mut good = 0;
        let mut bad = rows.len();
        while good + 1 < bad {
            let tried = good.midpoint(bad);
            let mut some = query.clone();
            if let SetExpr::Values(values) = some.body.as_mut() {
                values.rows.truncate(tried);
            }
            if self.fails(&[], some).await {
                bad = tried;
            } else {
                good = tried;
            }
        }
        Some(rows.get(good)?.opening_token.0.span.start)
    }

    /// The queries in WITH that can be named without an error.
    async fn sound(&mut self, seen: usize) -> Vec<Cte> {
        if let Some(Some(known)) = self.sound.get(seen) {
            return known.clone();
        }
        let all = self.parts.seen.get(seen).cloned().unwrap_or_default();
        // What could be planned can be named.
        let sound = match self.phase {
            Phase::Running => all,
            Phase::Planning => {
                let mut sound = Vec::new();
                for cte in all {
                    let Some(query) = of_cte(&cte) else { continue };
                    sound.push(cte);
                    if self.outcome(&sound, query).await.is_err() {
                        sound.pop();
                    }
                }
                sound
            }
        };
        if let Some(known) = self.sound.get_mut(seen) {
            *known = Some(sound.clone());
        }
        sound
    }

    async fn fails(&mut self, ctes: &[Cte], query: Query) -> bool {
        match (self.outcome(ctes, query).await, self.phase) {
            (Err(Error::InvalidQuery { message, .. }), Phase::Planning) => message == self.message,
            // Of several bad values it is a race which is told.
            (Err(Error::InvalidQuery { message, .. }), Phase::Running) => {
                kind(&message) == kind(self.message)
            }
            _ => false,
        }
    }

    /// What comes of a query; nothing bad does when there is no time to ask.
    async fn outcome(&mut self, ctes: &[Cte], mut query: Query) -> Result<()> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if self.tries == 0 || left.is_zero() {
            return Ok(());
        }
        self.tries -= 1;
        let own = query.with.take().map(|with| with.cte_tables);
        let ctes = parts::with_inner(Some(&ctes.to_vec()), &own.unwrap_or_default());
        query.with = (!ctes.is_empty()).then(|| With {
            with_token: AttachedToken::empty(),
            recursive: false,
            cte_tables: ctes,
        });
        let statement = Statement::Statement(Box::new(SqlStatement::Query(Box::new(query))));
        // One part that is long in reading leaves time for the others.
        let within = left / 2;
        let mut state = self.asked.state.clone();
        let asking = async {
            let plan = ask(&mut state, self.asked, statement, self.phase, within);
            Box::pin(plan).await
        };
        tokio::time::timeout(within, asking).await.unwrap_or(Ok(()))
    }
}

async fn ask(
    state: &mut SessionState,
    asked: &Asked,
    statement: Statement,
    phase: Phase,
    within: Duration,
) -> Result<()> {
    let stop = Arc::new(Stop::after(within));
    let (_, plan) = session::plans(state, statement, &asked.request, &asked.limits, &stop).await?;
    if phase == Phase::Running {
        let mut rows = execute_stream(plan, asked.task(state))?;
        while let Some(batch) = rows.next().await {
            batch?;
        }
    }
    Ok(())
}

fn one() -> Expr {
    Expr::Value(Value::Number("1".to_owned(), false).into())
}

/// An expression over the rows of a SELECT.
fn of_rows(select: &Select, expr: Expr) -> Query {
    let select = Select {
        projection: vec![SelectItem::UnnamedExpr(expr)],
        distinct: None,
        group_by: GroupByExpr::Expressions(Vec::new(), Vec::new()),
        having: None,
        qualify: None,
        sort_by: Vec::new(),
        ..select.clone()
    };
    Query {
        with: None,
        body: Box::new(SetExpr::Select(Box::new(select))),
        order_by: None,
        limit_clause: None,
        fetch: None,
        locks: Vec::new(),
        for_clause: None,
        settings: None,
        format_clause: None,
        pipe_operators: Vec::new(),
    }
}

fn of_cte(cte: &Cte) -> Option<Query> {
    parsed(&format!("SELECT 1 FROM {}", cte.alias.name))
}

fn of_table(table: &TableFactor) -> Option<Query> {
    let mut query = parsed("SELECT 1")?;
    if let SetExpr::Select(select) = query.body.as_mut() {
        select.from = vec![TableWithJoins {
            relation: table.clone(),
            joins: Vec::new(),
        }];
    }
    Some(query)
}

fn parsed(text: &str) -> Option<Query> {
    let mut parser = Parser::new(&LakeDialect).try_with_sql(text).ok()?;
    parser.parse_query().ok().map(|query| *query)
}
