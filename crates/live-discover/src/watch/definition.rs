//! What a watch is.

use std::collections::BTreeMap;
use std::time::Duration;

use audit_schema::Query;
use serde::{Deserialize, Serialize};

use crate::dialect::Dialect;
use crate::range::TimeRange;
use crate::request::Request;

/// A query on watch, as the lake keeps it.
///
/// It holds its query, not the query's name: it stays what it was when a library changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Watch {
    /// Its name, one for each tenant: lower-case letters, digits, `_` and `-`.
    pub name: String,
    /// What it asks.
    pub query: WatchedQuery,
    /// The SQL of it.
    #[serde(with = "dialect")]
    pub dialect: Dialect,
    /// Values of the query's variables, by name. Durations such as `-P7D` are told from each advance.
    pub variables: BTreeMap<String, Vec<String>>,
    /// How far apart in time records are that make one result together; zero if each result comes of one record.
    pub look_back: Duration,
    /// The columns that tell one result from another; empty for all of them.
    pub key: Vec<String>,
    /// When it was added, in µs since 1970.
    pub created_micros: i64,
}

/// What a watch asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "QueryText", try_from = "QueryText")]
pub enum WatchedQuery {
    /// A query of a category.
    Query(Box<Query>),
    /// SQL of one's own.
    Sql(String),
}

/// How a query is written down.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum QueryText {
    /// Header and SQL, as in a query file.
    File(String),
    Sql(String),
}

impl From<WatchedQuery> for QueryText {
    fn from(query: WatchedQuery) -> Self {
        match query {
            WatchedQuery::Query(query) => Self::File(query.to_text()),
            WatchedQuery::Sql(sql) => Self::Sql(sql),
        }
    }
}

impl TryFrom<QueryText> for WatchedQuery {
    type Error = audit_schema::QueryError;

    fn try_from(text: QueryText) -> Result<Self, Self::Error> {
        Ok(match text {
            QueryText::File(text) => Self::Query(Box::new(Query::parse(&text)?)),
            QueryText::Sql(sql) => Self::Sql(sql),
        })
    }
}

impl Watch {
    /// The watch's query with its variables, every result of it, over everything.
    pub(super) fn request(&self) -> Request {
        let request = match &self.query {
            WatchedQuery::Query(query) => Request::of(query),
            WatchedQuery::Sql(sql) => Request::new(sql),
        };
        self.variables
            .iter()
            .fold(request, |request, (name, values)| {
                request.with_values(name, values)
            })
            .with_dialect(self.dialect)
            .with_range(TimeRange::all())
            .without_data()
            .without_limit()
    }
}

/// A watch to be added.
///
/// ```
/// use std::time::Duration;
/// use live_discover::{Library, NewWatch};
///
/// let library = Library::new();
/// let rules = NewWatch::of("rules", library.require("inbox_rules")?);
/// let guessed = NewWatch::sql(
///     "guessed",
///     "SELECT user_id, count(*) AS failures FROM m365_signins WHERE operation = 'UserLoginFailed'
///      GROUP BY user_id HAVING count(*) >= 20",
/// )
/// .with_look_back(Duration::from_secs(3600))
/// .with_key(["user_id"]);
/// # Ok::<(), live_discover::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct NewWatch {
    pub(super) watch: Watch,
    pub(super) look_back: Option<Duration>,
    pub(super) is_from_start: bool,
}

impl NewWatch {
    /// A query of a category on watch.
    pub fn of(name: impl Into<String>, query: &Query) -> Self {
        let dialect = query.dialect;
        Self::new(name, WatchedQuery::Query(Box::new(query.clone()))).with_dialect(dialect)
    }

    /// SQL on watch: one SELECT over `m365_audit` or a view of it.
    pub fn sql(name: impl Into<String>, sql: impl Into<String>) -> Self {
        Self::new(name, WatchedQuery::Sql(sql.into()))
    }

    fn new(name: impl Into<String>, query: WatchedQuery) -> Self {
        Self {
            watch: Watch {
                name: name.into(),
                query,
                dialect: Dialect::default(),
                variables: BTreeMap::new(),
                look_back: Duration::ZERO,
                key: Vec::new(),
                created_micros: 0,
            },
            look_back: None,
            is_from_start: false,
        }
    }

    /// Sets the SQL it is written in.
    pub fn with_dialect(mut self, dialect: Dialect) -> Self {
        self.watch.dialect = dialect;
        self
    }

    /// Gives a variable its values; one for a variable that is no list.
    pub fn with_values<V: Into<String>>(
        mut self,
        name: impl Into<String>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        let values = values.into_iter().map(Into::into).collect();
        self.watch.variables.insert(name.into(), values);
        self
    }

    /// Sets how far apart in time (`creation_time`) the records are that make one result together.
    ///
    /// The query sees at least the records that near, often more: one that counts has to say over what time.
    ///
    /// Without it: none for a query that looks at each record alone, a day for one that joins, groups or compares.
    pub fn with_look_back(mut self, look_back: Duration) -> Self {
        self.look_back = Some(look_back);
        self
    }

    /// Sets the columns that tell one result from another. Without it these are all columns, so that a count that has
    /// grown is a new result.
    pub fn with_key<C: Into<String>>(mut self, columns: impl IntoIterator<Item = C>) -> Self {
        self.watch.key = columns.into_iter().map(Into::into).collect();
        self
    }

    /// Begins with the first record that the lake has, not with those that arrive from now on.
    pub fn from_start(mut self) -> Self {
        self.is_from_start = true;
        self
    }
}

mod dialect {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::dialect::Dialect;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
    pub(super) fn serialize<S: Serializer>(
        dialect: &Dialect,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(dialect.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Dialect, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}
