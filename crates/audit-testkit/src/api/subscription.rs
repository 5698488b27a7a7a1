//! Subscriptions: they belong to the application that calls.

use serde::Deserialize;
use serde_json::{Value, json};

use super::access::Claims;
use super::call::Call;
use super::clock::{MINUTE, SECOND, parse_time};
use super::notification::{Webhook, WebhookRequest};
use super::reply::Reply;
use super::server::Shared;
use super::tenant::{Tenant, canonical};

/// One start in this time.
const START_INTERVAL: i64 = 15 * MINUTE;

#[derive(Debug, Clone)]
pub(crate) struct Subscription {
    /// The content type as it was given, which is how it is echoed.
    pub(crate) spelling: String,
    pub(crate) enabled: bool,
    /// `start` says enabled, and nothing else does.
    pub(crate) dead: bool,
    pub(crate) webhook: Option<Webhook>,
    pub(crate) first_started_micros: i64,
    /// When a start was last accepted.
    pub(crate) started_micros: i64,
    pub(crate) stopped_micros: Option<i64>,
    /// From stop to start: what became available then is lost.
    pub(crate) gaps: Vec<(i64, i64)>,
}

/// The body of `start`.
#[derive(Debug, Deserialize)]
struct StartBody {
    webhook: Option<WebhookBody>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WebhookBody {
    #[serde(default)]
    address: String,
    auth_id: Option<String>,
    expiration: Option<String>,
}

/// The content type of a call that must have one: as it was given.
pub(crate) fn content_type(call: &Call) -> Result<&str, Reply> {
    let Some(given) = call.parameter("contentType") else {
        return Err(Reply::error(
            400,
            "AF20001",
            "Missing parameter: contentType.",
        ));
    };
    match canonical(given) {
        Some(_) => Ok(given),
        None => Err(Reply::error(
            400,
            "AF20020",
            "The specified content type is not valid.",
        )),
    }
}

impl Shared {
    /// The subscription is found by this.
    fn key(&self, claims: &Claims, content_type: &str) -> (String, String) {
        let content_type = match canonical(content_type) {
            Some(canonical) if !self.options.strict_content_types => canonical,
            _ => content_type,
        };
        (claims.appid.to_ascii_lowercase(), content_type.to_owned())
    }

    pub(crate) fn start_subscription(&self, call: &Call, claims: &Claims) -> Result<Reply, Reply> {
        let content_type = content_type(call)?;
        let key = self.key(claims, content_type);
        let now = self.clock.now_micros();
        let webhook = webhook_of(call, now)?;
        let admit = |tenant: &Tenant| {
            if !tenant.settings.auditing {
                return Err(auditing_off(call, claims, content_type));
            }
            match tenant.subscriptions.get(&key) {
                Some(known) => known.admit_start(webhook.as_ref(), now),
                None => Ok(()),
            }
        };
        self.read_tenant(&claims.tid, admit)?;
        if let Some(webhook) = &webhook {
            // The address is called without any lock held: it may ask this server something.
            self.validate(webhook)?;
        }
        let reply = Reply::json(&json!({
            "contentType": content_type,
            "status": "enabled",
            "webhook": webhook.as_ref().map(Webhook::to_json_of_start),
        }));
        let misspelt =
            self.options.strict_content_types && canonical(content_type) != Some(content_type);
        self.with_tenant(&claims.tid, |tenant| {
            // Once more: of two at the same time one is first.
            admit(tenant)?;
            let subscription = tenant
                .subscriptions
                .entry(key.clone())
                .or_insert_with(|| Subscription::new(now));
            let at_once = subscription.was_stopped_just_now(now);
            subscription.start(content_type, webhook.clone(), now);
            subscription.dead = misspelt || (at_once && self.options.stop_start_trap);
            Ok(reply)
        })
    }

    pub(crate) fn stop_subscription(&self, call: &Call, claims: &Claims) -> Result<Reply, Reply> {
        let content_type = content_type(call)?;
        let key = self.key(claims, content_type);
        let now = self.clock.now_micros();
        self.with_tenant(&claims.tid, |tenant| {
            let known = tenant.subscriptions.get_mut(&key);
            let Some(known) = known.filter(|known| known.stopped_micros.is_none()) else {
                return Err(no_subscription());
            };
            known.enabled = false;
            known.webhook = None;
            known.stopped_micros = Some(now);
            Ok(Reply::empty(200))
        })
    }

    pub(crate) fn list_subscriptions(&self, claims: &Claims) -> Reply {
        self.read_tenant(&claims.tid, |tenant| {
            let entries: Vec<Value> = tenant
                .subscriptions
                .iter()
                .filter(|((app, _), known)| {
                    app.eq_ignore_ascii_case(&claims.appid)
                        && !known.dead
                        && known.stopped_micros.is_none()
                })
                .map(|(_, known)| {
                    let enabled = known.enabled && tenant.settings.auditing;
                    json!({
                        "contentType": known.spelling,
                        "status": if enabled { "enabled" } else { "disabled" },
                        "webhook": known.webhook.as_ref().map(Webhook::to_json_of_list),
                    })
                })
                .collect();
            Reply::json(&Value::Array(entries))
        })
    }

