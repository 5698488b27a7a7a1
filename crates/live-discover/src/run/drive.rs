//! From a run's turn to its end.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::RecordBatch;
use audit_lake::IdSource;
use datafusion::arrow::datatypes::SchemaRef;

use super::board::{Board, End, Job, Query, Turn};
use super::result::{self, Encoded, Encoder, Part};
use super::state::columns;
use super::store::RunStore;
use super::{PlacedPart, Run, RunId, RunOutcome, RunState, RunsOptions, no_longer_kept};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::limits::LimitKind;
use crate::stream::OwnedTask;

/// What all clones of [`Runs`](super::Runs) and the runs under way share.
pub(crate) struct Inner {
    pub(crate) engine: Engine,
    pub(crate) options: RunsOptions,
    pub(crate) ids: Arc<dyn IdSource>,
    pub(crate) store: Option<RunStore>,
    pub(crate) board: Mutex<Board>,
}

impl Inner {
    pub(crate) fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now_micros(&self) -> i64 {
        self.engine.shared.clock.now_micros()
    }

    /// The memory of each run: together they have the engine's.
    pub(crate) fn share_bytes(&self) -> usize {
        let budget = &self.engine.shared.budget;
        (budget.limit_bytes() - budget.kept_for_little()) / self.options.running.max(1)
    }

    /// The run without a result that has expired and is not swept yet.
    pub(crate) fn shown(&self, mut run: Run) -> Run {
        if (run.result_until_micros).is_some_and(|until| until <= self.now_micros()) {
            run.result_until_micros = None;
        }
        run
    }

    /// The rows of a run's result; `None` while it is being made.
    pub(crate) fn rows_of(&self, run: &Run) -> Result<Option<u64>> {
        match run.state {
            RunState::Pending | RunState::Started => Ok(None),
            RunState::Finished(RunOutcome::Succeeded) => match run.result_until_micros {
                Some(_) => Ok(run.rows),
                None => Err(no_longer_kept(run.id)),
            },
            RunState::Finished(_) => Err(run.error.clone().unwrap_or_else(|| Error::NotFound {
                message: format!("the run {} was cancelled and has no result", run.id),
            })),
        }
    }

    /// Starts the runs whose turn it is.
    pub(crate) fn take_turns(this: &Arc<Self>) {
        let Ok(runtime) = this.engine.shared.runtime.handle() else {
            // It goes with the engine, which `this` holds.
            return;
        };
        while let Some(turn) = this.next_turn() {
            runtime.spawn(drive(Arc::clone(this), turn));
        }
    }

    fn next_turn(&self) -> Option<Turn> {
        self.board().next_turn(self.now_micros())
    }

    /// Ends a run: first in the store, so that nobody sees an end that a restart takes back.
    pub(crate) async fn end(&self, id: RunId, end: Result<(), End>) {
        let ended = |end| {
            let board = self.board();
            let run = board.ended(id, end, self.now_micros())?;
            let entry = board.entry(id)?;
            let parts = if run.has_succeeded() {
                entry.parts.clone()
            } else {
                Vec::new()
            };
            Some((run, entry.page_rows, parts))
        };
        let Some((mut run, page_rows, parts)) = ended(end) else {
            return;
        };
        if let Some(store) = &self.store {
            if let Err(error) = store.record(&run, page_rows, &parts).await
                && let Some((failed, ..)) = ended(Err(End::Error(error)))
            {
                run = failed;
            }
            if !run.has_succeeded() {
                log(store.delete_result(id).await);
            }
        }
        self.forget(Some(id)).await;
        self.board().end(run);
    }

    /// Forgets what the history has no room for, with the run that is about to end.
    pub(crate) async fn forget(&self, ending: Option<RunId>) {
        let forgotten = self.board().forget(ending);
        for id in forgotten {
            self.delete_run(id).await;
        }
    }

    pub(crate) async fn delete_run(&self, id: RunId) {
        if let Some(store) = &self.store {
            log(store.delete_run(id).await);
        }
    }

    pub(crate) async fn sweep(&self) {
        let now_micros = self.now_micros();
        let expired = self.board().expire(now_micros);
        self.delete_results(expired).await;
    }

    async fn delete_results(&self, ids: Vec<RunId>) {
        if let Some(store) = &self.store {
            for id in ids {
                log(store.delete_result(id).await);
            }
        }
    }

    pub(crate) async fn read(
        &self,
        id: RunId,
        placed: &PlacedPart,
    ) -> Result<(SchemaRef, Vec<RecordBatch>)> {
        match (&placed.part.data, &self.store) {
            (Some(data), _) => result::decode(data),
            (None, Some(store)) => result::decode(&store.part_data(id, placed.number).await?),
            (None, None) => Err(no_longer_kept(id)),
        }
    }

