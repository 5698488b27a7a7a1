//! A call as a request, and its answer by the first bytes.

use audit_schema::ContentType;
use bytes::Bytes;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Request, Response};
use url::Url;

use super::http::{ERROR_BYTES_MAX, Sender};
use crate::credential::Secret;
use crate::error::{ApiErrorKind, Operation, Refusal, is_error_object};
use crate::token::{Token, claims};

/// The documented value, odd as it is.
const JSON: HeaderValue = HeaderValue::from_static("application/json; utf-8");

const READ: &str = "ActivityFeed.Read";
const READ_DLP: &str = "ActivityFeed.ReadDlp";

/// A call, before it is made.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) operation: Operation,
    pub(super) url: Url,
    pub(super) content_type: Option<ContentType>,
    pub(super) content_id: Option<String>,
    pub(super) body: Option<Secret>,
}

/// An answer of success that is what was asked for, by its beginning.
pub(super) struct Answer {
    pub(super) head: Bytes,
    pub(super) next_page: Option<Url>,
    pub(super) response: Response,
}

impl Call {
    pub(super) fn new(operation: Operation, url: Url) -> Self {
        Self {
            operation,
            url,
            content_type: None,
            content_id: None,
            body: None,
        }
    }

    pub(super) fn request(&self, url: Url, token: &Token) -> Result<Request, Refusal> {
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", token.secret.expose()))
            .map_err(|_| {
                Refusal::new(
                    ApiErrorKind::TokenRejected,
                    "the token holds characters that no header can",
                )
            })?;
        bearer.set_sensitive(true);
        let is_start = self.operation == Operation::Start;
        let method = if is_start { Method::POST } else { Method::GET };
        let mut request = Request::new(method, url);
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, bearer);
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if is_start {
            headers.insert(CONTENT_TYPE, JSON);
            match &self.body {
                Some(body) => *request.body_mut() = Some(body.expose().to_owned().into()),
                // Without it the server answers 411.
                None => {
                    headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
                }
            }
        }
        Ok(request)
    }
}

/// A second 401 without a word: a token that says it lacks the permission tells why (T21, T23).
pub(super) fn by_permission(call: &Call, token: &Token, refusal: Refusal) -> Refusal {
    let claims = claims(token.secret.expose());
    let needed: &[&str] = match call.content_type {
        Some(ContentType::DlpAll) => &[READ, READ_DLP],
        _ => &[READ],
    };
    let lacks = needed
        .iter()
        .find(|permission| claims.allows(permission) == Some(false));
    match lacks {
        Some(permission) if refusal.kind == ApiErrorKind::TokenRejected => Refusal {
            kind: ApiErrorKind::PermissionMissing,
            message: format!("the token lacks {permission}"),
            ..refusal
        },
        _ => refusal,
    }
}

/// The body up to its first byte that is neither white space nor a mark of the byte order, and what came with it.
pub(super) async fn first_bytes(
    sender: &Sender,
    response: &mut Response,
) -> Result<Bytes, Refusal> {
    let mut head = Bytes::new();
    while significant(&head).is_none() && head.len() < ERROR_BYTES_MAX {
        match sender.chunk(response).await? {
            None => break,
            Some(chunk) if head.is_empty() => head = chunk,
            Some(chunk) => head = [head, chunk].concat().into(),
        }
    }
    Ok(head)
}

/// The first byte that counts.
pub(super) fn significant(head: &[u8]) -> Option<u8> {
    const BOM: &[u8] = b"\xef\xbb\xbf";
    let text = match head.strip_prefix(BOM) {
        Some(text) => text,
        // The mark may not be complete yet.
        None if BOM.starts_with(head) => return None,
        None => head,
    };
    text.iter()
        .copied()
        .find(|byte| !byte.is_ascii_whitespace())
}

/// Whether an answer to `start` tells an error: it is an object as the good one is.
pub(super) fn is_error(head: &[u8]) -> bool {
    let text = String::from_utf8_lossy(head);
    let text = text.trim_start_matches('\u{feff}').trim();
    !text.is_empty() && (!text.starts_with('{') || is_error_object(text))
}
