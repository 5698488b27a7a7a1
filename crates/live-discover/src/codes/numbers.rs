//! Keys of groups, for the rows of a row group, as numbers: of texts that repeat each is looked up once.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef};
use datafusion::common::{DataFusionError, Result, ScalarValue, internal_err};

use super::coded::Coded;
use super::column::Selection;
use super::expression::Expression;
use super::keys::{Incoming, Key};
use super::rows::Rows;

/// The values of a key for the rows of a row group, as numbers.
pub(super) enum Numbers<'a> {
    /// One for all rows, once there is one.
    Constant {
        incoming: Incoming,
        number: Option<u32>,
    },
    ByText(ByText<'a>),
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
        if let Some(constants) = rows.constants(expression) {
            let columns = constants.into_iter().map(ScalarValue::to_array);
            let value = expression.evaluate(columns.collect::<Result<_>>()?, 1)?;
            return Ok(Self::Constant {
                incoming: key.incoming(&value)?,
                number: None,
            });
        }
        Ok(match rows.coded(expression)? {
            // More would be more values at a time than the query may make.
            Some(coded) if expression.is_column() || coded.different() <= batch_rows => {
                Self::ByText(ByText {
                    coded,
                    expression,
                    numbers: key.known(coded),
                    values: Values::Unasked,
                })
            }
            _ => Self::ByRow { rows, expression },
        })
    }

    /// The column whose codes alone tell the keys of a row, if there is one.
    pub(super) fn told_by(keys: &[Self]) -> Option<&'a Coded> {
        let mut told_by = None;
        for key in keys {
            match key {
                Self::Constant { .. } => {}
                Self::ByText(by_text) if told_by.is_none() => told_by = Some(by_text.coded),
                _ => return None,
            }
        }
        told_by
    }

    /// The number of a row that has this code in the column that tells the keys.
    pub(super) fn of_code(&mut self, key: &mut Key, code: usize) -> Result<u32> {
        match self {
            Self::Constant { incoming, number } => {
                Ok(*number.get_or_insert_with(|| key.number(incoming, 0)))
            }
            Self::ByText(by_text) => match by_text.numbers[code] {
                Some(number) => Ok(number),
                None => by_text.number(key, code),
            },
            Self::ByRow { .. } => internal_err!("a code tells this key"),
        }
    }

    /// The number of each of these rows.
    pub(super) fn of(&mut self, key: &mut Key, selection: &Selection) -> Result<Vec<u32>> {
        Ok(match self {
            Self::Constant { incoming, number } => {
                let number = *number.get_or_insert_with(|| key.number(incoming, 0));
                vec![number; selection.count()]
            }
            Self::ByText(by_text) => {
                let coded = by_text.coded;
                let mut failed = None;
                let numbers = coded.of_codes(selection, |code| {
                    let code = code as usize;
                    match by_text.numbers[code] {
                        Some(number) => number,
                        None if failed.is_some() => 0,
                        None => by_text.number(key, code).unwrap_or_else(|error| {
                            failed = Some(error);
                            0
                        }),
                    }
                });
                match failed {
                    Some(error) => return Err(error),
                    None => numbers,
                }
            }
            Self::ByRow { rows, expression } => {
                let incoming = key.incoming(&rows.values(expression, selection)?)?;
                let numbers = (0..selection.count()).map(|at| key.number(&incoming, at));
                numbers.collect()
            }
        })
    }
}

/// The numbers of an expression over a column of texts that repeat.
pub(super) struct ByText<'a> {
    coded: &'a Coded,
    expression: &'a Expression,
    /// By the text's code. A text that no selected row has needs none: it would be a group.
    numbers: Vec<Option<u32>>,
    values: Values,
}

/// What the expression makes of the texts, once it is asked.
enum Values {
    Unasked,
    OfAll(Incoming),
    /// It fails for one of them, which no selected row may have.
    OneByOne,
}

impl ByText<'_> {
    /// The number of a text that has none yet.
    #[cold]
    fn number(&mut self, key: &mut Key, code: usize) -> Result<u32> {
        if matches!(self.values, Values::Unasked) {
            let texts = Arc::new(self.coded.texts()?);
            self.values = match self.of_texts(texts) {
                Ok(values) => Values::OfAll(key.incoming(&values)?),
                Err(_) => Values::OneByOne,
            };
        }
        let number = match &self.values {
            Values::OfAll(incoming) => key.number(incoming, code),
            Values::Unasked | Values::OneByOne => {
                let text = self.coded.texts()?.slice(code, 1);
                let value = self.of_texts(Arc::new(text))?;
                key.number(&key.incoming(&value)?, 0)
            }
        };
        self.numbers[code] = Some(number);
        key.remember(self.coded, code, number);
        Ok(number)
    }

    fn of_texts(&self, texts: ArrayRef) -> Result<ArrayRef, DataFusionError> {
        let count = texts.len();
        match self.expression.is_column() {
            true => Ok(texts),
            false => self.expression.evaluate(vec![texts], count),
        }
    }
}
