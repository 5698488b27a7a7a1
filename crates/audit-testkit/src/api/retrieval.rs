//! Content blobs, and the resources that have friendly names.

use axum::http::header;
use serde_json::json;

use super::access::Claims;
use super::blob::BlobBody;
use super::call::Call;
use super::listing::stale;
use super::reply::{JSON, Reply, page_of};
use super::server::Shared;

/// Some of the sensitive information types that `dlpSensitiveTypes` names.
const SENSITIVE_TYPES: [(&str, &str); 3] = [
    ("50842eb7-edc8-4019-85dd-5a5c1f2bb085", "CreditCardNumber"),
    (
        "a44669fe-0d48-453d-a9b1-2cc83f2cba77",
        "U.S. Social Security Number (SSN)",
    ),
    (
        "e7dc4711-11b7-4cb0-b88b-2c394a771f0e",
        "International Banking Account Number (IBAN)",
    ),
];

impl Shared {
    pub(crate) fn get_blob(&self, call: &Call, claims: &Claims) -> Result<Reply, Reply> {
        let content_id = call.content_id.as_deref().unwrap_or_default();
        if !is_content_id(content_id) {
            let message = format!("Content ID {content_id} in the URL is invalid.");
            return Err(Reply::error(400, "AF20052", &message));
        }
        let now = self.clock.now_micros();
        let body = self.read_tenant(&claims.tid, |tenant| {
            let blob = tenant
                .blob(content_id)
                .filter(|blob| blob.created_micros.max(blob.listed_from_micros) <= now)
                .ok_or_else(|| content_unknown(content_id))?;
            if now >= blob.expires_micros {
                return Err(content_expired(content_id));
            }
            Ok(blob.body.clone())
        })?;
        let mut reply = Reply::new(200, JSON, "");
        reply.body = body;
        match call.parameter("nextPage") {
            None => Ok(reply),
            Some(token) => {
                let (page, records) = page_of_token(token).ok_or_else(|| stale(token))?;
                self.paged(call, reply, page, records)
                    .ok_or_else(|| stale(token))
            }
        }
    }

    /// A page of a blob, with the URL of the next; `None` where there is no such page.
    pub(crate) fn paged(
        &self,
        call: &Call,
        mut reply: Reply,
        page: usize,
        records: usize,
    ) -> Option<Reply> {
        let BlobBody::Bytes(body) = &reply.body else {
            return Some(reply);
        };
        let (part, has_more) = page_of(body, page, records)?;
        reply.body = BlobBody::Bytes(part);
        if !has_more {
            return Some(reply);
        }
        let uri = format!(
            "{}/api/v1.0/{}/activity/feed/audit/{}?nextPage={}P{records}",
            self.management_root(),
            call.tenant,
            call.content_id.as_deref().unwrap_or_default(),
            page + 1,
        );
        Some(reply.with_header("nextpageuri", uri))
    }
}

fn page_of_token(token: &str) -> Option<(usize, usize)> {
    let (page, records) = token.split_once('P')?;
    Some((page.parse().ok()?, records.parse().ok()?))
}

pub(crate) fn content_unknown(content_id: &str) -> Reply {
    let message = format!("The specified content ({content_id}) does not exist.");
    Reply::error(404, "AF20050", &message)
}

pub(crate) fn content_expired(content_id: &str) -> Reply {
    let message = format!(
        "Content requested with the key {content_id} has already expired. Content older than 7 days cannot be retrieved."
    );
    Reply::error(400, "AF20051", &message)
}

/// As it must arrive: in parts with `$` between, which is not encoded.
fn is_content_id(text: &str) -> bool {
    text.split('$').count() >= 3
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"$_-.".contains(&byte))
}

pub(crate) fn list_sensitive_types(call: &Call) -> Result<Reply, Reply> {
    if let Some(languages) = call.header(header::ACCEPT_LANGUAGE) {
        if languages.contains(',') {
            let message = "Only one language may be present in the Accept-Language header.";
            return Err(Reply::error(400, "AF20053", message));
        }
        let tag = languages.split(';').next().unwrap_or_default().trim();
        let is_tag = tag == "*"
            || tag.split('-').all(|part| {
                (1..=8).contains(&part.len())
                    && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
            });
        if !is_tag {
            let message = "Invalid syntax in Accept-Language header.";
            return Err(Reply::error(400, "AF20054", message));
        }
    }
    let types = SENSITIVE_TYPES.map(|(id, name)| json!({"id": id, "name": name}));
    Ok(Reply::json(&json!(types)))
}
