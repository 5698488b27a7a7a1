//! Texts that repeat, each held once, and for each row which of them it has.

use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, StringViewArray, UInt32Array};
use datafusion::arrow::compute::take;
use datafusion::common::Result;

use super::column::Selection;
use super::texts::Texts;

/// For each row, where among the different texts its text is.
#[derive(Debug)]
pub(super) struct Coded {
    codes: Codes,
    texts: Held,
    has_null: bool,
}

/// The different texts. The first is null, whether a row has it or not.
#[derive(Debug)]
enum Held {
    Here(StringViewArray),
    /// With other row groups: the number of each.
    Shared(Arc<Texts>, Box<[u32]>),
}

/// As short as they can be: they are kept.
#[derive(Debug)]
enum Codes {
    Runs(Runs),
    Bytes(Vec<u8>),
    Short(Vec<u16>),
    Long(Vec<u32>),
}

impl Coded {
    /// Texts, of which the first is null, and for each row which of them it has.
    pub(super) fn new(codes: Vec<u32>, texts: StringViewArray) -> Self {
        let has_null = codes.contains(&0);
        let codes = match Runs::of(&codes) {
            Some(runs) => Codes::Runs(runs),
            None if texts.len() <= 1 << u8::BITS => {
                Codes::Bytes(codes.into_iter().map(|code| code as u8).collect())
            }
            None if texts.len() <= 1 << u16::BITS => {
                Codes::Short(codes.into_iter().map(|code| code as u16).collect())
            }
            None => Codes::Long(codes),
        };
        Self {
            codes,
            texts: Held::Here(texts),
            has_null,
        }
    }

    /// So many rows without a text.
    pub(super) fn nulls(rows: usize) -> Self {
        Self::new(vec![0; rows], StringViewArray::new_null(1))
    }

    /// Bytes that it holds.
    pub(super) fn size(&self) -> usize {
        let codes = match &self.codes {
            Codes::Runs(runs) => size_of_val(runs.ends.as_slice()) * 2,
            Codes::Bytes(codes) => codes.capacity(),
            Codes::Short(codes) => codes.capacity() * size_of::<u16>(),
            Codes::Long(codes) => codes.capacity() * size_of::<u32>(),
        };
        let texts = match &self.texts {
            Held::Here(texts) => texts.get_array_memory_size(),
            Held::Shared(_, numbers) => size_of_val(numbers.as_ref()),
        };
        codes + texts
    }

    /// Holds its texts among those of other row groups, if these are likely to have them.
    pub(super) fn share(&mut self, shared: &Arc<Texts>) {
        /// Rows that have the same text, in the mean, from which on others are likely to have it, too.
        const ROWS_A_TEXT_MIN: usize = 4;
        let numbers = match &self.texts {
            Held::Here(texts) if texts.len() * ROWS_A_TEXT_MIN <= self.codes.rows() => {
                shared.numbers(texts)
            }
            _ => None,
        };
        if let Some(numbers) = numbers {
            self.texts = Held::Shared(Arc::clone(shared), numbers);
        }
    }

    /// Where its texts are, if with those of other row groups, and the number of each there.
    pub(super) fn shared(&self) -> Option<(&Arc<Texts>, &[u32])> {
        match &self.texts {
            Held::Here(_) => None,
            Held::Shared(shared, numbers) => Some((shared, numbers)),
        }
    }

    /// How many different texts there are, null with them.
    pub(super) fn different(&self) -> usize {
        match &self.texts {
            Held::Here(texts) => texts.len(),
            Held::Shared(_, numbers) => numbers.len(),
        }
    }

    /// The different texts, in the order of their codes.
    pub(super) fn texts(&self) -> Result<StringViewArray> {
        match &self.texts {
            Held::Here(texts) => Ok(texts.clone()),
            Held::Shared(shared, numbers) => shared.of(numbers.to_vec()),
        }
    }

