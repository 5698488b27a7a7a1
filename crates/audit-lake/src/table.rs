//! A Delta table of the lake: creating it, following its log, committing to it.
//!
//! `deltalake` replays a log from its checkpoint and writes checkpoints. Following the commits since the last
//! snapshot and the commit itself are ours: the first has to cost one small request when nothing is new, the second
//! has to be exactly one put-if-absent (see [`crate::commit`]).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use deltalake_core::checkpoints::cleanup_expired_logs_for;
use deltalake_core::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake_core::kernel::{EagerSnapshot, Snapshot as DeltaSnapshot, StructType};
use deltalake_core::logstore::LogStoreRef;
use deltalake_core::{DeltaTableBuilder, DeltaTableError};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use url::Url;

use crate::actions::{self, Action, MetaData, Protocol, Txn};
use crate::commit::{self, CommitOutcome, NewFile};
use crate::error::{Error, Result};
use crate::lake::Lake;
use crate::log_view::LogView;
use crate::retry::{self, retry};
use crate::snapshot::{self, DataFile, Snapshot};
use crate::{TableName, TenantId, checkpoint, paths};

/// A checkpoint costs as much as the table has files, the commits behind it cost one request each when a table is
/// opened. Readers of other makes follow the table's property.
const COMMITS_PER_CHECKPOINT: u64 = 50;
/// Commits that are read ahead when many are new.
const READ_AHEAD_MAX: u64 = 32;
/// Other programs may delete old commits behind a checkpoint (after 30 days by default). A snapshot older than this
/// looks at the log's listing before it trusts that there is no next commit.
const LISTING_AFTER_MICROS: i64 = 3_600 * 1_000_000;

/// The name in the log of how many rows have left the table because they expired.
const ROWS_EXPIRED: &str = "live_discover.rows_expired";

/// How long commits are kept behind a checkpoint, where the table does not say: Delta's default.
const LOG_RETENTION: Duration = Duration::from_secs(30 * 24 * 3_600);

/// A tenant's table, open for writing.
#[derive(Debug, Clone)]
pub struct DeltaTableHandle {
    lake: Lake,
    tenant: TenantId,
    table: TableName,
}

impl DeltaTableHandle {
    /// Whose table it is.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// Which table it is.
    pub fn table(&self) -> TableName {
        self.table
    }

    /// The table's folder, from the root of the lake's store.
    pub fn root(&self) -> Path {
        paths::table_root(self.tenant, self.table)
    }

    /// The latest committed state.
    pub async fn snapshot(&self) -> Result<Arc<Snapshot>> {
        let snapshot = self.lake.snapshot(&self.tenant, self.table).await?;
        snapshot.ok_or_else(|| Error::NotFound {
            what: self.root().to_string(),
        })
    }

    /// Adds files to the table as version `base.version() + 1`, all or none, or not at all if that version exists.
    ///
    /// The files must lie in the table's folder already.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidInput`] for a file that does not fit the table. After [`Error::Unavailable`] it is unknown
    /// whether the commit happened: look for the files in a new snapshot.
    pub async fn try_commit(&self, base: &Snapshot, files: &[NewFile]) -> Result<CommitOutcome> {
        let change = TableChange {
            operation: "WRITE",
            parameters: BTreeMap::from([("mode".to_owned(), "Append".into())]),
            removed: &[],
            added: files,
            data_change: true,
            rows_expired: None,
        };
        self.try_change(base, &change).await
    }

