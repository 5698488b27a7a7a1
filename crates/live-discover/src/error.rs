//! Errors by what the caller does next, and the one place where DataFusion's errors become ours.

use std::any::Any;
use std::fmt;
use std::time::Duration;

use audit_lake::{IdSource, RandomIds};
use datafusion::arrow::error::ArrowError;
use datafusion::common::{Column, DataFusionError, SchemaError};
use datafusion::parquet::errors::ParquetError;
use datafusion::sql::sqlparser::parser::ParserError;
use serde::{Deserialize, Serialize};

use crate::dialect;
use crate::limits::LimitKind;
use crate::scrub::scrub;
use crate::{elsewhere, names, spill, words};

/// The result of the crate's operations.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why there is no (more) result.
#[derive(Debug, Clone, thiserror::Error, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Error {
    /// The query, a setting or another input cannot be used: change it.
    #[error("{message}{}{}", Suggested(suggestion), At(position))]
    InvalidQuery {
        /// What is wrong.
        message: String,
        /// Where in the query's text.
        position: Option<Position>,
        /// What was probably meant.
        suggestion: Option<String>,
    },
    /// There is no such lake, run or result.
    #[error("{message}")]
    NotFound {
        /// What does not exist.
        message: String,
    },
    /// A limit was reached: ask for less, or raise it.
    #[error("the {limit} was reached: {message}")]
    ResourcesExhausted {
        /// Which limit.
        limit: LimitKind,
        /// Its value, and what helps.
        message: String,
    },
    /// The query took longer than it may: ask for less, or raise the limit.
    #[error("the query took longer than its time limit of {limit:?}")]
    TimedOut {
        /// The limit.
        limit: Duration,
    },
    /// The object store did not answer: try later.
    #[error("{message}")]
    Unavailable {
        /// What was tried and what the store said.
        message: String,
    },
    /// The lake's files are not what they have to be: `verify` tells more.
    #[error("{message}")]
    Corrupt {
        /// What is wrong with which file.
        message: String,
    },
    /// A defect of this program: report it.
    #[error("internal error: {message}")]
    Internal {
        /// What was not as it has to be.
        message: String,
    },
}

/// A place in the query's text, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Line.
    pub line: u64,
    /// Column, in characters.
    pub column: u64,
}

struct Suggested<'a>(&'a Option<String>);

impl fmt::Display for Suggested<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(suggestion) => write!(formatter, "; did you mean `{suggestion}`?"),
            None => Ok(()),
        }
    }
}

struct At<'a>(&'a Option<Position>);

impl fmt::Display for At<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(position) => write!(
                formatter,
                " (line {}, column {})",
                position.line, position.column
            ),
            None => Ok(()),
        }
    }
}

impl Error {
    #[cold]
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::InvalidQuery {
            message: message.into(),
            position: None,
            suggestion: None,
        }
    }

    #[cold]
    pub(crate) fn internal(message: impl fmt::Display) -> Self {
        Self::Internal {
            message: message.to_string(),
        }
    }

    /// A panic: its text may tell of data, so it goes to the log and its number to the caller.
    #[cold]
    pub(crate) fn panicked(panic: &(dyn Any + Send)) -> Self {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        // Nothing depends on it: it is to be found in a log.
        let id = RandomIds.next_id();
        tracing::error!(%id, panic = text.unwrap_or_default(), "a query panicked");
        Self::internal(format_args!(
            "the query could not be run; the log has it under {id}"
        ))
    }

    /// The error as somebody may read it who is not to know where the lake lies.
    pub(crate) fn without_places(mut self) -> Self {
        match &mut self {
            Self::InvalidQuery { message, .. }
            | Self::NotFound { message }
            | Self::ResourcesExhausted { message, .. }
            | Self::Unavailable { message }
            | Self::Corrupt { message }
            | Self::Internal { message } => *message = scrub(message),
            Self::TimedOut { .. } => {}
        }
        self
    }

    #[cold]
    pub(crate) fn exhausted(limit: LimitKind, message: impl Into<String>) -> Self {
        Self::ResourcesExhausted {
            limit,
            message: message.into(),
        }
    }
}

impl From<audit_lake::Error> for Error {
    fn from(error: audit_lake::Error) -> Self {
        let message = error.to_string();
        match error {
            audit_lake::Error::InvalidInput { .. } => Self::invalid(message),
            audit_lake::Error::NotFound { .. } => Self::NotFound { message },
            audit_lake::Error::Corrupt { .. } => Self::Corrupt { message },
            audit_lake::Error::Conflict { .. } | audit_lake::Error::Unavailable { .. } => {
                Self::Unavailable { message }
            }
            audit_lake::Error::Internal { .. } => Self::internal(message),
            _ => Self::internal(message),
        }
    }
}

