//! The SQL that is understood.

mod lake;

pub(crate) use lake::LakeDialect;

/// Which SQL a query is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Dialect {
    /// DataFusion's, which is like PostgreSQL's.
    #[default]
    DataFusion,
    /// Trino's, for people and templates that come from Data Lake queries.
    Trino,
}
