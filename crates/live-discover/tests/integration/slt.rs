//! SQL in, expected results and plans beside it: `tests/slt/**/*.slt`; those in `trino/` are in that dialect.
//!
//! `LIVE_DISCOVER_SLT=complete` writes what the engine answers into the files, for a person to read in the diff.

use std::path::{Path, PathBuf};

use audit_lake::Lake;
use live_discover::{Dialect, Engine, EngineOptions, Error, Limits, Session, TenantScope};
use sqllogictest::{DBOutput, DefaultColumnType, Runner};

use crate::fixture::{lake, text};

struct Database {
    session: Session,
}

#[async_trait::async_trait]
impl sqllogictest::AsyncDB for Database {
    type Error = Error;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, Error> {
        let stream = self.session.query(sql).await?;
        let types = stream
            .schema()
            .fields()
            .iter()
            .map(|_| DefaultColumnType::Text)
            .collect();
        let mut stream = stream;
        let mut batches = Vec::new();
        while let Some(batch) = stream.next().await {
            batches.push(batch?);
        }
        let text = text(&batches);
        // A plan is one value of many lines.
        let rows = if sql.trim_start().to_ascii_uppercase().starts_with("EXPLAIN") {
            text.lines()
                .map(|line| vec![line.replace('\t', " ").trim_end().to_owned()])
                .collect()
        } else {
            text.lines()
                .map(|line| line.split('\t').map(str::to_owned).collect())
                .collect()
        };
        Ok(DBOutput::Rows { types, rows })
    }

    async fn shutdown(&mut self) {}
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else if path.extension().is_some_and(|extension| extension == "slt") {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn session(lake: &Lake) -> Session {
    // Plans depend on the number of threads.
    let options = EngineOptions {
        parallelism: Some(2),
        ..EngineOptions::default()
    };
    let engine = Engine::builder()
        .with_options(options)
        .build(lake.clone())
        .unwrap();
    engine.session(TenantScope::All, Limits::default())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slt_files() {
    let lake = lake().await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/slt");
    let files = files(&folder);
    assert!(!files.is_empty());
    let complete = std::env::var_os("LIVE_DISCOVER_SLT").is_some_and(|value| value == "complete");
    for file in files {
        println!("{}", file.display());
        let mut session = session(&lake);
        if file
            .parent()
            .is_some_and(|folder| folder.ends_with("trino"))
        {
            session = session.with_dialect(Dialect::Trino);
        }
        let mut runner = Runner::new(|| {
            let session = session.clone();
            async move { Ok(Database { session }) }
        });
        if complete {
            let validator = sqllogictest::default_validator;
            let normalizer = sqllogictest::default_normalizer;
            let columns = sqllogictest::default_column_validator;
            runner
                .update_test_file(&file, " ", validator, normalizer, columns)
                .await
                .unwrap();
        } else {
            runner
                .run_file_async(&file)
                .await
                .unwrap_or_else(|error| panic!("{error}"));
        }
    }
}
