//! The account of an engine's memory, and the caches that fill what queries leave.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use datafusion::common::HashMap;
use object_store::path::Path;
use tokio::sync::Notify;

use super::Needs;
use crate::metrics::CacheMetrics;

/// What an entry takes beside its value and the name of its file: its key, and its places in the maps.
const ENTRY_BYTES: usize = 256;

/// A kind of what is kept, for those who look at the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Footers,
    TextIndexes,
    Columns,
}

impl Kind {
    pub(crate) const COUNT: usize = 3;
}

/// What of a file is kept. A further kind of entry is a variant here and one of [`Kind`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Part {
    /// Its metadata, with the page index.
    Footer,
    /// What was read of its index of texts.
    TextIndex,
    /// A column of a row group, decoded.
    Column { group: usize, name: Arc<str> },
    /// Pages of a column of a row group, decoded.
    Pages { group: usize, name: Arc<str> },
    /// Which rows of a row group have a text in a column.
    Found {
        group: usize,
        name: Arc<str>,
        text: Arc<str>,
    },
}

impl Part {
    fn kind(&self) -> Kind {
        match self {
            Self::Footer => Kind::Footers,
            Self::TextIndex => Kind::TextIndexes,
            Self::Column { .. } | Self::Pages { .. } | Self::Found { .. } => Kind::Columns,
        }
    }
}

/// What an entry is known by. The path of a data file names its tenant, and what is in the file never changes: so
/// nothing that is kept goes stale, or to somebody else.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) path: Path,
    pub(crate) part: Part,
}

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
/// Entries of all kinds stand in one order, by when they were last asked for, or nearly; the first in it goes first,
/// whatever its kind. So each kind has what it is used for.
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

type Value = Arc<dyn Any + Send + Sync>;

#[derive(Debug, Default)]
struct State {
    queries: QueryCounts,
    /// Of each query that runs, what was set aside for it, or what it has where that is more.
    reserved_bytes: usize,
    cached_bytes: usize,
    bytes_max: usize,
    entries: HashMap<Arc<Key>, Entry>,
    /// By when it was last asked for.
    order: BTreeMap<u64, Arc<Key>>,
    asked: u64,
    counts: [CacheMetrics; Kind::COUNT],
}

#[derive(Debug)]
struct Entry {
    value: Value,
    bytes: usize,
    asked: u64,
}

impl Budget {
    /// The part that is counted of what a process may take: what is on its way and what an allocator keeps are not.
    pub(crate) fn of(memory_bytes: usize) -> Self {
        Self::new(memory_bytes / 8 * 5)
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
        self.state().counts[kind as usize]
    }

    /// What is kept under the key. `None` also where it is no `V`: a part has one type of value.
    pub(crate) fn get<V: Any + Send + Sync>(&self, key: &Key) -> Option<Arc<V>> {
        let mut state = self.state();
        let value = state.get(key).and_then(|value| value.downcast::<V>().ok());
        let counts = &mut state.counts[key.part.kind() as usize];
        match value {
            Some(_) => counts.hits += 1,
            None => counts.misses += 1,
        }
        value
    }

    /// Whether something is kept under the key; that it was asked does not count.
    pub(crate) fn contains(&self, key: &Key) -> bool {
        self.state().entries.contains_key(key)
    }

    /// Keeps a value of so many bytes, in place of what was not asked for the longest, if queries leave room.
    pub(crate) fn put<V: Any + Send + Sync>(&self, key: Key, value: Arc<V>, bytes: usize) {
        let bytes = bytes.saturating_add(ENTRY_BYTES + key.path.as_ref().len());
        let mut state = self.state();
        let mut gone = Vec::from_iter(state.remove(&key));
        let room = self.limit_bytes.saturating_sub(state.queries.bytes);
        if bytes <= room {
            state.evict(room - bytes, &mut gone);
            state.insert(key, value, bytes);
            state.note_most();
        }
        drop(state);
        // What goes is let go of without the lock: it may be large.
        drop(gone);
    }

    /// Lets go of what is kept under the key.
    pub(crate) fn remove<V: Any + Send + Sync>(&self, key: &Key) -> Option<Arc<V>> {
        let removed = self.state().remove(key);
        removed.and_then(|value| value.downcast::<V>().ok())
    }

