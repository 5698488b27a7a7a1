//! Calls of the API: the token, the budget, and short trouble are dealt with here; long trouble is the caller's.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use audit_lake::Clock;
use audit_schema::ContentType;
use bytes::Bytes;
use reqwest::Response;
use tracing::Instrument;
use url::Url;

use super::address::{Addresses, content_id, content_type_of};
use super::blob::Blob;
use super::call::{Answer, Call, by_permission, first_bytes, is_error, significant};
use super::http::{Sender, next_page};
use super::listing::Listing;
use super::model::{ContentBlobRef, Subscription, TokenClaims};
use super::parse;
use super::server_clock::ServerClock;
use super::settings::{ApiSettings, HttpClient};
use super::usage::{ApiUsage, Counters};
use crate::cloud::below;
use crate::credential::{CredentialProvider, Secret};
use crate::error::{
    ALREADY_ENABLED, ApiError, ApiErrorKind, Detail, Operation, Refusal, classify, classify_success,
};
use crate::pace::Pace;
use crate::text::redact;
use crate::throttle::{Closed, Throttle};
use crate::token::{Token, TokenSource, claims};

/// How often a call is made while the service is in trouble or throttles.
const ATTEMPTS_MAX: u32 = 4;
/// Doubles from attempt to attempt.
const FIRST_DELAY: Duration = Duration::from_secs(1);
/// Longer than this nobody waits inside a call.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// What a page of a listing may have: it names some hundred thousand blobs. Units: bytes.
const LISTING_BYTES_MAX: usize = 64 << 20;

/// The Management Activity API for one tenant; a cheap clone, and its clones share token, budget and pause.
///
/// # Retries
///
/// A call that is throttled or meets trouble is repeated a few times, within about two minutes; a refused token is
/// replaced once. Then the error goes to the caller, whose the long waiting is. [`start`](Self::start) is not repeated
/// after trouble, because one start in 15 minutes is all there is.
#[derive(Clone)]
pub struct ApiClient(Arc<Inner>);

struct Inner {
    settings: ApiSettings,
    addresses: Addresses,
    sender: Sender,
    tokens: TokenSource,
    throttle: Throttle,
    counters: Counters,
}

impl fmt::Debug for ApiClient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ApiClient")
            .field("settings", &self.0.settings)
            .finish_non_exhaustive()
    }
}

impl ApiClient {
    /// A client of the tenant in the settings. Nothing is asked before the first call.
    pub fn new(
        http: HttpClient,
        settings: ApiSettings,
        provider: Arc<dyn CredentialProvider>,
        clock: Arc<dyn Clock>,
        pace: Arc<dyn Pace>,
    ) -> Self {
        let sender = |server: &Arc<ServerClock>| Sender {
            http: http.clone(),
            timeouts: settings.timeouts,
            clock: Arc::clone(&clock),
            pace: Arc::clone(&pace),
            server: Arc::clone(server),
        };
        let server = Arc::new(ServerClock::default());
        let login_root = settings.cloud.login_root();
        let tokens = TokenSource::new(
            (settings.tenant, settings.client_id),
            below(
                &login_root,
                &format!("{}/oauth2/v2.0/token", settings.tenant),
            ),
            settings.cloud.resources(),
            provider,
            sender(&Arc::new(ServerClock::default())),
            Arc::clone(&server),
        );
        let root = settings.cloud.management_root();
        Self(Arc::new(Inner {
            addresses: Addresses::new(root, settings.tenant, settings.publisher_id),
            sender: sender(&server),
            tokens,
            throttle: Throttle::new(clock, pace, settings.requests_per_minute),
            counters: Counters::default(),
            settings,
        }))
    }

    /// What the client was made with.
    pub fn settings(&self) -> &ApiSettings {
        &self.0.settings
    }

    /// The time of the API's server, by the `Date` of its last answers: by it windows are measured. The machine's own
    /// before the first answer. Units: microseconds since 1970-01-01, UTC.
    pub fn server_now_micros(&self) -> i64 {
        let sender = &self.0.sender;
        sender.server.now_micros(sender.clock.now_micros())
    }

    /// What the client has done so far.
    pub fn usage(&self) -> ApiUsage {
        self.0.counters.usage()
    }

    /// What the token says of itself: permissions, tenant, application, end. Gets one if there is none.
    pub async fn token_claims(&self) -> Result<TokenClaims, ApiError> {
        let token = self.0.tokens.token().await?;
        let mut claims = claims(token.secret.expose());
        claims.expires_micros.get_or_insert(token.expires_micros);
        Ok(claims)
    }

    /// The subscriptions of the application in the tenant.
    pub async fn subscriptions(&self) -> Result<Vec<Subscription>, ApiError> {
        let call = Call::new(Operation::Subscriptions, self.0.addresses.subscriptions());
        self.call(&call, |answer| parse::subscriptions(&answer.head))
            .await
    }

