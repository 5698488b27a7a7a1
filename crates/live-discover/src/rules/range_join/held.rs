//! The rows of the held side, by their keys and in the order of what ranges ask for.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use datafusion::arrow::array::{Array, ArrayRef, AsArray, UInt32Array};
use datafusion::arrow::compute::{concat_batches, take_record_batch};
use datafusion::arrow::datatypes::Int64Type;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::arrow::row::{RowConverter, SortField};
use datafusion::common::config::ConfigOptions;
use datafusion::common::utils::memory::get_record_batch_memory_size;
use datafusion::common::{DataFusionError, NullEquality, Result};
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::physical_expr::conjunction;
use datafusion::physical_expr::expressions::{InListExpr, lit};
use datafusion::physical_plan::{PhysicalExpr, SendableRecordBatchStream};
use futures::TryStreamExt;
use hashbrown::HashMap;

use super::condition::numbers;
use super::{RangeJoinExec, Side};
use crate::stop;

/// Rows that are looked at between looks at whether the query goes on.
const AT_ONCE: usize = 8 << 10;
/// The group of a row that no other is joined with.
const NO_GROUP: u32 = u32::MAX;

/// Rows with equal keys are a group.
pub(super) struct Held {
    pub(super) rows: RecordBatch,
    keys: RowConverter,
    groups: HashMap<Vec<u8>, u32>,
    null_equality: NullEquality,
    /// Where each group begins in `order`, and its end.
    starts: Vec<u32>,
    /// Places of rows, by their groups and the numbers of the first range.
    pub(super) order: Vec<u32>,
    /// For each range the numbers of the rows, in that order; `None` if they do not ascend in each group.
    numbers: Vec<Option<Vec<i64>>>,
    /// Which rows are in a pair, if that is told in the end.
    joined: Option<Mutex<Joined>>,
    _memory: MemoryReservation,
}

/// What is known of the rows' pairs, by their places in the order.
struct Joined {
    /// How many more rows of the other side are joined with a place than with the one before.
    more: Vec<i64>,
    is_joined: Vec<bool>,
    /// Partitions of the other side that are not done.
    partitions: usize,
}

impl Held {
    pub(super) async fn read(
        plan: &RangeJoinExec,
        mut input: SendableRecordBatchStream,
        memory: MemoryReservation,
    ) -> Result<Self> {
        let schema = input.schema();
        let mut batches = Vec::new();
        while let Some(batch) = input.try_next().await? {
            memory.try_grow(get_record_batch_memory_size(&batch))?;
            batches.push(batch);
        }
        let rows = concat_batches(&schema, &batches)?;
        drop(batches);
        // One less than there are numbers, which stands for no group.
        if rows.num_rows() >= NO_GROUP as usize {
            let message = "a join holds more than 4,294,967,294 rows of one side";
            return Err(DataFusionError::ResourcesExhausted(message.to_owned()));
        }
        let tells_pairs = plan.given.side() == Some(Side::Held);
        let of_row = size_of::<u32>() * 2
            + size_of::<i64>() * 2 * plan.ranges.len()
            + usize::from(tells_pairs) * size_of::<(i64, bool)>();
        let bytes = get_record_batch_memory_size(&rows) + rows.num_rows() * of_row;
        memory.try_resize(bytes)?;

        let types = plan.on.iter().map(|key| key.held.data_type(&schema));
        let types = types.map(|data_type| data_type.map(SortField::new));
        let keys = RowConverter::new(types.collect::<Result<_>>()?)?;
        let mut groups = HashMap::<Vec<u8>, u32>::new();
        let mut keys_bytes = 0;
        let mut of_rows = Vec::with_capacity(rows.num_rows());
        let mut given = vec![Vec::with_capacity(rows.num_rows()); plan.ranges.len()];
        for start in (0..rows.num_rows()).step_by(AT_ONCE) {
            stop::hand_on().await;
            let some = rows.slice(start, AT_ONCE.min(rows.num_rows() - start));
            let by = evaluated(plan.on.iter().map(|key| &key.held), &some)?;
            let of_keys = keys.convert_columns(&by)?;
            for row in 0..some.num_rows() {
                if has_no_equal(&by, row, plan.null_equality) {
                    of_rows.push(NO_GROUP);
                    continue;
                }
                let key = of_keys.row(row);
                let next = groups.len() as u32;
                let group = *groups.entry_ref(key.as_ref()).or_insert_with(|| {
                    keys_bytes += key.as_ref().len() + size_of::<(Vec<u8>, u32)>();
                    next
                });
                of_rows.push(group);
            }
            for (range, given) in plan.ranges.iter().zip(&mut given) {
                let numbers = numbers(&range.held, &some)?;
                for (at, number) in numbers.as_primitive::<Int64Type>().iter().enumerate() {
                    // Nothing is before or after null.
                    if number.is_none() {
                        of_rows[start + at] = NO_GROUP;
                    }
                    given.push(number.unwrap_or_default());
                }
            }
            memory.try_resize(bytes + keys_bytes)?;
        }

        let is_joined = |row: &u32| of_rows[*row as usize] != NO_GROUP;
        let mut order: Vec<u32> = (0..rows.num_rows() as u32).filter(is_joined).collect();
        order.sort_unstable_by_key(|row| {
            let row = *row as usize;
            (of_rows[row], given.first().map(|given| given[row]))
        });
        let mut starts = vec![0; groups.len() + 1];
        for row in &order {
            starts[of_rows[*row as usize] as usize + 1] += 1;
        }
        for group in 0..groups.len() {
            starts[group + 1] += starts[group];
        }
        let in_order = given.into_iter().map(|given| {
            let numbers: Vec<i64> = order.iter().map(|row| given[*row as usize]).collect();
            let ascends = |group: &[u32]| numbers[group[0] as usize..group[1] as usize].is_sorted();
            starts.windows(2).all(ascends).then_some(numbers)
        });
        let numbers = in_order.collect();
        let joined = tells_pairs.then(|| {
            Mutex::new(Joined {
                more: vec![0; order.len() + 1],
                is_joined: vec![false; order.len()],
                partitions: plan.properties.output_partitioning().partition_count(),
            })
        });
        Ok(Self {
            rows,
            keys,
            groups,
            null_equality: plan.null_equality,
            starts,
            order,
            numbers,
            joined,
            _memory: memory,
        })
    }

