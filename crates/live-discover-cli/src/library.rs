//! What the command line takes from the libraries, in one place.

pub(crate) use audit_ingest::envelope::Form;
pub(crate) use audit_ingest::pipeline::{
    IngestError, IngestOptions, Input, InputError, InputReport, Outcome, Progress, Report, find_inputs,
    ingest,
};
pub(crate) use audit_schema::{ColumnType, bundled_queries, tables, views};
pub(crate) use live_discover::{
    Engine, EngineOptions, Error, Lake, LakeOptions, LimitKind, Limits, OutputFormat, QueryStream, Session,
    TableName, TenantId, TenantScope, write_result,
};
