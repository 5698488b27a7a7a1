//! The first rows by a key, of all partitions: which files are left to be looked at, and the rows found so far.
//!
//! The partitions take files off one queue, those with the first keys first, and leave the rest of it once as many rows
//! are found as are wanted and no file can have one before them. None waits for another that isn't at work.

use std::collections::BinaryHeap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use datafusion::arrow::array::{ArrayRef, AsArray};
use datafusion::arrow::compute::SortOptions;
use datafusion::arrow::datatypes::Int64Type;
use datafusion::common::Result;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::execution::memory_pool::MemoryReservation;
use tokio::sync::Notify;

use super::column::Selection;
use super::read::Opened;

/// Where a key stands: smaller ones come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank(u8, i64);

impl Rank {
    fn of(key: Option<i64>, options: SortOptions) -> Self {
        match (key, options.descending) {
            (None, _) if options.nulls_first => Self(0, 0),
            (None, _) => Self(2, 0),
            (Some(key), false) => Self(1, key),
            // Turns the order around.
            (Some(key), true) => Self(1, !key),
        }
    }
}

/// Rows of a row group that are wanted.
#[derive(Clone)]
pub(super) struct Picked {
    pub(super) file: Arc<Opened>,
    pub(super) group: usize,
    pub(super) rows: Selection,
}

/// The rows of a row group that were found, each with its rank.
#[derive(Debug)]
struct Found {
    file: Arc<Opened>,
    group: usize,
    rows: Vec<(Rank, u32)>,
}

/// What the partitions share.
#[derive(Debug)]
pub(super) struct Firsts {
    options: SortOptions,
    fetch: usize,
    /// With the first rank that a row of theirs may have, where it is known, in the order of that.
    files: Arc<[(Option<Rank>, PartitionedFile)]>,
    state: Mutex<State>,
    /// Told when a partition is done with a file.
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// The file that is looked at next, of those that nobody has begun with.
    next: usize,
    /// Those that somebody began with and left.
    left: Vec<usize>,
    at_work: usize,
    /// The first ranks, as many as are wanted, the last of them on top.
    ranks: BinaryHeap<Rank>,
    found: Vec<Found>,
    /// Bytes that the files of these hold.
    held: usize,
    /// How many rows these are, and how many were left when those that are not wanted any more were last taken out.
    rows: usize,
    wanted: usize,
    memory: Option<MemoryReservation>,
}

impl State {
    /// The rank behind which no row is wanted.
    fn last(&self, fetch: usize) -> Option<Rank> {
        let is_full = self.ranks.len() >= fetch;
        self.ranks.peek().copied().filter(|_| is_full)
    }

    /// Takes out what is not wanted any more.
    fn prune(&mut self, fetch: usize) {
        if let Some(last) = self.last(fetch) {
            for found in &mut self.found {
                found.rows.retain(|(rank, _)| *rank <= last);
            }
            self.found.retain(|found| !found.rows.is_empty());
        }
        self.rows = self.found.iter().map(|found| found.rows.len()).sum();
        self.held = self.found.iter().map(|found| found.file.size()).sum();
        self.wanted = self.rows;
    }
}

impl Firsts {
    /// `fetch` rows of files, of each of which the least and the greatest key are given where they are known.
    pub(super) fn new(
        files: impl Iterator<Item = (PartitionedFile, Option<(i64, i64)>)>,
        options: SortOptions,
        fetch: usize,
    ) -> Self {
        let rank = |(min, max): (i64, i64)| {
            Rank::of(Some(if options.descending { max } else { min }), options)
        };
        let files = files.map(|(file, bounds)| (bounds.map(rank), file));
        let mut files: Vec<_> = files.collect();
        files.sort_by_key(|(rank, _)| *rank);
        Self {
            options,
            fetch,
            files: files.into(),
            state: Mutex::default(),
            changed: Notify::new(),
        }
    }

