//! What is planted for a query: `tests/planted/<id>.json`.
//!
//! ```json
//! {
//!   "variables": {"user": "ada@contoso.com", "operations": ["Send", "Update"]},
//!   "networks": ["203.0.113.0/24"],
//!   "domains": ["contoso.com"],
//!   "positive": [{"RecordType": 15, "Operation": "UserLoggedIn", "UserId": "ada@contoso.com"}],
//!   "negative": [],
//!   "expected": [{"user_id": "ada@contoso.com", "sign_ins": 1}]
//! }
//! ```
//!
//! `positive` are records that the query is for, `negative` near misses. `expected` are all rows that it has for both
//! together, in order; only the columns that are named there are compared, `null` is a value like another. `networks`
//! and `domains` are the organisation's own.
//!
//! A record is an audit record as Microsoft sends it, with what goes without saying left out:
//!
//! - `Id`, `OrganizationId`, `Version`, `UserType` (0), `UserKey` (the `UserId`), `Workload` (of the `RecordType`);
//! - `CreationTime`: a minute after that of the record before it, from 2026-03-02T09:00:00 (negatives follow the
//!   positives);
//! - the names of a bag: `"Parameters": {"ForwardTo": "x"}` is its list of `Name` and `Value`, and
//!   `"ModifiedProperties": {"Role.DisplayName": ["old", "new"]}` that of old and new values (one text alone is new).
//!
//! `"repeat": 20` makes it 20 records, `"every": 30` so many seconds apart (else 60); `{n}` in any text of it is then
//! the number of the record, from 1.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chrono::{NaiveDateTime, TimeDelta};
use live_discover::{Query, Request};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Row, everything};

/// What stands in the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Planted {
    #[serde(default)]
    pub(super) variables: BTreeMap<String, Values>,
    #[serde(default)]
    pub(super) networks: Vec<String>,
    #[serde(default)]
    pub(super) domains: Vec<String>,
    positive: Vec<Row>,
    pub(super) negative: Vec<Row>,
    pub(super) expected: Vec<Row>,
}

/// The values of a variable.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Values {
    One(String),
    List(Vec<String>),
}

/// Which of the records a tenant has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Share {
    All,
    Negative,
}

impl Planted {
    /// Reads what is planted for a query.
    pub(super) fn read(id: &str) -> Result<Self, String> {
        let file = file(id);
        let text = std::fs::read_to_string(&file)
            .map_err(|error| format!("{}: {error}", file.display()))?;
        serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))
    }

    /// The query with its variables, over all time.
    pub(super) fn request(&self, query: &Query) -> Request {
        (self.variables.keys()).fold(everything(query), |request, name| self.fill(request, name))
    }

    /// Fills in one variable.
    pub(super) fn fill(&self, request: Request, name: &str) -> Request {
        match self.variables.get(name) {
            Some(Values::One(value)) => request.with_variable(name, value),
            Some(Values::List(values)) => request.with_values(name, values.clone()),
            None => request,
        }
    }

    /// The records of a tenant, one a line.
    pub(super) fn ndjson(&self, id: &str, share: Share) -> String {
        let mut clock = time("2026-03-02T09:00:00");
        let mut lines = String::new();
        let mut number = 0;
        let all = (self.positive.iter().map(|record| (record, false)))
            .chain(self.negative.iter().map(|record| (record, true)));
        for (short, is_negative) in all {
            for mut record in repeated(short, &mut clock) {
                number += 1;
                if share == Share::All || is_negative {
                    complete(&mut record, id, share, number);
                    lines.push_str(&Value::Object(record).to_string());
                    lines.push('\n');
                }
            }
        }
        lines
    }
}

/// The queries for which something is planted.
pub(super) fn ids() -> Vec<String> {
    let files = std::fs::read_dir(folder()).unwrap();
    let paths = files.map(|entry| entry.unwrap().path());
    paths
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect()
}

fn file(id: &str) -> PathBuf {
    folder().join(format!("{id}.json"))
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/planted")
}

