//! Columns of which few rows are wanted: of the pages that these are in the blocks around them are decoded, and kept for
//! the next rows. Who looks at a record looks at it again, and at those around it.

use std::ops::Range;
use std::sync::Arc;

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
use super::column::{Chunk, Place, Selection, corrupt};
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

/// Decoded blocks of pages of a column of a row group.
#[derive(Debug, Clone, Default)]
pub(super) struct KeptPages {
    /// By the block's first row: where its rows begin, in what was read at once.
    blocks: HashMap<usize, (Values, usize)>,
    /// What they hold.
    pub(super) bytes: usize,
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
    fn add(&mut self, read: &Values, blocks: impl Iterator<Item = (usize, usize)>) {
        /// Of an entry of the map.
        const ENTRY_BYTES: usize = 64;
        /// A block has some more than a power of two, of which an allocator may make a fourth more.
        const ROUNDED: usize = 4;
        let before = self.blocks.len();
        let blocks = blocks.map(|(first, start)| (first, (read.clone(), start)));
        self.blocks.extend(blocks);
        let bytes = read.size();
        self.bytes += bytes + bytes / ROUNDED + (self.blocks.len() - before) * ENTRY_BYTES;
    }
}

/// The blocks that some rows of a column are in; of a column of bags, those of its keys.
pub(super) struct Paged {
    blocks: Vec<Page>,
    /// Those that are read: their rows, and where the bytes are.
    missing: Option<(RowSelection, Wanted)>,
    kept: Arc<KeptPages>,
}

/// A page, or a block of one, and those of its rows that are wanted, as they count in it.
pub(super) struct Page {
    /// Of the page.
    pub(super) number: usize,
    /// Where it is in the row group.
    pub(super) range: Range<usize>,
    pub(super) rows: Vec<usize>,
}

impl Paged {
    /// The blocks of the rows of `pages`, of which some are `kept`.
    pub(super) fn of(place: &Place<'_>, pages: &[Page], kept: Arc<KeptPages>) -> Self {
        let rows_max = block_rows(place);
        let blocks = pages.iter().flat_map(|page| page.blocks(rows_max));
        let blocks: Vec<Page> = blocks.collect();
        let missing = missing(&blocks, &kept).map(|block| block.range.clone());
        let ranges: Vec<Range<usize>> = missing.collect();
        let missing = (!ranges.is_empty()).then(|| {
            let rows = RowSelection::from_consecutive_ranges(ranges.into_iter(), place.rows());
            let wanted = Wanted::of(place, &rows);
            (rows, wanted)
        });
        Self {
            blocks,
            missing,
            kept,
        }
    }

    /// Where the pages are of which blocks are read.
    pub(super) fn ranges(&self) -> impl Iterator<Item = Range<u64>> {
        let wanted = self.missing.iter();
        wanted.flat_map(|(_, wanted)| wanted.ranges())
    }

    /// Bytes of what was kept before.
    pub(super) fn kept_bytes(&self) -> usize {
        self.kept.bytes
    }

    /// How many hundredths of the column's bytes they are.
    pub(super) fn percent(&self, place: &Place<'_>) -> usize {
        let wanted = self.missing.as_ref();
        wanted.map_or(0, |(_, wanted)| wanted.percent(place))
    }

    /// About how many bytes the blocks have that are decoded.
    pub(super) fn decoded_bytes(&self, place: &Place<'_>) -> u64 {
        let missing = self.missing.as_ref();
        let rows = missing.map_or(0, |(rows, _)| rows.row_count());
        place.bytes_of(rows)
    }

    /// The values of the rows, from what is kept and what `fetched` has of [`Self::ranges`], and what is to be kept from
    /// now on, if that is more than before.
    ///
    /// # Errors
    ///
    /// Bytes that are not what the file's footer says.
    pub(super) fn values(
        &self,
        place: &Place<'_>,
        field: &Field,
        fetched: &[Bytes],
    ) -> Result<(Chunk, Option<KeptPages>)> {
        let Some((rows, wanted)) = &self.missing else {
            return Ok((self.picked(&self.kept, field)?, None));
        };
        let parts = wanted.parts(&mut fetched.iter().cloned());
        let read = Values::small(read(place, parts, rows, field)?);
        let mut known = KeptPages::clone(&self.kept);
        let mut start = 0;
        known.add(
            &read,
            missing(&self.blocks, &self.kept).map(|block| {
                let at = (block.range.start, start);
                start += block.range.len();
                at
            }),
        );
        let values = self.picked(&known, field)?;
        Ok((values, Some(known)))
    }

