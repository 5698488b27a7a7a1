//! Which files are written anew, together.
//!
//! A file is small until it has half the rows that a file is to have. Small files of a partition are merged when there
//! are enough of them, and when the largest is worth its rewriting: one that has more than [`WORTH`] times the rows of
//! all smaller ones stays until they have grown. So a row is written a number of times that grows with the logarithm
//! of its partition alone, however often maintenance runs, and few files are left over. A day that is over gets hardly
//! any more: there two files are enough, and one may be larger, so that one is left. A day of which the service gives
//! nothing any more is written anew once more for what came late.

use std::collections::BTreeMap;

use super::Compaction;
use crate::snapshot::DataFile;

/// A file is written anew if what joins it has at least a quarter of its rows.
const WORTH: u64 = 4;
/// The same in a partition of a day that is over.
const WORTH_WHEN_OVER: u64 = 16;
/// The same in one that is complete.
const WORTH_WHEN_COMPLETE: u64 = 1024;
/// Days before that of the newest file on which records still come: they are up to a day late.
const DAYS_OPEN: i32 = 2;
/// The same, with what is fetched late: content can be listed for seven days (Office 365 Management Activity API
/// reference, "List available content").
const DAYS_COMPLETE: i32 = 9;

/// Encoded bytes of the files that are merged at a time: they are held in memory.
const TASK_BYTES_MAX: u64 = 64 << 20;

/// Sets of files, each of one partition and in the order of time, to be merged one after the other.
pub(super) fn choose(files: &[DataFile], compaction: Compaction) -> Vec<Vec<DataFile>> {
    let mut partitions: BTreeMap<Option<i32>, Vec<&DataFile>> = BTreeMap::new();
    for file in files.iter().filter(|file| is_small(file, compaction)) {
        partitions.entry(file.event_date).or_default().push(file);
    }
    let newest = files.iter().filter_map(|file| file.event_date).max();
    let mut tasks = Vec::new();
    for (date, mut small) in partitions {
        let age = date
            .zip(newest)
            .map_or(0, |(date, newest)| newest.saturating_sub(date));
        let (worth, files_min) = match age {
            DAYS_COMPLETE.. => (WORTH_WHEN_COMPLETE, compaction.files_min.get().min(2)),
            DAYS_OPEN.. => (WORTH_WHEN_OVER, compaction.files_min.get().min(2)),
            _ => (WORTH, compaction.files_min.get()),
        };
        small.sort_by_key(|file| file.rows);
        drop_unworthy(&mut small, worth);
        if small.len() >= files_min {
            small.sort_by_key(|file| (file.creation_time.or(file.rows_written_at), &file.path));
            split(&small, &mut tasks);
        }
    }
    tasks
}

fn is_small(file: &DataFile, compaction: Compaction) -> bool {
    // A file without statistics is another program's: how many rows it has is not known.
    file.rows > 0
        && file.rows < (compaction.file_rows.get() as u64).div_ceil(2)
        && file.size_bytes < compaction.small_bytes
}

/// Drops the largest files, which are at the end, until the largest is worth its rewriting.
fn drop_unworthy(small: &mut Vec<&DataFile>, worth: u64) {
    let mut rows: u64 = small.iter().map(|file| file.rows).sum();
    while let Some(largest) = small.last() {
        rows -= largest.rows;
        if largest.rows <= rows.saturating_mul(worth) {
            break;
        }
        small.pop();
    }
}

