//! An immutable state of a table: its version and its data files.
//!
//! A snapshot is made from the whole log once and then, commit by commit, from the one before; the log's own
//! statistics are reduced to what prunes files.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::datatypes::Date32Type;
use object_store::path::Path;
use serde::Deserialize;

use crate::actions::{self, Action, Add, Protocol};
use crate::error::{Error, Result};
use crate::text_index::TextIndex;
use crate::{TableName, TenantId, checksum, paths};

/// A table at one version: what a reader opens, and what a writer commits on top of.
#[derive(Debug, Clone)]
pub struct Snapshot {
    tenant: TenantId,
    table: TableName,
    version: u64,
    /// Ordered by partition, time and path.
    files: Vec<DataFile>,
    protocol: Protocol,
    is_append_only: bool,
}

/// A Parquet file of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataFile {
    /// Where it lies, from the root of the lake's store.
    pub path: Path,
    /// Its size.
    pub size_bytes: u64,
    /// Rows in it.
    pub rows: u64,
    /// The partition: days since 1970 (UTC date of `creation_time`). `None` in tables without partitions.
    pub event_date: Option<i32>,
    /// Bounds of `creation_time`, both inclusive, in µs since 1970; `None` when not known.
    pub creation_time: Option<(i64, i64)>,
    /// Bounds of `ingest_sequence`, both inclusive; `None` when not known.
    pub ingest_sequence: Option<(i64, i64)>,
    /// Bounds of when its rows were written, both inclusive, in µs since 1970; `None` when not known. It is
    /// `ingested_at`, or `state_at` in the ledger.
    pub rows_written_at: Option<(i64, i64)>,
    /// When it was written, in ms since 1970.
    pub modification_time_ms: i64,
    /// The SHA-256 of its bytes; `None` for files of older and other programs.
    pub sha256: Option<[u8; 32]>,
    /// Its index of texts, as far as the log says where it is; else the footer of the file does, if it has one.
    pub text_index: Option<Arc<TextIndex>>,
}

impl Snapshot {
    /// Whose table it is.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// Which table it is.
    pub fn table(&self) -> TableName {
        self.table
    }

    /// The Delta version.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The data files, ordered by partition, oldest `creation_time` and path.
    pub fn files(&self) -> &[DataFile] {
        &self.files
    }

    /// Rows of all files.
    pub fn rows(&self) -> u64 {
        self.files.iter().map(|file| file.rows).sum()
    }

    /// Bytes of all data files.
    pub fn size_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size_bytes).sum()
    }

    pub(crate) fn new(
        tenant: TenantId,
        table: TableName,
        version: u64,
        mut files: Vec<DataFile>,
    ) -> Self {
        sort(&mut files);
        Self {
            tenant,
            table,
            version,
            files,
            protocol: Protocol::PLAIN,
            is_append_only: false,
        }
    }

    /// What it asks of its writers.
    pub(crate) fn with_terms(mut self, protocol: Protocol, is_append_only: bool) -> Self {
        self.protocol = protocol;
        self.is_append_only = is_append_only;
        self
    }

    /// Fails where a commit on top of this state would break what another program wants of each.
    pub(crate) fn check_writable(&self) -> Result<()> {
        let root = paths::table_root(self.tenant, self.table);
        self.protocol.check_writable(&root)
    }

    /// Fails where rows may not leave the table.
    pub(crate) fn check_deletable(&self) -> Result<()> {
        if !self.is_append_only {
            return Ok(());
        }
        let root = paths::table_root(self.tenant, self.table);
        Err(Error::invalid(format!(
            "another program forbade that rows leave the table `{root}` (`delta.appendOnly`): nothing of it expires"
        )))
    }

    /// Becomes the state after the commits that follow, in order, each with the actions of its file.
    pub(crate) fn apply(&mut self, commits: Vec<Vec<Action>>) -> Result<()> {
        let root = paths::table_root(self.tenant, self.table);
        let version = self.version + commits.len() as u64;
        // The newest action on a path counts, so from the newest commit to the oldest; in one commit an `add` counts
        // more than a `remove`.
        let mut decided = HashSet::new();
        let mut added = Vec::new();
        let (mut protocol, mut is_append_only) = (None, None);
        for mut actions in commits.into_iter().rev() {
            for action in &mut actions {
                if let Some(new) = action.protocol.take() {
                    new.check_readable(&root)?;
                    protocol.get_or_insert(new);
                }
                if let Some(new) = &action.meta_data {
                    let properties = &new.configuration;
                    is_append_only.get_or_insert_with(|| {
                        actions::is_append_only(|name| properties.get(name))
                    });
                }
            }
            for add in actions.iter().filter_map(|action| action.add.as_ref()) {
                let file = data_file_of_add(&root, add)?;
                if decided.insert(file.path.clone()) {
                    added.push(file);
                }
            }
            for remove in actions.iter().filter_map(|action| action.remove.as_ref()) {
                decided.insert(paths::data_file(&root, &remove.path)?);
            }
        }
        if !decided.is_empty() {
            self.files.retain(|file| !decided.contains(&file.path));
            self.files.extend(added);
            sort(&mut self.files);
        }
        self.version = version;
        self.protocol = protocol.unwrap_or_else(|| self.protocol.clone());
        self.is_append_only = is_append_only.unwrap_or(self.is_append_only);
        Ok(())
    }
}

