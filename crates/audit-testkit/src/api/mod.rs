//! A server of the Office 365 Management Activity API and of the token endpoints, for tests, the demo, and campaigns
//! against real processes.
//!
//! It is faithful to the API, not convenient to a client: real tokens with claims, checked at each call; the rules of
//! subscriptions, times, pages, expiry and quota by a clock that a test moves; errors in the words and shapes that were
//! seen on the wire, also where they differ from the documentation; and each fault of the kind that clients have
//! reported, as an [`ApiFault`].
//!
//! ```
//! use audit_testkit::api::{ApiServer, ApiServerOptions, AppRegistration};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let server = ApiServer::start(ApiServerOptions::default()).await?;
//! let tenant = server.tenant("0a5f7d5e-6f1b-4b8c-9e0d-3c2b1a495867");
//! tenant.register(AppRegistration::with_secret("5d1f0c2b-7a3e-4c88-b1d6-90e4a2f37c15", "not a real one"));
//! let now = server.clock().now_micros();
//! let content_id = tenant.publish("Audit.Exchange", now - 1_000_000, "[]".into());
//! assert_eq!(server.truth()[0].content_id, content_id);
//! # std::io::Result::Ok(())
//! # }).unwrap();
//! ```
//!
//! What the wire doesn't tell, the server decides so, and a client shouldn't rely on it: the status of most argument
//! errors (400), the code of the throttle of `start` (`AF429`), one start in 15 minutes for each content type, a request
//! that exceeds the quota doesn't count, header names in lower case.

#![expect(
    clippy::result_large_err,
    reason = "a refusal is an answer like any other, made once for a request"
)]

mod access;
mod blob;
mod call;
mod clock;
mod disguise;
mod fault;
mod folder;
mod listing;
mod notification;
mod odd;
mod options;
mod reply;
mod requests;
mod retrieval;
mod server;
mod subscription;
mod tenant;
#[cfg(test)]
mod tests;
mod token;
mod wire;

pub use blob::{BlobBody, GeneratedBody, PublishedBlob};
pub use clock::ApiClock;
pub use fault::{ApiFault, ApiFaultKind, Truncation};
pub use notification::{WebhookEndpoint, WebhookRequest};
pub use odd::{OddRecord, odd_records};
pub use options::{ApiServerOptions, ImplicitWindow};
pub use requests::{ApiOperation, ApiRequest, ApiRequests};
pub use server::ApiServer;
pub use tenant::{AppRegistration, CONTENT_TYPES, TenantHandle, TenantSettings};
