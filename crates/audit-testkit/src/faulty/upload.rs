//! Faults of a multipart upload.

use async_trait::async_trait;
use futures::FutureExt;
use object_store::path::Path;
use object_store::{MultipartUpload, PutPayload, PutResult, Result, UploadPart};

use super::{FaultyStore, Operation};

#[derive(Debug)]
pub(super) struct FaultyUpload {
    inner: Box<dyn MultipartUpload>,
    store: FaultyStore,
    location: Path,
}

impl FaultyUpload {
    pub(super) fn new(inner: Box<dyn MultipartUpload>, store: FaultyStore, location: Path) -> Self {
        Self {
            inner,
            store,
            location,
        }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl MultipartUpload for FaultyUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        match self.store.begin(Operation::PutPart, &self.location) {
            Err(error) => std::future::ready(Err(error)).boxed(),
            Ok(answer) => {
                let (part, location) = (self.inner.put_part(data), self.location.clone());
                async move { answer.pass(part.await, Operation::PutPart, &location) }.boxed()
            }
        }
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let answer = self
            .store
            .begin(Operation::CompleteMultipart, &self.location)?;
        answer.pass(
            self.inner.complete().await,
            Operation::CompleteMultipart,
            &self.location,
        )
    }

    async fn abort(&mut self) -> Result<()> {
        self.inner.abort().await
    }
}
