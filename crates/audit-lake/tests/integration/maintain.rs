//! Compaction, retention and vacuum: what they do, and that nothing else changes.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use audit_lake::{
    Clock, Compacted, Compaction, Error, Expired, Lake, LakeOptions, Maintained, MaintenancePolicy,
    Severity, SystemClock, TableName,
};
use audit_testkit::ManualClock;
use bytes::Bytes;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use parquet::arrow::ArrowWriter;

use crate::model::{Model, random_records};
use crate::places::{file, places, tenant};
use crate::records::{DAY, Dice, MICROS_PER_DAY, Record, append, batch, canonical, rows};

const SECOND: i64 = 1_000_000;

/// Merges whatever there is two of, and deletes nothing.
pub(crate) fn policy() -> MaintenancePolicy {
    MaintenancePolicy {
        compaction: Some(Compaction {
            files_min: NonZeroUsize::new(2).unwrap(),
            ..Compaction::default()
        }),
        vacuum_after: None,
        ..MaintenancePolicy::default()
    }
}

async fn maintain(lake: &Lake, policy: &MaintenancePolicy) -> Vec<Maintained> {
    lake.maintain(tenant(), policy, |_| {}).await.unwrap()
}

async fn paths(lake: &Lake, table: TableName) -> Vec<Path> {
    let snapshot = lake.snapshot(&tenant(), table).await.unwrap().unwrap();
    snapshot
        .files()
        .iter()
        .map(|file| file.path.clone())
        .collect()
}

async fn assert_whole(lake: &Lake) {
    let findings = lake.verify(&[tenant()], canonical, |_| {}).await.unwrap();
    let broken: Vec<String> = (findings.iter())
        .filter(|finding| finding.severity == Severity::Broken)
        .map(ToString::to_string)
        .collect();
    assert_eq!(broken, [""; 0]);
}

#[tokio::test]
async fn compaction_changes_files_and_no_row() {
    for place in places().await {
        let mut dice = Dice(1);
        let mut model = Model::default();
        let mut all = Vec::new();
        for _ in 0..40 {
            let records = random_records(&mut dice, 15);
            records.iter().for_each(|record| {
                model.add(record);
            });
            append(&place.lake, tenant(), &records).await;
            all.extend(records);
        }
        let before = rows(&place.lake, tenant()).await;
        let old = place
            .lake
            .snapshot(&tenant(), TableName::Audit)
            .await
            .unwrap()
            .unwrap();

        let maintained = maintain(&place.lake, &policy()).await;
        let compacted = maintained[0].compacted;
        assert_eq!(maintained[0].table, TableName::Audit);
        assert_eq!(
            (compacted.files_before, compacted.rows),
            (old.files().len() as u64, old.rows())
        );
        // One for each of the three days.
        assert_eq!((compacted.files_after, compacted.commits), (3, 3));
        assert!(
            compacted.bytes_after < compacted.bytes_before,
            "{compacted:?}"
        );

        for lake in [place.lake.clone(), place.reopened().await] {
            assert_eq!(paths(&lake, TableName::Audit).await.len(), 3);
            assert_eq!(rows(&lake, tenant()).await, before);
            assert_whole(&lake).await;
        }
        // Who has the older version reads on.
        for file in old.files() {
            place.lake.store().head(&file.path).await.unwrap();
        }
        // Nothing more to do, and nothing comes twice.
        assert_eq!(
            maintain(&place.lake, &policy()).await[0].compacted,
            Compacted::default()
        );
        assert_eq!(append(&place.lake, tenant(), &all).await.rows, [0]);
        // A variant goes on from those of the large files.
        let other = random_records(&mut Dice(2), 60);
        other.iter().for_each(|record| {
            model.add(record);
        });
        append(&place.lake, tenant(), &other).await;
        maintain(&place.lake, &policy()).await;
        model.check(&place.reopened().await).await;
        assert_whole(&place.lake).await;
    }
}

