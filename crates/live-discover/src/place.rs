//! Where in the analyst's text an error is, where whoever found it does not say.
//!
//! An error of planning is that of the smallest expression which fails in the same way on its own. An error of the
//! data is where the text holds what the message quotes, if it holds it once.

use std::ops::ControlFlow;

use datafusion::execution::SessionState;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    Expr, GroupByExpr, JoinConstraint, JoinOperator, Query, Select, SelectItem, SetExpr, Spanned,
    Statement as SqlStatement, Value, Visit, Visitor,
};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan};

use crate::error::{Error, Position};
use crate::guard;
use crate::request::Request;
use crate::words;

/// Expressions that are tried before the place stays unknown.
const TRIES_MAX: usize = 100;
/// Characters of an expression that a message shows.
const SHOWN_MAX: usize = 60;

/// Finds places in the text of one request.
#[derive(Debug)]
pub(crate) struct Places {
    pub(crate) request: Request,
    pub(crate) now_micros: i64,
}

impl Places {
    /// An error of planning with its place.
    pub(crate) async fn of_plan(
        &self,
        state: &SessionState,
        statement: &Statement,
        error: Error,
    ) -> Error {
        let Some(message) = placeless(&error).map(str::to_owned) else {
            return error;
        };
        match smallest_or_misplaced(state, statement, &message).await {
            Some(expr) => at_expr(error, &expr),
            None => self.of_data(error),
        }
    }

    /// An error of the data with its place.
    pub(crate) fn of_data(&self, error: Error) -> Error {
        let position = placeless(&error).and_then(|message| {
            let written = guard::tokenise(&self.request).ok()?;
            // It was planned once, so its tokens are not too many.
            let tokens =
                guard::fill_in(written, &self.request, self.now_micros, usize::MAX).ok()?;
            quoted(&tokens, message).or_else(|| culprit(&tokens, message))
        });
        at(error, position)
    }
}

/// A syntax error in words, also where the text ends too early.
pub(crate) fn of_syntax(text: &str, error: Error) -> Error {
    match error {
        Error::InvalidQuery {
            message,
            position,
            suggestion,
        } => {
            let ends = message.starts_with("syntax error: the text ends");
            Error::InvalidQuery {
                message: words::reworded(&message).unwrap_or(message),
                position: position.or_else(|| ends.then(|| end(text))),
                suggestion,
            }
        }
        other => other,
    }
}

/// Behind the last word of a text.
fn end(text: &str) -> Position {
    let text = text.trim_end();
    let last = text.lines().next_back().unwrap_or_default();
    Position {
        line: text.lines().count().max(1) as u64,
        column: last.chars().count() as u64 + 1,
    }
}

fn placeless(error: &Error) -> Option<&str> {
    match error {
        Error::InvalidQuery {
            message,
            position: None,
            ..
        } => Some(message),
        _ => None,
    }
}

fn at(error: Error, position: Option<Position>) -> Error {
    match error {
        Error::InvalidQuery {
            message,
            position: None,
            suggestion,
        } => Error::InvalidQuery {
            message,
            position,
            suggestion,
        },
        other => other,
    }
}

fn position(location: Location) -> Option<Position> {
    (location.line > 0).then_some(Position {
        line: location.line,
        column: location.column,
    })
}

fn at_expr(error: Error, expr: &Expr) -> Error {
    let text = expr.to_string();
    let mut characters = text.chars();
    let mut shown: String = characters.by_ref().take(SHOWN_MAX).collect();
    if characters.next().is_some() {
        shown.push('…');
    }
    match error {
        Error::InvalidQuery {
            message,
            suggestion,
            ..
        } => Error::InvalidQuery {
            message: format!("`{shown}`: {message}"),
            position: position(expr.span().start),
            suggestion,
        },
        other => other,
    }
}

async fn smallest_or_misplaced(
    state: &SessionState,
    statement: &Statement,
    message: &str,
) -> Option<Expr> {
    let Statement::Statement(statement) = statement else {
        return None;
    };
    let query = match statement.as_ref() {
        SqlStatement::Query(query) => query,
        SqlStatement::Explain { statement, .. } => match statement.as_ref() {
            SqlStatement::Query(query) => query,
            _ => return None,
        },
        _ => return None,
    };
    match misplaced(state, query, message) {
        Some(expr) => Some(expr),
        None => smallest(state, query, message).await,
    }
}

