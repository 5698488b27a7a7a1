//! A query of a category, and what people need to know to use it.

mod file;

use std::fmt;

use crate::variable::{ValueType, Variable};

/// A query with what people need to know to use it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Stable identifier: lower-case letters, digits and `_`.
    pub id: String,
    /// The category that lists it; ours where the header says nothing.
    pub category: String,
    /// Name for people.
    pub name: String,
    /// What it answers, and how to read the answer.
    pub description: String,
    /// How bad a row is, where the query is a detection.
    pub severity: Option<Severity>,
    /// MITRE ATT&CK tactics, by their short names (`initial-access`).
    pub tactics: Vec<String>,
    /// MITRE ATT&CK techniques, by identifier (`T1114.003`).
    pub techniques: Vec<String>,
    /// Where to read more: URLs.
    pub references: Vec<String>,
    /// How a time range applies to it.
    pub range: RangeMode,
    /// The SQL it is written in.
    pub dialect: Dialect,
    /// What it asks for, in the order of the header.
    pub variables: Vec<Variable>,
    /// Columns of its result, in order.
    pub columns: Vec<ResultColumn>,
    /// The SQL without the header.
    pub sql: String,
}

/// A column of a query's result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultColumn {
    /// Its name.
    pub name: String,
    /// What kind of value it holds, where another query can take it.
    pub value_type: Option<ValueType>,
    /// What it means.
    pub meaning: String,
}

/// How bad what a detection finds is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing.
    Informational,
    /// Look at it when there is time.
    Low,
    /// Look at it today.
    Medium,
    /// Look at it now.
    High,
}

impl Severity {
    const ALL: [Self; 4] = [Self::Informational, Self::Low, Self::Medium, Self::High];

    /// Its name in headers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Informational => "informational",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

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
    const ALL: [Self; 2] = [Self::DataFusion, Self::Trino];

    /// Its name in headers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DataFusion => "datafusion",
            Self::Trino => "trino",
        }
    }
}

impl std::str::FromStr for Dialect {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        one_of("dialect", text, &Self::ALL, &Self::ALL.map(Self::as_str))
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// What the time range of a run is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum RangeMode {
    /// When it happened: `creation_time`.
    #[default]
    EventTime,
    /// When it arrived in the lake: `ingested_at`. Late records are in the range in which they came.
    IngestTime,
    /// The query decides on its own; no range applies.
    Off,
}

impl RangeMode {
    const ALL: [Self; 3] = [Self::EventTime, Self::IngestTime, Self::Off];

    /// Its name in headers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EventTime => "event_time",
            Self::IngestTime => "ingest_time",
            Self::Off => "off",
        }
    }
}

impl fmt::Display for RangeMode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The tactics of MITRE ATT&CK for enterprises, in its order (<https://attack.mitre.org/tactics/enterprise/>).
pub const TACTICS: [&str; 14] = [
    "reconnaissance",
    "resource-development",
    "initial-access",
    "execution",
    "persistence",
    "privilege-escalation",
    "defense-evasion",
    "credential-access",
    "discovery",
    "lateral-movement",
    "collection",
    "command-and-control",
    "exfiltration",
    "impact",
];

/// Why a query file cannot be used, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryError {
    /// Line of the file, from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for QueryError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {}: {}", self.line, self.message)
    }
}

impl std::error::Error for QueryError {}

/// The one of this name, or which there are.
fn one_of<T: Copy>(what: &str, value: &str, all: &[T], names: &[&str]) -> Result<T, String> {
    names
        .iter()
        .zip(all)
        .find_map(|(name, one)| (*name == value).then_some(*one))
        .ok_or_else(|| format!("no {what} `{value}`; there are {}", names.join(", ")))
}