    /// The texts of these rows.
    pub(super) fn values(&self, rows: &Selection) -> Result<ArrayRef> {
        Ok(match &self.texts {
            Held::Here(texts) => {
                let codes = self.of_codes(rows, |code| code);
                take(texts, &UInt32Array::from(codes), None)?
            }
            Held::Shared(shared, numbers) => {
                let numbers = self.of_codes(rows, |code| numbers[code as usize]);
                Arc::new(shared.of(numbers)?)
            }
        })
    }

    /// What something makes of the code of each of these rows, which it is asked once for rows behind each other where
    /// these are known to have the same.
    pub(super) fn of_codes<T: Copy>(&self, rows: &Selection, make: impl FnMut(u32) -> T) -> Vec<T> {
        match &self.codes {
            Codes::Runs(runs) => runs.of_codes(rows, make),
            Codes::Bytes(codes) => of_codes(codes, rows, make),
            Codes::Short(codes) => of_codes(codes, rows, make),
            Codes::Long(codes) => of_codes(codes, rows, make),
        }
    }

    /// Counts these rows by their code.
    pub(super) fn count(&self, rows: &Selection, counts: &mut [i64]) {
        match &self.codes {
            Codes::Runs(runs) => runs.count(rows, counts),
            Codes::Bytes(codes) => count(codes, rows, counts),
            Codes::Short(codes) => count(codes, rows, counts),
            Codes::Long(codes) => count(codes, rows, counts),
        }
    }

    /// Whether every row passes, as far as its texts tell.
    pub(super) fn all_pass(&self, passes: &[bool]) -> bool {
        let unused = usize::from(!self.has_null);
        passes.iter().skip(unused).all(|passes| *passes)
    }

    /// Those of the rows whose text passes.
    pub(super) fn selected(&self, rows: Selection, passes: &[bool]) -> Selection {
        match &self.codes {
            Codes::Runs(runs) => runs.selected(rows, passes),
            Codes::Bytes(codes) => rows.filter(|row| passes[usize::from(codes[row as usize])]),
            Codes::Short(codes) => rows.filter(|row| passes[usize::from(codes[row as usize])]),
            Codes::Long(codes) => rows.filter(|row| passes[codes[row as usize] as usize]),
        }
    }

    /// The different texts, so many at a time.
    pub(super) fn texts_by(&self, count: usize) -> Result<impl Iterator<Item = ArrayRef>> {
        let texts = self.texts()?;
        let starts = (0..texts.len()).step_by(count);
        Ok(starts.map(move |start| {
            let len = count.min(texts.len() - start);
            Arc::new(texts.slice(start, len)) as ArrayRef
        }))
    }
}

impl Codes {
    fn rows(&self) -> usize {
        match self {
            Self::Runs(runs) => runs.ends.last().map_or(0, |end| *end as usize),
            Self::Bytes(codes) => codes.len(),
            Self::Short(codes) => codes.len(),
            Self::Long(codes) => codes.len(),
        }
    }
}

fn of_codes<C: Copy + Into<u32>, T>(
    codes: &[C],
    rows: &Selection,
    mut make: impl FnMut(u32) -> T,
) -> Vec<T> {
    match rows {
        Selection::Range(range) => {
            let codes = codes[range.clone()].iter();
            codes.map(|code| make((*code).into())).collect()
        }
        Selection::Rows(rows) => {
            let codes = rows.iter().map(|row| codes[*row as usize]);
            codes.map(|code| make(code.into())).collect()
        }
    }
}

/// Counts codes, those that follow their like at once: each count waits for the one before it of the same code.
fn count<C: Copy + Into<u32> + PartialEq>(codes: &[C], rows: &Selection, counts: &mut [i64]) {
    const RUN: usize = 8;
    let mut add = |code: C, rows: usize| counts[code.into() as usize] += rows as i64;
    match rows {
        Selection::Rows(rows) => rows.iter().for_each(|row| add(codes[*row as usize], 1)),
        Selection::Range(range) => {
            let (runs, rest) = codes[range.clone()].as_chunks::<RUN>();
            for run in runs {
                match run.iter().all(|code| *code == run[0]) {
                    true => add(run[0], RUN),
                    false => run.iter().for_each(|code| add(*code, 1)),
                }
            }
            rest.iter().for_each(|code| add(*code, 1));
        }
    }
}

