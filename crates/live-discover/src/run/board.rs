//! All runs of a host, in memory: whose turn it is, what is kept, and for how long. Knows no engine and no store.

use std::sync::Arc;

use audit_lake::micros;
use tokio::sync::watch;

use super::result::Part;
use super::{Run, RunId, RunOutcome, RunState, RunsOptions};
use crate::catalog::TenantScope;
use crate::error::{Error, Result};
use crate::limits::LimitKind;
use crate::request::Request;
use crate::session::Session;
use crate::stop::Stop;
use crate::stream::{Progress, ProgressSource};

/// What a run does when it is its turn.
pub(crate) struct Job {
    pub(crate) session: Session,
    pub(crate) request: Request,
}

/// A run and what belongs to it.
pub(crate) struct Entry {
    run: Run,
    stage: Stage,
    pub(crate) page_rows: u64,
    pub(crate) parts: Vec<Part>,
    /// Wakes whoever waits for the run.
    changes: watch::Sender<()>,
    stop: watch::Sender<bool>,
}

enum Stage {
    /// Not in the store yet; nobody knows of it.
    Recording,
    Waiting(Box<Job>),
    Running(Option<Query>),
    Done,
}

/// The query of a run, once it is planned.
pub(crate) struct Query {
    pub(crate) progress: ProgressSource,
    pub(crate) stop: Arc<Stop>,
}

/// A run whose turn it is.
pub(crate) struct Turn {
    pub(crate) id: RunId,
    pub(crate) job: Job,
    pub(crate) stop: watch::Receiver<bool>,
}

impl Entry {
    pub(crate) fn new(run: Run, page_rows: u64) -> Self {
        let stage = if run.state.is_finished() {
            Stage::Done
        } else {
            Stage::Recording
        };
        Self {
            run,
            stage,
            page_rows,
            parts: Vec::new(),
            changes: watch::channel(()).0,
            stop: watch::channel(false).0,
        }
    }

    /// The run as it is now.
    pub(crate) fn run(&self) -> Run {
        let mut run = self.run.clone();
        if let Stage::Running(Some(query)) = &self.stage {
            run.progress = query.progress.progress();
        }
        run
    }

    /// Asks it to stop. The query is told at once: its steps may keep all threads busy that a task would need to be told
    /// and to tell it.
    fn stop(&self) {
        self.stop.send_replace(true);
        if let Stage::Running(Some(query)) = &self.stage {
            query.stop.cancel();
        }
    }

    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    pub(crate) fn rows(&self) -> u64 {
        self.parts.iter().map(|part| part.rows).sum()
    }

    fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.bytes).sum()
    }

    fn shows_to(&self, scope: &TenantScope) -> bool {
        !matches!(self.stage, Stage::Recording) && self.run.is_visible_to(scope)
    }

    fn is_running(&self) -> bool {
        matches!(self.stage, Stage::Running(_))
    }

    fn is_waiting(&self) -> bool {
        matches!(self.stage, Stage::Recording | Stage::Waiting(_))
    }

    fn let_go_of_result(&mut self) {
        self.parts = Vec::new();
        self.run.result_until_micros = None;
    }
}

/// The runs, in the order in which they were asked for.
pub(crate) struct Board {
    options: RunsOptions,
    entries: Vec<Entry>,
    is_closed: bool,
}

impl Board {
    pub(crate) fn new(options: RunsOptions) -> Self {
        Self {
            options,
            entries: Vec::new(),
            is_closed: false,
        }
    }

    /// Takes a run into the queue, if there is room in it.
    pub(crate) fn add(&mut self, entry: Entry) -> Result<()> {
        let waiting = self.entries.iter().filter(|entry| entry.is_waiting());
        let (mut all, mut of_scope) = (0, 0);
        for other in waiting {
            all += 1;
            of_scope += usize::from(other.run.scope == entry.run.scope);
        }
        let (count, whose) = if of_scope >= self.options.waiting_per_scope {
            (of_scope, "of yours")
        } else if all >= self.options.waiting {
            (all, "of all")
        } else {
            self.entries.push(entry);
            return Ok(());
        };
        Err(Error::exhausted(
            LimitKind::WaitingRuns,
            format!("{count} {whose} wait already; try again when one has finished"),
        ))
    }

