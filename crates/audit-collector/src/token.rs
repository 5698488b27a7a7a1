//! Access tokens: one for each client, got once for all who wait, refreshed before its end, replaced when refused.

mod answer;
mod claims;
mod refusal;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use audit_lake::{Clock, TenantId};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Request};
use tokio::sync::Mutex;
use url::Url;
use uuid::Uuid;

use self::answer::TokenAnswer;
use crate::api::{Sender, ServerClock};
use crate::credential::{Certificate, Credential, CredentialError, CredentialProvider, Secret};
use crate::error::{ApiError, ApiErrorKind, Detail, Operation, Refusal, TokenErrorKind};
use crate::text::redact;

pub(crate) use self::claims::claims;

/// A token is replaced so long before its end, or half its life where that is less.
const REFRESH_AHEAD_MICROS: i64 = 5 * 60 * 1_000_000;
/// A token that is as good as over.
const LAST_MICROS: i64 = 30 * 1_000_000;
/// How long a token lives that does not say; one of the host's is asked for again after as long.
const LIFE_UNSTATED_MICROS: i64 = 5 * 60 * 1_000_000;
/// After a failed refresh the old token does for so long.
const REFRESH_AGAIN_MICROS: i64 = 30 * 1_000_000;
/// How often a token is asked for while the endpoint is in trouble.
const ATTEMPTS_MAX: u32 = 3;
const FIRST_DELAY: Duration = Duration::from_secs(1);
/// Longer than this nobody waits inside a call.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// What an answer of the endpoint may have. Units: bytes.
const ANSWER_BYTES_MAX: usize = 1 << 20;

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// An access token in use.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) secret: Arc<Secret>,
    /// Tells a token from the one after it.
    generation: u64,
    /// By this machine's clock.
    pub(crate) expires_micros: i64,
    /// From then on another one is tried for.
    refresh_micros: i64,
    /// From then on it is not used.
    last_micros: i64,
}

/// Where the client's tokens come from.
pub(crate) struct TokenSource {
    pub(crate) tenant: TenantId,
    pub(crate) client_id: Uuid,
    pub(crate) endpoint: Url,
    /// What tokens are asked for; the next where the one before is not accepted.
    resources: Vec<String>,
    resource_at: AtomicUsize,
    pub(crate) provider: Arc<dyn CredentialProvider>,
    pub(crate) sender: Sender,
    /// The clock of the API: by it the host's own tokens end.
    pub(crate) api_clock: Arc<ServerClock>,
    state: Mutex<State>,
    /// Attempts that ended, so that who waited for one takes its outcome and does not make the next.
    ended: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    token: Option<Token>,
    failure: Option<ApiError>,
    generations: u64,
}

impl TokenSource {
    pub(crate) fn new(
        (tenant, client_id): (TenantId, Uuid),
        endpoint: Url,
        resources: Vec<String>,
        provider: Arc<dyn CredentialProvider>,
        sender: Sender,
        api_clock: Arc<ServerClock>,
    ) -> Self {
        Self {
            tenant,
            client_id,
            endpoint,
            resources,
            resource_at: AtomicUsize::new(0),
            provider,
            sender,
            api_clock,
            state: Mutex::default(),
            ended: AtomicU64::new(0),
        }
    }

    /// The token, a new one where there is none or its end is near.
    pub(crate) async fn token(&self) -> Result<Token, ApiError> {
        let ended = self.ended.load(Ordering::Acquire);
        let mut state = self.state.lock().await;
        let now = self.clock().now_micros();
        let usable = state.token.clone().filter(|token| now < token.last_micros);
        if let Some(token) = &usable
            && now < token.refresh_micros
        {
            return Ok(token.clone());
        }
        if self.ended.load(Ordering::Acquire) != ended
            && let Some(failure) = &state.failure
        {
            return Err(failure.clone());
        }
        let attempts = if usable.is_some() { 1 } else { ATTEMPTS_MAX };
        let got = self.get(attempts).await;
        self.ended.fetch_add(1, Ordering::AcqRel);
        match got {
            Ok((secret, life_micros)) => {
                let now = self.clock().now_micros();
                state.generations += 1;
                let token = Token::new(secret, state.generations, now, life_micros);
                tracing::debug!(tenant = %self.tenant, life_seconds = life_micros / 1_000_000, "new access token");
                state.token = Some(token.clone());
                state.failure = None;
                Ok(token)
            }
            Err(error) => {
                tracing::warn!(%error, "no access token");
                if let Some(mut token) = usable {
                    token.refresh_micros = now.saturating_add(REFRESH_AGAIN_MICROS);
                    state.token = Some(token.clone());
                    return Ok(token);
                }
                state.failure = Some(error.clone());
                Err(error)
            }
        }
    }

    /// The API refused the token: the next call gets another one, if that has not happened yet.
    pub(crate) async fn refused(&self, refused: &Token) {
        let mut state = self.state.lock().await;
        if let Some(token) = &state.token
            && token.generation == refused.generation
        {
            state.token = None;
        }
    }

    /// Asks for tokens of the next resource from now on, if there is one.
    pub(crate) fn next_resource(&self) -> bool {
        let next = |at: usize| (at + 1 < self.resources.len()).then_some(at + 1);
        let moved = (self.resource_at).fetch_update(Ordering::AcqRel, Ordering::Acquire, next);
        moved.is_ok()
    }

    fn resource(&self) -> &str {
        let at = self.resource_at.load(Ordering::Acquire);
        self.resources.get(at).map_or("", String::as_str)
    }

