//! Gathers records and hands them to the lake: records first, then rejects, then the ledger.
//!
//! The ledger says "stored" only after the commit of an input's last record. A process that dies in
//! between leaves rows without a ledger entry; the next ingest finds them as duplicates and writes
//! the entry.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use audit_lake::{AppendOptions, Arrival, Lake, Origin, TableName, TenantId};
use audit_schema::ContentType;
use audit_schema::content_state::{STORED, STORED_AGAIN};
use tokio::task::JoinHandle;

use super::read::InputDigest;
use super::report::wider;
use super::rows::TenantRows;
use super::{
    Contents, FLUSH_BYTES, FLUSH_INPUTS, GATHERED_BYTES_MAX, IngestError, Input, Outcome, Progress,
    Report,
};
use crate::decode::{Decoded, Reject};
use crate::envelope::Form;
use crate::identity::canonical;
use crate::reject::Reason;

/// What a reject takes beside its texts: itself, its row and its keys. Its texts it takes twice, in its row too.
const REJECT_BYTES: usize = 1 << 10;

/// What a batch takes beside its rows: its schema and its columns.
const BATCH_BYTES: usize = 8 << 10;

/// What an input held for one tenant.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    pub(super) held: u64,
    pub(super) records: u64,
    pub(super) duplicates: u64,
    pub(super) rejects: u64,
    /// Earliest and latest `creation_time`, in microseconds.
    pub(super) times: Option<(i64, i64)>,
    pub(super) audit_version: Option<u64>,
}

/// The records of some inputs, or parts of them, on their way to one commit a tenant.
#[derive(Debug, Default)]
struct Batch {
    tenants: BTreeMap<String, TenantPart>,
    ended: Vec<Ended>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct TenantPart {
    arrivals: Vec<Arrival>,
    /// The input of each arrival.
    inputs: Vec<usize>,
    rejects: Vec<(usize, Reject)>,
}

#[derive(Debug)]
pub(super) struct Ended {
    pub(super) input: usize,
    pub(super) form: Option<Form>,
    pub(super) digest: InputDigest,
}

/// What a flush leaves for the next: the tallies of inputs that have not ended.
#[derive(Debug, Default)]
struct Tallies(BTreeMap<(usize, String), Tally>);

pub(super) struct Flusher {
    context: Arc<Context>,
    gathering: Batch,
    tallies: Tallies,
    running: Option<JoinHandle<Result<Flushed, IngestError>>>,
}

struct Context {
    lake: Lake,
    inputs: Arc<Vec<Input>>,
    /// Of each input.
    origins: Vec<Origin>,
    /// What their rows say: of a file, which is no content blob, its name.
    row_origins: Vec<Arc<Origin>>,
    /// The tenant of what names none: the one that was given for everything, or none.
    default_tenant: String,
    threads: NonZeroUsize,
    ledger: bool,
    progress: Arc<Progress>,
}

/// What a flush did.
struct Flushed {
    tallies: Tallies,
    outcomes: Vec<(usize, Outcome, Contents)>,
    files: u64,
    size_bytes: u64,
}

impl Flusher {
    pub(super) fn new(
        lake: Lake,
        inputs: Arc<Vec<Input>>,
        default_tenant: String,
        threads: NonZeroUsize,
        ledger: bool,
        progress: Arc<Progress>,
    ) -> Self {
        let origin = |input: &Input| input.origin.clone().unwrap_or_else(|| origin(&input.name));
        let origins: Vec<Origin> = inputs.iter().map(origin).collect();
        let row_origins = (inputs.iter().zip(&origins))
            .map(|(input, origin)| {
                let content_id = origin.content_id.as_ref().unwrap_or(&input.name);
                Arc::new(Origin {
                    content_id: Some(content_id.clone()),
                    ..origin.clone()
                })
            })
            .collect();
        let context = Arc::new(Context {
            lake,
            inputs,
            origins,
            row_origins,
            default_tenant,
            threads,
            ledger,
            progress,
        });
        Self {
            context,
            gathering: Batch::default(),
            tallies: Tallies::default(),
            running: None,
        }
    }

    pub(super) fn add(&mut self, input: usize, text_bytes: usize, decoded: Decoded) {
        // Without records nothing holds the text any more.
        if !decoded.batches.is_empty() {
            self.gathering.bytes += text_bytes;
        }
        for batch in decoded.batches {
            let rows = batch.batch.num_rows();
            self.context.progress.found(rows as u64);
            self.gathering.bytes += BATCH_BYTES;
            let origin = Arc::clone(&self.context.row_origins[input]);
            let part = self.gathering.tenants.entry(batch.tenant).or_default();
            part.arrivals.push(Arrival {
                batch: batch.batch,
                origin,
            });
            part.inputs.push(input);
        }
        for reject in decoded.rejects {
            self.reject(input, reject);
        }
    }

