//! Runs: queries that a host starts, follows, pages through and cancels, for many people side by side.
//!
//! ```text
//!  start ─► queue ─► turn: a task plans and reads ─► parts of the result ─► pages, exports
//!            │        │ its share of the engine's      memory, or a store      expire
//!            │        │ memory and no more             of the host's
//!            └────────┴─► board: all runs, their states, the history
//! ```

mod board;
mod drive;
mod result;
mod state;
mod store;

use std::fmt;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow::array::RecordBatch;
use audit_lake::{IdSource, RandomIds};
use datafusion::arrow::datatypes::SchemaRef;
use object_store::ObjectStore;
use object_store::path::Path;
use tokio::sync::watch;

pub use state::{Run, RunColumn, RunId, RunOutcome, RunState};

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::output::{OutputFormat, Writer};
use crate::request::Request;
use crate::session::Session;
use board::{Board, End, Entry, Job};
use drive::Inner;
use result::Part;
use store::RunStore;

/// What all runs of a host share. “Scope” is whose data a session sees: most often one tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunsOptions {
    /// Runs under way at once. Each has this part of the engine's memory that is counted
    /// ([`EngineOptions::memory_bytes`](crate::EngineOptions::memory_bytes)), of which an eighth at least is for others,
    /// and no more, so none can starve the others: with 1 GiB and four of them, 112 MiB each, or what the session's
    /// limits allow if that is less.
    pub running: usize,
    /// Runs of one scope under way at once.
    pub running_per_scope: usize,
    /// Runs that wait; one more is refused.
    pub waiting: usize,
    /// Runs of one scope that wait; one more is refused.
    pub waiting_per_scope: usize,
    /// How long a result is kept after its run has ended.
    pub results_expire: Duration,
    /// Bytes that one result may have where it is kept; a longer one is cut, with a warning.
    pub result_bytes: u64,
    /// Bytes of all results together, in memory or in the store. For a new one the oldest of the scope that keeps
    /// the most goes before its time.
    pub results_bytes: u64,
    /// Ended runs that are remembered, without their results once these have expired.
    pub history: usize,
    /// Ended runs of one scope that are remembered.
    pub history_per_scope: usize,
}

impl Default for RunsOptions {
    fn default() -> Self {
        Self {
            running: 4,
            running_per_scope: 2,
            waiting: 256,
            waiting_per_scope: 32,
            results_expire: Duration::from_secs(2 * 3600),
            result_bytes: 256 << 20,
            results_bytes: 1 << 30,
            history: 10_000,
            history_per_scope: 500,
        }
    }
}

/// What is said of one run when it is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunOptions {
    /// What people call it.
    pub label: Option<String>,
    /// Rows of a page: from 1 to 100,000.
    pub page_rows: usize,
}

/// More rows than this are no page: an export takes them.
const PAGE_ROWS_MAX: usize = 100_000;

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            label: None,
            page_rows: 1_000,
        }
    }
}

/// Some rows of a result. The same key always gives the same rows.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Page {
    /// The rows; its schema is the result's, also where there are none.
    pub batch: RecordBatch,
    /// The number of the first of them in the result, from 0.
    pub first_row: u64,
    /// What gives the next page; `None` on the last one.
    pub next_key: Option<String>,
    /// The rows of the whole result, once the run has ended.
    pub total_rows: Option<u64>,
}

/// Makes [`Runs`]: an engine and where results are kept.
#[derive(Debug)]
pub struct RunsBuilder {
    engine: Engine,
    options: RunsOptions,
    ids: Arc<dyn IdSource>,
    store: Option<RunStore>,
}

impl RunsBuilder {
    /// Sets what all runs share.
    pub fn with_options(mut self, options: RunsOptions) -> Self {
        self.options = options;
        self
    }

    /// Sets where the ids of runs come from.
    pub fn with_ids(mut self, ids: Arc<dyn IdSource>) -> Self {
        self.ids = ids;
        self
    }

