//! A request, taken apart.

use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use bytes::Bytes;
use url::form_urlencoded;

use super::requests::ApiOperation;

/// `PublisherIdentifier` as errors name it where it is missing.
pub(crate) const NO_PUBLISHER: &str = "00000000-0000-0000-0000-000000000000";

#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) operation: ApiOperation,
    /// The tenant of the URL, as given.
    pub(crate) tenant: String,
    /// The last segment of a blob's URL, as it came.
    pub(crate) content_id: Option<String>,
    /// Version 2 of the token endpoint.
    pub(crate) is_v2: bool,
    /// Path and query, as they came.
    pub(crate) url: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    query: Vec<(String, String)>,
    method_fits: bool,
}

/// Why a request is none of the API's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoCall {
    NotFound,
    WrongMethod,
    LengthRequired,
}

impl Call {
    pub(crate) fn new(parts: Parts, body: Bytes) -> Self {
        let path = parts.uri.path();
        let (operation, tenant, content_id) = operation_of(path);
        let expected = match operation {
            ApiOperation::Token
            | ApiOperation::StartSubscription
            | ApiOperation::StopSubscription => Method::POST,
            _ => Method::GET,
        };
        let query = form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.into_owned()))
            .collect();
        Self {
            operation,
            tenant: tenant.to_owned(),
            content_id: content_id.map(str::to_owned),
            is_v2: path.to_ascii_lowercase().contains("/v2.0/"),
            method_fits: parts.method == expected,
            url: parts.uri.to_string(),
            headers: parts.headers,
            body,
            query,
        }
    }

    /// What the web server says before the API is asked.
    pub(crate) fn check(&self) -> Result<(), NoCall> {
        if self.operation == ApiOperation::Unknown {
            return Err(NoCall::NotFound);
        }
        if !self.method_fits {
            return Err(NoCall::WrongMethod);
        }
        let has_length = self.headers.contains_key(header::CONTENT_LENGTH)
            || self.headers.contains_key(header::TRANSFER_ENCODING);
        let is_post = matches!(
            self.operation,
            ApiOperation::StartSubscription | ApiOperation::StopSubscription | ApiOperation::Token
        );
        if is_post && !has_length {
            return Err(NoCall::LengthRequired);
        }
        Ok(())
    }

    /// A parameter of the query, whatever the case of its name; an empty one is as good as none.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// The publisher, or zeros.
    pub(crate) fn publisher(&self) -> &str {
        self.parameter("PublisherIdentifier")
            .unwrap_or(NO_PUBLISHER)
    }

    pub(crate) fn header(&self, name: header::HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub(crate) fn bearer(&self) -> Option<&str> {
        let (scheme, token) = self.header(header::AUTHORIZATION)?.split_once(' ')?;
        scheme
            .eq_ignore_ascii_case("bearer")
            .then_some(token.trim())
    }

    /// The fields of a form in the body.
    pub(crate) fn form(&self) -> Vec<(String, String)> {
        form_urlencoded::parse(&self.body).into_owned().collect()
    }
}

fn operation_of(path: &str) -> (ApiOperation, &str, Option<&str>) {
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    let lower: Vec<String> = segments
        .iter()
        .map(|part| part.to_ascii_lowercase())
        .collect();
    let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
    let tenant = |index: usize| segments.get(index).copied().unwrap_or_default();
    match lower.as_slice() {
        ["login", _, "oauth2", "token"] | ["login", _, "oauth2", "v2.0", "token"] => {
            (ApiOperation::Token, tenant(1), None)
        }
        ["login", _, "adminconsent"] | ["login", _, "v2.0", "adminconsent"] => {
            (ApiOperation::Consent, tenant(1), None)
        }
        [
            "management",
            "api",
            "v1.0" | "v1",
            _,
            "activity",
            "feed",
            rest @ ..,
        ] => {
            let operation = match rest {
                ["subscriptions", "start"] => ApiOperation::StartSubscription,
                ["subscriptions", "stop"] => ApiOperation::StopSubscription,
                ["subscriptions", "list"] => ApiOperation::ListSubscriptions,
                ["subscriptions", "content"] => ApiOperation::ListContent,
                ["subscriptions", "notifications"] => ApiOperation::ListNotifications,
                ["resources", "dlpsensitivetypes"] => ApiOperation::ListSensitiveTypes,
                ["audit", _] => ApiOperation::GetBlob,
                _ => ApiOperation::Unknown,
            };
            let is_blob = operation == ApiOperation::GetBlob;
            (operation, tenant(3), is_blob.then(|| tenant(7)))
        }
        _ => (ApiOperation::Unknown, "", None),
    }
}

/// Whether a text is a GUID with hyphens.
pub(crate) fn is_guid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_known_in_both_versions_and_any_case() {
        for (path, operation) in [
            ("/login/t/oauth2/token", ApiOperation::Token),
            ("/login/t/oauth2/v2.0/token", ApiOperation::Token),
            (
                "/management/api/v1.0/t/activity/feed/subscriptions/list",
                ApiOperation::ListSubscriptions,
            ),
            (
                "/management/api/v1/t/activity/feed/subscriptions/content",
                ApiOperation::ListContent,
            ),
            (
                "/management/api/v1.0/t/activity/feed/Audit/1$2$3$4",
                ApiOperation::GetBlob,
            ),
            (
                "/management/api/v2.0/t/activity/feed/subscriptions/list",
                ApiOperation::Unknown,
            ),
            (
                "/management/api/v1.0/t/activity/feed/subscriptions",
                ApiOperation::Unknown,
            ),
            (
                "/api/v1.0/t/activity/feed/subscriptions/list",
                ApiOperation::Unknown,
            ),
            ("/", ApiOperation::Unknown),
        ] {
            assert_eq!(operation_of(path).0, operation, "{path}");
        }
    }
}
