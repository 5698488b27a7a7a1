//! What the command line takes from the libraries, in one place.

pub(crate) use audit_collector::{
    Certificate, Cloud, Collector, CollectorError, CollectorOptions, ConsentRequest, ConsentState,
    Coverage, Credential, CredentialError, CredentialProvider, DayCoverage, DayState, FeedHealth,
    Health, Integration, IntegrationConfig, IntegrationError, IntegrationState, Integrations, Loss,
    Metrics, Networks, PollSummary, Prerequisite, PrerequisiteState, Removal, Secret, Stop,
    StopCause, TenantOutcome,
};
pub(crate) use audit_ingest::canonical;
pub(crate) use audit_lake::{
    Clock, Compaction, DAY_MICROS, Error as LakeError, Finding, InternalNetworks, Ledger,
    Maintained, MaintenancePolicy, MaintenanceProgress, NetworksDecision, Severity, SystemClock,
    Verified, store_options,
};
pub(crate) use audit_schema::{
    ContentType, TACTICS, bundled_queries, content_state, tables, views,
};
pub(crate) use live_discover::ingest::{
    Form, IngestError, IngestOptions, Input, InputError, InputReport, Outcome, Progress, Report,
    find_inputs_with, ingest,
};
pub(crate) use live_discover::{
    Advance, AdvanceOutcome, Dialect, Engine, EngineOptions, Error, Lake, LakeOptions, Library,
    LimitKind, Limits, Lookup, NewWatch, OutputFormat, Query, QueryStream, RangeMode, Request,
    ResultWriter, Session, TableName, TenantId, TenantScope, TimeRange, Variable, WatchStatus,
    WatchedQuery, Watches, write_result,
};