    /// Keeps runs and results in a store, below a prefix, rather than in memory: they survive the host.
    ///
    /// One host at a time has a prefix. The store holds what the runs have read, their texts and their values.
    pub fn with_store(mut self, store: Arc<dyn ObjectStore>, prefix: impl Into<Path>) -> Self {
        self.store = Some(RunStore::new(store, prefix.into()));
        self
    }

    /// Reads the history from the store, if there is one. Runs that were under way when an earlier host stopped
    /// have failed.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] with what the store said.
    pub async fn open(self) -> Result<Runs> {
        let mut board = Board::new(self.options.clone());
        let now_micros = self.engine.shared.clock.now_micros();
        if let Some(store) = &self.store {
            for entry in store.load(now_micros).await? {
                board.restore(entry);
            }
        }
        let inner = Arc::new(Inner {
            engine: self.engine,
            options: self.options,
            ids: self.ids,
            store: self.store,
            board: Mutex::new(board),
        });
        inner.forget(None).await;
        Ok(Runs {
            close: Arc::new(CloseOnDrop(Arc::clone(&inner))),
            inner,
        })
    }
}

/// The runs of a host: starts queries in the background and keeps their results for a while. Cheap to clone.
///
/// A session sees the runs whose scope its own covers: those of its tenants, and a session over all tenants sees all.
/// To others they are as if they had never been. The engine's clock tells when results expire.
///
/// Letting go of the last clone cancels what is under way.
///
/// # Example
///
/// ```
/// use live_discover::{Engine, Lake, LakeOptions, Limits, RunOptions, Runs, TenantScope};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), live_discover::Error> {
/// let lake = Lake::create_or_open("memory://example", LakeOptions::default()).await?;
/// let engine = Engine::new(lake)?;
/// let session = engine.session(TenantScope::All, Limits::default());
/// let runs = Runs::builder(&engine).open().await?;
///
/// let run = runs.start(&session, "SELECT count(*) AS records FROM m365_audit", RunOptions::default()).await?;
/// let run = runs.finished(&session, run.id).await?;
/// assert_eq!(run.state.to_string(), "succeeded");
/// let page = runs.page(&session, run.id, None).await?;
/// assert_eq!((page.batch.num_rows(), page.next_key), (1, None));
///
/// // What is wrong with a query ends its run.
/// let run = runs.start(&session, "SELECT userid2 FROM m365_audit", RunOptions::default()).await?;
/// let run = runs.finished(&session, run.id).await?;
/// assert_eq!(run.state.to_string(), "failed");
/// assert!(run.error.unwrap().to_string().ends_with("(line 1, column 8)"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Runs {
    inner: Arc<Inner>,
    #[expect(dead_code, reason = "is there to be dropped")]
    close: Arc<CloseOnDrop>,
}

struct CloseOnDrop(Arc<Inner>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.board().close();
    }
}

impl Runs {
    /// Everything that can be set.
    pub fn builder(engine: &Engine) -> RunsBuilder {
        RunsBuilder {
            engine: engine.clone(),
            options: RunsOptions::default(),
            ids: Arc::new(RandomIds),
            store: None,
        }
    }

    /// Puts a query into the queue and returns at once. It is planned when its turn comes, so also what is wrong
    /// with its text ends the run; the time limit of the session counts from then.
    ///
    /// # Errors
    ///
    /// [`Error::ResourcesExhausted`] when too many wait already; [`Error::InvalidQuery`] for a session of another
    /// engine; what the store says.
    pub async fn start(
        &self,
        session: &Session,
        request: impl Into<Request>,
        options: RunOptions,
    ) -> Result<Run> {
        let inner = &self.inner;
        if !session.is_of(&inner.engine) {
            return Err(Error::invalid("the session is one of another engine"));
        }
        inner.sweep().await;
        let request = request.into();
        let id = RunId::new(inner.ids.next_id());
        let scope = session.scope().clone();
        let run = Run::pending(id, &request, options.label, scope, inner.now_micros());
        let page_rows = options.page_rows.clamp(1, PAGE_ROWS_MAX) as u64;
        inner.board().add(Entry::new(run.clone(), page_rows))?;
        let recording = Recording { inner, id };
        if let Some(store) = &inner.store {
            store.record(&run, page_rows, &[]).await?;
        }
        let job = Job {
            session: session.clone().with_memory_at_most(inner.share_bytes()),
            request,
        };
        inner.board().recorded(id, job);
        drop(recording);
        Inner::take_turns(inner);
        self.get(session, id)
    }

