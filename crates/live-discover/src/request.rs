//! A query as it is asked: its text, the dialect of it, and what fills it in.

use crate::dialect::Dialect;

/// A query to be asked. A text alone is one, without variables and without a time range.
#[derive(Debug, Clone)]
pub struct Request {
    pub(crate) sql: String,
    pub(crate) dialect: Dialect,
}

impl Request {
    /// One SELECT, or EXPLAIN of one; may hold variables, written `$$name$$`.
    pub fn new(sql: impl Into<String>) -> Self {
        Self {
            sql: sql.into(),
            dialect: Dialect::default(),
        }
    }

    /// Sets the SQL it is written in.
    pub fn with_dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = dialect;
        self
    }
}

impl From<&str> for Request {
    fn from(sql: &str) -> Self {
        Self::new(sql)
    }
}

impl From<&String> for Request {
    fn from(sql: &String) -> Self {
        Self::new(sql)
    }
}

impl From<String> for Request {
    fn from(sql: String) -> Self {
        Self::new(sql)
    }
}