#[tokio::test]
async fn large_files_follow_each_other_in_time_and_stay() {
    let place = places().await.swap_remove(0);
    // Each commit has records of the whole day.
    for commit in 0..20 {
        let records: Vec<Record> = (0..21)
            .map(|number| {
                let operation = ["Send", "Delete", "FileAccessed"][number as usize % 3];
                let time = DAY + number * 3_600 * SECOND + commit * SECOND;
                Record::new(&format!("{commit}-{number}"), time, "a").operation(Some(operation))
            })
            .collect();
        append(&place.lake, tenant(), &records).await;
    }
    let before = rows(&place.lake, tenant()).await;
    let policy = MaintenancePolicy {
        compaction: Some(Compaction {
            file_rows: NonZeroUsize::new(100).unwrap(),
            ..Compaction::default()
        }),
        ..policy()
    };
    let compacted = maintain(&place.lake, &policy).await[0].compacted;
    assert_eq!((compacted.files_before, compacted.files_after), (20, 5));
    let snapshot = place
        .lake
        .snapshot(&tenant(), TableName::Audit)
        .await
        .unwrap()
        .unwrap();
    let rows_of: Vec<u64> = snapshot.files().iter().map(|file| file.rows).collect();
    assert_eq!(rows_of, [100, 100, 100, 100, 20]);
    let times: Vec<i64> = (snapshot.files().iter())
        .flat_map(|file| [file.creation_time.unwrap().0, file.creation_time.unwrap().1])
        .collect();
    assert!(times.is_sorted(), "{times:?}");
    assert_eq!(rows(&place.lake, tenant()).await, before);
    assert_whole(&place.lake).await;

    // What comes late is merged with what is small.
    let large = paths(&place.lake, TableName::Audit).await[..4].to_vec();
    for commit in 0..4 {
        append(
            &place.lake,
            tenant(),
            &[Record::new(&format!("late {commit}"), DAY, "a")],
        )
        .await;
    }
    let compacted = maintain(&place.lake, &policy).await[0].compacted;
    assert_eq!(
        (
            compacted.files_before,
            compacted.files_after,
            compacted.rows
        ),
        (4, 1, 4)
    );
    let after = paths(&place.lake, TableName::Audit).await;
    assert!(large.iter().all(|path| after.contains(path)));
    assert_whole(&place.lake).await;
}

/// Rows for the ledger or the rejects, each with its time.
fn keyed(key: &str, time: &str, keys: std::ops::Range<i64>) -> RecordBatch {
    let times = TimestampMicrosecondArray::from_iter_values(keys.clone().map(|key| DAY + key));
    let columns: [(&str, ArrayRef); 4] = [
        (
            key,
            Arc::new(StringArray::from_iter_values(
                keys.clone().map(|key| format!("k{key}")),
            )),
        ),
        (
            "source",
            Arc::new(StringArray::from_iter_values(keys.clone().map(|_| "s"))),
        ),
        (time, Arc::new(times.with_timezone("UTC"))),
        (
            "byte_length",
            Arc::new(Int64Array::from_iter_values(keys.map(|_| 0))),
        ),
    ];
    let last = if key == "reject_id" { 4 } else { 3 };
    RecordBatch::try_from_iter(columns.into_iter().take(last)).unwrap()
}

#[tokio::test]
async fn ledger_and_rejects_are_compacted_and_go_on() {
    let place = places().await.swap_remove(0);
    let lake = &place.lake;
    let mut ledger = lake.ledger(tenant()).await.unwrap();
    for at in 0..6 {
        assert!(ledger.read(i64::MAX).await.unwrap().is_empty());
        assert!(
            ledger
                .append(&keyed("entry_id", "state_at", at * 5..at * 5 + 5))
                .await
                .unwrap()
        );
        let rejects = keyed("reject_id", "ingested_at", at * 5..at * 5 + 5);
        assert_eq!(
            lake.append_keyed(tenant(), TableName::Rejects, &rejects)
                .await
                .unwrap()
                .len(),
            5
        );
    }
    let maintained = maintain(lake, &policy()).await;
    let tables: Vec<_> = maintained
        .iter()
        .map(|done| {
            (
                done.table,
                done.compacted.files_before,
                done.compacted.files_after,
            )
        })
        .collect();
    assert_eq!(
        tables,
        [(TableName::Content, 6, 1), (TableName::Rejects, 6, 1)]
    );
    assert_whole(lake).await;

    // The ledger's reader learns that it has to look again, and loses nothing.
    let next = keyed("entry_id", "state_at", 30..31);
    assert!(!ledger.append(&next).await.unwrap());
    let again: usize = ledger
        .read(i64::MAX)
        .await
        .unwrap()
        .iter()
        .map(RecordBatch::num_rows)
        .sum();
    assert_eq!(again, 30);
    assert!(ledger.append(&next).await.unwrap());
    // Keys are known still.
    let rejects = keyed("reject_id", "ingested_at", 0..31);
    assert_eq!(
        lake.append_keyed(tenant(), TableName::Rejects, &rejects)
            .await
            .unwrap()
            .len(),
        1
    );
    assert_whole(lake).await;
}

