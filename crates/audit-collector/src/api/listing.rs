//! The listing of a window, page by page.

use audit_schema::ContentType;
use url::Url;

use super::circle::Circle;
use super::client::ApiClient;
use super::model::ContentBlobRef;
use crate::error::{ApiError, ApiErrorKind, Refusal};

/// A server that never ends a listing is not followed forever.
const PAGES_MAX: u32 = 100_000;

/// A listing that is under way.
///
/// Entries come as the server sends them: in any order, and a blob may come twice. After an error the page that failed
/// can be asked for again; after [`ApiErrorKind::PageTokenStale`] the window has to be listed anew.
#[derive(Debug)]
pub struct Listing {
    client: ApiClient,
    content_type: ContentType,
    from_micros: i64,
    next: Option<Url>,
    circle: Circle,
    pages: u32,
}

impl Listing {
    pub(super) fn new(
        client: ApiClient,
        content_type: ContentType,
        from_micros: i64,
        first: Url,
    ) -> Self {
        Self {
            client,
            content_type,
            from_micros,
            circle: Circle::new(&first),
            next: Some(first),
            pages: 0,
        }
    }

    /// The next page, which may be empty; `None` after the last one: then the window has been listed to its end.
    pub async fn next_page(&mut self) -> Result<Option<Vec<ContentBlobRef>>, ApiError> {
        let Some(url) = self.next.clone() else {
            return Ok(None);
        };
        let page = self
            .client
            .page(self.content_type, self.from_micros, &url)
            .await;
        let (next, blobs) = page?;
        self.pages += 1;
        let is_circle = (next.as_ref()).is_some_and(|next| self.circle.closes(next));
        let is_endless = next.is_some() && self.pages >= PAGES_MAX;
        if is_circle || is_endless {
            let kind = match is_circle {
                true => ApiErrorKind::PageTokenStale,
                // Another one as long would bring no more.
                false => ApiErrorKind::Transient,
            };
            let message = format!("the listing does not end after {} pages", self.pages);
            let refusal = Refusal::new(kind, message);
            return Err(self.client.listing_error(self.content_type, url, refusal));
        }
        self.next = next;
        Ok(Some(blobs))
    }
}