/// The function that stands where none of its kind can.
fn misplaced(state: &SessionState, query: &Query, message: &str) -> Option<Expr> {
    let is_aggregate = message.starts_with("an aggregate function cannot stand in WHERE");
    let is_window = message.starts_with("a window function cannot stand here");
    let conditions = selects(query)
        .into_iter()
        .flat_map(|select| select.selection);
    let mut parts = conditions.flat_map(|condition| {
        let mut parts = parts(&condition);
        parts.push(condition);
        parts
    });
    parts.find(|part| match part {
        Expr::Function(function) => {
            let name = function.name.to_string().to_lowercase();
            is_window && function.over.is_some()
                || is_aggregate && state.aggregate_functions().contains_key(&name)
        }
        _ => false,
    })
}

/// The smallest expression that fails with this message where it stands.
async fn smallest(state: &SessionState, query: &Query, message: &str) -> Option<Expr> {
    let mut tries = TRIES_MAX;
    for select in selects(query) {
        let mut bare = select.clone();
        let joined = without_conditions(&mut bare);
        let mut probe = Probe {
            state,
            query,
            select: &bare,
            message,
            tries: &mut tries,
        };
        // What is joined fails on its own: then no expression of this SELECT is to blame.
        let one = Expr::Value(Value::Number("1".to_owned(), false).into());
        if probe.fails(&one).await {
            continue;
        }
        for expr in expressions(&select).into_iter().chain(joined) {
            if !probe.fails(&expr).await {
                continue;
            }
            for part in parts(&expr) {
                if probe.fails(&part).await {
                    return Some(part);
                }
            }
            return Some(expr);
        }
    }
    None
}

/// Tries expressions over the tables of a SELECT.
struct Probe<'a> {
    state: &'a SessionState,
    query: &'a Query,
    select: &'a Select,
    message: &'a str,
    tries: &'a mut usize,
}

impl Probe<'_> {
    async fn fails(&mut self, expr: &Expr) -> bool {
        let Some(left) = self.tries.checked_sub(1) else {
            return false;
        };
        *self.tries = left;
        let select = Select {
            projection: vec![SelectItem::UnnamedExpr(expr.clone())],
            distinct: None,
            selection: None,
            group_by: GroupByExpr::Expressions(Vec::new(), Vec::new()),
            having: None,
            qualify: None,
            sort_by: Vec::new(),
            ..self.select.clone()
        };
        let query = Query {
            body: Box::new(SetExpr::Select(Box::new(select))),
            order_by: None,
            limit_clause: None,
            fetch: None,
            ..self.query.clone()
        };
        let statement = Statement::Statement(Box::new(SqlStatement::Query(Box::new(query))));
        let planned = match self.state.statement_to_plan(statement).await {
            Ok(plan) => self.state.optimize(&plan).map(drop),
            Err(error) => Err(error),
        };
        let Err(error) = planned.map_err(Error::from) else {
            return false;
        };
        matches!(error, Error::InvalidQuery { message, .. } if message == self.message)
    }
}

fn selects(query: &Query) -> Vec<Select> {
    #[derive(Default)]
    struct Selects(Vec<Select>);
    impl Visitor for Selects {
        type Break = ();

        fn post_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
            self.0.push(select.clone());
            ControlFlow::Continue(())
        }
    }
    let mut selects = Selects::default();
    let _: ControlFlow<()> = query.visit(&mut selects);
    selects.0
}

/// Joins without their conditions, which are given back.
fn without_conditions(select: &mut Select) -> Vec<Expr> {
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

fn expressions(select: &Select) -> Vec<Expr> {
    let items = select.projection.iter().filter_map(|item| match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => Some(expr),
        _ => None,
    });
    let groups = match &select.group_by {
        GroupByExpr::Expressions(groups, _) => groups.as_slice(),
        GroupByExpr::All(_) => &[],
    };
    items
        .chain(&select.selection)
        .chain(groups)
        .chain(&select.having)
        .cloned()
        .collect()
}

