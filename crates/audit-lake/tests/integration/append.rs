//! Each record once: duplicates, variants, conflicts.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use audit_lake::{Appended, Error, Lake, TableName, TenantId};

use crate::model::{Model, random_records};
use crate::places::{Place, places, tenant};
use crate::records::{DAY, Dice, MICROS_PER_DAY, OPTIONS, Record, append, arrival, rows};

/// Appends `first`, then `second` by the same and by a fresh handle; tells the second's rows and all.
async fn in_turn(
    place: &Place,
    first: &[Record],
    second: &[Record],
) -> (u64, Vec<(Option<String>, i64)>) {
    append(&place.lake, tenant(), first).await;
    let fresh = place.reopened().await;
    let added = append(&fresh, tenant(), second).await.rows[0];
    assert_eq!(append(&place.lake, tenant(), second).await.rows, [0]);
    let all = rows(&fresh, tenant()).await;
    let shown = all.into_iter().map(|row| (row.record.id, row.variant));
    (added, shown.collect())
}

#[tokio::test]
async fn what_is_the_same_record_and_what_is_not() {
    let id = "0FAD12B5-8d6a-4C43-a01f-e6d0a0d0e1c7";
    let plain = Record::new(id, DAY, "a");
    let deep = |text: &str| plain.clone().raw(text);
    let cases: Vec<(&str, Record, Record, u64, i64)> = vec![
        ("the same", plain.clone(), plain.clone(), 0, 0),
        (
            "members in another order, at any depth, and white space",
            deep(r#"{"a":1,"b":{"x":[{"p":1,"q":2}],"y":null}}"#),
            deep(r#"{ "b":{"y":null, "x":[{"q":2,"p":1}]}, "a":1 }"#),
            0,
            0,
        ),
        (
            "id in lower case",
            plain.clone(),
            Record::new(&id.to_lowercase(), DAY, "a"),
            0,
            0,
        ),
        (
            "id in upper case",
            plain.clone(),
            Record::new(&id.to_uppercase(), DAY, "a"),
            0,
            0,
        ),
        (
            "id in mixed case",
            Record::new(&id.to_uppercase(), DAY, "a"),
            plain.clone(),
            0,
            0,
        ),
        (
            "id in another mixed case",
            plain.clone(),
            Record::new("0Fad12b5-8D6A-4c43-A01F-e6d0a0d0e1c7", DAY, "a"),
            0,
            0,
        ),
        (
            "other content",
            plain.clone(),
            Record::new(id, DAY, "b"),
            1,
            1,
        ),
        (
            "order of an array's elements",
            deep(r#"{"a":[1,2]}"#),
            deep(r#"{"a":[2,1]}"#),
            1,
            1,
        ),
        (
            "another time",
            plain.clone(),
            Record::new(id, DAY + 1, "a"),
            1,
            0,
        ),
        (
            "another operation",
            plain.clone(),
            plain.clone().operation(Some("Other")),
            1,
            0,
        ),
        (
            "no operation",
            plain.clone(),
            plain.clone().operation(None),
            1,
            0,
        ),
        (
            "another id",
            plain.clone(),
            Record::new("b", DAY, "a"),
            1,
            0,
        ),
        (
            "no id, the same",
            Record::new("", DAY, "a"),
            Record::new("", DAY, "a"),
            0,
            0,
        ),
        (
            "no id, other content",
            Record::new("", DAY, "a"),
            Record::new("", DAY, "b"),
            1,
            0,
        ),
        (
            "an id and none",
            plain.clone(),
            Record::new("", DAY, "a"),
            1,
            0,
        ),
        (
            "none and an id",
            Record::new("", DAY, "a"),
            plain.clone(),
            1,
            0,
        ),
    ];
    for (case, first, second, new, variant) in cases {
        for place in places().await {
            let (added, all) = in_turn(
                &place,
                std::slice::from_ref(&first),
                std::slice::from_ref(&second),
            )
            .await;
            assert_eq!((added, all.len() as u64), (new, 1 + new), "{case}");
            let highest = all.iter().map(|(_, variant)| *variant).max();
            assert_eq!(highest, Some(variant), "{case}");
        }
        // The same in one append.
        let place = &places().await[0];
        let appended = append(&place.lake, tenant(), &[first, second]).await;
        assert_eq!(appended.rows, [1 + new], "{case}");
        let all = rows(&place.lake, tenant()).await;
        assert_eq!(
            all.iter().map(|row| row.variant).max(),
            Some(variant),
            "{case}"
        );
    }
}

#[tokio::test]
async fn variants_are_numbered_in_the_order_of_arrival() {
    for place in places().await {
        let record = |content: &str| Record::new("a", DAY, content);
        append(&place.lake, tenant(), &[record("1")]).await;
        append(
            &place.lake,
            tenant(),
            &[record("2"), record("1"), record("3")],
        )
        .await;
        let fresh = place.reopened().await;
        let appended = append(
            &fresh,
            tenant(),
            &[record("3"), record("4"), record("2"), record("5")],
        )
        .await;
        assert_eq!(appended.rows, [2]);
        let all = rows(&place.lake, tenant()).await;
        let mut numbered: Vec<(i64, String)> = all
            .into_iter()
            .map(|row| (row.variant, row.record.raw))
            .collect();
        numbered.sort();
        let want = ["1", "2", "3", "4", "5"].map(|content| record(content).raw);
        assert_eq!(numbered, (0..).zip(want).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn rows_are_counted_by_arrival() {
    for place in places().await {
        let record = |id: &str| Record::new(id, DAY, "x");
        let arrivals = [
            arrival(&[]),
            arrival(&[record("a"), record("b"), record("a")]),
            arrival(&[record("b")]),
            arrival(&[record("c"), record("b")]),
        ];
        let appended = place
            .lake
            .append(tenant(), &arrivals, OPTIONS)
            .await
            .unwrap();
        assert_eq!(appended.rows, [0, 2, 0, 1]);
        assert_eq!((appended.version, appended.files), (1, 1));
        // Nothing new: no commit, no file.
        let again = place
            .lake
            .append(tenant(), &arrivals, OPTIONS)
            .await
            .unwrap();
        assert_eq!(
            again,
            Appended {
                rows: vec![0; 4],
                version: 1,
                files: 0,
                size_bytes: 0
            }
        );
        let none = place.lake.append(tenant(), &[], OPTIONS).await.unwrap();
        assert_eq!(
            none,
            Appended {
                version: 1,
                ..Appended::default()
            }
        );
    }
}

#[tokio::test]
async fn late_records_find_their_old_partitions() {
    for place in places().await {
        // Before 1970 too: a time is what the record says.
        let days = [-719_000, -1, 0, 1, 19_000, 19_753, 19_754, 50_000];
        let of_day = |day: i64, content: &str| {
            let begin = day * MICROS_PER_DAY;
            [
                Record::new(&format!("{day}-first"), begin, content),
                Record::new(&format!("{day}-last"), begin + MICROS_PER_DAY - 1, content),
            ]
        };
        let all: Vec<Record> = days.iter().flat_map(|&day| of_day(day, "x")).collect();
        let appended = append(&place.lake, tenant(), &all).await;
        assert_eq!((appended.rows[0], appended.files), (16, 8));
        for &day in &days {
            let fresh = place.reopened().await;
            let begin = day * MICROS_PER_DAY;
            let mut late = of_day(day, "x").to_vec();
            late.push(Record::new(&format!("{day}-late"), begin + 5, "x"));
            late.extend(of_day(day, "y"));
            let appended = append(&fresh, tenant(), &late).await;
            assert_eq!((appended.rows[0], appended.files), (3, 1), "day {day}");
        }
        assert_eq!(rows(&place.lake, tenant()).await.len(), 40);
    }
}

#[tokio::test]
async fn any_appends_agree_with_a_plain_model() {
    for seed in 0..12 {
        println!("seed {seed}");
        let mut dice = Dice(seed);
        let place = places().await.swap_remove(usize::from(seed % 4 == 0));
        let mut lake = place.lake.clone();
        let mut model = Model::default();
        for _ in 0..12 {
            let arrivals: Vec<Vec<Record>> = (0..dice.below(4))
                .map(|_| random_records(&mut dice, 12))
                .collect();
            let want: Vec<u64> = arrivals
                .iter()
                .map(|records| records.iter().filter(|record| model.add(record)).count() as u64)
                .collect();
            let batches: Vec<_> = arrivals.iter().map(|records| arrival(records)).collect();
            let appended = lake.append(tenant(), &batches, OPTIONS).await.unwrap();
            assert_eq!(appended.rows, want);
            if dice.below(3) == 0 {
                lake = place.reopened().await;
            }
        }
        model.check(&lake).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_at_the_same_time_leave_each_record_once() {
    const WRITERS: usize = 3;
    for seed in 0..6 {
        println!("seed {seed}");
        let place = places().await.swap_remove(usize::from(seed % 2 == 0));
        let mut dice = Dice(seed);
        let appends: Vec<Vec<Record>> = (0..6).map(|_| random_records(&mut dice, 20)).collect();
        let mut model = Model::default();
        appends.iter().flatten().for_each(|record| {
            model.add(record);
        });
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..WRITERS {
            let lake = place.reopened().await;
            let mut appends = appends.clone();
            // The same records, each writer in another order.
            appends.rotate_left(writer * 2);
            writers.spawn(async move {
                let mut added = 0;
                for records in &appends {
                    added += append(&lake, tenant(), records).await.rows[0];
                }
                added
            });
        }
        let added: u64 = writers.join_all().await.into_iter().sum();
        model.check(&place.reopened().await).await;
        let contents: usize = model.0.values().map(BTreeSet::len).sum();
        assert_eq!(
            added, contents as u64,
            "each record was reported as added by one writer"
        );
    }
}

fn keyed(keys: &[&str]) -> RecordBatch {
    let values: ArrayRef = Arc::new(StringArray::from_iter_values(keys));
    let states: ArrayRef = Arc::new(StringArray::from_iter_values(keys.iter().map(|_| "stored")));
    RecordBatch::try_from_iter([("entry_id", values), ("state", states)]).unwrap()
}

#[tokio::test]
async fn keyed_rows_are_added_once() {
    for place in places().await {
        let add = async |lake: &Lake, keys: &[&str]| {
            lake.append_keyed(tenant(), TableName::Content, &keyed(keys))
                .await
                .unwrap()
        };
        assert_eq!(add(&place.lake, &[]).await, [0; 0]);
        assert_eq!(add(&place.lake, &["a", "b", "a"]).await, [0, 1]);
        assert_eq!(add(&place.lake, &["a", "b"]).await, [0; 0]);
        let fresh = place.reopened().await;
        assert_eq!(add(&fresh, &["b", "A", "c"]).await, [1, 2]);
        let snapshot = place
            .lake
            .snapshot(&tenant(), TableName::Content)
            .await
            .unwrap()
            .unwrap();
        assert_eq!((snapshot.rows(), snapshot.version()), (4, 2));

        let rows_of_another = keyed(&["a"]);
        let without = (place.lake)
            .append_keyed(tenant(), TableName::Rejects, &rows_of_another)
            .await;
        assert!(
            matches!(without, Err(Error::Internal { .. })),
            "{without:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keyed_rows_of_racing_writers_are_there_once() {
    for place in places().await {
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..4 {
            let lake = place.reopened().await;
            writers.spawn(async move {
                let mut added = 0;
                for number in 0..10 {
                    let keys = [format!("both-{number}"), format!("{writer}-{number}")];
                    let rows = keyed(&[&keys[0], &keys[1]]);
                    let of_these = lake
                        .append_keyed(tenant(), TableName::Content, &rows)
                        .await
                        .unwrap();
                    added += of_these.len() as u64;
                }
                added
            });
        }
        let added: u64 = writers.join_all().await.into_iter().sum();
        let snapshot = place
            .lake
            .snapshot(&tenant(), TableName::Content)
            .await
            .unwrap()
            .unwrap();
        assert_eq!((added, snapshot.rows()), (50, 50));
    }
}

/// More rows of one day than a row group holds, met again: pages and groups are found by time.
#[tokio::test]
async fn rows_of_several_row_groups_are_known_again() {
    const ROWS: i64 = 140_000;
    let place = places().await.swap_remove(0);
    let record = |at: i64| Record::new(&format!("id-{at}"), DAY + at * 1_000, "x");
    let all: Vec<Record> = (0..ROWS).map(record).collect();
    assert_eq!(
        append(&place.lake, tenant(), &all).await.rows,
        [ROWS as u64]
    );
    let fresh = place.reopened().await;
    let some: Vec<Record> = (0..ROWS).step_by(997).map(record).collect();
    assert_eq!(append(&fresh, tenant(), &some).await.rows, [0]);
    let others: Vec<Record> = (0..ROWS)
        .step_by(997)
        .map(|at| Record::new(&format!("other-{at}"), DAY + at * 1_000, "x"))
        .collect();
    assert_eq!(
        append(&fresh, tenant(), &others).await.rows,
        [others.len() as u64]
    );
    assert_eq!(
        append(&fresh, TenantId::UNKNOWN, &some).await.rows,
        [some.len() as u64]
    );
}
