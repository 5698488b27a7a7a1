//! What is kept for the next queries, and what goes first.
//!
//! All entries have one order, by when they were last asked for, and the oldest goes first. That alone keeps nothing of
//! what is asked for in turn and has no room as a whole: each entry goes just before it is asked for again. One that went
//! so [twice](VAIN_MAX) takes the place of those only that were not asked for since it was asked for itself (the idea of
//! LIRS, Jiang and Zhang, SIGMETRICS 2002). All are [new](Place::New) for a while, so that whoever puts one finds it.

use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::hash::BuildHasher;
use std::sync::Arc;

use datafusion::common::HashMap;
use object_store::path::Path;

use crate::metrics::CacheMetrics;

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
    /// Its row groups and the names of its columns.
    Shape,
    /// What was read of its index of texts.
    TextIndex,
    /// A column of a row group, decoded.
    Column { group: usize, name: Arc<str> },
    /// The different texts of a column, of all data files of a table: its path is that of their folder.
    Texts { name: Arc<str> },
    /// Blocks of pages of a column of a row group, decoded.
    Pages { group: usize, name: Arc<str> },
    /// Which rows of a row group were searched for a text in a column, and have it.
    Searched {
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
            Self::Shape
            | Self::Column { .. }
            | Self::Texts { .. }
            | Self::Pages { .. }
            | Self::Searched { .. } => Kind::Columns,
        }
    }
}

/// What an entry is known by. The path of a data file, or of a table's folder, names its tenant, and what is in the file
/// never changes: so nothing that is kept goes stale, or to somebody else.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) path: Path,
    pub(crate) part: Part,
}

/// Once there is no room, what is new has one part of so many.
const NEW_PART: usize = 16;

/// Asked for again within so many asks, an entry is asked for by the same query, which says nothing of the next.
const SAME_QUERY: Moment = 256;

/// So often an entry goes that no other query asked for while it was there, until it is taken for one that is asked for in
/// turn.
const VAIN_MAX: u8 = 2;

/// Of so many entries that went it is known when they were last asked for: some 3 MB.
const GONE_MAX: usize = 1 << 16;

pub(super) type Value = Arc<dyn Any + Send + Sync>;

/// Moments are numbers that grow with all that is asked for.
type Moment = u64;

#[derive(Debug, Default)]
pub(super) struct Cache {
    entries: HashMap<Arc<Key>, Entry>,
    bytes: usize,
    new: BTreeMap<Moment, Arc<Key>>,
    new_bytes: usize,
    /// Those that are not new, by when they were last asked for, or before.
    old: BTreeMap<Moment, Arc<Key>>,
    gone: Gone,
    now: Moment,
    counts: [CacheMetrics; Kind::COUNT],
}

#[derive(Debug)]
struct Entry {
    value: Value,
    bytes: usize,
    put: Moment,
    /// When it was last asked for, or put.
    asked: Moment,
    /// How often in a row it went before without being of use.
    vain: u8,
    place: Place,
}

/// Where an entry stands.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// By when it was put.
    New {
        /// When it was asked for before it went, if it went in vain too often.
        before: Option<Moment>,
    },
    Old {
        at: Moment,
    },
}

impl Entry {
    /// Whether a later query than that which put it asked for it.
    fn is_of_use(&self) -> bool {
        self.asked - self.put > SAME_QUERY
    }
}

/// What is known of entries that went, by the hashes of their keys: two that have the same are taken for each other,
/// which changes what is kept and nothing else.
#[derive(Debug, Default)]
struct Gone {
    entries: HashMap<u64, GoneEntry>,
    order: VecDeque<(u64, Moment)>,
}

#[derive(Debug, Clone, Copy)]
struct GoneEntry {
    asked: Moment,
    vain: u8,
}

impl Gone {
    fn put(&mut self, hash: u64, entry: &Entry) {
        let vain = match entry.is_of_use() {
            true => 0,
            false => entry.vain.saturating_add(1),
        };
        let asked = entry.asked;
        self.entries.insert(hash, GoneEntry { asked, vain });
        self.order.push_back((hash, asked));
        if self.order.len() > GONE_MAX
            && let Some((hash, asked)) = self.order.pop_front()
            && (self.entries.get(&hash)).is_some_and(|entry| entry.asked == asked)
        {
            self.entries.remove(&hash);
        }
    }
}

