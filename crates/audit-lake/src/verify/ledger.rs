//! The ledger's entries against themselves, the rows and the rejects.

use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use audit_schema::content_state::{STORED, STORED_AGAIN};
use futures::TryStreamExt;

use super::{AuditRows, Check, Tally, lacks_statistics};
use crate::error::Result;
use crate::keys::Texts;

/// The most rejects that an entry of each source counts. Those of one entry are all different.
pub(super) type RejectsBySource = BTreeMap<String, u64>;

/// Reads the ledger and checks each entry, and their sum against the rows.
pub(super) async fn read_entries(
    check: &mut Check<'_>,
    mut rows: AuditRows,
) -> Result<RejectsBySource> {
    let mut beginning = check.begin();
    let mut read = entries(check).await?;
    while check.begins_again(&mut beginning) {
        read = entries(check).await?;
    }
    if check.is_renewed {
        // What newer entries count is in newer rows.
        rows = AuditRows::of(check.lake, check.snapshot.tenant()).await?;
    }
    let Entries {
        rejects,
        mut records,
        again,
    } = read;
    // Where nothing has expired, what was added again stands in for what was lost before.
    let again = if rows.expired > 0 { again } else { 0 };
    records += again;
    let audit = rows.audit;
    let files = audit.as_ref().map_or(&[][..], |audit| audit.files());
    if files.iter().any(lacks_statistics) {
        return Ok(rejects);
    }
    let rows = audit.as_ref().map_or(0, |audit| audit.rows()) + rows.expired;
    if records > rows {
        let again = match again {
            0 => String::new(),
            again => format!(" ({again} of them again)"),
        };
        let what = format!(
            "its entries count {records} records added{again}, but m365_audit has {rows} rows, those that expired included"
        );
        check.broken(&check.root(), what);
    } else if let Some(audit) = audit.filter(|_| records < rows) {
        Check::new(check.lake, &audit, check.findings, check.progress).unaccounted(records, rows);
    }
    Ok(rejects)
}

/// What the entries say in sum.
struct Entries {
    rejects: RejectsBySource,
    records: u64,
    /// Records of inputs that had been stored before and were not in the table any more.
    again: u64,
}

/// Reads the entries, and checks each.
async fn entries(check: &mut Check<'_>) -> Result<Entries> {
    let mut rejects = RejectsBySource::new();
    let (mut records, mut again) = (0, 0);
    each_batch(check, |batch, at, sums| {
        let state = Texts::of(batch, "state");
        let source = Texts::of(batch, "source");
        for row in 0..batch.num_rows() {
            // A blob that never came whole is called lost, with the counts of what there was of it.
            let is_stored = state.is_some_and(|state| state.value(row) == STORED);
            if !is_stored && count(batch, "held", row).is_none() {
                continue;
            }
            let name = source.map_or("", |source| source.value(row));
            let [held, added, duplicates, rejected] =
                ["held", "records", "duplicates", "rejects"].map(|name| count(batch, name, row));
            match (held, added, duplicates, rejected) {
                (Some(held), Some(added), Some(duplicates), Some(rejected)) => {
                    if added + duplicates + rejected != held {
                        sums.add(at + row as u64, || {
                            format!(
                                "the entry of `{name}` does not add up: {added} records + {duplicates} duplicates + {rejected} rejects are not the {held} held"
                            )
                        });
                    }
                    match state.map(|state| state.value(row)) {
                        Some(STORED_AGAIN) => again += added,
                        _ => records += added,
                    }
                    if rejected > 0 {
                        let most = rejects.entry(name.to_owned()).or_default();
                        *most = rejected.max(*most);
                    }
                }
                _ => sums.add(at + row as u64, || format!("the entry of `{name}` lacks a count")),
            }
        }
    })
    .await?;
    Ok(Entries {
        rejects,
        records,
        again,
    })
}

/// Checks the rejects, and that those which the ledger counts are there.
pub(super) async fn check_rejects(check: &mut Check<'_>, expected: RejectsBySource) -> Result<()> {
    let mut beginning = check.begin();
    let mut lacking = read_rejects(check, expected.clone()).await?;
    while check.begins_again(&mut beginning) {
        lacking = read_rejects(check, expected.clone()).await?;
    }
    report_missing(check, lacking);
    Ok(())
}

