//! What it means that the token endpoint gives no token.
//!
//! What happens next hangs on the status and on `error`, as Microsoft asks
//! (<https://learn.microsoft.com/entra/identity-platform/reference-error-codes>); the AADSTS number picks the words for
//! the administrator, and knows a few that pass by themselves.

use serde::Deserialize;

use crate::error::{ApiErrorKind, Refusal, TokenErrorKind};
use crate::text::{code_after, excerpt};

#[derive(Deserialize)]
struct Wire {
    error: Option<String>,
    error_description: Option<String>,
}

/// `text` is without secrets already.
pub(super) fn classify(status: u16, text: &str, is_certificate: bool) -> Refusal {
    let wire: Option<Wire> = serde_json::from_str(text.trim_start_matches('\u{feff}')).ok();
    let (error, description) = match &wire {
        Some(wire) => (wire.error.as_deref(), wire.error_description.as_deref()),
        None => (None, None),
    };
    let code = code_after(text, "AADSTS", 4..=8);
    let kind = kind(status, error, code.as_deref(), is_certificate);
    Refusal {
        code,
        ..Refusal::new(kind, message(error, description, text))
    }
}

fn kind(
    status: u16,
    error: Option<&str>,
    code: Option<&str>,
    is_certificate: bool,
) -> ApiErrorKind {
    let number = code.map(|code| code.trim_start_matches("AADSTS"));
    if status == 429 || number == Some("90055") {
        return ApiErrorKind::Throttled;
    }
    let passes = status >= 500
        || status == 408
        || matches!(error, Some("temporarily_unavailable" | "server_error"))
        || matches!(number, Some("90006" | "90024" | "90033"));
    // No error object at all: a page of a proxy, an answer cut off, a token that is none.
    if passes || (error.is_none() && number.is_none()) {
        return ApiErrorKind::Transient;
    }
    let of_client = if is_certificate {
        TokenErrorKind::CertificateRejected
    } else {
        TokenErrorKind::SecretWrong
    };
    ApiErrorKind::Credential(match (number, error) {
        (Some("700016" | "7000229" | "65001"), _) => TokenErrorKind::NotConsented,
        (Some("7000112"), _) => TokenErrorKind::ApplicationDisabled,
        (Some("7000215"), _) => TokenErrorKind::SecretWrong,
        (Some("7000222"), _) => TokenErrorKind::SecretExpired,
        (Some("7000218"), _) => TokenErrorKind::NoCredential,
        (Some("700027" | "50012" | "50027"), _) => TokenErrorKind::CertificateRejected,
        (Some("700024"), _) => TokenErrorKind::AssertionExpired,
        (Some("90002" | "900023"), _) => TokenErrorKind::TenantUnknown,
        (Some("500011" | "50001"), _) => TokenErrorKind::ResourceMissing,
        (Some("500014"), _) => TokenErrorKind::ResourceDisabled,
        (Some("650051"), _) => TokenErrorKind::PermissionInvalid,
        (_, Some("invalid_client")) => of_client,
        (_, Some("unauthorized_client")) => TokenErrorKind::NotConsented,
        (_, Some("invalid_resource")) => TokenErrorKind::ResourceMissing,
        _ => TokenErrorKind::Other,
    })
}