impl Cache {
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn counts(&self, kind: Kind) -> CacheMetrics {
        self.counts[kind as usize]
    }

    pub(super) fn contains(&self, key: &Key) -> bool {
        self.entries.contains_key(key)
    }

    pub(super) fn get<V: Any + Send + Sync>(&mut self, key: &Key) -> Option<Arc<V>> {
        self.now += 1;
        let value = self.entries.get_mut(key).and_then(|entry| {
            entry.asked = self.now;
            Arc::clone(&entry.value).downcast::<V>().ok()
        });
        let counts = &mut self.counts[key.part.kind() as usize];
        match value {
            Some(_) => counts.hits += 1,
            None => counts.misses += 1,
        }
        value
    }

    /// An entry that is of use with another one that was asked for is asked for, too; it does not count.
    pub(super) fn touch(&mut self, key: &Key) {
        self.now += 1;
        if let Some(entry) = self.entries.get_mut(key) {
            entry.asked = self.now;
        }
    }

    /// Keeps a value of so many bytes, if all together may have `room`. What goes is added to `gone`.
    pub(super) fn put(
        &mut self,
        key: Key,
        value: Value,
        bytes: usize,
        room: usize,
        gone: &mut Vec<Value>,
    ) {
        let replaced = self.remove(&key);
        let stood = replaced.as_ref().map(|entry| (entry.place, entry.vain));
        gone.extend(replaced.map(|entry| entry.value));
        if bytes > room {
            return;
        }
        self.now += 1;
        let put = self.now;
        let (place, vain) = match stood {
            Some((Place::Old { .. }, vain)) => (Place::Old { at: put }, vain),
            Some(new) => new,
            None => {
                let hash = self.entries.hasher().hash_one(&key);
                let went = self.gone.entries.remove(&hash);
                let vain = went.map_or(0, |went| went.vain);
                let before = went.filter(|_| vain >= VAIN_MAX).map(|went| went.asked);
                (Place::New { before }, vain)
            }
        };
        let counts = &mut self.counts[key.part.kind() as usize];
        counts.entries += 1;
        counts.bytes += bytes as u64;
        self.bytes += bytes;
        let key = Arc::new(key);
        let entry = Entry {
            value,
            bytes,
            put,
            asked: put,
            vain,
            place,
        };
        self.stand(&key, &entry);
        self.entries.insert(key, entry);
        self.shrink(room, gone);
    }

    /// Takes an entry away that is not wanted any more.
    pub(super) fn remove_value(&mut self, key: &Key) -> Option<Value> {
        self.remove(key).map(|entry| entry.value)
    }

    /// Lets entries go until they have no more than `bytes_max`.
    pub(super) fn shrink(&mut self, bytes_max: usize, gone: &mut Vec<Value>) {
        while self.bytes > bytes_max && !self.entries.is_empty() {
            let is_of_new = self.new_bytes > bytes_max / NEW_PART || self.old.is_empty();
            let key = match is_of_new {
                true => self.settle(),
                false => self.oldest().map(|(key, _)| key),
            };
            if let Some(key) = key
                && let Some(entry) = self.remove(&key)
            {
                let hash = self.entries.hasher().hash_one(key.as_ref());
                self.gone.put(hash, &entry);
                self.counts[key.part.kind() as usize].evictions += 1;
                gone.push(entry.value);
            }
        }
    }

    pub(super) fn keys(&self, kind: Kind) -> Vec<Arc<Key>> {
        let of_kind = |key: &&Arc<Key>| key.part.kind() == kind;
        self.entries
            .keys()
            .filter(of_kind)
            .map(Arc::clone)
            .collect()
    }

