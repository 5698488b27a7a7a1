//! The token endpoints, version 1 and 2, and the page of consent.

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::json;
use url::Url;

use super::access::{Claims, is_management_resource};
use super::call::{Call, is_guid};
use super::clock::{SECOND, login_text};
use super::reply::Reply;
use super::server::Shared;
use super::tenant::{AppRegistration, Tenant};

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// Another resource that every tenant has: its tokens are good, and not for this API.
const GRAPH: &str = "https://graph.microsoft.com";
/// Tokens are valid from so long before they are issued.
const BACKDATED_SECONDS: i64 = 300;

/// A refusal: status, `error`, the number of the AADSTS code, and the text.
struct Refusal(u16, &'static str, u32, String);

impl Refusal {
    fn new(status: u16, error: &'static str, code: u32, text: impl Into<String>) -> Self {
        Self(status, error, code, text.into())
    }
}

/// The claims of a client assertion.
#[derive(Debug, Deserialize)]
struct Assertion {
    aud: String,
    iss: String,
    sub: String,
    exp: i64,
    #[serde(default)]
    nbf: i64,
}

/// The fields of a request.
struct Form(Vec<(String, String)>);

impl Form {
    fn get(&self, name: &str) -> Option<&str> {
        let field = self.0.iter().find(|(known, _)| known == name);
        field
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    fn need(&self, name: &str) -> Result<&str, Refusal> {
        self.get(name).ok_or_else(|| {
            let text = format!("The request body must contain the following parameter: '{name}'.");
            Refusal::new(400, "invalid_request", 900_144, text)
        })
    }
}

impl Shared {
    pub(crate) fn issue_token(&self, call: &Call) -> Reply {
        let now = self.clock.now_micros();
        self.try_issue_token(call, now)
            .unwrap_or_else(|refusal| self.refuse(&refusal, now))
    }

    fn try_issue_token(&self, call: &Call, now: i64) -> Result<Reply, Refusal> {
        let form = Form(call.form());
        let grant = form.need("grant_type")?;
        if grant != "client_credentials" {
            let text = format!("The app requested an unsupported grant type '{grant}'.");
            return Err(Refusal::new(400, "unsupported_grant_type", 70_003, text));
        }
        let client_id = form.need("client_id")?;
        let tenant_id = call.tenant.to_ascii_lowercase();
        if !is_guid(&tenant_id) && !tenant_id.contains('.') {
            let text = format!(
                "Specified tenant identifier '{tenant_id}' is neither a valid DNS name, nor a valid external domain."
            );
            return Err(Refusal::new(400, "invalid_request", 900_023, text));
        }
        let resource = resource_of(call, &form)?;
        let state = self.state();
        let Some(tenant) = state.tenants.get(&tenant_id) else {
            let text = format!(
                "Tenant '{tenant_id}' not found. Check to make sure you have the correct tenant ID."
            );
            return Err(Refusal::new(400, "invalid_request", 90_002, text));
        };
        let app = known_app(tenant, client_id, &tenant_id)?;
        self.check_credential(&form, app, &tenant_id, now)?;
        self.check_resource(tenant, &resource)?;
        let lifetime = tenant.settings.token_lifetime_seconds;
        let issued = now.div_euclid(SECOND);
        let claims = Claims {
            aud: resource.clone(),
            iss: format!("https://sts.windows.net/{tenant_id}/"),
            iat: issued,
            nbf: issued - BACKDATED_SECONDS,
            exp: issued + lifetime,
            appid: app.client_id.to_ascii_lowercase(),
            appidacr: if form.get("client_assertion").is_some() {
                "2"
            } else {
                "1"
            }
            .to_owned(),
            oid: object_id(&app.client_id),
            sub: object_id(&app.client_id),
            tid: tenant_id.clone(),
            roles: app.roles.clone(),
            uti: format!("{:016x}", self.next_serial()),
            ver: "1.0".to_owned(),
        };
        let token = claims.sign(&self.signing_key);
        let left = lifetime - 1;
        Ok(Reply::json(&if call.is_v2 {
            json!({
                "token_type": "Bearer",
                "expires_in": left,
                "ext_expires_in": left,
                "access_token": token,
            })
        } else {
            json!({
                "token_type": "Bearer",
                "expires_in": left.to_string(),
                "ext_expires_in": left.to_string(),
                "expires_on": claims.exp.to_string(),
                "not_before": claims.nbf.to_string(),
                "resource": resource,
                "access_token": token,
            })
        }))
    }

    fn check_resource(&self, tenant: &Tenant, resource: &str) -> Result<(), Refusal> {
        if is_management_resource(resource, self.management_root()) {
            if tenant.settings.resource_enabled {
                return Ok(());
            }
            let text = format!(
                "The service principal for resource '{resource}' is disabled. This indicate that a subscription \
                 within the tenant has lapsed, or that the administrator for this tenant has disabled the application, \
                 preventing tokens from being issued for it."
            );
            return Err(Refusal::new(400, "invalid_resource", 500_014, text));
        }
        if resource.trim_end_matches('/') == GRAPH {
            return Ok(());
        }
        let text = format!(
            "The resource principal named {resource} was not found in the tenant. This can happen if the application \
             has not been installed by the administrator of the tenant."
        );
        Err(Refusal::new(400, "invalid_resource", 500_011, text))
    }

    fn check_credential(
        &self,
        form: &Form,
        app: &AppRegistration,
        tenant_id: &str,
        now: i64,
    ) -> Result<(), Refusal> {
        let denied = |code, text: &str| Err(Refusal::new(401, "invalid_client", code, text));
        if let Some(assertion) = form.get("client_assertion") {
            if form.get("client_assertion_type") != Some(ASSERTION_TYPE) {
                return denied(
                    50_027,
                    "JWT token is invalid or malformed: client_assertion_type.",
                );
            }
            return self.check_assertion(assertion, app, tenant_id, now);
        }
        let Some(secret) = form.get("client_secret") else {
            return denied(
                7_000_218,
                "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
            );
        };
        if app.secret.as_deref() != Some(secret) {
            return denied(
                7_000_215,
                "Invalid client secret provided. Ensure the secret being sent in the request is the client secret \
                 value, not the client secret ID, for a secret added to the app.",
            );
        }
        if app
            .secret_expires_micros
            .is_some_and(|expires| expires <= now)
        {
            return denied(
                7_000_222,
                "The provided client secret keys for the app are expired.",
            );
        }
        Ok(())
    }

    fn check_assertion(
        &self,
        assertion: &str,
        app: &AppRegistration,
        tenant_id: &str,
        now: i64,
    ) -> Result<(), Refusal> {
        let denied = |code, text: &str| Err(Refusal::new(401, "invalid_client", code, text));
        let header = match jsonwebtoken::decode_header(assertion) {
            Ok(header) if header.alg == Algorithm::RS256 => header,
            _ => return denied(50_027, "JWT token is invalid or malformed."),
        };
        let Some(thumbprint) = header.x5t.or(header.x5t_s256) else {
            return denied(
                50_027,
                "JWT token is invalid or malformed: no thumbprint of a certificate in its header.",
            );
        };
        let unknown_key = || {
            let text = "The certificate with identifier used to sign the client assertion is not registered on \
                        application, or its signature is not valid.";
            denied(700_027, text)
        };
        if app
            .thumbprint
            .as_ref()
            .is_some_and(|known| *known != thumbprint)
        {
            return unknown_key();
        }
        let key = app.public_key_pem.as_ref();
        let Some(key) = key.and_then(|pem| DecodingKey::from_rsa_pem(pem.as_bytes()).ok()) else {
            return unknown_key();
        };
        let mut validation = Validation::new(Algorithm::RS256);
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let Ok(claims) = jsonwebtoken::decode::<Assertion>(assertion, &key, &validation) else {
            return unknown_key();
        };
        let Assertion {
            aud,
            iss,
            sub,
            exp,
            nbf,
        } = claims.claims;
        let login = self.login_root();
        let endpoints = ["oauth2/token", "oauth2/v2.0/token"]
            .map(|endpoint| format!("{login}/{tenant_id}/{endpoint}"));
        if !endpoints
            .iter()
            .any(|endpoint| endpoint.eq_ignore_ascii_case(&aud))
        {
            return denied(
                50_012,
                "Client assertion audience claim does not match Realm issuer.",
            );
        }
        if !iss.eq_ignore_ascii_case(&app.client_id) || !sub.eq_ignore_ascii_case(&app.client_id) {
            return denied(
                700_021,
                "Client assertion application identifier doesn't match 'client_id' parameter.",
            );
        }
        // Clocks may differ by so much.
        let (early, late) = (now.div_euclid(SECOND) + 300, now.div_euclid(SECOND) - 300);
        if exp <= late || nbf > early {
            return denied(
                700_024,
                "Client assertion is not within its valid time range.",
            );
        }
        Ok(())
    }

    fn refuse(&self, Refusal(status, error, code, text): &Refusal, now: i64) -> Reply {
        let time = login_text(now);
        let trace = object_id(&format!("trace {}", self.next_serial()));
        let correlation = object_id(&format!("correlation {}", self.next_serial()));
        let mut reply = Reply::json(&json!({
            "error": error,
            "error_description": format!(
                "AADSTS{code}: {text}\r\nTrace ID: {trace}\r\nCorrelation ID: {correlation}\r\nTimestamp: {time}"
            ),
            "error_codes": [code],
            "timestamp": time,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": format!("{}/error?code={code}", self.login_root()),
        }));
        reply.status = *status;
        reply
    }

    /// What the page of consent does once an administrator has said yes, which it takes for granted: it knows the
    /// application from then on and sends the browser back. An application that the tenant was never told of is
    /// refused.
    pub(crate) fn consent(&self, call: &Call) -> Reply {
        let redirect = call.parameter("redirect_uri").map(Url::parse);
        let (Some(client_id), Some(Ok(mut redirect))) = (call.parameter("client_id"), redirect)
        else {
            return Reply::html(400, "Sign in to your account");
        };
        let mut state = self.state();
        // Who signs in decides on the tenant; here it is the one that knows the application.
        let asked = call.tenant.to_ascii_lowercase();
        let found = state.tenants.iter_mut().find_map(|(id, tenant)| {
            let is_meant = *id == asked || ["common", "organizations"].contains(&asked.as_str());
            let mut apps = tenant.apps.iter_mut();
            let app = apps.find(|app| is_meant && app.client_id.eq_ignore_ascii_case(client_id))?;
            Some((id.clone(), app))
        });
        {
            let mut query = redirect.query_pairs_mut();
            match found {
                Some((tenant_id, app)) => {
                    app.consented = true;
                    query.append_pair("admin_consent", "True");
                    query.append_pair("tenant", &tenant_id);
                    if let Some(scope) = call.parameter("scope") {
                        query.append_pair("scope", scope);
                    }
                }
                None => {
                    let text = format!(
                        "AADSTS700016: Application with identifier '{client_id}' was not found in the directory."
                    );
                    query.append_pair("error", "unauthorized_client");
                    query.append_pair("error_description", &text);
                }
            }
            if let Some(given) = call.parameter("state") {
                query.append_pair("state", given);
            }
        }
        Reply::empty(302).with_header("location", redirect.to_string())
    }
}

fn known_app<'a>(
    tenant: &'a Tenant,
    client_id: &str,
    tenant_id: &str,
) -> Result<&'a AppRegistration, Refusal> {
    let Some(app) = tenant.app(client_id).filter(|app| app.consented) else {
        let text = format!(
            "Application with identifier '{client_id}' was not found in the directory '{tenant_id}'. This can happen if \
             the application has not been installed by the administrator of the tenant or consented to by any user in \
             the tenant."
        );
        return Err(Refusal::new(400, "unauthorized_client", 700_016, text));
    };
    if !app.enabled {
        let text = format!("Application '{client_id}' is disabled.");
        return Err(Refusal::new(401, "unauthorized_client", 7_000_112, text));
    }
    Ok(app)
}

/// The resource of version 1, or that of the scope of version 2.
fn resource_of(call: &Call, form: &Form) -> Result<String, Refusal> {
    if !call.is_v2 {
        return form.need("resource").map(str::to_owned);
    }
    let scope = form.need("scope")?;
    scope
        .strip_suffix("/.default")
        .map(str::to_owned)
        .ok_or_else(|| {
            let text = format!("The provided value for scope {scope} is not valid.");
            Refusal::new(400, "invalid_scope", 1_002_012, text)
        })
}

/// A GUID that is the same for the same text.
fn object_id(text: &str) -> String {
    let mut state = 0;
    for byte in text.bytes() {
        state = crate::random::split_mix(&mut state) ^ u64::from(byte);
    }
    let (a, b) = (
        crate::random::split_mix(&mut state),
        crate::random::split_mix(&mut state),
    );
    format!(
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
        a >> 32,
        a >> 16 & 0xffff,
        a & 0xfff,
        b >> 52,
        b & 0xffff_ffff_ffff
    )
}
