//! `ORDER BY … LIMIT` over wide rows in two passes.
//!
//! The step that keeps the first rows reads whole batches: of a hundred thousand rows all columns, to keep a hundred of
//! them. So a first pass reads the first sort key alone and tells what the last of the rows that are wanted has; the
//! second reads the other columns of those rows only that have as much, by the filter that this step gives the scan
//! anyway, set before it begins.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::datasource::physical_plan::{FileScanConfigBuilder, FileSource, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::TaskContext;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{
    BinaryExpr, Column, DynamicFilterPhysicalExpr, IsNullExpr, Literal,
};
use datafusion::physical_expr::utils::{collect_columns, reassign_expr_columns};
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_expr_common::physical_expr::is_volatile;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::execution_plan::replace_children_if_necessary;
use datafusion::physical_plan::filter::{FilterExec, FilterExecBuilder};
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sort_pushdown::SortOrderPushdownResult;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, Partitioning,
    PhysicalExpr, PlanProperties, ReplaceChildrenOptions, SendableRecordBatchStream,
};
use futures::TryStreamExt;

use crate::node::{Once, with_new_children};

/// More rows than that are a result to be read, for which all columns are needed anyway.
pub(crate) const FIRST_ROWS_MAX: usize = 10_000;
/// Rows up to which one pass will do.
const SCANNED_ROWS_MIN: usize = 16 << 10;
/// Columns beyond those that filter and order, from which on they are worth being read late.
const LATE_COLUMNS_MIN: usize = 4;
/// Rows that a filter gathers in the first pass.
const FILTERED_ROWS: usize = 64;

/// Puts a first pass before the sorts that gain by it.
#[derive(Debug)]
pub(crate) struct FirstPass;

