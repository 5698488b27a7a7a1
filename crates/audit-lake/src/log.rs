//! A table's log, as `deltalake` reads it: what it says beside its files, where it is damaged, what of it is deleted.

use std::sync::Arc;
use std::time::Duration;

use deltalake_core::checkpoints::cleanup_expired_logs_for;
use deltalake_core::kernel::EagerSnapshot;
use deltalake_core::logstore::LogStoreRef;
use deltalake_core::{DeltaTableBuilder, DeltaTableError};
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore};
use url::Url;

use crate::error::{Error, Result};
use crate::lake::Lake;
use crate::log_view::LogView;
use crate::retry::retry;
use crate::snapshot::Snapshot;
use crate::{checkpoint, paths};

/// The name in the log of how many rows have left the table because they expired.
pub(crate) const ROWS_EXPIRED: &str = "live_discover.rows_expired";

/// How long commits are kept behind a checkpoint, where the table does not say: Delta's default.
const LOG_RETENTION: Duration = Duration::from_secs(30 * 24 * 3_600);

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

/// Does `read` with the log of a table. What `deltalake` can't make sense of becomes an error that names the file.
///
/// A hint at a checkpoint that is gone is passed over: it spares a listing, no more. So is a checkpoint that can't be read.
/// Without them `deltalake` would take whatever commits are there for all, so another checkpoint or the first commit has to
/// be.
pub(crate) async fn read_log<T, F>(
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

pub(crate) fn log_store(store: Arc<dyn ObjectStore>, root: &Path) -> Result<LogStoreRef> {
    let url = delta_url(root)?;
    DeltaTableBuilder::from_url(url.clone())
        .and_then(|builder| builder.with_storage_backend(store, url).build_storage())
        .map_err(|source| delta_error("open", root, source))
}

/// The name under which `deltalake` finds a table in the lake's store, wherever that is.
///
/// The path is what counts. The host is one of those whose listings it takes as unordered (S3 directory buckets):
/// it sorts them, as the log needs, and our store may be a folder.
pub(crate) fn delta_url(root: &Path) -> Result<Url> {
    Url::parse(&format!("memory://lake--x-s3/{root}")).map_err(Error::internal)
}

/// A store's failure is to be tried again; what `deltalake` cannot make sense of stays so.
pub(crate) fn delta_error(operation: &'static str, root: &Path, error: DeltaTableError) -> Error {
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