impl From<DataFusionError> for Error {
    fn from(error: DataFusionError) -> Self {
        let position = error
            .diagnostic()
            .and_then(|diagnostic| diagnostic.span)
            .map(|span| Position {
                line: span.start.line,
                column: span.start.column,
            });
        match of_root(error.find_root()) {
            Self::InvalidQuery {
                message,
                position: None,
                suggestion,
            } => Self::InvalidQuery {
                message,
                position,
                suggestion,
            },
            other => other,
        }
    }
}

impl From<Error> for DataFusionError {
    fn from(error: Error) -> Self {
        Self::External(Box::new(error))
    }
}

fn of_root(root: &DataFusionError) -> Error {
    match root {
        DataFusionError::SchemaError(error, _) => of_schema(error),
        DataFusionError::SQL(error, _) => of_parser(error),
        DataFusionError::Plan(message) => of_plan(message),
        DataFusionError::NotImplemented(message) => {
            Error::invalid(words::reworded(message).map_or_else(
                || format!("not supported: {}", sentence(message)),
                |words| scrub(&words),
            ))
        }
        // What the query computes from the data: a failed cast, a wrong argument.
        DataFusionError::Execution(message) => Error::invalid(in_words(message)),
        DataFusionError::ArrowError(error, _) => of_arrow(error),
        DataFusionError::ParquetError(error) => of_parquet(error),
        DataFusionError::ObjectStore(error) => of_store(error),
        DataFusionError::ResourcesExhausted(message) => of_exhausted(message),
        DataFusionError::External(error) => of_any(error.as_ref()),
        DataFusionError::IoError(error) => of_io(&error.to_string()),
        DataFusionError::Internal(message) if is_about_pattern(message) => of_pattern(message),
        // A format of EXPLAIN; settings cannot be written.
        DataFusionError::Configuration(message) => Error::invalid(sentence(message)),
        DataFusionError::Internal(_)
        | DataFusionError::ExecutionJoin(_)
        | DataFusionError::Context(..)
        | DataFusionError::Substrait(_)
        | DataFusionError::Diagnostic(..)
        | DataFusionError::Collection(_)
        | DataFusionError::Shared(_)
        | DataFusionError::Ffi(_) => Error::internal(sentence(&root.strip_backtrace())),
    }
}

