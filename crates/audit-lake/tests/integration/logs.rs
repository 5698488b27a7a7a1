//! Logs that a power failure, a copy or a person left damaged.

use std::time::Duration;

use audit_lake::{Error, Lake, LakeOptions, MaintenancePolicy, Severity, TableName};
use futures::TryStreamExt;
use object_store::ObjectStoreExt;
use object_store::path::Path;

use crate::places::{Place, commit, file, places, tenant};
use crate::records::{DAY, OPTIONS, Record, append, arrival, canonical, rows};

fn in_log(name: &str) -> Path {
    Path::from(format!("tenants/{}/m365_audit/_delta_log/{name}", tenant()))
}

fn commit_file(version: u64) -> Path {
    in_log(&format!("{version:020}.json"))
}

fn checkpoint_file(version: u64) -> Path {
    in_log(&format!("{version:020}.checkpoint.parquet"))
}

async fn put(lake: &Lake, path: &Path, content: &str) {
    let content = bytes::Bytes::from(content.to_owned());
    lake.store().put(path, content.into()).await.unwrap();
}

async fn snapshot(lake: &Lake) -> Result<u64, Error> {
    let snapshot = lake.snapshot(&tenant(), TableName::Audit).await?;
    Ok(snapshot.unwrap().version())
}

/// Fails unless the error is damage, of this object, in a line of its own.
fn expect_corrupt(error: &Error, path: &Path) {
    let text = error.to_string();
    assert!(matches!(error, Error::Corrupt { .. }), "{error:?}");
    assert!(text.contains(path.as_ref()), "{path}: {text}");
    assert!(
        !text.contains('\n') && !text.contains("ParsedLogPath"),
        "{text}"
    );
}