impl PhysicalOptimizerRule for FirstPass {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_down(|node| match two_passes(&node)? {
            Some(passes) => Ok(Transformed::new(passes, true, TreeNodeRecursion::Jump)),
            None => Ok(Transformed::no(node)),
        })
        .data()
    }

    fn name(&self) -> &str {
        "first_pass"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn two_passes(plan: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let Some(sort) = plan.downcast_ref::<SortExec>() else {
        return Ok(None);
    };
    let order = sort.expr().first();
    let Some(fetch) = sort.fetch() else {
        return Ok(None);
    };
    let Some(column) = order.expr.downcast_ref::<Column>() else {
        return Ok(None);
    };
    if fetch > FIRST_ROWS_MAX || !gains(sort)? {
        return Ok(None);
    }
    let late = |node| Ok(with_late_columns(node));
    let input = Arc::clone(sort.input()).transform_down(late).data()?;
    let input = in_order(input, order, column)?;
    Ok(Some(Arc::new(FirstPassExec {
        keys: keys(sort, (order, column), fetch)?,
        rows: replace_children_if_necessary(Arc::clone(plan), vec![input])?,
        order: order.clone(),
        fetch,
        first_pass: Once::default(),
    })))
}

/// Whether many rows are sorted, and of each much is read that neither filters nor orders. Rows and keys must be the
/// same in both passes: nothing on the way may be another value each time, as `random()` is.
fn gains(sort: &SortExec) -> Result<bool> {
    let mut filtered = 1;
    let mut node = sort.input();
    loop {
        if let Some(scan) = node.downcast_ref::<DataSourceExec>() {
            let Some((config, source)) = scan.downcast_to_file_source::<ParquetSource>() else {
                return Ok(false);
            };
            let mut given = source
                .projection()
                .into_iter()
                .flat_map(|given| given.iter());
            if given.any(|given| is_volatile(&given.expr))
                || source.filter().is_some_and(|filter| is_volatile(&filter))
            {
                return Ok(false);
            }
            filtered += source
                .filter()
                .map_or(0, |filter| collect_columns(&filter).len());
            let rows = config.statistics().num_rows;
            let is_long = rows
                .get_value()
                .is_none_or(|rows| *rows >= SCANNED_ROWS_MIN);
            return Ok(is_long && scan.schema().fields().len() >= filtered + LATE_COLUMNS_MIN);
        }
        let filter = node.downcast_ref::<FilterExec>();
        let projection = node.downcast_ref::<ProjectionExec>();
        let passes_on = filter.is_some_and(|filter| !is_volatile(filter.predicate()))
            || projection.is_some_and(|given| !given.expr().iter().any(|e| is_volatile(&e.expr)))
            || node
                .downcast_ref::<RepartitionExec>()
                .is_some_and(is_of_rows)
            || node.is::<CoalescePartitionsExec>();
        match node.children().as_slice() {
            [child] if passes_on => node = *child,
            _ => return Ok(false),
        }
    }
}

/// Whether rows go to any thread, whatever is in them.
fn is_of_rows(repartition: &RepartitionExec) -> bool {
    matches!(repartition.partitioning(), Partitioning::RoundRobinBatch(_))
}

/// A scan that reads what neither filters nor orders for the rows that it keeps.
fn with_late_columns(node: Arc<dyn ExecutionPlan>) -> Transformed<Arc<dyn ExecutionPlan>> {
    let late = node.downcast_ref::<DataSourceExec>().and_then(|scan| {
        let (config, source) = scan.downcast_to_file_source::<ParquetSource>()?;
        let source = source.clone().with_pushdown_filters(true);
        let config = FileScanConfigBuilder::from(config.clone()).with_source(Arc::new(source));
        Some(DataSourceExec::from_data_source(config.build()) as Arc<dyn ExecutionPlan>)
    });
    match late {
        Some(late) => Transformed::yes(late),
        None => Transformed::no(node),
    }
}

/// The plan of the first pass: the first sort keys alone, in order, `fetch` of them.
fn keys(
    sort: &SortExec,
    (order, column): (&PhysicalSortExpr, &Column),
    fetch: usize,
) -> Result<Arc<dyn ExecutionPlan>> {
    let keys = with_columns(sort.input(), &[column.index()])?;
    let keys = in_order(keys, order, column)?;
    // Under its own name: by that, files are read in its order.
    let key = Arc::new(Column::new(column.name(), 0));
    let order = LexOrdering::from([PhysicalSortExpr::new(key, order.options)]);
    let partitions = keys.output_partitioning().partition_count();
    let sorted = SortExec::new(order.clone(), keys)
        .with_fetch(Some(fetch))
        .with_preserve_partitioning(partitions > 1);
    let sorted = Arc::new(sorted);
    if partitions == 1 {
        return Ok(sorted);
    }
    let merged = SortPreservingMergeExec::new(order, sorted).with_fetch(Some(fetch));
    Ok(Arc::new(merged))
}

/// Lets the scan read its files in the order of the key, as far as their bounds tell: below a filter DataFusion does not.
pub(crate) fn in_order(
    plan: Arc<dyn ExecutionPlan>,
    order: &PhysicalSortExpr,
    column: &Column,
) -> Result<Arc<dyn ExecutionPlan>> {
    let ordered = plan.transform_down(|node| {
        let (true, Some((at, _))) = (
            node.is::<DataSourceExec>(),
            node.schema().column_with_name(column.name()),
        ) else {
            return Ok(Transformed::no(node));
        };
        let key = Arc::new(Column::new(column.name(), at));
        let order = PhysicalSortExpr::new(key, order.options);
        Ok(match node.try_pushdown_sort(&[order])? {
            SortOrderPushdownResult::Exact { inner }
            | SortOrderPushdownResult::Inexact { inner } => Transformed::yes(inner),
            SortOrderPushdownResult::Unsupported => Transformed::no(node),
        })
    });
    ordered.data()
}

/// What a plan of scan, filters and projections gives, of these columns only, which alone are read then.
fn with_columns(
    plan: &Arc<dyn ExecutionPlan>,
    columns: &[usize],
) -> Result<Arc<dyn ExecutionPlan>> {
    let schema = plan.schema();
    if let Some(filter) = plan.downcast_ref::<FilterExec>() {
        // Its columns are its input's, or those of them that it gives on.
        let of_input = |column: &usize| match filter.projection() {
            Some(given) => given.get(*column).copied().unwrap_or(*column),
            None => *column,
        };
        let columns: Vec<usize> = columns.iter().map(of_input).collect();
        let mut read = columns.clone();
        for filtered in collect_columns(filter.predicate()) {
            if !read.contains(&filtered.index()) {
                read.push(filtered.index());
            }
        }
        let input = with_columns(filter.input(), &read)?;
        let predicate = reassign_expr_columns(Arc::clone(filter.predicate()), &input.schema())?;
        let given: Vec<usize> = (0..columns.len()).collect();
        // It gathers so many rows before it gives them on, and the scan learns nothing until then.
        let filter = FilterExecBuilder::new(predicate, input).with_batch_size(FILTERED_ROWS);
        return Ok(Arc::new(filter.apply_projection(Some(given))?.build()?));
    }
    if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
        let expressions = columns
            .iter()
            .filter_map(|column| projection.expr().get(*column));
        let expressions: Vec<ProjectionExpr> = expressions.cloned().collect();
        let read = expressions
            .iter()
            .flat_map(|given| collect_columns(&given.expr));
        let read: BTreeSet<usize> = read.map(|column| column.index()).collect();
        let input = with_columns(projection.input(), &Vec::from_iter(read))?;
        let expressions = expressions.into_iter().map(|given| {
            let expr = reassign_expr_columns(given.expr, &input.schema())?;
            Ok(ProjectionExpr::new(expr, given.alias))
        });
        let expressions = expressions.collect::<Result<Vec<_>>>()?;
        return Ok(Arc::new(ProjectionExec::try_new(expressions, input)?));
    }
    if let [child] = plan.children().as_slice() {
        let child = with_columns(child, columns)?;
        return replace_children_if_necessary(Arc::clone(plan), vec![child]);
    }
    let given = columns.iter().map(|column| {
        let name = schema.field(*column).name();
        ProjectionExpr::new(Arc::new(Column::new(name, *column)), name.clone())
    });
    let given = ProjectionExec::try_new(given.collect::<Vec<_>>(), Arc::clone(plan))?;
    let narrow = plan.try_swapping_with_projection(&given)?;
    Ok(narrow.unwrap_or_else(|| Arc::new(given)))
}

