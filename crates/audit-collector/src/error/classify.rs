//! From an answer to a kind of error: by Microsoft's code in the text first, then by the status, and as JSON last.
//!
//! Throttling comes with status 403, 429 or 200 and single quotes; a stack trace is cut into `code` and `message` at any
//! place; a proxy answers with a page of HTML. So no answer is trusted to be JSON, and no status to mean what it says.

use std::time::Duration;

use serde::Deserialize;

use super::{ApiErrorKind, Operation};
use crate::text::{code_after, excerpt};

/// What an answer means; [`super::ApiError`] adds whose call it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) kind: ApiErrorKind,
    pub(crate) code: Option<String>,
    pub(crate) message: String,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) status: Option<u16>,
}

impl Refusal {
    pub(crate) fn new(kind: ApiErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            code: None,
            message: message.into(),
            retry_after: None,
            status: None,
        }
    }

    pub(crate) fn with_status(self, status: u16) -> Self {
        Self {
            status: Some(status),
            ..self
        }
    }
}

/// `start` on a subscription that is enabled: success, under the name of an error (T1).
pub(crate) const ALREADY_ENABLED: &str = "AF20024";

/// How long after a start the next one may be, where the answer does not say.
const START_INTERVAL: Duration = Duration::from_secs(15 * 60);

/// What an answer with an error means. `status` may be that of success: the text decides.
pub(crate) fn classify(operation: Operation, status: u16, text: &str) -> Refusal {
    let text = text.trim_start_matches('\u{feff}').trim();
    let said = Said::read(text);
    let code = code_after(text, "AF", 3..=5);
    let (kind, retry_after) = kind(operation, status, text, code.as_deref());
    Refusal {
        kind,
        code,
        message: excerpt(&said.unwrap_or_else(|| without_trace(text))),
        retry_after,
        status: None,
    }
}

/// What an answer of success means that is not what was asked for.
pub(crate) fn classify_success(operation: Operation, text: &str) -> Refusal {
    let text = text.trim_start_matches('\u{feff}').trim();
    let first = text.bytes().next();
    let not_asked_for = match operation {
        Operation::Blob => ApiErrorKind::NotBlob,
        _ => ApiErrorKind::Transient,
    };
    match first {
        None => Refusal::new(not_asked_for, "the answer is empty"),
        Some(b'{') if is_error_object(text) => classify(operation, 200, text),
        Some(b'{') => Refusal::new(not_asked_for, "the answer is an object, not an array"),
        Some(b'<') => Refusal::new(
            ApiErrorKind::Transient,
            format!("the answer is a page, not JSON: {}", excerpt(text)),
        ),
        Some(_) if serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok() => Refusal::new(
            not_asked_for,
            format!("the answer is no array: {}", excerpt(text)),
        ),
        Some(_) => classify(operation, 200, text),
    }
}

/// Whether an object of an answer of success tells an error, in JSON or with single quotes.
pub(crate) fn is_error_object(text: &str) -> bool {
    match serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text) {
        Ok(object) => object.contains_key("error"),
        // Single quotes, or cut off: then its beginning counts.
        Err(_) => {
            let beginning: String = text.chars().skip(1).take(32).collect();
            let beginning = beginning.trim_start();
            beginning.starts_with("'error'") || beginning.starts_with("\"error\"")
        }
    }
}

fn kind(
    operation: Operation,
    status: u16,
    text: &str,
    code: Option<&str>,
) -> (ApiErrorKind, Option<Duration>) {
    let lower = text.to_ascii_lowercase();
    let start_too_soon = || {
        let wait = (lower.split_once(" after ")).and_then(|(_, wait)| stated_wait(wait));
        (
            ApiErrorKind::StartTooSoon,
            Some(wait.unwrap_or(START_INTERVAL)),
        )
    };
    if lower.contains("too many frequent subscription start") {
        return start_too_soon();
    }
    if let Some(kind) = code.and_then(kind_of_code) {
        return (kind, None);
    }
    if operation == Operation::Start && status == 429 {
        return start_too_soon();
    }
    if lower.contains("too many request") {
        return (ApiErrorKind::Throttled, None);
    }
    // The text is cut in two, and a character is lost: either half may be the one that is still whole (T4).
    let no_such_tenant = lower.contains("dataserviceexception") && status < 500
        || lower.contains("does not exist") && status == 400 && code.is_none();
    if no_such_tenant {
        return (ApiErrorKind::AuditingOff, None);
    }
    (kind_of_status(operation, status, text), None)
}