    /// A run as it is now.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is none that the session may see.
    pub fn get(&self, session: &Session, id: RunId) -> Result<Run> {
        let board = self.inner.board();
        let run = board.visible(id, session.scope())?.run();
        Ok(self.inner.shown(run))
    }

    /// All runs that the session may see, the latest first.
    pub fn list(&self, session: &Session) -> Vec<Run> {
        let board = self.inner.board();
        let runs: Vec<Run> = board.seen_by(session.scope()).map(Entry::run).collect();
        drop(board);
        runs.into_iter().map(|run| self.inner.shown(run)).collect()
    }

    /// The run, when it has ended; waits for it.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is none that the session may see.
    pub async fn finished(&self, session: &Session, id: RunId) -> Result<Run> {
        self.when(session, id, |entry| {
            let run = entry.run();
            Ok(run.state.is_finished().then_some(run))
        })
        .await
    }

    /// Stops a run and returns it when it has ended, without what there was of its result. Operators in the middle
    /// of a batch let go of their memory when they are through with it. A run that has ended stays as it is.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is none that the session may see.
    pub async fn cancel(&self, session: &Session, id: RunId) -> Result<Run> {
        let runtime = self.inner.engine.shared.runtime.handle()?;
        let has_waited = {
            let mut board = self.inner.board();
            board.visible(id, session.scope())?;
            board.stop(id)
        };
        if has_waited {
            // It has a turn until it has ended, also where nobody waits for that any more.
            let inner = Arc::clone(&self.inner);
            runtime.spawn(async move {
                inner.end(id, Err(End::Cancelled)).await;
                Inner::take_turns(&inner);
            });
        }
        self.finished(session, id).await
    }

    /// A page of a run's result: the first one, or what a key of the page before names.
    ///
    /// Pages come in order and each as soon as its rows are there, also while the run goes on; until then this waits.
    ///
    /// # Errors
    ///
    /// What ended the run, if it has no result; [`Error::NotFound`] if there is no such run for the session, or its
    /// result has expired; [`Error::InvalidQuery`] for a key of something else; what the store says.
    pub async fn page(&self, session: &Session, id: RunId, key: Option<&str>) -> Result<Page> {
        let (first_row, page_rows, parts, total_rows) = self
            .when(session, id, |entry| {
                let run = self.inner.shown(entry.run());
                let first_row = result::row_of(id, key, entry.page_rows)?;
                let total_rows = self.inner.rows_of(&run)?;
                match total_rows {
                    // Whether it is the last page shows when there is a row more.
                    None if entry.rows() <= first_row.saturating_add(entry.page_rows) => {
                        return Ok(None);
                    }
                    Some(rows) if first_row > 0 && first_row >= rows => {
                        return Err(result::no_such_page(id));
                    }
                    _ => {}
                }
                let page_rows = entry.page_rows;
                let parts = parts_with(&entry.parts, first_row, page_rows);
                Ok(Some((first_row, page_rows, parts, total_rows)))
            })
            .await?;
        let mut schema: Option<SchemaRef> = None;
        let mut batches = Vec::new();
        let skip = parts.first().map_or(0, |part| first_row - part.first_row);
        for part in &parts {
            let (of_part, decoded) = self.inner.read(id, part).await?;
            schema.get_or_insert(of_part);
            batches.extend(decoded);
        }
        let schema = schema.ok_or_else(|| no_longer_kept(id))?;
        let rows = |rows: u64| usize::try_from(rows).unwrap_or(usize::MAX);
        let next_row = first_row.saturating_add(page_rows);
        Ok(Page {
            batch: result::cut(&schema, &batches, rows(skip), rows(page_rows))?,
            first_row,
            next_key: (total_rows.is_none_or(|total| next_row < total))
                .then(|| result::key_of(id, next_row)),
            total_rows,
        })
    }

