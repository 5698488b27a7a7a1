//! Runs and their results on an object store, so that they survive the host.
//!
//! ```text
//! <prefix>/<run>/run.json          the run; written when it is asked for, and again when it has ended
//! <prefix>/<run>/part-00000.arrow  some rows of its result, an Arrow IPC stream; written before the second run.json
//! ```
//!
//! Each object is put whole. A run.json without an end is one of a host that stopped.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use serde::{Deserialize, Serialize};

use super::board::Entry;
use super::result::Part;
use super::{Run, RunId, RunOutcome, RunState};
use crate::error::{Error, Result};

/// Raised when a reader of before could not read it.
const FORMAT: u32 = 1;
const RUN_FILE: &str = "run.json";
/// Objects that are read at once.
const READS_MAX: usize = 16;

/// A place for runs: everything below a prefix is its own.
#[derive(Debug)]
pub(crate) struct RunStore {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
}

#[derive(Debug, Serialize, Deserialize)]
struct Record {
    format: u32,
    run: Run,
    page_rows: u64,
    parts: Vec<PartRecord>,
}

#[derive(Debug, Serialize, Deserialize)]
struct PartRecord {
    rows: u64,
    bytes: u64,
}

impl RunStore {
    pub(crate) fn new(store: Arc<dyn ObjectStore>, prefix: Path) -> Self {
        Self { store, prefix }
    }

    /// Writes what a run is.
    pub(crate) async fn record(&self, run: &Run, page_rows: u64, parts: &[Part]) -> Result<()> {
        let parts = parts.iter().map(|part| PartRecord {
            rows: part.rows,
            bytes: part.bytes,
        });
        let record = Record {
            format: FORMAT,
            run: run.clone(),
            page_rows,
            parts: parts.collect(),
        };
        let json = serde_json::to_vec(&record).map_err(Error::internal)?;
        let location = self.folder(run.id).join(RUN_FILE);
        let put = self.store.put(&location, PutPayload::from(json)).await;
        put.map(|_| ()).map_err(unwritable)
    }

    pub(crate) async fn put_part(&self, id: RunId, number: usize, data: Vec<u8>) -> Result<()> {
        let put = self.store.put(&self.part(id, number), data.into()).await;
        put.map(|_| ()).map_err(unwritable)
    }

    pub(crate) async fn part_data(&self, id: RunId, number: usize) -> Result<Vec<u8>> {
        let read = async {
            let object = self.store.get(&self.part(id, number)).await?;
            object.bytes().await
        };
        match read.await {
            Ok(data) => Ok(data.into()),
            Err(object_store::Error::NotFound { .. }) => Err(super::no_longer_kept(id)),
            Err(error) => Err(unreadable(error)),
        }
    }

    /// Deletes the parts of a run's result; the run stays.
    pub(crate) async fn delete_result(&self, id: RunId) -> Result<()> {
        self.delete(id, false).await
    }

    /// Deletes all there is of a run.
    pub(crate) async fn delete_run(&self, id: RunId) -> Result<()> {
        self.delete(id, true).await
    }

    async fn delete(&self, id: RunId, with_run: bool) -> Result<()> {
        let objects = self.store.list(Some(&self.folder(id)));
        let locations = objects
            .map_ok(|object| object.location)
            .try_filter(move |location| {
                let is_run = location.filename() == Some(RUN_FILE);
                std::future::ready(with_run || !is_run)
            });
        let deleted = self.store.delete_stream(locations.boxed());
        let outcomes: Vec<_> = deleted.collect().await;
        let mut errors = outcomes.into_iter().filter_map(Result::err);
        match errors.find(|error| !matches!(error, object_store::Error::NotFound { .. })) {
            Some(error) => Err(unwritable(error)),
            None => Ok(()),
        }
    }

    /// The runs of earlier hosts, by when they were asked for. Those that were under way have failed.
    pub(crate) async fn load(&self, now_micros: i64) -> Result<Vec<Entry>> {
        let objects = self.store.list(Some(&self.prefix));
        let locations: Vec<Path> = objects
            .map_ok(|object| object.location)
            .try_filter(|location| std::future::ready(location.filename() == Some(RUN_FILE)))
            .try_collect()
            .await
            .map_err(unreadable)?;
        let mut records: Vec<Record> = futures::stream::iter(locations)
            .map(|location| self.read(location))
            .buffer_unordered(READS_MAX)
            .try_filter_map(|record| std::future::ready(Ok(record)))
            .try_collect()
            .await?;
        records.sort_by_key(|record| (record.run.queued_micros, record.run.id));
        let mut entries = Vec::new();
        for record in records {
            entries.push(self.restored(record, now_micros).await?);
        }
        Ok(entries)
    }

    /// `None` for what is no run: one of a later version must not keep the host from starting.
    async fn read(&self, location: Path) -> Result<Option<Record>> {
        let read = async { self.store.get(&location).await?.bytes().await };
        let bytes = match read.await {
            Ok(bytes) => bytes,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(unreadable(error)),
        };
        match serde_json::from_slice::<Record>(&bytes) {
            Ok(record) if record.format == FORMAT => Ok(Some(record)),
            Ok(record) => {
                tracing::warn!(%location, record.format, "a run in a form that is not known is left out");
                Ok(None)
            }
            Err(error) => {
                tracing::warn!(%location, %error, "a run that cannot be read is left out");
                Ok(None)
            }
        }
    }

    async fn restored(&self, record: Record, now_micros: i64) -> Result<Entry> {
        let mut run = record.run;
        let parts: Vec<Part> = (record.parts.iter())
            .map(|part| Part {
                rows: part.rows,
                bytes: part.bytes,
                data: None,
            })
            .collect();
        let was_under_way = !run.state.is_finished();
        if was_under_way {
            run.state = RunState::Finished(RunOutcome::Failed);
            run.finished_micros = Some(now_micros);
            run.error = Some(Error::Unavailable {
                message: "the host stopped while the run was under way: start it again".to_owned(),
            });
            self.record(&run, record.page_rows, &[]).await?;
        }
        let is_kept = (run.result_until_micros).is_some_and(|until| until > now_micros);
        if !is_kept {
            run.result_until_micros = None;
            if was_under_way || !parts.is_empty() {
                self.delete_result(run.id).await?;
            }
        }
        let mut entry = Entry::new(run, record.page_rows);
        if is_kept {
            entry.parts = parts;
        }
        Ok(entry)
    }

    fn folder(&self, id: RunId) -> Path {
        self.prefix.clone().join(id.to_string())
    }

    fn part(&self, id: RunId, number: usize) -> Path {
        self.folder(id).join(format!("part-{number:05}.arrow"))
    }
}

#[cold]
fn unwritable(error: object_store::Error) -> Error {
    Error::Unavailable {
        message: format!("the store of the runs cannot be written: {error}"),
    }
}

#[cold]
fn unreadable(error: object_store::Error) -> Error {
    Error::Unavailable {
        message: format!("the store of the runs cannot be read: {error}"),
    }
}
