//! A lake that is whole has no findings; one that was damaged has the right one.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BinaryArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
    UInt64Array,
};
use arrow::compute::{concat_batches, take_record_batch};
use audit_lake::{DataFile, Error, Finding, Lake, LakeOptions, NewFile, Severity, TableName};
use audit_testkit::{Fault, FaultTrigger, FaultyStore, Operation};
use bytes::Bytes;
use futures::TryStreamExt;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use sha2::{Digest, Sha256};

use crate::maintain::policy;
use crate::places::{Place, places, tenant};
use crate::records::{DAY, MICROS_PER_DAY, Record, append, canonical};

/// A lake of two days and three files, with variants, records without id, a ledger and rejects.
async fn place() -> Place {
    let place = places().await.swap_remove(0);
    let of_day = |day: i64| {
        let begin = DAY + day * MICROS_PER_DAY;
        vec![
            Record::new("a", begin, "1"),
            Record::new("a", begin, "2"),
            Record::new("B", begin + 1, "1"),
            Record::new("", begin + 2, "1"),
            Record::new("", begin + 2, "2"),
            Record::new("c", begin + 3, "1"),
        ]
    };
    append(&place.lake, tenant(), &[of_day(0), of_day(1)].concat()).await;
    append(
        &place.lake,
        tenant(),
        &[Record::new("A", DAY, "3"), Record::new("d", DAY + 9, "1")],
    )
    .await;
    ledger(
        &place.lake,
        &[("one", [14, 12, 1, 1]), ("two", [5, 2, 3, 0])],
    )
    .await;
    rejects(&place.lake, &[("one", "bytes", 5)]).await;
    place
}

async fn ledger(lake: &Lake, entries: &[(&str, [i64; 4])]) {
    ledger_of(lake, "stored", entries).await;
}

async fn ledger_of(lake: &Lake, state: &str, entries: &[(&str, [i64; 4])]) {
    let texts = |of: &dyn Fn(&str) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(
            entries.iter().map(|(name, _)| of(name)),
        ))
    };
    let numbers = |at: usize| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(
            entries.iter().map(|(_, numbers)| numbers[at]),
        ))
    };
    let rows = RecordBatch::try_from_iter([
        ("entry_id", texts(&|name| format!("{state} {name}"))),
        ("source", texts(&str::to_owned)),
        ("state", texts(&|_| state.to_owned())),
        ("held", numbers(0)),
        ("records", numbers(1)),
        ("duplicates", numbers(2)),
        ("rejects", numbers(3)),
    ]);
    lake.append_keyed(tenant(), TableName::Content, &rows.unwrap())
        .await
        .unwrap();
}

async fn rejects(lake: &Lake, rejects: &[(&str, &str, i64)]) {
    let source = StringArray::from_iter_values(rejects.iter().map(|reject| reject.0));
    let ids = StringArray::from_iter_values(rejects.iter().map(|reject| format!("{reject:?}")));
    let bytes = BinaryArray::from_iter_values(rejects.iter().map(|reject| reject.1.as_bytes()));
    let lens = Int64Array::from_iter_values(rejects.iter().map(|reject| reject.2));
    let columns: [(&str, ArrayRef); 4] = [
        ("reject_id", Arc::new(ids)),
        ("source", Arc::new(source)),
        ("bytes", Arc::new(bytes)),
        ("byte_length", Arc::new(lens)),
    ];
    let rows = RecordBatch::try_from_iter(columns).unwrap();
    lake.append_keyed(tenant(), TableName::Rejects, &rows)
        .await
        .unwrap();
}

async fn findings(place: &Place) -> Vec<Finding> {
    let lake = place.reopened().await;
    let tenants = lake.tenants().await.unwrap();
    lake.verify(&tenants, canonical, |_| {}).await.unwrap()
}

/// Fails unless there is one finding, with this severity, path and message.
async fn expect(place: &Place, severity: Severity, path: &str, message: &str) {
    let found = findings(place).await;
    assert_eq!(found.len(), 1, "{message}: {found:#?}");
    assert_eq!(found[0].severity, severity, "{}", found[0]);
    assert!(
        found[0].path.as_ref().contains(path),
        "{path}: {}",
        found[0]
    );
    assert!(
        found[0].message.contains(message),
        "{message}: {}",
        found[0]
    );
}

