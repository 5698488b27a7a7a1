//! What steps of ours, and the rules that put them into plans, have in common.

use std::fmt::Debug;
use std::sync::Arc;

use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{DataFusionError, Result, internal_err};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::metrics::BaselineMetrics;
use futures::{Stream, TryFutureExt};
use tokio::sync::OnceCell;

use crate::stop;

/// What stands in the place of a step, if there is something.
type InPlace = Option<Arc<dyn ExecutionPlan>>;

/// Puts something in the place of steps of one kind.
#[derive(Debug)]
pub(crate) struct NodeRule<N> {
    pub(crate) name: &'static str,
    pub(crate) in_place_of: fn(&N) -> Result<InPlace>,
}

impl<N: ExecutionPlan> PhysicalOptimizerRule for NodeRule<N> {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            let of_kind = node.downcast_ref::<N>();
            Ok(match of_kind.map(self.in_place_of).transpose()?.flatten() {
                Some(in_place) => Transformed::yes(in_place),
                None => Transformed::no(node),
            })
        })
        .data()
    }

    fn name(&self) -> &str {
        self.name
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// `with_new_children` of a step: its `replace_children`, which looks at the new ones anyway.
macro_rules! with_new_children {
    () => {
        fn with_new_children(
            self: Arc<Self>,
            children: Vec<Arc<dyn ExecutionPlan>>,
        ) -> Result<Arc<dyn ExecutionPlan>> {
            use datafusion::physical_plan::ChildrenPropertiesMode;
            let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
            self.replace_children(children, options)
        }
    };
}
pub(crate) use with_new_children;

/// The child of a step that has one.
pub(crate) fn only_child(
    children: Vec<Arc<dyn ExecutionPlan>>,
    node: &str,
) -> Result<Arc<dyn ExecutionPlan>> {
    match <[_; 1]>::try_from(children) {
        Ok([child]) => Ok(child),
        Err(children) => internal_err!("{node} has one child, not {}", children.len()),
    }
}

/// What is done once for all partitions, also where it fails: steps below can't be run twice.
#[derive(Debug, Clone, Default)]
pub(crate) struct Once(Arc<OnceCell<Result<(), Arc<DataFusionError>>>>);

impl Once {
    /// Waits until it is done, by this partition if no other has begun.
    pub(crate) async fn done(&self, work: impl Future<Output = Result<()>>) -> Result<()> {
        let done = self.0.get_or_init(|| work.map_err(Arc::new)).await;
        done.clone().map_err(DataFusionError::Shared)
    }
}

/// Batches as long as there is a next one; the thread is handed on before each.
pub(crate) fn batches_in_turn(
    baseline: BaselineMetrics,
    next: impl FnMut() -> Result<Option<RecordBatch>> + Send,
) -> impl Stream<Item = Result<RecordBatch>> + Send {
    futures::stream::try_unfold((baseline, next), |(baseline, mut next)| async move {
        stop::hand_on().await;
        let timer = baseline.elapsed_compute().timer();
        let batch = next()?;
        drop(timer);
        Ok(batch.map(|batch| {
            baseline.record_output(batch.num_rows());
            (batch, (baseline, next))
        }))
    })
}
