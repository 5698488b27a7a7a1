//! The actions of a Delta commit, as far as we write and read them.
//!
//! Source: <https://github.com/delta-io/delta/blob/master/PROTOCOL.md#actions>.

use std::collections::BTreeMap;

use object_store::path::Path;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// One line of a commit file; exactly one member is set in lines that we know.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Action {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) commit_info: Option<CommitInfo>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) protocol: Option<Protocol>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) meta_data: Option<MetaData>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) add: Option<Add>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) remove: Option<Remove>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) txn: Option<Txn>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CommitInfo {
    /// Milliseconds since 1970.
    #[serde(default)]
    pub(crate) timestamp: i64,
    #[serde(default)]
    pub(crate) operation: String,
    #[serde(default)]
    pub(crate) operation_parameters: BTreeMap<String, serde_json::Value>,
    #[serde(default)]
    pub(crate) engine_info: String,
    /// Tells our commit from another writer's when the answer to the write was lost.
    #[serde(default)]
    pub(crate) txn_id: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Protocol {
    pub(crate) min_reader_version: u32,
    pub(crate) min_writer_version: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) reader_features: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) writer_features: Vec<String>,
}

impl Protocol {
    /// What any Delta reader and writer understands.
    pub(crate) const PLAIN: Self = Self {
        min_reader_version: 1,
        min_writer_version: 2,
        reader_features: Vec::new(),
        writer_features: Vec::new(),
    };

    /// Fails where reading the files as plain Parquet would be wrong.
    pub(crate) fn check_readable(&self, table_root: &Path) -> Result<()> {
        if self.min_reader_version <= Self::PLAIN.min_reader_version || self.readable_features() {
            return Ok(());
        }
        Err(Error::invalid(format!(
            "another program upgraded the table `{table_root}` to Delta reader version {} {:?}, which this version does not read",
            self.min_reader_version, self.reader_features
        )))
    }

    /// Fails where a commit of ours would break what another program wants of each.
    pub(crate) fn check_writable(&self, table_root: &Path) -> Result<()> {
        const HARMLESS: [&str; 4] = [
            "appendOnly",
            "invariants",
            "v2Checkpoint",
            "vacuumProtocolCheck",
        ];
        let is_writable = match self.min_writer_version {
            7 => are_all_of(&self.writer_features, &HARMLESS),
            version => version <= Self::PLAIN.min_writer_version,
        };
        if is_writable {
            return Ok(());
        }
        Err(Error::invalid(format!(
            "another program upgraded the table `{table_root}` to Delta writer version {} {:?}, which this version does not write",
            self.min_writer_version, self.writer_features
        )))
    }

    /// Features that change the log's checkpoints but not what a data file means.
    fn readable_features(&self) -> bool {
        const HARMLESS: [&str; 2] = ["v2Checkpoint", "vacuumProtocolCheck"];
        self.min_reader_version == 3 && are_all_of(&self.reader_features, &HARMLESS)
    }
}

fn are_all_of(features: &[String], known: &[&str]) -> bool {
    let mut features = features.iter();
    features.all(|feature| known.contains(&feature.as_str()))
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MetaData {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) name: Option<String>,
    #[serde(default)]
    pub(crate) description: Option<String>,
    #[serde(default)]
    pub(crate) format: Format,
    pub(crate) schema_string: String,
    #[serde(default)]
    pub(crate) partition_columns: Vec<String>,
    #[serde(default)]
    pub(crate) configuration: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) created_time: Option<i64>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Format {
    pub(crate) provider: String,
    #[serde(default)]
    pub(crate) options: BTreeMap<String, String>,
}

impl Default for Format {
    fn default() -> Self {
        Self {
            provider: "parquet".to_owned(),
            options: BTreeMap::new(),
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Add {
    pub(crate) path: String,
    #[serde(default)]
    pub(crate) partition_values: BTreeMap<String, Option<String>>,
    pub(crate) size: u64,
    /// Milliseconds since 1970.
    pub(crate) modification_time: i64,
    pub(crate) data_change: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) stats: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tags: Option<BTreeMap<String, Option<String>>>,
    /// Rows of the file that are deleted; we never write it.
    #[serde(default, skip_serializing)]
    pub(crate) deletion_vector: Option<IgnoredAny>,
}

/// The end of a file as part of the table. The object stays until vacuum.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Remove {
    pub(crate) path: String,
    /// Milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) deletion_timestamp: Option<i64>,
    #[serde(default)]
    pub(crate) data_change: bool,
    /// Whether partition and size are given, which spares readers a look at the `add`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) extended_file_metadata: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) partition_values: Option<BTreeMap<String, Option<String>>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) size: Option<u64>,
}

/// Whether a table's properties forbid that rows leave it:
/// <https://github.com/delta-io/delta/blob/master/PROTOCOL.md#append-only-tables>.
pub(crate) fn is_append_only<'a>(mut property: impl FnMut(&str) -> Option<&'a String>) -> bool {
    property("delta.appendOnly").is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// A number that a writer keeps in the log under a name of its own; the newest counts.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Txn {
    pub(crate) app_id: String,
    pub(crate) version: u64,
}

/// The commit file's text: one action a line.
pub(crate) fn to_lines(actions: &[Action]) -> Result<Vec<u8>> {
    let mut lines = Vec::new();
    for action in actions {
        serde_json::to_writer(&mut lines, action).map_err(Error::internal)?;
        lines.push(b'\n');
    }
    Ok(lines)
}

/// Whether the file of a commit holds no action, of ours or of anybody.
///
/// Every writer says at least what it did (`commitInfo`). A write that was cut off, as by a power failure, may leave a
/// file without content.
pub(crate) fn is_nothing(text: &[u8]) -> bool {
    lines(text).all(|line| {
        let members: Option<BTreeMap<String, Option<IgnoredAny>>> =
            serde_json::from_slice(line).ok();
        members.is_some_and(|members| members.values().all(Option::is_none))
    })
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n')
        .filter(|line| !line.trim_ascii().is_empty())
}

/// Reads a commit file; members and actions that we don't know are skipped.
pub(crate) fn from_lines(path: &Path, text: &[u8]) -> Result<Vec<Action>> {
    const CUT_OFF: &str = "as a commit that a power failure cut off; if no newer one is in the log, delete it and do again \
         what was done last";
    if is_nothing(text) {
        return Err(Error::corrupt(
            path,
            format!("it holds no action, {CUT_OFF}"),
        ));
    }
    let action = |line| {
        serde_json::from_slice(line).map_err(|source| match source.is_eof() {
            true => Error::corrupt(path, format!("it ends within an action, {CUT_OFF}")),
            false => Error::corrupt(path, source),
        })
    };
    lines(text).map(action).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_says_something() {
        let path = Path::from("1.json");
        for nothing in ["", "\n", "{}", "{}\n{}\n", r#"{"add":null}"#] {
            let error = from_lines(&path, nothing.as_bytes()).unwrap_err();
            assert!(error.to_string().contains("`1.json` is corrupt"), "{error}");
            assert!(is_nothing(nothing.as_bytes()), "{nothing}");
        }
        // What another program may write: no change at all, and actions of days to come.
        for something in [
            r#"{"commitInfo":{}}"#,
            r#"{"domainMetadata":{"domain":"d"}}"#,
        ] {
            assert!(
                from_lines(&path, something.as_bytes()).is_ok(),
                "{something}"
            );
        }
        // Damage, and `from_lines` says so.
        assert!(!is_nothing(b"\0\0"));
        assert!(from_lines(&path, b"\0\0").is_err());
    }
}
