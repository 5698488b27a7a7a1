//! A Delta table of the lake: creating it, committing to it.
//!
//! `deltalake` writes checkpoints. The commit itself is ours: it has to be exactly one put-if-absent (see
//! [`crate::commit`]).

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use deltalake_core::DeltaTableBuilder;
use deltalake_core::kernel::StructType;
use deltalake_core::kernel::engine::arrow_conversion::TryIntoKernel;
use object_store::path::Path;

use crate::actions::{self, Action, MetaData, Protocol, Txn};
use crate::commit::{self, CommitOutcome, NewFile};
use crate::error::{Error, Result};
use crate::lake::Lake;
use crate::log::{ROWS_EXPIRED, delta_error, delta_url, read_log};
use crate::log_view::LogView;
use crate::snapshot::{DataFile, Snapshot};
use crate::{TableName, TenantId, paths};

/// A checkpoint costs as much as the table has files, the commits behind it cost one request each when a table is
/// opened. Readers of other makes follow the table's property.
const COMMITS_PER_CHECKPOINT: u64 = 50;

/// A tenant's table, open for writing.
#[derive(Debug, Clone)]
pub struct DeltaTableHandle {
    lake: Lake,
    tenant: TenantId,
    table: TableName,
}

impl DeltaTableHandle {
    /// Whose table it is.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// Which table it is.
    pub fn table(&self) -> TableName {
        self.table
    }

    /// The table's folder, from the root of the lake's store.
    pub fn root(&self) -> Path {
        paths::table_root(self.tenant, self.table)
    }

    /// The latest committed state.
    pub async fn snapshot(&self) -> Result<Arc<Snapshot>> {
        let snapshot = self.lake.snapshot(&self.tenant, self.table).await?;
        snapshot.ok_or_else(|| Error::NotFound {
            what: self.root().to_string(),
        })
    }

    /// Adds files to the table as version `base.version() + 1`, all or none, or not at all if that version exists.
    ///
    /// The files must lie in the table's folder already.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidInput`] for a file that does not fit the table. After [`Error::Unavailable`] it is unknown
    /// whether the commit happened: look for the files in a new snapshot.
    pub async fn try_commit(&self, base: &Snapshot, files: &[NewFile]) -> Result<CommitOutcome> {
        let change = TableChange {
            operation: "WRITE",
            parameters: BTreeMap::from([("mode".to_owned(), "Append".into())]),
            removed: &[],
            added: files,
            data_change: true,
            rows_expired: None,
        };
        self.try_change(base, &change).await
    }

    /// Takes files out of the table and puts others in, as version `base.version() + 1`, all or nothing.
    ///
    /// The removed ones must be files of `base`.
    ///
    /// # Errors
    ///
    /// As [`try_commit`](Self::try_commit).
    pub(crate) async fn try_change(
        &self,
        base: &Snapshot,
        change: &TableChange<'_>,
    ) -> Result<CommitOutcome> {
        if (base.tenant(), base.table()) != (self.tenant, self.table) {
            return Err(Error::internal(
                "the base of a commit is a snapshot of another table",
            ));
        }
        base.check_writable()?;
        let (root, now_micros) = (self.root(), self.lake.clock().now_micros());
        let commit_id = self.lake.ids().next_id().to_string();
        let mut actions = vec![commit::commit_info(
            change.operation,
            change.parameters.clone(),
            &commit_id,
            now_micros,
        )];
        if let Some(rows) = change.rows_expired {
            actions.push(Action {
                txn: Some(Txn {
                    app_id: ROWS_EXPIRED.to_owned(),
                    version: rows,
                }),
                ..Action::default()
            });
        }
        for file in change.removed {
            actions.push(commit::remove(&root, file, change.data_change, now_micros)?);
        }
        for file in change.added {
            actions.push(commit::add(self.table, file, change.data_change)?);
        }
        let version = base.version() + 1;
        let outcome = commit::put_version(
            self.lake.store().as_ref(),
            &root,
            version,
            &commit_id,
            &actions,
        )
        .await?;
        if outcome == (CommitOutcome::Committed { version })
            && version.is_multiple_of(COMMITS_PER_CHECKPOINT)
            && let Err(error) = self.checkpoint(version).await
        {
            // It saves readers time; without it the table is as right as with it.
            tracing::warn!(%error, version, table = %self.root(), "could not write a checkpoint");
        }
        Ok(outcome)
    }