    fn picked(&self, known: &KeptPages, field: &Field) -> Result<Chunk> {
        let mut arrays: Vec<&Values> = Vec::new();
        let mut rows = Vec::new();
        for block in &self.blocks {
            let found = known.blocks.get(&block.range.start);
            let (read, start) = found.ok_or_else(|| corrupt("a page that was not read"))?;
            if start + block.range.len() > read.rows() {
                return Err(corrupt("a page with fewer rows than its index says"));
            }
            // Blocks that were read at once lie in one array.
            if arrays.last().is_none_or(|last| !last.is_same(read)) {
                arrays.push(read);
            }
            let array = arrays.len() - 1;
            let place = |row: &usize| (array, read.of_row(start + row));
            rows.extend(block.rows.iter().map(place));
        }
        if arrays.is_empty() {
            return Ok(Chunk::Plain(new_empty_array(field.data_type())));
        }
        if let Some(coded) = by_codes(&arrays, &rows)? {
            return Ok(Chunk::Coded(Arc::new(coded)));
        }
        let arrays: Vec<&dyn Array> = arrays.iter().map(|read| read.values.as_ref()).collect();
        if rows.len() <= arrays.len() * COPIED_MAX
            && let Some(texts) = texts(&arrays)
        {
            let rows = rows.into_iter();
            let copied = rows.map(|(array, row)| {
                let texts = texts[array];
                texts.is_valid(row).then(|| texts.value(row))
            });
            return Ok(Chunk::Plain(Arc::new(copied.collect::<StringViewArray>())));
        }
        Ok(Chunk::Plain(interleave(&arrays, &rows)?))
    }
}

/// Rows of texts that are held once, if they are not fewer than these: who filters them looks at each text once.
fn by_codes(arrays: &[&Values], rows: &[(usize, usize)]) -> Result<Option<Coded>> {
    let held: usize = arrays.iter().map(|read| read.values.len()).sum();
    if held > rows.len() || arrays.iter().any(|read| read.codes.is_none()) {
        return Ok(None);
    }
    let starts = arrays.iter().scan(0, |held, read| {
        let start = *held;
        *held += read.values.len();
        Some(start)
    });
    let starts: Vec<usize> = starts.collect();
    let values: Vec<&dyn Array> = arrays.iter().map(|read| read.values.as_ref()).collect();
    let texts = concat(&values)?;
    let code = |(array, row): &(usize, usize)| (starts[*array] + row) as u32;
    let codes = rows.iter().map(code).collect();
    Ok((texts.as_string_view_opt()).map(|texts| Coded::new(codes, texts.clone())))
}

fn texts<'a>(arrays: &[&'a dyn Array]) -> Option<Vec<&'a StringViewArray>> {
    let arrays = arrays.iter();
    arrays.map(|array| array.as_string_view_opt()).collect()
}

/// Whether the rows of `pages` are few of those that these have, or these few of the column's.
pub(super) fn is_little(place: &Place<'_>, pages: &[Page]) -> bool {
    let of_pages: usize = pages.iter().map(|page| page.range.len()).sum();
    let rows: usize = pages.iter().map(|page| page.rows.len()).sum();
    rows * KEPT_FROM <= of_pages || of_pages * KEPT_FROM <= place.rows()
}

fn missing<'b>(blocks: &'b [Page], kept: &KeptPages) -> impl Iterator<Item = &'b Page> {
    let is_missing = |block: &&Page| !kept.blocks.contains_key(&block.range.start);
    blocks.iter().filter(is_missing)
}

/// Rows of a block of a column at most.
fn block_rows(place: &Place<'_>) -> usize {
    let row_bytes = place.bytes_of(1);
    let rows = usize::try_from(BLOCK_BYTES / row_bytes.max(1)).unwrap_or(usize::MAX);
    rows.clamp(1, BLOCK_ROWS)
}