/// Checks each reject; of those that the ledger counts, how many are not there.
async fn read_rejects(
    check: &mut Check<'_>,
    mut expected: RejectsBySource,
) -> Result<RejectsBySource> {
    each_batch(check, |batch, at, wrong| {
        let source = Texts::of(batch, "source");
        let bytes = batch
            .column_by_name("bytes")
            .and_then(|array| array.as_binary_opt::<i32>());
        for row in 0..batch.num_rows() {
            if let Some(lacking) = source.and_then(|source| expected.get_mut(source.value(row))) {
                *lacking = lacking.saturating_sub(1);
            }
            let len = bytes
                .filter(|bytes| bytes.is_valid(row))
                .map_or(0, |bytes| bytes.value(row).len());
            if count(batch, "byte_length", row) != Some(len as u64) {
                wrong.add(at + row as u64, || {
                    format!("its byte_length is not that of its {len} bytes")
                });
            }
        }
    })
    .await?;
    Ok(expected)
}

/// Reports the rejects that the ledger counts and that are not there.
pub(super) fn report_missing(check: &mut Check<'_>, expected: RejectsBySource) {
    for (source, lacking) in expected.into_iter().filter(|(_, lacking)| *lacking > 0) {
        let what =
            format!("the ledger counts {lacking} more rejects of `{source}` than m365_rejects has");
        check.broken(&check.root(), what);
    }
}

/// Reads a table file by file, checks its files and that no row has the key of another.
async fn each_batch(
    check: &mut Check<'_>,
    mut each: impl FnMut(&RecordBatch, u64, &mut Tally),
) -> Result<()> {
    let snapshot = Arc::clone(&check.snapshot);
    let key = snapshot.table().key_column();
    let hasher = RandomState::new();
    let (mut met, mut met_again) = (HashSet::new(), HashSet::new());
    for file in snapshot.files() {
        if check.overtaken_by.is_some() {
            return Ok(());
        }
        if !check.is_whole(file).await? {
            check.file_done();
            continue;
        }
        let Some(mut stream) = check.open(file, None).await? else {
            continue;
        };
        let (mut rows, mut wrong) = (0, Tally::default());
        while let Some(Some(batch)) = check.read(file, stream.try_next().await).await? {
            let keys = Texts::of(&batch, key);
            for row in 0..batch.num_rows() {
                let hash = hasher.hash_one(keys.map_or("", |keys| keys.value(row)));
                if !met.insert(hash) {
                    met_again.insert(hash);
                }
            }
            each(&batch, rows, &mut wrong);
            rows += batch.num_rows() as u64;
        }
        check.check_rows(file, rows);
        wrong.report(check, &file.path);
        check.file_done();
    }
    drop(met);
    report_repeated(check, &hasher, &met_again).await
}

/// Reports rows that have the key of another, by the keys in full of those that have one of these hashes.
async fn report_repeated(
    check: &mut Check<'_>,
    hasher: &RandomState,
    suspects: &HashSet<u64>,
) -> Result<()> {
    if suspects.is_empty() {
        return Ok(());
    }
    let snapshot = Arc::clone(&check.snapshot);
    let key = snapshot.table().key_column();
    let mut met: HashSet<String> = HashSet::new();
    for file in snapshot.files() {
        if check.overtaken_by.is_some() {
            return Ok(());
        }
        let Some(mut stream) = check.open(file, Some(&[key])).await? else {
            continue;
        };
        let (mut rows, mut twice) = (0, Tally::default());
        while let Some(Some(batch)) = check.read(file, stream.try_next().await).await? {
            let keys = Texts::of(&batch, key);
            for row in 0..batch.num_rows() {
                let value = keys.map_or("", |keys| keys.value(row));
                if suspects.contains(&hasher.hash_one(value)) && !met.insert(value.to_owned()) {
                    twice.add(rows + row as u64, || {
                        format!("the {key} `{value}` is there twice")
                    });
                }
            }
            rows += batch.num_rows() as u64;
        }
        twice.report(check, &file.path);
    }
    Ok(())
}

fn count(batch: &RecordBatch, name: &str, row: usize) -> Option<u64> {
    let array = batch
        .column_by_name(name)?
        .as_primitive_opt::<Int64Type>()?;
    array
        .is_valid(row)
        .then(|| u64::try_from(array.value(row)).ok())?
}
