//! A lake on an object store that is reached over HTTP.

use std::process::Command;
use std::sync::Arc;

use audit_testkit::s3::{BUCKET, S3Options, S3Server};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use tokio::runtime::Runtime;

use crate::run::{Run, command, records};

struct Bucket {
    store: Arc<InMemory>,
    server: S3Server,
    // Last: the server runs on it.
    runtime: Runtime,
}

impl Bucket {
    fn new(options: S3Options) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let store = Arc::new(InMemory::new());
        let served = Arc::clone(&store) as Arc<dyn ObjectStore>;
        let server = runtime.block_on(S3Server::start(served, options)).unwrap();
        Self {
            store,
            server,
            runtime,
        }
    }

    fn put(&self, path: &str, content: String) -> String {
        let key = Path::from(path);
        let put = self.store.put(&key, content.into());
        self.runtime.block_on(put).unwrap();
        format!("s3://{BUCKET}/{path}")
    }

    /// A command on the lake in it.
    fn command(&self, arguments: &[&str]) -> Command {
        let lake = format!("s3://{BUCKET}/a folder/lake");
        let mut command = command(&[&["--lake", &lake], arguments].concat());
        command.envs(self.server.variables());
        command
    }

    fn lake(&self, arguments: &[&str]) -> Run {
        self.command(arguments).output().unwrap().into()
    }
}

#[test]
fn a_lake_in_a_bucket_is_as_one_in_a_folder() {
    // Listings go over pages.
    let bucket = Bucket::new(S3Options {
        page_keys: 3,
        ..S3Options::default()
    });
    let exports: Vec<String> = (0..5)
        .map(|at| bucket.put(&format!("exports/{at}.ndjson"), records(10 * (at + 1))))
        .collect();
    let folder = exports[0].replace("/0.ndjson", "");
    bucket
        .lake(&["ingest", &exports[0]])
        .exits(0)
        .says("10 records added");
    bucket
        .lake(&["ingest", &folder])
        .exits(0)
        .says("40 records added, 110 duplicates");
    let count = [
        "query",
        "--format",
        "csv",
        "SELECT count(*) FROM m365_audit",
    ];
    bucket
        .lake(&count)
        .exits(0)
        .prints_exactly("count(*)\n50\n");
    bucket.lake(&["maintain"]).exits(0);
    bucket.lake(&["verify"]).exits(0);
    bucket
        .lake(&count)
        .exits(0)
        .prints_exactly("count(*)\n50\n");
    assert!(bucket.server.requests()["ListObjectsV2"] > 0);
}

#[test]
fn processes_that_commit_at_once_lose_nothing() {
    let bucket = Bucket::new(S3Options::default());
    let exports: Vec<String> = (1..=4)
        .map(|at| bucket.put(&format!("exports/{at}.ndjson"), records(10 * at)))
        .collect();
    let ingests: Vec<_> = exports
        .iter()
        .map(|export| bucket.command(&["ingest", export]).spawn().unwrap())
        .collect();
    for ingest in ingests {
        Run::from(ingest.wait_with_output().unwrap()).exits(0);
    }
    bucket
        .lake(&[
            "query",
            "--format",
            "csv",
            "SELECT count(*), count(DISTINCT id) FROM m365_audit",
        ])
        .exits(0)
        .prints("\n40,40\n");
    bucket.lake(&["verify"]).exits(0);
}

/// Larger than what is read of an object at a time.
#[test]
fn a_large_export_is_read_in_parts() {
    let bucket = Bucket::new(S3Options::default());
    let record = records(1);
    let filling = "x".repeat(1 << 20);
    let export: String = (0..20)
        .map(|at| {
            let id = format!("\"Id\":\"{at:04}");
            record
                .replace("\"Id\":\"0000", &id)
                .replace("user0@", &filling)
        })
        .collect();
    let export = bucket.put("export.ndjson", export);
    bucket
        .lake(&["ingest", &export])
        .exits(0)
        .says("20 records added, 0 duplicates, 0 rejects");
    bucket
        .lake(&[
            "query",
            "--format",
            "csv",
            "SELECT count(*), min(length(raw)) > 1048576 FROM m365_audit",
        ])
        .exits(0)
        .prints("\n20,true\n");
}

#[test]
fn a_store_that_puts_over_what_is_there_is_refused() {
    let bucket = Bucket::new(S3Options {
        has_conditions: false,
        ..S3Options::default()
    });
    let export = bucket.put("export.ndjson", records(1));
    bucket.lake(&["ingest", &export]).exits(1).says(
        "no lake can be at `s3://bucket/a%20folder/lake`: the store puts an object where one is",
    );
}

#[test]
fn who_has_no_or_other_credentials_is_told() {
    let bucket = Bucket::new(S3Options::default());
    let export = bucket.put("export.ndjson", records(1));
    let mut stranger = bucket.command(&["ingest", &export]);
    let other = stranger.env("AWS_ACCESS_KEY_ID", "AKIAOTHER");
    Run::from(other.output().unwrap()).exits(1).says("403");
    // Nobody answers for the machine here.
    let mut stranger = bucket.command(&["status"]);
    let nobody = stranger
        .env_remove("AWS_ACCESS_KEY_ID")
        .env_remove("AWS_SECRET_ACCESS_KEY")
        .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", "")
        .env("AWS_METADATA_ENDPOINT", &bucket.server.variables()[3].1);
    Run::from(nobody.output().unwrap())
        .exits(1)
        .says("hint: set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION");
}
