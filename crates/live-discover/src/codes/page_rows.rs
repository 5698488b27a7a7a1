//! Which pages rows are in, and which blocks of these.

use std::ops::Range;

use datafusion::common::Result;
use parquet::file::page_index::offset_index::PageLocation;

use super::column::{Place, corrupt};

/// Rows of a block at most: a page of texts of few values may have 20,000, which hold 320 kB decoded.
const BLOCK_ROWS: usize = 32;

/// Bytes of a block of more than one row, as the footer counts them in the mean.
const BLOCK_BYTES: u64 = 2 << 10;

/// Blocks are kept where of their pages' rows, or of the column's, one in so many is wanted at most: whoever reads all of a
/// column would take the place of what is asked for again.
const KEPT_FROM: usize = 4;

/// Some rows of a page that lie behind each other.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// Where it is in the row group.
    pub(super) range: Range<usize>,
    /// Which of the rows that are asked for are in it.
    pub(super) wanted: Range<usize>,
}

/// A page.
pub(super) struct Page {
    pub(super) number: usize,
    /// Where it is in the row group.
    pub(super) range: Range<usize>,
    /// Which of the rows that are asked for are in it.
    pub(super) wanted: Range<usize>,
}

/// Whether the rows of `pages` are few of those that these have, or these few of the column's.
pub(super) fn is_little(place: &Place<'_>, pages: &[Page]) -> bool {
    let of_pages: usize = pages.iter().map(|page| page.range.len()).sum();
    let rows: usize = pages.iter().map(|page| page.wanted.len()).sum();
    rows * KEPT_FROM <= of_pages || of_pages * KEPT_FROM <= place.rows()
}

/// Rows of a block of a column at most.
pub(super) fn block_rows(place: &Place<'_>) -> usize {
    let row_bytes = place.bytes_of(1);
    let rows = usize::try_from(BLOCK_BYTES / row_bytes.max(1)).unwrap_or(usize::MAX);
    rows.clamp(1, BLOCK_ROWS)
}

impl Page {
    /// In parts of so many rows at most, about as many in each: those that have one of the `rows` that are asked for.
    pub(super) fn blocks(&self, rows: &[u32], rows_max: usize) -> impl Iterator<Item = Block> {
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