    /// The subscription of the caller, where there is one that works.
    pub(crate) fn subscription<'a>(
        &self,
        tenant: &'a Tenant,
        claims: &Claims,
        content_type: &str,
    ) -> Result<&'a Subscription, Reply> {
        let known = tenant
            .subscriptions
            .get(&self.key(claims, content_type))
            .ok_or_else(no_subscription)?;
        if known.enabled && !known.dead && tenant.settings.auditing {
            Ok(known)
        } else {
            Err(Reply::error(
                400,
                "AF20023",
                "The subscription was disabled.",
            ))
        }
    }

    /// Asks the webhook's address whether it knows of us.
    fn validate(&self, webhook: &Webhook) -> Result<(), Reply> {
        let code = format!(
            "{:016x}",
            self.next_serial().wrapping_mul(0x9e37_79b9_7f4a_7c15)
        );
        let request = WebhookRequest {
            address: webhook.address.clone(),
            auth_id: webhook.auth_id.clone(),
            body: json!({"validationCode": &code}).to_string(),
            validation_code: Some(code),
        };
        match self.call_webhook(&request) {
            Some(200) => Ok(()),
            Some(status) => Err(not_validated(
                &webhook.address,
                &format!("It answered {status}."),
            )),
            None => Err(not_validated(&webhook.address, "It did not answer.")),
        }
    }
}

impl Subscription {
    fn new(now_micros: i64) -> Self {
        Self {
            spelling: String::new(),
            enabled: false,
            dead: false,
            webhook: None,
            first_started_micros: now_micros,
            started_micros: now_micros,
            stopped_micros: None,
            gaps: Vec::new(),
        }
    }

    /// Whether it may be started again, and whether that would change anything.
    fn admit_start(&self, webhook: Option<&Webhook>, now_micros: i64) -> Result<(), Reply> {
        let next = self.started_micros + START_INTERVAL;
        if now_micros < next {
            return Err(too_soon(next - now_micros));
        }
        if self.enabled && !self.dead && self.has_webhook(webhook) {
            let message = "The subscription is already enabled. No property change.";
            return Err(Reply::error(400, "AF20024", message));
        }
        Ok(())
    }

    fn was_stopped_just_now(&self, now_micros: i64) -> bool {
        self.stopped_micros
            .is_some_and(|stopped| now_micros < stopped + START_INTERVAL)
    }

    fn start(&mut self, spelling: &str, webhook: Option<Webhook>, now_micros: i64) {
        let stopped = self.stopped_micros.take();
        self.gaps
            .extend(stopped.map(|stopped| (stopped, now_micros)));
        spelling.clone_into(&mut self.spelling);
        self.enabled = true;
        self.started_micros = now_micros;
        self.webhook = webhook;
    }

    fn has_webhook(&self, webhook: Option<&Webhook>) -> bool {
        match (&self.webhook, webhook) {
            (None, None) => true,
            (Some(known), Some(given)) => known.is_same(given),
            _ => false,
        }
    }
}

fn no_subscription() -> Reply {
    Reply::error(
        400,
        "AF20022",
        "No subscription found for the specified content type.",
    )
}

fn not_validated(address: &str, why: &str) -> Reply {
    let message = format!("The webhook endpoint ({address}) could not be validated. {why}");
    Reply::error(400, "AF20021", &message)
}

fn webhook_of(call: &Call, now_micros: i64) -> Result<Option<Webhook>, Reply> {
    if call.body.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    let Ok(StartBody { webhook }) = serde_json::from_slice(&call.body) else {
        let message = "Invalid parameter type: webhook. Expected type: object";
        return Err(Reply::error(400, "AF20002", message));
    };
    let Some(webhook) = webhook else {
        return Ok(None);
    };
    let expiration = webhook.expiration.filter(|text| !text.is_empty());
    if let Some(text) = &expiration {
        let Some(expires) = parse_time(text) else {
            let message = "Invalid parameter type: expiration. Expected type: DateTime";
            return Err(Reply::error(400, "AF20002", message));
        };
        if expires <= now_micros {
            let message = format!("Expiration {text} provided is set to past date and time.");
            return Err(Reply::error(400, "AF20003", &message));
        }
    }
    if !webhook.address.to_ascii_lowercase().starts_with("https://") {
        return Err(not_validated(&webhook.address, "The address is not HTTPS."));
    }
    Ok(Some(Webhook {
        address: webhook.address,
        auth_id: webhook.auth_id,
        expiration,
        failures: 0,
    }))
}

fn too_soon(remaining_micros: i64) -> Reply {
    let seconds = (remaining_micros + SECOND - 1).div_euclid(SECOND);
    let message = format!(
        "Too many frequent subscription start requests. Please retry again after {}m {}s",
        seconds / 60,
        seconds % 60
    );
    Reply::error(429, "AF429", &message)
}

/// The exception that leaks where auditing is off: one text, cut in two, a character lost between.
fn auditing_off(call: &Call, claims: &Claims, content_type: &str) -> Reply {
    let text = format!(
        "StartSubscription [CorrId={}][TenantId={},ContentType={content_type},ApplicationId={},PublisherId={}]\
         [AppId,{}] failed. Exception: Microsoft.Office.Compliance.Audit.DataServiceException: Tenant {} does not \
         exist.\r\n   at Microsoft.Office.Compliance.Audit.API.AzureManager.StartSubscription(Guid tenantId)",
        claims.oid,
        claims.tid,
        claims.appid,
        call.publisher(),
        claims.appid,
        claims.tid,
    );
    let cut = text
        .find("[AppId")
        .map_or(0, |start| start + "[AppId".len());
    let (code, rest) = text.split_at(cut);
    Reply::error(400, code, rest.get(1..).unwrap_or_default())
}
