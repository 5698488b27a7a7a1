//! Real processes on one lake: at the same time, and killed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use audit_lake::{Lake, LakeOptions, TableName};
use audit_testkit::GeneratorOptions;

use crate::lakes::{all, check_each_once, counts, generate, take_in};

const LAKE: &str = "AUDIT_INGEST_TEST_LAKE";
const INPUTS: &str = "AUDIT_INGEST_TEST_INPUTS";

/// The other processes: this test binary, told to run this test alone. By itself it does nothing.
#[tokio::test(flavor = "multi_thread")]
async fn child() {
    let (Ok(lake), Ok(inputs)) = (std::env::var(LAKE), std::env::var(INPUTS)) else {
        return;
    };
    let lake = Lake::create_or_open(&lake, LakeOptions::default())
        .await
        .unwrap();
    take_in(&lake, Path::new(&inputs)).await;
}

fn spawn(lake: &Path, inputs: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "processes::child", "--test-threads", "1"])
        .env(LAKE, lake)
        .env(INPUTS, inputs)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

struct Setup {
    _folder: tempfile::TempDir,
    inputs: PathBuf,
    lakes: PathBuf,
    contents: BTreeSet<String>,
    held: BTreeMap<String, u64>,
}

impl Setup {
    fn new(records: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (inputs, lakes) = (folder.path().join("inputs"), folder.path().join("lakes"));
        std::fs::create_dir_all(&lakes).unwrap();
        let options = GeneratorOptions {
            records,
            tenants: 3,
            days: 5,
            records_per_blob: 100,
            repeats_per_mille: 30,
            ..GeneratorOptions::default()
        };
        let (contents, held) = generate(&inputs, options);
        Self {
            _folder: folder,
            inputs,
            lakes,
            contents,
            held,
        }
    }

    /// Fails unless each record is there once and the ledger has each input once, and once more at most for each process
    /// that added records of it beside another.
    async fn check(&self, lake: &Path) {
        let lake = Lake::open(lake.to_str().unwrap(), LakeOptions::default())
            .await
            .unwrap();
        check_each_once(&lake, &self.contents).await;
        let entries = all(&lake, TableName::Content).await;
        let stored = entries.iter().filter(|entry| entry["state"] == "stored");
        assert_eq!(stored.count(), self.held.len());
        for entry in &entries {
            let [held, records, duplicates, rejects] = counts(entry);
            assert_eq!(held, self.held[entry["source"].as_str().unwrap()]);
            assert_eq!(held, records + duplicates + rejects);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_same_time_they_leave_each_record_once() {
    let setup = Setup::new(3_000);
    for round in 0..3 {
        let lake = setup.lakes.join(round.to_string());
        let children = [0, 1, 2].map(|_| spawn(&lake, &setup.inputs));
        for mut child in children {
            assert!(child.wait().unwrap().success());
        }
        setup.check(&lake).await;
    }
}

/// Files below the folder.
fn files(folder: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    entries
        .flatten()
        .map(|entry| {
            if entry.path().is_dir() {
                files(&entry.path())
            } else {
                1
            }
        })
        .sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_the_next_one_makes_it_whole() {
    let setup = Setup::new(1_500);
    let whole = setup.lakes.join("whole");
    assert!(spawn(&whole, &setup.inputs).wait().unwrap().success());
    let files_whole = files(&whole);
    assert!(files_whole > 30, "{files_whole}");
    // A few moments by the number of files that are there, from the first to the last.
    let mut killed = 0;
    for number in (0..files_whole)
        .step_by(files_whole.div_ceil(14))
        .chain([files_whole - 1])
    {
        let lake = setup.lakes.join(format!("killed-{number}"));
        let mut child = spawn(&lake, &setup.inputs);
        while files(&lake) < number && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        killed += usize::from(!child.wait().unwrap().success());
        assert!(spawn(&lake, &setup.inputs).wait().unwrap().success());
        setup.check(&lake).await;
    }
    println!("{killed} killed in the middle");
    assert!(killed >= 8, "{killed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again_beside_another_it_ends_whole() {
    let setup = Setup::new(1_500);
    let lake = setup.lakes.join("lake");
    let mut other = spawn(&lake, &setup.inputs);
    for more in 1..6 {
        let begin = files(&lake);
        let mut child = spawn(&lake, &setup.inputs);
        while files(&lake) < begin + more * 3 && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert!(other.wait().unwrap().success());
    assert!(spawn(&lake, &setup.inputs).wait().unwrap().success());
    setup.check(&lake).await;
}