    /// Lets go of all entries of a kind.
    pub(crate) fn clear(&self, kind: Kind) {
        let mut state = self.state();
        let keys = state.keys(kind);
        let gone: Vec<Value> = keys.iter().filter_map(|key| state.remove(key)).collect();
        drop(state);
        drop(gone);
    }

    /// The keys of a kind.
    pub(crate) fn keys(&self, kind: Kind) -> Vec<Arc<Key>> {
        self.state().keys(kind)
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
    pub(super) fn try_take(&self, bytes: usize, beyond: usize) -> Result<(), usize> {
        let state = self.state();
        let free = self.limit_bytes.saturating_sub(state.reserved_bytes);
        if beyond > free {
            return Err(state.reserved_bytes);
        }
        self.take_locked(state, bytes, beyond);
        Ok(())
    }

    /// The same where the query has it already.
    pub(super) fn take(&self, bytes: usize, beyond: usize) {
        self.take_locked(self.state(), bytes, beyond);
    }

    fn take_locked(&self, mut state: MutexGuard<'_, State>, bytes: usize, beyond: usize) {
        state.reserved_bytes += beyond;
        state.queries.bytes += bytes;
        state.queries.bytes_max = state.queries.bytes_max.max(state.queries.bytes);
        let mut gone = Vec::new();
        let room = self.limit_bytes.saturating_sub(state.queries.bytes);
        state.evict(room, &mut gone);
        state.note_most();
        drop(state);
        drop(gone);
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
    fn get(&mut self, key: &Key) -> Option<Value> {
        let count = self.entries.len() as u64;
        let entry = self.entries.get_mut(key)?;
        // One of the younger half stays where it is: it is far from being let go of, and most that is asked for is.
        if self.asked - entry.asked >= count / 2 {
            self.asked += 1;
            if let Some(key) = self.order.remove(&entry.asked) {
                self.order.insert(self.asked, key);
            }
            entry.asked = self.asked;
        }
        Some(Arc::clone(&entry.value))
    }

    fn insert(&mut self, key: Key, value: Value, bytes: usize) {
        let key = Arc::new(key);
        self.asked += 1;
        self.cached_bytes += bytes;
        let counts = &mut self.counts[key.part.kind() as usize];
        counts.entries += 1;
        counts.bytes += bytes as u64;
        self.order.insert(self.asked, Arc::clone(&key));
        let asked = self.asked;
        self.entries.insert(
            key,
            Entry {
                value,
                bytes,
                asked,
            },
        );
    }

    fn remove(&mut self, key: &Key) -> Option<Value> {
        let entry = self.entries.remove(key)?;
        self.order.remove(&entry.asked);
        self.cached_bytes -= entry.bytes;
        let counts = &mut self.counts[key.part.kind() as usize];
        counts.entries -= 1;
        counts.bytes -= entry.bytes as u64;
        Some(entry.value)
    }

    /// Lets entries go, the one not asked for the longest first, until they have no more than `bytes_max`.
    fn evict(&mut self, bytes_max: usize, gone: &mut Vec<Value>) {
        while self.cached_bytes > bytes_max
            && let Some((_, key)) = self.order.pop_first()
        {
            gone.extend(self.remove(&key));
            self.counts[key.part.kind() as usize].evictions += 1;
        }
    }

    fn keys(&self, kind: Kind) -> Vec<Arc<Key>> {
        let of_kind = |key: &&Arc<Key>| key.part.kind() == kind;
        self.entries
            .keys()
            .filter(of_kind)
            .map(Arc::clone)
            .collect()
    }

    fn note_most(&mut self) {
        let bytes = self.queries.bytes + self.cached_bytes;
        self.bytes_max = self.bytes_max.max(bytes);
    }
}

#[cfg(test)]
mod tests {
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
        budget.try_take(half, 0).unwrap();
        let names = |budget: &Budget| {
            let mut names: Vec<String> = (budget.keys(Kind::Footers).iter())
                .map(|key| key.path.to_string())
                .collect();
            names.sort();
            names
        };
        assert_eq!(names(&budget), ["c", "d"]);
        budget.try_take(half, half).unwrap();
        assert!(names(&budget).is_empty());
        assert_eq!(budget.try_take(1, 1), Err(2 * half));
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
