//! A table's latest state: by its whole log at first, and then by the commits since.
//!
//! `deltalake` replays a log from its checkpoint. To follow the commits since the last snapshot is ours: it has to cost
//! one small request when nothing is new.

use std::sync::Arc;

use deltalake_core::kernel::Snapshot as DeltaSnapshot;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::actions::{self, Action, Protocol};
use crate::error::{Error, Result};
use crate::lake::Lake;
use crate::log::{delta_error, log_store, read_log};
use crate::log_view::LogView;
use crate::retry::{self, retry};
use crate::snapshot::{self, Snapshot};
use crate::{TableName, TenantId, paths};

/// Commits that are read ahead when many are new.
const READ_AHEAD_MAX: u64 = 32;

/// Other programs may delete old commits behind a checkpoint (after 30 days by default). A snapshot older than this
/// looks at the log's listing before it trusts that there is no next commit.
const LISTING_AFTER_MICROS: i64 = 3_600 * 1_000_000;

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
        None if has_log(store.as_ref(), &root).await? => false,
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
        let protocol = protocol(root, &replayed)?;
        protocol.check_readable(root)?;
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
        let properties = replayed.metadata().configuration();
        let is_append_only = actions::is_append_only(|name| properties.get(name));
        let snapshot = Snapshot::new(tenant, table, replayed.version(), files);
        Ok(Arc::new(snapshot.with_terms(protocol, is_append_only)))
    })
    .await
}

fn protocol(root: &Path, replayed: &DeltaSnapshot) -> Result<Protocol> {
    let protocol = serde_json::to_value(replayed.protocol()).map_err(Error::internal)?;
    serde_json::from_value(protocol).map_err(|source| Error::corrupt(root, source))
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
async fn has_log(store: &dyn ObjectStore, root: &Path) -> Result<bool> {
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
            let path = &object.location;
            if paths::version_of_file(path).is_some() || paths::is_checkpoint(path) {
                return Ok(true);
            }
        }
        Ok(false)
    })
    .await
}
