//! What a query needs of memory before it begins, as far as its plan tells.

use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::sorts::sort::SortExec;

use crate::estimate::row_bytes;
use crate::rules::group_parts::GroupPartsExec;
use crate::rules::lists::ListsExec;
use crate::rules::range_count::RangeCountExec;
use crate::rules::range_join::RangeJoinExec;

/// What a thread of a query needs that needs [little](Needs::Little): the rows that are the latest so far.
pub(super) const THREAD_BYTES: usize = 32 << 20;
/// Steps that hold tables, beside sorts and groups.
const HOLDS_TABLES: [&str; 11] = [
    GroupPartsExec::NAME,
    ListsExec::NAME,
    "HashJoinExec",
    RangeJoinExec::NAME,
    "SortMergeJoinExec",
    "NestedLoopJoinExec",
    "PiecewiseMergeJoinExec",
    "CrossJoinExec",
    "WindowAggExec",
    "BoundedWindowAggExec",
    RangeCountExec::NAME,
];

/// What a query needs, as far as its plan tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// It filters, counts, or gives some first rows.
    Little,
    /// It sorts, groups or joins.
    Much,
}

impl Needs {
    pub(crate) fn of(plan: &dyn ExecutionPlan) -> Self {
        // The first rows are kept with as many that are not, until these are let go of.
        let sorts = |sort: &SortExec| {
            let row_bytes = row_bytes(&sort.input().schema());
            let kept = |rows: usize| rows.saturating_mul(2 * row_bytes);
            sort.fetch()
                .is_none_or(|rows| kept(rows) > THREAD_BYTES / 2)
        };
        let groups = |aggregate: &AggregateExec| !aggregate.group_expr().is_empty();
        let holds = HOLDS_TABLES.contains(&plan.name())
            || plan.downcast_ref::<SortExec>().is_some_and(sorts)
            || plan.downcast_ref::<AggregateExec>().is_some_and(groups);
        let mut below = plan.children().into_iter();
        match holds || below.any(|child| Self::of(child.as_ref()) == Self::Much) {
            true => Self::Much,
            false => Self::Little,
        }
    }
}
