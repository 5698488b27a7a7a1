//! The account of an engine's memory, and the caches that fill what queries leave.

use std::any::Any;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::Needs;
use super::cache::{Cache, Key, Kind, Value};
use crate::metrics::CacheMetrics;

/// What an entry takes beside its value and the name of its file: its key, and its places in the maps.
const ENTRY_BYTES: usize = 256;

/// What is known of the queries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct QueryCounts {
    pub(crate) bytes: usize,
    pub(crate) bytes_max: usize,
    pub(crate) waiting: u64,
    pub(crate) running: u64,
    pub(crate) finished: u64,
}

/// The bound of an engine's memory, and who has what of it.
///
/// Entries of all kinds stand in one order ([`super::cache`]): so each kind has what it is used for.
#[derive(Debug)]
pub(crate) struct Budget {
    limit_bytes: usize,
    state: Mutex<State>,
    /// The queries that wait, by what they need.
    lines: [Line; 2],
}

/// Queries that wait, first come, first served.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// Whoever has it is next.
    pub(super) next: tokio::sync::Mutex<()>,
    /// Told when there may be room now.
    pub(super) freed: Notify,
}

/// What caches gave up. To be dropped when no lock is held: it may be large, and may give memory back to a query.
#[derive(Debug)]
#[must_use]
pub(super) struct Gone(#[expect(dead_code, reason = "is there to be dropped")] Vec<Value>);

#[derive(Debug, Default)]
struct State {
    queries: QueryCounts,
    /// Of each query that runs, what was set aside for it, or what it has where that is more.
    reserved_bytes: usize,
    bytes_max: usize,
    cache: Cache,
}

impl Budget {
    /// The part that is counted of what a process may take: what is on its way and what an allocator keeps are not.
    pub(crate) fn of(memory_bytes: usize) -> Self {
        Self::new(memory_bytes / 2)
    }

    pub(crate) fn new(limit_bytes: usize) -> Self {
        Self {
            limit_bytes,
            state: Mutex::default(),
            lines: <[Line; 2]>::default(),
        }
    }

    pub(crate) fn limit_bytes(&self) -> usize {
        self.limit_bytes
    }

    pub(crate) fn queries(&self) -> QueryCounts {
        self.state().queries
    }

    /// The most that queries and caches had at one time.
    pub(crate) fn bytes_max(&self) -> usize {
        self.state().bytes_max
    }

    pub(crate) fn cache(&self, kind: Kind) -> CacheMetrics {
        self.state().cache.counts(kind)
    }

    /// What is kept under the key. `None` also where it is no `V`: a part has one type of value.
    pub(crate) fn get<V: Any + Send + Sync>(&self, key: &Key) -> Option<Arc<V>> {
        self.state().cache.get(key)
    }

    /// Asks for an entry because of another one that is of use with it only.
    pub(crate) fn touch(&self, key: &Key) {
        self.state().cache.touch(key);
    }

    /// Whether something is kept under the key; that it was asked does not count.
    pub(crate) fn contains(&self, key: &Key) -> bool {
        self.state().cache.contains(key)
    }

    /// Keeps a value of so many bytes, in place of what is of less use, if queries leave room.
    pub(crate) fn put<V: Any + Send + Sync>(&self, key: Key, value: Arc<V>, bytes: usize) {
        self.put_if(key, value, bytes, true);
    }

    /// Keeps a value of so many bytes if nothing has to go for it.
    pub(crate) fn put_in_free<V: Any + Send + Sync>(&self, key: Key, value: Arc<V>, bytes: usize) {
        self.put_if(key, value, bytes, false);
    }

    /// Keeps a value of so many bytes if there is room, or `others_go` for it.
    fn put_if<V: Any + Send + Sync>(&self, key: Key, value: Arc<V>, bytes: usize, others_go: bool) {
        let bytes = bytes.saturating_add(ENTRY_BYTES + key.path.as_ref().len());
        let mut gone = Vec::new();
        let mut state = self.state();
        let room = self.limit_bytes.saturating_sub(state.queries.bytes);
        if !others_go && state.cache.bytes().saturating_add(bytes) > room {
            return;
        }
        state.cache.put(key, value, bytes, room, &mut gone);
        state.note_most();
        drop(state);
        // What goes is let go of without the lock: it may be large.
        drop(gone);
    }

    /// Lets go of what is kept under the key.
    pub(crate) fn remove<V: Any + Send + Sync>(&self, key: &Key) -> Option<Arc<V>> {
        let removed = self.state().cache.remove_value(key);
        removed.and_then(|value| value.downcast::<V>().ok())
    }

    /// Lets go of all entries of a kind.
    pub(crate) fn clear(&self, kind: Kind) {
        let mut state = self.state();
        let keys = state.cache.keys(kind);
        let gone = keys.iter().map(|key| state.cache.remove_value(key));
        let gone: Vec<Option<Value>> = gone.collect();
        drop(state);
        drop(gone);
    }

    /// The keys of a kind.
    pub(crate) fn keys(&self, kind: Kind) -> Vec<Arc<Key>> {
        self.state().cache.keys(kind)
    }

    /// What queries that need much leave to the others: an eighth, or where that is little a quarter.
    pub(crate) fn kept_for_little(&self) -> usize {
        const LITTLE_BYTES: usize = 64 << 20;
        (self.limit_bytes / 8).max(LITTLE_BYTES.min(self.limit_bytes / 4))
    }

    /// Sets memory aside for a query that begins: `min` bytes, and up to `max` of half of what is free where it needs
    /// much; `None` while there is less.
    pub(super) fn try_begin(&self, needs: Needs, min: usize, max: usize) -> Option<usize> {
        let mut state = self.state();
        let free = self.limit_bytes.saturating_sub(state.reserved_bytes);
        let (free, share) = match needs {
            Needs::Little => (free, min),
            Needs::Much => {
                let free = free.saturating_sub(self.kept_for_little());
                (free, (free / 2).max(min).min(max))
            }
        };
        if share > free {
            return None;
        }
        state.reserved_bytes += share;
        state.queries.running += 1;
        Some(share)
    }

    /// Sets more aside for a query that runs, of which it has `beyond` already beyond what is set aside; not if what is left were
    /// less than `others` need to begin, and those that need little.
    pub(super) fn try_reserve(&self, bytes: usize, others: usize, beyond: usize) -> bool {
        let mut state = self.state();
        let free = self.limit_bytes.saturating_sub(state.reserved_bytes);
        let bytes = bytes.saturating_sub(beyond);
        let left = others.saturating_add(self.kept_for_little());
        let is_free = free >= bytes.saturating_add(left);
        if is_free {
            state.reserved_bytes += bytes;
        }
        is_free
    }

    /// Where queries wait that need so much.
    pub(super) fn line(&self, needs: Needs) -> &Line {
        &self.lines[needs as usize]
    }

    fn tell_waiting(&self) {
        for line in &self.lines {
            line.freed.notify_one();
        }
    }

    /// A query ends, which has `kept` bytes of what was reserved for it still.
    pub(super) fn end(&self, reserved: usize, kept: usize) {
        let mut state = self.state();
        state.reserved_bytes = state.reserved_bytes.saturating_sub(reserved - kept);
        state.queries.running -= 1;
        state.queries.finished += 1;
        drop(state);
        self.tell_waiting();
    }

    /// A query waits to begin, or does no longer.
    pub(super) fn waits(&self, waits: bool) {
        let waiting = &mut self.state().queries.waiting;
        *waiting = if waits { *waiting + 1 } else { *waiting - 1 };
    }

    /// Gives `bytes` to a query, `beyond` of them beyond what is reserved for it; the caches make room. Gives the bytes
    /// that are reserved already where there are too few left.
    pub(super) fn try_take(&self, bytes: usize, beyond: usize) -> Result<Gone, usize> {
        let state = self.state();
        let free = self.limit_bytes.saturating_sub(state.reserved_bytes);
        if beyond > free {
            return Err(state.reserved_bytes);
        }
        Ok(self.take_locked(state, bytes, beyond))
    }

    /// The same where the query has it already.
    pub(super) fn take(&self, bytes: usize, beyond: usize) -> Gone {
        self.take_locked(self.state(), bytes, beyond)
    }

    fn take_locked(&self, mut state: MutexGuard<'_, State>, bytes: usize, beyond: usize) -> Gone {
        state.reserved_bytes += beyond;
        state.queries.bytes += bytes;
        state.queries.bytes_max = state.queries.bytes_max.max(state.queries.bytes);
        let mut gone = Vec::new();
        let room = self.limit_bytes.saturating_sub(state.queries.bytes);
        state.cache.shrink(room, &mut gone);
        state.note_most();
        Gone(gone)
    }

    /// A query gives back `bytes`, `beyond` of them beyond what was set aside for it.
    pub(super) fn give_back(&self, bytes: usize, beyond: usize) {
        let mut state = self.state();
        state.reserved_bytes = state.reserved_bytes.saturating_sub(beyond);
        state.queries.bytes = state.queries.bytes.saturating_sub(bytes);
        drop(state);
        if beyond > 0 {
            self.tell_waiting();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is whole when the lock is let go of.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn note_most(&mut self) {
        let bytes = self.queries.bytes + self.cache.bytes();
        self.bytes_max = self.bytes_max.max(bytes);
    }
}

#[cfg(test)]
mod tests {
    use object_store::path::Path;

    use super::super::Part;
    use super::*;

    fn key(name: &str, part: Part) -> Key {
        Key {
            path: Path::from(name),
            part,
        }
    }

    fn footer(name: &str) -> Key {
        key(name, Part::Footer)
    }

    fn index(name: &str) -> Key {
        key(name, Part::TextIndex)
    }

    /// A budget that has room for so many entries of names of one letter and 1,000 bytes.
    fn budget(entries: usize) -> Budget {
        Budget::new(entries * (1_001 + ENTRY_BYTES))
    }

    #[test]
    fn what_was_not_asked_for_the_longest_goes_first_whatever_its_kind() {
        let budget = budget(3);
        budget.put(footer("a"), Arc::new(1), 1_000);
        budget.put(index("a"), Arc::new("x"), 1_000);
        budget.put(footer("b"), Arc::new(2), 1_000);
        assert_eq!(budget.get(&footer("a")), Some(Arc::new(1)));
        budget.put(index("b"), Arc::new("y"), 1_000);
        assert_eq!(budget.get::<&str>(&index("a")), None);
        assert_eq!(budget.get(&footer("a")), Some(Arc::new(1)));
        assert_eq!(budget.get(&footer("b")), Some(Arc::new(2)));
        assert_eq!(budget.get(&index("b")), Some(Arc::new("y")));
        let counts = budget.cache(Kind::TextIndexes);
        assert_eq!(counts.entries, 1);
        assert_eq!((counts.hits, counts.misses, counts.evictions), (1, 1, 1));
        let counts = budget.cache(Kind::Footers);
        assert_eq!((counts.entries, counts.hits, counts.evictions), (2, 3, 0));
        assert_eq!(budget.bytes_max(), budget.limit_bytes());
    }

    #[test]
    fn an_entry_takes_the_place_of_the_one_before() {
        let budget = budget(2);
        budget.put(footer("a"), Arc::new(1), 1_000);
        budget.put(footer("a"), Arc::new(2), 500);
        assert_eq!(budget.get(&footer("a")), Some(Arc::new(2)));
        let counts = budget.cache(Kind::Footers);
        assert_eq!(counts.entries, 1);
        assert_eq!(counts.bytes, 501 + ENTRY_BYTES as u64);
        // One that is too large is not kept, nor is what it replaces.
        budget.put(footer("a"), Arc::new(3), 10_000);
        assert_eq!(budget.get::<i32>(&footer("a")), None);
        assert_eq!(budget.cache(Kind::Footers).bytes, 0);
    }

    #[test]
    fn caches_give_way_to_queries() {
        let budget = budget(4);
        for name in ["a", "b", "c", "d"] {
            budget.put(footer(name), Arc::new(name), 1_000);
        }
        let half = budget.limit_bytes() / 2;
        let begun = budget.try_begin(Needs::Much, half, half);
        assert_eq!(begun, Some(half));
        drop(budget.try_take(half, 0).unwrap());
        let names = |budget: &Budget| {
            let mut names: Vec<String> = (budget.keys(Kind::Footers).iter())
                .map(|key| key.path.to_string())
                .collect();
            names.sort();
            names
        };
        assert_eq!(names(&budget), ["c", "d"]);
        drop(budget.try_take(half, half).unwrap());
        assert!(names(&budget).is_empty());
        assert_eq!(budget.try_take(1, 1).unwrap_err(), 2 * half);
        // Nothing is kept while there is no room, and no query is in its way.
        budget.put(footer("e"), Arc::new("e"), 1_000);
        assert!(names(&budget).is_empty());
        budget.give_back(2 * half, half);
        budget.end(half, 0);
        budget.put(footer("e"), Arc::new("e"), 1_000);
        assert_eq!(names(&budget), ["e"]);
        assert_eq!(budget.bytes_max(), budget.limit_bytes());
        assert_eq!(budget.queries().bytes_max, budget.limit_bytes());
    }

    #[test]
    fn a_query_that_needs_much_has_half_of_what_is_free() {
        let budget = Budget::new(800);
        let begin = |needs, min, max| budget.try_begin(needs, min, max);
        assert_eq!(begin(Needs::Much, 100, 800), Some(300));
        assert_eq!(begin(Needs::Much, 50, 50), Some(50));
        assert_eq!(begin(Needs::Much, 100, 800), Some(125));
        assert_eq!(begin(Needs::Much, 100, 800), Some(100));
        assert_eq!(begin(Needs::Much, 50, 800), None);
        // What is left beside is for those that need little.
        assert_eq!(begin(Needs::Little, 200, 800), Some(200));
        assert_eq!(begin(Needs::Little, 50, 800), None);
        // One ends with something that it still has.
        budget.end(300, 270);
        assert_eq!(begin(Needs::Little, 50, 800), Some(50));
        assert_eq!(budget.queries().running, 5);
    }
}
