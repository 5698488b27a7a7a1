//! What a query asks of the index.

use super::marks::{self, Mark};
use super::matrix::{GroupIndex, places};

/// Marks of one text that are asked for: more would rule out hardly anything that these leave.
const MARKS_ASKED_MAX: usize = 12;

/// What the texts of a row must have for the row to match; a block without it has no such row.
///
/// Letter case never counts, of ASCII letters and of those that have one as their other case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// All of these.
    All(Vec<Condition>),
    /// One of these at least.
    Any(Vec<Condition>),
    /// A text with these marks.
    Text(TextMarks),
}

/// Marks of one text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextMarks(Vec<Mark>);

impl Condition {
    /// Some text of the row holds this one; `None` if that cannot be told of it, as of a short one.
    pub fn contains(text: &str) -> Option<Self> {
        Self::text(Vec::new(), grams(text))
    }

    /// Some text of the row, of a column that holds what a string of the record says, is this one, in whatever case;
    /// `None` if that cannot be told of it.
    pub fn equals(text: &str) -> Option<Self> {
        let mut pieces = marks::pieces(text);
        let is_one_piece = pieces.next().is_some_and(|piece| piece.len() == text.len());
        let whole = is_one_piece.then(|| marks::whole(&text.as_bytes().to_ascii_lowercase()));
        let whole = whole.flatten().into_iter().flatten();
        Self::text(whole.collect(), grams(text))
    }

    /// All of these, of which `None` is no condition.
    pub fn all(conditions: impl IntoIterator<Item = Option<Self>>) -> Option<Self> {
        let mut all: Vec<Self> = conditions.into_iter().flatten().collect();
        match all.len() {
            0 | 1 => all.pop(),
            _ => Some(Self::All(all)),
        }
    }

    /// One of these at least: no condition if one of them is none.
    pub fn any(conditions: impl IntoIterator<Item = Option<Self>>) -> Option<Self> {
        let mut any: Vec<Self> = conditions.into_iter().collect::<Option<_>>()?;
        match any.len() {
            1 => any.pop(),
            _ => Some(Self::Any(any)),
        }
    }

    /// A text with these marks, and with some of these.
    fn text(mut asked: Vec<Mark>, marks: Vec<Mark>) -> Option<Self> {
        let step = marks.len().div_ceil(MARKS_ASKED_MAX).max(1);
        asked.extend(marks.into_iter().step_by(step));
        (!asked.is_empty()).then_some(Self::Text(TextMarks(asked)))
    }

    /// The buckets of a row group's index that tell, in order.
    pub fn buckets(&self, group: &GroupIndex) -> Vec<u32> {
        let mut buckets = Vec::new();
        self.each_mark(&mut |mark| buckets.push(places(mark, group.buckets).0));
        buckets.sort_unstable();
        buckets.dedup();
        buckets
    }

    fn each_mark(&self, found: &mut impl FnMut(Mark)) {
        match self {
            Self::All(conditions) | Self::Any(conditions) => {
                (conditions.iter()).for_each(|condition| condition.each_mark(found));
            }
            Self::Text(TextMarks(marks)) => marks.iter().copied().for_each(found),
        }
    }

    /// Those of some blocks of a row group that may have a matching row, a bit for each, the first the lowest. `bucket`
    /// gives the bytes of a bucket; one that it lacks says nothing.
    pub fn blocks<'b>(
        &self,
        group: &GroupIndex,
        among: u64,
        bucket: &impl Fn(u32) -> Option<&'b [u8]>,
    ) -> u64 {
        let mut left = among;
        match self {
            Self::All(conditions) => {
                for condition in conditions {
                    if left == 0 {
                        break;
                    }
                    left = condition.blocks(group, left, bucket);
                }
                left
            }
            Self::Any(conditions) => {
                for condition in conditions {
                    if left == 0 {
                        break;
                    }
                    left &= !condition.blocks(group, left, bucket);
                }
                among & !left
            }
            Self::Text(TextMarks(marks)) => {
                for &mark in marks {
                    if left == 0 {
                        break;
                    }
                    let (at, rows) = places(mark, group.buckets);
                    left &= bucket(at).map_or(u64::MAX, |bytes| group.blocks(rows, bytes));
                }
                left
            }
        }
    }
}

/// The different marks of a text's grams.
fn grams(text: &str) -> Vec<Mark> {
    let mut all = Vec::new();
    for piece in marks::pieces(text) {
        marks::grams(&piece.to_ascii_lowercase(), &mut all);
    }
    let mut found = Vec::new();
    for mark in all {
        if !found.contains(&mark) {
            found.push(mark);
        }
    }
    found
}
