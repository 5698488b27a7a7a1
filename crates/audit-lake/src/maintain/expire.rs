//! Whole days leave the table of records.

use std::collections::BTreeMap;

use super::{ATTEMPTS_MAX, MaintenancePolicy};
use crate::commit::CommitOutcome;
use crate::error::{Error, Result};
use crate::snapshot::{DataFile, format_date};
use crate::table::TableChange;
use crate::{DAY_MICROS, Lake, TableName, TenantId, log};

/// What expired.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Expired {
    /// Days that left the table.
    pub days: u64,
    /// Files.
    pub files: u64,
    /// Rows in them.
    pub rows: u64,
    /// Bytes of them; [`vacuum`](Lake::vacuum) frees them.
    pub size_bytes: u64,
}

impl Lake {
    /// Takes the days out of `m365_audit` that are older than the policy keeps, all in one commit. The ledger and the
    /// rejects stay.
    ///
    /// A record of such a day that is ingested again is a row again, until this is called again.
    ///
    /// # Errors
    ///
    /// [`Error::Conflict`] when other writers of the tenant are faster again and again.
    pub async fn expire(&self, tenant: TenantId, policy: &MaintenancePolicy) -> Result<Expired> {
        let table = TableName::Audit;
        let Some(keep_days) = policy.keep_days else {
            return Ok(Expired::default());
        };
        if self.snapshot(&tenant, table).await?.is_none() {
            return Ok(Expired::default());
        }
        let today = self.clock().now_micros().div_euclid(DAY_MICROS);
        let first_kept = today.saturating_sub(i64::from(keep_days.get()));
        // More days than the calendar has: none is older.
        let first_kept = i32::try_from(first_kept).unwrap_or(i32::MIN);
        let handle = self.open_or_create_table(tenant, table).await?;
        for _ in 0..ATTEMPTS_MAX {
            let base = handle.snapshot().await?;
            let is_old = |file: &&DataFile| file.event_date.is_some_and(|day| day < first_kept);
            let removed: Vec<DataFile> = base.files().iter().filter(is_old).cloned().collect();
            let expired = Expired::of(&removed);
            if removed.is_empty() || policy.dry_run {
                return Ok(expired);
            }
            base.check_deletable()?;
            let before = log::log_facts(self, &base).await?.rows_expired;
            let predicate = format!("[\"event_date < '{}'\"]", format_date(first_kept)?);
            let change = TableChange {
                operation: "DELETE",
                parameters: BTreeMap::from([("predicate".to_owned(), predicate.into())]),
                removed: &removed,
                added: &[],
                data_change: true,
                rows_expired: Some(before + expired.rows),
            };
            match handle.try_change(&base, &change).await? {
                CommitOutcome::Committed { .. } => return Ok(expired),
                CommitOutcome::Conflicted => {}
            }
        }
        Err(Error::Conflict {
            tenant,
            table,
            attempts: ATTEMPTS_MAX,
        })
    }
}

impl Expired {
    fn of(removed: &[DataFile]) -> Self {
        let mut days: Vec<Option<i32>> = removed.iter().map(|file| file.event_date).collect();
        days.sort_unstable();
        days.dedup();
        Self {
            days: days.len() as u64,
            files: removed.len() as u64,
            rows: removed.iter().map(|file| file.rows).sum(),
            size_bytes: removed.iter().map(|file| file.size_bytes).sum(),
        }
    }
}
