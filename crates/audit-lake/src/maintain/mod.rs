//! Keeping a lake quick and small: small files into large ones, old days out, files that nobody needs deleted.
//!
//! All of it runs beside ingest, collection and queries, in any process and in more than one: each step is one commit
//! that either happens or does not ([`crate::commit`]), and what is interrupted is taken up by the next run.
//!
//! - *Retention* ([`Lake::expire`]) takes whole days out of `m365_audit`.
//! - *Compaction* ([`Lake::compact`]) writes the rows of small files into large ones and changes no row.
//! - *Vacuum* ([`Lake::vacuum`]) deletes the objects that no reader can need any more. It alone deletes anything.

mod choose;
mod compact;
mod expire;
mod merge;
mod vacuum;

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

pub use self::compact::Compacted;
pub use self::expire::Expired;
pub use self::vacuum::Vacuumed;
use crate::data_file::ROW_GROUP_ROWS;
use crate::error::{Error, Result};
use crate::{Lake, TableName, TenantId};

/// How often a commit is tried again because other writers were first.
const ATTEMPTS_MAX: u32 = 30;

/// A writer commits its files within this time, and a query ends.
const HOUR: Duration = Duration::from_secs(3_600);

/// What is done to a lake, and how far it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaintenancePolicy {
    /// The tables that are cared for.
    pub tables: Vec<TableName>,
    /// Days of `m365_audit` that are kept beside today's, by the UTC date of `creation_time`; `None`: all.
    pub keep_days: Option<NonZeroU32>,
    /// How files are made of small ones; `None`: they stay as they are.
    pub compaction: Option<Compaction>,
    /// How long files are kept after they left a table, and files that no log names; `None`: for ever. Queries that
    /// run longer than this fail, as do readers who ask for an older version. What no log names is kept for an hour at
    /// least, as a writer may be about to commit it. The age of an object is by this machine's clock, which may be ahead
    /// of the store's by less than this.
    pub vacuum_after: Option<Duration>,
    /// Lets `vacuum_after` be less than an hour: only while nobody reads.
    pub nobody_reads: bool,
    /// Tells what would be done, and does nothing.
    pub dry_run: bool,
    /// Threads that decode and encode.
    pub threads: NonZeroUsize,
}

/// How small files become large ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compaction {
    /// Rows of a file that is made. More makes fewer files and costs memory: some columns of all its rows are held at
    /// once, up to 384 MiB, and a file that would have more is made as two. A file with half of them is large enough to
    /// stay.
    pub file_rows: NonZeroUsize,
    /// A file of this size stays, however few rows it has.
    pub small_bytes: u64,
    /// So many small files have to be in a partition before they are worth the work.
    pub files_min: NonZeroUsize,
}

impl Default for Compaction {
    fn default() -> Self {
        Self {
            file_rows: NonZeroUsize::new(ROW_GROUP_ROWS).unwrap_or(NonZeroUsize::MIN),
            small_bytes: 16 << 20,
            files_min: NonZeroUsize::MIN.saturating_add(3),
        }
    }
}

impl Default for MaintenancePolicy {
    /// All tables compacted, nothing expires, files deleted a week after they left a table.
    fn default() -> Self {
        Self {
            tables: TableName::ALL.to_vec(),
            keep_days: None,
            compaction: Some(Compaction::default()),
            vacuum_after: Some(Duration::from_secs(7 * 24 * 3_600)),
            nobody_reads: false,
            dry_run: false,
            threads: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
        }
    }
}

impl MaintenancePolicy {
    /// Whether its times can be.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidInput`] for less than an hour, unless it says that nobody reads.
    pub fn check(&self) -> Result<()> {
        match self.vacuum_after {
            Some(after) if after < HOUR && !self.nobody_reads => Err(Error::invalid(
                "files have to be kept for an hour at least after they left a table: queries may be about to read them",
            )),
            _ => Ok(()),
        }
    }
}

/// What became of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Maintained {
    /// Which one.
    pub table: TableName,
    /// What expired.
    pub expired: Expired,
    /// What was compacted.
    pub compacted: Compacted,
    /// What was deleted.
    pub vacuumed: Vacuumed,
}

/// How far the compaction of a table has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaintenanceProgress {
    /// Which table.
    pub table: TableName,
    /// Small files that were dealt with.
    pub files: u64,
    /// Small files that are to be.
    pub files_total: u64,
}

impl Lake {
    /// Does to a tenant's tables what the policy says: expires, compacts, vacuums. Tells what was done to each table
    /// that the tenant has.
    ///
    /// Costs little where there is nothing to do: a look at each table's log, and a listing of its files if it is to
    /// be vacuumed.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidInput`] for a policy that cannot be; else what the store says.
    /// What was done until then stays.
    pub async fn maintain(
        &self,
        tenant: TenantId,
        policy: &MaintenancePolicy,
        mut progress: impl FnMut(MaintenanceProgress) + Send,
    ) -> Result<Vec<Maintained>> {
        policy.check()?;
        let mut maintained = Vec::new();
        for &table in &policy.tables {
            if self.snapshot(&tenant, table).await?.is_none() {
                continue;
            }
            maintained.push(Maintained {
                table,
                expired: match table {
                    TableName::Audit => self.expire(tenant, policy).await?,
                    TableName::Content | TableName::Rejects => Expired::default(),
                },
                compacted: self.compact(tenant, table, policy, &mut progress).await?,
                vacuumed: self.vacuum(tenant, table, policy).await?,
            });
        }
        Ok(maintained)
    }
}
