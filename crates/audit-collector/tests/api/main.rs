//! The client against a server of the API: each quirk that a client can meet, by its number in the reference.
//!
//! The server's clock is everybody's clock, and sleeping moves it.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "what builds a test fails as a test does"
)]

mod blobs;
mod calls;
mod raw;
mod secrets;
mod tokens;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use audit_collector::{
    ApiClient, ApiError, ApiSettings, Cloud, ContentBlobRef, Credential, CredentialError,
    CredentialProvider, HttpClient, Pace, Secret, Timeouts,
};
use audit_lake::{Clock, TenantId};
use audit_schema::ContentType;
use audit_testkit::api::{
    ApiClock, ApiFault, ApiFaultKind, ApiOperation, ApiServer, ApiServerOptions, AppRegistration,
    TenantHandle,
};
use futures::future::BoxFuture;
use url::Url;
use uuid::Uuid;

pub(crate) const TENANT: &str = "0a5f7d5e-6f1b-4b8c-9e0d-3c2b1a495867";
pub(crate) const CLIENT: &str = "5d1f0c2b-7a3e-4c88-b1d6-90e4a2f37c15";
pub(crate) const SECRET: &str = "marker~of+a/secret";
pub(crate) const MINUTE: i64 = 60_000_000;
pub(crate) const HOUR: i64 = 60 * MINUTE;

/// The server's clock, wrong by `skew_micros`.
#[derive(Debug)]
pub(crate) struct Skewed {
    clock: ApiClock,
    skew_micros: i64,
}

impl Clock for Skewed {
    fn now_micros(&self) -> i64 {
        self.clock.now_micros() + self.skew_micros
    }
}

/// Sleeping moves the clock; time limits are reached when a test says so.
#[derive(Debug)]
pub(crate) struct TestPace {
    clock: ApiClock,
    slept: Mutex<Vec<Duration>>,
    reached: Mutex<Option<Duration>>,
}

impl Pace for TestPace {
    fn sleep(&self, duration: Duration) -> BoxFuture<'_, ()> {
        self.slept.lock().unwrap().push(duration);
        self.clock
            .advance(i64::try_from(duration.as_micros()).unwrap());
        Box::pin(std::future::ready(()))
    }

    fn jitter(&self) -> f64 {
        1.0
    }

    fn time_limit(&self, duration: Duration) -> BoxFuture<'_, ()> {
        if *self.reached.lock().unwrap() == Some(duration) {
            Box::pin(std::future::ready(()))
        } else {
            Box::pin(std::future::pending())
        }
    }
}

impl TestPace {
    pub(crate) fn new(clock: &ApiClock) -> Arc<Self> {
        Arc::new(Self {
            clock: clock.clone(),
            slept: Mutex::default(),
            reached: Mutex::default(),
        })
    }

    /// Waits of this length are over at once.
    pub(crate) fn reach(&self, limit: Duration) {
        *self.reached.lock().unwrap() = Some(limit);
    }

    pub(crate) fn slept_seconds(&self) -> Vec<u64> {
        self.slept
            .lock()
            .unwrap()
            .drain(..)
            .map(|slept| slept.as_secs())
            .collect()
    }
}

/// Gives what it is told, and counts.
pub(crate) struct Provider {
    given: Mutex<Result<Credential, CredentialError>>,
    asked: Mutex<u32>,
}

#[async_trait]
impl CredentialProvider for Provider {
    async fn credential(&self, _: TenantId, _: Uuid) -> Result<Credential, CredentialError> {
        *self.asked.lock().unwrap() += 1;
        self.given.lock().unwrap().clone()
    }
}

impl Provider {
    pub(crate) fn new(credential: Credential) -> Arc<Self> {
        Arc::new(Self {
            given: Mutex::new(Ok(credential)),
            asked: Mutex::default(),
        })
    }

    pub(crate) fn give(&self, given: Result<Credential, CredentialError>) {
        *self.given.lock().unwrap() = given;
    }