    /// The compressed stream can't be read on behind `offset`.
    pub(super) fn damaged(&mut self, input: usize, offset: u64, detail: String) {
        let tenant = self.context.default_tenant.clone();
        self.reject(
            input,
            Reject {
                tenant,
                offset,
                bytes: Vec::new(),
                reason: Reason::Damaged,
                detail,
            },
        );
    }

    fn reject(&mut self, input: usize, reject: Reject) {
        self.context.progress.found(1);
        let name = &self.context.inputs[input].name;
        let texts = reject.bytes.len() + reject.detail.len() + name.len();
        self.gathering.bytes += REJECT_BYTES + 2 * texts;
        let part = self
            .gathering
            .tenants
            .entry(reject.tenant.clone())
            .or_default();
        part.rejects.push((input, reject));
    }

    pub(super) fn ended(&mut self, input: usize, form: Option<Form>, digest: InputDigest) {
        self.gathering.ended.push(Ended {
            input,
            form,
            digest,
        });
    }

    /// Whether to commit now: enough was gathered and no commit is under way, or no more can wait.
    pub(super) fn is_due(&self) -> bool {
        let Batch { bytes, ended, .. } = &self.gathering;
        let enough = *bytes >= FLUSH_BYTES || ended.len() >= FLUSH_INPUTS;
        let idle = self.running.as_ref().is_none_or(JoinHandle::is_finished);
        enough && (idle || *bytes >= GATHERED_BYTES_MAX || ended.len() >= 2 * FLUSH_INPUTS)
    }

    /// Starts to commit what was gathered, once the commit before is done.
    pub(super) async fn flush(&mut self, report: &mut Report) -> Result<(), IngestError> {
        self.wait(report).await?;
        let batch = std::mem::take(&mut self.gathering);
        if batch.tenants.is_empty() && batch.ended.is_empty() {
            return Ok(());
        }
        let tallies = std::mem::take(&mut self.tallies);
        let context = Arc::clone(&self.context);
        self.running = Some(tokio::spawn(
            async move { context.commit(batch, tallies).await },
        ));
        Ok(())
    }

    /// Waits for the commit under way.
    pub(super) async fn wait(&mut self, report: &mut Report) -> Result<(), IngestError> {
        let Some(running) = self.running.as_mut() else {
            return Ok(());
        };
        // In its place until it is done: who gives up meanwhile drops this, which ends it.
        let ended = running.await;
        self.running = None;
        let flushed = ended.map_err(|panic| IngestError::Internal(panic.to_string()))??;
        self.tallies = flushed.tallies;
        report.files += flushed.files;
        report.size_bytes += flushed.size_bytes;
        for (input, outcome, contents) in flushed.outcomes {
            report.inputs[input].outcome = outcome;
            report.inputs[input].contents = Some(contents);
        }
        Ok(())
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            running.abort();
        }
    }
}

impl Context {
    async fn commit(&self, batch: Batch, mut tallies: Tallies) -> Result<Flushed, IngestError> {
        let mut flushed = Flushed {
            tallies: Tallies::default(),
            outcomes: Vec::new(),
            files: 0,
            size_bytes: 0,
        };
        for (tenant, part) in batch.tenants {
            let id: TenantId = tenant.parse().unwrap_or(TenantId::UNKNOWN);
            if !part.arrivals.is_empty() {
                let options = AppendOptions {
                    canonical,
                    threads: self.threads,
                };
                let appended = self.lake.append(id, &part.arrivals, options).await?;
                for ((arrival, &input), &rows) in
                    part.arrivals.iter().zip(&part.inputs).zip(&appended.rows)
                {
                    tallies
                        .of(input, &tenant)
                        .appended(&arrival.batch, rows, appended.version);
                }
                self.progress.committed(appended.rows.iter().sum());
                flushed.files += appended.files;
                flushed.size_bytes += appended.size_bytes;
            }
            if !part.rejects.is_empty() {
                let rows = self.rows(&tenant).of_rejects(&part.rejects)?;
                self.lake
                    .append_keyed(id, TableName::Rejects, &rows)
                    .await?;
                for (input, _) in &part.rejects {
                    let tally = tallies.of(*input, &tenant);
                    tally.held += 1;
                    tally.rejects += 1;
                }
            }
        }
        flushed.outcomes = self.close(&batch.ended, &mut tallies).await?;
        flushed.tallies = tallies;
        Ok(flushed)
    }

