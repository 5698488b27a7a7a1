//! The coverage ledger for one who decides by all of it: read to its end, appended to only as it was read.
//!
//! Whoever ingests files knows its entries by a key ([`Lake::append_keyed`]), which costs a look at every file of the
//! table. A collector knows the whole ledger, so the commit itself tells whether its decisions still hold.

use std::collections::HashSet;

use arrow::array::RecordBatch;
use futures::TryStreamExt;
use object_store::path::Path;
use parquet::arrow::async_reader::ParquetRecordBatchStreamBuilder;

use crate::append::write_rows;
use crate::commit::CommitOutcome;
use crate::error::{Error, Result};
use crate::file_reader::FileReader;
use crate::snapshot::DataFile;
use crate::table::DeltaTableHandle;
use crate::{Lake, TableName, TenantId};

/// A tenant's `m365_content`, as far as it was read.
#[derive(Debug)]
pub struct Ledger {
    lake: Lake,
    table: DeltaTableHandle,
    version: u64,
    read: HashSet<Path>,
}

impl Lake {
    /// A tenant's ledger, made if there is none. Nothing of it is read yet.
    pub async fn ledger(&self, tenant: TenantId) -> Result<Ledger> {
        let table = self
            .open_or_create_table(tenant, TableName::Content)
            .await?;
        Ok(Ledger {
            lake: self.clone(),
            table,
            version: 0,
            read: HashSet::new(),
        })
    }
}

impl Ledger {
    /// The rows that were not read yet. Files whose rows are all older by `back_micros` than the newest of the table
    /// are left out.
    ///
    /// A row may come again when files are rewritten.
    pub async fn read(&mut self, back_micros: i64) -> Result<Vec<RecordBatch>> {
        let snapshot = self.table.snapshot().await?;
        let written = |file: &DataFile| file.rows_written_at.map(|(_, last)| last);
        let newest = snapshot.files().iter().filter_map(written).max();
        let since = newest.map_or(i64::MIN, |newest| newest.saturating_sub(back_micros));
        let mut batches = Vec::new();
        for file in snapshot.files() {
            let is_old = written(file).is_some_and(|last| last < since);
            if !is_old && !self.read.contains(&file.path) {
                self.rows_of(file, &mut batches).await?;
            }
        }
        self.read = (snapshot.files().iter())
            .map(|file| file.path.clone())
            .collect();
        self.version = snapshot.version();
        Ok(batches)
    }

    async fn rows_of(&self, file: &DataFile, batches: &mut Vec<RecordBatch>) -> Result<()> {
        let corrupt = |error| Error::parquet(&file.path, error);
        let reader = FileReader::new(&self.lake.store(), file);
        let mut rows = (ParquetRecordBatchStreamBuilder::new(reader).await)
            .and_then(ParquetRecordBatchStreamBuilder::build)
            .map_err(corrupt)?;
        while let Some(batch) = rows.try_next().await.map_err(corrupt)? {
            batches.push(batch);
        }
        Ok(())
    }

    /// Appends rows, each with its own `entry_id`, if nobody else has since the last [`read`](Self::read). `false`:
    /// somebody has, and nothing happened.
    ///
    /// # Errors
    ///
    /// After [`Error::Unavailable`] it is unknown whether it happened: read, and see.
    pub async fn append(&mut self, rows: &RecordBatch) -> Result<bool> {
        if rows.num_rows() == 0 {
            return Ok(true);
        }
        let base = self.table.snapshot().await?;
        if base.version() != self.version {
            return Ok(false);
        }
        let order: Vec<_> = (0..rows.num_rows()).map(|row| (0, row)).collect();
        let key = TableName::Content.key_column();
        let (file, place) = write_rows(&self.lake, &self.table, rows, &order, key).await?;
        match self.table.try_commit(&base, &[file]).await? {
            CommitOutcome::Committed { version } => {
                self.version = version;
                self.read.insert(place);
                Ok(true)
            }
            CommitOutcome::Conflicted => {
                crate::upload::discard(&self.lake, &place).await;
                Ok(false)
            }
        }
    }
}
