//! What is given of a batch of the other side, and behind the last of them of the held side.

use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, AsArray, BooleanArray, RecordBatchOptions, UInt32Array, new_null_array,
};
use datafusion::arrow::compute::take;
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::{JoinSide, Result};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::utils::{ColumnIndex, JoinFilter};

use super::held::Held;
use super::{Given, RangeJoinExec, Side};

/// What is left to give.
pub(super) enum Left {
    OfBatch(Batch),
    /// The partition of the other side is done.
    OfPartition,
    /// Rows of the held side, because they are in a pair or in none.
    OfHeld(UInt32Array),
    Nothing,
}

/// A batch, as far as its rows are joined.
pub(super) struct Batch {
    other: RecordBatch,
    /// Those of each row that are left to be looked at, by their places in the order of held rows.
    candidates: Vec<Range<u32>>,
    /// The first row that has some left.
    row: usize,
    is_joined: Vec<bool>,
}

/// A place in the order of held rows, and a row of the batch.
type Pair = (u32, u32);

impl Left {
    pub(super) fn of(plan: &RangeJoinExec, held: &Held, other: RecordBatch) -> Result<Self> {
        let candidates = held.candidates(plan, &other)?;
        let mut batch = Batch {
            row: 0,
            is_joined: vec![false; other.num_rows()],
            candidates,
            other,
        };
        if condition(plan, held).is_none() {
            held.join_all(&batch.candidates);
            let candidates = batch.candidates.iter();
            batch.is_joined = candidates.map(|places| places.start < places.end).collect();
            if !plan.given.has_pairs() {
                batch.row = batch.candidates.len();
            }
        }
        Ok(Self::OfBatch(batch))
    }

    /// Some more rows, of `at_once` pairs at most, or none of those that were looked at; `None` when there are no more.
    pub(super) fn next(
        &mut self,
        plan: &RangeJoinExec,
        held: &Held,
        at_once: usize,
    ) -> Result<Option<RecordBatch>> {
        let (given, next) = match self {
            Self::OfBatch(batch) => {
                if let Some(pairs) = batch.next(plan, held, at_once)? {
                    return Ok(Some(pairs));
                }
                let rows = wanted(plan.given, Side::Other, &batch.is_joined);
                let held_rows = UInt32Array::new_null(rows.len());
                let given = Rows::new(held, held_rows, Some(&batch.other), rows);
                (given.batch(plan)?, Self::Nothing)
            }
            Self::OfPartition => {
                let rows = held.done().unwrap_or_default();
                let rows = wanted(plan.given, Side::Held, &rows);
                (RecordBatch::new_empty(plan.schema()), Self::OfHeld(rows))
            }
            Self::OfHeld(rows) if !rows.is_empty() => {
                let some = rows.slice(0, rows.len().min(at_once));
                let others = rows.slice(some.len(), rows.len() - some.len());
                let nothing = UInt32Array::new_null(some.len());
                let given = Rows::new(held, some, None, nothing);
                (given.batch(plan)?, Self::OfHeld(others))
            }
            Self::OfHeld(_) | Self::Nothing => return Ok(None),
        };
        *self = next;
        Ok(Some(given))
    }
}

/// What is left to be asked of a pair.
fn condition<'a>(plan: &'a RangeJoinExec, held: &Held) -> Option<&'a JoinFilter> {
    match held.is_in_order() {
        true => plan.rest.as_ref(),
        false => Some(&plan.whole),
    }
}

/// The rows of a side that are given because they are in a pair, or in none.
fn wanted(given: Given, side: Side, is_joined: &[bool]) -> UInt32Array {
    let wants = match given {
        Given::InPair(of) if of == side => Some(true),
        Given::InNone(of) | Given::PairsAndOthers(of) if of == side => Some(false),
        _ => None,
    };
    let rows = (0..).zip(is_joined);
    let rows = rows.filter(|(_, is_joined)| Some(**is_joined) == wants);
    rows.map(|(row, _)| row).collect()
}

