//! Inputs to lake: listing, reading, decoding and appending, with bounded memory.
//!
//! The only module of the crate that knows a runtime. One thread reads and splits, some decode, one
//! append at a time encodes and commits while the next records are decoded.

mod flush;
mod folder;
mod input;
mod read;
mod report;
mod rows;

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};

use arrow::error::ArrowError;
use audit_lake::{Lake, TenantId};
use futures::StreamExt;
use futures::stream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinError;

pub use input::{Input, InputError, find_inputs, find_inputs_with};
pub use report::{Contents, InputReport, Outcome, Progress, Report};

use crate::decode::{Decoded, UNKNOWN_TENANT, decode};
use crate::envelope::{Form, Slab};
use flush::Flusher;
use read::Event;

/// Records' text, and what rejects take, gathered for one commit. More makes fewer and smaller files and costs memory:
/// with half as much again 2 % of the size and 220 MB for a million generated records.
const FLUSH_BYTES: usize = 72 << 20;

/// The same gathered while the commit before is not done. Decoding waits then.
const GATHERED_BYTES_MAX: usize = 80 << 20;

/// Inputs whose ledger rows wait for one commit.
const FLUSH_INPUTS: usize = 10_000;

/// Slabs read ahead of the decoders.
const SLABS_AHEAD: usize = 2;

/// How to ingest.
#[derive(Debug, Clone)]
pub struct IngestOptions {
    /// The tenant of every record; `None`: each record's `OrganizationId` says.
    pub tenant: Option<TenantId>,
    /// The form of every input; `None`: told by content.
    pub form: Option<Form>,
    /// Threads that decode and encode.
    pub threads: NonZeroUsize,
    /// Whether the inputs are entered in the ledger, as `stored`. Without it the caller does that, after the ingest.
    pub ledger: bool,
    /// Counters to watch while it runs.
    pub progress: Arc<Progress>,
}

impl Default for IngestOptions {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self {
            tenant: None,
            form: None,
            threads,
            ledger: true,
            progress: Arc::default(),
        }
    }
}

/// Why ingest stopped. What was committed until then stays, and ingesting again makes it whole.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IngestError {
    /// The lake could not take the records.
    #[error("could not write to the lake: {0}")]
    Lake(#[from] audit_lake::Error),
    /// A defect of this crate: report it.
    #[error("internal error: {0}")]
    Internal(String),
}

/// Ingests the inputs in order. Ends with a report of each; an input that can't be read is reported
/// and does not stop the others.
///
/// # Errors
/// [`IngestError::Lake`] if the lake can't take the records, [`IngestError::Internal`] if an input was not reached.
pub async fn ingest(
    lake: &Lake,
    inputs: Vec<Input>,
    options: IngestOptions,
) -> Result<Report, IngestError> {
    let fixed_tenant = options.tenant.map(|tenant| tenant.to_string());
    let mut report = Report::new(&inputs);
    let inputs = Arc::new(inputs);
    let (events, reading) = read::start(
        Arc::clone(&inputs),
        options.form,
        Arc::clone(&options.progress),
    );
    let default_tenant = fixed_tenant
        .clone()
        .unwrap_or_else(|| UNKNOWN_TENANT.to_owned());
    let mut events = decoded(events, fixed_tenant, options.threads);

    let progress = Arc::clone(&options.progress);
    let mut flusher = Flusher::new(
        lake.clone(),
        inputs,
        default_tenant,
        options.threads,
        options.ledger,
        progress,
    );
    while let Some(event) = events.next().await {
        match event {
            Decoding::Slab {
                input,
                text_bytes,
                decoded,
            } => flusher.add(input, text_bytes, decoded?),
            Decoding::Other(event) => match event {
                Event::Started { input, form } => report.started(input, form),
                Event::Ended { input, digest } => flusher.ended(input, report.form(input), digest),
                Event::Skipped { input, why } => report.skipped(input, why),
                Event::Failed { input, error } => report.failed(input, error),
                Event::Damaged {
                    input,
                    offset,
                    detail,
                } => flusher.damaged(input, offset, detail),
                Event::Slab { .. } => {}
            },
        }
        if flusher.is_due() {
            flusher.flush(&mut report).await?;
        }
    }
    flusher.flush(&mut report).await?;
    flusher.wait(&mut report).await?;
    check_end(reading.await, &report)?;
    Ok(report)
}