/// The expressions inside of one, inner ones first.
fn parts(expr: &Expr) -> Vec<Expr> {
    #[derive(Default)]
    struct Parts(Vec<Expr>);
    impl Visitor for Parts {
        type Break = ();

        fn post_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            self.0.push(expr.clone());
            ControlFlow::Continue(())
        }
    }
    let mut parts = Parts::default();
    let _: ControlFlow<()> = expr.visit(&mut parts);
    // The last one is the whole.
    parts.0.pop();
    // Names and literals fail in no other way than with a place of their own.
    parts
        .0
        .retain(|part| !matches!(part, Expr::Identifier(_) | Expr::CompoundIdentifier(_)));
    parts.0
}

/// The place of the one token that a message quotes.
fn quoted(tokens: &[TokenWithSpan], message: &str) -> Option<Position> {
    // What helps comes after a semicolon, and quotes what could be written.
    let message = message.split("; ").next()?;
    ['\'', '`', '"'].into_iter().find_map(|mark| {
        let mut texts = message.split(mark).skip(1).step_by(2);
        texts.find_map(|text| {
            let name = text.rsplit('.').next().unwrap_or(text);
            let is_it = |token: &Token| match token {
                Token::SingleQuotedString(value) => value == text,
                Token::Word(word) => {
                    !name.is_empty()
                        && audit_schema::resolve_name(&word.value)
                            == audit_schema::resolve_name(name)
                }
                Token::Number(number, _) => number == text,
                Token::Placeholder(placeholder) => placeholder == text,
                _ => false,
            };
            if message.starts_with("two tables") || message.starts_with("two columns") {
                // The second one is too many.
                let last = tokens.iter().rfind(|token| is_it(&token.token))?;
                return position(last.span.start);
            }
            only(tokens, is_it)
        })
    })
}

/// The place of the one token that can have brought an error of this kind.
fn culprit(tokens: &[TokenWithSpan], message: &str) -> Option<Position> {
    if message.starts_with("division by zero") {
        return only(tokens, |token| matches!(token, Token::Div | Token::Mod));
    }
    if message.contains("; TRY_CAST(") {
        return only(tokens, |token| {
            *token == Token::DoubleColon
                || matches!(token, Token::Word(word) if word.keyword == Keyword::CAST)
        });
    }
    if message.starts_with("SELECT * needs a table") {
        return only(tokens, |token| *token == Token::Mul);
    }
    if message.starts_with("a subquery gives several rows") {
        return followed(tokens, |token, next| {
            *token == Token::LParen
                && matches!(next, Token::Word(word) if word.keyword == Keyword::SELECT)
        });
    }
    for keyword in [Keyword::LIMIT, Keyword::OFFSET] {
        if message.starts_with(&format!("{keyword:?} ")) {
            return only(
                tokens,
                |token| matches!(token, Token::Word(word) if word.keyword == keyword),
            );
        }
    }
    // A function that the message is about.
    let message = message.to_lowercase();
    followed(tokens, |token, next| match token {
        Token::Word(word) if *next == Token::LParen => {
            let name = word.value.to_lowercase();
            let is_about_time =
                message.contains("' is no time") && name.starts_with("to_timestamp");
            is_about_time
                || message
                    .split(|c: char| !c.is_alphanumeric() && c != '_')
                    .any(|part| part == name)
        }
        _ => false,
    })
}

/// The place of the one token of which this is true, with the one after it.
fn followed(tokens: &[TokenWithSpan], is_it: impl Fn(&Token, &Token) -> bool) -> Option<Position> {
    let pairs = tokens.iter().zip(tokens.iter().skip(1));
    let mut found = pairs.filter(|(token, next)| is_it(&token.token, &next.token));
    let (first, _) = found.next()?;
    found
        .next()
        .is_none()
        .then(|| position(first.span.start))
        .flatten()
}

fn only(tokens: &[TokenWithSpan], is_it: impl Fn(&Token) -> bool) -> Option<Position> {
    let mut found = tokens.iter().filter(|token| is_it(&token.token));
    let first = found.next()?;
    // One variable may stand in several places, and a list has several tokens in one.
    found
        .all(|token| token.span.start == first.span.start)
        .then(|| position(first.span.start))
        .flatten()
}
