//! The memory of a query: a pool of its own, within the engine's budget.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use datafusion::common::{DataFusionError, Result};
use datafusion::execution::memory_pool::{
    MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation,
};

use super::consumer::{is_grouping, is_merging, is_sorting, weight};
use super::needs::THREAD_BYTES;
use super::{Budget, Needs};

/// How the engine's total is called in messages.
pub(crate) const ENGINE_POOL: &str = "memory of the engine";

/// What a thread of a query needs to sort or group whatever comes, by going to disk: the batches that it sorts, and
/// those that it merges.
const SORTING_BYTES: usize = 64 << 20;
/// Batches that a thread has at hand: the one that it makes, and one that waits to be taken.
const BATCHES_OF_THREAD: usize = 2;
/// What is set aside for groups grows by so much at least.
const EXTRA_BYTES: usize = 8 << 20;
/// The pool of one query.
///
/// Steps that can go to disk share what was set aside for the query when it began by their [`weight`], and go to disk
/// beyond, once they have something to put there. For what groups rows more is set aside as long as the engine has more
/// than another query needs to begin. What merges has two thirds of it, or of what its sort had
/// ([`merges`]); the rest is for what comes after, such as the merge of what the threads have sorted. What cannot go to
/// disk (a table that a join looks things up in) takes what it needs up to the query's limit, as long as the engine has
/// it. So whatever else runs, a query that can do with its part finishes.
#[derive(Debug)]
pub(crate) struct QueryMemory {
    limit_bytes: usize,
    threads: usize,
    budget: Arc<Budget>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Set aside; zero before the query begins.
    share_bytes: usize,
    /// Set aside since for steps that group, and what they have of it.
    extra_bytes: usize,
    extra_taken: usize,
    /// Of steps that can go to disk, and what they weigh together.
    spillable_bytes: usize,
    spilling: usize,
    /// How many merge what steps have sorted.
    merging: usize,
    /// The most that a sort had at once.
    sorted_bytes_max: usize,
    /// Of the others.
    fixed_bytes: usize,
    /// Of rows on their way, at most so far, which are of no step.
    passing_bytes: usize,
}

impl State {
    fn bytes(&self) -> usize {
        self.spillable_bytes + self.fixed_bytes
    }

    /// What is set aside for the query.
    fn reserved(&self) -> usize {
        self.share_bytes + self.extra_bytes
    }

    /// What steps leave of it.
    fn left(&self) -> usize {
        self.reserved().saturating_sub(self.bytes())
    }

    /// What the query has beyond.
    fn beyond(&self) -> usize {
        self.bytes().saturating_sub(self.reserved())
    }

    /// What each merge has, as [`merges`] says. A sort has more than its part once others have ended, or before they begin.
    fn of_merge(&self) -> usize {
        let part = self.share_bytes / self.merging.max(1);
        merges(part.max(self.sorted_bytes_max))
    }

    /// What a step that can go to disk may have.
    fn part(&self, consumer: &MemoryConsumer) -> usize {
        let shared = self.share_bytes.saturating_sub(self.fixed_bytes);
        shared / self.spilling.max(1) * weight(consumer)
    }

    /// What a step has of `extra_bytes` that has so much.
    fn of_extra(&self, consumer: &MemoryConsumer, bytes: usize) -> usize {
        match is_grouping(consumer) {
            true => bytes.saturating_sub(self.part(consumer)),
            false => 0,
        }
    }

    fn add(&mut self, can_spill: bool, bytes: usize) {
        match can_spill {
            true => self.spillable_bytes += bytes,
            false => self.fixed_bytes += bytes,
        }
    }

    fn remove(&mut self, can_spill: bool, bytes: usize) {
        match can_spill {
            true => self.spillable_bytes = self.spillable_bytes.saturating_sub(bytes),
            false => self.fixed_bytes = self.fixed_bytes.saturating_sub(bytes),
        }
    }
}

impl QueryMemory {
    /// The memory of a query of so many threads; it has to [`begin`](Self::begin) before it runs.
    pub(crate) fn new(limit_bytes: usize, threads: usize, budget: Arc<Budget>) -> Self {
        Self {
            limit_bytes,
            threads: threads.max(1),
            budget,
            state: Mutex::default(),
        }
    }