async fn files(place: &Place) -> Vec<DataFile> {
    let lake = place.reopened().await;
    lake.snapshot(&tenant(), TableName::Audit)
        .await
        .unwrap()
        .unwrap()
        .files()
        .to_vec()
}

async fn bytes(place: &Place, path: &Path) -> Bytes {
    place
        .lake
        .store()
        .get(path)
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap()
}

/// Replaces a text in the lines of `m365_audit`'s log that speak of `file`.
async fn edit_log(place: &Place, file: &str, from: &str, to: &str) {
    let store = place.lake.store();
    let log = Path::from(format!("tenants/{}/m365_audit/_delta_log", tenant()));
    let commits: Vec<_> = store.list(Some(&log)).try_collect().await.unwrap();
    let mut edited = 0;
    for commit in commits {
        let text = String::from_utf8(bytes(place, &commit.location).await.to_vec()).unwrap();
        let edit = |line: &str| {
            if line.contains(file) {
                line.replace(from, to)
            } else {
                line.to_owned()
            }
        };
        let new: Vec<String> = text.lines().map(edit).collect();
        edited += usize::from(new.join("\n") != text.trim_end());
        store
            .put(&commit.location, new.join("\n").into())
            .await
            .unwrap();
    }
    assert!(edited > 0, "no {from} in the log");
}

/// Rewrites a data file and what the log says of it.
async fn rewrite(place: &Place, file: &DataFile, change: impl Fn(RecordBatch) -> RecordBatch) {
    let old = bytes(place, &file.path).await;
    let reader = ParquetRecordBatchReaderBuilder::try_new(old.clone())
        .unwrap()
        .build()
        .unwrap();
    let batches: Vec<RecordBatch> = reader.map(Result::unwrap).collect();
    let batch = change(concat_batches(&batches[0].schema(), &batches).unwrap());
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    let new = writer.into_inner().unwrap();
    let size = |bytes: u64| format!("\"size\":{bytes},");
    let name = file.path.filename().unwrap();
    edit_log(place, name, &size(file.size_bytes), &size(new.len() as u64)).await;
    edit_log(place, name, &hex(&old), &hex(&new)).await;
    // It has no index any more.
    edit_log(place, name, "live_discover.text_index", "other").await;
    place
        .lake
        .store()
        .put(&file.path, new.into())
        .await
        .unwrap();
}