    /// Takes files out of the table and puts others in, as version `base.version() + 1`, all or nothing.
    ///
    /// The removed ones must be files of `base`.
    ///
    /// # Errors
    ///
    /// As [`try_commit`](Self::try_commit).
    pub(crate) async fn try_change(
        &self,
        base: &Snapshot,
        change: &TableChange<'_>,
    ) -> Result<CommitOutcome> {
        if (base.tenant(), base.table()) != (self.tenant, self.table) {
            return Err(Error::internal(
                "the base of a commit is a snapshot of another table",
            ));
        }
        let (root, now_micros) = (self.root(), self.lake.clock().now_micros());
        let commit_id = self.lake.ids().next_id().to_string();
        let mut actions = vec![commit::commit_info(
            change.operation,
            change.parameters.clone(),
            &commit_id,
            now_micros,
        )];
        if let Some(rows) = change.rows_expired {
            actions.push(Action {
                txn: Some(Txn {
                    app_id: ROWS_EXPIRED.to_owned(),
                    version: rows,
                }),
                ..Action::default()
            });
        }
        for file in change.removed {
            actions.push(commit::remove(&root, file, change.data_change, now_micros)?);
        }
        for file in change.added {
            actions.push(commit::add(self.table, file, change.data_change)?);
        }
        let version = base.version() + 1;
        let outcome = commit::put_version(
            self.lake.store().as_ref(),
            &root,
            version,
            &commit_id,
            &actions,
        )
        .await?;
        if outcome == (CommitOutcome::Committed { version })
            && version.is_multiple_of(COMMITS_PER_CHECKPOINT)
            && let Err(error) = self.checkpoint(version).await
        {
            // It saves readers time; without it the table is as right as with it.
            tracing::warn!(%error, version, table = %self.root(), "could not write a checkpoint");
        }
        Ok(outcome)
    }

    /// Writes a checkpoint of a version, so that readers need not read the commits up to it.
    pub async fn checkpoint(&self, version: u64) -> Result<()> {
        let root = &self.root();
        let url = &delta_url(root)?;
        // By the listing alone: a hint that is wrong is replaced by one at this checkpoint.
        let view = LogView::new(self.lake.store(), false);
        read_log(view, root, |store| async move {
            let table = DeltaTableBuilder::from_url(url.clone())
                .map_err(|source| delta_error("open", root, source))?
                .with_storage_backend(store, url.clone())
                .with_version(version)
                .load()
                .await
                .map_err(|source| delta_error("open", root, source))?;
            deltalake_core::checkpoints::create_checkpoint(&table, None)
                .await
                .map_err(|source| delta_error("write a checkpoint of", root, source))
        })
        .await
    }
}

/// What a commit does to a table.
#[derive(Debug)]
pub(crate) struct TableChange<'a> {
    /// By the names that Delta's writers use: `WRITE`, `OPTIMIZE`, `DELETE`.
    pub(crate) operation: &'static str,
    pub(crate) parameters: BTreeMap<String, serde_json::Value>,
    pub(crate) removed: &'a [DataFile],
    pub(crate) added: &'a [NewFile],
    /// `false` where the same rows lie in other files afterwards.
    pub(crate) data_change: bool,
    /// Rows that have expired since the table was made, these included; `None` where none do.
    pub(crate) rows_expired: Option<u64>,
}

/// What a log says beside its files.
#[derive(Debug)]
pub(crate) struct LogFacts {
    /// Rows that have expired since the table was made.
    pub(crate) rows_expired: u64,
    /// How long commits are kept behind a checkpoint.
    pub(crate) log_retention: Duration,
}

/// What the log says at a version. Costs a replay of the whole log.
pub(crate) async fn log_facts(lake: &Lake, snapshot: &Snapshot) -> Result<LogFacts> {
    let root = &paths::table_root(snapshot.tenant(), snapshot.table());
    read_log(LogView::new(lake.store(), true), root, |store| async move {
        let failed = |source| delta_error("read the log of", root, source);
        let log_store = log_store(store, root)?;
        let replayed = EagerSnapshot::try_new(log_store.as_ref(), Some(snapshot.version()))
            .await
            .map_err(failed)?;
        let rows_expired = replayed
            .transaction_version(log_store.as_ref(), ROWS_EXPIRED)
            .await
            .map_err(failed)?;
        Ok(LogFacts {
            rows_expired: rows_expired.map_or(0, i64::unsigned_abs),
            log_retention: (replayed.table_properties().log_retention_duration)
                .unwrap_or(LOG_RETENTION),
        })
    })
    .await
}

