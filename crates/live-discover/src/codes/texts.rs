//! The different texts of a column of a table, held once for all row groups that have them: the same users and addresses
//! come in each.

use std::hash::BuildHasher;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use datafusion::arrow::array::{Array, AsArray, StringViewArray, UInt32Array};
use datafusion::arrow::compute::{concat, take};
use datafusion::common::Result;
use hashbrown::{DefaultHashBuilder, HashTable};

use crate::memory::Key;

/// With more, or more bytes of them, those of a further row group stay its own.
const TEXTS_MAX: usize = 1 << 17;
const BYTES_MAX: usize = 8 << 20;
/// Buffers that all texts lie in at most: each array that is made of some takes all of them along.
const PARTS_MAX: usize = 16;

/// Texts, numbered in the order of their coming. The first is null.
#[derive(Debug)]
pub(super) struct Texts {
    /// What they are known by in the engine's budget.
    pub(super) key: Key,
    state: RwLock<State>,
}

#[derive(Debug)]
struct State {
    texts: StringViewArray,
    known: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl Texts {
    pub(super) fn new(key: Key) -> Self {
        Self {
            key,
            state: RwLock::new(State {
                texts: StringViewArray::new_null(1),
                known: HashTable::new(),
                hasher: DefaultHashBuilder::default(),
            }),
        }
    }

    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes that they take, about.
    pub(super) fn size(&self) -> usize {
        self.state().size()
    }

    /// The number of each of a row group's texts, of which the first is null. `None` where most of them are new, as of a
    /// column whose texts come and go, or all together would be too many.
    pub(super) fn numbers(&self, texts: &StringViewArray) -> Option<Box<[u32]>> {
        let mut numbers = {
            let state = self.state();
            let numbers = state.numbers(texts);
            let new = numbers.iter().filter(|number| number.is_none()).count();
            let most_are_new = state.texts.len() > 1 && new * 2 > texts.len();
            if most_are_new || !state.has_room_for(texts, new) {
                return None;
            }
            numbers
        };
        if numbers.iter().any(Option::is_none) {
            let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
            state.add(texts, &mut numbers).ok()?;
        }
        numbers.into_iter().collect()
    }

    /// The texts that have these numbers.
    pub(super) fn of(&self, numbers: Vec<u32>) -> Result<StringViewArray> {
        let texts = take(&self.state().texts, &UInt32Array::from(numbers), None)?;
        Ok(texts.as_string_view().clone())
    }
}

impl State {
    fn size(&self) -> usize {
        self.texts.get_array_memory_size() + self.known.allocation_size()
    }

    fn number(&self, text: &str) -> Option<u32> {
        let is_it = |number: &u32| self.texts.value(*number as usize) == text;
        self.known.find(self.hasher.hash_one(text), is_it).copied()
    }

    /// The numbers of a row group's texts, as far as they are known; that of null is 0.
    fn numbers(&self, texts: &StringViewArray) -> Vec<Option<u32>> {
        let numbers = texts.iter().map(|text| match text {
            Some(text) => self.number(text),
            None => Some(0),
        });
        numbers.collect()
    }

    fn has_room_for(&self, texts: &StringViewArray, new: usize) -> bool {
        self.texts.len() + new <= TEXTS_MAX
            && (new == 0 || self.size() + texts.get_array_memory_size() <= BYTES_MAX)
    }

    /// Takes in those of a row group's texts that have no number, and gives them one.
    fn add(&mut self, texts: &StringViewArray, numbers: &mut [Option<u32>]) -> Result<()> {
        let first = self.texts.len() as u32;
        let mut new: Vec<u32> = Vec::new();
        for (at, number) in numbers.iter_mut().enumerate() {
            if number.is_none() {
                // Others may have come before.
                let known = self.number(texts.value(at));
                *number = known.or_else(|| {
                    new.push(at as u32);
                    Some(first + new.len() as u32 - 1)
                });
            }
        }
        let new = take(texts, &UInt32Array::from(new), None)?;
        // Of the row group's own there is nothing left then.
        let new = new.as_string_view().gc();
        let all = concat(&[&self.texts, &new])?;
        let all = all.as_string_view();
        self.texts = match all.data_buffers().len() > PARTS_MAX {
            true => all.gc(),
            false => all.clone(),
        };
        for number in first..self.texts.len() as u32 {
            let (texts, hasher) = (&self.texts, &self.hasher);
            let hash = |number: &u32| hasher.hash_one(texts.value(*number as usize));
            self.known.insert_unique(hash(&number), number, hash);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use object_store::path::Path;

    use super::*;
    use crate::memory::Part;

    fn texts(texts: impl IntoIterator<Item = String>) -> StringViewArray {
        let texts = texts.into_iter().map(Some);
        [None].into_iter().chain(texts).collect()
    }

    fn shared() -> Texts {
        Texts::new(Key {
            path: Path::from("table"),
            part: Part::Texts {
                name: "user".into(),
            },
        })
    }

    fn user(number: usize) -> String {
        format!("user {number} whose name has no room in a view")
    }

    #[test]
    fn texts_have_one_number_in_all_row_groups() {
        let shared = shared();
        let mut size = 0;
        // Each group has some that the one before it had, and some that are new.
        for group in 0..40 {
            let of_group = texts((0..30).map(|at| user(group * 10 + at)));
            let numbers = shared.numbers(&of_group).unwrap();
            assert_eq!(numbers[0], 0);
            assert_eq!(shared.of(numbers.to_vec()).unwrap(), of_group, "{group}");
            assert_eq!(shared.numbers(&of_group).unwrap(), numbers, "{group}");
            assert!(shared.size() > size);
            size = shared.size();
        }
        let first = shared.numbers(&texts([user(0), user(419)])).unwrap();
        assert_eq!(first.as_ref(), [0, 1, 420]);
    }

    #[test]
    fn texts_that_come_and_go_are_not_shared() {
        let shared = shared();
        assert!(shared.numbers(&texts((0..30).map(user))).is_some());
        let size = shared.size();
        assert!(shared.numbers(&texts((100..130).map(user))).is_none());
        let too_many = (0..TEXTS_MAX).map(|number| number.to_string());
        assert!(
            super::Texts::new(shared.key.clone())
                .numbers(&texts(too_many))
                .is_none()
        );
        let too_long = texts(["x".repeat(BYTES_MAX)]);
        assert!(
            super::Texts::new(shared.key.clone())
                .numbers(&too_long)
                .is_none()
        );
        assert_eq!(shared.size(), size);
    }
}
