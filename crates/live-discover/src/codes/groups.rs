//! Groups of rows: a number for each combination of the keys' values.

use std::ops::Range;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result;
use hashbrown::HashMap;

use super::keys::Key;

/// The groups so far.
pub(super) struct Groups {
    pub(super) keys: Vec<Key>,
    /// For each key but the first, the combinations of those before it with it. Those of the last are the groups.
    pairs: Vec<Pairs>,
}

/// What was combined: a number on the left with one on the right, numbered in the order of their coming.
#[derive(Default)]
struct Pairs {
    known: HashMap<u64, u32>,
    pairs: Vec<(u32, u32)>,
}

impl Groups {
    /// `None` if values of one of the types can't be keys here.
    pub(super) fn new(types: &[DataType]) -> Option<Self> {
        Some(Self {
            keys: types.iter().map(Key::new).collect::<Option<_>>()?,
            pairs: types.iter().skip(1).map(|_| Pairs::default()).collect(),
        })
    }

    /// The group of each row, by the number that each of its keys has. Without keys all rows are one group.
    pub(super) fn of(&mut self, numbers: Vec<Vec<u32>>, rows: usize) -> Vec<usize> {
        let mut numbers = numbers.into_iter();
        let Some(mut groups) = numbers.next() else {
            return vec![0; rows];
        };
        for (pairs, numbers) in self.pairs.iter_mut().zip(numbers) {
            let mut last = None;
            for (group, number) in groups.iter_mut().zip(numbers) {
                let pair = (*group, number);
                *group = match last {
                    Some((known, group)) if known == pair => group,
                    _ => pairs.number(pair),
                };
                last = Some((pair, *group));
            }
        }
        groups.into_iter().map(|group| group as usize).collect()
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        match (self.pairs.last(), self.keys.first()) {
            (Some(pairs), _) => pairs.pairs.len(),
            (None, Some(key)) => key.count(),
            (None, None) => 1,
        }
    }

    /// The values of each key, a row for each of some groups.
    pub(super) fn columns(&self, groups: Range<usize>) -> Result<Vec<ArrayRef>> {
        let mut left: Vec<u32> = (groups.start as u32..groups.end as u32).collect();
        let mut columns = Vec::with_capacity(self.keys.len());
        for (pairs, key) in self.pairs.iter().zip(self.keys.iter().skip(1)).rev() {
            let pair = |group: &u32| pairs.pairs[*group as usize];
            let right: Vec<u32> = left.iter().map(|group| pair(group).1).collect();
            columns.push(key.array(&right)?);
            left = left.iter().map(|group| pair(group).0).collect();
        }
        if let Some(key) = self.keys.first() {
            columns.push(key.array(&left)?);
        }
        columns.reverse();
        Ok(columns)
    }

    /// Bytes that they take, about.
    pub(super) fn size(&self) -> usize {
        let keys: usize = self.keys.iter().map(Key::size).sum();
        let pairs = self.pairs.iter().map(|pairs| {
            pairs.known.allocation_size() + pairs.pairs.capacity() * size_of::<(u32, u32)>()
        });
        keys + pairs.sum::<usize>()
    }
}

impl Pairs {
    fn number(&mut self, (left, right): (u32, u32)) -> u32 {
        let pairs = &mut self.pairs;
        *self
            .known
            .entry(u64::from(left) << 32 | u64::from(right))
            .or_insert_with(|| {
                pairs.push((left, right));
                pairs.len() as u32 - 1
            })
    }
}
