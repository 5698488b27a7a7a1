//! Reading those columns only that files have, where these are few and the columns many: a scan pays for each column in
//! each file, also for one that is not there, and most files lack most of the table's columns.

use std::collections::HashSet;
use std::sync::Arc;

use audit_lake::TableName;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::Session;
use datafusion::common::{Result, ScalarValue};
use datafusion::physical_expr::expressions::{Column, Literal};
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};
use futures::future::try_join_all;

use crate::footer;
use crate::scan::{self, ScanFile};
use crate::table::is_constant_in_file;

const COLUMNS_MIN: usize = 64;
const FILES_MAX: usize = 16;

/// Which of these columns, by their place in the schema, some of the files have; `None` where all are to be read.
pub(crate) async fn columns(
    state: &dyn Session,
    table: TableName,
    schema: &SchemaRef,
    projected: &[usize],
    files: &[ScanFile<'_>],
) -> Result<Option<Vec<usize>>> {
    if projected.len() < COLUMNS_MIN || !(1..=FILES_MAX).contains(&files.len()) {
        return Ok(None);
    }
    let runtime = state.runtime_env();
    let store = scan::store(runtime)?;
    let kept = runtime.cache_manager.get_file_metadata_cache();
    let objects: Vec<_> = files
        .iter()
        .map(|file| scan::object(file.of.file))
        .collect();
    let footers = objects
        .iter()
        .map(|file| footer::of(store.as_ref(), &kept, file));
    let Ok(footers) = try_join_all(footers).await else {
        return Ok(None);
    };
    let fields = footers.iter().flat_map(|footer| {
        let schema = footer.file_metadata().schema_descr().root_schema();
        schema.get_fields()
    });
    let present: HashSet<&str> = fields.map(|field| field.name()).collect();
    let is_present = |column: &&usize| {
        let name = schema.field(**column).name();
        present.contains(name.as_str()) || is_constant_in_file(table, name)
    };
    Ok(Some(projected.iter().filter(is_present).copied().collect()))
}

/// The columns `projected` of a scan that reads `read` of them: the others are nulls.
pub(crate) fn with_nulls(
    schema: &SchemaRef,
    projected: &[usize],
    read: &[usize],
    scan: Arc<dyn ExecutionPlan>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let mut of_scan = read.iter().enumerate().peekable();
    let columns = projected.iter().map(|column| {
        let field = schema.field(*column);
        let expr: Arc<dyn PhysicalExpr> = match of_scan.next_if(|(_, read)| *read == column) {
            Some((at, _)) => Arc::new(Column::new(field.name(), at)),
            None => Arc::new(Literal::new(ScalarValue::try_new_null(field.data_type())?)),
        };
        Ok(ProjectionExpr::new(expr, field.name().clone()))
    });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(ProjectionExec::try_new(columns, scan)?))
}