    /// Starts a subscription, without notifications. Success where it is enabled already (T1).
    ///
    /// Only one start in 15 minutes is allowed: list first, and start what is off.
    pub async fn start(&self, content_type: ContentType) -> Result<(), ApiError> {
        self.start_with(content_type, None).await
    }

    /// Starts a subscription, or changes it, so that notifications go to `address` with `auth_id` in their header.
    pub async fn start_with_webhook(
        &self,
        content_type: ContentType,
        address: &Url,
        auth_id: &Secret,
    ) -> Result<(), ApiError> {
        let webhook = serde_json::json!({
            "webhook": { "address": address, "authId": auth_id.expose(), "expiration": "" }
        });
        self.start_with(content_type, Some(Secret::new(webhook.to_string())))
            .await
    }

    /// The content that became available in the window: page after page, see [`Listing`].
    ///
    /// The window is from `from_micros` up to, not including, `to_micros`, at most 24 hours, and begins at most seven
    /// days ago. The API knows whole seconds: others are rounded so that the window is not smaller. Units: microseconds
    /// since 1970-01-01, UTC, by the server's clock.
    pub fn listing(&self, content_type: ContentType, from_micros: i64, to_micros: i64) -> Listing {
        let url = (self.0.addresses).listing(content_type, from_micros, to_micros);
        Listing::new(self.clone(), content_type, from_micros, url)
    }

    /// Where a blob is asked for: where its listing said, or, if that is not below the configured root, at the root. It
    /// was listed below another one then, as before a proxy was changed; no other server is asked, whatever it said.
    pub(crate) fn blob_url(&self, listed: &str, content_id: &str) -> Url {
        let listed = Url::parse(listed).ok();
        listed
            .filter(|url| self.0.addresses.is_own(url))
            .unwrap_or_else(|| self.0.addresses.blob(content_id))
    }

    /// A blob, or the next page of one: opened, and known to be an array by its first bytes.
    pub async fn blob(&self, uri: &Url) -> Result<Blob, ApiError> {
        let mut call = Call::new(Operation::Blob, uri.clone());
        call.content_id = content_id(uri);
        call.content_type = call.content_id.as_deref().and_then(content_type_of);
        let answer = self.call(&call, Ok).await?;
        Blob::try_new(self.clone(), call, answer)
    }

    /// The next page of a listing, with the link to the one after it.
    pub(super) async fn page(
        &self,
        content_type: ContentType,
        from_micros: i64,
        url: &Url,
    ) -> Result<(Option<Url>, Vec<ContentBlobRef>), ApiError> {
        let mut call = Call::new(Operation::Listing, url.clone());
        call.content_type = Some(content_type);
        let addresses = &self.0.addresses;
        self.call(&call, |answer| {
            let blobs = parse::page(&answer.head, addresses, content_type, from_micros)?;
            Ok((answer.next_page, blobs))
        })
        .await
    }

    pub(super) async fn chunk(&self, response: &mut Response) -> Result<Option<Bytes>, Refusal> {
        let chunk = self.0.sender.chunk(response).await?;
        if let Some(bytes) = &chunk {
            self.0.counters.bytes(bytes.len());
        }
        Ok(chunk)
    }

    pub(super) fn error(&self, call: &Call, refusal: Refusal) -> ApiError {
        ApiError::new(Detail {
            kind: refusal.kind,
            operation: call.operation,
            tenant: self.0.settings.tenant,
            content_type: call.content_type,
            content_id: call.content_id.clone(),
            status: refusal.status,
            code: refusal.code,
            message: refusal.message,
            retry_after: refusal.retry_after,
        })
    }

    pub(super) fn listing_error(
        &self,
        content_type: ContentType,
        url: Url,
        refusal: Refusal,
    ) -> ApiError {
        let mut call = Call::new(Operation::Listing, url);
        call.content_type = Some(content_type);
        self.error(&call, refusal)
    }

    async fn start_with(
        &self,
        content_type: ContentType,
        body: Option<Secret>,
    ) -> Result<(), ApiError> {
        let mut call = Call::new(Operation::Start, self.0.addresses.start(content_type));
        call.content_type = Some(content_type);
        call.body = body;
        match self.call(&call, |_| Ok(())).await {
            Err(error) if error.code() == Some(ALREADY_ENABLED) => Ok(()),
            outcome => outcome,
        }
    }

    /// Makes the call until it succeeds, fails for good, or was tried often enough.
    async fn call<T: Send>(
        &self,
        call: &Call,
        take: impl Fn(Answer) -> Result<T, Refusal> + Send + Sync,
    ) -> Result<T, ApiError> {
        let span = tracing::debug_span!(
            "api_call",
            tenant = %self.0.settings.tenant,
            operation = ?call.operation,
            content_type = call.content_type.map(ContentType::as_str),
            content_id = call.content_id,
        );
        self.attempts(call, take).instrument(span).await
    }

