//! A run as hosts see it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use audit_lake::TenantId;
use audit_schema::{Query, ValueType};
use datafusion::arrow::datatypes::Schema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use crate::catalog::TenantScope;
use crate::error::{Error, Result};
use crate::request::Request;
use crate::stream::Progress;

/// Names a run, also after the host was restarted. Prints as a GUID.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct RunId(Uuid);

impl RunId {
    pub(crate) fn new(id: Uuid) -> Self {
        Self(id)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(formatter)
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl FromStr for RunId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Uuid::try_parse(text)
            .map(Self)
            .map_err(|_| Error::invalid("the id of a run is a GUID"))
    }
}

impl From<RunId> for String {
    fn from(id: RunId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for RunId {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

/// Where a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Waits for its turn.
    Pending,
    /// Is being planned, or reads.
    Started,
    /// Has ended, in one way or another.
    Finished(RunOutcome),
}

impl RunState {
    /// Whether it has ended.
    pub const fn is_finished(self) -> bool {
        matches!(self, Self::Finished(_))
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunOutcome {
    /// It has a result; warnings say where this is cut.
    Succeeded,
    /// An error ended it.
    Failed,
    /// It reached its time limit.
    TimedOut,
    /// Somebody stopped it.
    Cancelled,
}

impl fmt::Display for RunState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Pending => "pending",
            Self::Started => "started",
            Self::Finished(RunOutcome::Succeeded) => "succeeded",
            Self::Finished(RunOutcome::Failed) => "failed",
            Self::Finished(RunOutcome::TimedOut) => "timed out",
            Self::Finished(RunOutcome::Cancelled) => "cancelled",
        })
    }
}

/// What a run was at the time it was asked for: a value, which doesn't change.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Run {
    /// Its name.
    pub id: RunId,
    /// What the host calls it.
    pub label: Option<String>,
    /// The identifier of the query, if it is one of a category.
    pub query: Option<String>,
    /// The query's text, as it was written. In the history a very long one is cut.
    pub sql: String,
    /// The values of its variables. In the history very long ones are cut.
    pub variables: BTreeMap<String, Vec<String>>,
    /// Which records it is about, in words.
    pub range: String,
    /// Whose data it sees.
    #[serde(with = "scope")]
    pub scope: TenantScope,
    /// Where it is.
    pub state: RunState,
    /// How far it is, or was.
    pub progress: Progress,
    /// When it was asked for, in µs since 1970.
    pub queued_micros: i64,
    /// When it was started, in µs since 1970.
    pub started_micros: Option<i64>,
    /// When it ended, in µs since 1970.
    pub finished_micros: Option<i64>,
    /// Until when its result is kept, in µs since 1970; `None` if there is none.
    pub result_until_micros: Option<i64>,
    /// What to know about the result: that it is cut, or why it is empty.
    pub warnings: Vec<String>,
    /// Why it failed.
    pub error: Option<Error>,
    /// The columns of its result, once it is planned.
    pub columns: Vec<RunColumn>,
    /// The rows of its result, once it has succeeded.
    pub rows: Option<u64>,
}

/// A column of a run's result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunColumn {
    /// Its name.
    pub name: String,
    /// Its type, as Arrow writes it; the pages have it as a value.
    pub data_type: String,
    /// What kind of value it holds, where the query says so: other queries can take it.
    #[serde(with = "value_type")]
    pub value_type: Option<ValueType>,
    /// What it means, where the query says so.
    pub meaning: Option<String>,
}

/// Longest text of a query, and of its values, that the history keeps.
const TEXT_BYTES_MAX: usize = 64 << 10;

impl Run {
    pub(crate) fn pending(
        id: RunId,
        request: &Request,
        label: Option<String>,
        scope: TenantScope,
        now_micros: i64,
    ) -> Self {
        Self {
            id,
            label,
            query: request.query.as_ref().map(|query| query.id.clone()),
            sql: cut(&request.sql, TEXT_BYTES_MAX),
            variables: kept_values(&request.variables.given),
            range: request.range.to_string(),
            scope,
            state: RunState::Pending,
            progress: Progress::default(),
            queued_micros: now_micros,
            started_micros: None,
            finished_micros: None,
            result_until_micros: None,
            warnings: Vec::new(),
            error: None,
            columns: Vec::new(),
            rows: None,
        }
    }

    pub(crate) fn has_succeeded(&self) -> bool {
        self.state == RunState::Finished(RunOutcome::Succeeded)
    }

    /// Whether somebody with this scope may know of it.
    pub(crate) fn is_visible_to(&self, scope: &TenantScope) -> bool {
        match (scope, &self.scope) {
            (TenantScope::All, _) => true,
            (TenantScope::Only(_), TenantScope::All) => false,
            // A run over no tenant can hold tables that its session brought.
            (TenantScope::Only(seen), TenantScope::Only(run)) if run.is_empty() => seen.is_empty(),
            (TenantScope::Only(seen), TenantScope::Only(run)) => run.is_subset(seen),
        }
    }
}