fn kind_of_code(code: &str) -> Option<ApiErrorKind> {
    Some(match code {
        "AF429" => ApiErrorKind::Throttled,
        "AF10001" => ApiErrorKind::PermissionMissing,
        "AF20001" | "AF20002" | "AF20003" | "AF20010" | "AF20011" | "AF20012" | "AF20013"
        | "AF20020" | "AF20053" | "AF20054" => ApiErrorKind::Configuration,
        "AF20021" => ApiErrorKind::WebhookInvalid,
        "AF20022" => ApiErrorKind::NoSubscription,
        "AF20023" => ApiErrorKind::SubscriptionDisabled,
        "AF20030" | "AF20055" => ApiErrorKind::WindowInvalid,
        "AF20031" => ApiErrorKind::PageTokenStale,
        "AF20050" => ApiErrorKind::BlobGone,
        "AF20051" => ApiErrorKind::BlobExpired,
        "AF20052" => ApiErrorKind::BlobInvalid,
        _ if code.starts_with("AF500") => ApiErrorKind::Transient,
        _ => return None,
    })
}

fn kind_of_status(operation: Operation, status: u16, text: &str) -> ApiErrorKind {
    match status {
        429 => ApiErrorKind::Throttled,
        401 => ApiErrorKind::TokenRejected,
        // A page comes from something before the API: a proxy, a firewall.
        403 if !text.starts_with('<') => ApiErrorKind::PermissionMissing,
        404 if operation == Operation::Blob => ApiErrorKind::BlobGone,
        // What nobody has seen yet loses nothing when it is tried again, and is reported.
        _ => ApiErrorKind::Transient,
    }
}

/// `14m 56s`, with whatever follows.
fn stated_wait(text: &str) -> Option<Duration> {
    let mut seconds = 0_u64;
    let mut found = false;
    for part in text.split_whitespace() {
        let part = part.trim_end_matches(['.', ',', '"', '\'', '}']);
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = part.split_at(digits);
        let factor = match unit {
            "h" => 3600,
            "m" => 60,
            "s" => 1,
            _ => break,
        };
        let Ok(number) = number.parse::<u64>() else {
            break;
        };
        seconds = seconds.saturating_add(number.saturating_mul(factor));
        found = true;
    }
    // A day is more than any start has to wait: something else was read.
    (found && seconds <= 86_400).then(|| Duration::from_secs(seconds))
}

struct Said;

#[derive(Deserialize)]
struct ErrorObject {
    error: ErrorParts,
}

#[derive(Deserialize)]
struct ErrorParts {
    code: Option<String>,
    message: Option<String>,
}

impl Said {
    /// What the error object says, without a code that is named apart and without a stack trace.
    fn read(text: &str) -> Option<String> {
        let ErrorObject { error } = serde_json::from_str(text).ok()?;
        let code = error.code.unwrap_or_default();
        let message = error.message.unwrap_or_default();
        let whole = if code_after(&code, "AF", 3..=5).is_some_and(|found| found == code) {
            message
        } else {
            format!("{code}{message}")
        };
        Some(without_trace(&whole))
    }
}

/// The leaked exception by what it says: neither the parameters of the call before it nor the stack after it.
fn without_trace(text: &str) -> String {
    let told = text
        .split_once("Exception: ")
        .map_or(text, |(_, told)| told);
    let end = [
        "\r\n   at ",
        "\n   at ",
        "\\r\\n   at ",
        "\\n   at ",
        " at Microsoft.",
    ]
    .iter()
    .filter_map(|trace| told.find(trace))
    .min();
    told.get(..end.unwrap_or(told.len()))
        .unwrap_or(told)
        .to_owned()
}

#[cfg(test)]
mod tests;