    /// Writes a checkpoint of a version, so that readers need not read the commits up to it.
    pub async fn checkpoint(&self, version: u64) -> Result<()> {
        let root = &self.root();
        let url = &delta_url(root)?;
        // By the listing alone: a hint that is wrong is replaced by one at this checkpoint.
        let view = LogView::new(self.lake.store(), false);
        read_log(view, root, |store| async move {
            let table = DeltaTableBuilder::from_url(url.clone())
                .map_err(|source| delta_error("open", root, source))?
                .with_storage_backend(store, url.clone())
                .with_version(version)
                .load()
                .await
                .map_err(|source| delta_error("open", root, source))?;
            deltalake_core::checkpoints::create_checkpoint(&table, None)
                .await
                .map_err(|source| delta_error("write a checkpoint of", root, source))
        })
        .await
    }
}

/// What a commit does to a table.
#[derive(Debug)]
pub(crate) struct TableChange<'a> {
    /// By the names that Delta's writers use: `WRITE`, `OPTIMIZE`, `DELETE`.
    pub(crate) operation: &'static str,
    pub(crate) parameters: BTreeMap<String, serde_json::Value>,
    pub(crate) removed: &'a [DataFile],
    pub(crate) added: &'a [NewFile],
    /// `false` where the same rows lie in other files afterwards.
    pub(crate) data_change: bool,
    /// Rows that have expired since the table was made, these included; `None` where none do.
    pub(crate) rows_expired: Option<u64>,
}

/// Opens a table for writing, creating it when it does not exist.
///
/// Two creators race for version 0: the loser reads what the winner wrote.
pub(crate) async fn open_or_create(
    lake: &Lake,
    tenant: TenantId,
    table: TableName,
) -> Result<DeltaTableHandle> {
    let handle = DeltaTableHandle {
        lake: lake.clone(),
        tenant,
        table,
    };
    if lake.snapshot(&tenant, table).await?.is_none() {
        let now_micros = lake.clock().now_micros();
        let commit_id = lake.ids().next_id().to_string();
        let meta_data = meta_data(table, lake.ids().next_id().to_string(), now_micros)?;
        let actions = [
            commit::commit_info("CREATE TABLE", BTreeMap::new(), &commit_id, now_micros),
            Action {
                protocol: Some(Protocol::PLAIN),
                ..Action::default()
            },
            Action {
                meta_data: Some(meta_data),
                ..Action::default()
            },
        ];
        match commit::put_version(
            lake.store().as_ref(),
            &handle.root(),
            0,
            &commit_id,
            &actions,
        )
        .await?
        {
            CommitOutcome::Committed { .. } | CommitOutcome::Conflicted => {}
        }
    }
    Ok(handle)
}

fn meta_data(table: TableName, id: String, now_micros: i64) -> Result<MetaData> {
    let schema = table.schema();
    Ok(MetaData {
        id,
        name: Some(schema.name.to_owned()),
        description: Some(schema.description.to_owned()),
        format: actions::Format::default(),
        schema_string: schema_string(&schema.arrow_schema())?,
        partition_columns: schema
            .partition_by
            .iter()
            .map(|&column| column.to_owned())
            .collect(),
        configuration: BTreeMap::from([(
            "delta.checkpointInterval".to_owned(),
            COMMITS_PER_CHECKPOINT.to_string(),
        )]),
        created_time: Some(now_micros.div_euclid(1_000)),
    })
}

fn schema_string(schema: &SchemaRef) -> Result<String> {
    let schema: StructType = schema.as_ref().try_into_kernel().map_err(Error::internal)?;
    serde_json::to_string(&schema).map_err(Error::internal)
}
