//! Faults: what goes wrong, at which requests, how often.

use std::time::Duration;

use super::requests::ApiOperation;
use crate::faulty::FaultTrigger;
use crate::random::Random;

/// A fault: which requests, when, what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiFault {
    /// The operation, or every one.
    pub operation: Option<ApiOperation>,
    /// The tenant, or every one.
    pub tenant: Option<String>,
    /// The content type (of the request, or of the blob that is retrieved), or every one and none.
    pub content_type: Option<String>,
    /// What the path and query contain; empty for any.
    pub url_contains: String,
    /// When it strikes, among the requests that it concerns. A fault of a successful answer counts those only.
    pub trigger: FaultTrigger,
    /// How often it strikes at most.
    pub times_max: u64,
    /// What goes wrong.
    pub kind: ApiFaultKind,
}

impl ApiFault {
    /// Every request goes wrong so; change what differs.
    pub fn new(kind: ApiFaultKind) -> Self {
        Self {
            operation: None,
            tenant: None,
            content_type: None,
            url_contains: String::new(),
            trigger: FaultTrigger::From(1),
            times_max: u64::MAX,
            kind,
        }
    }

    /// Only requests of this operation.
    #[must_use]
    pub fn on(mut self, operation: ApiOperation) -> Self {
        self.operation = Some(operation);
        self
    }

    /// Only requests about this content type.
    #[must_use]
    pub fn of(mut self, content_type: &str) -> Self {
        self.content_type = Some(content_type.to_owned());
        self
    }

    /// Strikes this often at most.
    #[must_use]
    pub fn times(mut self, times_max: u64) -> Self {
        self.times_max = times_max;
        self
    }

    /// Strikes at these.
    #[must_use]
    pub fn when(mut self, trigger: FaultTrigger) -> Self {
        self.trigger = trigger;
        self
    }
}

/// What goes wrong. The first group is said in place of an answer, whatever was asked, and nothing was done; the others
/// change an answer of status 200.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ApiFaultKind {
    /// 401 with an empty body, as for a token that is no longer accepted.
    Unauthorized,
    /// 401 `AF10001`: the permission is missing, for one content type where the fault is about one.
    PermissionMissing,
    /// `AF429` in single quotes, with status 403 or 429.
    Throttled {
        /// 403 is what the API sends.
        status: u16,
        /// The API sends none.
        retry_after_seconds: Option<u64>,
    },
    /// `AF429` in single quotes with status 200.
    ThrottledInOk,
    /// 500 `AF50000`, asking to retry; in single quotes.
    InternalError,
    /// 500 `AF50000`, asking to retry in an hour.
    InternalErrorForAnHour,
    /// 408 with an empty body.
    Timeout,
    /// 503 with an HTML page.
    UnavailableHtml,
    /// A page of HTML with status 200, as a proxy or a sign-in page sends.
    LoginPage,
    /// The connection is reset before anything was done.
    Reset,
    /// Nothing is answered, and the connection stays open.
    StallBeforeHeaders,
    /// `AF20031`: the page's token is stale. Concerns only requests with one.
    StalePageToken,

    /// It was done, and the connection is reset before the answer.
    ResetAfter,
    /// Half of the body comes, then nothing more, and the connection stays open.
    StallInBody,
    /// The body comes in pieces with pauses.
    SlowBody {
        /// The size of a piece.
        piece_bytes: usize,
        /// The pause before each.
        pause: Duration,
    },
    /// 404 with an empty body.
    NotFound,
    /// 404 `AF20050`.
    ContentUnknown,
    /// 400 `AF20051`.
    ContentExpired,
    /// `[]`.
    EmptyArray,
    /// No body.
    EmptyBody,
    /// `null`.
    NullBody,
    /// An object where an array belongs.
    ObjectBody,
    /// An error object `AF50000` with status 200.
    ErrorInOk,
    /// Half of the body.
    Truncated(Truncation),
    /// A byte order mark before the body.
    ByteOrderMark,
    /// A page of HTML where JSON belongs, and `Content-Type` still says JSON.
    HtmlBody,
    /// Another `Content-Type`, or none.
    ContentType(Option<String>),
    /// The blob comes in pages of so many records, by `NextPageUri`.
    PagedBlob {
        /// Records of a page.
        records: usize,
    },
    /// `NextPageUri` of a blob goes to the blob itself.
    BlobInCircle,
    /// The entries of a listing come last first.
    Unordered,
    /// The first entry of a listing comes twice.
    ListedTwice,
    /// `NextPageUri` goes to this root, whatever page it is.
    ForeignNextPage {
        /// Scheme, host, port and the path before `/api/`.
        root: String,
    },
    /// The header is called `NextPageUrl`.
    NextPageUrl,
    /// `contentUri` of each entry goes to this root.
    ForeignContentUri {
        /// Scheme, host, port and the path before `/api/`.
        root: String,
    },
    /// The entries of `subscriptions/list` have no `status` and no `webhook`.
    StatusMissing,
    /// `subscriptions/list` names nothing.
    NothingListed,
}

/// How a body is cut short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truncation {
    /// `Content-Length` tells the full length and the connection ends before.
    ShorterThanDeclared,
    /// Without `Content-Length`: the connection ends before the last chunk.
    WithoutLength,
    /// `Content-Length` tells the length of the cut body: only the JSON shows it.
    Silent,
}

