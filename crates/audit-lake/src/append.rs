//! Records into the lake, each exactly once.
//!
//! An append checks its records against the snapshot it is based on, writes the files of what is
//! new, and commits them as exactly the next version. If another writer was first, only the files
//! that this one added are checked, and the append tries again on top of them: no two commits are
//! ever based on the same version, so no record gets past the check.

use std::collections::{BTreeMap, HashSet};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::Schema;
use futures::{StreamExt, TryFutureExt};
use object_store::path::Path;

use crate::commit::{CommitOutcome, NewFile};
use crate::data_file::{self, Columns, ROW_GROUP_ROWS, RowIndex};
use crate::error::{Error, Result};
use crate::existing;
use crate::keys::{Canonical, Keys, NewRow};
use crate::snapshot::{DataFile, Snapshot, format_date};
use crate::stats::Stats;
use crate::table::DeltaTableHandle;
use crate::upload::{discard, put};
use crate::{DAY_MICROS, Lake, TableName, TenantId};

/// How often an append starts over because other writers commit to the same tenant.
const ATTEMPTS_MAX: u32 = 30;

/// Files written at a time.
const PUTS_MAX: usize = 4;

/// Records of one tenant from one input, in the order of their arrival.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// Columns of `m365_audit` that the record itself gives; `creation_time` and `raw` without nulls.
    pub batch: RecordBatch,
    /// Where they come from.
    pub origin: Arc<Origin>,
}

/// What is known of an input beside its records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// The content type of the API.
    pub content_type: Option<String>,
    /// The content blob's id, or what else names where the records come from.
    pub content_id: Option<String>,
    /// When the blob became available, in microseconds.
    pub content_created: Option<i64>,
}

/// How to append.
#[derive(Debug, Clone, Copy)]
pub struct AppendOptions {
    /// Spells a record's content, to compare records under one key.
    pub canonical: Canonical,
    /// Columns encoded at a time.
    pub threads: NonZeroUsize,
}

/// What became of the records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Appended {
    /// For each arrival, how many of its records are rows now; the others were duplicates.
    pub rows: Vec<u64>,
    /// The version of `m365_audit` that has them all.
    pub version: u64,
    /// Data files written, and their size.
    pub files: u64,
    /// Bytes of those files.
    pub size_bytes: u64,
}

impl Lake {
    /// Appends what the lake lacks of the arrivals, as one commit, or nothing at all.
    ///
    /// # Errors
    /// `Conflict` when other writers of the tenant are faster again and again; `Unavailable` when the
    /// store is. After an error the records may or may not be there: append them again, nothing
    /// becomes a row twice.
    pub async fn append(
        &self,
        tenant: TenantId,
        arrivals: &[Arrival],
        options: AppendOptions,
    ) -> Result<Appended> {
        let table = self.open_or_create_table(tenant, TableName::Audit).await?;
        let batches: Vec<RecordBatch> = arrivals
            .iter()
            .map(|arrival| arrival.batch.clone())
            .collect();
        let mut keys = Keys::of(&batches, options.canonical)?;
        let times = Times::of(&keys);
        let mut checked: HashSet<Path> = HashSet::new();
        for _ in 0..ATTEMPTS_MAX {
            let base = table.snapshot().await?;
            let looked_up = async {
                for file in base.files() {
                    if !checked.contains(&file.path) {
                        let probes = times.within(file);
                        if !probes.is_empty() {
                            let (cache, store) = (self.key_files(), &self.store());
                            existing::look_up(cache, store, file, probes, &mut keys).await?;
                        }
                    }
                }
                Ok(())
            };
            if !is_done(&table, looked_up.await).await? {
                continue;
            }
            checked = base.files().iter().map(|file| file.path.clone()).collect();

            let new_rows = keys.new_rows();
            if new_rows.is_empty() {
                return Ok(Appended {
                    rows: vec![0; arrivals.len()],
                    version: base.version(),
                    ..Appended::default()
                });
            }
            let written = self
                .write(
                    tenant,
                    arrivals,
                    &batches,
                    &new_rows,
                    &base,
                    options.threads,
                )
                .await?;
            let files: Vec<NewFile> = written.iter().map(|(file, _)| file.clone()).collect();
            match table.try_commit(&base, &files).await? {
                CommitOutcome::Committed { version } => {
                    let mut rows = vec![0; arrivals.len()];
                    new_rows.iter().for_each(|new| rows[new.row.0] += 1);
                    let size_bytes = files.iter().map(|file| file.size_bytes).sum();
                    return Ok(Appended {
                        rows,
                        version,
                        files: files.len() as u64,
                        size_bytes,
                    });
                }
                CommitOutcome::Conflicted => {
                    for (_, place) in &written {
                        discard(self, place).await;
                    }
                }
            }
        }
        Err(Error::Conflict {
            tenant,
            table: TableName::Audit,
            attempts: ATTEMPTS_MAX,
        })
    }

