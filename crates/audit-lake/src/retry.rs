//! Bounded retries of store calls.
//!
//! Cloud clients retry by themselves; this covers what they give up on too early and stores that don't.

use std::time::Duration;

use object_store::path::Path;

use crate::error::{Error, Result};

/// How often a call is made before its error goes to the caller.
pub(crate) const ATTEMPTS_MAX: u32 = 5;
/// Doubles from attempt to attempt: 10, 20, 40, 80 ms.
const FIRST_DELAY: Duration = Duration::from_millis(10);

/// Does `call` until it succeeds, fails for good, or was tried [`ATTEMPTS_MAX`] times.
pub(crate) async fn retry<T, F>(mut call: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let mut attempt = 1;
    loop {
        match call().await {
            Err(error) if error.is_transient() && attempt < ATTEMPTS_MAX => {
                tracing::debug!(%error, attempt, "store call failed, trying again");
                pause(attempt).await;
                attempt += 1;
            }
            outcome => return outcome,
        }
    }
}

/// Waits before the attempt after `attempt` (from 1).
pub(crate) async fn pause(attempt: u32) {
    tokio::time::sleep(FIRST_DELAY * 2_u32.saturating_pow(attempt.saturating_sub(1))).await;
}

/// The object's bytes, or `None` where there is no object.
pub(crate) async fn read(
    store: &dyn object_store::ObjectStore,
    path: &Path,
) -> Result<Option<bytes::Bytes>> {
    retry(|| async {
        let got = match store
            .get_opts(path, object_store::GetOptions::default())
            .await
        {
            Ok(got) => got,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(source) => return Err(Error::store("read", path, source)),
        };
        got.bytes()
            .await
            .map(Some)
            .map_err(|source| Error::store("read", path, source))
    })
    .await
}