impl ApiFaultKind {
    /// Whether it is said in place of an answer.
    fn is_before(&self) -> bool {
        matches!(
            self,
            Self::Unauthorized
                | Self::PermissionMissing
                | Self::Throttled { .. }
                | Self::ThrottledInOk
                | Self::InternalError
                | Self::InternalErrorForAnHour
                | Self::Timeout
                | Self::UnavailableHtml
                | Self::LoginPage
                | Self::Reset
                | Self::StallBeforeHeaders
                | Self::StalePageToken
        )
    }
}

/// When a fault is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    BeforeAnswer,
    AfterSuccess,
}

/// What a request is about, as far as faults tell.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FaultSubject<'a> {
    pub(crate) operation: ApiOperation,
    pub(crate) tenant: &'a str,
    pub(crate) content_type: Option<&'a str>,
    pub(crate) url: &'a str,
}

/// The faults in force.
#[derive(Debug)]
pub(crate) struct Faults {
    random: Random,
    faults: Vec<Counted>,
    injected: u64,
}

#[derive(Debug)]
struct Counted {
    fault: ApiFault,
    seen: u64,
    struck: u64,
}

impl Faults {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            random: Random::new(seed),
            faults: Vec::new(),
            injected: 0,
        }
    }

    pub(crate) fn add(&mut self, fault: ApiFault) {
        self.faults.push(Counted {
            fault,
            seen: 0,
            struck: 0,
        });
    }

    pub(crate) fn clear(&mut self) {
        self.faults.clear();
    }

    pub(crate) fn injected(&self) -> u64 {
        self.injected
    }

    /// The first fault that strikes. All that concern the request count it.
    pub(crate) fn strike(
        &mut self,
        stage: Stage,
        subject: FaultSubject<'_>,
    ) -> Option<ApiFaultKind> {
        let mut strikes = None;
        for counted in &mut self.faults {
            if !counted.fault.concerns(stage, subject) || counted.struck >= counted.fault.times_max
            {
                continue;
            }
            counted.seen += 1;
            let now = match counted.fault.trigger {
                FaultTrigger::Nth(nth) => counted.seen == nth,
                FaultTrigger::From(first) => counted.seen >= first,
                FaultTrigger::PerMille(parts) => self.random.chance(parts, 1_000),
            };
            if now && strikes.is_none() {
                counted.struck += 1;
                self.injected += 1;
                strikes = Some(counted.fault.kind.clone());
            }
        }
        strikes
    }
}

impl ApiFault {
    fn concerns(&self, stage: Stage, subject: FaultSubject<'_>) -> bool {
        let same = |wanted: &Option<String>, given: Option<&str>| {
            wanted
                .as_deref()
                .is_none_or(|wanted| given.is_some_and(|given| given.eq_ignore_ascii_case(wanted)))
        };
        self.kind.is_before() == (stage == Stage::BeforeAnswer)
            && self.operation.is_none_or(|only| only == subject.operation)
            && same(&self.tenant, Some(subject.tenant))
            && same(&self.content_type, subject.content_type)
            && subject.url.contains(&self.url_contains)
            && (self.kind != ApiFaultKind::StalePageToken || subject.url.contains("nextPage="))
            && self.kind.fits(subject.operation)
    }
}

impl ApiFaultKind {
    /// A fault of listings doesn't count other requests.
    fn fits(&self, operation: ApiOperation) -> bool {
        match self {
            Self::PagedBlob { .. } | Self::BlobInCircle => operation == ApiOperation::GetBlob,
            Self::Unordered
            | Self::ListedTwice
            | Self::ForeignNextPage { .. }
            | Self::ForeignContentUri { .. }
            | Self::NextPageUrl => operation == ApiOperation::ListContent,
            Self::StatusMissing | Self::NothingListed => {
                operation == ApiOperation::ListSubscriptions
            }
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn struck(faults: &mut Faults, content_type: Option<&str>) -> bool {
        let subject = FaultSubject {
            operation: ApiOperation::GetBlob,
            tenant: "t",
            content_type,
            url: "/audit/1",
        };
        faults.strike(Stage::AfterSuccess, subject).is_some()
    }

    #[test]
    fn a_fault_strikes_when_told_and_no_more_often() {
        for (trigger, times_max, expected) in [
            (FaultTrigger::Nth(2), 9, [false, true, false, false]),
            (FaultTrigger::From(2), 9, [false, true, true, true]),
            (FaultTrigger::From(1), 2, [true, true, false, false]),
            (
                FaultTrigger::PerMille(1_000),
                1,
                [true, false, false, false],
            ),
            (FaultTrigger::PerMille(0), 9, [false; 4]),
        ] {
            let mut faults = Faults::new(1);
            let fault = ApiFault::new(ApiFaultKind::NullBody).when(trigger);
            faults.add(
                fault
                    .on(ApiOperation::GetBlob)
                    .of("DLP.All")
                    .times(times_max),
            );
            assert!(!struck(&mut faults, None));
            let seen = [(); 4].map(|()| struck(&mut faults, Some("DLP.All")));
            assert_eq!(seen, expected, "{trigger:?}");
        }
    }
}