/// Rows behind each other that have the same code: the rows of a data file stand by what was done.
#[derive(Debug)]
struct Runs {
    /// The first row behind each.
    ends: Vec<u32>,
    codes: Vec<u32>,
}

impl Runs {
    /// `None` where they are too short to take less memory than a byte for each row.
    fn of(codes: &[u32]) -> Option<Self> {
        const ROWS_MIN: usize = 16;
        let count = codes.chunk_by(u32::eq).count();
        if count * ROWS_MIN > codes.len() {
            return None;
        }
        let mut runs = Self {
            ends: Vec::with_capacity(count),
            codes: Vec::with_capacity(count),
        };
        let mut end = 0;
        for run in codes.chunk_by(u32::eq) {
            end += run.len() as u32;
            runs.ends.push(end);
            runs.codes.push(run[0]);
        }
        Some(runs)
    }

    /// The first run that ends behind a row.
    fn at(&self, row: u32) -> usize {
        self.ends.partition_point(|end| *end <= row)
    }

    /// The runs of a range of rows, each with those of its rows that are in it.
    fn within(&self, range: &Range<usize>) -> impl Iterator<Item = (Range<u32>, u32)> {
        let (mut start, last) = (range.start as u32, range.end as u32);
        let first = self.at(start);
        let runs = self.ends[first..].iter().zip(&self.codes[first..]);
        runs.map_while(move |(end, code)| {
            let rows = start..last.min(*end);
            start = rows.end;
            (!rows.is_empty()).then_some((rows, *code))
        })
    }

    /// Which run each of some rows is in.
    fn of_rows(&self) -> impl FnMut(u32) -> usize {
        let mut run = 0;
        let mut rows = 0..self.ends.first().copied().unwrap_or(0);
        move |row| {
            if !rows.contains(&row) {
                run = self.at(row);
                rows = run.checked_sub(1).map_or(0, |before| self.ends[before])..self.ends[run];
            }
            run
        }
    }

    fn of_codes<T: Copy>(&self, rows: &Selection, mut make: impl FnMut(u32) -> T) -> Vec<T> {
        let mut made = Vec::with_capacity(rows.count());
        match rows {
            Selection::Range(range) => {
                for (rows, code) in self.within(range) {
                    made.extend(std::iter::repeat_n(make(code), rows.len()));
                }
            }
            Selection::Rows(rows) => {
                let mut run_of = self.of_rows();
                made.extend(rows.iter().map(|row| make(self.codes[run_of(*row)])));
            }
        }
        made
    }

    fn count(&self, rows: &Selection, counts: &mut [i64]) {
        match rows {
            Selection::Range(range) => {
                for (rows, code) in self.within(range) {
                    counts[code as usize] += rows.len() as i64;
                }
            }
            Selection::Rows(rows) => {
                let mut run_of = self.of_rows();
                for row in rows {
                    counts[self.codes[run_of(*row)] as usize] += 1;
                }
            }
        }
    }

