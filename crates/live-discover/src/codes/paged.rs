//! Columns of which few rows are wanted: of the pages that these are in the blocks around them are decoded, and kept for
//! the next rows. Who looks at a record looks at it again, and at those around it.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, StringViewArray, UInt32Array, new_empty_array,
};
use datafusion::arrow::compute::{cast, concat, interleave, take};
use datafusion::arrow::datatypes::Field;
use datafusion::common::{HashMap, Result};
use parquet::arrow::arrow_reader::RowSelection;
use parquet::file::page_index::offset_index::PageLocation;

use super::coded::Coded;
use super::column::{Chunk, Place, corrupt};
use super::pages::{self, Part, Wanted};

/// Rows of a block at most: a page of texts of few values may have 20,000, which hold 320 kB decoded.
const BLOCK_ROWS: usize = 32;

/// Bytes of a block of more than one row, as the footer counts them in the mean.
const BLOCK_BYTES: u64 = 2 << 10;

/// Blocks are kept where of their pages' rows, or of the column's, one in so many is wanted at most: whoever reads all of a
/// column would take the place of what is asked for again.
const KEPT_FROM: usize = 4;

/// Rows that have the same text, in the mean, from which on it is held once.
const ROWS_A_TEXT_MIN: usize = 4;

/// Different texts that are met before it is asked how many rows have the same.
const SEEN_MIN: usize = 2048;

/// Texts of so many rows of an array are copied, in the mean: to go on with views would take all buffers of each array along.
const COPIED_MAX: usize = 16;

/// Decoded blocks of pages of a column of a row group. There may be more of them at any time, and never fewer.
#[derive(Debug, Default)]
pub(super) struct KeptPages(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// By the block's first row: where its rows begin, in what was read at once.
    blocks: HashMap<usize, (Values, usize)>,
    /// What they hold.
    bytes: usize,
}

/// Values of blocks that were read at once.
#[derive(Debug, Clone)]
struct Values {
    values: ArrayRef,
    /// Where texts repeat, `values` has null and each of them once, and this says which of them each row has.
    codes: Option<Arc<[u16]>>,
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
    fn small(values: ArrayRef) -> Self {
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
    fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.values, &other.values)
    }

    fn rows(&self) -> usize {
        let codes = self.codes.as_ref();
        codes.map_or(self.values.len(), |codes| codes.len())
    }

    /// Which of the values a row has.
    fn of_row(&self, row: usize) -> usize {
        let codes = self.codes.as_ref();
        codes.map_or(row, |codes| usize::from(codes[row]))
    }

    fn size(&self) -> usize {
        let codes = self.codes.as_ref();
        self.values.get_array_memory_size() + codes.map_or(0, |codes| size_of_val(codes.as_ref()))
    }
}

impl KeptPages {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What they hold.
    pub(super) fn bytes(&self) -> usize {
        self.kept().bytes
    }

