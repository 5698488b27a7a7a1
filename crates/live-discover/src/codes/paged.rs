//! Columns of which few rows are wanted: of the pages that these are in the blocks around them are decoded, and kept for
//! the next rows. Who looks at a record looks at it again, and at those around it.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, StringViewArray, StringViewBuilder, UInt32Array, new_empty_array,
};
use datafusion::arrow::compute::{cast, concat, interleave, take};
use datafusion::arrow::datatypes::Field;
use datafusion::common::Result;
use parquet::arrow::arrow_reader::RowSelection;

use super::coded::Coded;
use super::column::{Chunk, Place, corrupt};
use super::kept_pages::{KeptPages, Values};
use super::page_rows::{Block, Page, block_rows};
use super::pages::{self, Part, Wanted};

/// Texts of so many rows of an array are copied, in the mean: to go on with views would take all buffers of each array along.
const COPIED_MAX: usize = 16;

/// The blocks that some rows of a column are in; of a column of bags, those of its keys.
pub(super) struct Paged {
    /// The rows, in order.
    rows: Vec<u32>,
    blocks: Vec<Block>,
    missing: Option<Missing>,
    kept: Arc<KeptPages>,
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
        let values: Vec<&dyn Array> = reads.iter().map(|read| read.values.as_ref()).collect();
        let count = self.rows.len();
        if count <= reads.len() * COPIED_MAX
            && let Some(texts) = texts(&values)
        {
            let mut copied = StringViewBuilder::with_capacity(count);
            self.each(&reads, &found, |read, row| {
                let texts = texts[read];
                copied.append_option(texts.is_valid(row).then(|| texts.value(row)));
            });
            return Ok(Chunk::Plain(Arc::new(copied.finish())));
        }
        Ok(Chunk::Plain(match values.as_slice() {
            [values] => {
                let mut rows = Vec::with_capacity(count);
                self.each(&reads, &found, |_, row| rows.push(row as u32));
                take(*values, &UInt32Array::from(rows), None)?
            }
            _ => {
                let mut rows = Vec::with_capacity(count);
                self.each(&reads, &found, |read, row| rows.push((read, row)));
                interleave(&values, &rows)?
            }
        }))
    }

    /// Tells of each row which read has it, and which of its values it is there.
    fn each(&self, reads: &[Values], found: &[Found], mut tell: impl FnMut(usize, usize)) {
        for (block, found) in self.blocks.iter().zip(found) {
            let read = &reads[found.read];
            for row in &self.rows[block.wanted.clone()] {
                let row = found.start + (*row as usize - block.range.start);
                tell(found.read, read.of_row(row));
            }
        }
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

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::Int64Array;

    use super::*;
    use crate::codes::column::Selection;

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