    fn selected(&self, rows: Selection, passes: &[bool]) -> Selection {
        let range = match rows {
            Selection::Rows(_) => {
                let mut run_of = self.of_rows();
                return rows.filter(|row| passes[self.codes[run_of(row)] as usize]);
            }
            Selection::Range(range) => range,
        };
        let runs = self.within(&range);
        let passing = runs.filter(|(_, code)| passes[*code as usize]);
        let mut parts: Vec<Range<u32>> = Vec::new();
        for (rows, _) in passing {
            match parts.last_mut().filter(|last| last.end == rows.start) {
                Some(last) => last.end = rows.end,
                None => parts.push(rows),
            }
        }
        match parts.as_slice() {
            [] => Selection::Range(range.start..range.start),
            [rows] => Selection::Range(rows.start as usize..rows.end as usize),
            _ => Selection::Rows(parts.into_iter().flatten().collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(count: usize) -> StringViewArray {
        let texts = (1..count).map(|number| Some(number.to_string()));
        [None].into_iter().chain(texts).collect()
    }

    proptest! {
        /// However codes are held, they say the same of all rows.
        #[test]
        fn codes_are_those_of_the_rows(
            runs in prop::collection::vec((0..300_u32, 1..200_usize), 0..40),
            different in prop::sample::select(vec![300_usize, 70_000]),
            is_short: bool,
            range: (prop::sample::Index, prop::sample::Index),
            step in 1..7_usize,
            passing in prop::collection::vec(any::<bool>(), 300),
        ) {
            let (codes, count): (Vec<u32>, usize) = match is_short {
                // Few different ones, in runs.
                true => (runs.iter().flat_map(|(code, rows)| std::iter::repeat_n(code % 5, *rows)).collect(), 5),
                false => (runs.iter().flat_map(|(code, rows)| (0..*rows as u32).map(move |row| (code + row) % 300)).collect(), different),
            };
            let coded = Coded::new(codes.clone(), texts(count));
            let mut passes = passing;
            passes.resize(count.max(300), false);
            let (one, other) = (range.0.index(codes.len() + 1), range.1.index(codes.len() + 1));
            let range = one.min(other)..one.max(other);
            let some: Vec<u32> = (range.start as u32..range.end as u32).step_by(step).collect();
            for rows in [Selection::Range(range.clone()), Selection::Rows(some)] {
                let mut expected = Vec::new();
                rows.each(|row| expected.push((row, codes[row as usize])));
                let of_rows: Vec<u32> = expected.iter().map(|(_, code)| *code).collect();
                prop_assert_eq!(coded.of_codes(&rows, |code| code), of_rows.clone());

                let (mut counts, mut by_one) = (vec![0; count], vec![0; count]);
                coded.count(&rows, &mut counts);
                of_rows.iter().for_each(|code| by_one[*code as usize] += 1);
                prop_assert_eq!(counts, by_one);

                let mut selected = Vec::new();
                coded.selected(rows, &passes).each(|row| selected.push(row));
                let passing = expected.iter().filter(|(_, code)| passes[*code as usize]);
                prop_assert_eq!(selected, passing.map(|(row, _)| *row).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn all_rows_pass_if_null_does_or_no_row_has_it() {
        let cases = [
            (vec![1, 2, 1], [false, true, true], true),
            (vec![1, 0, 2], [false, true, true], false),
            (vec![1, 0, 2], [true, true, true], true),
            (vec![1, 2, 1], [true, false, true], false),
        ];
        for (codes, passes, all) in cases {
            let coded = Coded::new(codes.repeat(20), texts(3));
            assert_eq!(coded.all_pass(&passes), all, "{codes:?} {passes:?}");
        }
    }

    #[test]
    fn codes_take_no_more_than_they_need() {
        let size = |codes: Vec<u32>, count: usize| {
            let texts = texts(count);
            let of_texts = texts.get_array_memory_size();
            Coded::new(codes, texts).size() - of_texts
        };
        let rows = 10_000;
        assert_eq!(size(vec![1; rows], 2), 8);
        assert_eq!(
            size((0..rows as u32).map(|row| row % 256).collect(), 256),
            rows
        );
        assert_eq!(
            size((0..rows as u32).map(|row| row % 257).collect(), 257),
            2 * rows
        );
        assert_eq!(size((0..rows as u32).collect(), 70_000), 4 * rows);
        assert_eq!(
            Coded::nulls(rows).of_codes(&Selection::Range(0..2), |code| code),
            [0, 0]
        );
    }
}