/// Written anew, what was damaged would look whole.
#[tokio::test]
async fn a_damaged_file_is_not_merged() {
    let place = places().await.swap_remove(0);
    let lake = &place.lake;
    for at in 0..4 {
        append(lake, tenant(), &[Record::new(&format!("{at}"), DAY, "a")]).await;
    }
    let damaged = paths(lake, TableName::Audit).await.swap_remove(0);
    let whole = lake.store().get(&damaged).await.unwrap();
    let mut bytes = whole.bytes().await.unwrap().to_vec();
    bytes[10] ^= 1;
    lake.store().put(&damaged, bytes.into()).await.unwrap();
    let compacted = maintain(lake, &policy()).await[0].compacted;
    assert_eq!((compacted.files_before, compacted.files_left), (3, 1));
    assert!(paths(lake, TableName::Audit).await.contains(&damaged));
}

#[tokio::test]
async fn files_that_cannot_be_merged_stay() {
    let place = places().await.swap_remove(0);
    let lake = &place.lake;
    for at in 0..3 {
        append(
            lake,
            tenant(),
            &[Record::new(&format!("{at}"), DAY + at, "a")],
        )
        .await;
    }
    let table = lake
        .open_or_create_table(tenant(), TableName::Audit)
        .await
        .unwrap();
    let mut strangers = Vec::new();
    // One with a column that nobody knows, one that is no Parquet.
    let records = batch(&[Record::new("x", DAY + 43_201 * SECOND, "a")]);
    let mut fields: Vec<_> = records
        .schema()
        .fields()
        .iter()
        .map(|f| f.as_ref().clone())
        .collect();
    fields.push(arrow::datatypes::Field::new(
        "novel",
        arrow::datatypes::DataType::Int64,
        true,
    ));
    let mut columns = records.columns().to_vec();
    columns.push(Arc::new(Int64Array::from(vec![1])));
    let schema = Arc::new(arrow::datatypes::Schema::new(fields));
    let mut writer = ArrowWriter::try_new(Vec::new(), Arc::clone(&schema), None).unwrap();
    writer
        .write(&RecordBatch::try_new(schema, columns).unwrap())
        .unwrap();
    for (name, bytes) in [
        ("novel", writer.into_inner().unwrap()),
        ("damaged", b"PAR1".to_vec()),
    ] {
        let base = table.snapshot().await.unwrap();
        let mut new = file(name, base.version() + 1);
        new.size_bytes = bytes.len() as u64;
        let path = table
            .root()
            .join("event_date=2024-01-31")
            .join(format!("{name}.parquet"));
        lake.store()
            .put(&path, Bytes::from(bytes).into())
            .await
            .unwrap();
        let _ = table.try_commit(&base, &[new]).await.unwrap();
        strangers.push(path);
    }
    let compacted = maintain(lake, &policy()).await[0].compacted;
    assert_eq!(
        (
            compacted.files_before,
            compacted.files_after,
            compacted.files_left
        ),
        (3, 1, 2)
    );
    let after = paths(lake, TableName::Audit).await;
    assert_eq!(after.len(), 3);
    assert!(strangers.iter().all(|path| after.contains(path)));
}

#[derive(Debug)]
struct Manual(ManualClock);

impl Clock for Manual {
    fn now_micros(&self) -> i64 {
        self.0.now_micros()
    }
}

/// A lake in a folder, and a clock that begins at the time of the folder's files.
async fn lake_with_clock() -> (tempfile::TempDir, Lake, Arc<Manual>) {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(Manual(ManualClock::new(SystemClock.now_micros())));
    let options = LakeOptions {
        clock: Arc::clone(&clock) as Arc<dyn Clock>,
        ..LakeOptions::default()
    };
    let lake = Lake::create_or_open(folder.path().to_str().unwrap(), options)
        .await
        .unwrap();
    (folder, lake, clock)
}

