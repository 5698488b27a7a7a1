//! Where in the analyst's text an error is, where whoever found it does not say.
//!
//! ```text
//!  message ─► the smallest expression that fails so on its own    parts, probe: planned again, or run again
//!          ─► what the smallest query that fails so is made of    a query in WITH, a table, a row, an order
//!          ─► the one token that the message can be about         tokens
//!          ─► that query
//! ```
//!
//! Errors of planning are looked for among plans, and have a place in every text that is not too long to be planned in
//! parts. Those of the data are looked for by asking again, for a short time; what is rare in much data may stay
//! without a place.

mod parts;
mod probe;
mod tokens;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::{SessionState, TaskContext};
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{Expr, Spanned, Statement as SqlStatement};
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan};
use regex::Regex;
use tokio::runtime::Handle;
use tokio::time::Instant;

use self::parts::Parts;
use self::probe::{Phase, Probe};
use crate::error::{Error, Position};
use crate::guard;
use crate::limits::Limits;
use crate::request::Request;
use crate::runtime::Planners;
use crate::stop::Stop;
use crate::words;

/// Texts up to which parts of them are asked again.
const PROBED_BYTES_MAX: usize = 64 << 10;
/// How long that may take. Whoever asked waits for it.
const PROBED_MAX: Duration = Duration::from_secs(3);
/// Characters of an expression that a message shows.
const SHOWN_MAX: usize = 60;

/// Finds places in the text of one request.
pub(crate) struct Places {
    asked: Arc<Asked>,
    runtime: Handle,
    planners: Planners,
}

/// A request, and what it was planned with.
pub(crate) struct Asked {
    pub(crate) request: Request,
    pub(crate) now_micros: i64,
    pub(crate) statement: Statement,
    pub(crate) state: SessionState,
    /// With the query's memory.
    pub(crate) runtime_env: Arc<RuntimeEnv>,
    pub(crate) limits: Limits,
    pub(crate) stop: Arc<Stop>,
}

impl Places {
    pub(crate) fn new(asked: Asked, runtime: Handle, planners: Planners) -> Self {
        Self {
            asked: Arc::new(asked),
            runtime,
            planners,
        }
    }

    /// What the request's plan runs with.
    pub(crate) fn task(&self) -> Arc<TaskContext> {
        self.asked.task(&self.asked.state)
    }

    /// An error of the data with its place.
    pub(crate) async fn of_data(&self, error: Error) -> Error {
        if placeless(&error).is_none() {
            return error;
        }
        let asked = Arc::clone(&self.asked);
        let told = error.clone();
        // On a thread that has the stack for it.
        let found = self.planners.run(self.runtime.clone(), async move {
            Ok(asked.of_data(error).await)
        });
        found.await.unwrap_or(told)
    }
}

impl Asked {
    /// What a plan runs with that was made with `state`: its functions are in the plan.
    pub(crate) fn task(&self, state: &SessionState) -> Arc<TaskContext> {
        Arc::new(TaskContext::new(
            None,
            state.session_id().to_owned(),
            state.config().clone(),
            HashMap::new(),
            HashMap::new(),
            HashMap::new(),
            HashMap::new(),
            Arc::clone(&self.runtime_env),
        ))
    }

    /// An error of planning with its place.
    pub(crate) async fn of_plan(&self, error: Error) -> Error {
        let Some(message) = placeless(&error).map(str::to_owned) else {
            return error;
        };
        let tokens = self.tokens();
        let mut query = None;
        if let Some(parts) = self.parts() {
            if let Some(expr) = misplaced(&self.state, &parts, &message) {
                return at_expr(error, &expr, &tokens);
            }
            let mut probe = Probe::new(self, &parts, Phase::Planning, &message, self.within());
            if let Some(expr) = probe.expression().await {
                return at_expr(error, &expr, &tokens);
            }
            let failing = probe.query().await;
            let part = failing.as_ref().and_then(|failing| failing.part);
            if let Some(part) = part.and_then(position) {
                return at(error, Some(part));
            }
            query = failing
                .and_then(|failing| position(failing.start))
                .or_else(|| first(&tokens));
        }
        at(error, token(&tokens, &message).or(query))
    }