/// The tenant of a query that has these records.
pub(super) fn tenant_id(id: &str, share: Share) -> String {
    // FNV-1a.
    let hash = id.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    format!("{hash:08x}-0000-4000-8000-{:012x}", share as u8)
}

fn time(text: &str) -> NaiveDateTime {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S").unwrap()
}

/// The record as often as it says, each at its time. `clock` is when the next record is if it doesn't say.
fn repeated(short: &Row, clock: &mut NaiveDateTime) -> Vec<Row> {
    let mut short = short.clone();
    let count = short.remove("repeat").map(|n| n.as_i64().unwrap());
    let every = short.remove("every").map_or(60, |n| n.as_i64().unwrap());
    let start = match short.get("CreationTime") {
        Some(text) => time(text.as_str().unwrap()),
        None => *clock,
    };
    let mut records = Vec::new();
    for n in 0..count.unwrap_or(1) {
        let now = start + TimeDelta::seconds(n * every);
        let mut record = Value::Object(short.clone());
        if count.is_some() {
            number(&mut record, &(n + 1).to_string());
        }
        record["CreationTime"] = json!(now.format("%Y-%m-%dT%H:%M:%S").to_string());
        *clock = now + TimeDelta::seconds(60);
        records.extend(record.as_object().cloned());
    }
    records
}

/// Puts the number of a repeated record where `{n}` stands.
fn number(value: &mut Value, n: &str) {
    match value {
        Value::String(text) => *text = text.replace("{n}", n),
        Value::Array(values) => values.iter_mut().for_each(|value| number(value, n)),
        Value::Object(members) => members.values_mut().for_each(|value| number(value, n)),
        _ => {}
    }
}

fn complete(record: &mut Row, id: &str, share: Share, number: u32) {
    for bag in BAGS {
        if let Some(Value::Object(short)) = record.get(bag) {
            record.insert(bag.to_owned(), short.iter().map(named).collect());
        }
    }
    if let Some(Value::Object(short)) = record.get("ModifiedProperties") {
        let changes = short.iter().map(changed).collect();
        record.insert("ModifiedProperties".to_owned(), changes);
    }
    let record_type = record["RecordType"].as_i64().unwrap();
    let tenant_id = tenant_id(id, share);
    let user = record.get("UserId").cloned().unwrap_or_else(|| json!(""));
    let defaults = [
        ("Id", json!(format!("{}{number:012x}", &tenant_id[..24]))),
        ("OrganizationId", json!(tenant_id)),
        ("Version", json!(1)),
        ("UserType", json!(0)),
        ("UserKey", user.clone()),
        ("UserId", user),
        ("Workload", json!(workload(record_type))),
    ];
    for (name, value) in defaults {
        record.entry(name).or_insert(value);
    }
}

/// Lists of names and values.
const BAGS: [&str; 7] = [
    "Parameters",
    "ExtendedProperties",
    "DeviceProperties",
    "OperationProperties",
    "AuthDetails",
    "PropertyCollection",
    "ExtraProperties",
];

fn named((name, value): (&String, &Value)) -> Value {
    json!({"Name": name, "Value": value})
}

fn changed((name, value): (&String, &Value)) -> Value {
    match value {
        Value::Array(values) => json!({"Name": name, "OldValue": values[0], "NewValue": values[1]}),
        value => json!({"Name": name, "OldValue": "", "NewValue": value}),
    }
}

/// What the service of a record type calls itself.
fn workload(record_type: i64) -> &'static str {
    match record_type {
        1 | 2 | 3 | 50 => "Exchange",
        8 | 9 | 15 => "AzureActiveDirectory",
        4 | 6 | 14 | 36 | 56 => "SharePoint",
        18 | 24 | 40 | 52 => "SecurityComplianceCenter",
        20 => "PowerBI",
        25 => "MicrosoftTeams",
        28 | 41 | 47 => "ThreatIntelligence",
        30 => "MicrosoftFlow",
        63 => "Endpoint",
        65 => "Quarantine",
        83 => "PublicEndpoint",
        261 => "Copilot",
        _ => "Unknown",
    }
}