    /// Writes the data files, one a day: all of them, or none stays.
    async fn write(
        &self,
        tenant: TenantId,
        arrivals: &[Arrival],
        batches: &[RecordBatch],
        new_rows: &[NewRow],
        base: &Snapshot,
        threads: NonZeroUsize,
    ) -> Result<Vec<(NewFile, Path)>> {
        let now = self.clock().now_micros();
        let sequence = base.version() as i64 + 1;
        let variants = variants(batches, new_rows);
        let batches: Vec<RecordBatch> = (batches.iter().zip(arrivals).zip(variants))
            .map(|((batch, arrival), variants)| {
                complete(batch, &arrival.origin, tenant, now, sequence, variants)
            })
            .collect::<Result<_>>()?;
        let columns = Arc::new(Columns::of(file_columns(TableName::Audit), &batches));
        let batches = Arc::new(batches);
        let days = by_day(new_rows);
        let root = crate::paths::table_root(tenant, TableName::Audit);
        let has_failed = AtomicBool::new(false);
        let has_failed = &has_failed;
        let days = (days.into_iter()).take_while(|_| !has_failed.load(Ordering::Relaxed));
        let files = days.map(|(day, order)| {
            let (columns, batches, root) =
                (Arc::clone(&columns), Arc::clone(&batches), root.clone());
            let written = async move {
                let stats = Stats::of(&batches, &order);
                let rows = order.len();
                let encoded = tokio::task::spawn_blocking(move || {
                    let key = TableName::Audit.key_column();
                    data_file::encode(&columns, &order, key, threads)
                })
                .await
                .map_err(Error::internal)?
                .map_err(|e| Error::internal(format!("could not encode {rows} rows: {e}")))?;
                let path = format!(
                    "event_date={}/{}.parquet",
                    format_date(day)?,
                    self.ids().next_id()
                );
                let size_bytes = encoded.bytes.len() as u64;
                let place = Path::from(format!("{root}/{path}"));
                put(self, &place, encoded.bytes).await?;
                let modification_time_ms = now.div_euclid(1000);
                let file = NewFile {
                    path,
                    event_date: Some(day),
                    size_bytes,
                    stats: stats.to_json(rows),
                    modification_time_ms,
                    sha256: Some(encoded.sha256),
                    text_index: encoded.text_index,
                };
                Ok::<_, Error>((file, place))
            };
            written.inspect_err(|_| has_failed.store(true, Ordering::Relaxed))
        });
        // Those that are being written when one fails are waited for, or they would come after they were discarded.
        let files: Vec<Result<_>> = (futures::stream::iter(files).buffered(PUTS_MAX))
            .collect()
            .await;
        if has_failed.load(Ordering::Relaxed) {
            for (_, place) in files.iter().flatten() {
                discard(self, place).await;
            }
        }
        files.into_iter().collect()
    }