/// Runs `keys`, sets the filter by the last of them, and gives what `rows` gives.
#[derive(Debug)]
pub(crate) struct FirstPassExec {
    keys: Arc<dyn ExecutionPlan>,
    rows: Arc<dyn ExecutionPlan>,
    /// The first sort key of `rows`.
    order: PhysicalSortExpr,
    fetch: usize,
    first_pass: Once,
}

impl FirstPassExec {
    pub(crate) const NAME: &str = "FirstPassExec";

    /// The plan of the second pass, which gives the same without the first.
    pub(crate) fn rows(&self) -> &Arc<dyn ExecutionPlan> {
        &self.rows
    }

    /// The value that the last of the rows that are wanted has in the first sort key; `None` if there are fewer.
    async fn last_key(
        mut keys: SendableRecordBatchStream,
        fetch: usize,
    ) -> Result<Option<ScalarValue>> {
        let (mut rows, mut last) = (0, None);
        while let Some(batch) = keys.try_next().await? {
            if let (Some(at), Some(keys)) =
                (batch.num_rows().checked_sub(1), batch.columns().first())
            {
                rows += batch.num_rows();
                last = Some(ScalarValue::try_from_array(keys, at)?);
            }
        }
        Ok(last.filter(|last| rows >= fetch && !last.is_null()))
    }
}

/// What the sort in a plan gives its scan. Asked for when the plan runs: rules behind ours put other sorts in its place.
fn filter_of(plan: &Arc<dyn ExecutionPlan>) -> Option<Arc<dyn PhysicalExpr>> {
    if let Some(sort) = plan.downcast_ref::<SortExec>() {
        return sort.dynamic_expressions_produced().into_iter().next();
    }
    match plan.children().as_slice() {
        [child] => filter_of(child),
        _ => None,
    }
}

/// Rows that stand at the key, before it, or among the nulls that come first.
fn not_behind(order: &PhysicalSortExpr, last: ScalarValue) -> Arc<dyn PhysicalExpr> {
    let operator = match order.options.descending {
        true => Operator::GtEq,
        false => Operator::LtEq,
    };
    let key = Arc::clone(&order.expr);
    let last = Arc::new(Literal::new(last));
    let not_behind = Arc::new(BinaryExpr::new(Arc::clone(&key), operator, last));
    match order.options.nulls_first {
        true => {
            let is_null = Arc::new(IsNullExpr::new(key));
            Arc::new(BinaryExpr::new(is_null, Operator::Or, not_behind))
        }
        false => not_behind,
    }
}

impl DisplayAs for FirstPassExec {
    fn fmt_as(&self, _type: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: key={}, fetch={}",
            Self::NAME,
            self.order,
            self.fetch
        )
    }
}

impl ExecutionPlan for FirstPassExec {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.rows.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.keys, &self.rows]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![false, true]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false, false]
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        f(&self.order.expr)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let Ok([keys, rows]) = <[_; 2]>::try_from(children) else {
            return internal_err!("FirstPassExec has two children");
        };
        Ok(Arc::new(Self {
            keys,
            rows,
            order: self.order.clone(),
            fetch: self.fetch,
            first_pass: Once::default(),
        }))
    }

    with_new_children!();

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let (keys, rows) = (Arc::clone(&self.keys), Arc::clone(&self.rows));
        let (order, fetch) = (self.order.clone(), self.fetch);
        let once = self.first_pass.clone();
        let passes = async move {
            let first_pass = async {
                let keys = keys.execute(0, Arc::clone(&context))?;
                if let Some(last) = Self::last_key(keys, fetch).await?
                    && let Some(filter) = filter_of(&rows)
                    && let Some(filter) = filter.downcast_ref::<DynamicFilterPhysicalExpr>()
                {
                    filter.update(not_behind(&order, last))?;
                }
                Ok(())
            };
            once.done(first_pass).await?;
            rows.execute(partition, context)
        };
        let rows = futures::stream::once(passes).try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), rows)))
    }
}
