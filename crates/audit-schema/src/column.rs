//! What a column is: its type and everything that is known about it.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Fields, TimeUnit};

/// Type of a column, and with it the JSON values that fit it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ColumnType {
    /// Utf8. A JSON string; a number or boolean fits as its JSON text.
    Text,
    /// Int64.
    Integer,
    /// Boolean.
    Boolean,
    /// Timestamp in microseconds, UTC.
    Time,
    /// Utf8 that holds JSON text. Every JSON value fits; of a string that holds an object or an array, the inner text.
    Json,
    /// Map of Utf8 to Utf8: an array of objects with `Name` and `Value`.
    Bag,
    /// Map of Utf8 to a struct of `old_value` and `new_value`: an array of objects with `Name`, `OldValue` and
    /// `NewValue`.
    Changes,
    /// Date32.
    Date,
    /// Binary.
    Binary,
}

impl ColumnType {
    /// The Arrow type.
    pub fn arrow(self) -> DataType {
        match self {
            Self::Text | Self::Json => DataType::Utf8,
            Self::Integer => DataType::Int64,
            Self::Boolean => DataType::Boolean,
            Self::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Bag => map_of(DataType::Utf8),
            Self::Changes => map_of(DataType::Struct(Fields::from(vec![
                Field::new("old_value", DataType::Utf8, true),
                Field::new("new_value", DataType::Utf8, true),
            ]))),
            Self::Date => DataType::Date32,
            Self::Binary => DataType::Binary,
        }
    }

    /// The type in words for people, as the reference of tables prints it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer => "integer",
            Self::Boolean => "boolean",
            Self::Time => "time",
            Self::Json => "json",
            Self::Bag => "map",
            Self::Changes => "map of old and new",
            Self::Date => "date",
            Self::Binary => "binary",
        }
    }
}

/// `key_value`, not Arrow's usual `entries`: the name that Parquet and Delta readers expect.
fn map_of(value: DataType) -> DataType {
    let entry = Fields::from(vec![
        Field::new("key", DataType::Utf8, false),
        Field::new("value", value, true),
    ]);
    DataType::Map(
        Arc::new(Field::new("key_value", DataType::Struct(entry), false)),
        false,
    )
}

/// One column of a table.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// Name in SQL: Microsoft's field name in snake_case.
    pub name: &'static str,
    /// Type.
    pub column_type: ColumnType,
    /// Top-level members of the record that land here, canonical spelling first; empty for columns that we add.
    pub fields: &'static [&'static str],
    /// Unit of the values, empty if they have none.
    pub unit: &'static str,
    /// What it means, in one line.
    pub description: &'static str,
    /// Schemas or record types that carry it.
    pub schemas: &'static [&'static str],
    /// Where this is known from: the page of Microsoft's documentation, `observed`, or `added` for our own.
    pub source: &'static str,
}

impl Column {
    pub(crate) const fn new(
        name: &'static str,
        column_type: ColumnType,
        fields: &'static [&'static str],
        description: &'static str,
        schemas: &'static [&'static str],
        source: &'static str,
    ) -> Self {
        Self {
            name,
            column_type,
            fields,
            unit: "",
            description,
            schemas,
            source,
        }
    }

    /// A column that no record carries: we add it.
    pub(crate) const fn added(
        name: &'static str,
        column_type: ColumnType,
        description: &'static str,
    ) -> Self {
        Self::new(name, column_type, &[], description, &[], "added")
    }

    pub(crate) const fn with_unit(mut self, unit: &'static str) -> Self {
        self.unit = unit;
        self
    }
}
