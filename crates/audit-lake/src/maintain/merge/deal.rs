//! Which rows each of the files to be made gets, and how they stand in it.

use std::num::NonZeroUsize;

use crate::data_file::{self, ROW_GROUP_ROWS};

/// Decoded bytes that a file to be made may have, by what the footers say.
const DECODED_BYTES_MAX: u64 = 256 << 20;

/// Where a row is, and what orders it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) time: i64,
    /// Which record type, operation and user: a number, and ranks in the end.
    pub(super) kind: (u32, u32),
    pub(super) source: u32,
    pub(super) row: u32,
}

impl Row {
    pub(super) fn by_time(&self) -> (i64, u32, u32) {
        (self.time, self.source, self.row)
    }
}

/// Deals rows, sorted by time, out to files that follow each other in time; in each row group rows stand by kind.
pub(super) fn deal(rows: Vec<Row>, file_rows: NonZeroUsize, row_bytes: &[u64]) -> Vec<Vec<Row>> {
    let mut outputs: Vec<Vec<Row>> = Vec::new();
    let mut decoded_bytes = 0;
    for row in rows {
        let size_bytes = row_bytes[row.source as usize];
        match outputs.last_mut() {
            Some(output)
                if output.len() < file_rows.get()
                    && decoded_bytes + size_bytes <= DECODED_BYTES_MAX =>
            {
                output.push(row);
                decoded_bytes += size_bytes;
            }
            _ => {
                outputs.push(vec![row]);
                decoded_bytes = size_bytes;
            }
        }
    }
    for group in outputs
        .iter_mut()
        .flat_map(|output| output.chunks_mut(ROW_GROUP_ROWS))
    {
        data_file::stand(group, |row| row.kind);
    }
    outputs
}

/// The rows of a file in the order of time, halved.
pub(super) fn halves(rows: &[Row]) -> [Vec<Row>; 2] {
    let mut first = rows.to_vec();
    first.sort_unstable_by_key(Row::by_time);
    let mut halves = [first.split_off(rows.len() / 2), first];
    halves.reverse();
    for group in halves
        .iter_mut()
        .flat_map(|half| half.chunks_mut(ROW_GROUP_ROWS))
    {
        data_file::stand(group, |row| row.kind);
    }
    halves
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data_file::USER_ROWS;

    #[test]
    fn files_and_row_groups_follow_each_other_in_time() {
        let rows = 3 * ROW_GROUP_ROWS + 100;
        let row = |time: usize| Row {
            time: time as i64,
            kind: ((time % 7) as u32, (time % 21) as u32),
            source: (time % 2) as u32,
            row: 0,
        };
        let file_rows = NonZeroUsize::new(2 * ROW_GROUP_ROWS).unwrap();
        let outputs = deal((0..rows).map(row).collect(), file_rows, &[1, 1]);
        let lens: Vec<usize> = outputs.iter().map(Vec::len).collect();
        assert_eq!(lens, [2 * ROW_GROUP_ROWS, ROW_GROUP_ROWS + 100]);
        let mut next = 0;
        for group in outputs
            .iter()
            .flat_map(|output| output.chunks(ROW_GROUP_ROWS))
        {
            for same in group.chunk_by(|a, b| a.kind.0 == b.kind.0) {
                let rows = || same.chunks(USER_ROWS);
                assert!(rows().all(|rows| rows.is_sorted_by_key(|row| (row.kind, row.time))));
                let first = |rows: &[Row]| rows.iter().map(|row| row.time).min();
                assert!(rows().is_sorted_by_key(first));
            }
            assert!(group.is_sorted_by_key(|row| row.kind.0));
            let mut times: Vec<i64> = group.iter().map(|row| row.time).collect();
            times.sort_unstable();
            assert!(times.iter().copied().eq(next..next + group.len() as i64));
            next += group.len() as i64;
        }
    }

    #[test]
    fn large_rows_make_more_files() {
        let row = |time: usize| Row {
            time: time as i64,
            kind: (0, 0),
            source: (time / 5) as u32,
            row: 0,
        };
        // Five rows of which two fit, and five of which all fit beside the last of those.
        let row_bytes = [DECODED_BYTES_MAX / 2, 1];
        let file_rows = NonZeroUsize::new(100).unwrap();
        let outputs = deal((0..10).map(row).collect(), file_rows, &row_bytes);
        let lens: Vec<usize> = outputs.iter().map(Vec::len).collect();
        assert_eq!(lens, [2, 2, 6]);
        // One that is too large by itself has a file of its own.
        let outputs = deal(
            (0..2).map(row).collect(),
            file_rows,
            &[2 * DECODED_BYTES_MAX],
        );
        assert_eq!(outputs.len(), 2);
    }
}
