//! One content blob: asked for until it is whole, has expired, or is given up.

use std::time::Duration;

use url::Url;

use super::Shared;
use crate::api::{ApiClient, Blob, Circle};
use crate::error::{ApiError, ApiErrorKind};
use crate::ledger::BlobKey;
use crate::spool::{Body, Checker, Flaw, Spool};

/// How often a blob is asked for that is not there, or not whole, before it is called lost.
const ATTEMPTS_MAX: u32 = 5;
/// The first pause between two attempts; each is twice as long as the one before it.
const PAUSE: Duration = Duration::from_secs(1);
/// Pages of one blob.
const PAGES_MAX: usize = 10_000;
/// So much of a blob comes at least in so much time, if it comes to its end then. One that drips would keep its place, and
/// the end of the poll, for as long as it likes: none of its pauses is a stall.
const DRIP_BYTES: usize = 64 << 10;
pub(super) const DRIP: Duration = Duration::from_secs(120);

/// What became of a blob.
#[derive(Debug)]
pub(super) enum Fetched {
    /// It is here, whole.
    Whole(Vec<Body>),
    /// It never came whole; what came last is kept.
    Flawed { pages: Vec<Body>, reason: String },
    /// It can no longer be retrieved.
    Expired(String),
    /// It is not there, and asking again is of no use.
    Lost(String),
    /// Not now.
    Later(ApiError),
    /// This machine could not take it.
    Failed(std::io::Error),
}

/// Retrieves a blob.
pub(super) async fn fetch(shared: &Shared, client: &ApiClient, blob: &BlobKey) -> Fetched {
    if (blob.expires).is_some_and(|expires| expires <= client.server_now_micros()) {
        return Fetched::Expired("it expired before it was retrieved".to_owned());
    }
    let url = client.blob_url(&blob.uri, &blob.content_id);
    let mut attempt = 1;
    loop {
        let given_up = match pages(shared, client, &url).await {
            Ok((pages, None)) => return Fetched::Whole(pages),
            Ok((pages, Some(flaw))) => Fetched::Flawed {
                pages,
                reason: format!("{flaw}, {ATTEMPTS_MAX} times in a row"),
            },
            Err(FetchError::Io(error)) => return Fetched::Failed(error),
            Err(FetchError::Api(error)) => match error.kind() {
                ApiErrorKind::BlobExpired => return Fetched::Expired(error.to_string()),
                ApiErrorKind::BlobInvalid
                | ApiErrorKind::ForeignUrl
                | ApiErrorKind::BlobTooLarge => return Fetched::Lost(error.to_string()),
                ApiErrorKind::BlobGone | ApiErrorKind::NotBlob => Fetched::Lost(error.to_string()),
                _ => return Fetched::Later(error),
            },
        };
        if attempt == ATTEMPTS_MAX {
            return given_up;
        }
        let pause = PAUSE * (1 << (attempt - 1));
        shared
            .pace
            .sleep(pause.mul_f64(0.5 + shared.pace.jitter() / 2.0))
            .await;
        attempt += 1;
    }
}

enum FetchError {
    Api(ApiError),
    Io(std::io::Error),
}

impl From<ApiError> for FetchError {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
}

impl From<std::io::Error> for FetchError {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

/// The pages of a blob, nearly always one (quirk B9), and what is wrong with the first that is not whole.
async fn pages(
    shared: &Shared,
    client: &ApiClient,
    url: &Url,
) -> Result<(Vec<Body>, Option<Flaw>), FetchError> {
    let mut pages = Vec::new();
    let mut circle = Circle::new(url);
    let mut next = Some(url.clone());
    while let Some(url) = next.take() {
        let mut blob = client.blob(&url).await?;
        let (page, flaw) = page(shared, &mut blob).await?;
        pages.push(page);
        if flaw.is_some() {
            return Ok((pages, flaw));
        }
        next = blob.next_page().cloned();
        let is_circle = next.as_ref().is_some_and(|next| circle.closes(next));
        if is_circle || (next.is_some() && pages.len() >= PAGES_MAX) {
            return Ok((pages, Some(Flaw::Endless)));
        }
    }
    Ok((pages, None))
}

/// A page to its end, and what is wrong with it.
async fn page(shared: &Shared, blob: &mut Blob) -> Result<(Body, Option<Flaw>), FetchError> {
    let mut spool = Spool::new(shared.options.spool_folder.as_deref());
    let mut checker = Checker::default();
    let mut limit = shared.pace.time_limit(DRIP);
    let mut bytes = 0;
    loop {
        let chunk = tokio::select! {
            biased;
            chunk = blob.chunk() => chunk?,
            () = &mut limit => return Err(blob.too_slow(DRIP).into()),
        };
        let Some(chunk) = chunk else {
            break;
        };
        checker.push(&chunk);
        spool.push(&chunk)?;
        bytes += chunk.len();
        if bytes >= DRIP_BYTES {
            (bytes, limit) = (0, shared.pace.time_limit(DRIP));
        }
    }
    Ok((spool.finish()?, checker.finish()))
}
