//! The rows of a batch of the other side, with those of the held side that they are joined with.

use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, BooleanArray, RecordBatchOptions, UInt32Array};
use datafusion::arrow::compute::{filter, take};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::Result;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::utils::{ColumnIndex, JoinFilter};

use super::held::Held;
use super::{Given, RangeJoinExec};

/// A batch, as far as its rows are joined.
pub(super) struct Pairs {
    other: RecordBatch,
    /// Those of each row that are left to be looked at, by their places in the order of held rows.
    candidates: Vec<Range<u32>>,
    /// The first row that has some left.
    row: usize,
    is_joined: Vec<bool>,
    is_over: bool,
    /// Pairs that are looked at at once.
    at_once: usize,
}

impl Pairs {
    pub(super) fn of(
        plan: &RangeJoinExec,
        held: &Held,
        other: RecordBatch,
        at_once: usize,
    ) -> Result<Self> {
        let candidates = held.candidates(plan, &other)?;
        Ok(Self {
            is_joined: vec![false; other.num_rows()],
            candidates,
            other,
            row: 0,
            is_over: false,
            at_once,
        })
    }

    /// Some more rows, or none of those that were looked at; `None` when all were.
    pub(super) fn next(
        &mut self,
        plan: &RangeJoinExec,
        held: &Held,
    ) -> Result<Option<RecordBatch>> {
        if self.is_over {
            return Ok(None);
        }
        let condition = match held.is_in_order() {
            true => plan.rest.as_ref(),
            false => Some(&plan.whole),
        };
        let gives_pairs = matches!(plan.given, Given::Pairs | Given::PairsOrNulls);
        if !gives_pairs && condition.is_none() {
            let candidates = self.candidates.iter();
            self.is_joined = candidates
                .map(|candidates| !candidates.is_empty())
                .collect();
            self.row = self.candidates.len();
        }
        let (mut held_rows, mut other_rows) = self.some_pairs(held, !gives_pairs);
        if other_rows.is_empty() {
            self.is_over = true;
            return self.without_pairs(plan, held);
        }
        if let Some(condition) = condition {
            let passes = self.passing(plan, held, condition, &held_rows, &other_rows)?;
            held_rows = filter(&held_rows, &passes)?.as_primitive().clone();
            other_rows = filter(&other_rows, &passes)?.as_primitive().clone();
        }
        for row in other_rows.values() {
            self.is_joined[*row as usize] = true;
        }
        if !gives_pairs {
            return Ok(Some(RecordBatch::new_empty(plan.schema())));
        }
        self.batch(plan, held, &held_rows, &other_rows).map(Some)
    }

    /// As many pairs as are looked at at once, of rows of both sides; `one_each`: none of rows that have one.
    fn some_pairs(&mut self, held: &Held, one_each: bool) -> (UInt32Array, UInt32Array) {
        let (mut held_rows, mut other_rows) = (Vec::new(), Vec::new());
        while let Some(left) = self.candidates.get_mut(self.row) {
            let room = self.at_once - held_rows.len();
            if room == 0 {
                break;
            }
            if left.start == left.end || one_each && self.is_joined[self.row] {
                self.row += 1;
                continue;
            }
            let taken = left.start..left.end.min(left.start.saturating_add(room as u32));
            left.start = taken.end;
            let taken = &held.order[taken.start as usize..taken.end as usize];
            held_rows.extend_from_slice(taken);
            // A batch has fewer rows than a number of 32 bits tells.
            other_rows.resize(held_rows.len(), self.row as u32);
        }
        (held_rows.into(), other_rows.into())
    }

    /// Which pairs a condition lets pass.
    fn passing(
        &self,
        plan: &RangeJoinExec,
        held: &Held,
        condition: &JoinFilter,
        held_rows: &UInt32Array,
        other_rows: &UInt32Array,
    ) -> Result<BooleanArray> {
        let columns = condition.column_indices().iter();
        let columns = columns.map(|column| self.column(plan, held, column, held_rows, other_rows));
        let asked = RecordBatch::try_new_with_options(
            Arc::clone(condition.schema()),
            columns.collect::<Result<_>>()?,
            &RecordBatchOptions::new().with_row_count(Some(other_rows.len())),
        )?;
        let passes = condition.expression().evaluate(&asked)?;
        Ok(passes.into_array(asked.num_rows())?.as_boolean().clone())
    }

    /// What is given of rows because they have a pair or none; `None` if nothing is.
    fn without_pairs(&self, plan: &RangeJoinExec, held: &Held) -> Result<Option<RecordBatch>> {
        let wants_joined = match plan.given {
            Given::Pairs => return Ok(None),
            Given::IfAny => true,
            Given::IfNone | Given::PairsOrNulls => false,
        };
        let rows = self.is_joined.iter().enumerate();
        let rows = rows.filter(|(_, is_joined)| **is_joined == wants_joined);
        let rows: UInt32Array = rows.map(|(row, _)| row as u32).collect();
        let nothing = UInt32Array::new_null(rows.len());
        self.batch(plan, held, &nothing, &rows).map(Some)
    }

    fn batch(
        &self,
        plan: &RangeJoinExec,
        held: &Held,
        held_rows: &UInt32Array,
        other_rows: &UInt32Array,
    ) -> Result<RecordBatch> {
        let columns = plan.columns.iter();
        let columns = columns.map(|column| self.column(plan, held, column, held_rows, other_rows));
        Ok(RecordBatch::try_new_with_options(
            plan.schema(),
            columns.collect::<Result<_>>()?,
            &RecordBatchOptions::new().with_row_count(Some(other_rows.len())),
        )?)
    }

    /// A column of either side, for these rows.
    fn column(
        &self,
        plan: &RangeJoinExec,
        held: &Held,
        column: &ColumnIndex,
        held_rows: &UInt32Array,
        other_rows: &UInt32Array,
    ) -> Result<ArrayRef> {
        Ok(match column.side == plan.held_side {
            true => take(held.rows.column(column.index), held_rows, None)?,
            false => take(self.other.column(column.index), other_rows, None)?,
        })
    }
}