impl Batch {
    fn next(
        &mut self,
        plan: &RangeJoinExec,
        held: &Held,
        at_once: usize,
    ) -> Result<Option<RecordBatch>> {
        let asks_others = plan.given.side() == Some(Side::Other);
        let one_each = asks_others && !plan.given.has_pairs();
        let mut pairs = self.some_pairs(at_once, one_each);
        if pairs.is_empty() {
            return Ok(None);
        }
        if let Some(condition) = condition(plan, held) {
            if !plan.given.has_pairs() {
                held.retain_not_joined(&mut pairs);
            }
            let passes = self.rows(held, &pairs).passing(condition)?;
            let mut passes = passes.iter();
            pairs.retain(|_| passes.next() == Some(Some(true)));
            held.join(&pairs);
            for (_, row) in &pairs {
                self.is_joined[*row as usize] = true;
            }
        }
        Ok(Some(match plan.given.has_pairs() {
            true => self.rows(held, &pairs).batch(plan)?,
            false => RecordBatch::new_empty(plan.schema()),
        }))
    }

    /// So many pairs, or fewer that are left; `one_each`: none of rows that have one.
    fn some_pairs(&mut self, at_once: usize, one_each: bool) -> Vec<Pair> {
        let mut pairs = Vec::new();
        while let Some(left) = self.candidates.get_mut(self.row) {
            let room = at_once - pairs.len();
            if room == 0 {
                break;
            }
            if left.start == left.end || one_each && self.is_joined[self.row] {
                self.row += 1;
                continue;
            }
            let end = left.end.min(left.start.saturating_add(room as u32));
            // A batch has fewer rows than 32 bits tell.
            let row = self.row as u32;
            pairs.extend((left.start..end).map(|place| (place, row)));
            left.start = end;
        }
        pairs
    }

    fn rows<'a>(&'a self, held: &'a Held, pairs: &[Pair]) -> Rows<'a> {
        let held_rows = pairs.iter().map(|(place, _)| held.order[*place as usize]);
        let other_rows = pairs.iter().map(|(_, row)| *row).collect();
        Rows::new(held, held_rows.collect(), Some(&self.other), other_rows)
    }
}

/// Rows of both sides beside each other; null where there is none.
struct Rows<'a> {
    held: &'a Held,
    held_rows: UInt32Array,
    other: Option<&'a RecordBatch>,
    other_rows: UInt32Array,
}

impl<'a> Rows<'a> {
    fn new(
        held: &'a Held,
        held_rows: UInt32Array,
        other: Option<&'a RecordBatch>,
        other_rows: UInt32Array,
    ) -> Self {
        Self {
            held,
            held_rows,
            other,
            other_rows,
        }
    }

    fn batch(&self, plan: &RangeJoinExec) -> Result<RecordBatch> {
        self.of_columns(&plan.schema(), &plan.columns)
    }

    /// Which of them a condition lets pass.
    fn passing(&self, condition: &JoinFilter) -> Result<BooleanArray> {
        let asked = self.of_columns(condition.schema(), condition.column_indices())?;
        let passes = condition.expression().evaluate(&asked)?;
        Ok(passes.into_array(asked.num_rows())?.as_boolean().clone())
    }

    fn of_columns(&self, schema: &SchemaRef, columns: &[ColumnIndex]) -> Result<RecordBatch> {
        let columns = columns.iter().zip(schema.fields());
        let columns = columns.map(|(column, field)| self.column(column, field.data_type()));
        Ok(RecordBatch::try_new_with_options(
            Arc::clone(schema),
            columns.collect::<Result<_>>()?,
            &RecordBatchOptions::new().with_row_count(Some(self.other_rows.len())),
        )?)
    }

    fn column(&self, column: &ColumnIndex, data_type: &DataType) -> Result<ArrayRef> {
        Ok(match (column.side, self.other) {
            (JoinSide::Left, _) => {
                take(self.held.rows.column(column.index), &self.held_rows, None)?
            }
            (_, Some(other)) => take(other.column(column.index), &self.other_rows, None)?,
            (_, None) => new_null_array(data_type, self.other_rows.len()),
        })
    }
}
