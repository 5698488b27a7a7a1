//! What was asked of the server.

use std::collections::VecDeque;

/// So many requests are remembered one by one; the counts go on.
const LOG_MAX: usize = 200_000;
const OPERATIONS: usize = 10;

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ApiOperation {
    /// An access token.
    Token,
    /// The page where an administrator consents.
    Consent,
    /// `subscriptions/start`.
    StartSubscription,
    /// `subscriptions/stop`.
    StopSubscription,
    /// `subscriptions/list`.
    ListSubscriptions,
    /// `subscriptions/content`.
    ListContent,
    /// `subscriptions/notifications`.
    ListNotifications,
    /// `audit/{contentId}`.
    GetBlob,
    /// `resources/dlpSensitiveTypes`.
    ListSensitiveTypes,
    /// Something that the API doesn't have.
    Unknown,
}

impl ApiOperation {
    /// The name that the API has for it in errors: `GetBlob`.
    pub fn method_name(self) -> &'static str {
        match self {
            Self::Token => "Token",
            Self::Consent => "Consent",
            Self::StartSubscription => "StartSubscription",
            Self::StopSubscription => "StopSubscription",
            Self::ListSubscriptions => "ListSubscriptions",
            Self::ListContent => "ListAvailableContent",
            Self::ListNotifications => "ListNotifications",
            Self::GetBlob => "GetBlob",
            Self::ListSensitiveTypes => "GetDlpSensitiveTypes",
            Self::Unknown => "Unknown",
        }
    }
}

/// One request and what it was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ApiRequest {
    /// What it asked for.
    pub operation: ApiOperation,
    /// The tenant of the URL, as given.
    pub tenant: String,
    /// The content type asked about, as given, or that of the blob.
    pub content_type: Option<String>,
    /// The blob, where one was asked for.
    pub content_id: Option<String>,
    /// The status of the answer. One that never came has 0.
    pub status: u16,
    /// Whether the query has `PublisherIdentifier`.
    pub has_publisher: bool,
    /// Whether it brought a bearer token.
    pub has_token: bool,
    /// The `Host` header: another than the server's own means that a URL to elsewhere was followed.
    pub host: String,
    /// When, by the server's clock.
    pub at_micros: i64,
}

/// How many requests came, by operation, and each of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApiRequests {
    counts: [u64; OPERATIONS],
    log: VecDeque<ApiRequest>,
}

impl ApiRequests {
    /// Requests of one operation.
    pub fn of(&self, operation: ApiOperation) -> u64 {
        self.counts[operation as usize]
    }

    /// All requests.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The requests in order of their answers; of very many, the last 200,000.
    pub fn log(&self) -> impl DoubleEndedIterator<Item = &ApiRequest> {
        self.log.iter()
    }

    pub(crate) fn add(&mut self, request: ApiRequest) {
        self.counts[request.operation as usize] += 1;
        if self.log.len() == LOG_MAX {
            self.log.pop_front();
        }
        self.log.push_back(request);
    }
}