    /// Writes a run's kept result to the end, without running it again, and returns the count of its rows. Waits for
    /// the end of a run that is under way.
    ///
    /// `out` is written to on the calling task, as by [`write_result`](crate::write_result).
    ///
    /// # Errors
    ///
    /// As [`Runs::page`]; [`Error::Unavailable`] if `out` fails.
    pub async fn export(
        &self,
        session: &Session,
        id: RunId,
        format: OutputFormat,
        out: impl Write + Send,
    ) -> Result<u64> {
        let (parts, total_rows) = self
            .when(session, id, |entry| {
                let run = self.inner.shown(entry.run());
                let total_rows = self.inner.rows_of(&run)?;
                let parts = parts_with(&entry.parts, 0, u64::MAX);
                Ok(total_rows.map(|rows| (parts, rows)))
            })
            .await?;
        let mut parts = parts.iter();
        let first = parts.next().ok_or_else(|| no_longer_kept(id))?;
        let (schema, mut batches) = self.inner.read(id, first).await?;
        let mut writer = Writer::new(format, schema, out)?;
        loop {
            for batch in &batches {
                writer.write(batch)?;
            }
            match parts.next() {
                Some(part) => (_, batches) = self.inner.read(id, part).await?,
                None => break,
            }
        }
        writer.finish()?;
        Ok(total_rows)
    }

    /// Deletes results that have expired. Starting a run does it, too; a host that may start none for long calls it
    /// from time to time.
    pub async fn sweep(&self) {
        self.inner.sweep().await;
    }

    /// What `look` finds in a run, as soon as it finds it.
    async fn when<T>(
        &self,
        session: &Session,
        id: RunId,
        look: impl Fn(&Entry) -> Result<Option<T>> + Send,
    ) -> Result<T> {
        loop {
            let mut changes: watch::Receiver<()> = {
                let board = self.inner.board();
                let entry = board.visible(id, session.scope())?;
                if let Some(found) = look(entry)? {
                    return Ok(found);
                }
                entry.changes()
            };
            // An error is the end of the entry: the next look says so.
            let _ = changes.changed().await;
        }
    }
}

impl fmt::Debug for Runs {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Runs")
            .field("options", &self.inner.options)
            .finish_non_exhaustive()
    }
}

/// A run that is being written to the store. Whoever starts it may fail at that, or go away: then it has never been.
struct Recording<'a> {
    inner: &'a Arc<Inner>,
    id: RunId,
}

impl Drop for Recording<'_> {
    fn drop(&mut self) {
        if self.inner.board().give_up(self.id)
            && let Ok(runtime) = self.inner.engine.shared.runtime.handle()
        {
            // The store may have it, whatever it said.
            let (inner, id) = (Arc::clone(self.inner), self.id);
            runtime.spawn(async move { inner.delete_run(id).await });
        }
    }
}

/// A part and where in the result it is.
struct PlacedPart {
    number: usize,
    first_row: u64,
    part: Part,
}

/// The parts that have some of the rows; of a result without rows the one that has its columns.
fn parts_with(parts: &[Part], first_row: u64, rows: u64) -> Vec<PlacedPart> {
    let mut next_row = 0;
    let placed = parts.iter().enumerate().map(|(number, part)| {
        let first_row = next_row;
        next_row += part.rows;
        PlacedPart {
            number,
            first_row,
            part: part.clone(),
        }
    });
    let until = first_row.saturating_add(rows);
    placed
        .filter(|placed| {
            let end = placed.first_row + placed.part.rows;
            placed.number == 0 && parts.len() == 1 || placed.first_row < until && end > first_row
        })
        .collect()
}

#[cold]
fn no_longer_kept(id: RunId) -> Error {
    Error::NotFound {
        message: format!(
            "the result of the run {id} is no longer kept: it has expired, or made room for newer ones; start it again"
        ),
    }
}