/// The SHA-256 of a file as the log has it.
fn hex(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn with(batch: &RecordBatch, name: &str, array: ArrayRef) -> RecordBatch {
    let schema = batch.schema();
    let columns = schema
        .fields()
        .iter()
        .zip(batch.columns())
        .map(|(field, column)| {
            let column = if field.name() == name { &array } else { column };
            (field.name().clone(), Arc::clone(column))
        });
    RecordBatch::try_from_iter(columns.collect::<Vec<_>>()).unwrap()
}

const SECOND_DAY: &str = "event_date=2024-02-01";

/// The file of the second day, with six rows.
async fn second_day(place: &Place) -> DataFile {
    let file = files(place).await.pop().unwrap();
    assert!(file.path.as_ref().contains(SECOND_DAY));
    file
}

#[tokio::test]
async fn a_whole_lake_has_no_findings_and_progress_is_told() {
    let place = place().await;
    let mut told = Vec::new();
    let tenants = place.lake.tenants().await.unwrap();
    let found = place
        .lake
        .verify(&tenants, canonical, |verified| told.push(verified))
        .await
        .unwrap();
    assert_eq!(found, []);
    let told: Vec<_> = told
        .iter()
        .map(|v| (v.table, v.files, v.files_total))
        .collect();
    assert_eq!(
        told,
        [
            (TableName::Audit, 1, 3),
            (TableName::Audit, 2, 3),
            (TableName::Audit, 3, 3),
            (TableName::Content, 1, 1),
            (TableName::Rejects, 1, 1),
        ]
    );
    assert_eq!(place.lake.verify(&[], canonical, |_| {}).await.unwrap(), []);
}

#[tokio::test]
async fn a_host_verifies_beside_its_other_work() {
    let lake = place().await.lake;
    let verified = tokio::spawn(async move { lake.verify(&[tenant()], canonical, |_| {}).await });
    assert_eq!(verified.await.unwrap().unwrap(), []);
}

/// As of a table that another program compacted, or whose files it added.
#[tokio::test]
async fn files_of_other_programs_are_no_defect() {
    let turned_round = |batch: RecordBatch| {
        let order: Vec<u64> = (0..batch.num_rows() as u64).rev().collect();
        take_record_batch(&batch, &UInt64Array::from(order)).unwrap()
    };
    let place_ = place().await;
    let file = second_day(&place_).await;
    rewrite(&place_, &file, turned_round).await;
    expect(&place_, Severity::Broken, SECOND_DAY, "does not stand").await;
    let name = file.path.filename().unwrap();
    edit_log(&place_, name, "live_discover.sha256", "other").await;
    expect(&place_, Severity::Note, SECOND_DAY, "does not stand").await;
    edit_log(&place_, name, "\"stats\":", "\"other\":").await;
    let found = findings(&place_).await;
    let notes = found.iter().filter(|f| f.severity == Severity::Note);
    assert_eq!((notes.count(), found.len()), (2, 2), "{found:#?}");
    assert!(
        found[0].message.contains("without statistics"),
        "{}",
        found[0]
    );
}

#[tokio::test]
async fn files_that_are_not_what_the_log_says() {
    let place_ = place().await;
    let file = second_day(&place_).await;
    place_.lake.store().delete(&file.path).await.unwrap();
    expect(&place_, Severity::Broken, SECOND_DAY, "does not exist").await;

    let place_ = place().await;
    let file = second_day(&place_).await;
    let whole = bytes(&place_, &file.path).await;
    let cut = whole.slice(..whole.len() - 1);
    place_
        .lake
        .store()
        .put(&file.path, cut.into())
        .await
        .unwrap();
    expect(
        &place_,
        Severity::Broken,
        file.path.as_ref(),
        "bytes long, by the log",
    )
    .await;

    // Begin, middle and end of a file that an older program wrote, without a hash.
    for part in 0..3 {
        let place_ = place().await;
        edit_log(&place_, SECOND_DAY, "live_discover.sha256", "other").await;
        let file = second_day(&place_).await;
        assert_eq!(file.sha256, None);
        let mut damaged = bytes(&place_, &file.path).await.to_vec();
        let len = damaged.len();
        let damage = [0..64, 200..280, len - 8..len][part].clone();
        damaged[damage].fill(0xA5);
        let store = place_.lake.store();
        store.put(&file.path, damaged.into()).await.unwrap();
        expect(
            &place_,
            Severity::Broken,
            file.path.as_ref(),
            "cannot be read",
        )
        .await;
    }

    for (from, to, message) in [
        (
            "\\\"numRecords\\\":6",
            "\\\"numRecords\\\":7",
            "has 6 rows, by the log 7",
        ),
        (
            "2024-02-01T00:00:00.000003Z",
            "2024-02-01T00:00:00.000002Z",
            "outside of the log's bounds",
        ),
        (
            "live_discover.text_index\":\"2 6:",
            "live_discover.text_index\":\"2 6:1",
            "has its index of texts elsewhere, by the log",
        ),
    ] {
        let place_ = place().await;
        edit_log(&place_, SECOND_DAY, from, to).await;
        let found = findings(&place_).await;
        assert!(
            found
                .iter()
                .any(|finding| finding.message.contains(message)),
            "{message}: {found:#?}"
        );
    }

    let place_ = place().await;
    edit_log(
        &place_,
        SECOND_DAY,
        "\"event_date\":\"2024-02-01\"",
        "\"event_date\":\"2024-02-02\"",
    )
    .await;
    expect(
        &place_,
        Severity::Broken,
        SECOND_DAY,
        "not of the partition's day (and 5 more)",
    )
    .await;
}

/// Compacts a table and deletes the files that were compacted, as maintenance does beside a verification.
async fn compact_and_vacuum(lake: Lake, table: TableName) {
    let snapshot = async || lake.snapshot(&tenant(), table).await.unwrap().unwrap();
    let before = snapshot().await;
    lake.compact(tenant(), table, &policy(), |_| {})
        .await
        .unwrap();
    let after = snapshot().await;
    assert!(after.files().len() < before.files().len());
    for file in before.files() {
        if after.files().iter().all(|other| other.path != file.path) {
            lake.store().delete(&file.path).await.unwrap();
        }
    }
}

#[tokio::test]
async fn what_is_compacted_away_meanwhile_is_not_missing() {
    for table in TableName::ALL {
        let place = places().await.swap_remove(0);
        for at in 0..4 {
            let source = format!("{at}");
            append(&place.lake, tenant(), &[Record::new(&source, DAY, "1")]).await;
            ledger(&place.lake, &[(&source, [2, 1, 0, 1])]).await;
            rejects(&place.lake, &[(&source, "bytes", 5)]).await;
        }
        let (lake, other) = (place.reopened().await, place.reopened().await);
        let mut others = Some(other);
        let found = lake
            .verify(&[tenant()], canonical, |verified| {
                // After the first file of the table.
                if verified.table == table
                    && let Some(other) = others.take()
                {
                    let runtime = tokio::runtime::Builder::new_current_thread()
                        .enable_all()
                        .build()
                        .unwrap();
                    let maintenance = compact_and_vacuum(other, table);
                    let thread = std::thread::spawn(move || runtime.block_on(maintenance));
                    thread.join().unwrap();
                }
            })
            .await
            .unwrap();
        assert_eq!(found, [], "{table}");
        assert!(others.is_none());
    }
}

/// Pages and compressed frames have no checksums: most flips of a bit change values, and what reads them sees no error.
#[tokio::test]
async fn a_flipped_bit_is_found_wherever_it_is() {
    let place = place().await;
    let table = place
        .lake
        .open_or_create_table(tenant(), TableName::Audit)
        .await
        .unwrap();
    let store = place.lake.store();
    // As the commits say it, and as a checkpoint does.
    for is_checkpointed in [false, true] {
        if is_checkpointed {
            let version = table.snapshot().await.unwrap().version();
            table.checkpoint(version).await.unwrap();
        }
        let file = second_day(&place).await;
        let whole = bytes(&place, &file.path).await;
        for at in (0..whole.len()).step_by(whole.len() / 40) {
            let mut damaged = whole.to_vec();
            damaged[at] ^= 1 << (at % 8);
            store.put(&file.path, damaged.into()).await.unwrap();
            expect(&place, Severity::Broken, file.path.as_ref(), "is damaged").await;
        }
        store.put(&file.path, whole.into()).await.unwrap();
        assert_eq!(findings(&place).await, []);
    }
}

#[tokio::test]
async fn a_flipped_bit_is_found_in_ledger_and_rejects() {
    let place = place().await;
    for table in [TableName::Content, TableName::Rejects] {
        let lake = place.reopened().await;
        let snapshot = lake.snapshot(&tenant(), table).await.unwrap().unwrap();
        let path = snapshot.files()[0].path.clone();
        let whole = bytes(&place, &path).await;
        let mut damaged = whole.to_vec();
        damaged[whole.len() / 2] ^= 1;
        lake.store().put(&path, damaged.into()).await.unwrap();
        let found = findings(&place).await;
        assert!(
            (found.iter()).any(|f| f.path == path && f.message.contains("is damaged")),
            "{found:#?}"
        );
        lake.store().put(&path, whole.into()).await.unwrap();
    }
}

#[tokio::test]
async fn rows_that_are_not_as_they_have_to_be() {
    type Change = fn(RecordBatch) -> RecordBatch;
    let cases: [(&str, Change); 7] = [
        ("row 5: does not stand by user and time", |batch| {
            let order = arrow::array::UInt32Array::from(vec![0, 1, 2, 3, 5, 4]);
            take_record_batch(&batch, &order).unwrap()
        }),
        (
            "row 0: its tenant_id is not the tenant's (and 5 more)",
            |batch| {
                with(
                    &batch,
                    "tenant_id",
                    Arc::new(StringArray::from(vec!["unknown"; 6])),
                )
            },
        ),
        ("row 0: its ingest_sequence 9 is outside", |batch| {
            with(
                &batch,
                "ingest_sequence",
                Arc::new(Int64Array::from(vec![9, 1, 1, 1, 1, 1])),
            )
        }),
        ("row 2: has no raw text", |batch| {
            let raw = batch.column_by_name("raw").unwrap();
            let raw: StringArray = arrow::array::AsArray::as_string::<i32>(raw).clone();
            let values = (0..raw.len()).map(|row| (row != 2).then(|| raw.value(row).to_owned()));
            with(&batch, "raw", Arc::new(StringArray::from_iter(values)))
        }),
        ("row 5: the record `c` is variant 2, not 0", |batch| {
            with(
                &batch,
                "variant",
                Arc::new(Int64Array::from(vec![0, 1, 0, 0, 0, 2])),
            )
        }),
        ("the record `a` is variant 2, not 1", |batch| {
            with(
                &batch,
                "variant",
                Arc::new(Int64Array::from(vec![0, 2, 0, 0, 0, 0])),
            )
        }),
        (
            "row 0: its creation_time is outside of the log's bounds",
            |batch| {
                let day = DAY + MICROS_PER_DAY;
                let times: Vec<i64> = [0, 0, 1, 2, 2, 4].iter().map(|at| day + at).collect();
                let times = TimestampMicrosecondArray::from(times).with_timezone("UTC");
                with(&batch, "creation_time", Arc::new(times))
            },
        ),
    ];
    for (message, change) in cases {
        let place = place().await;
        let file = second_day(&place).await;
        rewrite(&place, &file, change).await;
        let message = message.replace("row 0: its creation_time", "row 5: its creation_time");
        expect(&place, Severity::Broken, file.path.as_ref(), &message).await;
    }
}

#[tokio::test]
async fn records_that_are_there_twice() {
    // A file of another name with the same rows: every record twice.
    let place_ = place().await;
    let file = second_day(&place_).await;
    let copy = format!("{SECOND_DAY}/zzz.parquet");
    let table = place_
        .lake
        .open_or_create_table(tenant(), TableName::Audit)
        .await
        .unwrap();
    let to = Path::from(format!("{}/{copy}", table.root()));
    place_.lake.store().copy(&file.path, &to).await.unwrap();
    let new = NewFile {
        path: copy,
        event_date: file.event_date,
        size_bytes: file.size_bytes,
        stats: r#"{"numRecords":6}"#.to_owned(),
        modification_time_ms: 0,
        sha256: None,
        text_index: None,
    };
    let base = table.snapshot().await.unwrap();
    let _ = table.try_commit(&base, &[new]).await.unwrap();
    let found = findings(&place_).await;
    let twice = |finding: &&Finding| finding.message.contains("is there twice (and 5 more)");
    assert!(found.iter().any(|finding| twice(&finding)), "{found:#?}");

    // The same content under another variant, in another order of members.
    let place_ = place().await;
    let file = second_day(&place_).await;
    rewrite(&place_, &file, |batch| {
        let raw = batch.column_by_name("raw").unwrap();
        let raw: StringArray = arrow::array::AsArray::as_string::<i32>(raw).clone();
        let mut texts: Vec<&str> = raw.iter().flatten().collect();
        texts[1] = r#"{ "Content": "1", "Id": "A" }"#;
        texts[4] = texts[3];
        with(&batch, "raw", Arc::new(StringArray::from(texts)))
    })
    .await;
    expect(
        &place_,
        Severity::Broken,
        file.path.as_ref(),
        "is there twice (and 1 more)",
    )
    .await;
}

#[tokio::test]
async fn a_ledger_that_does_not_agree() {
    let content = "m365_content";
    let place_ = place().await;
    ledger(&place_.lake, &[("three", [5, 0, 3, 1])]).await;
    rejects(&place_.lake, &[("three", "x", 1)]).await;
    expect(
        &place_,
        Severity::Broken,
        content,
        "the entry of `three` does not add up",
    )
    .await;

    let place_ = place().await;
    ledger(&place_.lake, &[("three", [1, 1, 0, 0])]).await;
    expect(
        &place_,
        Severity::Broken,
        content,
        "count 15 records added, but m365_audit has 14 rows",
    )
    .await;

    let place_ = place().await;
    append(&place_.lake, tenant(), &[Record::new("new", DAY, "1")]).await;
    expect(
        &place_,
        Severity::Note,
        "m365_audit",
        "accounts for 14 rows and the table has 1 more",
    )
    .await;
    // Nothing has expired: what was added again stands in for what had been lost.
    let place_ = place().await;
    ledger_of(&place_.lake, "stored_again", &[("one", [14, 12, 1, 1])]).await;
    assert_eq!(findings(&place_).await, []);

    let place_ = place().await;
    ledger(&place_.lake, &[("one again", [2, 0, 1, 1])]).await;
    expect(
        &place_,
        Severity::Broken,
        "m365_rejects",
        "counts 1 more rejects of `one again`",
    )
    .await;

    let place_ = place().await;
    rejects(&place_.lake, &[("one", "other", 4)]).await;
    expect(
        &place_,
        Severity::Broken,
        "m365_rejects",
        "byte_length is not that of its 5 bytes",
    )
    .await;

    // More rejects than the ledger counts are those of an interrupted ingest.
    let place_ = place().await;
    rejects(&place_.lake, &[("one", "more", 4), ("four", "more", 4)]).await;
    assert_eq!(findings(&place_).await, []);

    // A ledger without rejects, rows without a ledger.
    let place_ = places().await.swap_remove(0);
    ledger(&place_.lake, &[("one", [1, 0, 0, 1])]).await;
    expect(
        &place_,
        Severity::Broken,
        content,
        "counts 1 more rejects of `one`",
    )
    .await;
    let place_ = places().await.swap_remove(0);
    append(&place_.lake, tenant(), &[Record::new("new", DAY, "1")]).await;
    expect(
        &place_,
        Severity::Note,
        "m365_audit",
        "accounts for 0 rows and the table has 1 more",
    )
    .await;
}

#[tokio::test]
async fn a_file_that_cannot_be_read_does_not_hide_what_else_is_wrong() {
    for operation in [Operation::Head, Operation::Get] {
        let place = place().await;
        let cut = &second_day(&place).await;
        // With the last variant of its key: those before it stand without it.
        let files = files(&place).await;
        let unreadable = files.iter().find(|file| file.rows == 2).unwrap();
        let whole = bytes(&place, &cut.path).await;
        let store = place.lake.store();
        let short = whole.slice(..whole.len() - 1);
        store.put(&cut.path, short.into()).await.unwrap();

        let store = FaultyStore::new(store, 1);
        let url = place.lake.url().clone();
        let lake = Lake::with_store(Arc::new(store.clone()), url, LakeOptions::default());
        let lake = lake.await.unwrap();
        let fault = Fault {
            suffix: unreadable.path.to_string(),
            trigger: FaultTrigger::From(1),
            ..Fault::new(operation)
        };
        store.add(fault.clone());
        let found = lake.verify(&[tenant()], canonical, |_| {}).await.unwrap();
        let found: Vec<_> = found.iter().map(|f| (&f.path, &f.message)).collect();
        assert_eq!(found.len(), 2, "{found:#?}");
        for (path, words) in [
            (&unreadable.path, "cannot be read"),
            (&cut.path, "bytes long, by the log"),
        ] {
            assert!(
                found
                    .iter()
                    .any(|(of, what)| *of == path && what.contains(words)),
                "{path}: {found:#?}"
            );
        }
        // A store that is gone is no finding of each file.
        store.add(Fault {
            suffix: "lake.json".to_owned(),
            operation: Some(Operation::Get),
            ..fault
        });
        let gone = lake.verify(&[tenant()], canonical, |_| {}).await;
        assert!(matches!(gone, Err(Error::Unavailable { .. })), "{gone:?}");
    }
}

#[tokio::test]
async fn documents_that_are_none_are_named() {
    let of_tenant = |name: &str| format!("tenants/{}/{name}", tenant());
    for folder in [
        "internal_networks".to_owned(),
        of_tenant("integration/configuration"),
        of_tenant("integration/health"),
        of_tenant("watches/inbox_rules"),
    ] {
        let place = place().await;
        for (version, content, is_whole) in [
            (0, "{]", false),
            (1, "{\"change_id\":\"1\"}", true),
            (2, "", false),
            (3, "7", false),
        ] {
            let path = Path::from(format!("{folder}/{version:020}.json"));
            let content = Bytes::from_static(content.as_bytes());
            place.lake.store().put(&path, content.into()).await.unwrap();
            match is_whole {
                true => assert_eq!(findings(&place).await, [], "{path}"),
                false => expect(&place, Severity::Broken, path.as_ref(), "restore it").await,
            }
        }
    }
}
