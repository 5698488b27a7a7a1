//! A made-up Microsoft 365 with one tenant, a lake of it, and the truth.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use audit_testkit::GeneratorOptions;
use audit_testkit::api::{
    ApiOperation, ApiServer, ApiServerOptions, AppRegistration, TenantHandle,
};
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::runtime::Runtime;

use crate::run::{Place, Run, command, text};

pub(crate) const TENANT: &str = "0a5f7d5e-6f1b-4b8c-9e0d-3c2b1a495867";
pub(crate) const CLIENT_ID: &str = "5d1f0c2b-7a3e-4c88-b1d6-90e4a2f37c15";
pub(crate) const SECRET: &str = "Zr8Q~this-is-the-secret-of-the-test";
/// The variable that holds it.
pub(crate) const VARIABLE: &str = "LIVE_DISCOVER_TEST_SECRET";

pub(crate) struct Service {
    pub(crate) place: Place,
    pub(crate) server: ApiServer,
    pub(crate) tenant: TenantHandle,
    // Last: the server runs on it.
    _runtime: Runtime,
}

impl Service {
    /// A tenant with so many records, and a lake without an integration. The service's clock runs, weeks away from the
    /// machine's.
    pub(crate) fn new(records: u64) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let options = ApiServerOptions {
            clock_runs: true,
            ..ApiServerOptions::default()
        };
        let server = runtime.block_on(ApiServer::start(options)).unwrap();
        let tenant = server.tenant(TENANT);
        tenant.register(AppRegistration::with_secret(CLIENT_ID, SECRET));
        if records > 0 {
            tenant.publish_records(GeneratorOptions {
                records,
                records_per_blob: 40,
                days: 5,
                repeats_per_mille: 30,
                ..GeneratorOptions::default()
            });
        }
        Self {
            place: Place::new(),
            server,
            tenant,
            _runtime: runtime,
        }
    }

    /// The same with an integration.
    pub(crate) fn connected(records: u64) -> Self {
        let service = Self::new(records);
        service.add(&["--no-internal-networks"]).exits(0);
        service
    }

    /// Adds the integration with these arguments more.
    pub(crate) fn add(&self, more: &[&str]) -> Run {
        self.add_with(&["--client-secret-env", VARIABLE], more)
    }

    /// The same with another credential.
    pub(crate) fn add_with(&self, credential: &[&str], more: &[&str]) -> Run {
        let (management_root, login_root) =
            (self.server.management_root(), self.server.login_root());
        let arguments = [
            "integrations",
            "add",
            "--tenant",
            TENANT,
            "--client-id",
            CLIENT_ID,
            "--management-root",
            &management_root,
            "--login-root",
            &login_root,
        ];
        self.run(&[&arguments, credential, more].concat())
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let lake = text(&self.lake());
        let mut command = command(&[&["--lake", &lake], arguments].concat());
        command
            .env("LIVE_DISCOVER_CONFIG", self.config())
            .env(VARIABLE, SECRET)
            .env_remove("LIVE_DISCOVER_CLIENT_SECRET");
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        self.command(arguments).output().unwrap().into()
    }

    pub(crate) fn spawn(&self, arguments: &[&str]) -> Child {
        self.command(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    pub(crate) fn lake(&self) -> PathBuf {
        self.place.path("lake")
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.place.path("config")
    }

    /// Requests of blobs so far.
    pub(crate) fn blobs_asked(&self) -> u64 {
        self.server.requests().of(ApiOperation::GetBlob)
    }

    /// Fails unless the lake has each record of the service once, and the ledger each blob.
    #[track_caller]
    pub(crate) fn check_each_once(&self) {
        let truth = self.server.truth();
        let records: BTreeSet<String> = (truth.iter())
            .flat_map(|blob| {
                let body: Vec<u8> = blob.body.pieces().flatten().collect();
                let records: Vec<Box<RawValue>> = serde_json::from_slice(&body).unwrap();
                records
            })
            .map(|record| record.get().to_owned())
            .collect();
        let found = self.column("SELECT raw FROM m365_audit", "raw");
        assert_eq!(found.len(), records.len(), "a record is missing or twice");
        assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), records);

        let stored = "SELECT content_id FROM m365_content WHERE state = 'stored'";
        let stored: BTreeSet<String> = self.column(stored, "content_id").into_iter().collect();
        let published = truth.into_iter().map(|blob| blob.content_id);
        assert_eq!(stored, published.collect());
        self.run(&["verify"]).exits(0);
    }

    /// A column of texts.
    #[track_caller]
    pub(crate) fn column(&self, sql: &str, name: &str) -> Vec<String> {
        let rows = self
            .run(&["query", "--format", "ndjson", sql])
            .exits(0)
            .stdout;
        let value = |row: &str| {
            let row: Value = serde_json::from_str(row).unwrap();
            row[name].as_str().unwrap().to_owned()
        };
        rows.lines().map(value).collect()
    }
}

/// Files below a folder.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let paths = entries.flatten().map(|entry| entry.path());
    paths
        .flat_map(|path| match path.is_dir() {
            true => files(&path),
            false => vec![path],
        })
        .collect()
}

/// Waits until it is so, or the process has ended. What is waited for happens in another process, so it is looked for
/// again and again.
pub(crate) fn wait_until(child: &mut Child, is_so: impl Fn() -> bool) {
    while child.try_wait().unwrap().is_none() && !is_so() {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}
