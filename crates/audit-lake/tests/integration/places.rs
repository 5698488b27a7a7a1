//! Where the tests run: each takes a place and does the same there.

use audit_lake::{DeltaTableHandle, Lake, LakeOptions, NewFile, TenantId};

pub(crate) const TENANT: &str = "0fad12b5-8d6a-4c43-a01f-e6d0a0d0e1c7";

pub(crate) fn tenant() -> TenantId {
    TENANT.parse().unwrap()
}

/// A lake and what keeps it alive.
pub(crate) struct Place {
    pub(crate) lake: Lake,
    _folder: Option<tempfile::TempDir>,
}

pub(crate) async fn places() -> Vec<Place> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lake");
    vec![
        Place {
            lake: Lake::create_or_open("memory://test", LakeOptions::default())
                .await
                .unwrap(),
            _folder: None,
        },
        Place {
            lake: Lake::create_or_open(path.to_str().unwrap(), LakeOptions::default())
                .await
                .unwrap(),
            _folder: Some(folder),
        },
    ]
}

impl Place {
    /// The same lake, opened by another process, so to speak: nothing cached.
    pub(crate) async fn reopened(&self) -> Lake {
        Lake::with_store(
            self.lake.store(),
            self.lake.url().clone(),
            LakeOptions::default(),
        )
        .await
        .unwrap()
    }
}

/// A file of the day 2024-01-31 with one row; the log does not look into it.
pub(crate) fn file(name: &str, ingest_sequence: u64) -> NewFile {
    let time = format!("2024-01-31T12:00:{:02}.000000Z", ingest_sequence % 60);
    NewFile {
        path: format!("event_date=2024-01-31/{name}.parquet"),
        event_date: Some(19_753),
        size_bytes: 1_000,
        stats: format!(
            r#"{{"numRecords":1,"minValues":{{"creation_time":"{time}","ingest_sequence":{ingest_sequence}}},"maxValues":{{"creation_time":"{time}","ingest_sequence":{ingest_sequence}}},"nullCount":{{"id":0}}}}"#
        ),
        modification_time_ms: 1_706_702_400_000,
        sha256: None,
        text_index: None,
    }
}

/// Commits one file on top of the latest version.
pub(crate) async fn commit(table: &DeltaTableHandle, name: &str) -> audit_lake::CommitOutcome {
    let base = table.snapshot().await.unwrap();
    table
        .try_commit(&base, &[file(name, base.version() + 1)])
        .await
        .unwrap()
}