    async fn of_data(&self, error: Error) -> Error {
        let Some(message) = placeless(&error).map(str::to_owned) else {
            return error;
        };
        let tokens = self.tokens();
        if let Some(parts) = self.parts() {
            let mut probe = Probe::new(self, &parts, Phase::Running, &message, self.within());
            if let Some(expr) = probe.expression().await {
                return at_expr(error, &expr, &tokens);
            }
        }
        at(error, token(&tokens, &message))
    }

    fn parts(&self) -> Option<Parts> {
        if self.request.sql.len() > PROBED_BYTES_MAX {
            return None;
        }
        let Statement::Statement(statement) = &self.statement else {
            return None;
        };
        Some(Parts::of(match statement.as_ref() {
            SqlStatement::Explain { statement, .. } => statement,
            statement => statement,
        }))
    }

    /// The text with the values of its variables.
    fn tokens(&self) -> Vec<TokenWithSpan> {
        // It was planned once, so its tokens are not too many.
        guard::tokenise(&self.request)
            .and_then(|written| guard::fill_in(written, &self.request, self.now_micros, usize::MAX))
            .unwrap_or_default()
    }

    /// How long places may be looked for: whoever asked is to hear of the error, not that time has run out.
    fn within(&self) -> Duration {
        let left = (self.stop.deadline()).saturating_duration_since(Instant::now());
        PROBED_MAX.min(left / 2)
    }
}

fn token(tokens: &[TokenWithSpan], message: &str) -> Option<Position> {
    tokens::quoted(tokens, message).or_else(|| tokens::culprit(tokens, message))
}

fn first(tokens: &[TokenWithSpan]) -> Option<Position> {
    let mut written = tokens.iter();
    let first = written.find(|token| !matches!(token.token, Token::Whitespace(_)))?;
    position(first.span.start)
}

/// A message without what it quotes of the data.
fn kind(message: &str) -> String {
    static QUOTED: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"'.*'|[0-9]+").ok());
    match QUOTED.as_ref() {
        Some(quoted) => quoted.replace_all(message, "").into_owned(),
        None => message.to_owned(),
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

/// An error in an expression: at the word in it that the message quotes, else where it begins.
fn at_expr(error: Error, expr: &Expr, tokens: &[TokenWithSpan]) -> Error {
    let Error::InvalidQuery {
        message,
        suggestion,
        ..
    } = error
    else {
        return error;
    };
    let span = expr.span();
    let inside: Vec<TokenWithSpan> = tokens
        .iter()
        .filter(|token| span.start <= token.span.start && token.span.end <= span.end)
        .cloned()
        .collect();
    Error::InvalidQuery {
        position: tokens::quoted(&inside, &message).or_else(|| start(expr)),
        message: match expr {
            // The message quotes it.
            Expr::Value(_) => message,
            expr => format!("`{}`: {message}", shown(expr)),
        },
        suggestion,
    }
}

fn shown(expr: &Expr) -> String {
    let text = expr.to_string();
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// Where an expression begins; the parser does not know it of all.
fn start(expr: &Expr) -> Option<Position> {
    position(expr.span().start).or_else(|| {
        let inside = parts::inside(expr);
        inside.iter().find_map(|part| position(part.span().start))
    })
}

/// The function that stands where none of its kind can.
fn misplaced(state: &SessionState, parts: &Parts, message: &str) -> Option<Expr> {
    let is_aggregate = message.starts_with("an aggregate function cannot stand in WHERE");
    let is_window = message.starts_with("a window function cannot stand here");
    let mut conditions = parts
        .selects
        .iter()
        .filter_map(|(select, _)| select.selection.as_ref());
    conditions.find_map(|condition| {
        let inside = parts::inside(condition);
        let mut all = inside.into_iter().chain([condition.clone()]);
        all.find(|part| match part {
            Expr::Function(function) => {
                let name = function.name.to_string().to_lowercase();
                is_window && function.over.is_some()
                    || is_aggregate && state.aggregate_functions().contains_key(&name)
            }
            _ => false,
        })
    })
}
