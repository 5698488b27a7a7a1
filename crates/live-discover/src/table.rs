//! A table of the lake as a query sees it: the files of one snapshot of each tenant in scope.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use audit_lake::{DAY_MICROS, DataFile, Snapshot, TableName, TenantId};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::utils::{conjunction, disjunction};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType, col, lit};
use datafusion::physical_plan::ExecutionPlan;

use crate::range::{Bounds, Window};
use crate::stream::Planned;
use crate::{index, present, prune, scan};

pub(crate) const TENANT_ID: &str = "tenant_id";
pub(crate) const EVENT_DATE: &str = "event_date";
pub(crate) const CREATION_TIME: &str = "creation_time";
pub(crate) const INGEST_SEQUENCE: &str = "ingest_sequence";
pub(crate) const INGESTED_AT: &str = "ingested_at";
pub(crate) const STATE_AT: &str = "state_at";

/// A provider over fixed snapshots: made for one query and thrown away with it.
///
/// It holds the files of the session's tenants and no way to find others.
pub(crate) struct LakeTable {
    pub(crate) table: TableName,
    pub(crate) schema: SchemaRef,
    snapshots: Vec<Arc<Snapshot>>,
    /// Whether the query has a table of the session's own beside it: a join with one selects few rows, by a filter
    /// that is known only while it runs.
    pub(crate) is_beside_lookup: bool,
    planned: Arc<Planned>,
}

/// A file and whose it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TenantFile<'a> {
    pub(crate) tenant: TenantId,
    pub(crate) file: &'a DataFile,
}

impl LakeTable {
    pub(crate) fn new(
        table: TableName,
        schema: SchemaRef,
        snapshots: Vec<Arc<Snapshot>>,
        is_beside_lookup: bool,
        planned: Arc<Planned>,
    ) -> Self {
        Self {
            table,
            schema,
            snapshots,
            is_beside_lookup,
            planned,
        }
    }
}

/// The table's columns as queries see them.
///
/// Text is `Utf8View`, which the Parquet reader makes without copying the text.
pub(crate) fn schema_of(table: TableName) -> SchemaRef {
    static SCHEMAS: LazyLock<HashMap<TableName, SchemaRef>> = LazyLock::new(|| {
        let tables = TableName::ALL.into_iter();
        tables.map(|table| (table, query_schema(table))).collect()
    });
    let schema = SCHEMAS.get(&table).map(Arc::clone);
    schema.unwrap_or_else(|| query_schema(table))
}

fn query_schema(table: TableName) -> SchemaRef {
    let fields = table.schema().arrow_schema();
    let fields = fields.fields().iter().map(|field| match field.data_type() {
        DataType::Utf8 => Arc::new(Field::new(
            field.name(),
            DataType::Utf8View,
            field.is_nullable(),
        )),
        _ => Arc::clone(field),
    });
    Arc::new(Schema::new(fields.collect::<Vec<FieldRef>>()))
}

/// Those of them that have one of the names, and those that a window of time goes by.
pub(crate) fn schema_with(table: TableName, names: &HashSet<String>) -> SchemaRef {
    const ALWAYS: [&str; 6] = [
        TENANT_ID,
        EVENT_DATE,
        CREATION_TIME,
        INGEST_SEQUENCE,
        INGESTED_AT,
        STATE_AT,
    ];
    let schema = schema_of(table);
    let fields = schema.fields().iter();
    let fields = fields.filter(|field| {
        let name = field.name();
        names.contains(name) || ALWAYS.contains(&name.as_str())
    });
    Arc::new(Schema::new(
        fields.map(Arc::clone).collect::<Vec<FieldRef>>(),
    ))
}

/// Whether a column has one value a file, known without opening it.
///
/// The tenant is known by where the file lies, so a file can't claim to be another tenant's.
pub(crate) fn is_constant_in_file(table: TableName, column: &str) -> bool {
    column == TENANT_ID || table.schema().partition_by == Some(column)
}

/// The rows of a table that are in a window; `None` lets all pass.
///
/// A table without the time of an event goes by when its row was written.
pub(crate) fn filter_of(table: TableName, window: &Window) -> Option<Expr> {
    let arrival = match table {
        TableName::Content => STATE_AT,
        TableName::Audit | TableName::Rejects => INGESTED_AT,
    };
    match *window {
        Window::All => None,
        Window::EventTime(bounds) if table == TableName::Audit => {
            // The time in whole days, too: it is what files are parted by.
            let day = |micros: i64| {
                i32::try_from(micros.div_euclid(DAY_MICROS))
                    .map_or(ScalarValue::Null, |day| ScalarValue::Date32(Some(day)))
            };
            let from = bounds
                .from
                .map(|from| col(EVENT_DATE).gt_eq(lit(day(from))));
            let to = bounds.to.map(|to| col(EVENT_DATE).lt_eq(lit(day(to - 1))));
            conjunction(between(CREATION_TIME, bounds, time).chain(from).chain(to))
        }
        Window::EventTime(bounds) | Window::IngestTime(bounds) => {
            conjunction(between(arrival, bounds, time))
        }
        Window::Commits(bounds) if table == TableName::Audit => {
            conjunction(between(INGEST_SEQUENCE, bounds, ScalarValue::from))
        }
        Window::Around { to, ref times } if table == TableName::Audit => {
            let times = (times.iter()).map(|bounds| {
                conjunction(between(CREATION_TIME, *bounds, time)).unwrap_or_else(|| lit(true))
            });
            conjunction(
                [col(INGEST_SEQUENCE).lt_eq(lit(to))]
                    .into_iter()
                    .chain(disjunction(times)),
            )
        }
        // The other tables do not count commits: they are seen whole.
        Window::Commits(_) | Window::Around { .. } => None,
    }
}

fn time(micros: i64) -> ScalarValue {
    ScalarValue::TimestampMicrosecond(Some(micros), Some("UTC".into()))
}

fn between(
    column: &str,
    bounds: Bounds,
    value: fn(i64) -> ScalarValue,
) -> impl Iterator<Item = Expr> {
    let from = (bounds.from).map(|from| col(column).gt_eq(lit(value(from))));
    let to = bounds.to.map(|to| col(column).lt(lit(value(to))));
    from.into_iter().chain(to)
}

impl fmt::Debug for LakeTable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("LakeTable")
            .field("table", &self.table)
            .field("tenants", &self.snapshots.len())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl TableProvider for LakeTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(filters
            .iter()
            .map(|filter| prune::support(self.table, filter))
            .collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let files: Vec<TenantFile<'_>> = self
            .snapshots
            .iter()
            .flat_map(|snapshot| {
                let tenant = snapshot.tenant();
                snapshot
                    .files()
                    .iter()
                    .map(move |file| TenantFile { tenant, file })
            })
            .collect();
        let files_total = files.len();
        let files = prune::prune(state, self.table, &self.schema, filters, files)?;
        let files = index::narrow(state, self.table, filters, files).await?;
        let bytes = files.iter().map(|file| file.of.file.size_bytes).sum();
        self.planned.add_scan(files_total, files.len(), bytes);
        let projected: Vec<usize> = match projection {
            Some(projection) => projection.clone(),
            None => (0..self.schema.fields().len()).collect(),
        };
        let scan = |read: &[usize]| scan::plan(state, self, read, filters, limit, &files);
        match present::columns(state, self.table, &self.schema, &projected, &files).await? {
            Some(read) => present::with_nulls(&self.schema, &projected, &read, scan(&read)?),
            None => scan(&projected),
        }
    }
}
