//! The Microsoft 365 audit schema as data: every column of the lake's tables, codes with their names, content types,
//! workload views, and the category with its bundled queries.
//!
//! Each definition exists once, in one declarative table; what people read (`docs/tables.md`) is generated from it.
//! This crate does no I/O and knows neither DataFusion nor a runtime.
//!
//! ```
//! use audit_schema::{ColumnType, M365_AUDIT, codes};
//!
//! let parameters = M365_AUDIT.resolve("Parameters").unwrap();
//! assert_eq!((parameters.name, parameters.column_type), ("parameters", ColumnType::Bag));
//! assert_eq!(codes::record_type_name(15), Some("AzureActiveDirectoryStsLogon"));
//! ```

mod address;
mod category;
pub mod codes;
mod column;
mod columns;
pub mod content_state;
mod content_type;
mod csv;
mod extra;
mod markdown;
mod query;
mod table;
mod variable;
mod view;

pub use address::parse_address;
pub use category::{Category, MICROSOFT_365_AUDIT, bundled_queries};
pub use column::{Column, ColumnType};
pub use columns::{M365_AUDIT, M365_CONTENT, M365_REJECTS, tables};
pub use content_type::ContentType;
pub use extra::{ExtraField, NestedField, extra_fields, nested_fields};
pub use markdown::tables_markdown;
pub use query::{Dialect, Query, QueryError, RangeMode, ResultColumn, Severity, TACTICS};
pub use table::{Table, resolve_name};
pub use variable::{ValueType, Variable, variables_in};
pub use view::{View, views};
