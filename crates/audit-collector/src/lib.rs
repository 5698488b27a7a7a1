//! The Microsoft 365 integration: from an administrator's consent to a lake that holds every record, or names what is
//! missing and why.
//!
//! The facts are those of the Office 365 Management Activity API
//! (<https://learn.microsoft.com/office/office-365-management-api/office-365-management-activity-api-reference>) and of
//! what it is seen to do beside them.

mod api;
mod check;
mod cloud;
mod collect;
mod collector;
mod consent;
mod coverage;
mod credential;
mod error;
mod feeds;
mod health;
mod integration;
mod lease;
mod ledger;
mod pace;
mod prerequisites;
mod registry;
mod same;
mod spool;
mod text;
mod throttle;
mod timeline;
mod token;
#[cfg(test)]
mod virtual_time;
mod webhook;

pub use api::{
    ApiClient, ApiSettings, ApiUsage, Blob, ContentBlobRef, HttpClient, HttpError, Listing,
    Subscription, SubscriptionStatus, Timeouts, TokenClaims, Webhook,
};
pub use cloud::{Cloud, CloudError};
pub use collect::CollectOptions;
pub use collector::{
    Collector, CollectorError, CollectorOptions, Metrics, PollSummary, TenantOutcome, TenantSummary,
};
pub use consent::{Consent, ConsentError, ConsentRequest, ConsentState};
pub use coverage::{Coverage, DayCoverage, DayState, Loss};
pub use credential::{Certificate, Credential, CredentialError, CredentialProvider, Secret};
pub use error::{ApiError, ApiErrorKind, TokenErrorKind};
pub use health::{FeedHealth, Health, Stop, StopCause};
pub use integration::{
    Integration, IntegrationConfig, IntegrationError, IntegrationState, StateEvent, StateSince,
};
pub use lease::{HolderInfo, Lease, LeaseState};
pub use pace::{Pace, SystemPace};
pub use prerequisites::{
    Observations, Prerequisite, PrerequisiteId, PrerequisiteState, prerequisites,
};
pub use registry::{Integrations, Networks, Removal};
pub use webhook::{ContentHint, WebhookAnswer, WebhookReceiver};