/// The columns of a result, with what the query says of them.
pub(crate) fn columns(schema: &Schema, query: Option<&Query>) -> Vec<RunColumn> {
    let fields = schema.fields().iter();
    fields
        .map(|field| {
            let described = query.and_then(|query| {
                let mut columns = query.columns.iter();
                columns.find(|column| column.name == *field.name())
            });
            RunColumn {
                name: field.name().clone(),
                data_type: field.data_type().to_string(),
                value_type: described.and_then(|column| column.value_type),
                meaning: described.map(|column| column.meaning.clone()),
            }
        })
        .collect()
}

fn kept_values(given: &BTreeMap<String, Vec<String>>) -> BTreeMap<String, Vec<String>> {
    let mut left = TEXT_BYTES_MAX;
    let mut kept = BTreeMap::new();
    for (name, values) in given {
        let mut kept_values = Vec::new();
        for value in values {
            if left == 0 {
                break;
            }
            kept_values.push(cut(value, left));
            left = left.saturating_sub(value.len().max(1));
        }
        kept.insert(name.clone(), kept_values);
    }
    kept
}

fn cut(text: &str, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(bytes_max);
    format!("{}…", text.get(..end).unwrap_or_default())
}

/// A scope in JSON: `null` for all tenants, else their ids.
mod scope {
    use super::{
        BTreeSet, Deserialize, Deserializer, Serialize, Serializer, TenantId, TenantScope,
    };

    pub(super) fn serialize<S: Serializer>(
        scope: &TenantScope,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let ids: Option<Vec<String>> = match scope {
            TenantScope::All => None,
            TenantScope::Only(tenants) => Some(tenants.iter().map(TenantId::to_string).collect()),
        };
        ids.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<TenantScope, D::Error> {
        let Some(ids) = Option::<Vec<String>>::deserialize(deserializer)? else {
            return Ok(TenantScope::All);
        };
        let tenants = ids.iter().map(|id| id.parse());
        let tenants: Result<BTreeSet<TenantId>, audit_lake::Error> = tenants.collect();
        tenants
            .map(TenantScope::Only)
            .map_err(serde::de::Error::custom)
    }
}

mod value_type {
    use super::{Deserialize, Deserializer, Serialize, Serializer, ValueType};

    pub(super) fn serialize<S: Serializer>(
        value_type: &Option<ValueType>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value_type.map(ValueType::as_str).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<ValueType>, D::Error> {
        let name = Option::<String>::deserialize(deserializer)?;
        name.map(|name| name.parse().map_err(serde::de::Error::custom))
            .transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(tenants: &[&str]) -> TenantScope {
        TenantScope::Only(tenants.iter().map(|id| id.parse().unwrap()).collect())
    }

    fn run(scope: TenantScope) -> Run {
        let id = RunId::new(Uuid::nil());
        Run::pending(id, &Request::new("SELECT 1"), None, scope, 0)
    }

    #[test]
    fn a_run_shows_to_scopes_that_cover_its_own() {
        const A: &str = "0fad12b5-8d6a-4c43-a01f-e6d0a0d0e1c7";
        const B: &str = "8b7f9a52-1f0e-4d3b-9c55-2f6f0f6a7e10";
        for (of_run, of_session, expected) in [
            (TenantScope::All, TenantScope::All, true),
            (scope(&[A]), TenantScope::All, true),
            (scope(&[]), TenantScope::All, true),
            (TenantScope::All, scope(&[A, B]), false),
            (scope(&[A]), scope(&[A]), true),
            (scope(&[A]), scope(&[A, B]), true),
            (scope(&[A, B]), scope(&[A]), false),
            (scope(&[A]), scope(&[B]), false),
            (scope(&[A]), scope(&[]), false),
            (scope(&[]), scope(&[A]), false),
            (scope(&[]), scope(&[]), true),
        ] {
            let run = run(of_run.clone());
            assert_eq!(
                run.is_visible_to(&of_session),
                expected,
                "{of_run:?} to {of_session:?}"
            );
        }
    }

    #[test]
    fn long_texts_are_cut_for_the_history() {
        let long = "é".repeat(TEXT_BYTES_MAX);
        let request = Request::new(&long)
            .with_variable("a", &long)
            .with_variable("b", "short");
        let id = RunId::new(Uuid::nil());
        let run = Run::pending(id, &request, None, TenantScope::All, 0);
        assert_eq!(run.sql.len(), TEXT_BYTES_MAX + "…".len());
        assert_eq!(run.variables["a"][0].len(), TEXT_BYTES_MAX + "…".len());
        assert!(run.variables["b"].is_empty());
    }

    #[test]
    fn a_run_is_the_same_after_json() {
        let mut run = run(scope(&["unknown"]));
        run.state = RunState::Finished(RunOutcome::Failed);
        run.error = Some(Error::TimedOut {
            limit: std::time::Duration::from_secs(3),
        });
        run.columns = vec![RunColumn {
            name: "user_id".to_owned(),
            data_type: "Utf8View".to_owned(),
            value_type: Some(ValueType::User),
            meaning: None,
        }];
        let json = serde_json::to_string(&run).unwrap();
        let read: Run = serde_json::from_str(&json).unwrap();
        assert_eq!(format!("{read:?}"), format!("{run:?}"));
    }
}
