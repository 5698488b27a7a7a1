//! The SQL that is understood.

mod lake;
pub(crate) mod trino;

use datafusion::sql::sqlparser::ast::Statement;
use datafusion::sql::sqlparser::dialect::Dialect as Grammar;

use crate::error::Result;

pub(crate) use lake::LakeDialect;

/// Which SQL a query is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Dialect {
    /// DataFusion's, which is like PostgreSQL's.
    #[default]
    DataFusion,
    /// Trino's, for people and templates that come from Data Lake queries: `docs/trino.md`.
    Trino,
}

impl Dialect {
    /// How its text is parsed.
    pub(crate) fn grammar(self) -> &'static dyn Grammar {
        match self {
            Self::DataFusion => &LakeDialect,
            Self::Trino => &trino::TrinoDialect,
        }
    }

    /// Makes of a parsed query one that the planner knows.
    pub(crate) fn rewrite(self, statement: &mut Statement) -> Result<()> {
        match self {
            Self::DataFusion => Ok(()),
            Self::Trino => trino::rewrite(statement),
        }
    }
}