/// Deletes commits and checkpoints of before `cutoff_micros` that no version since then needs. Tells how many.
pub(crate) async fn clean_log(
    lake: &Lake,
    snapshot: &Snapshot,
    cutoff_micros: i64,
) -> Result<usize> {
    let root = paths::table_root(snapshot.tenant(), snapshot.table());
    let cutoff_ms = cutoff_micros.div_euclid(1_000);
    // What stands for the commits before it has to be whole.
    let store = lake.store();
    let objects = log_objects(&store, &root).await?;
    let kept = (objects.iter())
        .filter(|object| object.last_modified.timestamp_millis() >= cutoff_ms)
        .filter_map(|object| paths::version_of_file(&object.location))
        .fold(snapshot.version(), u64::min);
    let damaged = checkpoint::damaged_before(&store, &objects, kept).await?;
    let view = LogView::new(store, true).without_checkpoints(damaged);
    let log_store = log_store(Arc::new(view), &root)?;
    cleanup_expired_logs_for(snapshot.version(), log_store.as_ref(), cutoff_ms, None)
        .await
        .map_err(|source| delta_error("clean the log of", &root, source))
}

/// Opens a table for writing, creating it when it does not exist.
///
/// Two creators race for version 0: the loser reads what the winner wrote.
pub(crate) async fn open_or_create(
    lake: &Lake,
    tenant: TenantId,
    table: TableName,
) -> Result<DeltaTableHandle> {
    let handle = DeltaTableHandle {
        lake: lake.clone(),
        tenant,
        table,
    };
    if lake.snapshot(&tenant, table).await?.is_none() {
        let now_micros = lake.clock().now_micros();
        let commit_id = lake.ids().next_id().to_string();
        let meta_data = meta_data(table, lake.ids().next_id().to_string(), now_micros)?;
        let actions = [
            commit::commit_info("CREATE TABLE", BTreeMap::new(), &commit_id, now_micros),
            Action {
                protocol: Some(Protocol::PLAIN),
                ..Action::default()
            },
            Action {
                meta_data: Some(meta_data),
                ..Action::default()
            },
        ];
        match commit::put_version(
            lake.store().as_ref(),
            &handle.root(),
            0,
            &commit_id,
            &actions,
        )
        .await?
        {
            CommitOutcome::Committed { .. } | CommitOutcome::Conflicted => {}
        }
    }
    Ok(handle)
}

fn meta_data(table: TableName, id: String, now_micros: i64) -> Result<MetaData> {
    let schema = table.schema();
    Ok(MetaData {
        id,
        name: Some(schema.name.to_owned()),
        description: Some(schema.description.to_owned()),
        format: actions::Format::default(),
        schema_string: schema_string(&schema.arrow_schema())?,
        partition_columns: schema
            .partition_by
            .iter()
            .map(|&column| column.to_owned())
            .collect(),
        configuration: BTreeMap::from([(
            "delta.checkpointInterval".to_owned(),
            COMMITS_PER_CHECKPOINT.to_string(),
        )]),
        created_time: Some(now_micros.div_euclid(1_000)),
    })
}

fn schema_string(schema: &SchemaRef) -> Result<String> {
    let schema: StructType = schema.as_ref().try_into_kernel().map_err(Error::internal)?;
    serde_json::to_string(&schema).map_err(Error::internal)
}

/// A table's state and when it was last known to be the latest.
#[derive(Debug, Clone)]
pub(crate) struct Followed {
    pub(crate) snapshot: Arc<Snapshot>,
    refreshed_at_micros: i64,
}