fn order(file: &DataFile) -> (Option<i32>, Option<i64>, &str) {
    (
        file.event_date,
        file.creation_time.map(|(min, _)| min),
        file.path.as_ref(),
    )
}

fn sort(files: &mut [DataFile]) {
    files.sort_by(|a, b| order(a).cmp(&order(b)));
}

fn data_file_of_add(table_root: &Path, add: &Add) -> Result<DataFile> {
    if add.deletion_vector.is_some() {
        return Err(Error::invalid(format!(
            "another program deleted rows in `{}` of the table `{table_root}` by a deletion vector, which this version does not read",
            add.path
        )));
    }
    let event_date = add.partition_values.get(EVENT_DATE).cloned().flatten();
    data_file(
        table_root,
        &add.path,
        add.size,
        add.modification_time,
        event_date.as_deref(),
        add.stats.as_deref(),
        |tag| add.tags.as_ref()?.get(tag)?.as_deref(),
    )
}

pub(crate) const EVENT_DATE: &str = "event_date";

/// A data file of what the log says about it.
pub(crate) fn data_file<'t>(
    table_root: &Path,
    encoded_path: &str,
    size_bytes: u64,
    modification_time_ms: i64,
    event_date: Option<&str>,
    stats: Option<&str>,
    tag: impl Fn(&str) -> Option<&'t str>,
) -> Result<DataFile> {
    let path = paths::data_file(table_root, encoded_path)?;
    let stats: Stats = match stats {
        Some(json) => serde_json::from_str(json)
            .map_err(|source| Error::corrupt(&path, format!("its statistics: {source}")))?,
        None => Stats::default(),
    };
    let event_date =
        match event_date {
            Some(text) => Some(parse_date(text).ok_or_else(|| {
                Error::corrupt(&path, format!("its partition `{text}` is no date"))
            })?),
            None => None,
        };
    Ok(DataFile {
        size_bytes,
        // Another program's file may come without statistics; its rows are found when it is read.
        rows: stats.num_records.unwrap_or(0),
        event_date,
        creation_time: time_bounds(&stats, |bounds| bounds.creation_time.as_deref()),
        ingest_sequence: both(
            stats.min_values.ingest_sequence,
            stats.max_values.ingest_sequence,
        ),
        rows_written_at: time_bounds(&stats, |bounds| {
            bounds.ingested_at.as_deref().or(bounds.state_at.as_deref())
        }),
        modification_time_ms,
        sha256: tag(checksum::TAG)
            .map(|hex| checksum::from_hex(&path, hex))
            .transpose()?,
        text_index: (tag(TextIndex::TAG).and_then(TextIndex::of_tag)).map(Arc::new),
        path,
    })
}

