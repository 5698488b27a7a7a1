//! What the lake keeps of a watch: the definition, how far it is, and the results that nobody has acknowledged.
//!
//! All of it is one document, so it changes at once or not at all.

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use audit_lake::{Document, Lake};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::definition::Watch;
use super::identity::ResultId;
use super::window::CommitWindow;
use crate::error::{Error, Result};

const FORMAT_VERSION: u32 = 1;
/// Identities that are remembered; the oldest are forgotten first.
const REPORTED_MAX: usize = 20_000;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct State {
    format_version: u32,
    /// Another one in each version, so that no two are equal.
    change_id: String,
    /// `None`: it was removed. The document stays, so that nobody who slept brings the watch back.
    pub(super) watch: Option<Watch>,
    /// The last commit whose records were evaluated.
    pub(super) after: i64,
    /// Identities of results that were reported, the oldest first.
    pub(super) reported: Vec<ResultId>,
    pub(super) pending: Option<Pending>,
}

/// Results that were handed out and not acknowledged.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Pending {
    /// Who has them: another id each time that they are handed out.
    pub(super) claim: String,
    pub(super) host: String,
    pub(super) handed_out_micros: i64,
    pub(super) window: CommitWindow,
    pub(super) ids: Vec<ResultId>,
    /// An Arrow IPC stream in Base64.
    results: String,
}

impl State {
    pub(super) fn new(watch: Watch, after: i64) -> Self {
        Self {
            format_version: FORMAT_VERSION,
            change_id: String::new(),
            watch: Some(watch),
            after,
            reported: Vec::new(),
            pending: None,
        }
    }

    pub(super) fn removed() -> Self {
        Self {
            format_version: FORMAT_VERSION,
            change_id: String::new(),
            watch: None,
            after: 0,
            reported: Vec::new(),
            pending: None,
        }
    }

    pub(super) fn remember(&mut self, ids: &[ResultId]) {
        self.reported.extend_from_slice(ids);
        let excess = self.reported.len().saturating_sub(REPORTED_MAX);
        self.reported.drain(..excess);
    }

    pub(super) fn read(name: &str, document: &Document) -> Result<Self> {
        /// What every version of the format has.
        #[derive(Deserialize)]
        struct Format {
            format_version: u32,
        }
        let corrupt = |error: serde_json::Error| Error::Corrupt {
            message: format!("the state of the watch `{name}`: {error}"),
        };
        let format: Format = serde_json::from_slice(&document.content).map_err(corrupt)?;
        if format.format_version > FORMAT_VERSION {
            return Err(Error::invalid(format!(
                "the watch `{name}` is of a newer program: use that, or remove the watch and add it again"
            )));
        }
        serde_json::from_slice(&document.content).map_err(corrupt)
    }

    /// As a version of its own.
    pub(super) fn write(&mut self, lake: &Lake) -> Result<Bytes> {
        self.change_id = lake.ids().next_id().to_string();
        let json = serde_json::to_vec_pretty(self).map_err(Error::internal)?;
        Ok(json.into())
    }
}

impl Pending {
    pub(super) fn new(
        window: CommitWindow,
        results: &RecordBatch,
        ids: Vec<ResultId>,
    ) -> Result<Self> {
        Ok(Self {
            claim: String::new(),
            host: String::new(),
            handed_out_micros: 0,
            window,
            ids,
            results: BASE64.encode(to_ipc(results).map_err(unkept)?),
        })
    }

    pub(super) fn hand_out(&mut self, lake: &Lake, host: &str, now_micros: i64) {
        self.claim = lake.ids().next_id().to_string();
        host.clone_into(&mut self.host);
        self.handed_out_micros = now_micros;
    }

    pub(super) fn results(&self, name: &str) -> Result<RecordBatch> {
        let corrupt = |error: &dyn std::fmt::Display| Error::Corrupt {
            message: format!("the results that the watch `{name}` keeps: {error}"),
        };
        let bytes = BASE64
            .decode(&self.results)
            .map_err(|error| corrupt(&error))?;
        from_ipc(&bytes).map_err(|error| corrupt(&error))
    }
}

fn to_ipc(batch: &RecordBatch) -> Result<Vec<u8>, ArrowError> {
    let mut writer = StreamWriter::try_new(Vec::new(), batch.schema_ref())?;
    writer.write(batch)?;
    writer.into_inner()
}

fn from_ipc(bytes: &[u8]) -> Result<RecordBatch, ArrowError> {
    let reader = StreamReader::try_new(bytes, None)?;
    let schema = reader.schema();
    let batches = reader.collect::<Result<Vec<_>, _>>()?;
    concat_batches(&schema, &batches)
}

fn unkept(error: ArrowError) -> Error {
    Error::invalid(format!("a watch cannot keep such results: {error}"))
}