#[tokio::test]
async fn a_commit_without_an_action_is_damage_to_whoever_reads_it() {
    for place in places().await {
        let table = place
            .lake
            .open_or_create_table(tenant(), TableName::Audit)
            .await
            .unwrap();
        let _ = commit(&table, "a").await;
        for content in ["", "\n", "{}\n"] {
            put(&place.lake, &commit_file(2), content).await;
            for lake in [&place.lake, &place.reopened().await] {
                expect_corrupt(&snapshot(lake).await.unwrap_err(), &commit_file(2));
                let records = [arrival(&[Record::new("a", DAY, "1")])];
                let error = lake.append(tenant(), &records, OPTIONS).await.unwrap_err();
                expect_corrupt(&error, &commit_file(2));
                let found = lake.verify(&[tenant()], canonical, |_| {}).await.unwrap();
                let found: Vec<_> = found.iter().map(|f| (f.severity, &f.path)).collect();
                assert_eq!(found, [(Severity::Broken, &commit_file(2))]);
            }
        }
        // Taken away, as the error says, it has done no harm.
        place.lake.store().delete(&commit_file(2)).await.unwrap();
        assert_eq!(snapshot(&place.lake).await.unwrap(), 1);
        assert_eq!(snapshot(&place.reopened().await).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn a_commit_that_says_only_who_wrote_it_is_none_the_worse() {
    let place = places().await.swap_remove(0);
    let lake = &place.lake;
    let table = lake
        .open_or_create_table(tenant(), TableName::Audit)
        .await
        .unwrap();
    put(
        lake,
        &commit_file(1),
        r#"{"commitInfo":{"operation":"WRITE"}}"#,
    )
    .await;
    put(
        lake,
        &commit_file(2),
        r#"{"domainMetadata":{"domain":"d","configuration":"","removed":false}}"#,
    )
    .await;
    let _ = commit(&table, "a").await;
    assert_eq!(snapshot(lake).await.unwrap(), 3);
    assert_eq!(snapshot(&place.reopened().await).await.unwrap(), 3);
}

/// A lake of three commits, the second of which has a checkpoint.
async fn with_checkpoint(place: &Place) {
    for id in ["a", "b", "c"] {
        append(&place.lake, tenant(), &[Record::new(id, DAY, "1")]).await;
    }
    let table = place
        .lake
        .open_or_create_table(tenant(), TableName::Audit)
        .await
        .unwrap();
    table.checkpoint(2).await.unwrap();
}

#[tokio::test]
async fn a_checkpoint_says_of_files_what_commits_say() {
    let place = places().await.swap_remove(0);
    with_checkpoint(&place).await;
    let files = async |lake: &Lake| {
        let snapshot = lake.snapshot(&tenant(), TableName::Audit).await;
        snapshot.unwrap().unwrap().files().to_vec()
    };
    let followed = files(&place.lake).await;
    let fresh = files(&place.reopened().await).await;
    assert_eq!(fresh, followed);
    assert_eq!(fresh.len(), 3);
    for file in fresh {
        let index = file.text_index.as_ref().unwrap();
        let rows: Vec<_> = index.groups().map(|(rows, _)| rows).collect();
        assert_eq!((rows, file.sha256.is_some()), (vec![1], true));
    }
}

#[tokio::test]
async fn a_log_may_be_a_checkpoint_alone() {
    let place = places().await.swap_remove(0);
    with_checkpoint(&place).await;
    for version in 0..=3 {
        let commit = commit_file(version);
        place.lake.store().delete(&commit).await.unwrap();
    }
    let lake = place.reopened().await;
    assert_eq!(snapshot(&lake).await.unwrap(), 2);
    append(&lake, tenant(), &[Record::new("d", DAY, "1")]).await;
    assert_eq!(rows(&lake, tenant()).await.len(), 3);
}

/// As tables are that other programs upgraded.
#[tokio::test]
async fn what_other_programs_ask_of_a_table_is_done_or_refused() {
    let upgraded = r#"{"protocol":{"minReaderVersion":1,"minWriterVersion":7,"writerFeatures":["rowTracking"]}}"#;
    let place = places().await.swap_remove(0);
    let policy = MaintenancePolicy::default();
    with_checkpoint(&place).await;
    put(&place.lake, &commit_file(4), upgraded).await;
    for lake in [&place.lake, &place.reopened().await] {
        let record = arrival(&[Record::new("d", DAY, "1")]);
        let error = lake.append(tenant(), &[record], OPTIONS).await.unwrap_err();
        assert!(matches!(error, Error::InvalidInput { .. }), "{error:?}");
        assert!(error.to_string().contains("rowTracking"), "{error}");
        let vacuum = lake.vacuum(tenant(), TableName::Audit, &policy).await;
        assert!(vacuum.is_err());
        assert_eq!(rows(lake, tenant()).await.len(), 3);
    }
}

#[tokio::test]
async fn of_a_table_that_only_grows_nothing_expires() {
    let place = places().await.swap_remove(0);
    with_checkpoint(&place).await;
    let first = commit_file(0);
    let text = place.lake.store().get(&first).await.unwrap();
    let text = String::from_utf8(text.bytes().await.unwrap().to_vec()).unwrap();
    let meta_data = text.lines().find(|line| line.contains("metaData")).unwrap();
    let grows = meta_data.replace(
        "\"configuration\":{",
        "\"configuration\":{\"delta.appendOnly\":\"true\",",
    );
    assert_ne!(grows, meta_data);
    put(&place.lake, &commit_file(4), &grows).await;
    let policy = MaintenancePolicy {
        keep_days: std::num::NonZeroU32::new(1),
        ..MaintenancePolicy::default()
    };
    for lake in [&place.lake, &place.reopened().await] {
        let error = lake.expire(tenant(), &policy).await.unwrap_err();
        assert!(error.to_string().contains("appendOnly"), "{error}");
        assert_eq!(rows(lake, tenant()).await.len(), 3);
    }
    // It does not shrink by these.
    append(&place.lake, tenant(), &[Record::new("d", DAY, "1")]).await;
    let compact = MaintenancePolicy::default();
    let compacted = place.lake.maintain(tenant(), &compact, |_| {}).await;
    assert!(compacted.is_ok(), "{compacted:?}");
    assert_eq!(rows(&place.lake, tenant()).await.len(), 4);
}

#[tokio::test]
async fn a_damaged_commit_behind_a_checkpoint_is_found() {
    for content in [
        "",
        "{}",
        "{\"add\":",
        "\0\0",
        "{\"commitInfo\":{}}\n{\"add\":{\"path\"",
    ] {
        let place = places().await.swap_remove(0);
        with_checkpoint(&place).await;
        put(&place.lake, &commit_file(1), content).await;
        let lake = place.reopened().await;
        let found = lake.verify(&[tenant()], canonical, |_| {}).await.unwrap();
        let broken: Vec<_> = (found.iter())
            .filter(|f| f.severity == Severity::Broken)
            .map(|f| &f.path)
            .collect();
        assert_eq!(broken, [&commit_file(1)], "{content:?}: {found:#?}");
    }
}

/// A checkpoint that was cut off, or is none, of each length that it may have.
#[tokio::test]
async fn a_checkpoint_that_cannot_be_read_is_passed_over_and_named() {
    let whole = places().await.swap_remove(0);
    with_checkpoint(&whole).await;
    let sound = whole.lake.store().get(&checkpoint_file(2)).await.unwrap();
    let sound = sound.bytes().await.unwrap();
    for len in [1, 4, 500, sound.len() / 2, sound.len() - 1] {
        for place in places().await {
            with_checkpoint(&place).await;
            let cut = sound.slice(..len);
            let store = place.lake.store();
            store.put(&checkpoint_file(2), cut.into()).await.unwrap();
            let lake = place.reopened().await;
            assert_eq!(rows(&lake, tenant()).await.len(), 3, "{len}");
            let found = lake.verify(&[tenant()], canonical, |_| {}).await.unwrap();
            let named = found.iter().filter(|f| f.path == checkpoint_file(2));
            let named: Vec<_> = named.map(|f| f.severity).collect();
            assert_eq!(named, [Severity::Note], "{len}: {found:#?}");
            // What it would have said is not deleted, and the next one stands for all.
            append(&lake, tenant(), &[Record::new("d", DAY, "1")]).await;
            let policy = MaintenancePolicy {
                compaction: None,
                vacuum_after: Some(Duration::ZERO),
                nobody_reads: true,
                ..MaintenancePolicy::default()
            };
            lake.maintain(tenant(), &policy, |_| {}).await.unwrap();
            assert_eq!(rows(&place.reopened().await, tenant()).await.len(), 4);
            let table = lake.open_or_create_table(tenant(), TableName::Audit);
            table.await.unwrap().checkpoint(4).await.unwrap();
            store.delete(&commit_file(0)).await.unwrap();
            assert_eq!(rows(&place.reopened().await, tenant()).await.len(), 4);
        }
    }
}

#[tokio::test]
async fn a_hint_at_a_checkpoint_that_is_not_there_is_passed_over() {
    let hint = in_log("_last_checkpoint");
    type Damage<'a> = &'a [(&'a Path, Option<&'a str>)];
    let checkpoint = checkpoint_file(2);
    let cases: [Damage<'_>; 5] = [
        &[(&checkpoint, None)],
        &[(&checkpoint, Some(""))],
        &[(&hint, Some(r#"{"version":999,"size":7}"#))],
        &[(&hint, Some(""))],
        &[(&hint, None), (&checkpoint, Some(""))],
    ];
    for damage in cases {
        for place in places().await {
            with_checkpoint(&place).await;
            let store = place.lake.store();
            for (path, content) in damage {
                match content {
                    Some(content) => put(&place.lake, path, content).await,
                    None => store.delete(path).await.unwrap(),
                }
            }
            let lake = place.reopened().await;
            assert_eq!(rows(&lake, tenant()).await.len(), 3, "{damage:?}");
            let found = lake.verify(&[tenant()], canonical, |_| {}).await.unwrap();
            assert!(
                found.iter().all(|f| f.severity == Severity::Note),
                "{found:#?}"
            );
            append(&lake, tenant(), &[Record::new("d", DAY, "1")]).await;
            // The next checkpoint puts the hint right.
            let table = lake
                .open_or_create_table(tenant(), TableName::Audit)
                .await
                .unwrap();
            table.checkpoint(4).await.unwrap();
            let hint = store.get(&hint).await.unwrap().bytes().await.unwrap();
            let hint: serde_json::Value = serde_json::from_slice(&hint).unwrap();
            assert_eq!(hint["version"], 4);
            assert_eq!(snapshot(&place.reopened().await).await.unwrap(), 4);
        }
    }
}

#[tokio::test]
async fn what_is_missing_from_a_log_is_named() {
    // The beginning of the log and the checkpoint that stood for it: what is left is not all.
    let place = places().await.swap_remove(0);
    with_checkpoint(&place).await;
    let store = place.lake.store();
    for path in [commit_file(0), commit_file(1), checkpoint_file(2)] {
        store.delete(&path).await.unwrap();
    }
    let error = snapshot(&place.reopened().await).await.unwrap_err();
    expect_corrupt(
        &error,
        &Path::from(format!("tenants/{}/m365_audit", tenant())),
    );

    // A commit.
    let place = places().await.swap_remove(0);
    with_checkpoint(&place).await;
    let store = place.lake.store();
    for path in [
        commit_file(1),
        checkpoint_file(2),
        in_log("_last_checkpoint"),
    ] {
        store.delete(&path).await.unwrap();
    }
    let error = snapshot(&place.reopened().await).await.unwrap_err();
    expect_corrupt(&error, &commit_file(1));

    // A checkpoint that is none, and the beginning of the log.
    let place = places().await.swap_remove(0);
    with_checkpoint(&place).await;
    put(&place.lake, &checkpoint_file(2), "PAR1 but not more").await;
    place.lake.store().delete(&commit_file(0)).await.unwrap();
    let error = snapshot(&place.reopened().await).await.unwrap_err();
    expect_corrupt(&error, &checkpoint_file(2));
    assert!(error.to_string().contains("restore it"), "{error}");

    // A commit that is no JSON.
    let place = places().await.swap_remove(0);
    with_checkpoint(&place).await;
    put(&place.lake, &commit_file(3), "{\"add\":").await;
    let error = snapshot(&place.reopened().await).await.unwrap_err();
    expect_corrupt(&error, &commit_file(3));
}

#[tokio::test]
async fn a_put_where_something_is_changes_nothing_and_leaves_nothing() {
    for place in places().await {
        let table = place
            .lake
            .open_or_create_table(tenant(), TableName::Audit)
            .await
            .unwrap();
        let base = table.snapshot().await.unwrap();
        for name in ["a", "b"] {
            let _ = table.try_commit(&base, &[file(name, 1)]).await.unwrap();
        }
        let store = place.lake.store();
        let objects: Vec<_> = store.list(None).try_collect().await.unwrap();
        let mut names: Vec<_> = objects.iter().map(|object| &object.location).collect();
        names.sort_unstable();
        let lake_file = Path::from("lake.json");
        assert_eq!(names, [&lake_file, &commit_file(0), &commit_file(1)]);
    }
}

/// A name that no program of ours gives, and a link that leads to itself.
#[cfg(unix)]
#[tokio::test]
async fn what_cannot_be_listed_is_said_with_what_to_do() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    for (name, words) in [
        (&b"\xff.parquet"[..], "rename it"),
        (b"loop", "take that link away"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let lake = Lake::create_or_open(folder.path().to_str().unwrap(), LakeOptions::default())
            .await
            .unwrap();
        append(&lake, tenant(), &[Record::new("a", DAY, "1")]).await;
        let place = folder
            .path()
            .join(format!("tenants/{}/m365_audit", tenant()));
        let path = place.join(OsStr::from_bytes(name));
        let made = match name {
            b"loop" => std::os::unix::fs::symlink(&place, &path),
            _ => std::fs::write(&path, ""),
        };
        // Some file systems have no such names.
        if made.is_ok() {
            let policy = MaintenancePolicy::default();
            let error = lake
                .vacuum(tenant(), TableName::Audit, &policy)
                .await
                .unwrap_err();
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}
