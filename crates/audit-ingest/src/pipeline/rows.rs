//! The rows of rejects and of the ledger.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use audit_lake::Origin;
use audit_schema::content_state::STORED_AGAIN;
use sha2::{Digest, Sha256};

use super::flush::{Ended, Tally};
use super::{IngestError, Input};
use crate::decode::Reject;
use crate::envelope::Form;

/// What rows of a tenant say beside what they are of.
pub(super) struct TenantRows<'a> {
    pub(super) tenant: &'a str,
    pub(super) inputs: &'a [Input],
    /// Of each input.
    pub(super) origins: &'a [Origin],
    pub(super) now_micros: i64,
}

impl TenantRows<'_> {
    /// Of rejects, each with its input.
    pub(super) fn of_rejects(
        &self,
        rejects: &[(usize, Reject)],
    ) -> Result<RecordBatch, IngestError> {
        let name = |input: usize| self.inputs[input].name.as_str();
        let origin = |input: usize| &self.origins[input];
        let ids = rejects.iter().map(|(input, reject)| {
            // The reason too: a cut text and a cut stream may end at one place, both without bytes.
            let reason = reject.reason.code().as_bytes();
            digest(&[
                self.tenant.as_bytes(),
                name(*input).as_bytes(),
                &reject.offset.to_be_bytes(),
                reason,
                &reject.bytes,
            ])
        });
        let bytes = rejects.iter().map(|(_, reject)| &reject.bytes);
        rows(vec![
            ("tenant_id", texts(rejects, |_| Some(self.tenant))),
            ("reject_id", Arc::new(StringArray::from_iter_values(ids))),
            ("source", texts(rejects, |(input, _)| Some(name(*input)))),
            (
                "content_type",
                texts(rejects, |(input, _)| origin(*input).content_type.as_deref()),
            ),
            (
                "content_id",
                texts(rejects, |(input, _)| origin(*input).content_id.as_deref()),
            ),
            (
                "byte_offset",
                integers(rejects, |(_, reject)| reject.offset),
            ),
            (
                "byte_length",
                integers(rejects, |(_, reject)| reject.bytes.len() as u64),
            ),
            (
                "reason",
                texts(rejects, |(_, reject)| Some(reject.reason.code())),
            ),
            (
                "detail",
                texts(rejects, |(_, reject)| {
                    Some(reject.detail.as_str()).filter(|d| !d.is_empty())
                }),
            ),
            ("bytes", Arc::new(BinaryArray::from_iter_values(bytes))),
            ("ingested_at", times(rejects, |_| Some(self.now_micros))),
        ])
    }

    /// Of inputs that have ended, each with what it held for the tenant.
    pub(super) fn of_ledger(
        &self,
        entries: &[(&Ended, Tally)],
        state: &str,
    ) -> Result<RecordBatch, IngestError> {
        let name = |end: &Ended| self.inputs[end.input].name.as_str();
        let origin = |end: &Ended| &self.origins[end.input];
        let ids = entries.iter().map(|(end, tally)| {
            let version = tally.audit_version.unwrap_or_default().to_be_bytes();
            let mut parts = vec![
                self.tenant.as_bytes(),
                name(end).as_bytes(),
                end.digest.sha256.as_bytes(),
                state.as_bytes(),
            ];
            // Once for each input, but again and again.
            if state == STORED_AGAIN {
                parts.push(&version);
            }
            digest(&parts)
        });
        let versions = entries.iter().map(|(_, tally)| tally.audit_version);
        let versions = versions.map(|version| version.map(|version| version as i64));
        rows(vec![
            ("tenant_id", texts(entries, |_| Some(self.tenant))),
            ("entry_id", Arc::new(StringArray::from_iter_values(ids))),
            ("source", texts(entries, |(end, _)| Some(name(end)))),
            ("form", texts(entries, |(end, _)| end.form.map(Form::name))),
            (
                "content_type",
                texts(entries, |(end, _)| origin(end).content_type.as_deref()),
            ),
            (
                "content_id",
                texts(entries, |(end, _)| origin(end).content_id.as_deref()),
            ),
            ("state", texts(entries, |_| Some(state))),
            ("state_at", times(entries, |_| Some(self.now_micros))),
            (
                "size_bytes",
                integers(entries, |(end, _)| end.digest.size_bytes),
            ),
            (
                "sha256",
                texts(entries, |(end, _)| Some(end.digest.sha256.as_str())),
            ),
            ("held", integers(entries, |(_, tally)| tally.held)),
            ("records", integers(entries, |(_, tally)| tally.records)),
            (
                "duplicates",
                integers(entries, |(_, tally)| tally.duplicates),
            ),
            ("rejects", integers(entries, |(_, tally)| tally.rejects)),
            (
                "first_creation_time",
                times(entries, |(_, tally)| tally.times.map(|(first, _)| first)),
            ),
            (
                "last_creation_time",
                times(entries, |(_, tally)| tally.times.map(|(_, last)| last)),
            ),
            ("audit_version", Arc::new(Int64Array::from_iter(versions))),
        ])
    }
}

/// SHA-256 of the parts, each with its length, so that no two lists of parts are alike.
fn digest(parts: &[&[u8]]) -> String {
    let mut sha256 = Sha256::new();
    for part in parts {
        sha256.update((part.len() as u64).to_be_bytes());
        sha256.update(part);
    }
    hex::encode(sha256.finalize())
}

fn rows(columns: Vec<(&str, ArrayRef)>) -> Result<RecordBatch, IngestError> {
    RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, array)| (name, array, true)),
    )
    .map_err(|e| IngestError::Internal(e.to_string()))
}

fn texts<'a, T>(of: &'a [T], text: impl Fn(&'a T) -> Option<&'a str>) -> ArrayRef {
    Arc::new(of.iter().map(text).collect::<StringArray>())
}

fn integers<T>(of: &[T], integer: impl Fn(&T) -> u64) -> ArrayRef {
    let integers = of.iter().map(|of| integer(of) as i64);
    Arc::new(Int64Array::from_iter_values(integers))
}

fn times<T>(of: &[T], time: impl Fn(&T) -> Option<i64>) -> ArrayRef {
    let times: TimestampMicrosecondArray = of.iter().map(time).collect();
    Arc::new(times.with_timezone("UTC"))
}
