//! Which records of an append are the same, and which the lake has already.
//!
//! A record's key is `id` (whatever its letter case), `record_type`, `operation` and
//! `creation_time`; its content is compared only where a key is met again. A record without `id`
//! is known by its content alone.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use arrow::array::{
    Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray, StringViewArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use hashbrown::{HashMap, HashTable};

use crate::data_file::RowIndex;
use crate::error::Error;

/// Spells a record's content so that equal spellings are equal content; `None` if it is no record.
pub type Canonical = fn(&str) -> Option<String>;

/// The columns that identify a row.
#[derive(Debug)]
pub(crate) struct KeyColumns<'a> {
    id: Option<Texts<'a>>,
    record_type: Option<&'a Int64Array>,
    operation: Option<Texts<'a>>,
    user_id: Option<Texts<'a>>,
    creation_time: &'a TimestampMicrosecondArray,
}

/// What rows of a row group stand by before they stand by time: record type, operation and user.
pub(crate) type Kind<'a> = (Option<i64>, Option<&'a str>, Option<&'a str>);

/// For each of the kinds, in the order of their numbers, the rank of its record type and operation, and its own.
pub(crate) fn ranks(kinds: HashMap<Kind<'_>, usize>) -> Vec<(u32, u32)> {
    let mut sorted: Vec<_> = kinds.into_iter().collect();
    sorted.sort_unstable();
    let mut ranks = vec![(0, 0); sorted.len()];
    let mut operation = 0;
    let mut last = None;
    for (own, ((record_type, name, _), number)) in (0..).zip(sorted) {
        operation += u32::from(last.is_some_and(|last| last != (record_type, name)));
        last = Some((record_type, name));
        ranks[number] = (operation, own);
    }
    ranks
}

/// A column of texts, as a decoder makes it (views) or as it is read from a file.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Texts<'a> {
    Views(&'a StringViewArray),
    Strings(&'a StringArray),
}

impl<'a> Texts<'a> {
    pub(crate) fn of(batch: &'a RecordBatch, name: &str) -> Option<Self> {
        Self::of_array(batch.column_by_name(name)?)
    }

    pub(crate) fn of_array(array: &'a ArrayRef) -> Option<Self> {
        match array.as_string_view_opt() {
            Some(views) => Some(Self::Views(views)),
            None => array.as_string_opt().map(Self::Strings),
        }
    }

    /// Whether any row has one.
    pub(crate) fn has_any(self) -> bool {
        match self {
            Self::Views(array) => array.null_count() < array.len(),
            Self::Strings(array) => array.null_count() < array.len(),
        }
    }

    /// The text of a row, empty where it is null.
    #[inline]
    pub(crate) fn value(self, row: usize) -> &'a str {
        match self {
            Self::Views(array) if array.is_valid(row) => array.value(row),
            Self::Strings(array) if array.is_valid(row) => array.value(row),
            _ => "",
        }
    }

    pub(crate) fn get(self, row: usize) -> Option<&'a str> {
        let valid = match self {
            Self::Views(array) => array.is_valid(row),
            Self::Strings(array) => array.is_valid(row),
        };
        valid.then(|| self.value(row))
    }
}

/// What identifies a row, borrowed from its batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key<'a> {
    /// Not empty.
    pub(crate) id: Option<&'a str>,
    record_type: Option<i64>,
    operation: Option<&'a str>,
    /// Microseconds.
    pub(crate) creation_time: i64,
}

pub(crate) const KEY_COLUMNS: [&str; 4] = ["id", "record_type", "operation", "creation_time"];

impl<'a> KeyColumns<'a> {
    pub(crate) fn of(batch: &'a RecordBatch) -> Result<Self, Error> {
        let column = |name| batch.column_by_name(name);
        let creation_time = column("creation_time")
            .and_then(|array| array.as_primitive_opt::<TimestampMicrosecondType>())
            .ok_or_else(|| Error::internal("a batch of records without creation_time"))?;
        Ok(Self {
            id: Texts::of(batch, "id"),
            record_type: column("record_type")
                .and_then(|array| array.as_primitive_opt::<Int64Type>()),
            operation: Texts::of(batch, "operation"),
            user_id: Texts::of(batch, "user_id"),
            creation_time,
        })
    }

