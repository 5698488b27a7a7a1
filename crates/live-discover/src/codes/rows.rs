//! The rows of a row group: which of them pass filters, and what expressions over them give. Of texts that repeat an
//! expression is asked once for each of the different ones.

use std::cell::OnceCell;
use std::ops::Range;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use datafusion::arrow::buffer::BooleanBuffer;
use datafusion::common::{DataFusionError, Result, ScalarValue, internal_err};

use super::coded::Coded;
use super::column::{Chunk, Selection};
use super::exact::ExactValues;
use super::expression::Expression;

/// Where a column of a row group is.
pub(super) enum Source {
    Constant(ScalarValue),
    Decoded(Chunk),
    /// To be decoded when it is asked for: a filter may leave no row that needs it.
    Encoded(Box<dyn Fn() -> Result<Chunk> + Send>),
    /// To be decoded as [`Rows::next`] asks for more.
    InParts(ExactValues),
}

/// A row group, as far as it was asked for.
pub(super) struct Rows {
    pub(super) count: usize,
    columns: Vec<(Source, OnceCell<Chunk>)>,
    /// Those that [`Self::next`] gave.
    given: usize,
}

impl Rows {
    pub(super) fn new(count: usize, columns: Vec<Source>) -> Self {
        let columns = columns
            .into_iter()
            .map(|source| (source, OnceCell::new()))
            .collect();
        Self {
            count,
            columns,
            given: 0,
        }
    }

    /// The next of the rows, so many at most, decoded; `None` behind the last.
    pub(super) fn next(&mut self, count: usize) -> Result<Option<Self>> {
        let count = count.min(self.count - self.given);
        if count == 0 {
            return Ok(None);
        }
        let range = Selection::Range(self.given..self.given + count);
        let mut columns = Vec::with_capacity(self.columns.len());
        for at in 0..self.columns.len() {
            columns.push(match &mut self.columns[at].0 {
                Source::Constant(value) => Source::Constant(value.clone()),
                Source::InParts(values) => Source::Decoded(Chunk::Plain(values.next(count)?)),
                Source::Decoded(_) | Source::Encoded(_) => {
                    Source::Decoded(Chunk::Plain(self.array(at, &range)?))
                }
            });
        }
        self.given += count;
        Ok(Some(Self::new(count, columns)))
    }

    /// `None` for one that has one value for all rows.
    fn chunk(&self, at: usize) -> Result<Option<&Chunk>> {
        let (source, decoded) = &self.columns[at];
        Ok(match source {
            Source::Constant(_) => None,
            Source::Decoded(chunk) => Some(chunk),
            Source::InParts(_) => return internal_err!("a column that is decoded in parts"),
            Source::Encoded(decode) => Some(match decoded.get() {
                Some(chunk) => chunk,
                None => {
                    let chunk = decode()?;
                    decoded.get_or_init(|| chunk)
                }
            }),
        })
    }

    fn constant(&self, at: usize) -> Option<&ScalarValue> {
        match &self.columns[at].0 {
            Source::Constant(value) => Some(value),
            _ => None,
        }
    }

    /// The values of the columns that the expression is over, if all rows have the same.
    pub(super) fn constants(&self, expression: &Expression) -> Option<Vec<&ScalarValue>> {
        let columns = expression.columns.iter();
        columns.map(|at| self.constant(*at)).collect()
    }

    fn array(&self, at: usize, rows: &Selection) -> Result<ArrayRef> {
        match (self.constant(at), self.chunk(at)?) {
            (Some(value), _) => value.to_array_of_size(rows.count()),
            (None, Some(chunk)) => chunk.values(rows),
            (None, None) => internal_err!("a column is somewhere"),
        }
    }

    /// The expression's value for each of these rows.
    pub(super) fn values(&self, expression: &Expression, rows: &Selection) -> Result<ArrayRef> {
        let columns = expression.columns.iter().map(|at| self.array(*at, rows));
        expression.evaluate(columns.collect::<Result<_>>()?, rows.count())
    }

    /// The only column that the expression is over, if that is of texts that repeat.
    pub(super) fn coded(&self, expression: &Expression) -> Result<Option<&Coded>> {
        let [at] = expression.columns.as_slice() else {
            return Ok(None);
        };
        Ok(match self.chunk(*at)? {
            Some(Chunk::Coded(coded)) => Some(coded.as_ref()),
            _ => None,
        })
    }
}

/// Filters over the rows of a row group.
pub(super) struct Filters<'a> {
    rows: &'a Rows,
    /// For each code of a column, whether its text passes. Those that all rows pass are not among them.
    by_text: Vec<(&'a Coded, Vec<bool>)>,
    /// Whether there is one of texts that no row passes.
    lets_none: bool,
    others: Vec<&'a Expression>,
}

impl<'a> Filters<'a> {
    /// Filters that are asked of `batch_rows` values at a time.
    pub(super) fn new(
        rows: &'a Rows,
        filters: &'a [Expression],
        batch_rows: usize,
    ) -> Result<Self> {
        let (mut by_text, mut others, mut lets_none) = (Vec::new(), Vec::new(), false);
        for filter in filters {
            let of_texts = rows.coded(filter)?.map(|coded| {
                let mut passes = Vec::with_capacity(coded.different());
                for texts in coded.texts_by(batch_rows)? {
                    let count = texts.len();
                    passes.extend(is_passing(&filter.evaluate(vec![texts], count)?)?.iter());
                }
                Ok::<_, DataFusionError>((coded, passes))
            });
            match of_texts {
                Some(Ok((coded, passes))) => {
                    lets_none |= !passes.contains(&true);
                    if !coded.all_pass(&passes) {
                        by_text.push((coded, passes));
                    }
                }
                // It may fail for a text that no row has which the others let pass: then it is asked row by row.
                Some(Err(_)) | None => others.push(filter),
            }
        }
        Ok(Self {
            rows,
            by_text,
            lets_none,
            others,
        })
    }

    /// The rows of a range that pass.
    pub(super) fn selected(&self, range: Range<usize>) -> Result<Selection> {
        if self.lets_none {
            return Ok(Selection::Range(range.start..range.start));
        }
        let mut selection = Selection::Range(range);
        for (coded, passes) in &self.by_text {
            selection = coded.selected(selection, passes);
        }
        for filter in &self.others {
            if selection.count() == 0 {
                break;
            }
            let passing = is_passing(&self.rows.values(filter, &selection)?)?;
            selection = selection.of_bits(&passing);
        }
        Ok(selection)
    }
}

/// The rows of a row group that filters let pass, `batch_rows` at a time.
pub(super) fn passing(
    rows: &Rows,
    filters: &[Expression],
    batch_rows: usize,
) -> Result<Vec<Selection>> {
    let filters = Filters::new(rows, filters, batch_rows)?;
    let starts = (0..rows.count).step_by(batch_rows);
    let passing = starts.map(|start| filters.selected(start..rows.count.min(start + batch_rows)));
    passing.collect()
}

/// The values of a filter.
pub(super) fn boolean(values: &ArrayRef) -> Result<&BooleanArray> {
    values.as_boolean_opt().ok_or_else(|| {
        DataFusionError::Internal(format!("a filter has the type {}", values.data_type()))
    })
}

/// Whether a filter is true, which null is not.
fn is_passing(values: &ArrayRef) -> Result<BooleanBuffer> {
    let values = boolean(values)?;
    Ok(match values.nulls() {
        Some(valid) => values.values() & valid.inner(),
        None => values.values().clone(),
    })
}