fn split(files: &[&DataFile], tasks: &mut Vec<Vec<DataFile>>) {
    let mut task: Vec<DataFile> = Vec::new();
    let mut size_bytes = 0;
    for &file in files {
        if size_bytes + file.size_bytes > TASK_BYTES_MAX {
            tasks.push(std::mem::take(&mut task));
            size_bytes = 0;
        }
        size_bytes += file.size_bytes;
        task.push(file.clone());
    }
    tasks.push(task);
    tasks.retain(|task| task.len() > 1);
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use object_store::path::Path;

    use super::*;

    const COMPACTION: Compaction = Compaction {
        file_rows: NonZeroUsize::new(1_000).unwrap(),
        small_bytes: 50 << 20,
        files_min: NonZeroUsize::new(3).unwrap(),
    };

    fn file(day: i32, rows: u64, size_bytes: u64) -> DataFile {
        DataFile {
            path: Path::from(format!("{day}-{rows}")),
            size_bytes,
            rows,
            event_date: Some(day),
            creation_time: Some((1_000 - rows as i64, 1_000)),
            ingest_sequence: None,
            rows_written_at: None,
            modification_time_ms: 0,
            sha256: None,
            text_index: None,
        }
    }

    fn chosen(files: &[DataFile]) -> Vec<Vec<u64>> {
        choose(files, COMPACTION)
            .iter()
            .map(|task| task.iter().map(|file| file.rows).collect())
            .collect()
    }

    #[test]
    fn which_files_are_merged() {
        type Case<'a> = (&'a str, &'a [u64], &'a [&'a [u64]]);
        let cases: Vec<Case<'_>> = vec![
            ("none", &[], &[]),
            ("too few", &[10, 11], &[]),
            ("in the order of time", &[10, 11, 12], &[&[12, 11, 10]]),
            (
                "large ones stay",
                &[10, 11, 12, 500, 1_000],
                &[&[12, 11, 10]],
            ),
            ("unknown rows stay", &[0, 10, 11], &[]),
            ("worth it", &[10, 11, 84], &[&[84, 11, 10]]),
            ("not worth it", &[10, 11, 12, 133], &[&[12, 11, 10]]),
            ("nothing left", &[1, 5, 30, 151], &[]),
        ];
        for (case, rows, expected) in cases {
            let files: Vec<DataFile> = rows.iter().map(|&rows| file(1, rows, 1)).collect();
            assert_eq!(chosen(&files), expected, "{case}");
        }
    }

    #[test]
    fn partitions_and_tasks_are_apart() {
        let mut files: Vec<DataFile> = (10..13).map(|rows| file(1, rows, 1)).collect();
        files.extend((10..12).map(|rows| file(2, rows, 1)));
        files.extend((20..23).map(|rows| file(3, rows, 1)));
        assert_eq!(chosen(&files), [[12, 11, 10], [22, 21, 20]]);

        let files: Vec<DataFile> = (10..17).map(|rows| file(1, rows, 20 << 20)).collect();
        assert_eq!(chosen(&files), [[16, 15, 14], [13, 12, 11]]);
        let files: Vec<DataFile> = (10..17).map(|rows| file(1, rows, 50 << 20)).collect();
        assert!(chosen(&files).is_empty());
    }

    #[test]
    fn of_a_day_that_is_over_one_file_is_left() {
        let files = |newest| {
            [
                file(1, 10, 1),
                file(1, 20, 1),
                file(1, 400, 1),
                file(newest, 1_000, 1),
            ]
        };
        assert!(chosen(&files(2)).is_empty());
        assert_eq!(chosen(&files(3)), [[400, 20, 10]]);
        // Two that are late are not worth it until no more can come.
        let late = |newest| {
            [
                file(1, 1, 1),
                file(1, 2, 1),
                file(1, 400, 1),
                file(newest, 1, 1),
            ]
        };
        assert_eq!(chosen(&late(9)), [[2, 1]]);
        assert_eq!(chosen(&late(10)), [[400, 2, 1]]);
    }

    /// However the rows come, a row is written few times and few files are left.
    #[test]
    fn rows_are_rewritten_few_times() {
        const FEED: u64 = 2;
        let mut files: Vec<DataFile> = Vec::new();
        let (mut fed, mut written) = (0, 0);
        for round in 0..5_000 {
            files.push(file(1, FEED, 1));
            fed += FEED;
            if round % 10 == 9 {
                for task in choose(&files, COMPACTION) {
                    let rows = task.iter().map(|file| file.rows).sum();
                    written += rows;
                    let mut taken = task.len();
                    files.retain(|file| {
                        let is_taken = taken > 0 && task.contains(file);
                        taken -= usize::from(is_taken);
                        !is_taken
                    });
                    files.push(file(1, rows, 1));
                }
            }
        }
        assert!(written < fed * 12, "{written} of {fed}");
        let small = files.iter().filter(|file| file.rows < 500).count();
        assert!(small < 20, "{small}");
    }
}
