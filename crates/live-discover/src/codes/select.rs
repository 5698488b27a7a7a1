//! The step that finds rows by filters over small columns, and reads the others for the rows alone that it found.
//!
//! ```text
//!  row groups ─► rows that the filters let pass, by codes ─► [`first`]: those that may be wanted ─► their values
//! ```
//!
//! Values come from columns that are kept, or from the pages that the rows are in.
//!
//! Here is what such a step can take the place of, and how it looks in a plan; [`run`] is what it does.

mod run;

use std::fmt;
use std::sync::Arc;

use audit_lake::TableName;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, ScalarValue};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::FileGroup;
use datafusion::execution::TaskContext;
use datafusion::physical_expr::PhysicalSortExpr;
use datafusion::physical_expr::expressions::{Column, Literal};
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PhysicalExpr, PlanProperties,
    ReplaceChildrenOptions, SendableRecordBatchStream, apply_expression_roots,
};
use tokio::sync::OnceCell;

use super::expression::{Expression, Used, Wanted};
use super::first::Firsts;
use super::input::{Input, in_common};
use super::is_number;
use super::read::FILES_AHEAD;
use super::search::Search;
use crate::index::running::{becomes_known, is_of_run};
use crate::rules::first_pass::FIRST_ROWS_MAX;

/// Large columns decide over rows that have so many bytes in a file at most.
const LARGE_BYTES_MAX: u64 = 4 << 20;
/// Files that are fetched ahead, where the rows that are looked at have so many bytes in each at most.
const NARROW_AHEAD: usize = 16;
const AHEAD_BYTES_MAX: u64 = 1 << 20;

/// A scan with filters, and what projections above it make of its columns.
#[derive(Debug, Clone)]
pub(super) struct SelectByCodesExec {
    input: Input,
    used: Used,
    filters: Vec<Expression>,
    /// What is looked for in large columns, if only the first rows are wanted.
    searches: Vec<Search>,
    /// Of the used columns those that decide which rows are wanted come first: so many.
    deciding: usize,
    outputs: Vec<Expression>,
    /// Files that are fetched ahead.
    ahead: usize,
    first: Option<First>,
    /// Where no filter is known before the query runs: what is done if many rows may match then.
    otherwise: Option<Otherwise>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

/// The first rows by a key alone are wanted, and those with the same key as the last of them.
#[derive(Debug, Clone)]
struct First {
    key: Expression,
    /// By the column of the table that is the key.
    order: PhysicalSortExpr,
    fetch: usize,
    firsts: Arc<Firsts>,
}

/// Another way to the same rows.
#[derive(Debug, Clone)]
struct Otherwise {
    plan: Arc<dyn ExecutionPlan>,
    /// By all partitions or by none, as they may read each other's files.
    is_taken: Arc<OnceCell<bool>>,
}

impl SelectByCodesExec {
    pub(crate) const NAME: &str = "SelectByCodesExec";

    /// In place of a scan and what is above it; `None` where filters are over other columns than small ones, and the index
    /// leaves many rows for them, or where there are none. `learns`: whether rows may be looked for by what steps above find.
    pub(super) fn in_place_of(plan: &Arc<dyn ExecutionPlan>, learns: bool) -> Result<Option<Self>> {
        let Some(mut input) = Input::of(plan) else {
            return Ok(None);
        };
        if learns {
            let late = std::mem::take(&mut input.late_filters);
            input.filters.extend(late);
        }
        if input.filters.is_empty() {
            return Ok(None);
        }
        let is_of_run = input.filters.iter().all(is_of_run);
        let Some(select) = Self::new(input, plan, None)? else {
            return Ok(None);
        };
        // What decides is no more to read than what is given. A key has no text twice.
        let is_decided = select.deciding == select.used.columns.len()
            && !(select.input.columns.iter().flat_map(collect_columns)).any(|of| is_key(&of));
        let otherwise = (is_of_run && !is_decided).then(|| Otherwise {
            plan: Arc::clone(plan),
            is_taken: Arc::default(),
        });
        Ok(Some(Self {
            otherwise,
            ..select
        }))
    }

    /// In place of what a sort with a limit reads.
    pub(super) fn in_place_below(sort: &SortExec) -> Result<Option<Self>> {
        let order = sort.expr().first();
        let (Some(fetch), Some(mut input)) = (sort.fetch(), Input::of(sort.input())) else {
            return Ok(None);
        };
        // What the sort would tell the scan is known by then.
        (input.filters).retain(|filter| !is_of_run(filter));
        let key = input
            .over_table(&order.expr)
            .filter(|key| key.is::<Column>());
        match key {
            Some(key) if (1..=FIRST_ROWS_MAX).contains(&fetch) => {
                let order = PhysicalSortExpr::new(key, order.options);
                Self::new(input, sort.input(), Some((order, fetch)))
            }
            _ => Ok(None),
        }
    }

