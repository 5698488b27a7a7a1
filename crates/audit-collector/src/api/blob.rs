//! A content blob while it comes.

use std::time::Duration;

use bytes::Bytes;
use reqwest::Response;
use url::Url;

use super::call::{Answer, Call};
use super::client::ApiClient;
use super::http::too_slow;
use crate::error::{ApiError, ApiErrorKind, Refusal};

/// A blob whose answer has begun, as an array.
///
/// Never held as a whole: its chunks come as the server sends them. That the array ends as it should is for the reader
/// of the records to see; here is seen where the connection breaks off or stalls, or the blob is too large.
#[derive(Debug)]
pub struct Blob {
    client: ApiClient,
    call: Call,
    head: Option<Bytes>,
    response: Response,
    next_page: Option<Url>,
    content_length: Option<u64>,
    bytes: u64,
}

impl Blob {
    pub(super) fn try_new(client: ApiClient, call: Call, answer: Answer) -> Result<Self, ApiError> {
        let blob = Self {
            content_length: answer.response.content_length(),
            client,
            call,
            head: Some(answer.head),
            response: answer.response,
            next_page: answer.next_page,
            bytes: 0,
        };
        match blob.content_length {
            Some(length) if length > blob.bytes_max() => Err(blob.too_large()),
            _ => Ok(blob),
        }
    }

    /// Where the blob goes on after this answer, if it does.
    pub fn next_page(&self) -> Option<&Url> {
        self.next_page.as_ref()
    }

    /// How many bytes the answer has, where it says so (not if it is compressed).
    pub fn content_length(&self) -> Option<u64> {
        self.content_length
    }

    /// The next bytes; `None` after the last.
    ///
    /// # Errors
    ///
    /// [`ApiErrorKind::Transient`] where the answer breaks off or stalls: what came is not all, ask for the blob again.
    /// [`ApiErrorKind::BlobTooLarge`] past the limit.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, ApiError> {
        let chunk = match self.head.take() {
            Some(head) => Some(head),
            None => {
                let chunk = self.client.chunk(&mut self.response).await;
                chunk.map_err(|refusal| self.client.error(&self.call, refusal))?
            }
        };
        if let Some(bytes) = &chunk {
            let count = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            self.bytes = self.bytes.saturating_add(count);
            if self.bytes > self.bytes_max() {
                return Err(self.too_large());
            }
        }
        Ok(chunk)
    }

    /// That what came within the time is next to nothing: trouble, as a stall is.
    pub(crate) fn too_slow(&self, limit: Duration) -> ApiError {
        let refusal = too_slow("next to nothing of the answer", limit);
        self.client.error(&self.call, refusal)
    }

    fn bytes_max(&self) -> u64 {
        self.client.settings().blob_bytes_max
    }

    fn too_large(&self) -> ApiError {
        let message = format!("more than {} bytes", self.bytes_max());
        let refusal = Refusal::new(ApiErrorKind::BlobTooLarge, message);
        self.client.error(&self.call, refusal)
    }
}