    /// Whether all ranges can be looked up, so that nothing of them is left to ask of a pair.
    pub(super) fn is_in_order(&self) -> bool {
        self.numbers.iter().all(Option::is_some)
    }

    /// For each row of the other side, by its keys and numbers, the places in the order of those it may be joined with.
    pub(super) fn candidates(
        &self,
        plan: &RangeJoinExec,
        other: &RecordBatch,
    ) -> Result<Vec<Range<u32>>> {
        use datafusion::logical_expr::Operator::{Gt, GtEq, Lt};
        let by = evaluated(plan.on.iter().map(|key| &key.other), other)?;
        let of_keys = self.keys.convert_columns(&by)?;
        let asked = plan.ranges.iter().zip(&self.numbers);
        let asked = asked.filter_map(|(range, held)| held.as_ref().map(|held| (range, held)));
        let asked = asked.map(|(range, held)| {
            let others = numbers(&range.other, other)?;
            Ok((range.op, held, others.as_primitive::<Int64Type>().clone()))
        });
        let asked = asked.collect::<Result<Vec<_>>>()?;
        // Rows that follow each other often have the same keys, and lie near each other.
        let mut last_row = None;
        let mut group = None;
        let mut last_places = vec![0; asked.len()];
        let of_row = |row: usize| {
            let nothing = 0..0;
            if has_no_equal(&by, row, self.null_equality) {
                return nothing;
            }
            let key = of_keys.row(row);
            if last_row.replace(key) != Some(key) {
                group = self.groups.get(key.as_ref()).copied();
            }
            let Some(group) = group.map(|group| group as usize) else {
                return nothing;
            };
            let mut candidates = self.starts[group]..self.starts[group + 1];
            for ((op, held, others), last) in asked.iter().zip(&mut last_places) {
                if others.is_null(row) {
                    return nothing;
                }
                let other = others.value(row);
                let (from, to) = (candidates.start as usize, candidates.end as usize);
                let place = place_near(held, from..to, *last, |held| match op {
                    Lt | GtEq => held < other,
                    _ => held <= other,
                });
                *last = place;
                match op {
                    Gt | GtEq => candidates.start = place as u32,
                    _ => candidates.end = place as u32,
                }
            }
            candidates
        };
        Ok((0..other.num_rows()).map(of_row).collect())
    }