    /// Puts blocks there that were read at once, one behind the other, and tells how many bytes they add.
    fn add(&self, read: &Values, blocks: &[Range<usize>]) -> usize {
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

/// The blocks that some rows of a column are in; of a column of bags, those of its keys.
pub(super) struct Paged {
    /// The rows, in order.
    rows: Vec<u32>,
    blocks: Vec<Block>,
    missing: Option<Missing>,
    kept: Arc<KeptPages>,
}

/// Some rows of a page that lie behind each other.
#[derive(Debug, PartialEq, Eq)]
struct Block {
    /// Where it is in the row group.
    range: Range<usize>,
    /// Which of the rows that are asked for are in it.
    wanted: Range<usize>,
}

/// Where a block is among what was read.
struct Found {
    /// Which of that.
    read: usize,
    /// Where it begins there.
    start: usize,
}

/// Blocks that are read.
struct Missing {
    blocks: Vec<Range<usize>>,
    rows: RowSelection,
    /// Where their bytes are.
    wanted: Wanted,
}

/// A page.
pub(super) struct Page {
    pub(super) number: usize,
    /// Where it is in the row group.
    pub(super) range: Range<usize>,
    /// Which of the rows that are asked for are in it.
    pub(super) wanted: Range<usize>,
}

impl Paged {
    /// The blocks of `rows`, which are in `pages`, and some of which are `kept`.
    pub(super) fn of(
        place: &Place<'_>,
        rows: Vec<u32>,
        pages: &[Page],
        kept: Arc<KeptPages>,
    ) -> Self {
        let rows_max = block_rows(place);
        let blocks = pages.iter().flat_map(|page| page.blocks(&rows, rows_max));
        let blocks: Vec<Block> = blocks.collect();
        let missing = {
            let kept = kept.kept();
            let is_missing = |block: &&Block| !kept.blocks.contains_key(&block.range.start);
            let missing = blocks.iter().filter(is_missing);
            Vec::from_iter(missing.map(|block| block.range.clone()))
        };
        let missing = (!missing.is_empty()).then(|| {
            let ranges = missing.iter().cloned();
            let rows = RowSelection::from_consecutive_ranges(ranges, place.rows());
            Missing {
                wanted: Wanted::of(place, &rows),
                blocks: missing,
                rows,
            }
        });
        Self {
            rows,
            blocks,
            missing,
            kept,
        }
    }

    /// Where the pages are of which blocks are read.
    pub(super) fn ranges(&self) -> impl Iterator<Item = Range<u64>> {
        let missing = self.missing.iter();
        missing.flat_map(|missing| missing.wanted.ranges())
    }

    /// How many hundredths of the column's bytes they are.
    pub(super) fn percent(&self, place: &Place<'_>) -> usize {
        let missing = self.missing.as_ref();
        missing.map_or(0, |missing| missing.wanted.percent(place))
    }

    /// About how many bytes the blocks have that are decoded.
    pub(super) fn decoded_bytes(&self, place: &Place<'_>) -> u64 {
        let missing = self.missing.as_ref();
        let rows = missing.map_or(0, |missing| missing.rows.row_count());
        place.bytes_of(rows)
    }

    /// What is kept of the column.
    pub(super) fn kept(&self) -> &Arc<KeptPages> {
        &self.kept
    }

    /// The values of the rows, from what is kept and what `fetched` has of [`Self::ranges`]; and how many bytes more are
    /// kept now.
    ///
    /// # Errors
    ///
    /// Bytes that are not what the file's footer says.
    pub(super) fn values(
        &self,
        place: &Place<'_>,
        field: &Field,
        fetched: &[Bytes],
    ) -> Result<(Chunk, usize)> {
        let Some(missing) = &self.missing else {
            return Ok((self.picked(field)?, 0));
        };
        let parts = missing.wanted.parts(&mut fetched.iter().cloned());
        let read = Values::small(read(place, parts, &missing.rows, field)?);
        let added = self.kept.add(&read, &missing.blocks);
        Ok((self.picked(field)?, added))
    }

    fn picked(&self, field: &Field) -> Result<Chunk> {
        let (reads, found) = self.found()?;
        if reads.is_empty() {
            return Ok(Chunk::Plain(new_empty_array(field.data_type())));
        }
        if let Some(coded) = self.by_codes(&reads, &found)? {
            return Ok(Chunk::Coded(Arc::new(coded)));
        }
        let blocks = self.blocks.iter().zip(&found);
        let rows = blocks.flat_map(|(block, found)| {
            let read = &reads[found.read];
            let rows = self.rows[block.wanted.clone()].iter();
            rows.map(move |row| {
                let row = found.start + (*row as usize - block.range.start);
                (found.read, read.of_row(row))
            })
        });
        let values: Vec<&dyn Array> = reads.iter().map(|read| read.values.as_ref()).collect();
        if self.rows.len() <= reads.len() * COPIED_MAX
            && let Some(texts) = texts(&values)
        {
            let copied = rows.map(|(read, row)| {
                let texts = texts[read];
                texts.is_valid(row).then(|| texts.value(row))
            });
            return Ok(Chunk::Plain(Arc::new(copied.collect::<StringViewArray>())));
        }
        Ok(Chunk::Plain(match values.as_slice() {
            [values] => {
                let rows = rows.map(|(_, row)| row as u32);
                take(*values, &rows.collect::<UInt32Array>(), None)?
            }
            _ => interleave(&values, &rows.collect::<Vec<_>>())?,
        }))
    }

    /// What was read that has the blocks, and where each of these is.
    fn found(&self) -> Result<(Vec<Values>, Vec<Found>)> {
        let kept = self.kept.kept();
        let mut reads: Vec<Values> = Vec::new();
        let mut found = Vec::with_capacity(self.blocks.len());
        for block in &self.blocks {
            let known = kept.blocks.get(&block.range.start);
            let (read, start) = known.ok_or_else(|| corrupt("a page that was not read"))?;
            if start + block.range.len() > read.rows() {
                return Err(corrupt("a page with fewer rows than its index says"));
            }
            // Blocks that were read at once lie in one array.
            if reads.last().is_none_or(|last| !last.is_same(read)) {
                reads.push(read.clone());
            }
            found.push(Found {
                read: reads.len() - 1,
                start: *start,
            });
        }
        Ok((reads, found))
    }

    /// Rows of texts that are held once, if they are not fewer than these: who filters them looks at each text once.
    fn by_codes(&self, reads: &[Values], found: &[Found]) -> Result<Option<Coded>> {
        let held: usize = reads.iter().map(|read| read.values.len()).sum();
        let codes = reads.iter().map(|read| read.codes.as_deref());
        let (Some(of_reads), true) = (codes.collect::<Option<Vec<_>>>(), held <= self.rows.len())
        else {
            return Ok(None);
        };
        let before = reads.iter().scan(0, |held, read| {
            let before = *held;
            *held += read.values.len() as u32;
            Some(before)
        });
        let before: Vec<u32> = before.collect();
        let mut codes = Vec::with_capacity(self.rows.len());
        for (block, found) in self.blocks.iter().zip(found) {
            let before = before[found.read];
            let code = |code: &u16| before + u32::from(*code);
            let of_block = &of_reads[found.read][found.start..found.start + block.range.len()];
            let rows = &self.rows[block.wanted.clone()];
            match rows.len() == of_block.len() {
                true => codes.extend(of_block.iter().map(code)),
                false => {
                    let rows = rows.iter().map(|row| *row as usize - block.range.start);
                    codes.extend(rows.map(|row| code(&of_block[row])));
                }
            }
        }
        let values: Vec<&dyn Array> = reads.iter().map(|read| read.values.as_ref()).collect();
        let texts = concat(&values)?;
        Ok((texts.as_string_view_opt()).map(|texts| Coded::new(codes, texts.clone())))
    }
}

fn texts<'a>(arrays: &[&'a dyn Array]) -> Option<Vec<&'a StringViewArray>> {
    let arrays = arrays.iter();
    arrays.map(|array| array.as_string_view_opt()).collect()
}

