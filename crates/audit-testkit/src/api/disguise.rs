//! Faults at work: what is said in place of an answer, and what becomes of a good one.

use bytes::{BufMut, Bytes, BytesMut};
use serde_json::{Value, json};

use super::access::permission_missing;
use super::blob::BlobBody;
use super::call::Call;
use super::fault::ApiFaultKind;
use super::listing::stale;
use super::reply::{Delivery, HTML, Reply};
use super::retrieval::{content_expired, content_unknown};
use super::server::Shared;

/// What is said in place of an answer.
pub(crate) fn instead(kind: &ApiFaultKind, call: &Call) -> Reply {
    match kind {
        ApiFaultKind::PermissionMissing => permission_missing(&[]),
        ApiFaultKind::Throttled {
            status,
            retry_after_seconds,
        } => {
            let reply = throttled(*status, call);
            match retry_after_seconds {
                Some(seconds) => reply.with_header("retry-after", seconds.to_string()),
                None => reply,
            }
        }
        ApiFaultKind::ThrottledInOk => throttled(200, call),
        ApiFaultKind::InternalError => Reply::single_quoted_error(
            500,
            "AF50000",
            "An internal error occurred. Retry the request.",
        ),
        ApiFaultKind::InternalErrorForAnHour => Reply::error(
            500,
            "AF50000",
            "Please retry the request again in an hour. We have been notified and would be resolved soon.",
        ),
        ApiFaultKind::Timeout => Reply::empty(408),
        ApiFaultKind::UnavailableHtml => Reply::html(503, "Service Unavailable"),
        ApiFaultKind::LoginPage => Reply::html(200, "Sign in to your account"),
        ApiFaultKind::Reset => delivered(Reply::empty(200), Delivery::Reset),
        ApiFaultKind::StallBeforeHeaders => {
            delivered(Reply::empty(200), Delivery::StallBeforeHeaders)
        }
        ApiFaultKind::StalePageToken => stale(call.parameter("nextPage").unwrap_or_default()),
        _ => Reply::unauthorized(),
    }
}

/// The quota is used up.
pub(crate) fn throttled(status: u16, call: &Call) -> Reply {
    let message = format!(
        "Too many requests. Method={}, PublisherId={}",
        call.operation.method_name(),
        call.publisher()
    );
    Reply::single_quoted_error(status, "AF429", &message)
}

fn delivered(mut reply: Reply, delivery: Delivery) -> Reply {
    reply.delivery = delivery;
    reply
}

impl Shared {
    /// What becomes of an answer of status 200.
    pub(crate) fn disguise(&self, kind: &ApiFaultKind, call: &Call, mut reply: Reply) -> Reply {
        let content_id = call.content_id.as_deref().unwrap_or_default();
        let with = |mut reply: Reply, body: &'static str| {
            reply.body = BlobBody::Bytes(Bytes::from_static(body.as_bytes()));
            reply
        };
        match kind {
            ApiFaultKind::ResetAfter => delivered(reply, Delivery::Reset),
            ApiFaultKind::StallInBody => delivered(reply, Delivery::StallInBody),
            ApiFaultKind::SlowBody { piece_bytes, pause } => {
                let (piece_bytes, pause) = (*piece_bytes, *pause);
                delivered(reply, Delivery::Slow { piece_bytes, pause })
            }
            ApiFaultKind::Truncated(truncation) => {
                delivered(reply, Delivery::Truncated(*truncation))
            }
            ApiFaultKind::NotFound => Reply::empty(404),
            ApiFaultKind::ContentUnknown => content_unknown(content_id),
            ApiFaultKind::ContentExpired => content_expired(content_id),
            ApiFaultKind::EmptyArray => with(reply, "[]"),
            ApiFaultKind::EmptyBody => with(reply, ""),
            ApiFaultKind::NullBody => with(reply, "null"),
            ApiFaultKind::ObjectBody => with(reply, r#"{"value":[]}"#),
            ApiFaultKind::ErrorInOk => with(
                reply,
                r#"{"error":{"code":"AF50000","message":"An internal error occurred. Retry the request."}}"#,
            ),
            ApiFaultKind::ByteOrderMark => {
                if let BlobBody::Bytes(body) = &reply.body {
                    let mut marked = BytesMut::with_capacity(body.len() + 3);
                    marked.put_slice("\u{feff}".as_bytes());
                    marked.put_slice(body);
                    reply.body = BlobBody::Bytes(marked.freeze());
                }
                reply
            }
            ApiFaultKind::HtmlBody => {
                let page = Reply::html(200, "The page cannot be displayed");
                reply.body = page.body;
                reply
            }
            ApiFaultKind::ContentType(content_type) => {
                reply.content_type.clone_from(content_type);
                reply
            }
            ApiFaultKind::PagedBlob { records } if call.parameter("nextPage").is_none() => {
                let whole = reply.clone();
                self.paged(call, reply, 0, *records).unwrap_or(whole)
            }
            ApiFaultKind::BlobInCircle => {
                let root = self.management_root();
                let uri = format!(
                    "{root}/api/v1.0/{}/activity/feed/audit/{content_id}",
                    call.tenant
                );
                reply.with_header("nextpageuri", uri)
            }
            ApiFaultKind::ForeignNextPage { root } => {
                let query = "activity/feed/subscriptions/content?nextPage=2015101900R022885001761";
                let uri = format!("{root}/api/v1/{}/{query}", call.tenant);
                reply.headers.retain(|(name, _)| *name != "nextpageuri");
                reply.with_header("nextpageuri", uri)
            }
            ApiFaultKind::NextPageUrl => {
                for (name, _) in &mut reply.headers {
                    if *name == "nextpageuri" {
                        *name = "nextpageurl";
                    }
                }
                reply
            }
            ApiFaultKind::Unordered => entries_changed(reply, |entries| entries.reverse()),
            ApiFaultKind::ListedTwice => entries_changed(reply, |entries| {
                if let Some(first) = entries.first().cloned() {
                    entries.push(first);
                }
            }),
            ApiFaultKind::ForeignContentUri { root } => entries_changed(reply, |entries| {
                for entry in entries {
                    if let Some(uri) = entry["contentUri"].as_str() {
                        entry["contentUri"] = json!(uri.replacen(self.management_root(), root, 1));
                    }
                }
            }),
            ApiFaultKind::StatusMissing => entries_changed(reply, |entries| {
                for entry in entries.iter_mut().filter_map(Value::as_object_mut) {
                    entry.remove("status");
                    entry.remove("webhook");
                }
            }),
            ApiFaultKind::NothingListed => with(reply, "[]"),
            _ => reply,
        }
    }
}

fn entries_changed(mut reply: Reply, change: impl FnOnce(&mut Vec<Value>)) -> Reply {
    if let BlobBody::Bytes(body) = &reply.body
        && let Ok(mut entries) = serde_json::from_slice::<Vec<Value>>(body)
    {
        change(&mut entries);
        reply.body = BlobBody::Bytes(Value::Array(entries).to_string().into());
    }
    reply
}

/// What the web server says to a request that is none of the API's.
pub(crate) fn no_call(why: super::call::NoCall) -> Reply {
    use super::call::NoCall;
    let mut reply = match why {
        NoCall::NotFound => Reply::html(404, "404 - File or directory not found."),
        NoCall::WrongMethod => Reply::html(
            405,
            "405 - HTTP verb used to access this page is not allowed.",
        ),
        NoCall::LengthRequired => Reply::html(411, "Length Required"),
    };
    reply.content_type = Some(HTML.to_owned());
    reply
}
