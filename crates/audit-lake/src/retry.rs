//! Bounded retries of store calls.
//!
//! Cloud clients retry by themselves; this covers what they give up on too early and stores that don't.

use std::fmt::Display;
use std::time::Duration;

use object_store::path::Path;
use object_store::{PutMode, PutOptions};
use tokio::time::Instant;

use crate::error::{Error, Result};

/// How often a call is made before its error goes to the caller.
pub(crate) const ATTEMPTS_MAX: u32 = 5;
/// Doubles from attempt to attempt: 10, 20, 40, 80 ms.
const FIRST_DELAY: Duration = Duration::from_millis(10);
/// A client that took longer to fail has tried again by itself, for minutes where nobody answers.
const PATIENCE: Duration = Duration::from_secs(5);

/// Does `call` until it succeeds, fails for good, or was tried [`ATTEMPTS_MAX`] times.
pub(crate) async fn retry<T, F>(call: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    retry_if(Error::is_transient, call).await
}

/// The same for a call whose error is the store's own.
pub(crate) async fn retry_store<T, F>(call: impl FnMut() -> F) -> object_store::Result<T>
where
    F: Future<Output = object_store::Result<T>>,
{
    retry_if(is_transient, call).await
}

async fn retry_if<T, E: Display, F>(
    is_transient: impl Fn(&E) -> bool,
    mut call: impl FnMut() -> F,
) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    let mut attempt = 1;
    loop {
        let began = Instant::now();
        match call().await {
            Err(error)
                if is_transient(&error) && attempt < ATTEMPTS_MAX && began.elapsed() < PATIENCE =>
            {
                tracing::debug!(%error, attempt, "store call failed, trying again");
                pause(attempt).await;
                attempt += 1;
            }
            outcome => return outcome,
        }
    }
}

/// Whether the store may do another time what it did not.
pub(crate) fn is_transient(error: &object_store::Error) -> bool {
    use object_store::Error as E;
    !matches!(
        error,
        E::NotFound { .. }
            | E::NotSupported { .. }
            | E::NotImplemented { .. }
            | E::UnknownConfigurationKey { .. }
            | E::PermissionDenied { .. }
            | E::Unauthenticated { .. }
            | E::InvalidPath { .. }
            | E::AlreadyExists { .. }
            | E::Precondition { .. }
    )
}

/// Waits before the attempt after `attempt` (from 1).
pub(crate) async fn pause(attempt: u32) {
    tokio::time::sleep(FIRST_DELAY * 2_u32.saturating_pow(attempt.saturating_sub(1))).await;
}

/// Puts an object where none is. `None`: it did; otherwise what is there, which is ours if an answer was lost.
///
/// # Errors
///
/// After [`Error::Unavailable`] it is unknown whether it did.
pub(crate) async fn put_new(
    store: &dyn object_store::ObjectStore,
    operation: &'static str,
    path: &Path,
    content: bytes::Bytes,
) -> Result<Option<bytes::Bytes>> {
    let mut attempt = 1;
    loop {
        let began = Instant::now();
        let options = PutOptions {
            mode: PutMode::Create,
            ..PutOptions::default()
        };
        let put = store.put_opts(path, content.clone().into(), options);
        let Err(source) = put.await else {
            return Ok(None);
        };
        let exists = matches!(
            source,
            object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }
        );
        let error = Error::store(operation, path, source);
        if !exists && !error.is_transient() {
            return Err(error);
        }
        if let Some(there) = read(store, path).await? {
            return Ok(Some(there));
        }
        if attempt == ATTEMPTS_MAX || began.elapsed() >= PATIENCE {
            return Err(error);
        }
        pause(attempt).await;
        attempt += 1;
    }
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
