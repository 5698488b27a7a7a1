//! From the JSON of answers to what is used of it: what may be missing, may be missing.

use audit_schema::ContentType;
use chrono::{DateTime, NaiveDateTime};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::address::{Addresses, content_id};
use super::model::{ContentBlobRef, Subscription, SubscriptionStatus, Webhook};
use crate::error::{ApiErrorKind, Refusal};
use crate::text::excerpt;

const BOM: &[u8] = b"\xef\xbb\xbf";

/// How far from the window that it is listed in content may have become available, and how long it may be kept: Microsoft
/// says seven days, and twenty have been seen.
const PLAUSIBLE_MICROS: i64 = crate::ledger::READ_BACK_MICROS;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireBlob {
    content_id: Option<String>,
    content_uri: Option<String>,
    content_created: Option<String>,
    content_expiration: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireSubscription {
    content_type: Option<String>,
    status: Option<String>,
    webhook: Option<WireWebhook>,
}

#[derive(Deserialize)]
struct WireWebhook {
    address: Option<String>,
    status: Option<String>,
}

/// A page of a listing that began at `from_micros`.
pub(super) fn page(
    body: &[u8],
    addresses: &Addresses,
    content_type: ContentType,
    from_micros: i64,
) -> Result<Vec<ContentBlobRef>, Refusal> {
    let entries: Vec<WireBlob> = array(body)?;
    let mut blobs = Vec::with_capacity(entries.len());
    for entry in entries {
        let uri = entry
            .content_uri
            .as_deref()
            .and_then(|uri| Url::parse(uri).ok());
        let id = entry.content_id.filter(|id| !id.is_empty());
        let (content_id, content_uri) = match (id, uri) {
            (Some(id), Some(uri)) => (id, uri),
            (Some(id), None) => {
                let uri = addresses.blob(&id);
                (id, uri)
            }
            (None, Some(uri)) => (content_id(&uri).ok_or_else(|| nameless(body))?, uri),
            (None, None) => return Err(nameless(body)),
        };
        // A time that cannot be, as the year 1 of what was never set, is as if it were not said.
        let created = (entry.content_created.as_deref().and_then(time))
            .filter(|created| is_near(*created, from_micros));
        // In the window at least, so that it is not forgotten.
        let created_micros = created.unwrap_or(from_micros);
        let expires = (entry.content_expiration.as_deref().and_then(time))
            .filter(|expires| *expires > created_micros && is_near(*expires, created_micros));
        blobs.push(ContentBlobRef {
            content_type,
            content_id,
            content_uri,
            created_micros,
            expires_micros: expires,
        });
    }
    Ok(blobs)
}

fn is_near(micros: i64, window_micros: i64) -> bool {
    micros.abs_diff(window_micros) <= PLAUSIBLE_MICROS.unsigned_abs()
}

/// The subscriptions to content types that are known here.
pub(super) fn subscriptions(body: &[u8]) -> Result<Vec<Subscription>, Refusal> {
    let entries: Vec<WireSubscription> = array(body)?;
    let known = entries.into_iter().filter_map(|entry| {
        let name = entry.content_type.unwrap_or_default();
        let Some(content_type) = ContentType::parse(&name) else {
            tracing::debug!(content_type = %excerpt(&name), "a subscription to something else");
            return None;
        };
        let status = match entry.status.as_deref() {
            None | Some("") => SubscriptionStatus::Unstated,
            Some(status) if status.eq_ignore_ascii_case("enabled") => SubscriptionStatus::Enabled,
            Some(_) => SubscriptionStatus::Disabled,
        };
        let webhook = entry.webhook.and_then(|webhook| {
            Some(Webhook {
                address: webhook.address.filter(|address| !address.is_empty())?,
                status: webhook.status,
            })
        });
        Some(Subscription {
            content_type,
            status,
            webhook,
        })
    });
    Ok(known.collect())
}

fn array<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<Vec<T>, Refusal> {
    let body = body.strip_prefix(BOM).unwrap_or(body);
    serde_json::from_slice(body).map_err(|error| {
        let beginning = excerpt(&String::from_utf8_lossy(body.get(..200).unwrap_or(body)));
        Refusal::new(
            ApiErrorKind::Transient,
            excerpt(&format!(
                "the answer is not as documented: {error}: {beginning}"
            )),
        )
    })
}

/// An entry that names nothing cannot be retrieved, and must not be passed over.
fn nameless(body: &[u8]) -> Refusal {
    let entries: Vec<Value> = serde_json::from_slice(body).unwrap_or_default();
    let entry = entries
        .iter()
        .find(|entry| entry.get("contentUri").is_none() || entry.get("contentId").is_none());
    let shown = entry.map(Value::to_string).unwrap_or_default();
    Refusal::new(
        ApiErrorKind::Transient,
        excerpt(&format!(
            "an entry of the listing names no content: {shown}"
        )),
    )
}

/// RFC 3339, with or without fractions and zone (none is UTC).
pub(super) fn time(text: &str) -> Option<i64> {
    let text = text.trim();
    DateTime::parse_from_rfc3339(text)
        .map(|time| time.timestamp_micros())
        .or_else(|_| {
            NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f")
                .map(|time| time.and_utc().timestamp_micros())
        })
        .ok()
}

#[cfg(test)]
mod tests {
    use audit_lake::DAY_MICROS;

    use super::*;
    use uuid::Uuid;

    fn addresses() -> Addresses {
        let tenant = "0fad12b5-8d6a-4c43-a01f-e6d0a0d0e1c7".parse().unwrap();
        let root = Url::parse("https://manage.office.com").unwrap();
        Addresses::new(root, tenant, Uuid::nil())
    }

    /// Where the window begins.
    const FROM: i64 = 1_507_852_800_000_000;

    fn listed(body: &str) -> Result<Vec<ContentBlobRef>, Refusal> {
        page(body.as_bytes(), &addresses(), ContentType::SharePoint, FROM)
    }

    #[test]
    fn a_listing_as_documented() {
        let blobs = listed(
            r#"[{"contentUri":"https://manage.office.com/api/v1.0/t/activity/feed/audit/2017$2017$audit_sharepoint$Audit_SharePoint",
                 "contentId":"2017$2017$audit_sharepoint$Audit_SharePoint","contentType":"Audit.Sharepoint",
                 "contentCreated":"2017-10-13T18:00:51.748Z","contentExpiration":"2017-10-20T18:00:51.748Z"}]"#,
        );
        let blob = blobs.unwrap().pop().unwrap();
        assert_eq!(
            blob.content_id,
            "2017$2017$audit_sharepoint$Audit_SharePoint"
        );
        assert!(
            blob.content_uri
                .as_str()
                .ends_with("/2017$2017$audit_sharepoint$Audit_SharePoint")
        );
        assert_eq!(blob.created_micros, 1_507_917_651_748_000);
        assert_eq!(
            blob.expires_micros,
            Some(1_507_917_651_748_000 + 7 * 86_400_000_000)
        );
        assert_eq!(listed("\u{feff}[]"), Ok(Vec::new()));
    }

    #[test]
    fn an_entry_that_can_be_retrieved_is_never_passed_over() {
        for (entry, id, created) in [
            (
                r#"{"contentId":"a$b","contentUri":null,"contentCreated":"2017-10-13T00:00:09"}"#,
                "a$b",
                FROM + 9_000_000,
            ),
            (
                r#"{"contentUri":"https://manage.office.com/api/v1.0/t/activity/feed/audit/a$b?x=1"}"#,
                "a$b",
                FROM,
            ),
            (
                r#"{"contentId":"a$b","contentUri":"nowhere","contentCreated":"?"}"#,
                "a$b",
                FROM,
            ),
        ] {
            let blobs = listed(&format!("[{entry}]")).unwrap();
            assert_eq!(
                (blobs[0].content_id.as_str(), blobs[0].created_micros),
                (id, created),
                "{entry}"
            );
            assert!(
                blobs[0]
                    .content_uri
                    .path()
                    .ends_with("/activity/feed/audit/a$b"),
                "{entry}"
            );
        }
        for body in [
            r#"[{"contentType":"Audit.General"}]"#,
            "[1]",
            "[{]",
            "[{\"contentId\":\"a\"}",
            "{}",
        ] {
            assert_eq!(
                listed(body).unwrap_err().kind,
                ApiErrorKind::Transient,
                "{body}"
            );
        }
    }

    /// By the year 1 of what was never set a blob had expired before it was asked for, and coverage began there.
    #[test]
    fn a_time_that_cannot_be_is_as_if_it_were_not_said() {
        let from = 20_000 * DAY_MICROS;
        let text = |micros| {
            DateTime::from_timestamp_micros(micros)
                .unwrap()
                .to_rfc3339()
        };
        let never = "0001-01-01T00:00:00Z".to_owned();
        let end = "9999-12-31T23:59:59Z".to_owned();
        for (created, expires, expected) in [
            (
                text(from + 5),
                text(from + 7 * DAY_MICROS),
                (from + 5, Some(7 * DAY_MICROS)),
            ),
            // Late, and kept for longer than Microsoft says.
            (
                text(from - 5 * DAY_MICROS),
                text(from + 15 * DAY_MICROS),
                (from - 5 * DAY_MICROS, Some(15 * DAY_MICROS)),
            ),
            (never.clone(), never, (from, None)),
            (end.clone(), end, (from, None)),
            (text(from), text(from), (from, None)),
        ] {
            let body = format!(
                r#"[{{"contentId":"a","contentCreated":"{created}","contentExpiration":"{expires}"}}]"#
            );
            let blobs = page(body.as_bytes(), &addresses(), ContentType::SharePoint, from);
            let blob = blobs.unwrap().pop().unwrap();
            let expires_after = blob.expires_micros.map(|expires| expires - from);
            assert_eq!((blob.created_micros, expires_after), expected, "{body}");
        }
    }

    #[test]
    fn t20_status_and_webhook_may_be_null_or_missing() {
        let body = r#"[{"contentType":"Audit.SharePoint","status":"enabled","webhook":
            {"authId":null,"address":"https://hook.contoso.com","expiration":"","status":"expired"}},
            {"contentType":"audit.exchange","webhook":null},{"contentType":"DLP.All","status":null},
            {"contentType":"Audit.General","status":"Disabled","webhook":{"address":""}},
            {"contentType":"Audit.Tomorrow","status":"enabled"},{}]"#;
        let seen: Vec<_> = subscriptions(body.as_bytes())
            .unwrap()
            .into_iter()
            .map(|subscription| {
                (
                    subscription.content_type,
                    subscription.status,
                    subscription.webhook.is_some(),
                )
            })
            .collect();
        assert_eq!(
            seen,
            [
                (ContentType::SharePoint, SubscriptionStatus::Enabled, true),
                (ContentType::Exchange, SubscriptionStatus::Unstated, false),
                (ContentType::DlpAll, SubscriptionStatus::Unstated, false),
                (ContentType::General, SubscriptionStatus::Disabled, false),
            ]
        );
    }

    #[test]
    fn times_with_and_without_fractions_and_zone() {
        for (text, micros) in [
            ("1970-01-01T00:00:01Z", Some(1_000_000)),
            ("1970-01-01T00:00:01.5Z", Some(1_500_000)),
            ("1970-01-01T00:00:01.1234567Z", Some(1_123_456)),
            ("1970-01-01T01:00:01+01:00", Some(1_000_000)),
            ("1970-01-01T00:00:01", Some(1_000_000)),
            ("1970-01-01T00:00:01.25", Some(1_250_000)),
            ("1970-01-01", None),
            ("", None),
        ] {
            assert_eq!(time(text), micros, "{text}");
        }
    }
}
