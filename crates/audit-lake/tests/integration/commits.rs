//! Creating tables, committing, following the log.

use audit_lake::{CommitOutcome, Error, NewFile, TableName, TenantId};
use futures::TryStreamExt;
use object_store::ObjectStoreExt;
use object_store::path::Path;

use crate::places::{commit, file, places, tenant};

#[tokio::test]
async fn a_commit_is_seen_by_everybody_at_once() {
    for place in places().await {
        let table = place
            .lake
            .open_or_create_table(tenant(), TableName::Audit)
            .await
            .unwrap();
        let empty = table.snapshot().await.unwrap();
        assert_eq!((empty.version(), empty.files()), (0, &[][..]));

        let other = place.reopened().await;
        assert_eq!(
            other
                .snapshot(&tenant(), TableName::Audit)
                .await
                .unwrap()
                .unwrap()
                .version(),
            0
        );

        assert_eq!(
            commit(&table, "a").await,
            CommitOutcome::Committed { version: 1 }
        );
        for lake in [&place.lake, &other, &place.reopened().await] {
            let snapshot = lake
                .snapshot(&tenant(), TableName::Audit)
                .await
                .unwrap()
                .unwrap();
            assert_eq!(
                (snapshot.version(), snapshot.rows(), snapshot.size_bytes()),
                (1, 1, 1_000)
            );
            let data_file = &snapshot.files()[0];
            assert_eq!(
                data_file.path,
                table.root().join("event_date=2024-01-31").join("a.parquet")
            );
            assert_eq!(data_file.event_date, Some(19_753));
            assert_eq!(data_file.ingest_sequence, Some((1, 1)));
            assert_eq!(
                data_file.creation_time,
                Some((1_706_702_401_000_000, 1_706_702_401_000_000))
            );
            assert_eq!(data_file.modification_time_ms, 1_706_702_400_000);
        }
        // The old snapshot stays what it was.
        assert_eq!((empty.version(), empty.files().len()), (0, 0));
    }
}