    /// Puts the entry that is new for the longest among the old ones, or gives it if it has to go.
    fn settle(&mut self) -> Option<Arc<Key>> {
        let key = Arc::clone(self.new.first_key_value()?.1);
        let oldest = self.oldest().map(|(_, asked)| asked);
        let entry = self.entries.get_mut(&key)?;
        if let Place::New { before } = entry.place
            && before.is_some()
            && before < oldest
            && !entry.is_of_use()
        {
            return Some(key);
        }
        self.new.remove(&entry.put);
        self.new_bytes -= entry.bytes;
        entry.place = Place::Old { at: entry.asked };
        self.old.insert(entry.asked, key);
        None
    }

    /// Which of the old entries was not asked for the longest, and when it was.
    fn oldest(&mut self) -> Option<(Arc<Key>, Moment)> {
        loop {
            let first = self.old.first_entry()?;
            let entry = self.entries.get_mut(first.get())?;
            if entry.asked == *first.key() {
                return Some((Arc::clone(first.get()), entry.asked));
            }
            // Asked for since: its place is told now only, not each time that it is asked for.
            entry.place = Place::Old { at: entry.asked };
            let key = first.remove();
            self.old.insert(entry.asked, key);
        }
    }

    fn stand(&mut self, key: &Arc<Key>, entry: &Entry) {
        match entry.place {
            Place::New { .. } => {
                self.new_bytes += entry.bytes;
                self.new.insert(entry.put, Arc::clone(key));
            }
            Place::Old { at } => {
                self.old.insert(at, Arc::clone(key));
            }
        }
    }

    fn remove(&mut self, key: &Key) -> Option<Entry> {
        let entry = self.entries.remove(key)?;
        match entry.place {
            Place::New { .. } => {
                self.new_bytes -= entry.bytes;
                self.new.remove(&entry.put);
            }
            Place::Old { at } => {
                self.old.remove(&at);
            }
        }
        self.bytes -= entry.bytes;
        let counts = &mut self.counts[key.part.kind() as usize];
        counts.entries -= 1;
        counts.bytes -= entry.bytes as u64;
        Some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: usize = 1_600;

    /// Asks for entries of one byte in turn, each of which is put if it is not there; gives how many were there.
    fn ask(cache: &mut Cache, names: std::ops::Range<usize>) -> usize {
        let is_there = |name: &usize| {
            let key = Key {
                path: Path::from(name.to_string()),
                part: Part::Footer,
            };
            let is_there = cache.get::<usize>(&key).is_some();
            if !is_there {
                cache.put(key, Arc::new(*name), 1, ROOM, &mut Vec::new());
            }
            assert!(cache.bytes() <= ROOM);
            is_there
        };
        names.filter(is_there).count()
    }

    #[test]
    fn what_has_room_is_kept() {
        let mut cache = Cache::default();
        assert_eq!(ask(&mut cache, 0..ROOM), 0);
        assert_eq!(ask(&mut cache, 0..ROOM), ROOM);
    }

    #[test]
    fn of_what_is_asked_for_in_turn_and_has_no_room_a_part_stays() {
        for entries in [2_000, 5_000] {
            let mut cache = Cache::default();
            // It takes two rounds to be told from what is asked for once.
            assert_eq!(ask(&mut cache, 0..entries), 0);
            assert_eq!(ask(&mut cache, 0..entries), 0);
            for _ in 0..5 {
                assert!(ask(&mut cache, 0..entries) >= ROOM / 16 * 15, "{entries}");
            }
        }
    }

    #[test]
    fn what_was_put_is_there_for_who_asks_next() {
        let mut cache = Cache::default();
        for _ in 0..5 {
            for name in 0..5_000 {
                ask(&mut cache, name..name + 1);
                assert_eq!(ask(&mut cache, name..name + 1), 1, "{name}");
            }
        }
    }

    #[test]
    fn what_is_asked_for_now_takes_the_place_of_what_was_asked_for_then() {
        let mut cache = Cache::default();
        for _ in 0..10 {
            for names in [0..1_500, 10_000..11_500] {
                assert!(ask(&mut cache, names.clone()) <= 100, "most had to go");
                assert_eq!(ask(&mut cache, names.clone()), 1_500);
            }
        }
    }
}
