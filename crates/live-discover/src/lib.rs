//! Live Discover: SQL over the Microsoft 365 audit log, for host programs to link.
//!
//! An [`Engine`] stands over a [`Lake`]; a [`Session`] asks on behalf of somebody who may see some tenants; a query
//! is one SELECT and its result a stream of Arrow batches.
//!
//! # Example
//!
//! ```
//! use live_discover::{Engine, Lake, LakeOptions, Limits, TenantScope};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), live_discover::Error> {
//! let lake = Lake::create_or_open("memory://example", LakeOptions::default()).await?;
//! let engine = Engine::new(lake)?;
//! let session = engine.session(TenantScope::All, Limits::default());
//!
//! // Tables are there before the first record is.
//! let batches = session.collect("SELECT count(*) AS records FROM m365_audit").await?;
//! assert_eq!(batches[0].num_rows(), 1);
//!
//! // Errors say what to do.
//! let error = session.query("SELECT userid2 FROM m365_audit").await.unwrap_err();
//! assert_eq!(error.to_string(), "no column `userid2`; did you mean `user_id`? (line 1, column 8)");
//! let error = session.query("DELETE FROM m365_audit").await.unwrap_err();
//! assert_eq!(error.to_string(), "only SELECT and EXPLAIN of a SELECT are allowed");
//! # Ok(())
//! # }
//! ```
//!
//! # What a host has to know
//!
//! Queries run on threads of the engine ([`EngineBuilder::with_runtime`] gives it others) and are planned on threads
//! of their own; the calls here only wait for them. A panic inside a query becomes an error of that query, which needs
//! `panic = "unwind"`; what it said goes to the log (`tracing`) under the number that the error has.
//!
//! A query's text may come from anybody: see `docs/decisions/0008-what-sql-may-do.md` for what bounds it, and
//! [`Limits`] for what can be set.

mod catalog;
mod codes;
mod columns;
mod dialect;
mod elsewhere;
mod engine;
mod error;
mod estimate;
mod footer;
mod functions;
mod guard;
mod index;
mod information;
mod inside;
mod library;
mod limits;
mod lookup;
mod memory;
mod metrics;
mod names;
mod node;
mod output;
mod patterns;
mod place;
mod present;
mod prune;
mod range;
mod request;
mod rules;
mod run;
mod runtime;
mod scan;
mod scrub;
mod session;
mod size;
mod spill;
mod star;
mod stop;
mod stream;
mod table;
#[cfg(test)]
mod testing;
mod turns;
mod variables;
mod watch;
mod watched;
mod words;

/// From exports and content blobs into the lake; see `audit_ingest`.
#[cfg(feature = "ingest")]
pub mod ingest {
    pub use audit_ingest::envelope::Form;
    pub use audit_ingest::pipeline::{
        IngestError, IngestOptions, Input, InputError, InputReport, Outcome, Progress, Report,
        find_inputs, find_inputs_with, ingest,
    };
}

/// The Microsoft 365 integration: consent, subscriptions, collection, coverage; see `audit_collector`.
#[cfg(feature = "collect")]
pub mod collect {
    pub use audit_collector::{
        ApiError, ApiErrorKind, ApiUsage, Certificate, Cloud, CloudError, CollectOptions,
        Collector, CollectorError, CollectorOptions, Consent, ConsentError, ConsentRequest,
        ConsentState, ContentHint, Coverage, Credential, CredentialError, CredentialProvider,
        DayCoverage, DayState, FeedHealth, Health, HolderInfo, Integration, IntegrationConfig,
        IntegrationError, IntegrationState, Integrations, LeaseState, Loss, Metrics, Networks,
        Observations, Pace, PollSummary, Prerequisite, PrerequisiteId, PrerequisiteState, Removal,
        Secret, StateEvent, StateSince, Stop, StopCause, SystemPace, TenantOutcome, TenantSummary,
        Timeouts, TokenClaims, TokenErrorKind, WebhookAnswer, WebhookReceiver, prerequisites,
    };
}

/// Keeping a lake quick and small: [`Lake::maintain`] and what it takes and tells; see `audit_lake`.
pub mod maintenance {
    pub use audit_lake::{
        Compacted, Compaction, Expired, Maintained, MaintenancePolicy, MaintenanceProgress,
        Vacuumed,
    };
}

pub use audit_lake::{
    Clock, IdSource, InternalNetworks, Lake, LakeOptions, RandomIds, SystemClock, TableName,
    TenantId,
};
pub use audit_schema::{
    Category, Query, QueryError, RangeMode, ResultColumn, Severity, ValueType, Variable,
};
pub use catalog::TenantScope;
pub use dialect::Dialect;
pub use engine::{Engine, EngineBuilder, EngineOptions};
pub use error::{Error, Position, Result};
pub use functions::{Function, functions, functions_markdown, trino_markdown};
pub use library::{Enrichment, Library, Link, Pivot};
pub use limits::{LimitKind, Limits, ShapeLimits};
pub use lookup::Lookup;
pub use metrics::{CacheMetrics, EngineMetrics};
pub use output::{OutputFormat, ResultWriter, write_result};
pub use range::{TimePoint, TimeRange};
pub use request::Request;
pub use run::{
    Page, Run, RunColumn, RunId, RunOptions, RunOutcome, RunState, Runs, RunsBuilder, RunsOptions,
};
pub use session::Session;
pub use stream::{Progress, QueryStream};
pub use watch::{
    Advance, AdvanceOutcome, CommitWindow, NewWatch, ResultId, Watch, WatchStatus, WatchedQuery,
    Watches,
};