    /// Appends rows that have a key of their own and are not in the table yet: rejects, ledger rows.
    ///
    /// A row whose key ([`TableName::key_column`]) the table has is left out. Returns which rows were added, in order.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub async fn append_keyed(
        &self,
        tenant: TenantId,
        name: TableName,
        rows: &RecordBatch,
    ) -> Result<Vec<usize>> {
        let key = name.key_column();
        let table = self.open_or_create_table(tenant, name).await?;
        let mut known: HashSet<String> = HashSet::new();
        let mut checked: HashSet<Path> = HashSet::new();
        for _ in 0..ATTEMPTS_MAX {
            let base = table.snapshot().await?;
            let looked_up = async {
                let (cache, store) = (self.key_files(), &self.store());
                for file in base.files() {
                    if !checked.contains(&file.path) {
                        existing::known_keys(cache, store, file, rows, key, &mut known).await?;
                    }
                }
                Ok(())
            };
            if !is_done(&table, looked_up.await).await? {
                continue;
            }
            checked = base.files().iter().map(|file| file.path.clone()).collect();
            let order = unknown_rows(rows, key, &known)?;
            let added = order.iter().map(|(_, row)| *row).collect();
            if order.is_empty() {
                return Ok(added);
            }
            let (file, place) = write_rows(self, &table, rows, &order, key).await?;
            match table.try_commit(&base, &[file]).await? {
                CommitOutcome::Committed { .. } => return Ok(added),
                CommitOutcome::Conflicted => discard(self, &place).await,
            }
        }
        Err(Error::Conflict {
            tenant,
            table: name,
            attempts: ATTEMPTS_MAX,
        })
    }
}

/// Whether a look at the files of a table came to its end. If not, as maintenance took one of them away meanwhile, there is a
/// newer state to look at.
///
/// # Errors
/// That of the look, for a file that the newest state has still.
async fn is_done(table: &DeltaTableHandle, looked_up: Result<()>) -> Result<bool> {
    let Err(Error::NotFound { what }) = &looked_up else {
        return looked_up.map(|()| true);
    };
    let newest = table.snapshot().await?;
    match newest.files().iter().any(|file| file.path.as_ref() == what) {
        true => looked_up.map(|()| true),
        false => Ok(false),
    }
}

/// Puts rows of a table without partitions into a data file, which waits to be committed.
pub(crate) async fn write_rows(
    lake: &Lake,
    table: &DeltaTableHandle,
    rows: &RecordBatch,
    order: &[RowIndex],
    key: &str,
) -> Result<(NewFile, Path)> {
    let name = table.table();
    let batches = [rows.clone()];
    let columns = Columns::of(file_columns(name), &batches);
    let encoded = data_file::encode(&columns, order, key, NonZeroUsize::MIN)
        .map_err(|e| Error::internal(format!("could not encode rows of {name}: {e}")))?;
    let path = format!("{}.parquet", lake.ids().next_id());
    let place = Path::from(format!("{}/{path}", table.root()));
    let file = NewFile {
        path,
        event_date: None,
        size_bytes: encoded.bytes.len() as u64,
        stats: Stats::of(&batches, order).to_json(order.len()),
        modification_time_ms: lake.clock().now_micros().div_euclid(1000),
        sha256: Some(encoded.sha256),
        text_index: encoded.text_index,
    };
    put(lake, &place, encoded.bytes).await?;
    Ok((file, place))
}

/// The keys of an append by time.
struct Times(Vec<(i64, usize)>, Vec<usize>);

impl Times {
    fn of(keys: &Keys<'_>) -> Self {
        let mut times: Vec<(i64, usize)> = keys
            .firsts()
            .map(|(group, key)| (key.creation_time, group))
            .collect();
        times.sort_unstable();
        let groups = times.iter().map(|(_, group)| *group).collect();
        Self(times, groups)
    }

    /// The keys that a file's partition and time range may hold.
    fn within(&self, file: &DataFile) -> &[usize] {
        let (mut min, mut max) = file.creation_time.unwrap_or((i64::MIN, i64::MAX));
        if let Some(day) = file.event_date {
            min = min.max(i64::from(day) * DAY_MICROS);
            max = max.min((i64::from(day) + 1) * DAY_MICROS - 1);
        }
        let begin = self.0.partition_point(|(time, _)| *time < min);
        let end = self.0.partition_point(|(time, _)| *time <= max);
        &self.1[begin..end.max(begin)]
    }
}

