//! Objects that no reader can need any more.
//!
//! A data file stays while the newest version has it, and for the policy's time after the commit that took it out:
//! queries hold older versions. A file that no log names was left by a writer that was killed, or is one that a
//! running writer is about to commit; it stays for the same time, by its own age, and for an hour whatever the policy
//! says: a commit of a file that is not there would lose records.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore};

use super::{HOUR, MaintenancePolicy};
use crate::actions;
use crate::error::{Error, Result};
use crate::retry::{self, retry};
use crate::snapshot::Snapshot;
use crate::{Lake, TableName, TenantId, log, micros, paths};

/// Paths that are gathered before they are deleted.
const BATCH: usize = 10_000;

/// Commits read at a time.
const READS_MAX: usize = 32;

/// What was deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Vacuumed {
    /// Data files.
    pub files: u64,
    /// Bytes of them.
    pub size_bytes: u64,
    /// Commits and checkpoints that are older than the log is kept; not counted in a dry run.
    pub log_files: u64,
}

impl Lake {
    /// Deletes data files that left the table, or never were in it, longer ago than the policy says, and old parts of
    /// the log.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidInput`] for less than an hour, unless the policy says that nobody reads.
    pub async fn vacuum(
        &self,
        tenant: TenantId,
        table: TableName,
        policy: &MaintenancePolicy,
    ) -> Result<Vacuumed> {
        policy.check()?;
        let mut vacuumed = Vacuumed::default();
        let Some(after) = policy.vacuum_after else {
            return Ok(vacuumed);
        };
        let now = self.clock().now_micros();
        let before = |age: Duration| now.saturating_sub(micros(age));
        let left_before = before(after);
        let written_before = before(after.max(HOUR));
        let Some(snapshot) = self.snapshot(&tenant, table).await? else {
            return Ok(vacuumed);
        };
        snapshot.check_writable()?;
        let (left, is_all) = self.left_since(&snapshot, written_before).await?;
        let current: HashSet<&Path> = snapshot.files().iter().map(|file| &file.path).collect();
        let is_needed = |object: &ObjectMeta| {
            current.contains(&object.location)
                || match left.get(&object.location) {
                    Some(left) => *left >= left_before,
                    None => !is_all || object.last_modified.timestamp_micros() >= written_before,
                }
        };
        loop {
            let unneeded = self.unneeded(&snapshot, is_needed).await?;
            vacuumed.files += unneeded.len() as u64;
            vacuumed.size_bytes += unneeded.iter().map(|object| object.size).sum::<u64>();
            let is_all = unneeded.len() < BATCH;
            if !policy.dry_run {
                self.delete_objects(unneeded).await?;
            }
            if is_all || policy.dry_run {
                break;
            }
        }
        if !policy.dry_run {
            let facts = log::log_facts(self, &snapshot).await?;
            let cutoff = before(facts.log_retention.max(after));
            vacuumed.log_files = log::clean_log(self, &snapshot, cutoff).await? as u64;
        }
        Ok(vacuumed)
    }

    /// The data files that commits since `since_micros` took out, and when: what a version since then has and the newest
    /// lacks. And whether these are all: what a damaged commit took out is not known.
    async fn left_since(
        &self,
        snapshot: &Snapshot,
        since_micros: i64,
    ) -> Result<(HashMap<Path, i64>, bool)> {
        let store: &dyn ObjectStore = &self.store();
        let root = paths::table_root(snapshot.tenant(), snapshot.table());
        let log = paths::delta_log(&root);
        let young: Vec<ObjectMeta> = retry(|| async {
            let objects = store
                .list(Some(&log))
                .map_err(|e| Error::store("list", &log, e));
            let young = objects.try_filter(|object| {
                let is_young = object.last_modified.timestamp_micros() >= since_micros
                    && paths::version_of_file(&object.location).is_some();
                std::future::ready(is_young)
            });
            young.try_collect().await
        })
        .await?;
        let (mut left, mut is_all) = (HashMap::new(), true);
        let mut commits = futures::stream::iter(young)
            .map(|object| async move {
                let path = object.location;
                let lines = retry::read(store, &path).await?.unwrap_or_default();
                let actions = actions::from_lines(&path, &lines);
                Ok::<_, Error>((object.last_modified.timestamp_micros(), actions))
            })
            .buffered(READS_MAX);
        while let Some((micros, actions)) = commits.try_next().await? {
            let actions = match actions {
                Err(error @ Error::Corrupt { .. }) => {
                    tracing::warn!(%error, "files are kept that no other commit took out");
                    is_all = false;
                    continue;
                }
                actions => actions?,
            };
            for remove in actions.iter().filter_map(|action| action.remove.as_ref()) {
                left.insert(paths::data_file(&root, &remove.path)?, micros);
            }
        }
        Ok((left, is_all))
    }

    /// Data files that nobody needs, so many at most as are deleted at a time.
    async fn unneeded(
        &self,
        snapshot: &Snapshot,
        is_needed: impl Fn(&ObjectMeta) -> bool + Send + Sync,
    ) -> Result<Vec<ObjectMeta>> {
        let store = self.store();
        let root = paths::table_root(snapshot.tenant(), snapshot.table());
        retry(|| async {
            let objects = store
                .list(Some(&root))
                .map_err(|e| Error::store("list", &root, e));
            let unneeded = objects.try_filter(|object| {
                let is_unneeded = is_data_file(&root, &object.location) && !is_needed(object);
                std::future::ready(is_unneeded)
            });
            unneeded.take(BATCH).try_collect().await
        })
        .await
    }

    async fn delete_objects(&self, objects: Vec<ObjectMeta>) -> Result<()> {
        let Some(first) = objects.first().map(|object| object.location.clone()) else {
            return Ok(());
        };
        let store = self.store();
        retry(|| async {
            let paths: Vec<_> = objects
                .iter()
                .map(|object| Ok(object.location.clone()))
                .collect();
            let mut deleted = store.delete_stream(futures::stream::iter(paths).boxed());
            while let Some(outcome) = deleted.next().await {
                match outcome {
                    Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
                    Err(source) => return Err(Error::store("delete", &first, source)),
                }
            }
            Ok(())
        })
        .await
    }
}

/// Whether it is a Parquet file of the table itself: Delta keeps what is not behind names with `_`.
fn is_data_file(table_root: &Path, path: &Path) -> bool {
    let Some(mut parts) = path.prefix_match(table_root) else {
        return false;
    };
    let is_hidden = parts.any(|part| part.as_ref().starts_with(['_', '.']));
    !is_hidden && path.extension() == Some("parquet")
}