    /// Keeps a part, if there is room for it.
    async fn keep(&self, id: RunId, number: usize, encoded: Encoded) -> Result<bool> {
        let bytes = encoded.data.len() as u64;
        let mut freed = Vec::new();
        let has_room = self.board().make_room(id, bytes, &mut freed);
        self.delete_results(freed).await;
        if !has_room {
            return Ok(false);
        }
        let data = match &self.store {
            Some(store) => {
                store.put_part(id, number, encoded.data).await?;
                None
            }
            None => Some(Arc::from(encoded.data)),
        };
        let part = Part {
            rows: encoded.rows,
            bytes,
            data,
        };
        self.board().keep(id, part);
        Ok(true)
    }
}

/// A run under way. The work is a task of its own, which is stopped, and whose panic is the run's error.
async fn drive(inner: Arc<Inner>, turn: Turn) {
    let Turn { id, job, mut stop } = turn;
    let end = match inner.engine.shared.runtime.handle() {
        Err(error) => Err(End::Error(error)),
        Ok(runtime) => {
            let mut work = OwnedTask::spawn(&runtime, work(Arc::clone(&inner), id, job));
            let ended = {
                let stopped = async {
                    // Whoever could stop it is gone: then it is stopped, too.
                    let _ = stop.wait_for(|is_stopped| *is_stopped).await.is_ok();
                };
                tokio::select! {
                    outcome = &mut work => Some(outcome.and_then(|outcome| outcome)),
                    () = stopped => None,
                }
            };
            match ended {
                Some(Ok(())) => Ok(()),
                // The query was told to stop before its task was.
                Some(Err(_)) if *stop.borrow() => Err(End::Cancelled),
                Some(Err(error)) => Err(End::Error(error)),
                None => {
                    work.stop().await;
                    Err(End::Cancelled)
                }
            }
        }
    };
    inner.end(id, end).await;
    Inner::take_turns(&inner);
}

async fn work(inner: Arc<Inner>, id: RunId, job: Job) -> Result<()> {
    let query = job.request.query.clone();
    let mut stream = job.session.query(job.request).await?;
    let schema = stream.schema();
    inner.board().planned(
        id,
        columns(&schema, query.as_deref()),
        Query {
            progress: stream.progress_source(),
            stop: stream.stop(),
        },
    );
    let mut encoder = Encoder::new(schema);
    let mut parts = 0;
    while let Some(batch) = stream.next().await {
        let batch = match batch {
            Ok(batch) => batch,
            Err(
                error @ Error::ResourcesExhausted {
                    limit: LimitKind::Rows | LimitKind::Bytes,
                    ..
                },
            ) => {
                inner
                    .board()
                    .warn(id, format!("the result is cut: {error}"));
                break;
            }
            Err(error) => return Err(error),
        };
        if let Some(encoded) = encoder.push(&batch)? {
            if !inner.keep(id, parts, encoded).await? {
                return cut_or_exhausted(&inner, id, parts);
            }
            parts += 1;
        }
    }
    if let Some(encoded) = encoder.finish()?
        && !inner.keep(id, parts, encoded).await?
    {
        return cut_or_exhausted(&inner, id, parts);
    }
    Ok(())
}

/// What is kept of a result stays; one of which nothing can be kept is none.
fn cut_or_exhausted(inner: &Inner, id: RunId, parts: usize) -> Result<()> {
    let message = format!(
        "{} bytes of one result are kept, {} of all; ask for fewer rows or columns",
        inner.options.result_bytes, inner.options.results_bytes
    );
    if parts == 0 {
        return Err(Error::exhausted(LimitKind::Bytes, message));
    }
    inner
        .board()
        .warn(id, format!("the result is cut: {message}"));
    Ok(())
}

/// What is not deleted now is when the run leaves the history, or the host starts again.
fn log(outcome: Result<()>) {
    if let Err(error) = outcome {
        tracing::warn!(%error, "what is left of a run could not be deleted");
    }
}

#[cfg(test)]
mod tests {
    use crate::{Engine, Lake, LakeOptions, Limits, RunOptions, Runs, TenantScope};

    #[tokio::test]
    async fn cancelling_frees_memory() {
        let lake = Lake::create_or_open("memory://test", LakeOptions::default()).await;
        let engine = Engine::new(lake.unwrap()).unwrap();
        let session = engine.session(TenantScope::All, Limits::default());
        let runs = Runs::builder(&engine).open().await.unwrap();
        let tables: Vec<String> = (0..12).map(|number| format!("v AS v{number}")).collect();
        let endless = format!(
            "WITH v AS (SELECT * FROM (VALUES (1), (2), (3), (4), (5), (6), (7), (8), (9), (10)) AS t(n)) \
             SELECT v0.n FROM {} ORDER BY v0.n + v1.n + v11.n",
            tables.join(" CROSS JOIN ")
        );
        let run = runs.start(&session, endless, RunOptions::default());
        let id = run.await.unwrap().id;
        let used = || engine.metrics().query_bytes;
        while used() == 0 {
            let run = runs.get(&session, id).unwrap();
            assert!(!run.state.is_finished(), "{run:?}");
            tokio::task::yield_now().await;
        }
        let run = runs.cancel(&session, id).await.unwrap();
        assert_eq!(run.state.to_string(), "cancelled");
        while used() > 0 {
            tokio::task::yield_now().await;
        }
    }
}