    pub(crate) fn key(&self, row: usize) -> Key<'a> {
        Key {
            id: self.id.map(|id| id.value(row)).filter(|id| !id.is_empty()),
            record_type: self
                .record_type
                .filter(|array| array.is_valid(row))
                .map(|array| array.value(row)),
            operation: self.operation.and_then(|operation| operation.get(row)),
            creation_time: self.creation_time.value(row),
        }
    }

    pub(crate) fn kind(&self, row: usize) -> Kind<'a> {
        let key = self.key(row);
        let user_id = self.user_id.and_then(|user_id| user_id.get(row));
        (key.record_type, key.operation, user_id)
    }
}

impl<'a> Key<'a> {
    /// What identifies a row beside the id: record type, operation and time.
    pub(crate) fn rest(&self) -> (Option<i64>, Option<&'a str>, i64) {
        (self.record_type, self.operation, self.creation_time)
    }

    fn hash(&self, state: &RandomState) -> u64 {
        // Without an id the content decides; the time narrows it down.
        match self.id {
            None => state.hash_one((0u8, self.creation_time)),
            Some(id) => {
                let mut lower = [0u8; 64];
                let id = id.as_bytes();
                let part = &mut lower[..id.len().min(64)];
                part.copy_from_slice(&id[..part.len()]);
                part.make_ascii_lowercase();
                state.hash_one((&*part, self.creation_time))
            }
        }
    }

    /// Whether two rows with equal content are one record, and two with different content variants.
    fn same(&self, other: &Key<'_>) -> bool {
        self.creation_time == other.creation_time
            && match (self.id, other.id) {
                (None, None) => true,
                (Some(a), Some(b)) => {
                    a.eq_ignore_ascii_case(b)
                        && self.record_type == other.record_type
                        && self.operation == other.operation
                }
                _ => false,
            }
    }
}

/// The rows of an append by key.
pub(crate) struct Keys<'a> {
    columns: Vec<KeyColumns<'a>>,
    raw: Vec<Texts<'a>>,
    canonical: Canonical,
    state: RandomState,
    table: HashTable<usize>,
    groups: Vec<Group>,
}

/// The rows of one key that are not the same record.
struct Group {
    first: RowIndex,
    /// The variant in the lake whose text is the first row's, byte for byte.
    known: Option<i64>,
    /// Only where the key was met again.
    contents: Option<Box<Contents>>,
}

#[derive(Default)]
struct Contents {
    /// Spelled contents of the rows, the first included, in the order of arrival.
    new: Vec<(RowIndex, String)>,
    new_set: HashSet<String>,
    existing: HashSet<String>,
    next_variant: i64,
}

/// A row that the lake lacks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NewRow {
    pub(crate) row: RowIndex,
    pub(crate) creation_time: i64,
    pub(crate) variant: i64,
    /// Rank of its record type and operation among those of the append, and with its user.
    pub(crate) kind: (u32, u32),
}

impl<'a> Keys<'a> {
    /// Groups the rows of `batches` by key, the same records once.
    pub(crate) fn of(batches: &'a [RecordBatch], canonical: Canonical) -> Result<Self, Error> {
        let columns = batches
            .iter()
            .map(KeyColumns::of)
            .collect::<Result<_, _>>()?;
        let raw = batches
            .iter()
            .map(|batch| {
                Texts::of(batch, "raw")
                    .ok_or_else(|| Error::internal("a batch of records without raw"))
            })
            .collect::<Result<_, _>>()?;
        let rows = batches.iter().map(RecordBatch::num_rows).sum();
        let mut keys = Self {
            columns,
            raw,
            canonical,
            state: RandomState::new(),
            table: HashTable::with_capacity(rows),
            groups: Vec::with_capacity(rows),
        };
        for (batch, rows) in batches.iter().map(RecordBatch::num_rows).enumerate() {
            for row in 0..rows {
                keys.insert((batch, row));
            }
        }
        Ok(keys)
    }