fn time_bounds(stats: &Stats, bound: fn(&Bounds) -> Option<&str>) -> Option<(i64, i64)> {
    both(
        bound(&stats.min_values).and_then(lower_bound_micros),
        bound(&stats.max_values).and_then(upper_bound_micros),
    )
}

fn both<T>(min: Option<T>, max: Option<T>) -> Option<(T, T)> {
    min.zip(max)
}

/// The part of <https://github.com/delta-io/delta/blob/master/PROTOCOL.md#per-file-statistics> that prunes files.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Stats {
    num_records: Option<u64>,
    min_values: Bounds,
    max_values: Bounds,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Bounds {
    creation_time: Option<String>,
    ingest_sequence: Option<i64>,
    ingested_at: Option<String>,
    state_at: Option<String>,
}

fn lower_bound_micros(text: &str) -> Option<i64> {
    Some(
        chrono::DateTime::parse_from_rfc3339(text)
            .ok()?
            .timestamp_micros(),
    )
}

/// Delta truncates times in statistics to milliseconds: an upper bound with three digits may stand for 999 µs more.
fn upper_bound_micros(text: &str) -> Option<i64> {
    const TRUNCATED_MICROS: i64 = 999;
    let micros = lower_bound_micros(text)?;
    let fraction_digits = text.split_once('.').map_or(0, |(_, fraction)| {
        fraction.bytes().take_while(u8::is_ascii_digit).count()
    });
    Some(if fraction_digits >= 6 {
        micros
    } else {
        micros.saturating_add(TRUNCATED_MICROS)
    })
}

fn parse_date(text: &str) -> Option<i32> {
    use arrow::compute::kernels::cast_utils::Parser;
    Date32Type::parse(text)
}

