//! What the command line takes from the libraries, in one place.

pub(crate) use audit_ingest::canonical;
pub(crate) use audit_lake::{Severity, Verified};
pub(crate) use audit_schema::{bundled_queries, tables, views};
pub(crate) use live_discover::ingest::{
    Form, IngestError, IngestOptions, Input, InputError, InputReport, Outcome, Progress, Report,
    find_inputs, ingest,
};
pub(crate) use live_discover::{
    Engine, EngineOptions, Error, Lake, LakeOptions, LimitKind, Limits, OutputFormat, QueryStream,
    Session, TableName, TenantId, TenantScope, write_result,
};