/// Makes `followed` the latest committed state; `None` where there is no table. If that fails, or is given up, it stays
/// what it was: to know nothing would cost a replay of the whole log.
pub(crate) async fn follow(
    lake: &Lake,
    tenant: TenantId,
    table: TableName,
    followed: &mut Option<Followed>,
) -> Result<()> {
    let store = lake.store();
    let root = paths::table_root(tenant, table);
    let now_micros = lake.clock().now_micros();
    let is_followed = match followed {
        Some(last) => {
            let age_micros = now_micros.saturating_sub(last.refreshed_at_micros);
            age_micros <= LISTING_AFTER_MICROS
                || !next_commit_is_gone(store.as_ref(), &root, last.snapshot.version()).await?
        }
        None if has_commits(store.as_ref(), &root).await? => false,
        None => return Ok(()),
    };
    if !is_followed {
        *followed = Some(Followed {
            snapshot: replay(Arc::clone(&store), tenant, table).await?,
            refreshed_at_micros: now_micros,
        });
    }
    if let Some(last) = followed {
        let commits = commits_after(store.as_ref(), &root, last.snapshot.version()).await?;
        if !commits.is_empty() {
            // Copies the files only if a reader still holds the snapshot.
            Arc::make_mut(&mut last.snapshot).apply(commits)?;
        }
        last.refreshed_at_micros = now_micros;
    }
    Ok(())
}

/// The state by the whole log: checkpoint and the commits behind it.
async fn replay(
    store: Arc<dyn ObjectStore>,
    tenant: TenantId,
    table: TableName,
) -> Result<Arc<Snapshot>> {
    let root = &paths::table_root(tenant, table);
    read_log(LogView::new(store, true), root, |store| async move {
        let log_store = log_store(store, root)?;
        let replayed = DeltaSnapshot::try_new(log_store.as_ref(), None)
            .await
            .map_err(|source| delta_error("open", root, source))?;
        check_protocol(root, &replayed)?;
        let mut views = replayed.file_views(log_store.as_ref(), None);
        let mut files = Vec::new();
        while let Some(view) = views.next().await {
            let view = view.map_err(|source| delta_error("read the log of", root, source))?;
            #[expect(deprecated, reason = "nothing else gives the tags")]
            let add = view.add_action();
            let tags = add.tags.unwrap_or_default();
            files.push(snapshot::data_file(
                root,
                &add.path,
                u64::try_from(add.size)
                    .map_err(|_| Error::corrupt(root, "a file has a negative size"))?,
                add.modification_time,
                (add.partition_values.get(snapshot::EVENT_DATE)).and_then(Option::as_deref),
                add.stats.as_deref(),
                |tag| tags.get(tag)?.as_deref(),
            )?);
        }
        Ok(Arc::new(Snapshot::new(
            tenant,
            table,
            replayed.version(),
            files,
        )))
    })
    .await
}

/// Does `read` with the log of a table. What `deltalake` can't make sense of becomes an error that names the file.
///
/// A hint at a checkpoint that is gone is passed over: it spares a listing, no more. So is a checkpoint that can't be read.
/// Without them `deltalake` would take whatever commits are there for all, so another checkpoint or the first commit has to
/// be.
async fn read_log<T, F>(
    mut view: LogView,
    root: &Path,
    read: impl Fn(Arc<dyn ObjectStore>) -> F + Sync,
) -> Result<T>
where
    F: Future<Output = Result<T>> + Send,
    T: Send,
{
    // What is wrong with the checkpoint that was passed over first.
    let mut damaged = None;
    loop {
        let outcome = retry(|| read(Arc::new(view.clone()))).await;
        let message = match &outcome {
            Err(Error::Corrupt { message, .. }) => message,
            Err(Error::Unavailable { .. }) => return view.damage().map_or(outcome, Err),
            _ => return outcome,
        };
        if let Some(damage) = view.damage() {
            return Err(damaged.unwrap_or(damage));
        }
        let is_hint = view.has_hint() && message.contains(KERNEL_HINT_ERROR);
        let checkpoint = (view.checkpoint()).filter(|_| !is_hint);
        let version = checkpoint.as_ref().and_then(paths::version_of_checkpoint);
        let next = match version {
            _ if is_hint => Some(view.without_hint()),
            Some(version) => Some(view.without_checkpoints([version])),
            None => None,
        };
        let error = located(&view, root, message).await?;
        let next = match next {
            Some(next) if has_beginning(&next, root).await? => next,
            _ => return Err(damaged.unwrap_or(error)),
        };
        match checkpoint {
            Some(path) => {
                tracing::warn!(%path, "a checkpoint can't be read and is passed over");
                damaged.get_or_insert(error);
            }
            None => {
                tracing::warn!(table = %root, "the hint at the newest checkpoint names none that exists and is passed over");
            }
        }
        view = next;
    }
}