/// Whether the rows of `pages` are few of those that these have, or these few of the column's.
pub(super) fn is_little(place: &Place<'_>, pages: &[Page]) -> bool {
    let of_pages: usize = pages.iter().map(|page| page.range.len()).sum();
    let rows: usize = pages.iter().map(|page| page.wanted.len()).sum();
    rows * KEPT_FROM <= of_pages || of_pages * KEPT_FROM <= place.rows()
}

/// Rows of a block of a column at most.
fn block_rows(place: &Place<'_>) -> usize {
    let row_bytes = place.bytes_of(1);
    let rows = usize::try_from(BLOCK_BYTES / row_bytes.max(1)).unwrap_or(usize::MAX);
    rows.clamp(1, BLOCK_ROWS)
}

impl Page {
    /// In parts of so many rows at most, about as many in each: those that have one of the `rows` that are asked for.
    fn blocks(&self, rows: &[u32], rows_max: usize) -> impl Iterator<Item = Block> {
        let Range { start, end } = self.range;
        let count = end - start;
        let block_rows = count.div_ceil(count.div_ceil(rows_max).max(1)).max(1);
        let mut left = self.wanted.clone();
        std::iter::from_fn(move || {
            let first = *rows[left.clone()].first()? as usize;
            let range = start + (first - start) / block_rows * block_rows;
            let range = range..end.min(range + block_rows);
            let wanted = left.start..left.start + in_front(&rows[left.clone()], range.end);
            left.start = wanted.end;
            Some(Block { range, wanted })
        })
    }
}

/// How many of some rows, which are in order, are in front of another one.
fn in_front(rows: &[u32], end: usize) -> usize {
    let first = rows.first().map_or(end, |first| *first as usize);
    // From the first on there are no more.
    let near = &rows[..rows.len().min(end.saturating_sub(first))];
    near.partition_point(|row| (*row as usize) < end)
}

/// The pages of rows, which are in order.
///
/// # Errors
///
/// An index of pages that contradicts itself.
pub(super) fn pages_of(place: &Place<'_>, rows: &[u32]) -> Result<Vec<Page>> {
    let contradicts = || corrupt("an index of pages that contradicts itself");
    let locations = place.pages().unwrap_or_default();
    let mut pages: Vec<Page> = Vec::new();
    let (mut left, mut end) = (0..rows.len(), 0);
    while let Some(first) = rows[left.clone()].first() {
        let first = *first as usize;
        let behind = locations.partition_point(|page| first_row(page) <= first);
        let number = behind.saturating_sub(1);
        let start = locations.get(number).map_or(0, first_row);
        let range = start..locations.get(number + 1).map_or(place.rows(), first_row);
        if !range.contains(&first) || range.end > place.rows() || range.start < end {
            return Err(contradicts());
        }
        end = range.end;
        let wanted = left.start..left.start + in_front(&rows[left.clone()], range.end);
        left.start = wanted.end;
        pages.push(Page {
            number,
            range,
            wanted,
        });
    }
    Ok(pages)
}