/// An error of ours or of a layer below that came through DataFusion.
fn of_any(error: &(dyn std::error::Error + 'static)) -> Error {
    let mut cause = Some(error);
    while let Some(link) = cause {
        if let Some(ours) = link.downcast_ref::<Error>() {
            return ours.clone();
        }
        if let Some(store) = link.downcast_ref::<object_store::Error>() {
            return of_store(store);
        }
        if let Some(parser) = link.downcast_ref::<ParserError>() {
            return of_parser(parser);
        }
        cause = link.source();
    }
    let message = error.to_string();
    if is_about_pattern(&message) {
        of_pattern(&message)
    } else {
        Error::internal(scrub(&message))
    }
}

/// An over-size or wrong pattern is reported as a defect; it is the query's.
fn is_about_pattern(message: &str) -> bool {
    message.to_ascii_lowercase().contains("regex")
}

fn of_pattern(message: &str) -> Error {
    let reason = message.lines().last().unwrap_or_default();
    Error::invalid(format!(
        "the regular expression cannot be used: {}",
        reason.trim_start_matches("error: ")
    ))
}

/// Only intermediate results are read and written past the store.
fn of_io(message: &str) -> Error {
    if is_about_disk(message) {
        of_exhausted(message)
    } else {
        Error::Unavailable {
            message: format!(
                "could not use the disk for intermediate results: {}",
                scrub(message)
            ),
        }
    }
}

fn is_about_disk(message: &str) -> bool {
    message.contains(spill::NO_ROOM)
}

fn of_schema(error: &SchemaError) -> Error {
    match error {
        SchemaError::FieldNotFound {
            field,
            valid_fields,
        } => Error::InvalidQuery {
            message: no_column(field),
            position: None,
            suggestion: closest_column(&field.name, valid_fields),
        },
        SchemaError::AmbiguousReference { field } => Error::invalid(format!(
            "column `{}` is in more than one table: say `table.{}`",
            field.name, field.name
        )),
        SchemaError::DuplicateQualifiedField { qualifier, .. } => Error::invalid(format!(
            "two tables are named `{}`; give one another name: AS …",
            qualifier.table()
        )),
        SchemaError::DuplicateUnqualifiedField { name } => Error::invalid(format!(
            "two columns of the result are named `{name}`; rename one with AS"
        )),
    }
}

/// Of another system the column that stands for it, else the one that is most alike.
fn closest_column(name: &str, valid: &[Column]) -> Option<String> {
    let names = || valid.iter().map(|valid| valid.name.as_str());
    let meant = elsewhere::column(name).filter(|meant| names().any(|name| name == *meant));
    let closest = meant.or_else(|| names::closest(name, names()));
    closest.map(str::to_owned)
}

fn no_column(field: &Column) -> String {
    let is_name = |name: &str| {
        name.chars()
            .all(|character| character.is_alphanumeric() || character == '_')
    };
    if is_name(&field.name) {
        return format!("no column `{}`", field.flat_name());
    }
    // Who writes "ada@contoso.com" means the text.
    let name = &field.name;
    format!("no column `{name}`; a text stands in single quotes: '{name}'")
}

/// `sql parser error: Expected: …, found: … at Line: 1, Column: 8`
fn of_parser(error: &ParserError) -> Error {
    let message = match error {
        ParserError::RecursionLimitExceeded => {
            return Error::exhausted(
                LimitKind::Nesting,
                format!(
                    "{} levels of parentheses and subqueries",
                    crate::guard::NESTING_MAX
                ),
            );
        }
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => message,
    };
    let (message, position) = match message.rsplit_once(" at Line: ") {
        Some((message, place)) => {
            let mut numbers = place
                .split(", Column: ")
                .map(|number| number.trim().parse().ok());
            let position = numbers.next().flatten().zip(numbers.next().flatten());
            (
                message,
                position.map(|(line, column)| Position { line, column }),
            )
        }
        None => (message.as_str(), None),
    };
    let message = format!("syntax error: {}", sentence(message));
    Error::InvalidQuery {
        message: words::reworded(&message).unwrap_or(message),
        position,
        suggestion: None,
    }
}

fn of_plan(message: &str) -> Error {
    let quoted = |start: &str| {
        let name = message.split_once(start)?.1.split_once('\'')?.0;
        Some(name.rsplit('.').next().unwrap_or(name).to_owned())
    };
    if message.contains("' not found")
        && let Some(name) = quoted("table function '").or_else(|| quoted("table '"))
    {
        if dialect::trino::is_of_data_lake(&name) {
            let tables: Vec<&str> = names::table_names().collect();
            return Error::invalid(format!(
                "`{name}` is a table of the Sophos Data Lake that is not here; here are {}",
                tables.join(", ")
            ));
        }
        if names::table_names().any(|table| table == name) {
            return Error::invalid(format!(
                "tables are in no schema here; write `{name}` alone"
            ));
        }
        return Error::InvalidQuery {
            suggestion: closest_table(&name),
            message: format!("no table `{name}`"),
            position: None,
        };
    }
    if let Some(name) = quoted("Invalid function '") {
        if WINDOW_FUNCTIONS.contains(&name.as_str()) {
            return Error::invalid(format!(
                "`{name}` is a window function; write {name}(…) OVER (ORDER BY creation_time)"
            ));
        }
        if let Some(instead) = elsewhere::function(&name) {
            return Error::invalid(format!("no function `{name}`; write {instead}"));
        }
        return Error::InvalidQuery {
            // The nearest of all functions may be far.
            suggestion: quoted("Did you mean '")
                .filter(|nearest| names::closest(&name, [nearest.as_str()]).is_some()),
            message: format!("no function `{name}`"),
            position: None,
        };
    }
    Error::invalid(in_words(message))
}

/// All our tables begin alike: it says nothing, and people leave it out.
fn closest_table(name: &str) -> Option<String> {
    const BEGINNING: &str = "m365_";
    if let Some(table) = elsewhere::table(name) {
        return Some(table.to_owned());
    }
    let names = names::table_names().filter_map(|table| table.strip_prefix(BEGINNING));
    let wanted = name.strip_prefix(BEGINNING).unwrap_or(name);
    names::closest(wanted, names).map(|name| format!("{BEGINNING}{name}"))
}

/// Functions that are there with OVER only.
const WINDOW_FUNCTIONS: [&str; 8] = [
    "cume_dist",
    "dense_rank",
    "lag",
    "lead",
    "ntile",
    "percent_rank",
    "rank",
    "row_number",
];

fn of_arrow(error: &ArrowError) -> Error {
    match error {
        ArrowError::ExternalError(error) => of_any(error.as_ref()),
        ArrowError::ParquetError(message) => Error::Corrupt {
            message: format!("a data file: {}", scrub(message)),
        },
        ArrowError::CastError(_)
        | ArrowError::ParseError(_)
        | ArrowError::ComputeError(_)
        | ArrowError::DivideByZero
        | ArrowError::ArithmeticOverflow(_)
        | ArrowError::InvalidArgumentError(_)
        | ArrowError::NotYetImplemented(_) => Error::invalid(in_words(&error.to_string())),
        ArrowError::MemoryError(message) => Error::exhausted(LimitKind::Memory, message.clone()),
        ArrowError::IoError(message, _) => of_io(message),
        _ => Error::internal(scrub(&error.to_string())),
    }
}

fn of_parquet(error: &ParquetError) -> Error {
    match error {
        ParquetError::External(error) => match of_any(error.as_ref()) {
            Error::Internal { message } => Error::Corrupt {
                message: format!("a data file: {message}"),
            },
            other => other,
        },
        error => {
            let message = scrub(&error.to_string());
            match (missing_file(&message), message.split_once(OF_LAKE)) {
                (Some(file), _) => gone(file),
                (None, Some((_, reason))) => Error::Corrupt {
                    message: reason.to_owned(),
                },
                (None, None) => Error::Corrupt {
                    message: format!("a data file: {message}"),
                },
            }
        }
    }
}

/// What an error of the lake's store begins with, which says by itself what is wrong.
const OF_LAKE: &str = "Generic lake error: ";

/// The file whose footer could not be read as it does not exist: DataFusion says so in words alone.
fn missing_file(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("Failed to fetch metadata for file ")?;
    let (file, reason) = rest.split_once(": ")?;
    reason.contains(" not found").then_some(file)
}

fn gone(file: &str) -> Error {
    Error::Corrupt {
        message: format!(
            "the data file `{file}` is gone: ask again, as maintenance may have deleted it while the query ran"
        ),
    }
}

fn of_store(error: &object_store::Error) -> Error {
    match error {
        object_store::Error::NotFound { path, .. } => gone(&scrub(path)),
        object_store::Error::Generic { source, .. } if source.is::<audit_lake::Error>() => {
            Error::Corrupt {
                message: scrub(&source.to_string()),
            }
        }
        error => Error::Unavailable {
            message: format!("could not read the lake: {}", scrub(&error.to_string())),
        },
    }
}

/// DataFusion tells by words which pool was exhausted.
fn of_exhausted(message: &str) -> Error {
    let limit = if message.contains(crate::memory::ENGINE_POOL) {
        LimitKind::EngineMemory
    } else if is_about_disk(message) {
        LimitKind::Spill
    } else {
        LimitKind::Memory
    };
    // How to raise it in DataFusion helps nobody here.
    let message = message.split(" Please try").next().unwrap_or_default();
    Error::exhausted(limit, sentence(message))
}

fn in_words(message: &str) -> String {
    match words::reworded(message) {
        Some(words) => scrub(&words),
        None => words::with_help(words::with_plain_types(&sentence(message))),
    }
}

/// The first line, starting with a lower-case letter and without a final full stop.
fn sentence(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default().trim();
    let line = [
        "Error during planning: ",
        "Execution error: ",
        "Arrow error: ",
        "Cast error: ",
        "Parser error: ",
        "Compute error: ",
        "Invalid argument error: ",
    ]
    .iter()
    .fold(line, |line, prefix| {
        line.strip_prefix(prefix).unwrap_or(line)
    })
    .trim_end_matches('.');
    let mut letters = line.chars();
    let second_is_lower = line.chars().nth(1).is_some_and(char::is_lowercase);
    let line = match letters.next() {
        Some(first) if second_is_lower => first.to_lowercase().chain(letters).collect(),
        _ => line.to_owned(),
    };
    scrub(&line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_read_alike() {
        for (message, expected) in [
            (
                "Error during planning: Cannot do this.\nbacktrace: x",
                "cannot do this",
            ),
            ("SQL is fine", "SQL is fine"),
            ("", ""),
        ] {
            assert_eq!(sentence(message), expected);
        }
    }
}
