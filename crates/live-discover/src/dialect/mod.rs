//! The SQL that is understood.

/// Methods of a grammar for what it has.
macro_rules! supports {
    ($($name:ident),* $(,)?) => {
        $(fn $name(&self) -> bool { true })*
    };
}

mod json_index;
mod lake;
mod operators;
pub(crate) mod trino;
mod unnest;

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::Statement;
use datafusion::sql::sqlparser::dialect::Dialect as Grammar;

pub use audit_schema::Dialect;
pub(crate) use json_index::JsonIndexes;
pub(crate) use lake::LakeDialect;
pub(crate) use operators::{PATTERNS_MAX, patterns};
pub(crate) use unnest::LateralUnnest;

use crate::error::{Error, Result};

/// How a dialect's text is parsed.
pub(crate) fn grammar(dialect: Dialect) -> &'static dyn Grammar {
    match dialect {
        Dialect::Trino => &trino::TrinoDialect,
        _ => &LakeDialect,
    }
}

/// Makes of a parsed query one that the planner knows.
pub(crate) fn rewrite(dialect: Dialect, statement: &mut Statement) -> Result<()> {
    match dialect {
        Dialect::Trino => trino::rewrite(statement),
        _ => lake::rewrite(statement),
    }
}

/// Goes on with the tree of a query, or ends with what is wrong with it.
fn flow(outcome: Result<()>) -> ControlFlow<Error> {
    match outcome {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(error),
    }
}
