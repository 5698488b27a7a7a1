//! What a token says of itself, read without checking its signature: it is our own.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use uuid::Uuid;

use crate::api::TokenClaims;

/// The claims; nothing for a token that is not a JWT.
pub(crate) fn claims(token: &str) -> TokenClaims {
    let object = token
        .split('.')
        .nth(1)
        .and_then(|part| URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).ok())
        .and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    let Some(object) = object else {
        return TokenClaims::default();
    };
    let text = |name: &str| object.get(name).and_then(Value::as_str);
    let guid = |name: &str| text(name).and_then(|text| Uuid::try_parse(text).ok());
    let number = |name: &str| {
        let value = object.get(name)?;
        value
            .as_i64()
            .or_else(|| value.as_str().and_then(|text| text.parse().ok()))
    };
    // Application permissions are a list, delegated ones a text.
    let roles = object.get("roles").and_then(Value::as_array);
    let listed = roles.into_iter().flatten().filter_map(Value::as_str);
    let spoken = text("scp").into_iter().flat_map(str::split_whitespace);
    TokenClaims {
        tenant: guid("tid"),
        application: guid("appid").or_else(|| guid("azp")),
        audience: text("aud").map(str::to_owned),
        permissions: Some(listed.chain(spoken).map(str::to_owned).collect()),
        expires_micros: number("exp").and_then(|seconds: i64| seconds.checked_mul(1_000_000)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(claims: &str) -> String {
        format!(
            "eyJhbGciOiJSUzI1NiJ9.{}.c2ln",
            URL_SAFE_NO_PAD.encode(claims)
        )
    }

    #[test]
    fn claims_of_an_application_and_of_a_user() {
        let of_application = claims(&token(
            r#"{"aud":"https://manage.office.com","tid":"0fad12b5-8d6a-4c43-a01f-e6d0a0d0e1c7",
                "appid":"1fad12b5-8d6a-4c43-a01f-e6d0a0d0e1c7","exp":1508285860,"ver":"1.0",
                "roles":["ActivityFeed.Read","ServiceHealth.Read"]}"#,
        ));
        assert_eq!(of_application.allows("ActivityFeed.Read"), Some(true));
        assert_eq!(of_application.allows("ActivityFeed.ReadDlp"), Some(false));
        assert_eq!(of_application.expires_micros, Some(1_508_285_860_000_000));
        assert_eq!(
            of_application.audience.as_deref(),
            Some("https://manage.office.com")
        );
        assert!(of_application.tenant.is_some() && of_application.application.is_some());

        let of_user = claims(&token(
            r#"{"scp":"ActivityFeed.Read ActivityFeed.ReadDlp","exp":"7"}"#,
        ));
        assert_eq!(of_user.allows("ActivityFeed.ReadDlp"), Some(true));
        assert_eq!(of_user.expires_micros, Some(7_000_000));

        let without = claims(&token("{}"));
        assert_eq!(without.allows("ActivityFeed.Read"), Some(false));
    }

    #[test]
    fn an_opaque_token_says_nothing() {
        for opaque in ["", "a", "a.b.c", "a..c", "0.AAAA.%%", &token("[")] {
            let claims = claims(opaque);
            assert_eq!(claims, TokenClaims::default(), "{opaque}");
            assert_eq!(claims.allows("ActivityFeed.Read"), None);
        }
    }
}
