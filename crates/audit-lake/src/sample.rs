//! What the values of a column chunk are like, by some of them: whether they come again, and how many bytes they take.

use std::hash::Hash;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Int64Type};
use hashbrown::HashSet;

use crate::keys::Texts;

/// Values looked at.
const SAMPLED: usize = 256;
/// Of a hundred values looked at so many are different at most if they are said to come again.
const DIFFERENT_PERCENT_MAX: usize = 95;
/// Bytes of an id, with its length, in the mean at most: a hash in hexadecimal digits has 68.
const ID_BYTES_MAX: usize = 72;

/// Some of the values of a chunk.
pub(crate) struct Sample {
    /// Values of the chunk.
    values: usize,
    /// How many were looked at, how many of these are different, and the bytes of those that are.
    sampled: usize,
    different: usize,
    different_bytes: usize,
}

impl Sample {
    /// Some of the values that stand in arrays of one type, one after the other; `None` for bags.
    pub(crate) fn of(arrays: &[ArrayRef]) -> Option<Self> {
        let values = arrays.iter().map(|array| array.len() - array.null_count());
        let values = values.sum();
        let is_among = |sampled, different, different_bytes| Self {
            values,
            sampled,
            different,
            different_bytes,
        };
        match arrays.first()?.data_type() {
            DataType::Utf8 | DataType::Utf8View => {
                let texts = arrays.iter().map(Texts::of_array);
                let texts = texts.collect::<Option<Vec<_>>>()?;
                let (sampled, seen) = some_of(arrays, values, |at, row| texts[at].value(row));
                let bytes = seen.iter().map(|text| size_of::<u32>() + text.len()).sum();
                Some(is_among(sampled, seen.len(), bytes))
            }
            DataType::Int64 => {
                let numbers = arrays
                    .iter()
                    .map(|array| array.as_primitive_opt::<Int64Type>());
                let numbers = numbers.collect::<Option<Vec<_>>>()?;
                let (sampled, seen) = some_of(arrays, values, |at, row| numbers[at].value(row));
                Some(is_among(sampled, seen.len(), seen.len() * size_of::<i64>()))
            }
            DataType::Timestamp(_, _) => Some(is_among(values, values, values * size_of::<i64>())),
            // A bit a value, as if there were two codes.
            DataType::Boolean => Some(is_among(values, values.min(2), 0)),
            _ => None,
        }
    }

    /// Whether values come again, so that a dictionary of them is worth its work.
    pub(crate) fn repeats(&self) -> bool {
        self.different * 100 <= self.sampled * DIFFERENT_PERCENT_MAX
    }

    /// Whether values are like ids: short, and hardly any comes again.
    pub(crate) fn is_of_ids(&self) -> bool {
        !self.repeats() && self.different_bytes <= self.different * ID_BYTES_MAX
    }

    /// About how many bytes the values take: those that are different, and a code for each.
    pub(crate) fn encoded_bytes(&self) -> usize {
        let code_bits = match self.different {
            0 | 1 => 0,
            different => (different - 1).ilog2() as usize + 1,
        };
        let unseen = match self.repeats() {
            true => 1,
            false => self.values.div_ceil(self.sampled.max(1)),
        };
        self.different_bytes * unseen + (self.values * code_bits).div_ceil(8)
    }
}

/// How many of `values` values were looked at, and those that are different; `value` reads one of an array and row.
fn some_of<V: Eq + Hash>(
    arrays: &[ArrayRef],
    values: usize,
    value: impl Fn(usize, usize) -> V,
) -> (usize, HashSet<V>) {
    // An odd step: values that take turns are all met.
    let step = values.div_ceil(SAMPLED) | 1;
    let places = arrays.iter().enumerate().flat_map(|(at, array)| {
        let rows: Box<dyn Iterator<Item = usize>> = match array.nulls() {
            Some(nulls) => Box::new(nulls.valid_indices()),
            None => Box::new(0..array.len()),
        };
        rows.map(move |row| (at, row))
    });
    let mut sampled = 0;
    let mut seen = HashSet::new();
    for (at, row) in places.step_by(step) {
        seen.insert(value(at, row));
        sampled += 1;
    }
    (sampled, seen)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{BooleanArray, Int64Array, StringViewArray};

    use super::*;

    fn texts(texts: impl IntoIterator<Item = Option<String>>) -> ArrayRef {
        Arc::new(texts.into_iter().collect::<StringViewArray>())
    }

    #[test]
    fn few_values_take_few_bytes_however_often_they_come() {
        let one = texts((0..10_000).map(|_| Some("Add user.".to_owned())));
        let none = texts((0..10_000).map(|_| None));
        let two = (0..10_000).map(|row| Some(format!("User {}", row % 2)));
        let rare = texts((0..10_000).map(|row| (row == 9_999).then(|| "rare".to_owned())));
        for (name, array, bytes) in [
            ("one text", one, 13),
            ("none", none, 0),
            ("two texts", texts(two), 2 * 10 + 1_250),
            ("one value", rare, 8),
            ("numbers", Arc::new(Int64Array::from(vec![7; 10_000])), 8),
            (
                "true or false",
                Arc::new(BooleanArray::from(vec![true; 800])),
                100,
            ),
        ] {
            let sample = Sample::of(&[array]).map(|sample| sample.encoded_bytes());
            assert_eq!(sample, Some(bytes), "{name}");
        }
    }

    #[test]
    fn values_that_are_all_different_take_as_many_as_they_are() {
        let ids = texts((0..10_000).map(|row| Some(format!("{row:06}"))));
        let sample = Sample::of(&[ids]).map(|sample| (sample.repeats(), sample.encoded_bytes()));
        assert!(sample.is_some_and(|(repeats, bytes)| !repeats && bytes >= 100_000));
    }

    #[test]
    fn ids_are_short_and_differ() {
        let id = |row: u64| Some(format!("{:064x}", row.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        let json = |row: u64| {
            Some(format!(
                "{{\"Number\":{row},\"Text\":\"{}\"}}",
                "x".repeat(64)
            ))
        };
        for (name, array, is_of_ids) in [
            ("hashes", texts((0..10_000).map(id)), true),
            ("objects", texts((0..10_000).map(json)), false),
            (
                "hashes that come again",
                texts((0..10_000).map(|row| id(row % 40))),
                false,
            ),
        ] {
            let sample = Sample::of(&[array]).map(|sample| sample.is_of_ids());
            assert_eq!(sample, Some(is_of_ids), "{name}");
        }
    }

    #[test]
    fn arrays_are_looked_at_as_one() {
        let part = |begin: i64| -> ArrayRef { Arc::new(Int64Array::from_iter(begin..begin + 100)) };
        let same = Sample::of(&[part(0), part(0)]).map(|sample| sample.repeats());
        let other = Sample::of(&[part(0), part(100)]).map(|sample| sample.repeats());
        assert_eq!((same, other), (Some(true), Some(false)));
    }
}
