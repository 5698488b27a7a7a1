//! Which commits an advance is about, and which times they touch.

use std::sync::Arc;
use std::time::Duration;

use audit_lake::{DataFile, Snapshot, micros};
use serde::{Deserialize, Serialize};

use crate::range::{Bounds, Window};

/// Commits of a tenant's `m365_audit`: those after the first, up to the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitWindow {
    /// The last commit before them; -1 where they are the first.
    pub after: i64,
    /// The last of them.
    pub to: i64,
}

/// Times that are asked for one by one; more are joined to these, at the smallest gaps.
const TIMES_MAX: usize = 64;

impl CommitWindow {
    /// The next commits with records, as many as have `records_max` together, or one. `None` if there are none.
    pub(super) fn next(snapshot: &Snapshot, after: i64, records_max: u64) -> Option<Self> {
        let newest = version(snapshot);
        let mut files: Vec<(i64, u64)> = (snapshot.files().iter())
            // What is not known may be new.
            .map(|file| {
                (
                    file.ingest_sequence.map_or(newest, |(_, max)| max),
                    file.rows,
                )
            })
            .filter(|(commit, _)| *commit > after)
            .collect();
        files.sort_unstable();
        let mut last = files.first()?.0;
        let mut records = 0_u64;
        for (commit, rows) in files {
            records = records.saturating_add(rows);
            if commit > last && records > records_max {
                return Some(Self { after, to: last });
            }
            last = commit;
        }
        Some(Self { after, to: newest })
    }

    /// The first half of it; `None` for one commit.
    pub(super) fn half(self) -> Option<Self> {
        let half = (self.to - self.after) / 2;
        (half > 0).then_some(Self {
            after: self.after,
            to: self.after + half,
        })
    }

    /// The records of these commits.
    pub(super) fn alone(self) -> Window {
        Window::Commits(Bounds {
            from: Some(self.after + 1),
            to: Some(self.to + 1),
        })
    }

    /// The records of these commits and, of all before them, those that happened at most `look_back` from one of
    /// them; and these without the records of the window.
    ///
    /// Told from what the snapshot knows of the files, so the times are rather too wide than too narrow.
    pub(super) fn with_look_back(
        self,
        snapshot: &Snapshot,
        look_back: Duration,
    ) -> (Window, Window) {
        let is_new = |file: &&DataFile| {
            file.ingest_sequence
                .is_none_or(|(min, max)| min <= self.to && max > self.after)
        };
        let times: Arc<[Bounds]> = around(snapshot.files().iter().filter(is_new), look_back).into();
        let up_to = |to: i64| Window::Around {
            to,
            times: Arc::clone(&times),
        };
        (up_to(self.to), up_to(self.after))
    }
}

pub(super) fn version(snapshot: &Snapshot) -> i64 {
    i64::try_from(snapshot.version()).unwrap_or(i64::MAX)
}

fn around<'a>(files: impl Iterator<Item = &'a DataFile>, look_back: Duration) -> Vec<Bounds> {
    let look_back = micros(look_back);
    let mut times = Vec::new();
    for file in files {
        let Some((min, max)) = file.creation_time else {
            return vec![Bounds {
                from: None,
                to: None,
            }];
        };
        times.push((
            min.saturating_sub(look_back),
            max.saturating_add(look_back).saturating_add(1),
        ));
    }
    (joined(times).into_iter())
        .map(|(from, to)| Bounds {
            from: Some(from),
            to: Some(to),
        })
        .collect()
}

/// Joins times that touch, and those with the smallest gaps until few are left.
fn joined(mut times: Vec<(i64, i64)>) -> Vec<(i64, i64)> {
    times.sort_unstable();
    let mut apart: Vec<(i64, i64)> = Vec::new();
    for (from, to) in times {
        match apart.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => apart.push((from, to)),
        }
    }
    let mut gaps: Vec<i64> = (apart.windows(2))
        .map(|pair| pair[1].0.saturating_sub(pair[0].1))
        .collect();
    gaps.sort_unstable_by(|a, b| b.cmp(a));
    // Gaps that are not larger than this one are closed.
    let Some(closed) = gaps.get(TIMES_MAX - 1) else {
        return apart;
    };
    let mut few: Vec<(i64, i64)> = Vec::new();
    for (from, to) in apart {
        match few.last_mut() {
            Some(last) if from.saturating_sub(last.1) <= *closed => last.1 = to,
            _ => few.push((from, to)),
        }
    }
    few
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_joined() {
        for (times, expected) in [
            (vec![], vec![]),
            (vec![(5, 9), (0, 2)], vec![(0, 2), (5, 9)]),
            (vec![(0, 2), (2, 3), (1, 5), (1, 2)], vec![(0, 5)]),
        ] {
            assert_eq!(joined(times), expected);
        }
        // Two far groups of close times.
        let many: Vec<(i64, i64)> = (0..100)
            .map(|at| if at < 50 { at * 10 } else { 100_000 + at * 10 })
            .map(|from| (from, from + 1))
            .collect();
        assert_eq!(joined(many), [(0, 491), (100_500, 100_991)]);
        let spread: Vec<(i64, i64)> = (0..200).map(|at| (at * at, at * at + 1)).collect();
        let few = joined(spread.clone());
        assert!(few.len() <= TIMES_MAX);
        for (from, to) in spread {
            assert!(few.iter().any(|few| few.0 <= from && to <= few.1));
        }
    }

    #[test]
    fn windows_are_halved_down_to_one_commit() {
        let mut window = CommitWindow { after: -1, to: 9 };
        let mut ends = Vec::new();
        while let Some(half) = window.half() {
            ends.push(half.to);
            window = half;
        }
        assert_eq!(ends, [4, 1, 0]);
    }
}