#[tokio::test]
async fn days_expire_with_the_calendar() {
    let (_folder, lake, clock) = lake_with_clock().await;
    clock.0.set(DAY + 10 * MICROS_PER_DAY + 5);
    let records: Vec<Record> = (0..11)
        .map(|day| Record::new(&format!("{day}"), DAY + day * MICROS_PER_DAY, "a"))
        .collect();
    append(&lake, tenant(), &records).await;
    let keep = |days| MaintenancePolicy {
        keep_days: NonZeroU32::new(days),
        ..policy()
    };
    let expired = |days, rows| async move { (days, days, rows) };
    for (days, expected) in [(u32::MAX, 0), (100, 0), (10, 0), (8, 2), (8, 0), (7, 1)] {
        let dry_run = MaintenancePolicy {
            dry_run: true,
            ..keep(days)
        };
        let before = rows(&lake, tenant()).await.len();
        let dry = maintain(&lake, &dry_run).await[0].expired;
        assert_eq!(rows(&lake, tenant()).await.len(), before);
        let done = maintain(&lake, &keep(days)).await[0].expired;
        assert_eq!(
            (done.days, done.files, done.rows),
            expired(expected, expected).await,
            "{days}"
        );
        assert_eq!(dry, done);
        assert_whole(&lake).await;
    }
    assert_eq!(rows(&lake, tenant()).await.len(), 8);
    // The calendar turns.
    clock.0.advance(MICROS_PER_DAY);
    assert_eq!(maintain(&lake, &keep(7)).await[0].expired.rows, 1);
    // What expired and comes again is a row again, for that long.
    assert_eq!(append(&lake, tenant(), &records).await.rows, [4]);
    assert_eq!(maintain(&lake, &keep(7)).await[0].expired.rows, 4);
    assert_eq!(rows(&lake, tenant()).await.len(), 7);
}

#[tokio::test]
async fn the_ledger_counts_what_expired() {
    let (_folder, lake, clock) = lake_with_clock().await;
    clock.0.set(DAY + 10 * MICROS_PER_DAY);
    let records = [
        Record::new("a", DAY, "a"),
        Record::new("b", DAY + 10 * MICROS_PER_DAY, "a"),
    ];
    append(&lake, tenant(), &records).await;
    let entries_of = |state: &str, records: i64| {
        let number = |value: i64| -> ArrayRef { Arc::new(Int64Array::from(vec![value])) };
        let text = |value: &str| -> ArrayRef { Arc::new(StringArray::from(vec![value])) };
        RecordBatch::try_from_iter([
            ("entry_id", text(&format!("{state} {records}"))),
            ("source", text("s")),
            ("state", text(state)),
            ("held", number(records)),
            ("records", number(records)),
            ("duplicates", number(0)),
            ("rejects", number(0)),
        ])
        .unwrap()
    };
    let entries = |records| entries_of("stored", records);
    let ledger = TableName::Content;
    lake.append_keyed(tenant(), ledger, &entries(2))
        .await
        .unwrap();
    let keep = MaintenancePolicy {
        keep_days: NonZeroU32::new(1),
        ..policy()
    };
    let expired = maintain(&lake, &keep).await[0].expired;
    assert_eq!((expired.days, expired.rows), (1, 1));
    assert!(
        lake.verify(&[tenant()], canonical, |_| {})
            .await
            .unwrap()
            .is_empty()
    );
    // Also when the log begins at a checkpoint, and a row that is really missing is found still.
    let table = lake
        .open_or_create_table(tenant(), TableName::Audit)
        .await
        .unwrap();
    table
        .checkpoint(table.snapshot().await.unwrap().version())
        .await
        .unwrap();
    assert!(
        lake.verify(&[tenant()], canonical, |_| {})
            .await
            .unwrap()
            .is_empty()
    );
    let found = async || {
        let findings = lake.verify(&[tenant()], canonical, |_| {}).await.unwrap();
        let messages = findings.into_iter().map(|finding| finding.message);
        messages.collect::<Vec<_>>().join("\n")
    };
    // What comes again after it has expired is counted again, for as long as it stays and then.
    assert_eq!(append(&lake, tenant(), &records).await.rows, [1]);
    let message = found().await;
    assert!(
        message.contains("accounts for 2 rows and the table has 1 more"),
        "{message}"
    );
    let again = entries_of("stored_again", 1);
    lake.append_keyed(tenant(), ledger, &again).await.unwrap();
    assert_eq!(found().await, "");
    assert_eq!(maintain(&lake, &keep).await[0].expired.rows, 1);
    assert_eq!(found().await, "");
    lake.append_keyed(tenant(), ledger, &entries(1))
        .await
        .unwrap();
    let message = found().await;
    assert!(
        message.contains("count 4 records added (1 of them again), but m365_audit has 3 rows"),
        "{message}"
    );
}

