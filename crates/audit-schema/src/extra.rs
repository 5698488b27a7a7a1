//! Fields that are known and have no column: those that stay in `extra`, and the members of nested structures.

use std::sync::LazyLock;

use crate::csv;

/// A top-level field of records that stays in the column `extra`.
#[derive(Debug)]
pub struct ExtraField {
    /// Name in the record.
    pub field: &'static str,
    /// Schemas or record types that carry it.
    pub schemas: Vec<&'static str>,
    /// Why it has no column.
    pub reason: &'static str,
}

/// A member of a structure inside a record; its parent's column holds it.
#[derive(Debug)]
pub struct NestedField {
    /// The structure, as the documentation names it.
    pub schema: &'static str,
    /// The column of the parent, `extra` where the parent has none. A structure that several parents share is listed
    /// under one of them.
    pub column: &'static str,
    /// Name of the member.
    pub field: &'static str,
}

/// Every known top-level field without a column of its own, with the reason.
pub fn extra_fields() -> &'static [ExtraField] {
    static FIELDS: LazyLock<Vec<ExtraField>> = LazyLock::new(|| {
        csv::rows(include_str!("../data/extra_fields.csv"))
            .filter_map(|cells| match cells[..] {
                [field, schemas, reason] => Some(ExtraField {
                    field,
                    schemas: schemas.split("; ").collect(),
                    reason,
                }),
                _ => None,
            })
            .collect()
    });
    &FIELDS
}

/// Every documented member of a nested structure.
pub fn nested_fields() -> &'static [NestedField] {
    static FIELDS: LazyLock<Vec<NestedField>> = LazyLock::new(|| {
        csv::rows(include_str!("../data/nested_fields.csv"))
            .filter_map(|cells| match cells[..] {
                [schema, column, field] => Some(NestedField {
                    schema,
                    column,
                    field,
                }),
                _ => None,
            })
            .collect()
    });
    &FIELDS
}