    /// Takes a run of an earlier host into the history.
    pub(crate) fn restore(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    /// Lets a run wait for its turn.
    pub(crate) fn recorded(&mut self, id: RunId, job: Job) {
        if let Some(entry) = self.entry_mut(id)
            && matches!(entry.stage, Stage::Recording)
        {
            entry.stage = Stage::Waiting(Box::new(job));
        }
    }

    /// Forgets a run that is not in the store yet; whether it was such a one.
    pub(crate) fn give_up(&mut self, id: RunId) -> bool {
        let is_given_up =
            |entry: &Entry| entry.run.id == id && matches!(entry.stage, Stage::Recording);
        let before = self.entries.len();
        self.entries.retain(|entry| !is_given_up(entry));
        self.entries.len() < before
    }

    /// The next run to be started: of the scope that has the fewest under way, the one that has waited longest.
    pub(crate) fn next_turn(&mut self, now_micros: i64) -> Option<Turn> {
        let running: Vec<&TenantScope> = (self.entries.iter())
            .filter(|entry| entry.is_running())
            .map(|entry| &entry.run.scope)
            .collect();
        if self.is_closed || running.len() >= self.options.running.max(1) {
            return None;
        }
        let of_scope_max = self.options.running_per_scope.max(1);
        let waiting = self.entries.iter().enumerate();
        let (_, index) = waiting
            .filter(|(_, entry)| matches!(entry.stage, Stage::Waiting(_)))
            .map(|(index, entry)| {
                let of_scope = running.iter().filter(|scope| ***scope == entry.run.scope);
                (of_scope.count(), index)
            })
            .filter(|(of_scope, _)| *of_scope < of_scope_max)
            .min()?;
        let entry = self.entries.get_mut(index)?;
        let Stage::Waiting(job) = std::mem::replace(&mut entry.stage, Stage::Running(None)) else {
            return None;
        };
        entry.run.state = RunState::Started;
        entry.run.started_micros = Some(now_micros);
        entry.changes.send_replace(());
        Some(Turn {
            id: entry.run.id,
            job: *job,
            stop: entry.stop.subscribe(),
        })
    }

    /// What planning has found.
    pub(crate) fn planned(&mut self, id: RunId, columns: Vec<super::RunColumn>, query: Query) {
        if let Some(entry) = self.entry_mut(id)
            && entry.is_running()
        {
            entry.run.columns = columns;
            entry.stage = Stage::Running(Some(query));
            if *entry.stop.borrow() {
                entry.stop();
            }
            entry.changes.send_replace(());
        }
    }

    pub(crate) fn warn(&mut self, id: RunId, warning: String) {
        if let Some(entry) = self.entry_mut(id) {
            entry.run.warnings.push(warning);
        }
    }

    /// Whether there is room for so many bytes of a run's result. Results of others that have to go for it, the
    /// oldest of the scope that keeps the most first, are added to `freed`.
    pub(crate) fn make_room(&mut self, id: RunId, bytes: u64, freed: &mut Vec<RunId>) -> bool {
        let own = self.entry(id).map_or(0, Entry::bytes);
        // What is being made is never taken away.
        let fixed = self.entries.iter().filter(|entry| entry.is_running());
        let fixed: u64 = fixed.map(Entry::bytes).sum();
        if own + bytes > self.options.result_bytes || fixed + bytes > self.options.results_bytes {
            return false;
        }
        let mut kept: u64 = self.entries.iter().map(Entry::bytes).sum();
        while kept + bytes > self.options.results_bytes {
            let Some(victim) = self.victim() else {
                return false;
            };
            kept -= victim.bytes();
            victim.let_go_of_result();
            freed.push(victim.run.id);
        }
        true
    }

    fn victim(&mut self) -> Option<&mut Entry> {
        let finished = || {
            let entries = self.entries.iter().enumerate();
            entries.filter(|(_, entry)| !entry.is_running() && !entry.parts.is_empty())
        };
        let of_scope = |scope: &TenantScope| -> u64 {
            let same = finished().filter(|(_, entry)| entry.run.scope == *scope);
            same.map(|(_, entry)| entry.bytes()).sum()
        };
        let (index, _) = finished()
            .max_by_key(|(index, entry)| (of_scope(&entry.run.scope), std::cmp::Reverse(*index)))?;
        self.entries.get_mut(index)
    }

    /// Keeps a part of the result of a run under way.
    pub(crate) fn keep(&mut self, id: RunId, part: Part) {
        if let Some(entry) = self.entry_mut(id)
            && entry.is_running()
        {
            entry.parts.push(part);
            entry.changes.send_replace(());
        }
    }

    /// The run as it is when it ends now with an error, or without.
    pub(crate) fn ended(&self, id: RunId, end: Result<(), End>, now_micros: i64) -> Option<Run> {
        let entry = self.entry(id)?;
        let mut run = entry.run();
        run.finished_micros = Some(now_micros);
        run.state = RunState::Finished(match &end {
            Ok(()) => RunOutcome::Succeeded,
            Err(End::Cancelled) => RunOutcome::Cancelled,
            Err(End::Error(Error::TimedOut { .. })) => RunOutcome::TimedOut,
            Err(End::Error(_)) => RunOutcome::Failed,
        });
        match end {
            Ok(()) => {
                run.rows = Some(entry.rows());
                run.result_until_micros = Some(until(now_micros, self.options.results_expire));
                run.warnings.extend(nothing_to_read(&run.progress));
            }
            Err(End::Cancelled) => {}
            Err(End::Error(error)) => run.error = Some(error),
        }
        Some(run)
    }

    /// Ends a run, and lets go of what only a run under way needs.
    pub(crate) fn end(&mut self, run: Run) {
        if let Some(entry) = self.entry_mut(run.id) {
            if !run.has_succeeded() {
                entry.parts = Vec::new();
            }
            entry.run = run;
            entry.stage = Stage::Done;
            entry.changes.send_replace(());
        }
    }

    /// Asks a run to stop; whether it is one that waits, and so has nobody else to end it.
    pub(crate) fn stop(&mut self, id: RunId) -> bool {
        let Some(entry) = self.entry_mut(id) else {
            return false;
        };
        entry.stop();
        let is_waiting = matches!(entry.stage, Stage::Waiting(_));
        if is_waiting {
            // It can be started no more.
            entry.stage = Stage::Running(None);
        }
        is_waiting
    }

    /// Stops all runs and starts no others.
    pub(crate) fn close(&mut self) {
        self.is_closed = true;
        for entry in &self.entries {
            entry.stop();
        }
    }

    /// Lets go of results that have expired, and says which.
    pub(crate) fn expire(&mut self, now_micros: i64) -> Vec<RunId> {
        let mut expired = Vec::new();
        for entry in &mut self.entries {
            if (entry.run.result_until_micros).is_some_and(|until| until <= now_micros) {
                entry.let_go_of_result();
                expired.push(entry.run.id);
            }
        }
        expired
    }

    /// Forgets the oldest runs beyond the bounds of the history, in which one is about to be, and says which.
    pub(crate) fn forget(&mut self, ending: Option<RunId>) -> Vec<RunId> {
        let mut forgotten = Vec::new();
        let mut all = 0;
        let mut of_scopes: Vec<(&TenantScope, usize)> = Vec::new();
        for entry in self.entries.iter().rev() {
            if !matches!(entry.stage, Stage::Done) && Some(entry.run.id) != ending {
                continue;
            }
            all += 1;
            let scope = &entry.run.scope;
            let of_scope = match of_scopes.iter_mut().find(|(known, _)| *known == scope) {
                Some((_, count)) => {
                    *count += 1;
                    *count
                }
                None => {
                    of_scopes.push((scope, 1));
                    1
                }
            };
            if all > self.options.history || of_scope > self.options.history_per_scope {
                forgotten.push(entry.run.id);
            }
        }
        self.entries
            .retain(|entry| !forgotten.contains(&entry.run.id));
        forgotten
    }

    pub(crate) fn entry(&self, id: RunId) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.run.id == id)
    }

    fn entry_mut(&mut self, id: RunId) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.run.id == id)
    }

    /// The run, if it is there for somebody with this scope.
    pub(crate) fn visible(&self, id: RunId, scope: &TenantScope) -> Result<&Entry> {
        // One that others may not know of is to them as one that never was.
        self.entry(id)
            .filter(|entry| entry.shows_to(scope))
            .ok_or_else(|| Error::NotFound {
                message: format!("there is no run {id}"),
            })
    }

    /// The runs that somebody with this scope may know of, the latest first.
    pub(crate) fn seen_by<'a>(&'a self, scope: &'a TenantScope) -> impl Iterator<Item = &'a Entry> {
        (self.entries.iter().rev()).filter(|entry| entry.shows_to(scope))
    }
}

/// How a run ends that does not succeed.
#[derive(Debug, Clone)]
pub(crate) enum End {
    Cancelled,
    Error(Error),
}

fn until(now_micros: i64, expire: std::time::Duration) -> i64 {
    now_micros.saturating_add(micros(expire))
}

/// An empty result, or a count of zero, may mean that nothing happened, or that nobody looked where it did.
fn nothing_to_read(progress: &Progress) -> Option<String> {
    (progress.files_planned == 0 && progress.files_total > 0).then(|| {
        "no data file can have a record for this query: look whether its time range and its values are what you meant"
            .to_owned()
    })
}