#[tokio::test]
async fn what_a_damaged_commit_took_out_is_kept() {
    let (folder, lake, _clock) = lake_with_clock().await;
    for id in ["a", "b"] {
        append(&lake, tenant(), &[Record::new(id, DAY, "1")]).await;
    }
    let old = paths(&lake, TableName::Audit).await;
    maintain(&lake, &policy()).await;
    let table = lake.open_or_create_table(tenant(), TableName::Audit).await;
    table.unwrap().checkpoint(3).await.unwrap();
    let log = format!("tenants/{}/m365_audit/_delta_log", tenant());
    let commit = Path::from(format!("{log}/{:020}.json", 3));
    let store = lake.store();
    store.put(&commit, "{\"remove\":".into()).await.unwrap();
    for path in &old {
        set_age(&folder, path, Duration::from_secs(7_200));
    }
    let vacuum = MaintenancePolicy {
        compaction: None,
        vacuum_after: Some(Duration::ZERO),
        nobody_reads: true,
        ..policy()
    };
    assert_eq!(maintain(&lake, &vacuum).await[0].vacuumed.files, 0);
    // Taken away, as `verify` says: what it took out is what no log names.
    store.delete(&commit).await.unwrap();
    assert_eq!(maintain(&lake, &vacuum).await[0].vacuumed.files, 2);
    assert_eq!(rows(&lake, tenant()).await.len(), 2);
}

/// Sets back when files of the folder were written.
fn set_age(folder: &tempfile::TempDir, path: &Path, age: Duration) {
    let path: PathBuf = folder.path().join(path.as_ref());
    let now = u64::try_from(SystemClock.now_micros()).unwrap();
    let time = SystemTime::UNIX_EPOCH + Duration::from_micros(now) - age;
    std::fs::File::options()
        .write(true)
        .open(path)
        .unwrap()
        .set_modified(time)
        .unwrap();
}

const HOUR: Duration = Duration::from_secs(3_600);

#[tokio::test]
async fn vacuum_deletes_what_no_reader_needs() {
    let (folder, lake, clock) = lake_with_clock().await;
    for at in 0..4 {
        append(
            &lake,
            tenant(),
            &[Record::new(&format!("{at}"), DAY + at, "a")],
        )
        .await;
    }
    let small = paths(&lake, TableName::Audit).await;
    let root = "tenants/0fad12b5-8d6a-4c43-a01f-e6d0a0d0e1c7/m365_audit";
    let young_orphan = Path::from(format!("{root}/event_date=2024-01-31/young.parquet"));
    let old_orphan = Path::from(format!("{root}/event_date=2024-01-30/old.parquet"));
    let hidden = Path::from(format!("{root}/_change_data/old.parquet"));
    let other = Path::from(format!("{root}/notes.txt"));
    for path in [&young_orphan, &old_orphan, &hidden, &other] {
        lake.store()
            .put(path, Bytes::from_static(b"x").into())
            .await
            .unwrap();
    }
    for path in small.iter().chain([&old_orphan, &hidden, &other]) {
        set_age(&folder, path, 20 * 24 * HOUR);
    }
    maintain(&lake, &policy()).await;
    let large = paths(&lake, TableName::Audit).await;
    set_age(&folder, &large[0], 20 * 24 * HOUR);
    let before = rows(&lake, tenant()).await;

    let vacuum = |dry_run| MaintenancePolicy {
        compaction: None,
        vacuum_after: Some(7 * 24 * HOUR),
        dry_run,
        ..policy()
    };
    let there = async |path: &Path| lake.store().head(path).await.is_ok();
    // The small files are old, but left the table just now.
    for (days, files) in [(0, 1), (6, 0), (8, 5), (8, 0)] {
        clock
            .0
            .set(SystemClock.now_micros() + days * MICROS_PER_DAY);
        let dry = maintain(&lake, &vacuum(true)).await[0].vacuumed;
        let done = maintain(&lake, &vacuum(false)).await[0].vacuumed;
        assert_eq!((dry.files, done.files), (files, files), "{days}");
        assert!(!there(&old_orphan).await);
        assert_eq!(there(&young_orphan).await, days < 8);
        for path in &small {
            assert_eq!(there(path).await, days < 8);
        }
        for path in [&large[0], &hidden, &other] {
            assert!(there(path).await, "{path}");
        }
        assert_eq!(rows(&lake, tenant()).await, before);
    }
    assert_whole(&lake).await;
}

