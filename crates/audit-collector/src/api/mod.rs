//! The client of the Management Activity API.
//!
//! ```text
//!  call ─► address: ours? publisher ─► token ─► throttle: pause, budget ─► http ─► first bytes: an array?
//!    ▲                                                                              │ no
//!    └── 401: another token, once · throttled: everybody pauses · trouble: delay ◄── classify ─► error
//! ```
//!
//! `T…` is a quirk of the API by its number in the reference that the collector is built to; the tests are named so.

mod address;
mod blob;
mod call;
mod circle;
mod client;
mod http;
mod listing;
mod model;
mod parse;
mod server_clock;
mod settings;
mod usage;

pub use blob::Blob;
pub use client::ApiClient;
pub use listing::Listing;
pub use model::{ContentBlobRef, Subscription, SubscriptionStatus, TokenClaims, Webhook};
pub use settings::{ApiSettings, HttpClient, HttpError, Timeouts};
pub use usage::ApiUsage;

pub(crate) use circle::Circle;
pub(crate) use http::Sender;
pub(crate) use server_clock::ServerClock;
pub(crate) use settings::{BLOB_BYTES_MAX, REQUESTS_PER_MINUTE};