    fn new(
        input: Input,
        plan: &Arc<dyn ExecutionPlan>,
        first: Option<(PhysicalSortExpr, usize)>,
    ) -> Result<Option<Self>> {
        let mut used = Used::default();
        let (mut filters, mut searches) = (Vec::new(), Vec::new());
        for filter in &input.filters {
            let search = Search::in_place_of(filter, &input).filter(|_| first.is_some());
            // Of few rows the pages are decoded, and kept.
            match search.filter(|_| !input.is_narrow(LARGE_BYTES_MAX)) {
                Some(search) => searches.push(search),
                None => filters.push(used.expression(filter, &input.table)?),
            }
        }
        let first = match first {
            Some((order, _)) if !is_number(&order.expr.data_type(&input.table)?) => {
                return Ok(None);
            }
            Some((order, fetch)) => Some(First {
                key: used.expression(&order.expr, &input.table)?,
                firsts: Arc::new(firsts(&input, &order, fetch)),
                order,
                fetch,
            }),
            None => None,
        };
        let deciding = used.columns.len();
        // A bloom filter that isn't asked would be a column that is read whole.
        let known = (input.filters.iter()).filter(|filter| !becomes_known(filter));
        if input.asks_blooms && known.flat_map(collect_columns).any(|of| is_key(&of)) {
            return Ok(None);
        }
        let is_small = |wanted: &Wanted| input.is_small(wanted);
        if !used.columns.iter().all(is_small) && !input.is_narrow(LARGE_BYTES_MAX) {
            return Ok(None);
        }
        let ahead = match input.is_narrow(AHEAD_BYTES_MAX) {
            true => NARROW_AHEAD,
            false => FILES_AHEAD,
        };
        let outputs = input.columns.iter();
        let outputs = outputs.map(|output| used.expression(output, &input.table));
        let outputs = outputs.collect::<Result<Vec<_>>>()?;
        let properties = PlanProperties::new(
            in_common(plan.as_ref()),
            Partitioning::UnknownPartitioning(input.groups.len()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Ok(Some(Self {
            input,
            used,
            filters,
            searches,
            deciding,
            outputs,
            ahead,
            first,
            otherwise: None,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        }))
    }

    /// The same, with nothing found yet.
    fn anew(&self) -> Self {
        let mut anew = self.clone();
        if let Some(first) = &mut anew.first {
            first.firsts = Arc::new(first.firsts.anew());
        }
        if let Some(otherwise) = &mut anew.otherwise {
            otherwise.is_taken = Arc::default();
        }
        anew
    }
}

/// Whether a column tells records apart, and has a bloom filter.
fn is_key(column: &Column) -> bool {
    let mut tables = TableName::ALL.iter();
    tables.any(|table| table.key_column() == column.name())
}

/// What is first by a column of the files, nothing of which is found yet.
fn firsts(input: &Input, order: &PhysicalSortExpr, fetch: usize) -> Firsts {
    let column = order.expr.downcast_ref::<Column>().map(Column::index);
    let files = input.groups.iter().flat_map(FileGroup::files);
    let files = files.map(|file| (file.clone(), column.and_then(|column| bounds(file, column))));
    Firsts::new(files, order.options, fetch)
}

/// The least and the greatest value of a column, where each row has one.
fn bounds(file: &PartitionedFile, column: usize) -> Option<(i64, i64)> {
    let statistics = file.statistics.as_ref()?.column_statistics.get(column)?;
    let bound = |value: &Precision<ScalarValue>| {
        let Precision::Exact(value) = value else {
            return None;
        };
        match value.cast_to(&DataType::Int64) {
            Ok(ScalarValue::Int64(bound)) => bound,
            _ => None,
        }
    };
    let min = bound(&statistics.min_value)?;
    let max = bound(&statistics.max_value)?;
    (statistics.null_count == Precision::Exact(0)).then_some((min, max))
}

impl DisplayAs for SelectByCodesExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Of a table's columns most are in no file.
        let columns = self
            .input
            .columns
            .iter()
            .filter(|column| !column.is::<Literal>());
        let columns: Vec<String> = columns.map(ToString::to_string).collect();
        let columns = columns.join(", ");
        write!(
            f,
            "{}: columns=[{columns}], files={}",
            Self::NAME,
            self.input.files()
        )?;
        self.input.fmt_filters(f)?;
        if let Some(First { fetch, order, .. }) = &self.first {
            write!(f, ", first={fetch} by {order}")?;
        }
        match &self.otherwise {
            Some(_) => write!(f, ", otherwise=scan"),
            None => Ok(()),
        }
    }
}

impl ExecutionPlan for SelectByCodesExec {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        apply_expression_roots(self.input.filters.iter().chain(&self.input.columns), f)
    }

    fn replace_children(
        self: Arc<Self>,
        _children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(self.anew()))
    }

    fn with_new_children(
        self: Arc<Self>,
        _children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(self.anew()))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let batches = Arc::new(self.clone()).run(partition, context)?;
        let schema = self.schema();
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        let mut metrics = self.metrics.clone_inner();
        let otherwise = self.otherwise.as_ref();
        let otherwise = otherwise.and_then(|otherwise| otherwise.plan.metrics());
        for metric in otherwise.iter().flat_map(MetricsSet::iter) {
            metrics.push(Arc::clone(metric));
        }
        Some(metrics)
    }
}