/// What Microsoft says, without the ids of the request that follow it.
fn message(error: Option<&str>, description: Option<&str>, text: &str) -> String {
    let told = description.or(error).unwrap_or(text);
    let end = ["Trace ID:", "Correlation ID:"]
        .iter()
        .filter_map(|id| told.find(id))
        .min();
    excerpt(told.get(..end.unwrap_or(told.len())).unwrap_or(told))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ApiErrorKind::{Credential, Throttled, Transient};

    fn answer(error: &str, code: &str) -> String {
        format!(
            "{{\"error\":\"{error}\",\"error_description\":\"{code}: What it says.\\r\\nTrace ID: 1\\r\\n\
             Correlation ID: 2\\r\\nTimestamp: 2026-01-09 02:02:12Z\",\"error_codes\":[{}]}}",
            code.trim_start_matches("AADSTS")
        )
    }

    #[test]
    fn refusals_of_the_reference() {
        for (code, status, error, kind) in [
            (
                "AADSTS700016",
                400,
                "unauthorized_client",
                Credential(TokenErrorKind::NotConsented),
            ),
            (
                "AADSTS7000112",
                401,
                "unauthorized_client",
                Credential(TokenErrorKind::ApplicationDisabled),
            ),
            (
                "AADSTS7000215",
                401,
                "invalid_client",
                Credential(TokenErrorKind::SecretWrong),
            ),
            (
                "AADSTS7000218",
                401,
                "invalid_client",
                Credential(TokenErrorKind::NoCredential),
            ),
            (
                "AADSTS7000222",
                401,
                "invalid_client",
                Credential(TokenErrorKind::SecretExpired),
            ),
            (
                "AADSTS700027",
                401,
                "invalid_client",
                Credential(TokenErrorKind::CertificateRejected),
            ),
            (
                "AADSTS700024",
                401,
                "invalid_client",
                Credential(TokenErrorKind::AssertionExpired),
            ),
            (
                "AADSTS50012",
                401,
                "invalid_client",
                Credential(TokenErrorKind::CertificateRejected),
            ),
            (
                "AADSTS50027",
                401,
                "invalid_client",
                Credential(TokenErrorKind::CertificateRejected),
            ),
            (
                "AADSTS90002",
                400,
                "invalid_request",
                Credential(TokenErrorKind::TenantUnknown),
            ),
            (
                "AADSTS900023",
                400,
                "invalid_request",
                Credential(TokenErrorKind::TenantUnknown),
            ),
            (
                "AADSTS500011",
                400,
                "invalid_resource",
                Credential(TokenErrorKind::ResourceMissing),
            ),
            (
                "AADSTS500014",
                400,
                "invalid_resource",
                Credential(TokenErrorKind::ResourceDisabled),
            ),
            (
                "AADSTS50001",
                400,
                "invalid_resource",
                Credential(TokenErrorKind::ResourceMissing),
            ),
            (
                "AADSTS650051",
                400,
                "invalid_client",
                Credential(TokenErrorKind::PermissionInvalid),
            ),
            ("AADSTS90055", 400, "temporarily_unavailable", Throttled),
            ("AADSTS90033", 503, "temporarily_unavailable", Transient),
            ("AADSTS90033", 400, "invalid_request", Transient),
            ("AADSTS1234567", 400, "temporarily_unavailable", Transient),
            (
                "AADSTS1234567",
                400,
                "unauthorized_client",
                Credential(TokenErrorKind::NotConsented),
            ),
            (
                "AADSTS1234567",
                400,
                "something_new",
                Credential(TokenErrorKind::Other),
            ),
        ] {
            let refusal = classify(status, &answer(error, code), false);
            assert_eq!(refusal.kind, kind, "{code} {error}");
            assert_eq!(refusal.code.as_deref(), Some(code));
            assert_eq!(refusal.message, format!("{code}: What it says."));
        }
    }

    #[test]
    fn a_client_that_is_refused_without_a_number_is_told_by_its_credential() {
        let text = r#"{"error":"invalid_client"}"#;
        for (is_certificate, kind) in [
            (true, TokenErrorKind::CertificateRejected),
            (false, TokenErrorKind::SecretWrong),
        ] {
            assert_eq!(classify(401, text, is_certificate).kind, Credential(kind));
        }
    }

    #[test]
    fn t26_answers_that_are_no_error_objects_pass_and_are_shown() {
        for (status, text) in [
            (200, "<html>Sign in</html>"),
            (200, ""),
            (200, "null"),
            (400, "Bad Request"),
            (503, ""),
        ] {
            let refusal = classify(status, text, false);
            assert_eq!(refusal.kind, Transient, "{status} {text}");
            assert_eq!(refusal.message, text);
        }
    }
}