fn first_row(page: &PageLocation) -> usize {
    usize::try_from(page.first_row_index).unwrap_or(0)
}

/// The values of rows that are whole blocks.
fn read(
    place: &Place<'_>,
    parts: Vec<Part>,
    rows: &RowSelection,
    field: &Field,
) -> Result<ArrayRef> {
    let count = rows.row_count();
    let hint = field.clone().with_nullable(true);
    let mut batches = pages::read(place, parts, hint, Some(rows.clone()), count)?;
    match batches.next().transpose()? {
        Some(batch) if batch.num_rows() == count => Ok(cast(batch.column(0), field.data_type())?),
        _ => Err(corrupt("a column with fewer rows than its row group")),
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
    use datafusion::arrow::array::Int64Array;

    use super::*;
    use crate::codes::column::Selection;

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

    #[test]
    fn a_page_is_read_in_blocks_of_about_as_many_rows() {
        let page = Page {
            number: 7,
            range: 1_000..1_600,
            wanted: 2..6,
        };
        // Two are in the page before, one in the next.
        let rows = [3, 999, 1_000, 1_199, 1_200, 1_599, 1_600];
        let found = |rows_max| {
            let blocks = page.blocks(&rows, rows_max);
            let blocks = blocks.map(|Block { range, wanted }| (range, &rows[wanted]));
            blocks.collect::<Vec<_>>()
        };
        assert_eq!(found(600), [(1_000..1_600, &rows[2..6])]);
        // Three of 200 rows in place of two of 256 and one of 88.
        let blocks = [
            (1_000..1_200, &rows[2..4]),
            (1_200..1_400, &rows[4..5]),
            (1_400..1_600, &rows[5..6]),
        ];
        assert_eq!(found(256), blocks);
    }

    /// The `rows` of a column of which all but `kept` were read at once, and these before, in blocks of ten.
    fn picked(values: &ArrayRef, rows: &[u32], kept: Range<usize>) -> Chunk {
        let page = Page {
            number: 0,
            range: 0..values.len(),
            wanted: 0..rows.len(),
        };
        let pages = KeptPages::default();
        let in_tens = |range: Range<usize>| range.step_by(10).map(|start| start..start + 10);
        let first = values.slice(kept.start, kept.len());
        pages.add(
            &Values::small(first),
            &Vec::from_iter(in_tens(kept.clone())),
        );
        let is_other = |row: &u32| !kept.contains(&(*row as usize));
        let others = Vec::from_iter((0..values.len() as u32).filter(is_other));
        let others = take(values, &UInt32Array::from(others), None).unwrap();
        let blocks = in_tens(0..kept.start).chain(in_tens(kept.end..values.len()));
        pages.add(&Values::small(others), &Vec::from_iter(blocks));
        let paged = Paged {
            blocks: page.blocks(rows, 10).collect(),
            rows: rows.to_vec(),
            missing: None,
            kept: Arc::new(pages),
        };
        let field = Field::new("column", values.data_type().clone(), true);
        paged.picked(&field).unwrap()
    }

    #[test]
    fn rows_have_the_values_of_their_blocks() {
        let few = ["a", "b", "c"];
        let texts = (0..400).map(|row| (row % 7 > 0).then(|| few[row % 3]));
        let ids = (0..400).map(|row| (row % 7 > 0).then(|| format!("{row} of many different")));
        let numbers = (0..400).map(|row| (row % 7 > 0).then_some(row));
        let columns: [(ArrayRef, bool); 3] = [
            (Arc::new(texts.collect::<StringViewArray>()), true),
            (Arc::new(ids.collect::<StringViewArray>()), false),
            (Arc::new(numbers.collect::<Int64Array>()), false),
        ];
        let every = |step| Vec::from_iter((0..400).step_by(step));
        for (values, repeats) in columns {
            // All of each block, some, few, of either part, none.
            for rows in [
                every(1),
                every(3),
                every(90),
                (100..200).collect(),
                vec![7],
                vec![],
            ] {
                for kept in [0..0, 0..400, 100..200] {
                    let case = format!("{rows:?} {kept:?}");
                    let found = picked(&values, &rows, kept);
                    // Who filters many rows looks at each text once.
                    if !repeats || rows.len() > 8 {
                        assert_eq!(matches!(found, Chunk::Coded(_)), repeats, "{case}");
                    }
                    let found = found.values(&Selection::Range(0..rows.len())).unwrap();
                    let at = UInt32Array::from(rows.clone());
                    let expected = take(&values, &at, None).unwrap();
                    assert_eq!(&found, &expected, "{case}");
                }
            }
        }
    }
}