    /// Waits until there is memory for the query, and sets it aside until the turn ends.
    pub(crate) async fn begin(self: &Arc<Self>, needs: Needs) -> Turn {
        let budget = &self.budget;
        let little = budget.kept_for_little();
        let (of_thread, most) = match needs {
            Needs::Little => (THREAD_BYTES, little),
            Needs::Much => (SORTING_BYTES, budget.limit_bytes() - little),
        };
        let min = (of_thread.saturating_mul(self.threads)).min(most);
        let min = min.min(self.limit_bytes);
        let _waiting = Waiting::new(budget);
        let line = budget.line(needs);
        let _next = line.next.lock().await;
        loop {
            // What is freed from here on is told.
            let freed = line.freed.notified();
            if let Some(share) = budget.try_begin(needs, min, self.limit_bytes) {
                self.state().share_bytes = share;
                return Turn(Arc::clone(self));
            }
            freed.await;
        }
    }

    /// Whether a step that groups may have so much more of what is set aside for such steps, which grows for it.
    fn try_extra(&self, state: &mut State, bytes: usize) -> bool {
        let taken = state.extra_taken + bytes;
        if taken > state.extra_bytes {
            let more = (taken - state.extra_bytes).max(EXTRA_BYTES);
            let more = more.min(self.limit_bytes.saturating_sub(state.reserved()));
            let others = SORTING_BYTES.saturating_mul(self.threads);
            if self.budget.try_reserve(more, others, state.beyond()) {
                state.extra_bytes += more;
            }
        }
        let is_there = taken <= state.extra_bytes;
        if is_there {
            state.extra_taken = taken;
        }
        is_there
    }

    /// Counts less of the rows on their way, if steps take what these were counted in.
    fn make_room(&self, state: &mut State) {
        let less = state.passing_bytes.saturating_sub(state.left());
        state.passing_bytes -= less;
        if less > 0 {
            self.budget.give_back(less, 0);
        }
    }

    fn end(&self) {
        let mut state = self.state();
        self.budget
            .give_back(std::mem::take(&mut state.passing_bytes), 0);
        // Tasks that were stopped just now may have some still.
        let reserved = state.reserved().max(state.bytes());
        (state.share_bytes, state.extra_bytes) = (0, 0);
        self.budget.end(reserved, state.bytes());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A query that runs; dropped, what was set aside for it is free.
#[derive(Debug)]
pub(crate) struct Turn(Arc<QueryMemory>);

impl Turn {
    /// Counts batches of rows of the result that are between the step that reads them and the caller, where one has so many
    /// bytes and the caller lets so many wait: caches make room for them, as far as steps leave some of what is set aside.
    /// The first counts alone, as it may be all that there is.
    pub(crate) fn pass(&self, batch_bytes: usize, waiting: usize) {
        let mut state = self.0.state();
        let batches = match state.passing_bytes {
            0 => 1,
            _ => waiting + BATCHES_OF_THREAD * self.0.threads,
        };
        let bytes = batch_bytes.saturating_mul(batches).min(state.left());
        if let Some(more) = bytes
            .checked_sub(state.passing_bytes)
            .filter(|more| *more > 0)
        {
            state.passing_bytes = bytes;
            let gone = self.0.budget.take(more, 0);
            drop(state);
            drop(gone);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.end();
    }
}

struct Waiting<'a>(&'a Budget);

impl<'a> Waiting<'a> {
    fn new(budget: &'a Budget) -> Self {
        budget.waits(true);
        Self(budget)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waits(false);
    }
}

impl fmt::Display for QueryMemory {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "query({} bytes)", self.limit_bytes)
    }
}

