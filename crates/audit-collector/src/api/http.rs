//! One request and its answer: time-outs, what headers say, bodies of bounded size.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use audit_lake::Clock;
use bytes::{Bytes, BytesMut};
use chrono::DateTime;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use reqwest::{Request, Response};
use url::Url;

use super::HttpClient;
use super::server_clock::ServerClock;
use super::settings::Timeouts;
use crate::error::{ApiErrorKind, Refusal};
use crate::pace::Pace;
use crate::text::excerpt;

/// What of an answer with an error is read. Units: bytes.
pub(crate) const ERROR_BYTES_MAX: usize = 64 << 10;
/// How long a body that is read whole may take: the limit of a stall does not end one that drips.
const WHOLE_MAX: Duration = Duration::from_secs(300);
/// The longest wait that a server is given: what it says may be garbage, and content expires meanwhile.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// What the `Date` of an answer says of the server's clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dated {
    date_micros: i64,
    now_micros: i64,
    took_micros: i64,
}

/// Sends requests to one server.
#[derive(Debug, Clone)]
pub(crate) struct Sender {
    pub(crate) http: HttpClient,
    pub(crate) timeouts: Timeouts,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) pace: Arc<dyn Pace>,
    /// The clock of the server.
    pub(crate) server: Arc<ServerClock>,
}

impl Sender {
    /// Sends and waits for the headers of the answer, and for what they say of the server's clock.
    pub(crate) async fn send(
        &self,
        request: Request,
    ) -> Result<(Response, Option<Dated>), Refusal> {
        let sent = self.clock.now_micros();
        let response = tokio::select! {
            biased;
            response = self.http.0.execute(request) => response.map_err(|error| failed(&error))?,
            () = self.pace.time_limit(self.timeouts.headers) => {
                return Err(too_slow("no answer", self.timeouts.headers));
            }
        };
        let now_micros = self.clock.now_micros();
        let dated = date(response.headers()).map(|date_micros| Dated {
            date_micros,
            now_micros,
            took_micros: now_micros - sent,
        });
        Ok((response, dated))
    }

    /// Believes the `Date` of an answer that is the server's own. Not that of a page of something on the way to it: what
    /// is lost is told by this clock.
    pub(crate) fn believe(&self, dated: Option<Dated>) {
        if let Some(dated) = dated {
            (self.server).observe(dated.date_micros, dated.now_micros, dated.took_micros);
        }
    }

    /// The next bytes of a body; never an empty chunk.
    pub(crate) async fn chunk(&self, response: &mut Response) -> Result<Option<Bytes>, Refusal> {
        loop {
            let chunk = tokio::select! {
                biased;
                chunk = response.chunk() => chunk.map_err(|error| failed(&error))?,
                () = self.pace.time_limit(self.timeouts.stall) => {
                    return Err(too_slow("the answer stopped", self.timeouts.stall));
                }
            };
            if chunk.as_ref().is_none_or(|bytes| !bytes.is_empty()) {
                return Ok(chunk);
            }
        }
    }

    /// All of a body that is not larger than `bytes_max`, after what was read of it.
    pub(crate) async fn whole(
        &self,
        response: &mut Response,
        head: Bytes,
        bytes_max: usize,
    ) -> Result<Bytes, Refusal> {
        let mut whole = BytesMut::from(head);
        let mut limit = self.pace.time_limit(WHOLE_MAX);
        loop {
            let chunk = tokio::select! {
                biased;
                chunk = self.chunk(response) => chunk?,
                () = &mut limit => return Err(too_slow("not all of the answer", WHOLE_MAX)),
            };
            let Some(chunk) = chunk else {
                return Ok(whole.freeze());
            };
            if whole.len() + chunk.len() > bytes_max {
                return Err(transient(format!(
                    "the answer is larger than {bytes_max} bytes"
                )));
            }
            whole.extend_from_slice(&chunk);
        }
    }

    /// The beginning of a body, as text: what an error says. A body that breaks off says what has come.
    pub(crate) async fn beginning(&self, response: &mut Response, head: Bytes) -> String {
        let mut beginning = BytesMut::from(head);
        let mut limit = self.pace.time_limit(self.timeouts.stall);
        while beginning.len() < ERROR_BYTES_MAX {
            let chunk = tokio::select! {
                biased;
                chunk = self.chunk(response) => chunk,
                () = &mut limit => break,
            };
            match chunk {
                Ok(Some(chunk)) => beginning.extend_from_slice(&chunk),
                Ok(None) | Err(_) => break,
            }
        }
        beginning.truncate(ERROR_BYTES_MAX);
        String::from_utf8_lossy(&beginning).into_owned()
    }

    /// How long the server asks to wait, in seconds or until a date; an hour at the most.
    pub(crate) fn retry_after(&self, headers: &HeaderMap) -> Option<Duration> {
        self.stated_wait(headers)
            .map(|wait| wait.min(RETRY_AFTER_MAX))
    }

    fn stated_wait(&self, headers: &HeaderMap) -> Option<Duration> {
        let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
        if let Ok(seconds) = text.parse() {
            return Some(Duration::from_secs(seconds));
        }
        let until = DateTime::parse_from_rfc2822(text).ok()?.timestamp_micros();
        let now = self.server.now_micros(self.clock.now_micros());
        u64::try_from(until.saturating_sub(now))
            .ok()
            .map(Duration::from_micros)
    }
}

/// The link to the next page. Its name differs, also in case (T16); a relative one is as good.
pub(crate) fn next_page(headers: &HeaderMap, asked: &Url) -> Option<Url> {
    ["nextpageuri", "nextpageurl"]
        .into_iter()
        .filter_map(|name| headers.get(name)?.to_str().ok())
        .map(str::trim)
        .filter(|link| !link.is_empty())
        .find_map(|link| asked.join(link).ok())
}

fn date(headers: &HeaderMap) -> Option<i64> {
    let text = headers.get(DATE)?.to_str().ok()?;
    Some(DateTime::parse_from_rfc2822(text).ok()?.timestamp_micros())
}

fn transient(message: impl Into<String>) -> Refusal {
    Refusal::new(ApiErrorKind::Transient, message)
}

pub(super) fn too_slow(what: &str, limit: Duration) -> Refusal {
    transient(format!("{what} within {} s", limit.as_secs()))
}

/// The whole chain: "error sending request" alone does not tell a refused connection from a bad certificate.
fn failed(error: &reqwest::Error) -> Refusal {
    let mut message = if error.is_connect() {
        "no connection".to_owned()
    } else if error.is_body() || error.is_decode() {
        "the answer broke off".to_owned()
    } else {
        "the request failed".to_owned()
    };
    let mut source = error.source();
    while let Some(cause) = source {
        message.push_str(": ");
        message.push_str(&cause.to_string());
        source = cause.source();
    }
    transient(excerpt(&message))
}
