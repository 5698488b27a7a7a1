//! Blocks of pages that are kept decoded, where texts that repeat are held once.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringViewArray, UInt32Array};
use datafusion::arrow::compute::take;
use datafusion::common::HashMap;

/// Rows that have the same text, in the mean, from which on it is held once.
const ROWS_A_TEXT_MIN: usize = 4;

/// Different texts that are met before it is asked how many rows have the same.
const SEEN_MIN: usize = 2048;

/// Decoded blocks of pages of a column of a row group. There may be more of them at any time, and never fewer.
#[derive(Debug, Default)]
pub(super) struct KeptPages(Mutex<Kept>);

#[derive(Debug, Default)]
pub(super) struct Kept {
    /// By the block's first row: where its rows begin, in what was read at once.
    pub(super) blocks: HashMap<usize, (Values, usize)>,
    /// What they hold.
    bytes: usize,
}

/// Values of blocks that were read at once.
#[derive(Debug, Clone)]
pub(super) struct Values {
    pub(super) values: ArrayRef,
    /// Where texts repeat, `values` has null and each of them once, and this says which of them each row has.
    pub(super) codes: Option<Arc<[u16]>>,
}

impl Values {
    /// Values as they are.
    fn plain(values: ArrayRef) -> Self {
        Self {
            values,
            codes: None,
        }
    }

    /// The same in less memory.
    pub(super) fn small(values: ArrayRef) -> Self {
        let Some(texts) = values.as_string_view_opt() else {
            return Self::plain(values);
        };
        match coded(texts) {
            Some((texts, codes)) => Self {
                values: Arc::new(texts),
                codes: Some(codes.into()),
            },
            None => Self::plain(alone(values)),
        }
    }

    /// Whether it is what was read at once with other blocks.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.values, &other.values)
    }

    pub(super) fn rows(&self) -> usize {
        let codes = self.codes.as_ref();
        codes.map_or(self.values.len(), |codes| codes.len())
    }

    /// Which of the values a row has.
    pub(super) fn of_row(&self, row: usize) -> usize {
        let codes = self.codes.as_ref();
        codes.map_or(row, |codes| usize::from(codes[row]))
    }

    fn size(&self) -> usize {
        let codes = self.codes.as_ref();
        self.values.get_array_memory_size() + codes.map_or(0, |codes| size_of_val(codes.as_ref()))
    }
}

impl KeptPages {
    pub(super) fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What they hold.
    pub(super) fn bytes(&self) -> usize {
        self.kept().bytes
    }

    /// Puts blocks there that were read at once, one behind the other, and tells how many bytes they add.
    pub(super) fn add(&self, read: &Values, blocks: &[Range<usize>]) -> usize {
        /// Of an entry of the map.
        const ENTRY_BYTES: usize = 64;
        /// A block has some more than a power of two, of which an allocator may make a fourth more.
        const ROUNDED: usize = 4;
        let mut kept = self.kept();
        let before = kept.blocks.len();
        let mut start = 0;
        for block in blocks {
            // Another query may have been quicker.
            let in_place = kept.blocks.entry(block.start);
            in_place.or_insert_with(|| (read.clone(), start));
            start += block.len();
        }
        let bytes = read.size();
        let added = match kept.blocks.len() - before {
            0 => 0,
            entries => bytes + bytes / ROUNDED + entries * ENTRY_BYTES,
        };
        kept.bytes += added;
        added
    }
}

/// Values that hold no others: a part of a column of texts takes all of their bytes along, which count as often as there
/// are parts.
pub(super) fn alone(values: ArrayRef) -> ArrayRef {
    match values.as_string_view_opt() {
        Some(texts) if is_sparse(texts) => Arc::new(texts.gc()),
        _ => values,
    }
}

/// Whether most of what the texts hold is the text of no row, as of a dictionary.
fn is_sparse(texts: &StringViewArray) -> bool {
    let held: usize = texts.data_buffers().iter().map(|buffer| buffer.len()).sum();
    texts.total_buffer_bytes_used() * 2 < held
}

/// Null and each of the texts once, and for each row which of them it has; `None` where not so many rows have the same.
fn coded(texts: &StringViewArray) -> Option<(StringViewArray, Vec<u16>)> {
    let different_max = (texts.len() / ROWS_A_TEXT_MIN).min(usize::from(u16::MAX));
    let mut known: HashMap<Option<u128>, u16> = [(None, 0)].into_iter().collect();
    let mut firsts: Vec<Option<u32>> = vec![None];
    let mut codes: Vec<u16> = Vec::with_capacity(texts.len());
    let mut last = None;
    // Of one dictionary, texts are the same whose views are; of others some may be taken to be different.
    for (row, view) in texts.views().iter().enumerate() {
        let view = texts.is_valid(row).then_some(*view);
        let code = match last {
            Some((same, code)) if same == view => code,
            _ => match known.get(&view) {
                Some(code) => *code,
                None if firsts.len() >= different_max => return None,
                // Of ids it shows soon that each is another.
                None if firsts.len() >= SEEN_MIN + row / ROWS_A_TEXT_MIN => return None,
                None => {
                    let code = u16::try_from(firsts.len()).ok()?;
                    firsts.push(Some(u32::try_from(row).ok()?));
                    known.insert(view, code);
                    code
                }
            },
        };
        last = Some((view, code));
        codes.push(code);
    }
    let texts = take(texts, &UInt32Array::from(firsts), None).ok()?;
    Some((texts.as_string_view_opt()?.gc(), codes))
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::new_empty_array;

    use super::*;

    #[test]
    fn texts_that_repeat_are_held_once() {
        let long = "a text that has no room in a view";
        let different = StringViewArray::from(vec![Some("a"), None, Some(long), Some("")]);
        // As those of a dictionary are.
        let rows: UInt32Array = (0..600).map(|row| row % 4).collect::<Vec<_>>().into();
        let plain = take(&different, &rows, None).unwrap();
        let small = Values::small(Arc::clone(&plain));
        assert_eq!((small.rows(), small.values.len()), (600, 4));
        assert!(small.size() * 4 < plain.get_array_memory_size());
        let values = small.values.as_string_view();
        for (row, text) in plain.as_string_view().iter().enumerate() {
            let at = small.of_row(row);
            let found = values.is_valid(at).then(|| values.value(at));
            assert_eq!(found, text, "{row}");
        }

        // Of texts of which each is another nothing is said twice.
        let numbers = (0..600).map(|number| Some(number.to_string()));
        let texts: ArrayRef = Arc::new(numbers.collect::<StringViewArray>());
        let small = Values::small(Arc::clone(&texts));
        assert!(small.codes.is_none());
        assert_eq!(&small.values, &texts);
        assert_eq!(Values::small(new_empty_array(texts.data_type())).rows(), 0);
    }
}