/// The table's columns that stand in its files: all but the one it is partitioned by.
pub(crate) fn file_columns(table: TableName) -> impl Iterator<Item = &'static str> {
    let schema = table.schema();
    schema
        .columns
        .iter()
        .map(|column| column.name)
        .filter(|name| Some(*name) != schema.partition_by)
}

/// The rows of each day as they stand in its file: row groups in the order of time, in each the rows
/// by record type, operation, user and time.
fn by_day(new_rows: &[NewRow]) -> BTreeMap<i32, Vec<RowIndex>> {
    let mut sorted: Vec<&NewRow> = new_rows.iter().collect();
    sorted.sort_by_key(|new| (new.creation_time, new.row));
    let mut days: BTreeMap<i32, Vec<&NewRow>> = BTreeMap::new();
    for new in sorted {
        // Years 1 to 9999 are what a time may be: a day number fits.
        let day = new.creation_time.div_euclid(DAY_MICROS) as i32;
        days.entry(day).or_default().push(new);
    }
    let rows = |mut day: Vec<&NewRow>| {
        for group in day.chunks_mut(ROW_GROUP_ROWS) {
            data_file::stand(group, |new| new.kind);
        }
        day.into_iter().map(|new| new.row).collect()
    };
    days.into_iter()
        .map(|(day, new)| (day, rows(new)))
        .collect()
}

/// The variants of each batch's rows; zero for those that are not new.
fn variants(batches: &[RecordBatch], new_rows: &[NewRow]) -> Vec<Vec<i64>> {
    let mut variants: Vec<Vec<i64>> = batches
        .iter()
        .map(|batch| vec![0; batch.num_rows()])
        .collect();
    for new in new_rows {
        variants[new.row.0][new.row.1] = new.variant;
    }
    variants
}

/// Adds the columns that the lake gives a record.
fn complete(
    batch: &RecordBatch,
    origin: &Origin,
    tenant: TenantId,
    now: i64,
    sequence: i64,
    variants: Vec<i64>,
) -> Result<RecordBatch> {
    let rows = batch.num_rows();
    let same_text = |text: &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(std::iter::repeat_n(
            text, rows,
        )))
    };
    let same_time = |micros: i64| -> ArrayRef {
        Arc::new(TimestampMicrosecondArray::from_value(micros, rows).with_timezone("UTC"))
    };
    let mut added: Vec<(&str, ArrayRef)> = vec![
        ("tenant_id", same_text(&tenant.to_string())),
        ("ingested_at", same_time(now)),
        (
            "ingest_sequence",
            Arc::new(Int64Array::from_value(sequence, rows)),
        ),
        ("variant", Arc::new(Int64Array::from(variants))),
    ];
    if let Some(content_type) = &origin.content_type {
        added.push(("content_type", same_text(content_type)));
    }
    if let Some(content_id) = &origin.content_id {
        added.push(("content_id", same_text(content_id)));
    }
    if let Some(micros) = origin.content_created {
        added.push(("content_created", same_time(micros)));
    }
    let mut fields: Vec<_> = batch.schema().fields().iter().map(Arc::clone).collect();
    let mut columns = batch.columns().to_vec();
    for (name, array) in added {
        fields.push(Arc::new(arrow::datatypes::Field::new(
            name,
            array.data_type().clone(),
            true,
        )));
        columns.push(array);
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(Error::internal)
}

fn unknown_rows(rows: &RecordBatch, key: &str, known: &HashSet<String>) -> Result<Vec<RowIndex>> {
    let keys = existing::key_column(rows, key)?;
    let mut seen = HashSet::new();
    Ok((0..rows.num_rows())
        .filter(|&row| !known.contains(keys.value(row)) && seen.insert(keys.value(row)))
        .map(|row| (0, row))
        .collect())
}
