//! The answer of the token endpoint in both its shapes.

use serde::Deserialize;

use crate::credential::Secret;

/// A token as it came.
pub(super) struct TokenAnswer {
    pub(super) access_token: Secret,
    expires_in: Option<i64>,
    expires_on: Option<i64>,
}

/// The old endpoint writes numbers as strings, the new one as numbers.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Value(i64),
    Text(String),
    Other(serde::de::IgnoredAny),
}

#[derive(Deserialize)]
struct Wire {
    access_token: String,
    expires_in: Option<Number>,
    expires_on: Option<Number>,
}

impl TokenAnswer {
    /// `None` for anything that holds no token.
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        let wire: Wire = serde_json::from_slice(body).ok()?;
        (!wire.access_token.is_empty()).then(|| Self {
            access_token: Secret::new(wire.access_token),
            expires_in: wire.expires_in.and_then(Number::get),
            expires_on: wire.expires_on.and_then(Number::get),
        })
    }

    /// How long the token lives from `now_micros` on. `expires_in` does not depend on anybody's clock.
    pub(super) fn life_micros(&self, now_micros: i64) -> Option<i64> {
        let from_now = self
            .expires_in
            .and_then(|seconds| seconds.checked_mul(1_000_000));
        let until = || {
            self.expires_on?
                .checked_mul(1_000_000)?
                .checked_sub(now_micros)
        };
        from_now.or_else(until).filter(|life| *life > 0)
    }
}

impl Number {
    fn get(self) -> Option<i64> {
        match self {
            Self::Value(number) => Some(number),
            Self::Text(text) => text.trim().parse().ok(),
            Self::Other(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_508_282_260 * 1_000_000;

    #[test]
    fn tokens_of_both_endpoints() {
        for (body, life_seconds) in [
            (
                r#"{"token_type":"Bearer","expires_in":"3599","ext_expires_in":"3599","expires_on":"1508285860",
                    "not_before":"1508281960","resource":"https://manage.office.com","access_token":"eyJ0"}"#,
                Some(3599),
            ),
            (
                r#"{"token_type":"Bearer","expires_in":3599,"ext_expires_in":3599,"access_token":"eyJ0"}"#,
                Some(3599),
            ),
            (
                r#"{"expires_on":"1508285860","access_token":"eyJ0"}"#,
                Some(3600),
            ),
            (
                r#"{"expires_on":1508285860,"expires_in":null,"access_token":"eyJ0"}"#,
                Some(3600),
            ),
            (r#"{"access_token":"eyJ0","expires_in":"soon"}"#, None),
            (r#"{"access_token":"eyJ0","expires_in":{}}"#, None),
        ] {
            let answer = TokenAnswer::parse(body.as_bytes()).unwrap();
            assert_eq!(answer.access_token.expose(), "eyJ0");
            let life = answer.life_micros(NOW).map(|micros| micros / 1_000_000);
            assert_eq!(life, life_seconds, "{body}");
        }
    }

    #[test]
    fn what_is_no_token() {
        for body in [
            "",
            "null",
            "[]",
            "<html>",
            r#"{"error":"invalid_client"}"#,
            r#"{"access_token":""}"#,
        ] {
            assert!(TokenAnswer::parse(body.as_bytes()).is_none(), "{body}");
        }
    }
}
