//! What an ingest did, while it runs and at its end.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Input;
use crate::envelope::Form;

/// Counters of a running ingest.
#[derive(Debug, Default)]
pub struct Progress {
    bytes: AtomicU64,
    rows: AtomicU64,
    held: AtomicU64,
}

impl Progress {
    /// Bytes read from storage.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Rows committed.
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// Records and rejects found.
    pub fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }

    pub(super) fn read(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn committed(&self, rows: u64) {
        self.rows.fetch_add(rows, Ordering::Relaxed);
    }

    pub(super) fn found(&self, held: u64) {
        self.held.fetch_add(held, Ordering::Relaxed);
    }
}

/// What became of the inputs.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// One for each input, in their order.
    pub inputs: Vec<InputReport>,
    /// Data files written.
    pub files: u64,
    /// Their size in bytes.
    pub size_bytes: u64,
}

/// What became of one input.
#[derive(Debug, Clone)]
pub struct InputReport {
    /// Its name.
    pub name: String,
    /// Size in storage, in bytes.
    pub size_bytes: u64,
    /// Its form, once it was looked at.
    pub form: Option<Form>,
    /// How it ended.
    pub outcome: Outcome,
    /// What was in it, once it is stored.
    pub contents: Option<Contents>,
}

/// What an input was, for its ledger entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contents {
    /// Bytes as they were read.
    pub size_bytes: u64,
    /// SHA-256 of these bytes, hexadecimal.
    pub sha256: String,
    /// Earliest and latest `creation_time`, in microseconds since 1970.
    pub creation_times: Option<(i64, i64)>,
    /// The version of `m365_audit` that has the last of its records.
    pub audit_version: Option<u64>,
}

impl Contents {
    /// Takes in further records: when their earliest and latest happened, and the version that has the last of them.
    pub fn widen(&mut self, creation_times: Option<(i64, i64)>, audit_version: Option<u64>) {
        self.creation_times = wider(self.creation_times, creation_times);
        self.audit_version = self.audit_version.max(audit_version);
    }
}

/// From the earlier beginning to the later end.
pub(super) fn wider(a: Option<(i64, i64)>, b: Option<(i64, i64)>) -> Option<(i64, i64)> {
    match (a, b) {
        (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
        (a, b) => a.or(b),
    }
}

/// How an input ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// Not reached: ingest stopped before.
    Pending,
    /// Everything in it is accounted for.
    Stored {
        /// Records and rejects that it held.
        held: u64,
        /// Records that are rows now.
        records: u64,
        /// Records that were in the lake, or earlier in the same ingest, already.
        duplicates: u64,
        /// Parts that are no record.
        rejects: u64,
    },
    /// No input for ingest, and why.
    Skipped(String),
    /// It could not be read, and why.
    Failed(String),
}

impl Report {
    pub(super) fn new(inputs: &[Input]) -> Self {
        let inputs = inputs.iter().map(|input| InputReport {
            name: input.name.clone(),
            size_bytes: input.size_bytes,
            form: None,
            outcome: Outcome::Pending,
            contents: None,
        });
        Self {
            inputs: inputs.collect(),
            files: 0,
            size_bytes: 0,
        }
    }

    pub(super) fn started(&mut self, input: usize, form: Form) {
        self.inputs[input].form = Some(form);
    }

    pub(super) fn form(&self, input: usize) -> Option<Form> {
        self.inputs[input].form
    }

    pub(super) fn skipped(&mut self, input: usize, why: String) {
        self.inputs[input].outcome = Outcome::Skipped(why);
    }

    pub(super) fn failed(&mut self, input: usize, error: String) {
        self.inputs[input].outcome = Outcome::Failed(error);
    }

    /// Rows added by all inputs.
    pub fn records(&self) -> u64 {
        self.sum(|outcome| {
            if let Outcome::Stored { records, .. } = outcome {
                *records
            } else {
                0
            }
        })
    }

    /// Duplicates in all inputs.
    pub fn duplicates(&self) -> u64 {
        self.sum(|outcome| {
            if let Outcome::Stored { duplicates, .. } = outcome {
                *duplicates
            } else {
                0
            }
        })
    }

    /// Rejects in all inputs.
    pub fn rejects(&self) -> u64 {
        self.sum(|outcome| {
            if let Outcome::Stored { rejects, .. } = outcome {
                *rejects
            } else {
                0
            }
        })
    }

    /// Inputs that could not be read.
    pub fn failed_inputs(&self) -> impl Iterator<Item = &InputReport> {
        self.inputs
            .iter()
            .filter(|input| matches!(input.outcome, Outcome::Failed(_)))
    }

    fn sum(&self, of: impl Fn(&Outcome) -> u64) -> u64 {
        self.inputs.iter().map(|input| of(&input.outcome)).sum()
    }
}