/// The events end when all inputs were read, and also when what reads them ended early.
fn check_end(reading: Result<(), JoinError>, report: &Report) -> Result<(), IngestError> {
    reading.map_err(|error| IngestError::Internal(format!("reading ended early: {error}")))?;
    match (report.inputs.iter()).find(|input| input.outcome == Outcome::Pending) {
        Some(input) => Err(IngestError::Internal(format!(
            "reading ended before `{}`",
            input.name
        ))),
        None => Ok(()),
    }
}

enum Decoding {
    Slab {
        input: usize,
        text_bytes: usize,
        decoded: Result<Decoded, IngestError>,
    },
    Other(Event),
}

type Undecoded = (Slab, oneshot::Sender<Result<Decoded, ArrowError>>);

/// Decodes on threads that stay the same: allocators keep memory by thread, so with any thread of
/// the runtime's pool each of them would hold on to as much as a commit needs.
fn decoders(tenant: Option<String>, threads: NonZeroUsize) -> std::sync::mpsc::Sender<Undecoded> {
    let (sender, slabs) = std::sync::mpsc::channel::<Undecoded>();
    let slabs = Arc::new(Mutex::new(slabs));
    for _ in 0..threads.get() {
        let (slabs, tenant) = (Arc::clone(&slabs), tenant.clone());
        let next = move || slabs.lock().ok()?.recv().ok();
        tokio::task::spawn_blocking(move || {
            while let Some((slab, done)) = next() {
                // An ingest that stopped does not wait for it any more.
                let _ = done.send(decode(slab, tenant.as_deref()));
            }
        });
    }
    sender
}

/// The events in their order, slabs decoded, `threads` at a time.
fn decoded(
    events: mpsc::Receiver<Event>,
    tenant: Option<String>,
    threads: NonZeroUsize,
) -> impl futures::Stream<Item = Decoding> + Unpin {
    let events = stream::unfold(events, |mut events| async move {
        events.recv().await.map(|event| (event, events))
    });
    let slabs = decoders(tenant, threads);
    let decoded = events.map(move |event| {
        let slabs = slabs.clone();
        async move {
            let Event::Slab { input, slab } = event else {
                return Decoding::Other(event);
            };
            let text_bytes = slab.len_bytes();
            let (done, decoded) = oneshot::channel();
            // If nobody takes it, nobody answers either.
            let _ = slabs.send((slab, done));
            let decoded = match decoded.await {
                Ok(decoded) => decoded.map_err(|e| IngestError::Internal(e.to_string())),
                Err(_) => Err(IngestError::Internal("a decoder ended early".to_owned())),
            };
            Decoding::Slab {
                input,
                text_bytes,
                decoded,
            }
        }
    });
    Box::pin(decoded.buffered(threads.get()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

    use super::*;

    #[tokio::test]
    async fn an_end_before_the_last_input_is_an_error() {
        let inputs = [Input::of_bytes(
            "a".to_owned(),
            "[]".into(),
            Default::default(),
        )];
        let mut report = Report::new(&inputs);
        let ended = || tokio::task::spawn_blocking(|| {});
        let reason = check_end(ended().await, &report).unwrap_err().to_string();
        assert_eq!(reason, "internal error: reading ended before `a`");

        report.skipped(0, "empty".to_owned());
        check_end(ended().await, &report).unwrap();
        let panicked = tokio::task::spawn_blocking(|| panic!("a defect"));
        let reason = check_end(panicked.await, &report).unwrap_err().to_string();
        assert!(reason.contains("reading ended early"), "{reason}");
    }
}
