//! Tables, and how names of columns meet.

use std::sync::Arc;

use arrow_schema::{Field, Schema, SchemaRef};

use crate::column::Column;

/// A table of the lake.
#[derive(Debug)]
pub struct Table {
    /// Name in SQL and in the lake.
    pub name: &'static str,
    /// What one row is.
    pub description: &'static str,
    /// Every column, in order.
    pub columns: &'static [Column],
    /// The column that the table is partitioned by.
    pub partition_by: Option<&'static str>,
}

impl Table {
    /// The column of exactly this name.
    pub fn column(&self, name: &str) -> Option<&'static Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The column that a person means by this name, whatever the case and underscores, or by a field's name in the
    /// record: `UserId`, `user_id` and `userid` are one; `NonPiiParameters` is `non_pii_parameters`.
    pub fn resolve(&self, name: &str) -> Option<&'static Column> {
        let wanted = resolve_name(name);
        self.columns
            .iter()
            .find(|column| resolve_name(column.name) == wanted)
            .or_else(|| {
                self.columns.iter().find(|column| {
                    column
                        .fields
                        .iter()
                        .any(|field| resolve_name(field) == wanted)
                })
            })
    }

    /// All columns, the partition column among them, all nullable.
    pub fn arrow_schema(&self) -> SchemaRef {
        let fields: Vec<Field> = self
            .columns
            .iter()
            .map(|column| Field::new(column.name, column.column_type.arrow(), true))
            .collect();
        Arc::new(Schema::new(fields))
    }
}

/// The key under which `UserId`, `userid` and `user_id` meet: lower case, no underscores.
pub fn resolve_name(name: &str) -> String {
    name.chars()
        .filter(|character| *character != '_')
        .map(|character| character.to_ascii_lowercase())
        .collect()
}