impl MemoryPool for QueryMemory {
    fn name(&self) -> &str {
        "query"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        let mut state = self.state();
        state.spilling += weight(consumer);
        state.merging += usize::from(is_merging(consumer));
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        let mut state = self.state();
        state.spilling -= weight(consumer);
        state.merging -= usize::from(is_merging(consumer));
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        let mut state = self.state();
        let beyond = state.beyond();
        state.add(reservation.consumer().can_spill(), additional);
        self.make_room(&mut state);
        let gone = self.budget.take(additional, state.beyond() - beyond);
        // Dropped, it may give back what this query counts for it.
        drop(state);
        drop(gone);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        let mut state = self.state();
        let beyond = state.beyond();
        let consumer = reservation.consumer();
        // It has let go of it by now.
        let has = reservation.size();
        let let_go = state.of_extra(consumer, has + shrink) - state.of_extra(consumer, has);
        state.extra_taken = state.extra_taken.saturating_sub(let_go);
        state.remove(consumer.can_spill(), shrink);
        self.budget.give_back(shrink, beyond - state.beyond());
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        let consumer = reservation.consumer();
        let can_spill = consumer.can_spill();
        let mut state = self.state();
        let has = reservation.size();
        let mut extra = 0;
        // One that has nothing has nothing to spill, or to merge.
        let part = match has > 0 {
            true if can_spill => {
                let wanted = has.saturating_add(additional);
                extra = state.of_extra(consumer, wanted) - state.of_extra(consumer, has);
                Some(match extra > 0 && self.try_extra(&mut state, extra) {
                    true => wanted,
                    false => state.part(consumer),
                })
            }
            true if is_merging(consumer) => Some(state.of_merge()),
            _ => None,
        };
        let left = self.limit_bytes.saturating_sub(state.bytes());
        let (available, wanted) = match part {
            Some(part) if can_spill => (part, has.saturating_add(additional)),
            Some(part) => (part.saturating_sub(has).min(left), additional),
            None => (left, additional),
        };
        if wanted > available {
            let name = consumer.name();
            let (has, whose) = match can_spill && state.share_bytes < self.limit_bytes {
                true => (state.share_bytes, format!(" of the {ENGINE_POOL}")),
                false => (self.limit_bytes, String::new()),
            };
            return Err(DataFusionError::ResourcesExhausted(format!(
                "{has} bytes{whose}; `{name}` needs {additional} more and cannot spill further"
            )));
        }
        if is_sorting(consumer) {
            state.sorted_bytes_max = state.sorted_bytes_max.max(wanted);
        }
        let beyond = state.beyond();
        state.add(can_spill, additional);
        self.make_room(&mut state);
        let taken = self.budget.try_take(additional, state.beyond() - beyond);
        if taken.is_err() {
            state.remove(can_spill, additional);
            state.extra_taken = state.extra_taken.saturating_sub(extra);
        }
        // What caches gave up for it may give back what this query counts for it.
        drop(state);
        taken.map(drop).map_err(|reserved| {
            DataFusionError::ResourcesExhausted(format!(
                "all queries together have {reserved} of {} bytes, {ENGINE_POOL}, and one wants {additional} more",
                self.budget.limit_bytes()
            ))
        })
    }

    fn reserved(&self) -> usize {
        self.state().bytes()
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.limit_bytes)
    }
}