    fn joined(&self) -> Option<MutexGuard<'_, Joined>> {
        let joined = self.joined.as_ref()?;
        Some(joined.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Notes that all rows at these places are in a pair.
    pub(super) fn join_all(&self, places: &[Range<u32>]) {
        if let Some(mut joined) = self.joined() {
            for places in places {
                joined.more[places.start as usize] += 1;
                joined.more[places.end as usize] -= 1;
            }
        }
    }

    /// Notes that the rows at the places of these pairs are.
    pub(super) fn join(&self, pairs: &[(u32, u32)]) {
        if let Some(mut joined) = self.joined() {
            for (place, _) in pairs {
                joined.is_joined[*place as usize] = true;
            }
        }
    }

    /// Leaves the pairs of rows that are known to be in one already.
    pub(super) fn retain_not_joined(&self, pairs: &mut Vec<(u32, u32)>) {
        if let Some(joined) = self.joined() {
            pairs.retain(|(place, _)| !joined.is_joined[*place as usize]);
        }
    }

    /// A partition of the other side is done. With the last of them, which rows are in a pair.
    pub(super) fn done(&self) -> Option<Vec<bool>> {
        let mut joined = self.joined()?;
        joined.partitions -= 1;
        if joined.partitions > 0 {
            return None;
        }
        let mut rows = vec![false; self.rows.num_rows()];
        let mut with = 0;
        for (place, row) in self.order.iter().enumerate() {
            with += joined.more[place];
            rows[*row as usize] = with > 0 || joined.is_joined[place];
        }
        Some(rows)
    }

    /// What the other side's rows have to be equal to, as a filter of them; `None` if that is too much to tell.
    pub(super) fn known_keys(
        &self,
        plan: &RangeJoinExec,
        options: &ConfigOptions,
    ) -> Result<Option<Arc<dyn PhysicalExpr>>> {
        let limits = &options.optimizer;
        if self.order.is_empty() {
            return Ok(Some(lit(false)));
        }
        if self.groups.len() > limits.hash_join_inlist_pushdown_max_distinct_values
            || self.null_equality == NullEquality::NullEqualsNull
        {
            return Ok(None);
        }
        let groups = self.starts.windows(2).filter(|group| group[0] < group[1]);
        let firsts: UInt32Array = groups.map(|group| self.order[group[0] as usize]).collect();
        let firsts = take_record_batch(&self.rows, &firsts)?;
        let schema = plan.other_input.schema();
        let mut filters: Vec<Arc<dyn PhysicalExpr>> = Vec::new();
        for key in &plan.on {
            let values = key.held.evaluate(&firsts)?.into_array(firsts.num_rows())?;
            let other = Arc::clone(&key.other);
            if values.get_array_memory_size() <= limits.hash_join_inlist_pushdown_max_size {
                let is_one = InListExpr::try_new_from_array(other, values, false, &schema)?;
                filters.push(Arc::new(is_one));
            }
        }
        Ok((!filters.is_empty()).then(|| conjunction(filters)))
    }
}

fn evaluated<'a>(
    keys: impl Iterator<Item = &'a Arc<dyn PhysicalExpr>>,
    batch: &RecordBatch,
) -> Result<Vec<ArrayRef>> {
    keys.map(|key| key.evaluate(batch)?.into_array(batch.num_rows()))
        .collect()
}

/// Whether a row has a key that equals nothing.
fn has_no_equal(keys: &[ArrayRef], row: usize, null_equality: NullEquality) -> bool {
    null_equality == NullEquality::NullEqualsNothing && keys.iter().any(|key| key.is_null(row))
}

/// The first of the places whose number is not `before`, as all behind it are not; where it probably is is looked at first.
fn place_near(
    numbers: &[i64],
    places: Range<usize>,
    probably: usize,
    before: impl Fn(i64) -> bool,
) -> usize {
    const STEPS: [usize; 3] = [1, 4, 16];
    let (mut from, mut to) = (places.start, places.end);
    let probably = probably.clamp(from, to);
    if probably < to && before(numbers[probably]) {
        from = probably + 1;
        for step in STEPS {
            match probably.checked_add(step) {
                Some(place) if place < to && before(numbers[place]) => from = place + 1,
                Some(place) => {
                    to = to.min(place);
                    break;
                }
                None => break,
            }
        }
    } else {
        to = probably;
        for step in STEPS {
            match probably.checked_sub(step) {
                Some(place) if place >= from && !before(numbers[place]) => to = place,
                Some(place) => {
                    from = from.max(place + 1);
                    break;
                }
                None => break,
            }
        }
    }
    from + numbers[from..to].partition_point(|number| before(*number))
}

#[cfg(test)]
mod tests {
    use super::place_near;

    #[test]
    fn a_place_is_found_wherever_it_is_looked_for_first() {
        for len in 0..70_usize {
            let numbers: Vec<i64> = (0..len as i64).collect();
            for from in [0, len / 3] {
                for first in from..=len {
                    for probably in [0, first.saturating_sub(3), first, first + 1, len, len + 9] {
                        let before = |number| number < first as i64;
                        let found = place_near(&numbers, from..len, probably, before);
                        assert_eq!(found, first, "in {from}..{len} from {probably} on");
                    }
                }
            }
        }
    }
}
