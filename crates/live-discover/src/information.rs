//! The session's own `information_schema`: the tables that its queries can name, and their columns.

use std::sync::Arc;

use audit_lake::TableName;
use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, SchemaRef, TimeUnit};
use datafusion::catalog::{MemTable, MemorySchemaProvider, SchemaProvider};
use datafusion::common::{DataFusionError, TableReference};

use crate::catalog::{CATALOG, Lookups, SCHEMA};
use crate::error::Result;
use crate::table::schema_of;

pub(crate) const NAME: &str = "information_schema";

/// Whether a query asks for it.
pub(crate) fn is_asked(references: &[TableReference]) -> bool {
    references
        .iter()
        .any(|reference| reference.schema() == Some(NAME))
}

/// The tables `tables` and `columns`.
pub(crate) fn schema(lookups: &Lookups) -> Result<Arc<dyn SchemaProvider>> {
    let mut tables: Vec<(String, &str, SchemaRef)> = Vec::new();
    for table in TableName::ALL {
        tables.push((table.as_str().to_owned(), "BASE TABLE", schema_of(table)));
    }
    let audit = schema_of(TableName::Audit);
    for view in audit_schema::views() {
        let columns = view
            .columns
            .iter()
            .filter_map(|name| audit.index_of(name).ok());
        let columns: Vec<usize> = columns.collect();
        let schema = audit.project(&columns).map_err(DataFusionError::from)?;
        tables.push((view.name.to_owned(), "VIEW", Arc::new(schema)));
    }
    for (name, lookup) in lookups {
        tables.push((name.clone(), "LOCAL TEMPORARY", lookup.schema()));
    }
    let schema = MemorySchemaProvider::new();
    schema.register_table("tables".to_owned(), Arc::new(tables_of(&tables)?))?;
    schema.register_table("columns".to_owned(), Arc::new(columns_of(&tables)?))?;
    Ok(Arc::new(schema))
}

fn tables_of(tables: &[(String, &str, SchemaRef)]) -> Result<MemTable> {
    let text = |of: &dyn Fn(&(String, &str, SchemaRef)) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(tables.iter().map(of)))
    };
    table(vec![
        ("table_catalog", text(&|_| CATALOG.to_owned())),
        ("table_schema", text(&|_| SCHEMA.to_owned())),
        ("table_name", text(&|(name, ..)| name.clone())),
        ("table_type", text(&|(_, kind, _)| (*kind).to_owned())),
    ])
}

fn columns_of(tables: &[(String, &str, SchemaRef)]) -> Result<MemTable> {
    let columns: Vec<_> = tables
        .iter()
        .flat_map(|(name, _, schema)| {
            (1_i64..)
                .zip(schema.fields())
                .map(move |(position, field)| (name, position, field))
        })
        .collect();
    let text = |values: Vec<String>| -> ArrayRef { Arc::new(StringArray::from(values)) };
    let of_each = |value: &str| text(vec![value.to_owned(); columns.len()]);
    let positions = columns.iter().map(|(_, position, _)| *position);
    let nullable = |is_nullable: bool| if is_nullable { "YES" } else { "NO" };
    table(vec![
        ("table_catalog", of_each(CATALOG)),
        ("table_schema", of_each(SCHEMA)),
        (
            "table_name",
            text(columns.iter().map(|(name, ..)| (*name).clone()).collect()),
        ),
        (
            "column_name",
            text(
                columns
                    .iter()
                    .map(|(.., field)| field.name().clone())
                    .collect(),
            ),
        ),
        (
            "ordinal_position",
            Arc::new(Int64Array::from_iter_values(positions)),
        ),
        (
            "is_nullable",
            text(
                (columns.iter())
                    .map(|(.., field)| nullable(field.is_nullable()).to_owned())
                    .collect(),
            ),
        ),
        (
            "data_type",
            text(
                (columns.iter())
                    .map(|(.., field)| type_in_sql(field.data_type()))
                    .collect(),
            ),
        ),
    ])
}

fn table(columns: Vec<(&str, ArrayRef)>) -> Result<MemTable> {
    let batch = RecordBatch::try_from_iter(columns).map_err(DataFusionError::from)?;
    Ok(MemTable::try_new(batch.schema(), vec![vec![batch]])?)
}

/// A type as SQL calls it.
fn type_in_sql(data_type: &DataType) -> String {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "varchar".to_owned(),
        DataType::Int64 => "bigint".to_owned(),
        DataType::Int32 => "integer".to_owned(),
        DataType::Float64 => "double".to_owned(),
        DataType::Boolean => "boolean".to_owned(),
        DataType::Date32 => "date".to_owned(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "varbinary".to_owned(),
        DataType::Timestamp(TimeUnit::Microsecond, None) => "timestamp".to_owned(),
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => {
            "timestamp with time zone".to_owned()
        }
        DataType::List(of) | DataType::LargeList(of) => {
            format!("array({})", type_in_sql(of.data_type()))
        }
        DataType::Struct(fields) => {
            let fields = fields
                .iter()
                .map(|field| format!("{} {}", field.name(), type_in_sql(field.data_type())));
            format!("row({})", fields.collect::<Vec<_>>().join(", "))
        }
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) => {
                let of = fields.iter().map(|field| type_in_sql(field.data_type()));
                format!("map({})", of.collect::<Vec<_>>().join(", "))
            }
            other => format!("map({other})"),
        },
        other => other.to_string(),
    }
}