    /// The same, with nothing looked at.
    pub(super) fn anew(&self) -> Self {
        Self {
            options: self.options,
            fetch: self.fetch,
            files: Arc::clone(&self.files),
            state: Mutex::default(),
            changed: Notify::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is found counts as memory of this.
    pub(super) fn count_in(&self, memory: MemoryReservation) {
        self.state().memory.get_or_insert(memory);
    }

    /// A file that is to be looked at, if one is left.
    pub(super) fn take(self: &Arc<Self>) -> Option<Taken> {
        let mut state = self.state();
        let at = state.left.pop().or_else(|| {
            let next = state.next;
            state.next = self.files.len().min(next + 1);
            (next < self.files.len()).then_some(next)
        })?;
        let (rank, _) = &self.files[at];
        if self.is_behind(&state, *rank) {
            // So are all that follow: their ranks are known, too.
            state.next = self.files.len();
            return None;
        }
        state.at_work += 1;
        Some(Taken {
            firsts: Arc::clone(self),
            at,
            is_done: false,
        })
    }

    fn is_behind(&self, state: &State, rank: Option<Rank>) -> bool {
        rank.zip(state.last(self.fetch))
            .is_some_and(|(rank, last)| rank > last)
    }

    /// Waits until no file is left that somebody may still look at; `false` if there is one to be taken.
    pub(super) async fn is_over(&self) -> bool {
        loop {
            let changed = self.changed.notified();
            {
                let state = self.state();
                if state.next < self.files.len() || !state.left.is_empty() {
                    return false;
                }
                if state.at_work == 0 {
                    return true;
                }
            }
            changed.await;
        }
    }

    /// Rows with the rank of each, which is that of its key.
    pub(super) fn ranked(
        &self,
        rows: &[u32],
        keys: &[ArrayRef],
    ) -> impl Iterator<Item = (Rank, u32)> {
        let keys = keys
            .iter()
            .flat_map(|keys| keys.as_primitive::<Int64Type>());
        let ranks = keys.map(|key| Rank::of(key, self.options));
        ranks.zip(rows.iter().copied())
    }

    /// The rank behind which no row is wanted, once there are enough.
    pub(super) fn last(&self) -> Option<Rank> {
        self.state().last(self.fetch)
    }

    /// Takes in rows of a row group.
    ///
    /// # Errors
    ///
    /// There is no memory for so many.
    pub(super) fn add(
        &self,
        file: &Arc<Opened>,
        group: usize,
        rows: impl Iterator<Item = (Rank, u32)>,
    ) -> Result<()> {
        let mut state = self.state();
        let mut wanted = Vec::new();
        for (rank, row) in rows {
            if state.ranks.len() < self.fetch {
                state.ranks.push(rank);
            } else if let Some(mut last) = state.ranks.peek_mut() {
                if rank > *last {
                    continue;
                }
                if rank < *last {
                    *last = rank;
                }
            }
            wanted.push((rank, row));
        }
        if wanted.is_empty() {
            return Ok(());
        }
        state.rows += wanted.len();
        state.held += file.size();
        state.found.push(Found {
            file: Arc::clone(file),
            group,
            rows: wanted,
        });
        // Each time there are twice as many, so that a row is looked at a few times at most.
        if state.rows > 2 * state.wanted + self.fetch {
            state.prune(self.fetch);
        }
        let bytes = state.rows * size_of::<(Rank, u32)>() + state.held;
        match &mut state.memory {
            Some(memory) => memory.try_resize(bytes),
            None => Ok(()),
        }
    }

    /// The rows, once all files are looked at: the part of one of so many partitions.
    pub(super) fn part(&self, partition: usize, partitions: usize) -> Vec<Picked> {
        let mut state = self.state();
        state.prune(self.fetch);
        let found = state.found.iter();
        let parts = found.skip(partition).step_by(partitions.max(1));
        let picked = parts.map(|found| {
            let rows = found.rows.iter().map(|(_, row)| *row);
            Picked {
                file: Arc::clone(&found.file),
                group: found.group,
                rows: Selection::Rows(rows.collect()),
            }
        });
        picked.collect()
    }
}

/// A file that a partition looks at. Dropped before it is done, it is there for the others again.
pub(super) struct Taken {
    firsts: Arc<Firsts>,
    at: usize,
    is_done: bool,
}

impl Taken {
    pub(super) fn file(&self) -> &PartitionedFile {
        &self.firsts.files[self.at].1
    }

    /// Whether rows were found since that stand before all of its.
    pub(super) fn is_behind(&self) -> bool {
        let (rank, _) = &self.firsts.files[self.at];
        self.firsts.is_behind(&self.firsts.state(), *rank)
    }

    pub(super) fn done(mut self) {
        self.is_done = true;
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let mut state = self.firsts.state();
        state.at_work -= 1;
        if !self.is_done {
            state.left.push(self.at);
        }
        drop(state);
        self.firsts.changed.notify_waiters();
    }
}
