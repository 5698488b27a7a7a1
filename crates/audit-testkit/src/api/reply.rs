//! An answer, before it becomes bytes on a connection.

use std::io;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use bytes::Bytes;
use futures::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::blob::BlobBody;
use super::clock::http_date;
use super::fault::Truncation;
use super::wire::Wire;

pub(crate) const JSON: &str = "application/json; charset=utf-8";
pub(crate) const HTML: &str = "text/html; charset=utf-8";

#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) content_type: Option<String>,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: BlobBody,
    pub(crate) delivery: Delivery,
}

/// How an answer goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    Whole,
    /// The connection is reset and nothing was answered.
    Reset,
    /// Nothing comes, and the connection stays open.
    StallBeforeHeaders,
    /// Half of the body comes, then nothing.
    StallInBody,
    Slow {
        piece_bytes: usize,
        pause: Duration,
    },
    Truncated(Truncation),
}

impl Reply {
    pub(crate) fn new(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            content_type: Some(content_type.to_owned()),
            headers: Vec::new(),
            body: BlobBody::Bytes(body.into()),
            delivery: Delivery::Whole,
        }
    }

    pub(crate) fn json(value: &Value) -> Self {
        Self::new(200, JSON, value.to_string())
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self {
            content_type: None,
            ..Self::new(status, JSON, Bytes::new())
        }
    }

    pub(crate) fn html(status: u16, title: &str) -> Self {
        let page = format!(
            "<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 4.01//EN\" \"http://www.w3.org/TR/html4/strict.dtd\">\r\n\
             <HTML><HEAD><TITLE>{title}</TITLE></HEAD>\r\n<BODY><h2>{title}</h2></BODY></HTML>\r\n"
        );
        Self::new(status, HTML, page)
    }

    pub(crate) fn error(status: u16, code: &str, message: &str) -> Self {
        let mut reply = Self::json(&json!({"error": {"code": code, "message": message}}));
        reply.status = status;
        reply
    }

    /// The error as throttling and some internal errors have it: quoted so that it is no JSON.
    pub(crate) fn single_quoted_error(status: u16, code: &str, message: &str) -> Self {
        let body = format!("{{'error':{{'code':'{code}','message':'{message}'}}}}");
        Self::new(status, JSON, body)
    }

    /// A token that was not accepted.
    pub(crate) fn unauthorized() -> Self {
        Self::empty(401).with_header("www-authenticate", "Bearer")
    }

    pub(crate) fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The response; `closed` ends what would otherwise wait for ever.
    pub(crate) async fn into_response(
        self,
        now_micros: i64,
        wire: &Wire,
        closed: &watch::Receiver<bool>,
    ) -> Response<Body> {
        match self.delivery {
            Delivery::Reset => wire.reset(),
            Delivery::StallBeforeHeaders => {
                wait_for_ever(closed.clone()).await;
                wire.reset();
            }
            _ => {}
        }
        let (body, length) = self.body_for(closed);
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or_default();
        let headers = response.headers_mut();
        let mut set = |name: HeaderName, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.append(name, value);
            }
        };
        set(header::CACHE_CONTROL, "no-cache");
        set(header::PRAGMA, "no-cache");
        set(header::EXPIRES, "-1");
        set(header::SERVER, "Microsoft-IIS/10.0");
        set(HeaderName::from_static("x-aspnet-version"), "4.0.30319");
        set(HeaderName::from_static("x-powered-by"), "ASP.NET");
        set(header::DATE, &http_date(now_micros));
        if let Some(content_type) = &self.content_type {
            set(header::CONTENT_TYPE, content_type);
        }
        if let Some(length) = length {
            set(header::CONTENT_LENGTH, &length.to_string());
        }
        for (name, value) in &self.headers {
            set(HeaderName::from_static(name), value);
        }
        response
    }

    /// The body, and the `Content-Length` to send where the body doesn't know it.
    fn body_for(&self, closed: &watch::Receiver<bool>) -> (Body, Option<u64>) {
        let size = self.body.size();
        let half = half_of(&self.body);
        match self.delivery {
            Delivery::Whole | Delivery::Reset | Delivery::StallBeforeHeaders => match &self.body {
                BlobBody::Bytes(bytes) => (Body::from(bytes.clone()), None),
                generated @ BlobBody::Generated(_) => {
                    let pieces = generated.pieces().map(Ok::<_, io::Error>);
                    (Body::from_stream(stream::iter(pieces)), Some(size))
                }
            },
            Delivery::StallInBody => {
                let wait = wait_for_ever(closed.clone());
                let rest = stream::once(async move {
                    wait.await;
                    Err(io::Error::from(io::ErrorKind::ConnectionAborted))
                });
                let body = stream::once(std::future::ready(Ok(half))).chain(rest);
                (Body::from_stream(body), Some(size))
            }
            Delivery::Slow { piece_bytes, pause } => {
                let piece_bytes = piece_bytes.max(1);
                let pieces = self.body.pieces().flat_map(move |piece| {
                    (0..piece.len())
                        .step_by(piece_bytes)
                        .map(move |start| piece.slice(start..piece.len().min(start + piece_bytes)))
                        .collect::<Vec<_>>()
                });
                let pieces = stream::iter(pieces).then(move |piece| async move {
                    tokio::time::sleep(pause).await;
                    Ok::<_, io::Error>(piece)
                });
                (Body::from_stream(pieces), Some(size))
            }
            Delivery::Truncated(Truncation::Silent) => (Body::from(half), None),
            Delivery::Truncated(truncation) => {
                let cut = stream::once(async {
                    // What came before goes out while the body has nothing to give.
                    tokio::task::yield_now().await;
                    Err(io::Error::from(io::ErrorKind::ConnectionAborted))
                });
                let body = stream::once(std::future::ready(Ok(half))).chain(cut);
                let body = Body::from_stream(body);
                let declared = truncation == Truncation::ShorterThanDeclared;
                (body, declared.then_some(size))
            }
        }
    }
}

/// The first half of a body, which is never its end; of a generated one the first piece.
fn half_of(body: &BlobBody) -> Bytes {
    match body {
        BlobBody::Bytes(bytes) => bytes.slice(..bytes.len() / 2),
        BlobBody::Generated(_) => {
            let first = body.pieces().next().unwrap_or_default();
            first.slice(..first.len() / 2)
        }
    }
}

async fn wait_for_ever(mut closed: watch::Receiver<bool>) {
    let _ = closed.wait_for(|closed| *closed).await;
}

/// Splits a JSON array and gives one of its parts, and whether there are more; `None` where it is no array.
pub(crate) fn page_of(body: &Bytes, page: usize, records: usize) -> Option<(Bytes, bool)> {
    let array: Vec<Box<serde_json::value::RawValue>> = serde_json::from_slice(body).ok()?;
    let records = records.max(1);
    let start = page.checked_mul(records)?;
    if page > 0 && start >= array.len() {
        return None;
    }
    let end = array.len().min(start + records);
    let part = serde_json::to_vec(&array[start..end]).ok()?;
    Some((Bytes::from(part), end < array.len()))
}
