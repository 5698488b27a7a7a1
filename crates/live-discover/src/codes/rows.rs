//! The rows of a row group: which of them pass filters, and what expressions over them give. Of texts that repeat an
//! expression is asked once for each of the different ones.

use std::cell::OnceCell;
use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use datafusion::common::{DataFusionError, Result, ScalarValue, internal_err};

use super::column::{Chunk, Coded, Selection};
use super::expression::Expression;
use super::keys::{Incoming, Key};

/// Where a column of a row group is.
pub(super) enum Source {
    Constant(ScalarValue),
    Decoded(Chunk),
    /// To be decoded when it is asked for: a filter may leave no row that needs it.
    Encoded(Box<dyn Fn() -> Result<Chunk> + Send>),
}

/// A row group, as far as it was asked for.
pub(super) struct Rows {
    pub(super) count: usize,
    columns: Vec<(Source, OnceCell<Chunk>)>,
}

impl Rows {
    pub(super) fn new(count: usize, columns: Vec<Source>) -> Self {
        let columns = columns
            .into_iter()
            .map(|source| (source, OnceCell::new()))
            .collect();
        Self { count, columns }
    }

    /// `None` for one that has one value for all rows.
    fn chunk(&self, at: usize) -> Result<Option<&Chunk>> {
        let (source, decoded) = &self.columns[at];
        Ok(match source {
            Source::Constant(_) => None,
            Source::Decoded(chunk) => Some(chunk),
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
    fn coded(&self, expression: &Expression) -> Result<Option<&Coded>> {
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
    /// For each code of a column, whether its text passes.
    by_text: Vec<(&'a Coded, Vec<bool>)>,
    others: Vec<&'a Expression>,
}

impl<'a> Filters<'a> {
    /// Filters that are asked of `batch_rows` values at a time.
    pub(super) fn new(
        rows: &'a Rows,
        filters: &'a [Expression],
        batch_rows: usize,
    ) -> Result<Self> {
        let (mut by_text, mut others) = (Vec::new(), Vec::new());
        for filter in filters {
            let of_texts = rows.coded(filter)?.map(|coded| {
                let mut passes = Vec::with_capacity(coded.texts.len());
                for texts in coded.texts_by(batch_rows) {
                    let count = texts.len();
                    passes.extend(passing(&filter.evaluate(vec![texts], count)?)?);
                }
                Ok::<_, DataFusionError>((coded, passes))
            });
            match of_texts {
                Some(Ok(of_texts)) => by_text.push(of_texts),
                // It may fail for a text that no row has which the others let pass: then it is asked row by row.
                Some(Err(_)) | None => others.push(filter),
            }
        }
        Ok(Self {
            rows,
            by_text,
            others,
        })
    }

    /// The rows of a range that pass.
    pub(super) fn selected(&self, range: Range<usize>) -> Result<Selection> {
        let mut selection = Selection::Range(range);
        for (coded, passes) in &self.by_text {
            selection = coded.selected(selection, passes);
        }
        for filter in &self.others {
            if selection.count() == 0 {
                break;
            }
            let mut passing = passing(&self.rows.values(filter, &selection)?)?.into_iter();
            selection = selection.filter(|_| passing.next().unwrap_or(false));
        }
        Ok(selection)
    }
}

/// The values of a key for the rows of a row group, as numbers.
pub(super) enum Numbers<'a> {
    /// One for all rows, once there is one.
    Constant {
        incoming: Incoming,
        number: Option<u32>,
    },
    /// The number of each text, of those that a selected row has.
    ByText {
        coded: &'a Coded,
        incoming: Incoming,
        numbers: Vec<Option<u32>>,
    },
    ByRow {
        rows: &'a Rows,
        expression: &'a Expression,
    },
}

impl<'a> Numbers<'a> {
    pub(super) fn new(
        rows: &'a Rows,
        expression: &'a Expression,
        key: &Key,
        batch_rows: usize,
    ) -> Result<Self> {
        let constants = expression.columns.iter().map(|at| rows.constant(*at));
        if let Some(constants) = constants.collect::<Option<Vec<_>>>() {
            let columns = constants.into_iter().map(ScalarValue::to_array);
            let value = expression.evaluate(columns.collect::<Result<_>>()?, 1)?;
            return Ok(Self::Constant {
                incoming: key.incoming(&value)?,
                number: None,
            });
        }
        if let Some(coded) = rows.coded(expression)? {
            let count = coded.texts.len();
            let texts: ArrayRef = Arc::new(coded.texts.clone());
            let values = match expression.is_column() {
                true => Some(texts),
                // More would be more values at a time than the query may make. It may fail for a text that no selected
                // row has, too.
                false if count <= batch_rows => expression.evaluate(vec![texts], count).ok(),
                false => None,
            };
            if let Some(values) = values {
                return Ok(Self::ByText {
                    coded,
                    incoming: key.incoming(&values)?,
                    numbers: vec![None; count],
                });
            }
        }
        Ok(Self::ByRow { rows, expression })
    }

    /// The column whose codes alone tell the keys of a row, if there is one.
    pub(super) fn told_by(keys: &[Self]) -> Option<&'a Coded> {
        let mut told_by = None;
        for key in keys {
            match key {
                Self::Constant { .. } => {}
                Self::ByText { coded, .. } if told_by.is_none() => told_by = Some(*coded),
                _ => return None,
            }
        }
        told_by
    }

    /// The number of a row that has this code in the column that tells the keys.
    pub(super) fn of_code(&mut self, key: &mut Key, code: usize) -> Result<u32> {
        Ok(match self {
            Self::Constant { incoming, number } => {
                *number.get_or_insert_with(|| key.number(incoming, 0))
            }
            Self::ByText { incoming, .. } => key.number(incoming, code),
            Self::ByRow { .. } => return internal_err!("a code tells this key"),
        })
    }

    /// The number of each of these rows.
    pub(super) fn of(&mut self, key: &mut Key, selection: &Selection) -> Result<Vec<u32>> {
        Ok(match self {
            Self::Constant { incoming, number } => {
                let number = *number.get_or_insert_with(|| key.number(incoming, 0));
                vec![number; selection.count()]
            }
            Self::ByText {
                coded,
                incoming,
                numbers,
            } => {
                let numbers = numbers.as_mut_slice();
                coded.of_codes(selection, |code| {
                    let known = &mut numbers[code as usize];
                    *known.get_or_insert_with(|| key.number(incoming, code as usize))
                })
            }
            Self::ByRow { rows, expression } => {
                let incoming = key.incoming(&rows.values(expression, selection)?)?;
                let numbers = (0..selection.count()).map(|at| key.number(&incoming, at));
                numbers.collect()
            }
        })
    }
}

/// The values of a filter.
pub(super) fn boolean(values: &ArrayRef) -> Result<&BooleanArray> {
    values.as_boolean_opt().ok_or_else(|| {
        DataFusionError::Internal(format!("a filter has the type {}", values.data_type()))
    })
}

/// Whether a filter is true, which null is not.
fn passing(values: &ArrayRef) -> Result<Vec<bool>> {
    let values = boolean(values)?.iter();
    Ok(values.map(|passes| passes == Some(true)).collect())
}