/// The text of a partition value.
pub(crate) fn format_date(days: i32) -> Result<String> {
    let date = Date32Type::to_naive_date_opt(days)
        .ok_or_else(|| Error::invalid(format!("day {days} since 1970 is beyond the calendar")))?;
    Ok(date.format("%Y-%m-%d").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(path: &str, min: &str, max: &str) -> Action {
        let line = format!(
            r#"{{"add":{{"path":"{path}","partitionValues":{{"event_date":"2024-01-31"}},"size":10,"modificationTime":5,"dataChange":true,
                "stats":"{{\"numRecords\":3,\"minValues\":{{\"creation_time\":\"{min}\",\"ingest_sequence\":4,\"id\":\"a\"}},\"maxValues\":{{\"creation_time\":\"{max}\",\"ingest_sequence\":4}}}}"}}}}"#
        );
        serde_json::from_str(&line).unwrap()
    }

    fn remove(path: &str) -> Action {
        serde_json::from_str(&format!(
            r#"{{"remove":{{"path":"{path}","dataChange":true}}}}"#
        ))
        .unwrap()
    }

    fn names(snapshot: &Snapshot) -> Vec<&str> {
        snapshot
            .files()
            .iter()
            .filter_map(|file| file.path.filename())
            .collect()
    }

    #[test]
    fn commits_apply_in_order() {
        let mut snapshot = Snapshot::new(TenantId::UNKNOWN, TableName::Audit, 0, Vec::new());
        let late = "2024-01-31T02:00:00.000Z";
        let early = "2024-01-31T01:00:00.000Z";
        snapshot
            .apply(vec![
                vec![add("b", late, late)],
                vec![add("a", late, late), add("c", early, early)],
            ])
            .unwrap();
        assert_eq!(
            (snapshot.version(), names(&snapshot)),
            (2, vec!["c", "a", "b"])
        );
        assert_eq!((snapshot.rows(), snapshot.size_bytes()), (9, 30));

        snapshot
            .apply(vec![
                vec![remove("a"), remove("b"), add("d", early, late)],
                vec![add("b", early, late)],
            ])
            .unwrap();
        assert_eq!(
            (snapshot.version(), names(&snapshot)),
            (4, vec!["b", "c", "d"])
        );
        // Removed and added again in the same commit: it is there.
        snapshot
            .apply(vec![vec![remove("b"), add("b", late, late)]])
            .unwrap();
        assert_eq!(names(&snapshot), ["c", "d", "b"]);
        assert!(snapshot.apply(vec![]).is_ok());
        assert_eq!(snapshot.version(), 5);
    }

    #[test]
    fn what_a_table_asks_of_its_writers_holds() {
        for (lines, writable, deletable) in [
            (
                r#"{"protocol":{"minReaderVersion":1,"minWriterVersion":2}}"#,
                true,
                true,
            ),
            (
                r#"{"protocol":{"minReaderVersion":1,"minWriterVersion":4}}"#,
                false,
                true,
            ),
            (
                r#"{"protocol":{"minReaderVersion":1,"minWriterVersion":7}}"#,
                true,
                true,
            ),
            (
                r#"{"protocol":{"minReaderVersion":1,"minWriterVersion":7,"writerFeatures":["appendOnly","invariants"]}}"#,
                true,
                true,
            ),
            (
                r#"{"protocol":{"minReaderVersion":1,"minWriterVersion":7,"writerFeatures":["appendOnly","rowTracking"]}}"#,
                false,
                true,
            ),
            (
                r#"{"metaData":{"id":"1","schemaString":"{}","configuration":{"delta.appendOnly":"true"}}}"#,
                true,
                false,
            ),
            (
                r#"{"metaData":{"id":"1","schemaString":"{}","configuration":{"delta.appendOnly":"false"}}}"#,
                true,
                true,
            ),
        ] {
            let mut snapshot = Snapshot::new(TenantId::UNKNOWN, TableName::Audit, 0, Vec::new());
            let action: Action = serde_json::from_str(lines).unwrap();
            // It holds until another says otherwise.
            snapshot.apply(vec![vec![action], Vec::new()]).unwrap();
            assert_eq!(snapshot.check_writable().is_ok(), writable, "{lines}");
            assert_eq!(snapshot.check_deletable().is_ok(), deletable, "{lines}");
        }
    }

    #[test]
    fn bounds_of_times_are_never_too_narrow() {
        for (text, lower, upper) in [
            ("1970-01-01T00:00:00.001Z", 1_000, 1_999),
            ("1970-01-01T00:00:00.001234Z", 1_234, 1_234),
            ("1970-01-01T00:00:01Z", 1_000_000, 1_000_999),
            ("1970-01-01T01:00:00.000+01:00", 0, 999),
        ] {
            assert_eq!(
                (lower_bound_micros(text), upper_bound_micros(text)),
                (Some(lower), Some(upper)),
                "{text}"
            );
        }
    }

    #[test]
    fn strange_logs_are_refused() {
        for line in [
            r#"{"add":{"path":"a","size":1,"modificationTime":5,"dataChange":true,"deletionVector":{"storageType":"u"}}}"#,
            r#"{"add":{"path":"a","size":1,"modificationTime":5,"dataChange":true,"stats":"{"}}"#,
            r#"{"add":{"path":"../a","size":1,"modificationTime":5,"dataChange":true}}"#,
            r#"{"add":{"path":"a","size":1,"modificationTime":5,"dataChange":true,"partitionValues":{"event_date":"x"}}}"#,
            r#"{"protocol":{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["deletionVectors"]}}"#,
        ] {
            let action: Action = serde_json::from_str(line).unwrap();
            let mut snapshot = Snapshot::new(TenantId::UNKNOWN, TableName::Audit, 0, Vec::new());
            assert!(snapshot.apply(vec![vec![action]]).is_err(), "{line}");
        }
    }
}
