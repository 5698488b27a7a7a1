//! What takes memory while a query runs, told by the names that DataFusion and our steps give their consumers.

use datafusion::execution::memory_pool::MemoryConsumer;

use crate::rules::group_parts;

/// What sorts batches, and goes to disk with them.
const SORTING: &str = "ExternalSorter[";
/// What groups rows, and goes to disk with the groups: ours, and DataFusion's, which sorts them first.
const GROUPING: [&str; 2] = [group_parts::CONSUMER, "AggregateStream["];
/// What hands rows to other threads.
const QUEUING: &str = "RepartitionExec[";
/// What merges sorted batches, from memory or from disk. From disk it takes a buffer for each file, of as many files as
/// it gets memory for.
const MERGING: &str = "ExternalSorterMerge";

pub(super) fn is_sorting(consumer: &MemoryConsumer) -> bool {
    consumer.name().starts_with(SORTING)
}

/// Of a step that can go to disk: what queues between threads has a fourth of another's part.
pub(super) fn weight(consumer: &MemoryConsumer) -> usize {
    match consumer.can_spill() {
        true if consumer.name().starts_with(QUEUING) => 1,
        true => 4,
        false => 0,
    }
}

pub(super) fn is_grouping(consumer: &MemoryConsumer) -> bool {
    let groups = |name: &&str| consumer.name().contains(name);
    consumer.can_spill() && GROUPING.iter().any(groups)
}

pub(super) fn is_merging(consumer: &MemoryConsumer) -> bool {
    consumer.name().starts_with(MERGING)
}