    /// Writes the ledger rows of the inputs that have ended.
    async fn close(
        &self,
        ended: &[Ended],
        tallies: &mut Tallies,
    ) -> Result<Vec<(usize, Outcome, Contents)>, IngestError> {
        let mut by_tenant: BTreeMap<String, Vec<(&Ended, Tally)>> = BTreeMap::new();
        let mut outcomes = Vec::new();
        for end in ended {
            let mut parts = tallies.take(end.input);
            let sum = |of: fn(&Tally) -> u64| parts.iter().map(|(_, tally)| of(tally)).sum();
            outcomes.push((
                end.input,
                Outcome::Stored {
                    held: sum(|t| t.held),
                    records: sum(|t| t.records),
                    duplicates: sum(|t| t.duplicates),
                    rejects: sum(|t| t.rejects),
                },
                contents(&end.digest, parts.iter().map(|(_, tally)| tally)),
            ));
            if parts.is_empty() {
                // An empty array is an input too: it is in the ledger with nothing in it.
                parts.push((self.default_tenant.clone(), Tally::default()));
            }
            for (tenant, tally) in parts {
                by_tenant.entry(tenant).or_default().push((end, tally));
            }
        }
        if !self.ledger {
            return Ok(outcomes);
        }
        for (tenant, entries) in by_tenant {
            let id: TenantId = tenant.parse().unwrap_or(TenantId::UNKNOWN);
            let ledger = TableName::Content;
            let rows = self.rows(&tenant).of_ledger(&entries, STORED)?;
            let new = self.lake.append_keyed(id, ledger, &rows).await?;
            // Stored before, and its records had left the table since.
            let is_again = |(at, (_, tally)): &(usize, &(&Ended, Tally))| {
                tally.records > 0 && new.binary_search(at).is_err()
            };
            let again: Vec<_> = (entries.iter().enumerate().filter(is_again))
                .map(|(_, entry)| *entry)
                .collect();
            if !again.is_empty() {
                let rows = self.rows(&tenant).of_ledger(&again, STORED_AGAIN)?;
                self.lake.append_keyed(id, ledger, &rows).await?;
            }
        }
        Ok(outcomes)
    }

    /// What makes the rows of a tenant.
    fn rows<'a>(&'a self, tenant: &'a str) -> TenantRows<'a> {
        TenantRows {
            tenant,
            inputs: &self.inputs,
            origins: &self.origins,
            now_micros: self.lake.clock().now_micros(),
        }
    }
}

impl Tallies {
    fn of(&mut self, input: usize, tenant: &str) -> &mut Tally {
        self.0.entry((input, tenant.to_owned())).or_default()
    }

    fn take(&mut self, input: usize) -> Vec<(String, Tally)> {
        let of_input = self
            .0
            .range((input, String::new())..(input + 1, String::new()));
        let tenants: Vec<String> = of_input.map(|((_, tenant), _)| tenant.clone()).collect();
        tenants
            .into_iter()
            .filter_map(|tenant| {
                let tally = self.0.remove(&(input, tenant.clone()))?;
                Some((tenant, tally))
            })
            .collect()
    }
}

impl Tally {
    fn appended(&mut self, batch: &RecordBatch, rows: u64, version: u64) {
        let all = batch.num_rows() as u64;
        self.held += all;
        self.records += rows;
        self.duplicates += all - rows;
        self.audit_version = Some(version);
        let creation_times = batch
            .column_by_name("creation_time")
            .and_then(|array| array.as_primitive_opt::<TimestampMicrosecondType>());
        for time in creation_times.into_iter().flat_map(|array| array.values()) {
            self.times = wider(self.times, Some((*time, *time)));
        }
    }
}

fn contents<'a>(digest: &InputDigest, tallies: impl Iterator<Item = &'a Tally>) -> Contents {
    let mut contents = Contents {
        size_bytes: digest.size_bytes,
        sha256: digest.sha256.clone(),
        ..Contents::default()
    };
    for tally in tallies {
        contents.widen(tally.times, tally.audit_version);
    }
    contents
}

/// What an input's name says of it: a folder of the API's content types is named by them.
fn origin(name: &str) -> Origin {
    let content_type = name.split('/').rev().find_map(ContentType::parse);
    Origin {
        content_type: content_type.map(|content_type| content_type.as_str().to_owned()),
        ..Origin::default()
    }
}
