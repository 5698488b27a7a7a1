//! Webhooks: their validation, notifications, and the list of attempts.
//!
//! No socket is opened: whoever wants to stand behind a webhook's address gives a function.

use std::sync::Arc;

use serde_json::{Value, json};

use super::access::Claims;
use super::blob::PublishedBlob;
use super::call::Call;
use super::clock::millis_text;
use super::listing::{Page, Window, next_page_uri};
use super::reply::Reply;
use super::server::Shared;
use super::subscription;
use super::tenant::canonical;

/// After so many failures in a row the webhook is disabled.
const FAILURES_MAX: u32 = 5;

/// What the service posts to a webhook's address, with `Content-Type: application/json; charset=utf-8`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WebhookRequest {
    /// The address.
    pub address: String,
    /// The header `Webhook-AuthID`, where the subscription has one.
    pub auth_id: Option<String>,
    /// The header `Webhook-ValidationCode`: this is the validation, no notification.
    pub validation_code: Option<String>,
    /// The body.
    pub body: String,
}

/// Who stands behind the addresses of webhooks: takes a request and returns the status of its answer.
pub type WebhookEndpoint = Arc<dyn Fn(&WebhookRequest) -> u16 + Send + Sync>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Webhook {
    pub(crate) address: String,
    pub(crate) auth_id: Option<String>,
    pub(crate) expiration: Option<String>,
    pub(crate) failures: u32,
}

/// A notification that was sent, or should have been.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    content_id: String,
    client_id: String,
    sent_micros: i64,
    succeeded: bool,
}

impl Webhook {
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.is_enabled()
            && self.address == other.address
            && self.auth_id == other.auth_id
            && self.expiration == other.expiration
    }

    fn is_enabled(&self) -> bool {
        self.failures < FAILURES_MAX
    }

    pub(crate) fn to_json_of_start(&self) -> Value {
        json!({
            "status": "enabled",
            "address": self.address,
            "authId": self.auth_id,
            "expiration": self.expiration,
        })
    }

    pub(crate) fn to_json_of_list(&self) -> Value {
        json!({
            "authId": self.auth_id,
            "address": self.address,
            "expiration": self.expiration.as_deref().unwrap_or_default(),
            "status": if self.is_enabled() { "enabled" } else { "disabled" },
        })
    }
}

impl Shared {
    /// The status that the address answers; `None` where nobody does.
    pub(crate) fn call_webhook(&self, request: &WebhookRequest) -> Option<u16> {
        let endpoint = self.state().webhooks.clone();
        endpoint.map(|endpoint| endpoint(request))
    }

    /// Tells the webhooks of the content type about a blob that is available.
    pub(crate) fn notify(&self, blob: &PublishedBlob) {
        let now = self.clock.now_micros();
        if now < blob.created_micros {
            return;
        }
        let subscribers: Vec<((String, String), Webhook)> =
            self.read_tenant(&blob.tenant_id, |tenant| {
                tenant
                    .subscriptions
                    .iter()
                    .filter(|((_, key), known)| {
                        known.enabled && canonical(key) == Some(blob.content_type.as_str())
                    })
                    .filter_map(|(key, known)| Some((key.clone(), known.webhook.clone()?)))
                    .filter(|(_, webhook)| webhook.is_enabled())
                    .collect()
            });
        for (key, webhook) in subscribers {
            let mut entry = self.entry(blob);
            entry["tenantId"] = json!(blob.tenant_id);
            entry["clientId"] = json!(key.0);
            let request = WebhookRequest {
                address: webhook.address,
                auth_id: webhook.auth_id,
                validation_code: None,
                body: json!([entry]).to_string(),
            };
            let succeeded = self.call_webhook(&request) == Some(200);
            self.with_tenant(&blob.tenant_id, |tenant| {
                tenant.attempts.push(Attempt {
                    content_id: blob.content_id.clone(),
                    client_id: key.0.clone(),
                    sent_micros: now,
                    succeeded,
                });
                let known = tenant.subscriptions.get_mut(&key);
                if let Some(webhook) = known.and_then(|known| known.webhook.as_mut()) {
                    webhook.failures = if succeeded { 0 } else { webhook.failures + 1 };
                }
            });
        }
    }

    /// What listings and notifications say of a blob.
    pub(crate) fn entry(&self, blob: &PublishedBlob) -> Value {
        json!({
            "contentUri": format!(
                "{}/api/v1.0/{}/activity/feed/audit/{}",
                self.management_root(), blob.tenant_id, blob.content_id
            ),
            "contentId": blob.content_id,
            "contentType": blob.content_type,
            "contentCreated": millis_text(blob.created_micros),
            "contentExpiration": millis_text(blob.expires_micros),
        })
    }

    pub(crate) fn list_notifications(&self, call: &Call, claims: &Claims) -> Result<Reply, Reply> {
        let content_type = subscription::content_type(call)?;
        let now = self.clock.now_micros();
        self.read_tenant(&claims.tid, |tenant| {
            self.subscription(tenant, claims, content_type)?;
            let window = Window::of(call, now, self.options.implicit_window, false)?;
            let page = Page::of(call, content_type, window)?;
            let mut entries: Vec<Value> = Vec::new();
            let mut next = None;
            for (index, attempt) in tenant.attempts.iter().enumerate() {
                let Some(blob) = tenant.blob(&attempt.content_id) else {
                    continue;
                };
                let is_asked_for = attempt.client_id.eq_ignore_ascii_case(&claims.appid)
                    && canonical(content_type) == Some(blob.content_type.as_str())
                    && window.contains(attempt.sent_micros)
                    && page.is_before((attempt.sent_micros, index));
                if !is_asked_for {
                    continue;
                }
                if entries.len() == tenant.settings.page_size {
                    next = Some(tenant.settings.page_size);
                    break;
                }
                let mut entry = self.entry(blob);
                entry["notificationSent"] = json!(millis_text(attempt.sent_micros));
                entry["notificationStatus"] = json!(if attempt.succeeded {
                    "success"
                } else {
                    "failed"
                });
                entries.push(entry);
                page.reach((attempt.sent_micros, index));
            }
            let reply = Reply::json(&Value::Array(entries));
            Ok(match next {
                Some(_) => {
                    let uri =
                        next_page_uri(self.management_root(), call, content_type, window, &page);
                    reply.with_header("nextpageuri", uri)
                }
                None => reply,
            })
        })
    }
}
