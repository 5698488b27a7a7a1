//! Small files into large ones.

use std::collections::{BTreeMap, HashSet};
use std::num::NonZeroUsize;
use std::sync::{Arc, mpsc};

use futures::channel::oneshot;
use futures::{StreamExt, TryStreamExt};
use object_store::ObjectStore;
use object_store::path::Path;

use super::choose::choose;
use super::merge::{Plan, Source};
use super::{ATTEMPTS_MAX, Compaction, MaintenancePolicy, MaintenanceProgress};
use crate::commit::{CommitOutcome, NewFile};
use crate::error::{Error, Result};
use crate::retry;
use crate::snapshot::{DataFile, Snapshot, format_date};
use crate::table::{DeltaTableHandle, TableChange};
use crate::upload::{discard, put};
use crate::{Lake, TableName, TenantId};

/// Files read at a time.
const READS_MAX: usize = 16;

/// What compaction did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Compacted {
    /// Small files that left the table; in a dry run, those that would.
    pub files_before: u64,
    /// Bytes of them.
    pub bytes_before: u64,
    /// Files that have their rows now.
    pub files_after: u64,
    /// Bytes of them.
    pub bytes_after: u64,
    /// Rows that were written anew; in a dry run, those that would be.
    pub rows: u64,
    /// Small files that stay because they are damaged, or another program's with columns that this one does not know.
    pub files_left: u64,
    /// Commits.
    pub commits: u64,
    /// Work that was thrown away, because somebody else compacted the same files or they expired.
    pub lost: u64,
}

impl Lake {
    /// Writes the rows of a table's small files into large ones. No row changes, not its `ingest_sequence` either.
    ///
    /// Each set of files is one commit, so what is interrupted has done what it has, and the next run goes on. Appends
    /// that run meanwhile start over once; when they were first, the commit is made on top of theirs.
    ///
    /// # Errors
    ///
    /// [`Error::Conflict`] when other writers of the tenant are faster again and again.
    pub async fn compact(
        &self,
        tenant: TenantId,
        table: TableName,
        policy: &MaintenancePolicy,
        mut progress: impl FnMut(MaintenanceProgress) + Send,
    ) -> Result<Compacted> {
        let mut compacted = Compacted::default();
        let Some(compaction) = policy.compaction else {
            return Ok(compacted);
        };
        let Some(snapshot) = self.snapshot(&tenant, table).await? else {
            return Ok(compacted);
        };
        let tasks = choose(snapshot.files(), compaction);
        drop(snapshot);
        if policy.dry_run {
            for files in &tasks {
                compacted.takes(files);
            }
            return Ok(compacted);
        }
        if tasks.is_empty() {
            return Ok(compacted);
        }
        let handle = self.open_or_create_table(tenant, table).await?;
        let worker = Worker::start()?;
        let files_total = tasks.iter().map(|task| task.len() as u64).sum();
        let mut last_version = None;
        let mut files = 0;
        for task in tasks {
            files += task.len() as u64;
            let version = self
                .compact_files(
                    &handle,
                    &worker,
                    task,
                    compaction,
                    policy.threads,
                    &mut compacted,
                )
                .await?;
            last_version = version.or(last_version);
            progress(MaintenanceProgress {
                table,
                files,
                files_total,
            });
        }
        if let Some(version) = last_version
            && let Err(error) = handle.checkpoint(version).await
        {
            // It spares readers the list of what was removed.
            tracing::warn!(%error, version, table = %handle.root(), "could not write a checkpoint");
        }
        Ok(compacted)
    }

    /// One set of files. The version of the commit, if there was one.
    async fn compact_files(
        &self,
        handle: &DeltaTableHandle,
        worker: &Worker,
        files: Vec<DataFile>,
        compaction: Compaction,
        threads: NonZeroUsize,
        compacted: &mut Compacted,
    ) -> Result<Option<u64>> {
        if !has_all(handle.snapshot().await?.as_ref(), &files) {
            compacted.lost += 1;
            return Ok(None);
        }
        let Some(sources) = self.read_whole(files).await? else {
            compacted.lost += 1;
            return Ok(None);
        };
        let table = handle.table();
        let plan = worker
            .run(move || Plan::of(table, sources, compaction.file_rows, threads))
            .await?;
        compacted.files_left += plan.left.len() as u64;
        let removed = plan.files();
        // Records so large that a file holds few of them: nothing would be won.
        if plan.outputs() >= removed.len() {
            return Ok(None);
        }
        let mut made: Vec<(NewFile, Path)> = Vec::new();
        let plan = Arc::new(plan);
        for output in 0..plan.outputs() {
            let making = self.make(handle, worker, (&plan, output), threads, &mut made);
            if let Err(error) = making.await {
                self.discard_all(&made).await;
                return match error {
                    Error::Corrupt { .. } => {
                        tracing::warn!(%error, "files cannot be merged and stay as they are");
                        compacted.files_left += removed.len() as u64;
                        Ok(None)
                    }
                    error => Err(error),
                };
            }
        }
        drop(plan);
        // Rows that were larger than the footers said made more files than there are to be.
        if made.len() >= removed.len() {
            self.discard_all(&made).await;
            return Ok(None);
        }
        let version = self.commit(handle, &removed, &made).await?;
        match version {
            Some(_) => {
                compacted.takes(&removed);
                compacted.commits += 1;
                compacted.files_after += made.len() as u64;
                compacted.bytes_after += made.iter().map(|(file, _)| file.size_bytes).sum::<u64>();
            }
            None => {
                compacted.lost += 1;
                self.discard_all(&made).await;
            }
        }
        Ok(version)
    }