/// What merges have where sorts have so much.
///
/// A sort counts each batch by what it holds and by its own bytes, and then merges its batches in memory by what they
/// hold. Texts of which more than a fourth is not a batch's own are copied before, so the merge has four sevenths of the
/// sort's part at most, and a batch or two. A merge from disk would take all that the query may have.
fn merges(sorted_bytes: usize) -> usize {
    sorted_bytes / 3 * 2
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use object_store::path::Path;

    use super::super::{Key, Part};
    use super::*;

    const MIB: usize = 1 << 20;

    fn memory(budget: &Arc<Budget>, limit_bytes: usize) -> Arc<QueryMemory> {
        Arc::new(QueryMemory::new(limit_bytes, 1, Arc::clone(budget)))
    }

    fn reservation(memory: &Arc<QueryMemory>, can_spill: bool) -> MemoryReservation {
        let pool: Arc<dyn MemoryPool> = Arc::clone(memory) as _;
        let consumer = MemoryConsumer::new("step").with_can_spill(can_spill);
        consumer.register(&pool)
    }

    #[test]
    fn queries_wait_for_their_part_in_the_order_in_which_they_came() {
        let budget = Arc::new(Budget::new(192 * MIB));
        let begin = || memory(&budget, usize::MAX);
        let memories = [begin(), begin(), begin(), begin()];
        let much = |memory| Box::pin(QueryMemory::begin(memory, Needs::Much));
        let mut turns = memories.each_ref().map(much);
        let first = (&mut turns[0]).now_or_never().unwrap();
        let second = (&mut turns[1]).now_or_never().unwrap();
        assert!((&mut turns[2]).now_or_never().is_none());
        assert!((&mut turns[3]).now_or_never().is_none());
        let counts = budget.queries();
        assert_eq!((counts.running, counts.waiting), (2, 2));
        drop(first);
        assert!((&mut turns[3]).now_or_never().is_none());
        let third = (&mut turns[2]).now_or_never().unwrap();
        assert!((&mut turns[3]).now_or_never().is_none());
        drop((second, third));
        assert!((&mut turns[3]).now_or_never().is_some());
        drop(turns);
        let counts = budget.queries();
        assert_eq!((counts.running, counts.waiting, counts.finished), (0, 0, 4));
    }

    /// Of one thread, and a caller that lets three batches wait: five.
    #[test]
    fn rows_on_their_way_are_counted_as_far_as_steps_leave_room() {
        let budget = Arc::new(Budget::new(256 * MIB));
        let memory = memory(&budget, usize::MAX);
        let turn = memory.begin(Needs::Little).now_or_never().unwrap();
        let counted = || budget.queries().bytes;
        turn.pass(2 * MIB, 3);
        assert_eq!(counted(), 2 * MIB);
        turn.pass(2 * MIB, 3);
        turn.pass(MIB, 3);
        assert_eq!(counted(), 10 * MIB);
        // Of its 32.
        let step = reservation(&memory, false);
        step.try_grow(20 * MIB).unwrap();
        turn.pass(4 * MIB, 3);
        assert_eq!(counted(), (20 + 12) * MIB);
        step.try_grow(8 * MIB).unwrap();
        assert_eq!(counted(), (28 + 4) * MIB);
        drop(step);
        drop(turn);
        assert_eq!(counted(), 0);
    }

    #[test]
    fn a_query_has_its_part_whatever_the_others_take() {
        let budget = Arc::new(Budget::new(256 * MIB));
        let (greedy, modest) = (memory(&budget, usize::MAX), memory(&budget, usize::MAX));
        let turn = greedy.begin(Needs::Much).now_or_never().unwrap();
        let _modest_turn = modest.begin(Needs::Much).now_or_never().unwrap();
        let fixed = reservation(&greedy, false);
        // Its own 96 and as much that nobody has.
        fixed.try_grow(192 * MIB).unwrap();
        let error = fixed.try_grow(1).unwrap_err().to_string();
        assert!(error.contains(ENGINE_POOL), "{error}");
        let spillable = [reservation(&modest, true), reservation(&modest, true)];
        for reservation in &spillable {
            reservation.try_grow(32 * MIB).unwrap();
            let error = reservation.try_grow(1).unwrap_err().to_string();
            assert!(error.contains(ENGINE_POOL), "{error}");
        }
        assert_eq!(budget.queries().bytes, 256 * MIB);
        // What it has after its turn is not given to others before it is let go of.
        drop(turn);
        let next = memory(&budget, usize::MAX);
        assert!(next.begin(Needs::Much).now_or_never().is_none());
        drop(fixed);
        assert!(next.begin(Needs::Much).now_or_never().is_some());
        assert_eq!(budget.bytes_max(), 256 * MIB);
    }

    #[test]
    fn merges_leave_a_third_of_the_part_to_what_comes_after() {
        let budget = Arc::new(Budget::new(192 * MIB));
        // All of its limit is set aside for it.
        let memory = memory(&budget, 48 * MIB);
        let _turn = memory.begin(Needs::Much).now_or_never().unwrap();
        let pool: Arc<dyn MemoryPool> = Arc::clone(&memory) as _;
        let register = |name: &str| MemoryConsumer::new(name).register(&pool);
        let merges = ["ExternalSorterMerge[0]", "ExternalSorterMerge[1]"].map(register);
        for merge in &merges {
            while merge.try_grow(MIB).is_ok() {}
            assert_eq!(merge.size(), 16 * MIB);
        }
        let after = register("SortPreservingMergeExec[0]");
        after.try_grow(16 * MIB).unwrap();
        // One of them ends, and the other has its part when there is room.
        let [merge, other] = merges;
        drop((other, after));
        while merge.try_grow(MIB).is_ok() {}
        assert_eq!(merge.size(), 32 * MIB);
    }

    /// One sort of two has ended its input, and the other has what that leaves.
    #[test]
    fn what_a_sort_has_can_be_merged() {
        let budget = Arc::new(Budget::new(192 * MIB));
        let memory = memory(&budget, 128 * MIB);
        let _turn = memory.begin(Needs::Much).now_or_never().unwrap();
        let pool: Arc<dyn MemoryPool> = Arc::clone(&memory) as _;
        let sort = |name: &str| (MemoryConsumer::new(name).with_can_spill(true)).register(&pool);
        let register = |name: &str| MemoryConsumer::new(name).register(&pool);
        let sorts = ["ExternalSorter[0]", "ExternalSorter[1]"].map(sort);
        let merges = ["ExternalSorterMerge[0]", "ExternalSorterMerge[1]"].map(register);
        let [ended, sort] = sorts;
        drop(ended);
        while sort.try_grow(MIB).is_ok() {}
        let sorted = sort.size();
        assert!(sorted > 40 * MIB, "{sorted}");
        // Each batch is counted twice while it is not sorted.
        while sort.size() > 2 * MIB {
            sort.shrink(2 * MIB);
            merges[1].try_grow(MIB).unwrap();
        }
    }

    /// Groups on disk cost more than anything else that goes there.
    #[test]
    fn what_groups_has_more_where_there_is_more() {
        let budget = Arc::new(Budget::new(512 * MIB));
        let memory = memory(&budget, 400 * MIB);
        let turn = memory.begin(Needs::Much).now_or_never().unwrap();
        let pool: Arc<dyn MemoryPool> = Arc::clone(&memory) as _;
        let step = |name: &str| (MemoryConsumer::new(name).with_can_spill(true)).register(&pool);
        let queues = ["RepartitionExec[0]", "RepartitionExec[1]"].map(step);
        let groups = ["FinalHashAggregateStream[0]", "FinalHashAggregateStream[1]"].map(step);
        for step in queues.iter().chain(&groups) {
            step.try_grow(MIB).unwrap();
        }
        // 224 by weight: 22 for each queue, 89 for each group.
        while queues[0].try_grow(MIB).is_ok() {}
        assert_eq!(queues[0].size(), 22 * MIB);
        while groups[0].try_grow(MIB).is_ok() {}
        // And what is set aside until another query could just begin.
        assert_eq!(memory.state().reserved(), 384 * MIB);
        assert_eq!(groups[0].size(), (89 + 160) * MIB);
        let other = self::memory(&budget, 400 * MIB);
        let other_turn = other.begin(Needs::Much).now_or_never().unwrap();
        // The others have their parts still.
        for (step, part) in [(&groups[1], 89), (&queues[1], 22)] {
            while step.try_grow(MIB).is_ok() {}
            // And what is left of a MiB.
            assert!(
                (part * MIB..=(part + 1) * MIB).contains(&step.size()),
                "{}",
                step.size()
            );
        }
        // What one lets go of another one has.
        groups[0].shrink(200 * MIB);
        groups[1].try_grow(100 * MIB).unwrap();
        drop((queues, groups, turn, other_turn));
        assert_eq!(budget.queries().bytes, 0);
        let memory = self::memory(&budget, usize::MAX);
        let _turn = memory.begin(Needs::Much).now_or_never().unwrap();
        assert_eq!(memory.state().reserved(), 224 * MIB);
    }

    /// A cached value may hold what a query counts, and goes when that query takes more.
    #[test]
    fn what_caches_give_up_may_be_counted_for_the_query_that_takes() {
        let budget = Arc::new(Budget::new(4 * MIB));
        let memory = memory(&budget, usize::MAX);
        let _turn = memory.begin(Needs::Much).now_or_never().unwrap();
        let key = |name: &str| Key {
            path: Path::from(name),
            part: Part::Footer,
        };
        let counted = || {
            let counted = reservation(&memory, false);
            counted.grow(1_000);
            Arc::new(counted)
        };
        budget.put(key("a"), counted(), MIB);
        budget.put(key("b"), counted(), MIB);
        let further = reservation(&memory, false);
        further.try_grow(5 * MIB / 2).unwrap();
        assert_eq!(memory.reserved(), 5 * MIB / 2 + 1_000);
        further.grow(MIB);
        assert_eq!(memory.reserved(), 7 * MIB / 2);
    }

    #[test]
    fn a_query_has_no_more_than_its_limit() {
        let budget = Arc::new(Budget::new(128 * MIB));
        let memory = memory(&budget, MIB);
        let _turn = memory.begin(Needs::Much).now_or_never().unwrap();
        for can_spill in [true, false] {
            let reservation = reservation(&memory, can_spill);
            reservation.try_grow(MIB).unwrap();
            let error = reservation.try_grow(1).unwrap_err().to_string();
            assert!(!error.contains(ENGINE_POOL), "{error}");
            assert!(
                error.contains("1048576 bytes; `step` needs 1 more"),
                "{error}"
            );
        }
        assert_eq!(budget.queries().bytes, 0);
    }
}