/// The kernel below `deltalake` found no checkpoint at or after the one that the hint names.
const KERNEL_HINT_ERROR: &str = "Had a _last_checkpoint hint";

/// What is wrong with a log, and where, if that can be told.
async fn located(view: &LogView, root: &Path, message: &str) -> Result<Error> {
    let objects = log_objects(view, root).await?;
    let mut versions: Vec<u64> = (objects.iter())
        .filter_map(|object| paths::version_of_file(&object.location))
        .collect();
    versions.sort_unstable();
    let gap = versions.windows(2).find(|pair| pair[0] + 1 < pair[1]);
    if let Some(pair) = gap {
        let missing = paths::version_file(root, pair[0] + 1);
        return Ok(Error::corrupt(
            &missing,
            "does not exist, but newer commits do",
        ));
    }
    Ok(match view.checkpoint() {
        Some(checkpoint) => Error::corrupt(
            &checkpoint,
            format!(
                "{message}; the commits before it are not all there, so restore it from a copy of the lake"
            ),
        ),
        None => Error::corrupt(root, message),
    })
}

/// Whether there is something that the state of a table can be told from.
async fn has_beginning(view: &LogView, root: &Path) -> Result<bool> {
    let objects = log_objects(view, root).await?;
    Ok(objects.iter().any(|object| {
        paths::version_of_file(&object.location) == Some(0)
            || paths::is_checkpoint(&object.location)
    }))
}

/// What lies in the folder of a log.
pub(crate) async fn log_objects(store: &dyn ObjectStore, root: &Path) -> Result<Vec<ObjectMeta>> {
    let log = paths::delta_log(root);
    retry(|| async {
        let objects = store.list(Some(&log)).try_collect().await;
        objects.map_err(|source| Error::store("list", &log, source))
    })
    .await
}

fn log_store(store: Arc<dyn ObjectStore>, root: &Path) -> Result<LogStoreRef> {
    let url = delta_url(root)?;
    DeltaTableBuilder::from_url(url.clone())
        .and_then(|builder| builder.with_storage_backend(store, url).build_storage())
        .map_err(|source| delta_error("open", root, source))
}

fn check_protocol(root: &Path, replayed: &DeltaSnapshot) -> Result<()> {
    let protocol = serde_json::to_value(replayed.protocol()).map_err(Error::internal)?;
    let protocol: Protocol =
        serde_json::from_value(protocol).map_err(|source| Error::corrupt(root, source))?;
    protocol.check_readable(root)
}

/// The commits from `version + 1` on, without a gap.
async fn commits_after(
    store: &dyn ObjectStore,
    root: &Path,
    version: u64,
) -> Result<Vec<Vec<Action>>> {
    let mut commits = Vec::new();
    // One request when nothing is new, few rounds when much is.
    let mut read_ahead = 1;
    loop {
        let first = version + 1 + commits.len() as u64;
        let mut round = futures::stream::iter(first..first + read_ahead)
            .map(|version| async move {
                let path = paths::version_file(root, version);
                let lines = retry::read(store, &path).await?;
                lines
                    .map(|lines| actions::from_lines(&path, &lines))
                    .transpose()
            })
            .buffered(READ_AHEAD_MAX as usize);
        while let Some(commit) = round.next().await {
            match commit? {
                Some(actions) => commits.push(actions),
                // What came after it was committed after this call began.
                None => return Ok(commits),
            }
        }
        read_ahead = (read_ahead * 2).min(READ_AHEAD_MAX);
    }
}

