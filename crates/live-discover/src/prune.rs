//! Which files a filter can match, by what the snapshot knows of them.
//!
//! Two kinds of filters. One on columns that are constant in a file (tenant, partition) is decided here for good.
//! Any other is asked of the bounds of `creation_time`, `ingest_sequence` and when the rows were written: a file goes only if no row of it can
//! match. What is not known keeps the file.

use std::sync::Arc;

use audit_lake::TableName;
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, Int64Array, RecordBatch,
    RecordBatchOptions, StringViewArray, TimestampMicrosecondArray, UInt64Array,
};
use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::catalog::Session;
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::{Column, DFSchema, DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_expr::{PhysicalExpr, create_physical_expr};
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;

use crate::table::{
    CREATION_TIME, EVENT_DATE, INGEST_SEQUENCE, INGESTED_AT, STATE_AT, TENANT_ID, TenantFile,
    is_constant_in_file,
};

/// Values in an `IN (…)` up to which files are pruned by it. Row groups and pages are by fewer: each value is compared
/// with the bounds of each, and of texts the index knows more.
const PRUNED_IN_LIST_MAX: usize = 500;

/// How far a filter is applied by the scan.
pub(crate) fn support(table: TableName, filter: &Expr) -> TableProviderFilterPushDown {
    if filter.is_volatile() || has_subquery(filter) {
        TableProviderFilterPushDown::Unsupported
    } else if is_decided_by_file(table, filter) {
        TableProviderFilterPushDown::Exact
    } else {
        TableProviderFilterPushDown::Inexact
    }
}

/// The files that may have a row that matches all filters.
pub(crate) fn prune<'a>(
    state: &dyn Session,
    table: TableName,
    schema: &SchemaRef,
    filters: &[Expr],
    files: Vec<TenantFile<'a>>,
) -> Result<Vec<TenantFile<'a>>> {
    let (decided, mut rest): (Vec<&Expr>, Vec<&Expr>) = filters
        .iter()
        .partition(|filter| is_decided_by_file(table, filter));
    // One of which nothing is known rules out no file, and a list of addresses takes long to be asked in vain.
    rest.retain(|filter| {
        let columns = filter.column_refs();
        columns.into_iter().any(Bounds::are_known_of)
    });
    let mut files = files;
    if let Some(filter) = conjunction(decided.into_iter().cloned())
        && !files.is_empty()
    {
        let keep = decide(state, &filter, &files)?;
        files = kept(files, &keep);
    }
    if let Some(filter) = conjunction(rest.into_iter().cloned())
        && !files.is_empty()
        && let Ok(keep) = may_match(state, schema, &filter, &files)
    {
        files = kept(files, &BooleanArray::from(keep));
    }
    Ok(files)
}

fn kept<'a>(files: Vec<TenantFile<'a>>, keep: &BooleanArray) -> Vec<TenantFile<'a>> {
    // Null is not true: a filter that is null does not match.
    let keep = keep.iter().map(|keep| keep == Some(true));
    files
        .into_iter()
        .zip(keep)
        .filter_map(|(file, keep)| keep.then_some(file))
        .collect()
}

fn is_decided_by_file(table: TableName, filter: &Expr) -> bool {
    let columns = filter.column_refs();
    !columns.is_empty()
        && columns
            .iter()
            .all(|column| is_constant_in_file(table, &column.name))
}

fn has_subquery(filter: &Expr) -> bool {
    use datafusion::common::tree_node::TreeNode;
    let is_subquery = |expr: &Expr| {
        Ok(matches!(
            expr,
            Expr::ScalarSubquery(_)
                | Expr::InSubquery(_)
                | Expr::Exists(_)
                | Expr::SetComparison(_)
                | Expr::OuterReferenceColumn(..)
                | Expr::Placeholder(_)
        ))
    };
    filter.exists(is_subquery).unwrap_or(true)
}

