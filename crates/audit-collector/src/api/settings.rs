//! What a client is told, and the connections that clients share.

use std::time::Duration;

use audit_lake::TenantId;
use uuid::Uuid;

use crate::cloud::Cloud;

/// The budget where none is set.
pub(crate) const REQUESTS_PER_MINUTE: u32 = 1_000;
/// The size of a blob where no other is allowed.
pub(crate) const BLOB_BYTES_MAX: u64 = 2 << 30;

/// Where, whose and how fast. Plain values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiSettings {
    /// Which servers are asked.
    pub cloud: Cloud,
    /// Whose records.
    pub tenant: TenantId,
    /// The application that the tenant consented to.
    pub client_id: Uuid,
    /// The tenant of whoever runs the collector: requests are counted by it. Goes with every call; without it all
    /// callers in the world share one quota.
    pub publisher_id: Uuid,
    /// How long servers are waited for.
    pub timeouts: Timeouts,
    /// The budget. Microsoft gives a tenant 2,000 at the least, for all its collectors together; less leaves room for
    /// the others, and costs time only where thousands of small blobs wait.
    pub requests_per_minute: u32,
    /// A blob with more bytes, as they are after decompression, is an error.
    pub blob_bytes_max: u64,
}

impl ApiSettings {
    /// The defaults for an application of a tenant: the tenant itself is the publisher.
    pub fn new(cloud: Cloud, tenant: TenantId, client_id: Uuid) -> Self {
        Self {
            cloud,
            tenant,
            client_id,
            publisher_id: Uuid::try_parse(&tenant.to_string()).unwrap_or_default(),
            timeouts: Timeouts::default(),
            requests_per_minute: REQUESTS_PER_MINUTE,
            blob_bytes_max: BLOB_BYTES_MAX,
        }
    }
}

/// How long servers are waited for. Answers of the API are slow at times; a few seconds are too short (T25).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Until there is a connection.
    pub connect: Duration,
    /// From sending a request to the headers of its answer.
    pub headers: Duration,
    /// Without a single byte while a body comes.
    pub stall: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            headers: Duration::from_secs(60),
            stall: Duration::from_secs(30),
        }
    }
}

/// The connections; a cheap clone, shared by the clients of all tenants.
///
/// Follows no redirects: they would carry a token to somebody else.
#[derive(Debug, Clone)]
pub struct HttpClient(pub(crate) reqwest::Client);

/// The machine cannot do HTTPS: its certificates cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("no HTTPS on this machine: {0}")]
pub struct HttpError(reqwest::Error);

impl HttpClient {
    /// Connections with the time-out `connect`.
    ///
    /// # Errors
    ///
    /// Where the machine's trusted certificates cannot be read.
    pub fn try_new(timeouts: &Timeouts) -> Result<Self, HttpError> {
        reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(timeouts.connect)
            .user_agent(concat!("live-discover/", env!("CARGO_PKG_VERSION")))
            .build()
            .map(Self)
            .map_err(HttpError)
    }
}
