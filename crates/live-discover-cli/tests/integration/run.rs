//! Runs the binary, and folders to run it on.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

pub(crate) const TENANT: &str = "0fad12b5-8d6a-4c43-a01f-e6d0a0d0e1c7";

/// What a run gave.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Run {
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(
            self.code, code,
            "stdout: {}\nstderr: {}",
            self.stdout, self.stderr
        );
        self
    }

    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(
            self.stderr.contains(text),
            "no {text:?} in stderr: {}",
            self.stderr
        );
        self
    }

    #[track_caller]
    pub(crate) fn prints(self, text: &str) -> Self {
        assert!(
            self.stdout.contains(text),
            "no {text:?} in stdout: {}",
            self.stdout
        );
        self
    }

    #[track_caller]
    pub(crate) fn prints_exactly(self, text: &str) -> Self {
        assert_eq!(self.stdout, text, "stderr: {}", self.stderr);
        self
    }
}

pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_live-discover"));
    command
        .args(arguments)
        .env_remove("LIVE_DISCOVER_LAKE")
        .env_remove("COLUMNS")
        .stdin(Stdio::null());
    command
}

pub(crate) fn run(arguments: &[&str]) -> Run {
    command(arguments).output().unwrap().into()
}

/// A folder with a lake in it, removed at the end.
pub(crate) struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// A lake of three records of one tenant.
    pub(crate) fn with_records() -> Self {
        let place = Self::new();
        let file = place.file("records.ndjson", &records(3));
        place.lake(&["ingest", &file]).exits(0);
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file and returns its path.
    pub(crate) fn file(&self, name: &str, content: &str) -> String {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        text(&path)
    }

    /// Runs a command on the lake of this place.
    pub(crate) fn lake(&self, arguments: &[&str]) -> Run {
        let lake = text(&self.path("lake"));
        run(&[&["--lake", &lake], arguments].concat())
    }
}

pub(crate) fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// Records as NDJSON, one a minute from `2026-10-01T08:00:00`.
pub(crate) fn records(count: usize) -> String {
    let record = |at: usize| {
        format!(
            r#"{{"Id":"{at:08}-0000-4000-8000-000000000000","RecordType":15,"CreationTime":"2026-10-01T08:{at:02}:00","Operation":"UserLoggedIn","OrganizationId":"{TENANT}","UserType":0,"Workload":"AzureActiveDirectory","UserId":"user{at}@contoso.example","ClientIP":"192.0.2.{at}"}}"#
        ) + "\n"
    };
    (0..count).map(record).collect()
}
