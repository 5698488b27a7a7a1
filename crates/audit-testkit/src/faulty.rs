//! An object store that fails as told, and counts what is asked of it and how long it would take.

mod upload;

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions,
    Result,
};

use self::upload::FaultyUpload;
use crate::random::Random;

const OPERATIONS: usize = 10;

/// How often a request that takes time lets others go before it, so that those which do not wait for it are asked at
/// the same time.
const YIELDS: usize = 16;

/// What is asked of a store, as far as faults and counts tell it apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// One object written by one request, put-if-absent included.
    Put,
    /// A multipart upload begun.
    StartMultipart,
    /// One part uploaded.
    PutPart,
    /// A multipart upload completed: the object appears.
    CompleteMultipart,
    /// An object, a range or some ranges of it read.
    Get,
    /// An object's size and time asked for.
    Head,
    /// A prefix listed.
    List,
    /// One object deleted.
    Delete,
    /// An object copied.
    Copy,
    /// An object renamed.
    Rename,
}

impl Operation {
    fn is_write(self) -> bool {
        !matches!(self, Self::Get | Self::Head | Self::List)
    }
}

/// How a fault shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// The request fails and had no effect.
    Before,
    /// The request has its effect, and its answer is lost. A listing ends with the error.
    After,
    /// Of what is read comes the first half, and nothing says so. Other requests are as they would be.
    Half,
}

/// When a fault strikes, among the requests that it concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultTrigger {
    /// At this one; the first is 1.
    Nth(u64),
    /// At this one and each after it.
    From(u64),
    /// At so many of 1,000, by chance.
    PerMille(u64),
}

/// A fault: which requests, when, how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The operation, or every one.
    pub operation: Option<Operation>,
    /// How the path begins; empty for every path.
    pub prefix: String,
    /// How the path ends; empty for every path.
    pub suffix: String,
    /// When it strikes.
    pub trigger: FaultTrigger,
    /// How it shows.
    pub kind: FaultKind,
}

impl Fault {
    /// The first `operation` on any path fails without effect; change what differs.
    pub fn new(operation: Operation) -> Self {
        Self {
            operation: Some(operation),
            prefix: String::new(),
            suffix: String::new(),
            trigger: FaultTrigger::Nth(1),
            kind: FaultKind::Before,
        }
    }

    fn concerns(&self, operation: Operation, path: &str) -> bool {
        self.operation.is_none_or(|only| only == operation)
            && path.starts_with(&self.prefix)
            && path.ends_with(&self.suffix)
    }
}

/// How many requests reached the wrapper, those that failed included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RequestCounts {
    requests: [u64; OPERATIONS],
    /// Bytes that the answers to [`Operation::Get`] held.
    pub bytes_read: u64,
}

impl RequestCounts {
    /// Requests of one operation.
    pub fn of(&self, operation: Operation) -> u64 {
        self.requests[operation as usize]
    }

    /// All requests.
    pub fn total(&self) -> u64 {
        self.requests.iter().sum()
    }
}

/// An object store that fails as told, and counts what is asked of it.
///
/// It stands before any other store and forwards everything; clones share faults and counts. Each [`Fault`] says which
/// requests it concerns (operation, start and end of the path), when it strikes (the n-th such
/// request, all from the n-th on, or by chance) and how: the request never reaches the store, it
/// succeeds there and the answer is lost, or half of the answer is. [`FaultyStore::freeze_after_writes`] lets so many writes
/// through and none after: the process that "crashed" there is followed by one that opens the inner
/// store.
///
/// # Determinism
///
/// Chance comes from the seed, in the order of the requests: on a single-threaded runtime the same
/// seed gives the same run. Tests print their seed first.
///
/// # Time
///
/// With [`FaultyStore::set_latency`] reads, lists and puts take time, in a time of the store's own that nobody waits
/// for: a request begins when the last answer before it was given. So [`FaultyStore::elapsed`] is the latency times the
/// longest chain of requests that waited for each other; it is never less, and no more if those which do not wait are
/// asked by one thread.
#[derive(Debug, Clone)]
pub struct FaultyStore {
    inner: Arc<dyn ObjectStore>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    random: Random,
    faults: Vec<(Fault, u64)>,
    counts: RequestCounts,
    injected: u64,
    writes_left: Option<u64>,
    latency: Duration,
    elapsed: Duration,
}