    /// Makes one of the plan's files and puts what it became into the table's folder.
    async fn make(
        &self,
        handle: &DeltaTableHandle,
        worker: &Worker,
        (plan, output): (&Arc<Plan>, usize),
        threads: NonZeroUsize,
        made: &mut Vec<(NewFile, Path)>,
    ) -> Result<()> {
        let of = Arc::clone(plan);
        let event_date = plan.event_date();
        for merged in worker.run(move || of.make(output, threads)).await?? {
            let name = self.ids().next_id();
            let path = match event_date {
                Some(day) => format!("event_date={}/{name}.parquet", format_date(day)?),
                None => format!("{name}.parquet"),
            };
            let place = Path::from(format!("{}/{path}", handle.root()));
            let file = NewFile {
                path,
                event_date,
                size_bytes: merged.file.bytes.len() as u64,
                stats: merged.stats,
                modification_time_ms: self.clock().now_micros().div_euclid(1000),
                sha256: Some(merged.file.sha256),
                text_index: merged.file.text_index,
            };
            put(self, &place, merged.file.bytes).await?;
            made.push((file, place));
        }
        Ok(())
    }

    /// Commits that the rows of `removed` are in `made`. `None` when one of the removed files is gone: somebody else
    /// has written its rows elsewhere, or they have expired.
    async fn commit(
        &self,
        handle: &DeltaTableHandle,
        removed: &[DataFile],
        made: &[(NewFile, Path)],
    ) -> Result<Option<u64>> {
        let added: Vec<NewFile> = made.iter().map(|(file, _)| file.clone()).collect();
        let change = TableChange {
            operation: "OPTIMIZE",
            parameters: BTreeMap::from([("predicate".to_owned(), "[]".into())]),
            removed,
            added: &added,
            data_change: false,
            rows_expired: None,
        };
        for _ in 0..ATTEMPTS_MAX {
            let base = handle.snapshot().await?;
            if !has_all(&base, removed) {
                return Ok(None);
            }
            // The rows are the same whatever was committed in between: what was made stays right.
            match handle.try_change(&base, &change).await? {
                CommitOutcome::Committed { version } => return Ok(Some(version)),
                CommitOutcome::Conflicted => {}
            }
        }
        self.discard_all(made).await;
        Err(Error::Conflict {
            tenant: handle.tenant(),
            table: handle.table(),
            attempts: ATTEMPTS_MAX,
        })
    }

    /// The files' bytes; `None` when one does not exist any more.
    async fn read_whole(&self, files: Vec<DataFile>) -> Result<Option<Vec<Source>>> {
        let store: &dyn ObjectStore = &self.store();
        let sources = futures::stream::iter(files)
            .map(|file| async move {
                let bytes = retry::read(store, &file.path).await?;
                Ok::<_, Error>(bytes.map(|bytes| Source { file, bytes }))
            })
            .buffered(READS_MAX)
            .try_collect::<Vec<_>>()
            .await?;
        Ok(sources.into_iter().collect())
    }

    async fn discard_all(&self, made: &[(NewFile, Path)]) {
        for (_, place) in made {
            discard(self, place).await;
        }
    }
}

impl Compacted {
    fn takes(&mut self, files: &[DataFile]) {
        self.files_before += files.len() as u64;
        self.bytes_before += files.iter().map(|file| file.size_bytes).sum::<u64>();
        self.rows += files.iter().map(|file| file.rows).sum::<u64>();
    }
}

fn has_all(snapshot: &Snapshot, files: &[DataFile]) -> bool {
    let paths: HashSet<&Path> = snapshot.files().iter().map(|file| &file.path).collect();
    files.iter().all(|file| paths.contains(&file.path))
}

/// A thread that decodes and encodes. It is the same for a whole table: allocators keep what a thread has let go of for
/// that thread, and of many threads each would keep as much as a file takes to be made.
struct Worker {
    jobs: mpsc::Sender<Box<dyn FnOnce() + Send>>,
}

impl Worker {
    fn start() -> Result<Self> {
        let (jobs, receiver) = mpsc::channel::<Box<dyn FnOnce() + Send>>();
        std::thread::Builder::new()
            .name("compaction".to_owned())
            .spawn(move || receiver.into_iter().for_each(|job| job()))
            .map_err(Error::internal)?;
        Ok(Self { jobs })
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let (sender, receiver) = oneshot::channel();
        // Nobody is left to tell when the receiver is gone.
        let job = move || drop(sender.send(work()));
        self.jobs.send(Box::new(job)).map_err(Error::internal)?;
        receiver.await.map_err(Error::internal)
    }
}
