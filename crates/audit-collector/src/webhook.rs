//! Notifications of new content, for hosts that have a server: what to answer, and what to list soon.
//!
//! Microsoft posts to an address of the host when content appears. Nothing depends on it: a notification may be late,
//! forged or missing, so it only says where listing is worth it now, and no URL in it is ever asked.

use std::collections::BTreeSet;
use std::fmt;

use audit_lake::TenantId;
use audit_schema::ContentType;
use serde::Deserialize;
use serde_json::Value;

use crate::integration::IntegrationError;
use crate::same::is_same;

/// A body with more bytes is refused.
const BODY_MAX: usize = 1 << 20;
/// Hints of one notification; there are five a tenant.
const HINTS_MAX: usize = 1_000;

/// Answers what is posted to the address that was given to Microsoft as a subscription's webhook.
///
/// # Example
///
/// ```
/// use audit_collector::WebhookReceiver;
///
/// let receiver = WebhookReceiver::new("a long random text")?;
/// let headers = [("Webhook-AuthID", "a long random text"), ("Webhook-ValidationCode", "7")];
/// let answer = receiver.answer(headers, br#"{"validationCode":"7"}"#);
/// assert_eq!(answer.status, 200);
/// assert!(answer.hints.is_empty());
/// # Ok::<(), audit_collector::IntegrationError>(())
/// ```
#[derive(Clone)]
pub struct WebhookReceiver {
    auth_id: String,
}

/// What to answer, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WebhookAnswer {
    /// The HTTP status, without a body.
    pub status: u16,
    /// What to list soon, each once.
    pub hints: BTreeSet<ContentHint>,
}

/// There is said to be new content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentHint {
    /// Whose. It may be a tenant that the lake has no integration of.
    pub tenant: TenantId,
    /// Of which content type.
    pub content_type: ContentType,
}

impl WebhookReceiver {
    /// Answers whoever knows `auth_id`: a long random text, given to Microsoft as the webhook's `authId`.
    ///
    /// # Errors
    ///
    /// [`IntegrationError::InvalidInput`] for an empty one, which everybody knows.
    pub fn new(auth_id: impl Into<String>) -> Result<Self, IntegrationError> {
        let auth_id = auth_id.into();
        if auth_id.trim().is_empty() {
            return Err(IntegrationError::invalid(
                "a webhook without an authId takes notifications from everybody: give one that nobody can guess",
            ));
        }
        Ok(Self { auth_id })
    }

    /// The answer to a `POST`. Statuses: 200, 400 (cannot be understood), 403 (not from who knows the `authId`), 413.
    ///
    /// Header names are taken in any case. Entries of a notification that are not understood are passed over, since
    /// anything but 200 makes Microsoft send it again, and in the end nothing any more.
    pub fn answer<'a>(
        &self,
        headers: impl IntoIterator<Item = (&'a str, &'a str)>,
        body: &[u8],
    ) -> WebhookAnswer {
        let mut auth_ids = Vec::new();
        let mut codes = Vec::new();
        for (name, value) in headers {
            if name.eq_ignore_ascii_case("Webhook-AuthID") {
                auth_ids.push(value);
            } else if name.eq_ignore_ascii_case("Webhook-ValidationCode") {
                codes.push(value);
            }
        }
        let [auth_id] = auth_ids.as_slice() else {
            return WebhookAnswer::refused(403);
        };
        if !is_same(auth_id.as_bytes(), self.auth_id.as_bytes()) {
            return WebhookAnswer::refused(403);
        }
        if body.len() > BODY_MAX {
            return WebhookAnswer::refused(413);
        }
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        match codes.as_slice() {
            [] => notification(body),
            [code] => validation(code, body),
            _ => WebhookAnswer::refused(400),
        }
    }
}

impl fmt::Debug for WebhookReceiver {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("WebhookReceiver(..)")
    }
}

impl WebhookAnswer {
    fn taken(hints: BTreeSet<ContentHint>) -> Self {
        Self { status: 200, hints }
    }

    fn refused(status: u16) -> Self {
        Self {
            status,
            hints: BTreeSet::new(),
        }
    }
}

fn validation(code: &str, body: &[u8]) -> WebhookAnswer {
    #[derive(Deserialize)]
    struct Validation {
        #[serde(rename = "validationCode")]
        code: String,
    }
    match serde_json::from_slice::<Validation>(body) {
        Ok(body) if !code.is_empty() && is_same(body.code.as_bytes(), code.as_bytes()) => {
            WebhookAnswer::taken(BTreeSet::new())
        }
        _ => WebhookAnswer::refused(400),
    }
}

fn notification(body: &[u8]) -> WebhookAnswer {
    let entries = match serde_json::from_slice(body) {
        Ok(Value::Array(entries)) => entries,
        Ok(entry @ Value::Object(_)) => vec![entry],
        _ => return WebhookAnswer::refused(400),
    };
    let mut hints = BTreeSet::new();
    for hint in entries.iter().filter_map(hint) {
        if hints.len() == HINTS_MAX {
            break;
        }
        hints.insert(hint);
    }
    WebhookAnswer::taken(hints)
}

fn hint(entry: &Value) -> Option<ContentHint> {
    let tenant: TenantId = entry.get("tenantId")?.as_str()?.parse().ok()?;
    let content_type = ContentType::parse(entry.get("contentType")?.as_str()?)?;
    (tenant != TenantId::UNKNOWN).then_some(ContentHint {
        tenant,
        content_type,
    })
}

#[cfg(test)]
mod tests;