#[tokio::test]
async fn vacuum_keeps_an_hour_what_may_be_read_and_what_may_be_committed() {
    let (_folder, lake, clock) = lake_with_clock().await;
    for at in 0..2 {
        append(
            &lake,
            tenant(),
            &[Record::new(&format!("{at}"), DAY + at, "a")],
        )
        .await;
    }
    let policy = MaintenancePolicy {
        vacuum_after: Some(Duration::ZERO),
        ..policy()
    };
    let error = lake.maintain(tenant(), &policy, |_| {}).await.unwrap_err();
    assert!(matches!(error, Error::InvalidInput { .. }), "{error:?}");
    assert!(
        lake.vacuum(tenant(), TableName::Audit, &policy)
            .await
            .is_err()
    );
    assert_eq!(paths(&lake, TableName::Audit).await.len(), 2);

    // As a writer puts it before its commit.
    let put = Path::from(format!(
        "tenants/{}/m365_audit/event_date=2024-01-31/put.parquet",
        tenant()
    ));
    let bytes = Bytes::from_static(b"x");
    lake.store().put(&put, bytes.into()).await.unwrap();
    let unread = MaintenancePolicy {
        nobody_reads: true,
        ..policy
    };
    for (seconds, deleted) in [(60, 2), (3_000, 0), (1_000, 1)] {
        clock.0.advance(seconds * SECOND);
        let maintained = maintain(&lake, &unread).await;
        assert_eq!(maintained[0].vacuumed.files, deleted);
    }
    assert_eq!(rows(&lake, tenant()).await.len(), 2);
}

#[tokio::test]
async fn the_log_is_kept_for_a_month_and_what_needs_it_longer() {
    let (_folder, lake, clock) = lake_with_clock().await;
    for at in 0..60 {
        append(
            &lake,
            tenant(),
            &[Record::new(&format!("{at}"), DAY + at, "a")],
        )
        .await;
    }
    let before = rows(&lake, tenant()).await;
    let vacuum = MaintenancePolicy {
        compaction: None,
        vacuum_after: Some(24 * HOUR),
        ..policy()
    };
    for (days, log_files) in [(29, 0), (31, 50), (31, 0)] {
        clock
            .0
            .set(SystemClock.now_micros() + days * MICROS_PER_DAY);
        assert_eq!(
            maintain(&lake, &vacuum).await[0].vacuumed.log_files,
            log_files,
            "{days}"
        );
    }
    // Those who know the table and those who do not see the same.
    let fresh = Lake::with_store(lake.store(), lake.url().clone(), LakeOptions::default())
        .await
        .unwrap();
    for lake in [&lake, &fresh] {
        assert_eq!(rows(lake, tenant()).await, before);
        append(lake, tenant(), &[Record::new("0", DAY, "a")]).await;
    }
}

#[tokio::test]
async fn nothing_is_made_where_there_is_nothing() {
    for place in places().await {
        let policy = MaintenancePolicy::default();
        assert_eq!(maintain(&place.lake, &policy).await, []);
        assert_eq!(
            place.lake.expire(tenant(), &policy).await.unwrap(),
            Expired::default()
        );
        assert!(place.lake.tenants().await.unwrap().is_empty());
    }
}