impl FaultyStore {
    /// Stands before `inner`; without faults until some are added.
    pub fn new(inner: Arc<dyn ObjectStore>, seed: u64) -> Self {
        let state = State {
            random: Random::new(seed),
            faults: Vec::new(),
            counts: RequestCounts::default(),
            injected: 0,
            writes_left: None,
            latency: Duration::ZERO,
            elapsed: Duration::ZERO,
        };
        Self {
            inner,
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// Adds a fault; its requests are counted from now on.
    pub fn add(&self, fault: Fault) {
        self.state().faults.push((fault, 0));
    }

    /// Removes all faults and unfreezes.
    pub fn heal(&self) {
        let mut state = self.state();
        state.faults.clear();
        state.writes_left = None;
    }

    /// Lets `writes` more writes through; each after that fails without effect, until
    /// [`heal`](Self::heal).
    pub fn freeze_after_writes(&self, writes: u64) {
        self.state().writes_left = Some(writes);
    }

    /// Whether a write would fail because the store is frozen.
    pub fn is_frozen(&self) -> bool {
        self.state().writes_left == Some(0)
    }

    /// Requests since the start or the last [`reset_counts`](Self::reset_counts).
    pub fn counts(&self) -> RequestCounts {
        self.state().counts
    }

    /// Sets the counts to zero; those that the faults keep go on.
    pub fn reset_counts(&self) {
        self.state().counts = RequestCounts::default();
    }

    /// How many requests failed here, frozen ones included.
    pub fn injected(&self) -> u64 {
        self.state().injected
    }

    /// Sets how long each request takes from now on, and the time to zero.
    pub fn set_latency(&self, latency: Duration) {
        let mut state = self.state();
        state.latency = latency;
        state.elapsed = Duration::ZERO;
    }

    /// How long the requests took since the latency was set, those at the same time counted once.
    pub fn elapsed(&self) -> Duration {
        self.state().elapsed
    }

    /// A request that is answered as `answered` says, after its time.
    async fn timed<T>(&self, answered: impl Future<Output = T>) -> T {
        let (latency, start) = {
            let state = self.state();
            (state.latency, state.elapsed)
        };
        if latency.is_zero() {
            return answered.await;
        }
        for _ in 0..YIELDS {
            let mut yielded = false;
            std::future::poll_fn(|context| {
                if std::mem::replace(&mut yielded, true) {
                    return Poll::Ready(());
                }
                context.waker().wake_by_ref();
                Poll::Pending
            })
            .await;
        }
        let answer = answered.await;
        let mut state = self.state();
        state.elapsed = state.elapsed.max(start + latency);
        answer
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A test that panicked elsewhere shall see its own panic, not this lock's.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a request and says what shall become of it: an error now, or the kind of fault to
    /// show afterwards.
    fn begin(&self, operation: Operation, path: &Path) -> Result<Answer> {
        let mut state = self.state();
        let State {
            random,
            faults,
            counts,
            injected,
            writes_left,
            ..
        } = &mut *state;
        counts.requests[operation as usize] += 1;
        if operation.is_write() {
            match writes_left {
                Some(0) => {
                    *injected += 1;
                    return Err(injected_error("the store is frozen", operation, path));
                }
                Some(left) => *left -= 1,
                None => {}
            }
        }
        let mut answer = Answer::Given;
        for (fault, seen) in faults
            .iter_mut()
            .filter(|(fault, _)| fault.concerns(operation, path.as_ref()))
        {
            *seen += 1;
            let strikes = match fault.trigger {
                FaultTrigger::Nth(nth) => *seen == nth,
                FaultTrigger::From(first) => *seen >= first,
                FaultTrigger::PerMille(parts) => random.chance(parts, 1_000),
            };
            if strikes {
                *injected += 1;
                match fault.kind {
                    FaultKind::Before => {
                        return Err(injected_error("error before the request", operation, path));
                    }
                    FaultKind::After => answer = Answer::Lost,
                    FaultKind::Half => answer = Answer::Half,
                }
            }
        }
        Ok(answer)
    }

    fn list_through(
        &self,
        prefix: Option<&Path>,
        list: impl FnOnce(&dyn ObjectStore) -> BoxStream<'static, Result<ObjectMeta>>,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let path = prefix.cloned().unwrap_or_default();
        let listed = match self.begin(Operation::List, &path) {
            Err(error) => stream::once(async { Err(error) }).boxed(),
            Ok(Answer::Given | Answer::Half) => list(&self.inner),
            Ok(Answer::Lost) => {
                let error = answer_lost(Operation::List, &path);
                list(&self.inner)
                    .chain(stream::once(async { Err(error) }))
                    .boxed()
            }
        };
        let store = self.clone();
        stream::once(async move { store.timed(async { listed }).await })
            .flatten()
            .boxed()
    }
}

/// What becomes of the answer to a request that reached the inner store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Given,
    Lost,
    Half,
}

impl Answer {
    /// Passes `result` on, or loses it if it is a success.
    fn pass<T>(self, result: Result<T>, operation: Operation, path: &Path) -> Result<T> {
        match self {
            Self::Given | Self::Half => result,
            Self::Lost => result.and_then(|_| Err(answer_lost(operation, path))),
        }
    }
}

/// What was read, cut off.
async fn first_half(got: GetResult) -> Result<GetResult> {
    let (meta, range, attributes) = (got.meta.clone(), got.range.clone(), got.attributes.clone());
    let mut bytes = got.bytes().await?;
    bytes.truncate(bytes.len() / 2);
    Ok(GetResult {
        payload: GetResultPayload::Stream(stream::iter([Ok(bytes)]).boxed()),
        meta,
        range,
        attributes,
    })
}

fn answer_lost(operation: Operation, path: &Path) -> Error {
    injected_error("answer lost after success", operation, path)
}

fn injected_error(what: &str, operation: Operation, path: &Path) -> Error {
    Error::Generic {
        store: "FaultyStore",
        source: format!("injected: {what} ({operation:?} {path})").into(),
    }
}

impl fmt::Display for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FaultyStore({})", self.inner)
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ObjectStore for FaultyStore {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        let answer = self.begin(Operation::Put, location)?;
        answer.pass(
            self.timed(self.inner.put_opts(location, payload, options))
                .await,
            Operation::Put,
            location,
        )
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let answer = self.begin(Operation::StartMultipart, location)?;
        let upload = self.inner.put_multipart_opts(location, options).await;
        let upload = answer.pass(upload, Operation::StartMultipart, location)?;
        Ok(Box::new(FaultyUpload::new(
            upload,
            self.clone(),
            location.clone(),
        )))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let operation = if options.head {
            Operation::Head
        } else {
            Operation::Get
        };
        let answer = self.begin(operation, location)?;
        let result = answer.pass(
            self.timed(self.inner.get_opts(location, options)).await,
            operation,
            location,
        )?;
        if operation == Operation::Get {
            self.state().counts.bytes_read += result.range.end - result.range.start;
        }
        match answer {
            Answer::Half => first_half(result).await,
            _ => Ok(result),
        }
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let answer = self.begin(Operation::Get, location)?;
        let mut result = answer.pass(
            self.timed(self.inner.get_ranges(location, ranges)).await,
            Operation::Get,
            location,
        )?;
        if answer == Answer::Half {
            for bytes in &mut result {
                bytes.truncate(bytes.len() / 2);
            }
        }
        self.state().counts.bytes_read +=
            result.iter().map(|bytes| bytes.len() as u64).sum::<u64>();
        Ok(result)
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        // One by one, so that each has a fate of its own.
        let store = self.clone();
        locations
            .then(move |location| {
                let store = store.clone();
                async move {
                    let location = location?;
                    let answer = store.begin(Operation::Delete, &location)?;
                    let only = stream::once(std::future::ready(Ok(location.clone()))).boxed();
                    for result in store.inner.delete_stream(only).collect::<Vec<_>>().await {
                        answer.pass(result, Operation::Delete, &location)?;
                    }
                    Ok(location)
                }
                .boxed()
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.list_through(prefix, |inner| inner.list(prefix))
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.list_through(prefix, |inner| inner.list_with_offset(prefix, offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let path = prefix.cloned().unwrap_or_default();
        let answer = self.begin(Operation::List, &path)?;
        answer.pass(
            self.timed(self.inner.list_with_delimiter(prefix)).await,
            Operation::List,
            &path,
        )
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let answer = self.begin(Operation::Copy, to)?;
        answer.pass(
            self.inner.copy_opts(from, to, options).await,
            Operation::Copy,
            to,
        )
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        let answer = self.begin(Operation::Rename, to)?;
        answer.pass(
            self.inner.rename_opts(from, to, options).await,
            Operation::Rename,
            to,
        )
    }
}

#[cfg(test)]
mod tests;
