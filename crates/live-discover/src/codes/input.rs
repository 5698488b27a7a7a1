//! What a step reads: a scan of Parquet files, and what filters and projections above it make of it.

use std::fmt;
use std::sync::Arc;

use audit_lake::TableName;
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::datasource::physical_plan::parquet::{ParquetAccessPlan, RowGroupAccess};
use datafusion::datasource::physical_plan::{FileGroup, FileSource, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_expr::expressions::{Column, Literal};
use datafusion::physical_expr::{EquivalenceProperties, split_conjunction};
use datafusion::physical_expr_common::physical_expr::is_volatile;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::{
    ExecutionPlan, ExecutionPlanProperties, Partitioning, PhysicalExpr,
};

use super::expression::Wanted;
use crate::index::running::is_of_run;
use crate::rules::first_of_each::MayBeFirst;
use crate::scan;

/// What rows in place of a plan's have in common with them, but for their order. Steps above may rest on it: of what a
/// filter holds constant no order is asked.
pub(super) fn in_common(plan: &dyn ExecutionPlan) -> EquivalenceProperties {
    let mut in_common = plan.equivalence_properties().clone();
    in_common.clear_orderings();
    in_common
}

/// Files, and expressions over their table's columns.
#[derive(Debug, Clone)]
pub(super) struct Input {
    pub(super) groups: Arc<[FileGroup]>,
    /// The columns of the files, and behind them those that are constant in each.
    pub(super) table: SchemaRef,
    pub(super) constant_from: usize,
    /// The input's columns.
    pub(super) columns: Vec<Arc<dyn PhysicalExpr>>,
    /// All of which let a row pass.
    pub(super) filters: Vec<Arc<dyn PhysicalExpr>>,
    /// What becomes known while the query runs, and the scan prunes by, but leaves rows in that it does not let pass.
    pub(super) late_filters: Vec<Arc<dyn PhysicalExpr>>,
    /// Whether the scan asks the files' bloom filters, as not all of them have an index of texts.
    pub(super) asks_blooms: bool,
}

impl Input {
    /// `None` where the plan has steps that are not understood.
    pub(super) fn of(plan: &Arc<dyn ExecutionPlan>) -> Option<Self> {
        if let Some(scan) = plan.downcast_ref::<DataSourceExec>() {
            return Self::of_scan(scan);
        }
        if let Some(filter) = plan.downcast_ref::<FilterExec>() {
            let mut input = Self::of(filter.input()).filter(|_| filter.fetch().is_none())?;
            let over_table = |filter| input.over_table(&filter);
            let filters = conjuncts(filter.predicate()).into_iter().map(over_table);
            let filters = filters.collect::<Option<Vec<_>>>()?;
            for filter in filters {
                // The scan may be asked it, too.
                if !input.filters.contains(&filter) {
                    input.filters.push(filter);
                }
            }
            if let Some(given) = filter.projection() {
                let columns = given.iter().map(|at| input.columns.get(*at).cloned());
                input.columns = columns.collect::<Option<_>>()?;
            }
            return Some(input);
        }
        if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
            let mut input = Self::of(projection.input())?;
            let columns = projection.expr().iter();
            let columns = columns.map(|given| input.over_table(&given.expr));
            input.columns = columns.collect::<Option<_>>()?;
            return Some(input);
        }
        let repartition = plan.downcast_ref::<RepartitionExec>()?;
        match repartition.partitioning() {
            Partitioning::RoundRobinBatch(_) => Self::of(repartition.input()),
            _ => None,
        }
    }

    fn of_scan(scan: &DataSourceExec) -> Option<Self> {
        let (config, source) = scan.downcast_to_file_source::<ParquetSource>()?;
        let table = Arc::clone(source.table_schema().table_schema());
        let columns = match source.projection() {
            Some(projection) => projection
                .iter()
                .map(|given| Arc::clone(&given.expr))
                .collect(),
            None => (table.fields().iter().enumerate())
                .map(|(at, field)| Arc::new(Column::new(field.name(), at)) as _)
                .collect(),
        };
        let options = &source.table_parquet_options().global;
        let filters = source.filter();
        let filters: Vec<_> = filters.iter().flat_map(conjuncts).collect();
        // Else the filters are above the scan, which prunes by them only.
        let (filters, late_filters) = match options.pushdown_filters {
            true => (filters, Vec::new()),
            false => {
                let late = (filters.into_iter())
                    .filter(|filter| is_of_run(filter) || filter.is::<MayBeFirst>());
                (Vec::new(), late.collect())
            }
        };
        let input = Self {
            groups: config.file_groups.clone().into(),
            constant_from: source.table_schema().file_schema().fields().len(),
            table,
            columns,
            filters,
            late_filters,
            asks_blooms: options.bloom_filter_on_read,
        };
        (config.limit.is_none() && config.expr_adapter_factory.is_none()).then_some(input)
    }

    /// An expression over the input's columns as one over the table's. `None` if it is another each time it is asked,
    /// or if it would do work again that the input does once.
    pub(super) fn over_table(&self, expr: &Arc<dyn PhysicalExpr>) -> Option<Arc<dyn PhysicalExpr>> {
        let mut asked: Vec<usize> = Vec::new();
        let mut asks_twice = false;
        let replaced = Arc::clone(expr).transform_down(|node| {
            let column = node.downcast_ref::<Column>().map(Column::index);
            let Some((at, of_table)) = column.and_then(|at| Some((at, self.columns.get(at)?)))
            else {
                return Ok(Transformed::no(node));
            };
            if !of_table.is::<Column>() && !of_table.is::<Literal>() {
                asks_twice |= asked.contains(&at);
                asked.push(at);
            }
            Ok(Transformed::new(
                Arc::clone(of_table),
                true,
                TreeNodeRecursion::Jump,
            ))
        });
        let replaced = replaced.data().ok()?;
        (!asks_twice && !is_volatile(&replaced) && !is_large(&replaced)).then_some(replaced)
    }

    /// Whether the index of texts leaves few rows of each file, of so many bytes in the file at most, or the file is small.
    pub(super) fn is_narrow(&self, bytes_max: u64) -> bool {
        /// Rows of a file that are looked at at once.
        const NARROW_ROWS_MAX: usize = 8 << 10;
        /// A file of so many bytes has few rows, and its index often tells nothing of them.
        const FILE_BYTES: u64 = 256 << 10;
        let mut files = self.groups.iter().flat_map(FileGroup::iter);
        files.all(|file| {
            let Some(access) = file.extension::<ParquetAccessPlan>() else {
                return false;
            };
            if file.object_meta.size <= FILE_BYTES {
                return true;
            }
            let (mut selected, mut all) = (0, 0);
            for group in access.inner() {
                match group {
                    RowGroupAccess::Skip => {}
                    RowGroupAccess::Scan => return false,
                    RowGroupAccess::Selection(rows) => {
                        selected += rows.row_count();
                        all += rows.row_count() + rows.skipped_row_count();
                    }
                }
            }
            let bytes = file.object_meta.size / (all.max(1) as u64) * selected as u64;
            selected <= NARROW_ROWS_MAX && bytes <= bytes_max
        })
    }

    /// How many there are.
    pub(super) fn files(&self) -> usize {
        self.groups.iter().map(|group| group.len()).sum()
    }

    /// The filters as EXPLAIN tells them, if there are any.
    pub(super) fn fmt_filters(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let filters: Vec<String> = self.filters.iter().map(ToString::to_string).collect();
        match filters.is_empty() {
            true => Ok(()),
            false => write!(f, ", filter={}", filters.join(" AND ")),
        }
    }

    /// Whether what is wanted is small enough to be decoded for a whole row group at once: of a bag only what one key has
    /// in it is kept.
    pub(super) fn is_small(&self, wanted: &Wanted) -> bool {
        wanted.key.is_some()
            || wanted.column >= self.constant_from
            || self.is_small_column(wanted.column)
    }

    /// The same of a column of the table.
    pub(super) fn is_small_column(&self, column: usize) -> bool {
        let field = self.table.field(column);
        let is_plain = field.data_type().is_primitive()
            || matches!(field.data_type(), DataType::Utf8View | DataType::Boolean);
        let is_big = |table: &TableName| scan::is_big(*table, field.name());
        is_plain && !TableName::ALL.iter().any(is_big)
    }
}

/// Whether an expression has more parts than a query is likely to have: projections above each other may have made it so.
/// Values are none: a list of thousands of indicators is one part.
fn is_large(expr: &Arc<dyn PhysicalExpr>) -> bool {
    const PARTS_MAX: usize = 500;
    let mut parts = 0;
    let counted = expr.apply(|part| {
        parts += usize::from(!part.is::<Literal>());
        Ok(match parts > PARTS_MAX {
            true => TreeNodeRecursion::Stop,
            false => TreeNodeRecursion::Continue,
        })
    });
    counted.is_err() || parts > PARTS_MAX
}

fn conjuncts(filter: &Arc<dyn PhysicalExpr>) -> Vec<Arc<dyn PhysicalExpr>> {
    split_conjunction(filter).into_iter().cloned().collect()
}