    /// A token and how long it lives; tries again while the endpoint is in trouble.
    async fn get(&self, attempts_max: u32) -> Result<(Secret, i64), ApiError> {
        let mut attempt = 1;
        let mut clock_corrected = false;
        loop {
            let refusal = match self.get_once().await {
                Ok(token) => return Ok(token),
                Err(refusal) => refusal,
            };
            let wait = match refusal.kind {
                // Its answer has corrected the clock that the next assertion is signed by.
                ApiErrorKind::Credential(TokenErrorKind::AssertionExpired) if !clock_corrected => {
                    clock_corrected = true;
                    continue;
                }
                ApiErrorKind::Credential(
                    TokenErrorKind::ResourceMissing | TokenErrorKind::Other,
                ) if self.next_resource() => continue,
                ApiErrorKind::Transient | ApiErrorKind::Throttled => {
                    let own = FIRST_DELAY.saturating_mul(2_u32.saturating_pow(attempt - 1));
                    own.mul_f64(0.5 + self.sender.pace.jitter() / 2.0)
                        .max(refusal.retry_after.unwrap_or_default())
                }
                _ => return Err(self.error(refusal)),
            };
            if attempt >= attempts_max || wait > WAIT_MAX {
                return Err(self.error(refusal));
            }
            self.sender.pace.sleep(wait).await;
            attempt += 1;
        }
    }

    async fn get_once(&self) -> Result<(Secret, i64), Refusal> {
        let credential = self.provider.credential(self.tenant, self.client_id).await;
        match credential.map_err(|error| no_credential(&error))? {
            Credential::AccessToken(secret) => {
                let now = self.api_clock.now_micros(self.clock().now_micros());
                let life = claims(secret.expose())
                    .expires_micros
                    .map_or(LIFE_UNSTATED_MICROS, |end| end.saturating_sub(now));
                Ok((secret, life))
            }
            Credential::ClientSecret(secret) => {
                self.ask(&[("client_secret", secret.expose())], false).await
            }
            Credential::Certificate(certificate) => {
                let assertion = self
                    .assertion(&certificate)
                    .map_err(|error| no_credential(&error))?;
                let proof = [
                    ("client_assertion_type", ASSERTION_TYPE),
                    ("client_assertion", assertion.expose()),
                ];
                self.ask(&proof, true).await
            }
        }
    }

    fn assertion(&self, certificate: &Certificate) -> Result<Secret, CredentialError> {
        let now = self.sender.server.now_micros(self.clock().now_micros());
        certificate.assertion(self.endpoint.as_str(), self.client_id, Uuid::new_v4(), now)
    }

    async fn ask(
        &self,
        proof: &[(&str, &str)],
        is_certificate: bool,
    ) -> Result<(Secret, i64), Refusal> {
        let request = self.request(proof);
        let (mut response, dated) = self.sender.send(request).await?;
        let status = response.status().as_u16();
        let retry_after = self.sender.retry_after(response.headers());
        let empty = bytes::Bytes::new();
        let body = self
            .sender
            .whole(&mut response, empty, ANSWER_BYTES_MAX)
            .await?;
        if (200..300).contains(&status)
            && let Some(answer) = TokenAnswer::parse(&body)
        {
            self.sender.believe(dated);
            let life = answer.life_micros(self.clock().now_micros());
            return Ok((answer.access_token, life.unwrap_or(LIFE_UNSTATED_MICROS)));
        }
        let secrets: Vec<&str> = proof.iter().map(|(_, value)| *value).collect();
        let text = redact(&String::from_utf8_lossy(&body), &secrets);
        let mut refusal = refusal::classify(status, &text, is_certificate);
        if refusal.code.is_some() {
            self.sender.believe(dated);
        }
        refusal.retry_after = retry_after;
        Err(refusal.with_status(status))
    }

    fn request(&self, proof: &[(&str, &str)]) -> Request {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials")
            .append_pair("client_id", &self.client_id.to_string())
            .append_pair("scope", &format!("{}/.default", self.resource()));
        for (name, value) in proof {
            form.append_pair(name, value);
        }
        let mut request = Request::new(Method::POST, self.endpoint.clone());
        let headers = request.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded"),
        );
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        *request.body_mut() = Some(form.finish().into());
        request
    }

    fn clock(&self) -> &dyn Clock {
        self.sender.clock.as_ref()
    }

    fn error(&self, refusal: Refusal) -> ApiError {
        ApiError::new(Detail {
            kind: refusal.kind,
            operation: Operation::Token,
            tenant: self.tenant,
            content_type: None,
            content_id: None,
            status: refusal.status,
            code: refusal.code,
            message: refusal.message,
            retry_after: refusal.retry_after,
        })
    }
}

impl Token {
    fn new(secret: Secret, generation: u64, now_micros: i64, life_micros: i64) -> Self {
        let expires_micros = now_micros.saturating_add(life_micros);
        Self {
            secret: Arc::new(secret),
            generation,
            expires_micros,
            refresh_micros: expires_micros - REFRESH_AHEAD_MICROS.min(life_micros / 2),
            last_micros: expires_micros - LAST_MICROS.min(life_micros / 4),
        }
    }
}

fn no_credential(error: &CredentialError) -> Refusal {
    let kind = match error {
        CredentialError::Unavailable(_) => ApiErrorKind::Transient,
        _ => ApiErrorKind::Credential(TokenErrorKind::NoCredential),
    };
    Refusal::new(kind, crate::text::excerpt(&error.to_string()))
}
