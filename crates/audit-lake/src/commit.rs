//! The commit protocol: the next version's file is put where no file is.
//!
//! The log is a sequence of immutable files, one a version. Whoever creates the file of version `base + 1` has
//! committed; everybody else has to look at what was committed and decide anew. Nothing else is needed from the
//! store than put-if-absent.
//!
//! An answer can be lost after the write succeeded. Each commit file carries an id of its own, so reading the file
//! tells whether it is ours.

use std::collections::BTreeMap;

use object_store::ObjectStore;
use object_store::path::Path;

use crate::actions::{self, Action, Add, CommitInfo, Remove};
use crate::error::{Error, Result};
use crate::retry;
use crate::snapshot::{DataFile, EVENT_DATE, format_date};
use crate::text_index::TextIndex;
use crate::{TableName, checksum, paths};

/// A data file that lies in the table's folder and waits to be committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFile {
    /// From the table's root, such as `event_date=2024-01-31/<id>.parquet`; ASCII letters, digits, `/=-_.` only.
    pub path: String,
    /// The partition in days since 1970; `Some` exactly for tables with partitions.
    pub event_date: Option<i32>,
    /// Its size.
    pub size_bytes: u64,
    /// Delta statistics, a JSON object: `numRecords`, `minValues`, `maxValues`, `nullCount`.
    pub stats: String,
    /// When it was written, in ms since 1970.
    pub modification_time_ms: i64,
    /// The SHA-256 of its bytes; `None` when not known.
    pub sha256: Option<[u8; 32]>,
    /// Its index of texts; `None` if it has none, or it is not known.
    pub text_index: Option<TextIndex>,
}

/// What became of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum CommitOutcome {
    /// The files are part of the table since this version.
    Committed {
        /// One more than the base.
        version: u64,
    },
    /// Another writer was first: nothing happened. Take a new snapshot and decide anew.
    Conflicted,
}

/// Puts `actions` at `version`, which must be one more than the version that they were decided on.
///
/// # Errors
///
/// After [`Error::Unavailable`] it is unknown whether the commit happened; trying the same again with the same
/// `commit_id` finds out.
pub(crate) async fn put_version(
    store: &dyn ObjectStore,
    table_root: &Path,
    version: u64,
    commit_id: &str,
    actions: &[Action],
) -> Result<CommitOutcome> {
    let path = paths::version_file(table_root, version);
    let lines = bytes::Bytes::from(actions::to_lines(actions)?);
    Ok(match retry::put_new(store, "commit", &path, lines).await? {
        Some(committed) if !is_ours(&path, &committed, commit_id)? => CommitOutcome::Conflicted,
        _ => CommitOutcome::Committed { version },
    })
}

fn is_ours(path: &Path, committed: &[u8], commit_id: &str) -> Result<bool> {
    Ok(actions::from_lines(path, committed)?
        .iter()
        .filter_map(|action| action.commit_info.as_ref()?.txn_id.as_deref())
        .any(|id| id == commit_id))
}

/// `commitInfo`, the first line of each commit.
pub(crate) fn commit_info(
    operation: &str,
    parameters: BTreeMap<String, serde_json::Value>,
    commit_id: &str,
    now_micros: i64,
) -> Action {
    Action {
        commit_info: Some(CommitInfo {
            timestamp: now_micros.div_euclid(1_000),
            operation: operation.to_owned(),
            operation_parameters: parameters,
            engine_info: concat!("audit-lake/", env!("CARGO_PKG_VERSION")).to_owned(),
            txn_id: Some(commit_id.to_owned()),
        }),
        ..Action::default()
    }
}

/// The `add` of a file. `data_change` says that its rows are new to the table.
pub(crate) fn add(table: TableName, file: &NewFile, data_change: bool) -> Result<Action> {
    if file.path.is_empty() || !file.path.bytes().all(paths::is_plain) {
        return Err(Error::invalid(format!(
            "`{}` is no path of a data file",
            file.path
        )));
    }
    let partition_values = match (table.schema().partition_by, file.event_date) {
        (Some(_), Some(days)) => {
            BTreeMap::from([(EVENT_DATE.to_owned(), Some(format_date(days)?))])
        }
        (None, None) => BTreeMap::new(),
        (Some(_), None) | (None, Some(_)) => {
            return Err(Error::invalid(format!(
                "the partition of `{}` does not fit the table {table}",
                file.path
            )));
        }
    };
    Ok(Action {
        add: Some(Add {
            path: file.path.clone(),
            partition_values,
            size: file.size_bytes,
            modification_time: file.modification_time_ms,
            data_change,
            stats: Some(file.stats.clone()),
            tags: tags(file),
            deletion_vector: None,
        }),
        ..Action::default()
    })
}

fn tags(file: &NewFile) -> Option<BTreeMap<String, Option<String>>> {
    let hash = file.sha256.map(checksum::to_hex);
    let index = file.text_index.as_ref().map(TextIndex::to_tag);
    let tags = [(checksum::TAG, hash), (TextIndex::TAG, index)];
    let tags = tags.into_iter().filter(|(_, value)| value.is_some());
    let tags: BTreeMap<_, _> = tags.map(|(tag, value)| (tag.to_owned(), value)).collect();
    (!tags.is_empty()).then_some(tags)
}

/// The `remove` of a file. `data_change` says that its rows leave the table with it.
pub(crate) fn remove(
    table_root: &Path,
    file: &DataFile,
    data_change: bool,
    now_micros: i64,
) -> Result<Action> {
    let partition_values = match file.event_date {
        Some(days) => BTreeMap::from([(EVENT_DATE.to_owned(), Some(format_date(days)?))]),
        None => BTreeMap::new(),
    };
    Ok(Action {
        remove: Some(Remove {
            path: paths::encoded_data_file(table_root, &file.path)?,
            deletion_timestamp: Some(now_micros.div_euclid(1_000)),
            data_change,
            extended_file_metadata: Some(true),
            partition_values: Some(partition_values),
            size: Some(file.size_bytes),
        }),
        ..Action::default()
    })
}