    pub(crate) fn asked(&self) -> u32 {
        *self.asked.lock().unwrap()
    }
}

pub(crate) struct Fixture {
    pub(crate) server: ApiServer,
    pub(crate) tenant: TenantHandle,
    pub(crate) provider: Arc<Provider>,
    pub(crate) pace: Arc<TestPace>,
    pub(crate) client: ApiClient,
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        Self::with(0, |_| ()).await
    }

    /// A client whose clock is wrong, and whose settings are changed.
    pub(crate) async fn with(skew_micros: i64, change: impl FnOnce(&mut ApiSettings)) -> Self {
        let server = ApiServer::start(ApiServerOptions::default()).await.unwrap();
        let tenant = server.tenant(TENANT);
        tenant.register(AppRegistration::with_secret(CLIENT, SECRET));
        let provider = Provider::new(Credential::ClientSecret(Secret::new(SECRET)));
        let pace = TestPace::new(server.clock());
        let mut settings = settings(&server.management_root(), &server.login_root());
        change(&mut settings);
        let clock = Arc::new(Skewed {
            clock: server.clock().clone(),
            skew_micros,
        });
        let client = client(settings, &provider, clock, &pace);
        Self {
            server,
            tenant,
            provider,
            pace,
            client,
        }
    }

    /// One whose subscription to `content_type` is an hour old.
    pub(crate) async fn subscribed(content_type: ContentType) -> Self {
        let fixture = Self::new().await;
        fixture.client.start(content_type).await.unwrap();
        fixture.server.clock().advance(HOUR);
        fixture
    }

    pub(crate) fn now(&self) -> i64 {
        self.server.clock().now_micros()
    }

    /// A blob of the last half hour.
    pub(crate) fn publish(&self, content_type: ContentType, body: &str) -> String {
        let body = bytes::Bytes::from(body.to_owned());
        self.tenant
            .publish(content_type.as_str(), self.now() - 30 * MINUTE, body)
    }

    /// All pages of the last hour.
    pub(crate) async fn list(
        &self,
        content_type: ContentType,
    ) -> Result<Vec<ContentBlobRef>, ApiError> {
        let mut listing = self
            .client
            .listing(content_type, self.now() - HOUR, self.now());
        let mut blobs = Vec::new();
        while let Some(page) = listing.next_page().await? {
            blobs.extend(page);
        }
        Ok(blobs)
    }

    /// The whole blob.
    pub(crate) async fn retrieve(&self, uri: &Url) -> Result<String, ApiError> {
        let mut blob = self.client.blob(uri).await?;
        let mut body = Vec::new();
        while let Some(chunk) = blob.chunk().await? {
            body.extend_from_slice(&chunk);
        }
        Ok(String::from_utf8(body).unwrap())
    }

    pub(crate) fn fault(&self, operation: ApiOperation, kind: ApiFaultKind, times: u64) {
        self.server
            .fault(ApiFault::new(kind).on(operation).times(times));
    }

    pub(crate) fn requests(&self, operation: ApiOperation) -> u64 {
        self.server.requests().of(operation)
    }
}

pub(crate) fn settings(management_root: &str, login_root: &str) -> ApiSettings {
    let url = |root: &str| Url::parse(root).unwrap();
    let cloud = Cloud::custom(url(management_root), url(login_root)).unwrap();
    ApiSettings::new(cloud, TENANT.parse().unwrap(), CLIENT.parse().unwrap())
}

pub(crate) fn client(
    settings: ApiSettings,
    provider: &Arc<Provider>,
    clock: Arc<dyn Clock>,
    pace: &Arc<TestPace>,
) -> ApiClient {
    let http = HttpClient::try_new(&Timeouts::default()).unwrap();
    let provider: Arc<dyn CredentialProvider> = Arc::<Provider>::clone(provider);
    let pace: Arc<dyn Pace> = Arc::<TestPace>::clone(pace);
    ApiClient::new(http, settings, provider, clock, pace)
}