/// Whether the log goes on after `version`, but not with the very next one.
async fn next_commit_is_gone(store: &dyn ObjectStore, root: &Path, version: u64) -> Result<bool> {
    let log = paths::delta_log(root);
    retry(|| async {
        let mut goes_on = false;
        let mut listing = store.list_with_offset(Some(&log), &paths::version_file(root, version));
        while let Some(object) = listing
            .try_next()
            .await
            .map_err(|source| Error::store("list", &log, source))?
        {
            match paths::version_of_file(&object.location) {
                Some(next) if next == version + 1 => return Ok(false),
                Some(later) => goes_on |= later > version,
                None => {}
            }
        }
        Ok(goes_on)
    })
    .await
}

/// Whether there is a table at all.
async fn has_commits(store: &dyn ObjectStore, root: &Path) -> Result<bool> {
    let first = paths::version_file(root, 0);
    let log = paths::delta_log(root);
    retry(|| async {
        match store.head(&first).await {
            Ok(_) => return Ok(true),
            Err(object_store::Error::NotFound { .. }) => {}
            Err(source) => return Err(Error::store("read", &first, source)),
        }
        // Old commits may have been cleaned up behind a checkpoint.
        let mut listing = store.list(Some(&log));
        while let Some(object) = listing
            .try_next()
            .await
            .map_err(|source| Error::store("list", &log, source))?
        {
            if paths::version_of_file(&object.location).is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    })
    .await
}

/// The name under which `deltalake` finds a table in the lake's store, wherever that is.
///
/// The path is what counts. The host is one of those whose listings it takes as unordered (S3 directory buckets):
/// it sorts them, as the log needs, and our store may be a folder.
fn delta_url(root: &Path) -> Result<Url> {
    Url::parse(&format!("memory://lake--x-s3/{root}")).map_err(Error::internal)
}

/// A store's failure is to be tried again; what `deltalake` cannot make sense of stays so.
fn delta_error(operation: &'static str, root: &Path, error: DeltaTableError) -> Error {
    // The kernel below `deltalake` passes a store's error on as text alone.
    const KERNEL_STORE_ERROR: &str = "Error interacting with object store";
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(link) = cause {
        if link.is::<object_store::Error>() || link.to_string().contains(KERNEL_STORE_ERROR) {
            return Error::Unavailable {
                operation,
                path: root.to_string(),
                source: in_words(&error.to_string()).into(),
            };
        }
        cause = link.source();
    }
    Error::corrupt(root, in_words(&error.to_string()))
}

/// An error of the kernel without its backtrace and without what it prints of its own structures.
fn in_words(message: &str) -> &str {
    let is_frame = |line: &str| {
        let line = line.trim_start();
        let number = line.trim_start_matches(|letter: char| letter.is_ascii_digit());
        number.len() < line.len() && number.starts_with(": ")
    };
    let frames = message.lines().skip(1).find(|line| is_frame(line));
    let end = (frames.into_iter().chain(["ParsedLogPath"]))
        .filter_map(|part| message.find(part))
        .min();
    message[..end.unwrap_or(message.len())].trim_end_matches([' ', ':', '[', '\n', '(', '"'])
}

#[cfg(test)]
mod tests {
    use super::in_words;

    #[test]
    fn errors_of_the_kernel_are_said_in_words() {
        for (message, expected) in [
            ("Kernel error: x: 1: y", "Kernel error: x: 1: y"),
            (
                "Kernel error: no: 5\n   0: buoyant_kernel::error::Error::with_backtrace\n             at /x.rs:1",
                "Kernel error: no: 5",
            ),
            (
                "found gap: ParsedLogPath { location: FileMeta { .. } } -> ParsedLogPath { .. }",
                "found gap",
            ),
        ] {
            assert_eq!(in_words(message), expected);
        }
    }
}
