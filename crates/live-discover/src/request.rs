//! A query as it is asked: its text, the dialect of it, and what fills it in.

use std::collections::BTreeMap;
use std::sync::Arc;

use audit_lake::Snapshot;
use audit_schema::{Query, RangeMode};

use crate::dialect::Dialect;
use crate::range::{TimeRange, Window};
use crate::variables::Variables;

/// A query to be asked. A text alone is one, over all time.
#[derive(Debug, Clone)]
pub struct Request {
    pub(crate) sql: String,
    /// `None` is the session's.
    pub(crate) dialect: Option<Dialect>,
    pub(crate) variables: Variables,
    pub(crate) range: TimeRange,
    pub(crate) range_mode: RangeMode,
    /// Whether it is one that people pick, and so needs data to ask.
    pub(crate) is_of_category: bool,
    /// The query of a category that it asks.
    pub(crate) query: Option<Arc<Query>>,
    /// Whether its outermost LIMIT is left out.
    pub(crate) is_unlimited: bool,
    pub(crate) pinned: Option<Pinned>,
}

/// What a query sees, where that is not told by the time at which it is asked.
#[derive(Debug, Clone)]
pub(crate) struct Pinned {
    /// The records of the one tenant in scope.
    pub(crate) snapshot: Arc<Snapshot>,
    /// In place of the time range.
    pub(crate) window: Window,
    pub(crate) now_micros: i64,
}

impl Request {
    /// One SELECT, or EXPLAIN of one; may hold variables, written `$$name$$`.
    pub fn new(sql: impl Into<String>) -> Self {
        Self {
            sql: sql.into(),
            dialect: None,
            variables: Variables::default(),
            range: TimeRange::all(),
            range_mode: RangeMode::default(),
            is_of_category: false,
            query: None,
            is_unlimited: false,
            pinned: None,
        }
    }

    /// A query of a category: with its variables, over the last 24 hours by the time that it says.
    pub fn of(query: &Query) -> Self {
        Self {
            sql: query.sql.clone(),
            // What the library checked it as, whatever people of the session write.
            dialect: Some(query.dialect),
            variables: Variables {
                declared: query.variables.clone(),
                given: BTreeMap::new(),
            },
            range: TimeRange::default(),
            range_mode: query.range,
            is_of_category: true,
            query: Some(Arc::new(query.clone())),
            is_unlimited: false,
            pinned: None,
        }
    }

    /// Makes it one that can be planned before there is anything to ask.
    pub(crate) fn without_data(mut self) -> Self {
        self.is_of_category = false;
        self
    }

    pub(crate) fn without_limit(mut self) -> Self {
        self.is_unlimited = true;
        self
    }

    pub(crate) fn pinned(mut self, pinned: Pinned) -> Self {
        self.pinned = Some(pinned);
        self
    }

    /// Sets the SQL it is written in, in place of the session's.
    pub fn with_dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = Some(dialect);
        self
    }

    /// Gives a variable its value, as text; an empty one is no value.
    ///
    /// A variable that the query does not declare is a number where it stands bare and looks like one, else text.
    pub fn with_variable(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.with_values(name, [value.into()])
    }

    /// Gives a variable that is a list its values.
    pub fn with_values<V: Into<String>>(
        mut self,
        name: impl Into<String>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        let values = values.into_iter().map(Into::into).collect();
        self.variables.given.insert(name.into(), values);
        self
    }

    /// Sets which records it sees, by time. It applies to every table of the lake in the query.
    pub fn with_range(mut self, range: TimeRange) -> Self {
        self.range = range;
        self
    }

    /// Sets which time of the records the range is about.
    pub fn with_range_mode(mut self, mode: RangeMode) -> Self {
        self.range_mode = mode;
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