#[tokio::test]
async fn the_second_of_two_commits_on_one_base_conflicts() {
    for place in places().await {
        let table = place
            .lake
            .open_or_create_table(tenant(), TableName::Audit)
            .await
            .unwrap();
        let base = table.snapshot().await.unwrap();
        assert_eq!(
            table.try_commit(&base, &[file("a", 1)]).await.unwrap(),
            CommitOutcome::Committed { version: 1 }
        );
        assert_eq!(
            table.try_commit(&base, &[file("b", 1)]).await.unwrap(),
            CommitOutcome::Conflicted
        );
        let snapshot = table.snapshot().await.unwrap();
        assert_eq!((snapshot.version(), snapshot.files().len()), (1, 1));
        assert_eq!(
            table.try_commit(&snapshot, &[file("b", 2)]).await.unwrap(),
            CommitOutcome::Committed { version: 2 }
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn racing_writers_lose_nothing() {
    const WRITERS: usize = 4;
    const COMMITS: usize = 10;
    for place in places().await {
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..WRITERS {
            let lake = place.reopened().await;
            writers.spawn(async move {
                // The table's creation is a race too.
                let table = lake
                    .open_or_create_table(tenant(), TableName::Audit)
                    .await
                    .unwrap();
                for number in 0..COMMITS {
                    while commit(&table, &format!("{writer}-{number}")).await
                        == CommitOutcome::Conflicted
                    {}
                }
            });
        }
        writers.join_all().await;
        let snapshot = place
            .reopened()
            .await
            .snapshot(&tenant(), TableName::Audit)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(snapshot.version() as usize, WRITERS * COMMITS);
        assert_eq!(snapshot.files().len(), WRITERS * COMMITS);
        // Each file carries the version that it was committed as.
        let mut sequences: Vec<i64> = snapshot
            .files()
            .iter()
            .map(|file| file.ingest_sequence.unwrap().0)
            .collect();
        sequences.sort_unstable();
        assert_eq!(
            sequences,
            (1..=(WRITERS * COMMITS) as i64).collect::<Vec<_>>()
        );
    }
}

#[tokio::test]
async fn a_table_opens_from_its_checkpoint() {
    for place in places().await {
        let table = place
            .lake
            .open_or_create_table(tenant(), TableName::Audit)
            .await
            .unwrap();
        for number in 0..105 {
            assert_ne!(
                commit(&table, &number.to_string()).await,
                CommitOutcome::Conflicted
            );
        }
        let store = place.lake.store();
        let log = table.root().join("_delta_log");
        let names: Vec<Path> = store
            .list(Some(&log))
            .map_ok(|object| object.location)
            .try_collect()
            .await
            .unwrap();
        let checkpoints = names
            .iter()
            .filter(|name| name.as_ref().contains("checkpoint.parquet"))
            .count();
        assert_eq!(checkpoints, 2);

        // What lies before the checkpoint isn't needed any more.
        for version in 0..100 {
            store
                .delete(&log.clone().join(format!("{version:020}.json")))
                .await
                .unwrap();
        }
        let fresh = place
            .reopened()
            .await
            .snapshot(&tenant(), TableName::Audit)
            .await
            .unwrap()
            .unwrap();
        let followed = table.snapshot().await.unwrap();
        assert_eq!((fresh.version(), fresh.rows()), (105, 105));
        assert_eq!(fresh.files(), followed.files());
        assert_eq!(
            commit(&table, "last").await,
            CommitOutcome::Committed { version: 106 }
        );
    }
}

#[tokio::test]
async fn tables_without_partitions_take_files_without() {
    for place in places().await {
        let table = place
            .lake
            .open_or_create_table(TenantId::UNKNOWN, TableName::Content)
            .await
            .unwrap();
        let base = table.snapshot().await.unwrap();
        let new = NewFile {
            path: "a.parquet".to_owned(),
            event_date: None,
            ..file("a", 1)
        };
        assert!(matches!(
            table.try_commit(&base, &[file("a", 1)]).await,
            Err(Error::InvalidInput { .. })
        ));
        assert_eq!(
            table.try_commit(&base, &[new]).await.unwrap(),
            CommitOutcome::Committed { version: 1 }
        );
        let snapshot = place
            .reopened()
            .await
            .snapshot(&TenantId::UNKNOWN, TableName::Content)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(snapshot.files()[0].event_date, None);
    }
}

#[tokio::test]
async fn paths_that_need_quoting_are_refused() {
    for place in places().await {
        let table = place
            .lake
            .open_or_create_table(tenant(), TableName::Audit)
            .await
            .unwrap();
        let base = table.snapshot().await.unwrap();
        for path in [
            "",
            "a b.parquet",
            "a%20b.parquet",
            "ä.parquet",
            "s3://bucket/a.parquet",
        ] {
            let new = NewFile {
                path: path.to_owned(),
                ..file("a", 1)
            };
            assert!(
                matches!(
                    table.try_commit(&base, &[new]).await,
                    Err(Error::InvalidInput { .. })
                ),
                "{path:?}"
            );
        }
    }
}

#[tokio::test]
async fn any_delta_reader_can_read_the_table() {
    for place in places().await {
        let table = place
            .lake
            .open_or_create_table(tenant(), TableName::Audit)
            .await
            .unwrap();
        let first = table
            .root()
            .join("_delta_log")
            .join("00000000000000000000.json");
        let lines = place
            .lake
            .store()
            .get(&first)
            .await
            .unwrap()
            .bytes()
            .await
            .unwrap();
        let text = std::str::from_utf8(&lines).unwrap();
        assert!(
            text.contains(r#"{"protocol":{"minReaderVersion":1,"minWriterVersion":2}}"#),
            "{text}"
        );
        assert!(text.contains(r#""partitionColumns":["event_date"]"#));
        assert!(
            text.contains(r#"\"name\":\"creation_time\",\"type\":\"timestamp\""#),
            "{text}"
        );
        assert!(!text.contains("timestamp_ntz"));
        assert!(text.contains(r#"\"type\":\"map\",\"keyType\":\"string\",\"valueType\":\"string\",\"valueContainsNull\":true"#));
    }
}

#[tokio::test]
async fn a_damaged_log_is_called_corrupt() {
    for place in places().await {
        let table = place
            .lake
            .open_or_create_table(tenant(), TableName::Audit)
            .await
            .unwrap();
        let second = table
            .root()
            .join("_delta_log")
            .join("00000000000000000001.json");
        place
            .lake
            .store()
            .put(&second, "{\"add\":".into())
            .await
            .unwrap();
        for lake in [&place.lake, &place.reopened().await] {
            let error = lake
                .snapshot(&tenant(), TableName::Audit)
                .await
                .unwrap_err();
            assert!(matches!(error, Error::Corrupt { .. }), "{error:?}");
        }
    }
}