    async fn attempts<T: Send>(
        &self,
        call: &Call,
        take: impl Fn(Answer) -> Result<T, Refusal> + Send + Sync,
    ) -> Result<T, ApiError> {
        let inner = &self.0;
        if !inner.addresses.is_own(&call.url) {
            let host = call.url.host_str().unwrap_or_default();
            let refusal = Refusal::new(
                ApiErrorKind::ForeignUrl,
                format!("{}://{host}", call.url.scheme()),
            );
            return Err(self.error(call, refusal));
        }
        let mut attempt = 1;
        let mut token_replaced = false;
        loop {
            let pass = match inner.throttle.pass().await {
                Ok(pass) => pass,
                Err(Closed { wait }) => {
                    let mut refusal =
                        Refusal::new(ApiErrorKind::Throttled, "the pause is not over");
                    refusal.retry_after = Some(wait);
                    return Err(self.error(call, refusal));
                }
            };
            // After the pause, which a token near its end may not outlive.
            let token = inner.tokens.token().await?;
            inner.counters.request();
            let mut refusal = match self.once(call, &token).await.and_then(&take) {
                Ok(taken) => {
                    inner.throttle.succeeded(pass);
                    return Ok(taken);
                }
                Err(refusal) => refusal,
            };
            tracing::debug!(kind = ?refusal.kind, status = refusal.status, code = refusal.code, attempt, "refused");
            if refusal.kind != ApiErrorKind::Throttled && refusal.status.is_some() {
                inner.throttle.succeeded(pass);
            }
            if refusal.status == Some(401) {
                if token_replaced {
                    if inner.tokens.next_resource() {
                        inner.tokens.refused(&token).await;
                        continue;
                    }
                    return Err(self.error(call, by_permission(call, &token, refusal)));
                }
                token_replaced = true;
                inner.tokens.refused(&token).await;
                continue;
            }
            if refusal.kind == ApiErrorKind::Throttled {
                inner.counters.throttled();
                let pause = inner.throttle.throttled(pass, refusal.retry_after);
                refusal.retry_after = Some(pause);
                if attempt >= ATTEMPTS_MAX || pause > WAIT_MAX {
                    return Err(self.error(call, refusal));
                }
            } else {
                let again =
                    refusal.kind == ApiErrorKind::Transient && call.operation != Operation::Start;
                let doubled = FIRST_DELAY.saturating_mul(2_u32.saturating_pow(attempt - 1));
                let own = doubled.mul_f64(0.5 + inner.sender.pace.jitter() / 2.0);
                let wait = own.max(refusal.retry_after.unwrap_or_default());
                if !again || attempt >= ATTEMPTS_MAX || wait > WAIT_MAX {
                    return Err(self.error(call, refusal));
                }
                inner.counters.repeated();
                inner.sender.pace.sleep(wait).await;
            }
            attempt += 1;
        }
    }

    /// Makes the call once. What is not a blob is read to its end.
    async fn once(&self, call: &Call, token: &Token) -> Result<Answer, Refusal> {
        let sender = &self.0.sender;
        let secrets = [token.secret.expose()];
        let url = self.0.addresses.with_publisher(&call.url);
        let (mut response, dated) = sender.send(call.request(url, token)?).await?;
        let status = response.status().as_u16();
        let retry_after = sender.retry_after(response.headers());
        let refused = |refusal: Refusal| {
            let retry_after = retry_after.or(refusal.retry_after);
            Refusal {
                retry_after,
                ..refusal.with_status(status)
            }
        };
        if !response.status().is_success() {
            let text = sender.beginning(&mut response, Bytes::new()).await;
            let text = redact(&text, &secrets);
            let refusal = classify(call.operation, status, &text);
            if refusal.code.is_some() {
                sender.believe(dated);
            }
            return Err(refused(refusal));
        }
        let next_page = next_page(response.headers(), response.url());
        let mut head = first_bytes(sender, &mut response).await.map_err(refused)?;
        let is_fine = match call.operation {
            Operation::Start => !is_error(&head),
            _ => significant(&head) == Some(b'['),
        };
        if !is_fine {
            let text = sender.beginning(&mut response, head).await;
            let text = redact(&text, &secrets);
            return Err(refused(classify_success(call.operation, &text)));
        }
        sender.believe(dated);
        if call.operation != Operation::Blob {
            head = sender
                .whole(&mut response, head, LISTING_BYTES_MAX)
                .await
                .map_err(refused)?;
        }
        self.0.counters.bytes(head.len());
        Ok(Answer {
            head,
            next_page,
            response,
        })
    }
}
