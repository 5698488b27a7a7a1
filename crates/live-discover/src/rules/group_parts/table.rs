//! Groups in memory.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::Schema;
use datafusion::common::Result;
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};
use datafusion::physical_plan::aggregates::group_values::{GroupValues, new_group_values};
use datafusion::physical_plan::aggregates::order::GroupOrdering;

use super::GroupPartsExec;
use super::spilled::Parts;

/// Groups in memory.
pub(super) struct Table {
    pub(super) keys: Box<dyn GroupValues>,
    pub(super) accumulators: Vec<Box<dyn GroupsAccumulator>>,
    /// The group of each row of a batch.
    groups: Vec<usize>,
    /// Rows that are in it.
    pub(super) rows: usize,
    pub(super) memory: MemoryReservation,
}

impl Table {
    pub(super) fn new(plan: &GroupPartsExec, memory: MemoryReservation) -> Result<Self> {
        let schema = plan.input.schema();
        let keys = Arc::new(Schema::new(schema.fields()[..plan.keys].to_vec()));
        let accumulators = plan.aggregates.iter();
        let accumulators = accumulators.map(|(function, _)| function.create_groups_accumulator());
        Ok(Self {
            keys: new_group_values(keys, &GroupOrdering::None)?,
            accumulators: accumulators.collect::<Result<_>>()?,
            groups: Vec::new(),
            rows: 0,
            memory,
        })
    }

    pub(super) fn add(&mut self, plan: &GroupPartsExec, batch: &RecordBatch) -> Result<()> {
        let (keys, mut states) = batch.columns().split_at(plan.keys);
        self.keys.intern(keys, &mut self.groups)?;
        self.rows += batch.num_rows();
        let count = self.keys.len();
        for (accumulator, (_, columns)) in self.accumulators.iter_mut().zip(&plan.aggregates) {
            let (state, others) = states.split_at(*columns);
            accumulator.merge_batch(state, &self.groups, count)?;
            states = others;
        }
        Ok(())
    }

    pub(super) fn reserve(&self) -> Result<()> {
        let accumulators = self.accumulators.iter();
        let accumulators = accumulators.map(|accumulator| accumulator.size());
        let groups = self.groups.capacity() * size_of::<usize>();
        let bytes = self.keys.size() + groups + accumulators.sum::<usize>();
        self.memory.try_resize(bytes)
    }

    /// Divides its groups, as rows like those that were added.
    pub(super) fn move_to(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        let mut columns = self.keys.emit(EmitTo::All)?;
        for accumulator in &mut self.accumulators {
            columns.extend(accumulator.state(EmitTo::All)?);
        }
        let work = parts.work;
        parts.add(RecordBatch::try_new(
            Arc::clone(work.spill.schema()),
            columns,
        )?)?;
        *self = Self::new(&work.plan, self.memory.new_empty())?;
        Ok(())
    }
}
