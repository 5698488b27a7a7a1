//! From files to the plan that reads them: DataFusion's own Parquet `DataSourceExec`.
//!
//! Two decisions are made for each scan. The *schema* holds only the columns that the query touches: planning and
//! opening a file cost by the columns, and a table has some two hundred. *Late materialisation* – filters inside the
//! Parquet decoder, other columns read for the matching rows only – pays where few rows of many columns are wanted,
//! and costs where most rows match or the filter has to read the big columns anyway.
//!
//! No order is declared: rows of a row group stand by record type, and the lake is open to other writers. For `ORDER BY
//! creation_time` with a LIMIT the bounds of the files do as well: the plan reads the newest (or oldest) first, and
//! the limit's own filter skips the rest.

use std::sync::Arc;

use audit_lake::{DataFile, TableName};
use audit_schema::ColumnType;
use datafusion::arrow::datatypes::{FieldRef, Schema, SchemaRef};
use datafusion::catalog::Session;
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, Result, ScalarValue, Statistics};
use datafusion::config::TableParquetOptions;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::{
    CachedParquetFileReaderFactory, ParquetAccessPlan,
};
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Between, BinaryExpr, Expr, Operator};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use object_store::{ObjectMeta, ObjectStore};

use crate::estimate::{per_million, row_bytes};
use crate::table::{
    CREATION_TIME, EVENT_DATE, INGEST_SEQUENCE, LakeTable, TENANT_ID, TenantFile,
    is_constant_in_file,
};

/// The lake's store under a name that nothing else has; no other store is known to the runtime.
pub(crate) const STORE_URL: &str = "lake://store";

/// The lake's store, as a query's runtime knows it.
pub(crate) fn store(runtime: &RuntimeEnv) -> Result<Arc<dyn ObjectStore>> {
    runtime.object_store(ObjectStoreUrl::parse(STORE_URL)?)
}

/// Columns beyond those of the filter, from which on they are worth being read late.
const WIDE_COLUMNS_MIN: usize = 8;
/// Columns whose bounds the snapshot knows; they come first in a scan's schema.
const BOUNDED: [&str; 2] = [CREATION_TIME, INGEST_SEQUENCE];

/// A file, and which of its rows may match, where the index of texts knows, and how many these are.
pub(crate) struct ScanFile<'a> {
    pub(crate) of: TenantFile<'a>,
    pub(crate) rows: Option<(ParquetAccessPlan, u64)>,
}

impl<'a> ScanFile<'a> {
    /// All of a file.
    pub(crate) fn whole(of: TenantFile<'a>) -> Self {
        Self { of, rows: None }
    }
}

