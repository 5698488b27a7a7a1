//! A query as it is asked: its text, the dialect of it, and what fills it in.

use std::collections::BTreeMap;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

use audit_lake::Snapshot;
use audit_schema::{Query, RangeMode};

use crate::dialect::Dialect;
use crate::error::Result;
use crate::range::{Bounds, TimeRange, Window};
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
    /// In place of the time range.
    commits: Option<Bounds>,
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
            commits: None,
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
            commits: None,
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
        self.commits = None;
        self
    }

    /// Sets which records it sees by the commit that brought them, `ingest_sequence`, in place of a time range: what
    /// came after a query that saw all up to commit 12 is `13..`.
    ///
    /// Each tenant's `m365_audit` counts its own commits. The other tables have no such number and are seen whole.
    pub fn with_commits(mut self, commits: impl RangeBounds<i64>) -> Self {
        let from = match commits.start_bound() {
            Bound::Included(first) => Some(*first),
            Bound::Excluded(before) => Some(before.saturating_add(1)),
            Bound::Unbounded => None,
        };
        let to = match commits.end_bound() {
            Bound::Included(last) => Some(last.saturating_add(1)),
            Bound::Excluded(after) => Some(*after),
            Bound::Unbounded => None,
        };
        self.commits = Some(Bounds { from, to });
        self
    }

    /// Sets which time of the records the range is about.
    pub fn with_range_mode(mut self, mode: RangeMode) -> Self {
        self.range_mode = mode;
        self
    }
}

impl Request {
    /// The rows that it sees.
    pub(crate) fn window(&self, now_micros: i64) -> Result<Window> {
        match (&self.pinned, self.commits) {
            (Some(pinned), _) => Ok(pinned.window.clone()),
            (None, Some(commits)) => commits.some_commits(),
            (None, None) => self.range.resolve(self.range_mode, now_micros),
        }
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