    fn insert(&mut self, row: RowIndex) {
        let key = self.key(row);
        let hash = key.hash(&self.state);
        match self
            .table
            .find(hash, |&group| self.key(self.groups[group].first).same(&key))
            .copied()
        {
            None => {
                let group = self.groups.len();
                self.groups.push(Group {
                    first: row,
                    known: None,
                    contents: None,
                });
                let (columns, groups, state) = (&self.columns, &self.groups, &self.state);
                self.table.insert_unique(hash, group, |&group| {
                    let (batch, row) = groups[group].first;
                    columns[batch].key(row).hash(state)
                });
            }
            Some(group) => {
                let first = self.groups[group].first;
                if self.groups[group].contents.is_none() && self.text(first) == self.text(row) {
                    return;
                }
                let content = self.spell(self.text(row));
                let contents = self.contents(group);
                if contents.new_set.insert(content.clone()) {
                    contents.new.push((row, content));
                }
            }
        }
    }

    /// The group's contents, spelled now if they were not yet.
    fn contents(&mut self, group: usize) -> &mut Contents {
        let Group { first, known, .. } = self.groups[group];
        let spelled = match self.groups[group].contents {
            Some(_) => None,
            None => Some(self.spell(self.text(first))),
        };
        let contents = self.groups[group].contents.get_or_insert_with(Box::default);
        if let Some(spelled) = spelled {
            if let Some(variant) = known {
                contents.existing.insert(spelled.clone());
                contents.next_variant = variant + 1;
            }
            contents.new_set.insert(spelled.clone());
            contents.new.push((first, spelled));
        }
        contents
    }

    /// The rows of a group's first members: what to look for in the lake.
    pub(crate) fn firsts(&self) -> impl Iterator<Item = (usize, Key<'_>)> {
        self.groups
            .iter()
            .enumerate()
            .map(|(group, g)| (group, self.key(g.first)))
    }

    /// The key of a group.
    pub(crate) fn first(&self, group: usize) -> Key<'_> {
        self.key(self.groups[group].first)
    }

    /// The group with this key.
    pub(crate) fn find(&self, key: &Key<'_>) -> Option<usize> {
        let hash = key.hash(&self.state);
        self.table
            .find(hash, |&group| self.key(self.groups[group].first).same(key))
            .copied()
    }

    /// Says that the lake has this text under the group's key.
    pub(crate) fn exists(&mut self, group: usize, text: &str, variant: i64) {
        let head = &mut self.groups[group];
        let (batch, row) = head.first;
        if head.contents.is_none() && self.raw[batch].value(row) == text {
            head.known = Some(variant);
            return;
        }
        let content = self.spell(text);
        let contents = self.contents(group);
        contents.existing.insert(content);
        contents.next_variant = contents.next_variant.max(variant + 1);
    }

    /// The rows that neither the append nor the lake has a copy of.
    pub(crate) fn new_rows(&self) -> Vec<NewRow> {
        let mut rows = Vec::with_capacity(self.groups.len());
        for group in &self.groups {
            let key = self.key(group.first);
            let creation_time = key.creation_time;
            match &group.contents {
                None if group.known.is_some() => {}
                None => rows.push(NewRow {
                    row: group.first,
                    creation_time,
                    variant: 0,
                    kind: (0, 0),
                }),
                Some(contents) => {
                    let lacking = contents
                        .new
                        .iter()
                        .filter(|(_, content)| !contents.existing.contains(content));
                    for ((row, _), variant) in lacking.zip(contents.next_variant..) {
                        // Without an id, each content is a record of its own.
                        let variant = if key.id.is_some() { variant } else { 0 };
                        rows.push(NewRow {
                            row: *row,
                            creation_time,
                            variant,
                            kind: (0, 0),
                        });
                    }
                }
            }
        }
        self.rank(&mut rows);
        rows
    }

    fn rank(&self, rows: &mut [NewRow]) {
        let mut kinds: HashMap<Kind<'_>, usize> = HashMap::new();
        let number = |new: &NewRow| {
            let number = kinds.len();
            let kind = self.columns[new.row.0].kind(new.row.1);
            *kinds.entry(kind).or_insert(number)
        };
        let numbers: Vec<usize> = rows.iter().map(number).collect();
        let ranks = ranks(kinds);
        for (new, number) in rows.iter_mut().zip(numbers) {
            new.kind = ranks[number];
        }
    }

    fn key(&self, (batch, row): RowIndex) -> Key<'a> {
        self.columns[batch].key(row)
    }

    fn text(&self, (batch, row): RowIndex) -> &'a str {
        self.raw[batch].value(row)
    }

    fn spell(&self, text: &str) -> String {
        (self.canonical)(text).unwrap_or_else(|| text.to_owned())
    }
}