/// Reads the columns `projected` of the rows of a table's `files` that may match `filters`.
pub(crate) fn plan(
    state: &dyn Session,
    of: &LakeTable,
    projected: &[usize],
    filters: &[Expr],
    limit: Option<usize>,
    files: &[ScanFile<'_>],
) -> Result<Arc<dyn ExecutionPlan>> {
    let (table, schema) = (of.table, &of.schema);
    if files.is_empty() {
        return Ok(Arc::new(EmptyExec::new(Arc::new(
            schema.project(projected)?,
        ))));
    }
    let touched = touched_schema(table, schema, projected, filters);
    let indices = projected
        .iter()
        .map(|index| {
            Ok(touched
                .table_schema()
                .index_of(schema.field(*index).name())?)
        })
        .collect::<Result<Vec<usize>>>()?;

    let url = ObjectStoreUrl::parse(STORE_URL)?;
    let runtime = state.runtime_env();
    let reader = CachedParquetFileReaderFactory::new(
        store(runtime)?,
        runtime.cache_manager.get_file_metadata_cache(),
    );
    let output = schema.project(projected)?;
    let names = output.fields().iter().map(|field| field.name().as_str());
    let mut options = TableParquetOptions {
        global: state.config_options().execution.parquet.clone(),
        ..Default::default()
    };
    options.global.pushdown_filters =
        is_narrow(files) || pays_late_materialisation(table, names, filters, of.is_beside_lookup);
    // The index of texts knows of ids what their filter knows.
    options.global.bloom_filter_on_read = files.iter().any(|file| file.rows.is_none());
    // The cheapest filter first: the others see only what it leaves.
    options.global.reorder_filters = true;
    let source = ParquetSource::new(touched.clone())
        .with_table_parquet_options(options)
        .with_parquet_file_reader_factory(Arc::new(reader));

    let config = FileScanConfigBuilder::new(url, Arc::new(source))
        .with_file_groups(groups(&touched, files, state.config().target_partitions()))
        .with_statistics(statistics(&touched, &output, table, filters, files))
        .with_limit(limit)
        .with_projection_indices(Some(indices))?
        .build();
    Ok(DataSourceExec::from_data_source(config))
}

/// The columns that the scan touches: those with bounds first, what is constant in a file last.
///
/// No others: of each each file has what is known of it, which is most of planning a scan of ten thousand files.
fn touched_schema(
    table: TableName,
    schema: &SchemaRef,
    projected: &[usize],
    filters: &[Expr],
) -> TableSchema {
    let filtered = filters.iter().flat_map(Expr::column_refs);
    let filtered = filtered.filter_map(|column| schema.index_of(&column.name).ok());
    let mut touched = vec![false; schema.fields().len()];
    for index in projected.iter().copied().chain(filtered) {
        if let Some(touched) = touched.get_mut(index) {
            *touched = true;
        }
    }
    let touched = schema.fields().iter().zip(touched);
    let touched = touched.filter(|(_, is_touched)| *is_touched);
    let touched = touched.map(|(field, _)| Arc::clone(field));
    let (constants, mut in_file): (Vec<FieldRef>, Vec<FieldRef>) =
        touched.partition(|field| is_constant_in_file(table, field.name()));
    in_file.sort_by_key(|field| !BOUNDED.contains(&field.name().as_str()));
    TableSchema::builder(Arc::new(Schema::new(in_file)))
        .with_table_partition_cols(constants)
        .build()
}

/// The files, oldest first, spread over as many groups as are read at once.
fn groups(touched: &TableSchema, files: &[ScanFile<'_>], partitions: usize) -> Vec<FileGroup> {
    let mut files: Vec<&ScanFile<'_>> = files.iter().collect();
    files.sort_by_key(|file| (file.of.file.event_date, file.of.file.creation_time));
    let count = partitions.clamp(1, files.len().max(1));
    let group = |first| {
        let files = files.iter().skip(first).step_by(count);
        FileGroup::new(files.map(|file| partitioned_file(touched, file)).collect())
    };
    (0..count).map(group).collect()
}

/// A data file as the store knows it.
pub(crate) fn object(file: &DataFile) -> ObjectMeta {
    ObjectMeta {
        location: file.path.clone(),
        last_modified: chrono::DateTime::from_timestamp_millis(file.modification_time_ms)
            .unwrap_or_default(),
        size: file.size_bytes,
        e_tag: None,
        version: None,
    }
}

fn partitioned_file(touched: &TableSchema, file: &ScanFile<'_>) -> PartitionedFile {
    let TenantFile { tenant, file: data } = file.of;
    let constants =
        touched
            .table_partition_cols()
            .iter()
            .map(|field| match field.name().as_str() {
                TENANT_ID => ScalarValue::Utf8View(Some(tenant.to_string())),
                EVENT_DATE => ScalarValue::Date32(data.event_date),
                _ => ScalarValue::Null,
            });
    let mut partitioned =
        PartitionedFile::new_from_meta(object(data)).with_partition_values(constants.collect());
    if let Some((plan, _)) = &file.rows {
        partitioned = partitioned.with_extension(plan.clone());
    }
    if let Some(index) = &data.text_index {
        partitioned = partitioned.with_extension(Arc::clone(index));
    }
    // Only the columns with bounds, though the schema goes on: a query over ten thousand files of two hundred columns
    // would hold two million empty entries.
    let bounds: Vec<ColumnStatistics> = touched
        .file_schema()
        .fields()
        .iter()
        .map_while(|field| match field.name().as_str() {
            CREATION_TIME => Some(bounds_of(data.creation_time, |micros| {
                ScalarValue::TimestampMicrosecond(Some(micros), Some("UTC".into()))
            })),
            INGEST_SEQUENCE => Some(bounds_of(data.ingest_sequence, |sequence| {
                ScalarValue::Int64(Some(sequence))
            })),
            _ => None,
        })
        .collect();
    if !bounds.is_empty() {
        partitioned.statistics = Some(Arc::new(Statistics {
            num_rows: count(file),
            total_byte_size: Precision::Absent,
            column_statistics: bounds,
        }));
    }
    partitioned
}

/// Where the bounds are known, no row is without the value: a record without a time is none.
fn bounds_of(bounds: Option<(i64, i64)>, scalar: impl Fn(i64) -> ScalarValue) -> ColumnStatistics {
    let Some((min, max)) = bounds else {
        return ColumnStatistics::new_unknown();
    };
    ColumnStatistics {
        null_count: Precision::Exact(0),
        min_value: Precision::Exact(scalar(min)),
        max_value: Precision::Exact(scalar(max)),
        ..ColumnStatistics::new_unknown()
    }
}

fn count(file: &ScanFile<'_>) -> Precision<usize> {
    let selected = file.rows.as_ref().map(|(_, rows)| *rows);
    // A file of another program may come without a count.
    match usize::try_from(selected.unwrap_or(file.of.file.rows)) {
        Ok(rows) if selected.is_some() => Precision::Inexact(rows),
        Ok(rows) if rows > 0 => Precision::Exact(rows),
        _ => Precision::Absent,
    }
}

/// Whether the index of texts left so few rows that they are worth finding before the other columns are read.
fn is_narrow(files: &[ScanFile<'_>]) -> bool {
    /// One row of so many.
    const NARROW: u64 = 4;
    let selected = |file: &ScanFile<'_>| file.rows.as_ref().map(|(_, rows)| *rows);
    let known: u64 = files.iter().filter_map(selected).sum();
    let all: u64 = files.iter().map(|file| file.of.file.rows).sum();
    files.iter().all(|file| file.rows.is_some()) && known * NARROW < all
}

/// What is known of the rows that are read, and what those that `filters` leave may take in memory.
fn statistics(
    touched: &TableSchema,
    output: &Schema,
    table: TableName,
    filters: &[Expr],
    files: &[ScanFile<'_>],
) -> Statistics {
    let rows = files.iter().map(count).reduce(|a, b| a.add(&b));
    let rows = rows.unwrap_or(Precision::Absent);
    let bytes = rows.get_value().map(|rows| {
        let all = rows.saturating_mul(row_bytes(output));
        all.saturating_mul(per_million(table, filters)) / 1_000_000
    });
    Statistics {
        num_rows: rows,
        total_byte_size: bytes.map_or(Precision::Absent, Precision::Inexact),
        ..Statistics::new_unknown(touched.table_schema())
    }
}

/// Whether the filters, or the join with a lookup table, select few rows by small columns, and much is read of each row.
fn pays_late_materialisation<'a>(
    table: TableName,
    output: impl Iterator<Item = &'a str>,
    filters: &[Expr],
    is_beside_lookup: bool,
) -> bool {
    let mut conjuncts = filters.iter().flat_map(split_conjunction);
    if !is_beside_lookup && !conjuncts.any(|filter| is_selective(table, filter)) {
        return false;
    }
    let filtered: Vec<&str> = filters
        .iter()
        .flat_map(Expr::column_refs)
        .map(|column| column.name.as_str())
        .collect();
    let late: Vec<&str> = output
        .filter(|name| !filtered.contains(name) && !is_constant_in_file(table, name))
        .collect();
    late.len() >= WIDE_COLUMNS_MIN || late.iter().any(|name| is_big(table, name))
}

/// A comparison of a small column with values or a pattern, or an OR of such.
fn is_selective(table: TableName, filter: &Expr) -> bool {
    let small = |expr: &Expr| match expr {
        Expr::Column(column) => {
            !is_big(table, &column.name) && !is_constant_in_file(table, &column.name)
        }
        _ => false,
    };
    let literal = |expr: &Expr| matches!(expr, Expr::Literal(..));
    match filter {
        Expr::BinaryExpr(BinaryExpr {
            left,
            op: Operator::Or,
            right,
        }) => is_selective(table, left) && is_selective(table, right),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            matches!(
                op,
                Operator::Eq | Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq
            ) && ((small(left) && literal(right)) || (literal(left) && small(right)))
        }
        Expr::InList(list) => !list.negated && small(&list.expr) && list.list.iter().all(literal),
        Expr::Between(Between {
            expr,
            negated,
            low,
            high,
        }) => !negated && small(expr) && literal(low) && literal(high),
        Expr::Like(like) => !like.negated && small(&like.expr) && literal(&like.pattern),
        _ => false,
    }
}

/// Columns that are most of a record's bytes.
pub(crate) fn is_big(table: TableName, column: &str) -> bool {
    column == "raw"
        || table.schema().column(column).is_some_and(|column| {
            matches!(
                column.column_type,
                ColumnType::Json | ColumnType::Bag | ColumnType::Changes | ColumnType::Binary
            )
        })
}
