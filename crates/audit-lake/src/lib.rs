//! The lake's layout on object storage: Delta tables, one set a tenant, with exactly-once append and snapshots.
//!
//! A [`Lake`] is a root on an object store. Below it each tenant has Delta tables ([`TableName`]); a reader takes a
//! [`Snapshot`] of one and opens the Parquet files that it names, a writer puts files beside them and commits. Any
//! Delta reader opens the tables as they are.
//!
//! This crate knows no SQL and no decoder.

mod actions;
mod append;
mod checkpoint;
mod checksum;
mod clock;
mod commit;
mod data_file;
mod delete;
mod document;
mod durable;
mod error;
mod existing;
mod file_reader;
mod follow;
mod internal_networks;
mod kept_networks;
mod keys;
mod lake;
mod ledger;
mod log;
mod log_view;
mod maintain;
mod paths;
mod retry;
mod sample;
mod snapshot;
mod stats;
mod store;
mod sure_store;
mod table;
mod tenant;
mod text_index;
mod threads;
mod upload;
mod verify;
mod versions;

pub use append::{AppendOptions, Appended, Arrival, Origin};
pub use clock::{Clock, DAY_MICROS, IdSource, RandomIds, SystemClock, micros};
pub use commit::{CommitOutcome, NewFile};
pub use document::{Change, Document, DocumentKind, Documents};
pub use error::{Error, Result};
pub use internal_networks::{InternalNetworks, parse_network};
pub use kept_networks::NetworksDecision;
pub use keys::Canonical;
pub use lake::{Lake, LakeOptions, without_credentials};
pub use ledger::Ledger;
pub use maintain::{
    Compacted, Compaction, Expired, Maintained, MaintenancePolicy, MaintenanceProgress, Vacuumed,
};
pub use paths::TableName;
pub use snapshot::{DataFile, Snapshot};
pub use store::{open_store, store_options};
pub use table::DeltaTableHandle;
pub use tenant::TenantId;
pub use text_index::{Condition, GroupIndex, TextIndex, TextMarks};
pub use verify::{Finding, Severity, Verified};