impl Page {
    /// In parts of so many rows at most, about as many in each: those that have a wanted row.
    fn blocks(&self, rows_max: usize) -> impl Iterator<Item = Self> {
        let rows = self.range.len();
        let block_rows = rows.div_ceil(rows.div_ceil(rows_max).max(1)).max(1);
        let blocks = self
            .rows
            .chunk_by(move |row, next| row / block_rows == next / block_rows);
        blocks.filter_map(move |wanted| {
            let first = wanted.first()? / block_rows * block_rows;
            let end = rows.min(first + block_rows);
            Some(Self {
                number: self.number,
                range: self.range.start + first..self.range.start + end,
                rows: wanted.iter().map(|row| row - first).collect(),
            })
        })
    }
}

/// The pages of rows, which are in order.
///
/// # Errors
///
/// An index of pages that contradicts itself.
pub(super) fn pages_of(place: &Place<'_>, rows: &Selection) -> Result<Vec<Page>> {
    let locations = place.pages().unwrap_or_default();
    let page_of = |row: usize| {
        let behind = locations.partition_point(|page| first_row(page) <= row);
        let number = behind.saturating_sub(1);
        let start = locations.get(number).map_or(0, first_row);
        let end = locations.get(number + 1).map_or(place.rows(), first_row);
        match (start..end).contains(&row) && end <= place.rows() {
            true => Ok((number, start..end)),
            false => Err(corrupt("an index of pages that contradicts itself")),
        }
    };
    let mut pages: Vec<Page> = Vec::new();
    match rows {
        Selection::Range(rows) => {
            let mut first = rows.start;
            while first < rows.end {
                let (number, range) = page_of(first)?;
                let last = range.end.min(rows.end);
                pages.push(Page {
                    number,
                    rows: (first - range.start..last - range.start).collect(),
                    range,
                });
                first = last;
            }
        }
        Selection::Rows(rows) => {
            let mut left = rows.as_slice();
            while let Some(first) = left.first() {
                let (number, range) = page_of(*first as usize)?;
                let count = left.partition_point(|row| (*row as usize) < range.end);
                let (here, others) = left.split_at(count.max(1));
                let here = here.iter();
                pages.push(Page {
                    number,
                    rows: here
                        .map(|row| (*row as usize).saturating_sub(range.start))
                        .collect(),
                    range,
                });
                left = others;
            }
        }
    }
    match pages.is_sorted_by(|page, next| page.range.end <= next.range.start) {
        true => Ok(pages),
        false => Err(corrupt("an index of pages that contradicts itself")),
    }
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

    #[test]
    fn a_page_is_read_in_blocks_of_about_as_many_rows() {
        let page = Page {
            number: 7,
            range: 1_000..1_600,
            rows: vec![0, 199, 200, 599],
        };
        let found = |rows_max| {
            let blocks = page.blocks(rows_max);
            let blocks = blocks.map(|block| (block.number, block.range, block.rows));
            blocks.collect::<Vec<_>>()
        };
        let whole = (7, 1_000..1_600, vec![0, 199, 200, 599]);
        assert_eq!(found(600), [whole]);
        // Three of 200 rows in place of two of 256 and one of 88.
        let blocks = [
            (7, 1_000..1_200, vec![0, 199]),
            (7, 1_200..1_400, vec![0]),
            (7, 1_400..1_600, vec![199]),
        ];
        assert_eq!(found(256), blocks);
    }

    #[test]
    fn rows_of_texts_that_are_held_once_go_by_codes() {
        let small = |texts: [Option<&str>; 3]| {
            let rows: UInt32Array = (0..300).map(|row| row % 3).collect::<Vec<_>>().into();
            let texts = StringViewArray::from(texts.to_vec());
            Values::small(take(&texts, &rows, None).unwrap())
        };
        let read = [
            small([Some("a"), None, Some("b")]),
            small([Some("b"), Some("c"), Some("d")]),
        ];
        let arrays: Vec<&Values> = read.iter().collect();
        let place = |row: usize| (row % 2, read[row % 2].of_row(row));
        let rows: Vec<(usize, usize)> = (0..50).map(place).collect();
        let values: Vec<&dyn Array> = read.iter().map(|read| read.values.as_ref()).collect();
        let coded = by_codes(&arrays, &rows).unwrap().unwrap();
        assert!(coded.texts().unwrap().is_null(0));
        let coded = Chunk::Coded(Arc::new(coded));
        let found = coded.values(&Selection::Range(0..50)).unwrap();
        assert_eq!(&found, &interleave(&values, &rows).unwrap());
        // Of fewer rows than texts each is looked at alone.
        assert!(by_codes(&arrays, &rows[..5]).unwrap().is_none());
    }
}
