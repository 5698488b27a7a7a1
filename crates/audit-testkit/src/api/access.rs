//! Access tokens: real JWTs, signed with a key of the server, checked at each call.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

use super::call::{Call, is_guid};
use super::clock::SECOND;
use super::reply::Reply;
use super::requests::ApiOperation;
use super::tenant::{READ, READ_DLP, Tenant, canonical};

/// The application id of "Office 365 Management APIs".
pub(crate) const MANAGEMENT_APP_ID: &str = "c5393580-f805-4401-95e8-94b7a6ef2fc2";
/// The resources of the clouds: a test may stand in for any of them.
pub(crate) const CLOUD_RESOURCES: [&str; 5] = [
    "https://manage.office.com",
    "https://manage-gcc.office.com",
    "https://manage.office365.us",
    "https://manage.protection.apps.mil",
    "https://manage.office365.cn",
];

/// The claims of an access token of version 1.0 for an application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claims {
    pub(crate) aud: String,
    pub(crate) iss: String,
    pub(crate) iat: i64,
    pub(crate) nbf: i64,
    pub(crate) exp: i64,
    pub(crate) appid: String,
    pub(crate) appidacr: String,
    pub(crate) oid: String,
    pub(crate) sub: String,
    pub(crate) tid: String,
    pub(crate) roles: Vec<String>,
    /// The serial number of the token, in hexadecimal.
    pub(crate) uti: String,
    pub(crate) ver: String,
}

impl Claims {
    /// The token; empty if it can't be made, which nobody accepts.
    pub(crate) fn sign(&self, key: &[u8]) -> String {
        let header = Header::new(Algorithm::HS256);
        jsonwebtoken::encode(&header, self, &EncodingKey::from_secret(key)).unwrap_or_default()
    }

    /// The claims of a token that this server signed, for whatever audience and time.
    pub(crate) fn verify(token: &str, key: &[u8]) -> Option<Self> {
        let mut validation = Validation::new(Algorithm::HS256);
        // The library would go by the machine's clock.
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        jsonwebtoken::decode(token, &DecodingKey::from_secret(key), &validation)
            .ok()
            .map(|data| data.claims)
    }

    fn serial(&self) -> u64 {
        u64::from_str_radix(&self.uti, 16).unwrap_or_default()
    }

    fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|known| known == role)
    }
}

/// The resource without the slash that some ask for.
pub(crate) fn is_management_resource(resource: &str, management_root: &str) -> bool {
    let resource = resource.trim_end_matches('/');
    resource == management_root
        || resource == MANAGEMENT_APP_ID
        || CLOUD_RESOURCES.contains(&resource)
}

/// Checks the token by itself: signature, lifetime, audience.
pub(crate) fn authenticate(
    call: &Call,
    key: &[u8],
    now_micros: i64,
    management_root: &str,
) -> Result<Claims, Reply> {
    call.bearer()
        .and_then(|token| Claims::verify(token, key))
        .filter(|claims| {
            let now = now_micros.div_euclid(SECOND);
            claims.nbf <= now
                && now < claims.exp
                && is_management_resource(&claims.aud, management_root)
        })
        .ok_or_else(Reply::unauthorized)
}

/// Checks whether the token is for this tenant and allows the call.
pub(crate) fn authorize(
    call: &Call,
    claims: &Claims,
    tenant: Option<&Tenant>,
) -> Result<(), Reply> {
    let id = &call.tenant;
    if !is_guid(id) {
        let message = format!("The tenant ID passed in the URL ({id}) is not a valid GUID.");
        return Err(Reply::error(400, "AF20013", &message));
    }
    let Some(tenant) = tenant else {
        let message =
            format!("Specified tenant ID ({id}) does not exist in the system or has been deleted.");
        return Err(Reply::error(400, "AF20011", &message));
    };
    if !claims.tid.eq_ignore_ascii_case(id) {
        let message = format!(
            "The tenant ID passed in the URL ({id}) does not match the tenant ID passed in the access token ({}).",
            claims.tid
        );
        return Err(Reply::error(400, "AF20010", &message));
    }
    if claims.serial() < tenant.tokens_from_serial {
        return Err(Reply::unauthorized());
    }
    if !tenant.settings.licensed {
        let message =
            format!("Specified tenant ID ({id}) is incorrectly configured in the system.");
        return Err(Reply::error(400, "AF20012", &message));
    }
    let is_dlp = content_type_of(call, Some(tenant))
        .is_some_and(|content_type| canonical(content_type) == Some("DLP.All"));
    if !claims.has_role(READ) || (is_dlp && !claims.has_role(READ_DLP)) {
        return Err(permission_missing(&claims.roles));
    }
    Ok(())
}

pub(crate) fn permission_missing(roles: &[String]) -> Reply {
    let message = format!(
        "The permission set ({}) sent in the request does not include the expected permission.",
        roles.join(",")
    );
    Reply::error(401, "AF10001", &message)
}

/// What a call is about: the content type asked for, or that of the blob.
pub(crate) fn content_type_of<'a>(call: &'a Call, tenant: Option<&'a Tenant>) -> Option<&'a str> {
    match call.operation {
        ApiOperation::GetBlob => {
            let blob = tenant?.blob(call.content_id.as_deref()?)?;
            Some(&blob.content_type)
        }
        _ => call.parameter("contentType"),
    }
}