/// The filter's value for each file, its columns being constant in them.
fn decide(state: &dyn Session, filter: &Expr, files: &[TenantFile<'_>]) -> Result<BooleanArray> {
    let columns = [
        (TENANT_ID, tenants(files)),
        (EVENT_DATE, event_dates(files)),
    ];
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, values)| Field::new(*name, values.data_type().clone(), true))
        .collect();
    let schema = Arc::new(Schema::new(fields));
    let filter = physical(state, filter, &schema)?;
    let values = columns.into_iter().map(|(_, values)| values).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(files.len()));
    let batch = RecordBatch::try_new_with_options(schema, values, &options)?;
    let decided = filter.evaluate(&batch)?.into_array(files.len())?;
    let decided = decided.as_boolean_opt().ok_or_else(|| {
        DataFusionError::Internal(format!("a filter has the type {}", decided.data_type()))
    })?;
    Ok(decided.clone())
}

fn may_match(
    state: &dyn Session,
    schema: &SchemaRef,
    filter: &Expr,
    files: &[TenantFile<'_>],
) -> Result<Vec<bool>> {
    let filter = physical(state, filter, schema)?;
    let predicate = PruningPredicateBuilder::new()
        .with_file_schema(Arc::clone(schema))
        .with_max_in_list_size(PRUNED_IN_LIST_MAX)
        .try_build(filter)?;
    predicate.prune(&Bounds { files })
}

/// The filter as it is asked. It comes without its table's name, and with the types that the plan has found for it: the session
/// would find others, and some of these twice.
fn physical(
    state: &dyn Session,
    filter: &Expr,
    schema: &SchemaRef,
) -> Result<Arc<dyn PhysicalExpr>> {
    let schema = DFSchema::try_from(Arc::clone(schema))?;
    let context = PhysicalPlanningContext::default();
    create_physical_expr(filter, &schema, state.execution_props(), &context)
}

fn tenants(files: &[TenantFile<'_>]) -> ArrayRef {
    Arc::new(
        files
            .iter()
            .map(|file| Some(file.tenant.to_string()))
            .collect::<StringViewArray>(),
    )
}

fn event_dates(files: &[TenantFile<'_>]) -> ArrayRef {
    Arc::new(
        files
            .iter()
            .map(|file| file.file.event_date)
            .collect::<Date32Array>(),
    )
}

fn times(micros: impl Iterator<Item = Option<i64>>) -> ArrayRef {
    let micros: TimestampMicrosecondArray = micros.collect();
    Arc::new(micros.with_timezone("UTC"))
}

/// Bounds of columns, one value a file, as DataFusion asks for them.
struct Bounds<'a> {
    files: &'a [TenantFile<'a>],
}

impl Bounds<'_> {
    fn are_known_of(column: &Column) -> bool {
        Bounds { files: &[] }.of(column, |(min, _)| min).is_some()
    }

    fn of(&self, column: &Column, bound: fn((i64, i64)) -> i64) -> Option<ArrayRef> {
        let files = self.files.iter().map(|file| file.file);
        match column.name.as_str() {
            TENANT_ID => Some(tenants(self.files)),
            EVENT_DATE => Some(event_dates(self.files)),
            CREATION_TIME => Some(times(files.map(|file| file.creation_time.map(bound)))),
            INGESTED_AT | STATE_AT => {
                Some(times(files.map(|file| file.rows_written_at.map(bound))))
            }
            INGEST_SEQUENCE => Some(Arc::new(
                files
                    .map(|file| file.ingest_sequence.map(bound))
                    .collect::<Int64Array>(),
            )),
            _ => None,
        }
    }
}

impl PruningStatistics for Bounds<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.of(column, |(min, _)| min)
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.of(column, |(_, max)| max)
    }

    fn num_containers(&self) -> usize {
        self.files.len()
    }

    fn null_counts(&self, _column: &Column) -> Option<ArrayRef> {
        None
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        // A file of another program may come without a count.
        let rows = self
            .files
            .iter()
            .map(|file| Some(file.file.rows).filter(|rows| *rows > 0));
        Some(Arc::new(rows.collect::<UInt64Array>()))
    }

    fn contained(
        &self,
        _column: &Column,
        _values: &std::collections::HashSet<ScalarValue>,
    ) -> Option<BooleanArray> {
        None
    }
}
