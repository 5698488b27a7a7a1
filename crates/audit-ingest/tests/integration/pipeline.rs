//! Files and folders into a lake: every record once, everything accounted for.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;

use audit_ingest::canonical;
use audit_ingest::pipeline::{IngestError, IngestOptions, Outcome, Report, find_inputs, ingest};
use audit_lake::{Lake, LakeOptions, MaintenancePolicy, TableName, TenantId};
use audit_testkit::{Fault, FaultKind, FaultTrigger, FaultyStore, GeneratorOptions, Operation};
use object_store::ObjectStore;
use object_store::memory::InMemory;
use serde_json::json;

use crate::lakes::{
    Row, all, check_each_once, check_whole, counts, generate, memory, table, take_in, take_in_with,
};

const A: &str = "0f1d5a2e-0000-4000-8000-00000000000a";
const B: &str = "0f1d5a2e-0000-4000-8000-00000000000b";

fn record(tenant: &str, id: u32) -> String {
    format!(
        r#"{{"CreationTime":"2026-01-02T03:04:05","Id":"{id}","Operation":"Op","OrganizationId":"{tenant}"}}"#
    )
}

fn blob(records: &[String]) -> String {
    format!("[{}]", records.join(","))
}

fn gz(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

/// A folder of files with these contents.
fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    folder
}

fn outcome<'r>(report: &'r Report, name: &str) -> &'r Outcome {
    &report
        .inputs
        .iter()
        .find(|input| input.name.ends_with(name))
        .unwrap()
        .outcome
}

fn stored(held: u64, records: u64, duplicates: u64, rejects: u64) -> Outcome {
    Outcome::Stored {
        held,
        records,
        duplicates,
        rejects,
    }
}

/// The ledger by file name, what an input held for several tenants added up.
async fn ledger(lake: &Lake) -> BTreeMap<String, [u64; 4]> {
    let mut by_name: BTreeMap<String, [u64; 4]> = BTreeMap::new();
    for entry in all(lake, TableName::Content).await {
        let of_entry = counts(&entry);
        assert_eq!(
            of_entry[0],
            of_entry[1] + of_entry[2] + of_entry[3],
            "{entry:?}"
        );
        let name = entry["source"]
            .as_str()
            .unwrap()
            .rsplit('/')
            .next()
            .unwrap();
        let sums = by_name.entry(name.to_owned()).or_default();
        for (sum, count) in sums.iter_mut().zip(of_entry) {
            *sum += count;
        }
    }
    by_name
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_input_twice_adds_nothing() {
    let inputs = tempfile::tempdir().unwrap();
    let options = GeneratorOptions {
        records: 3_000,
        tenants: 2,
        days: 3,
        records_per_blob: 200,
        repeats_per_mille: 50,
        ..GeneratorOptions::default()
    };
    let (contents, held) = generate(inputs.path(), options);
    let place = tempfile::tempdir().unwrap();
    let on_disk = Lake::create_or_open(place.path().to_str().unwrap(), LakeOptions::default())
        .await
        .unwrap();
    for lake in [memory().await, on_disk] {
        let first = take_in(&lake, inputs.path()).await;
        assert_eq!(first.records(), contents.len() as u64);
        assert_eq!(
            first.records() + first.duplicates(),
            held.values().sum::<u64>()
        );
        check_each_once(&lake, &contents).await;
        let entries = all(&lake, TableName::Content).await;
        assert_eq!(entries.len(), held.len());
        for entry in &entries {
            let source = entry["source"].as_str().unwrap();
            assert_eq!(counts(entry)[0], held[source]);
            let bytes = fs::read(source).unwrap();
            assert_eq!(entry["size_bytes"], json!(bytes.len()));
            let content_type = Path::new(source).parent().unwrap().file_name().unwrap();
            assert_eq!(entry["content_type"], json!(content_type.to_str().unwrap()));
            assert_eq!(entry["form"], json!("content_blob"));
        }

        let second = take_in(&lake, inputs.path()).await;
        assert_eq!((second.records(), second.files), (0, 0));
        assert_eq!(second.duplicates(), held.values().sum::<u64>());
        assert_eq!(all(&lake, TableName::Content).await, entries);
        check_each_once(&lake, &contents).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_inputs_are_the_same_inputs() {
    let records: Vec<String> = (0..1_000).map(|id| record(A, id)).collect();
    let lines = records.join("\n");
    let (left, right) = lines.split_at(lines.find("\"Id\":\"500\"").unwrap());
    let members = [gz(left.as_bytes()), gz(right.as_bytes())].concat();
    let zstd_twice = [left, right]
        .map(|part| zstd::encode_all(part.as_bytes(), 1).unwrap())
        .concat();
    let array = blob(&records);
    // As pzstd writes: a frame to be skipped, with the size of the one that follows.
    let mut skippable = vec![0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4];
    skippable.extend(zstd::encode_all(lines.as_bytes(), 1).unwrap());
    let files: [(&str, Vec<u8>); 7] = [
        ("a.json", array.clone().into()),
        ("b.ndjson.gz", gz(lines.as_bytes())),
        (
            "c.ndjson.zst",
            zstd::encode_all(lines.as_bytes(), 1).unwrap(),
        ),
        ("d-several-members.ndjson.gz", members),
        ("e-several-frames.ndjson.zst", zstd_twice),
        ("f-no-telling-name", gz(array.as_bytes())),
        ("g-skippable-frame.ndjson.zst", skippable),
    ];
    let inputs = folder(&files.each_ref().map(|(name, bytes)| (*name, &bytes[..])));
    let lake = memory().await;
    let report = take_in(&lake, inputs.path()).await;
    assert_eq!(outcome(&report, "a.json"), &stored(1_000, 1_000, 0, 0));
    for (name, _) in &files[1..] {
        assert_eq!(
            outcome(&report, name),
            &stored(1_000, 0, 1_000, 0),
            "{name}"
        );
    }
    check_whole(&lake).await;
}

/// A frame of zstd whose window is 256 MiB, as `zstd --long=28` makes, with one block as it is.
fn zstd_of_large_window(plain: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd];
    // No size, no checksum; the window is two to the power of 28.
    frame.extend([0, (28 - 10) << 3]);
    // The last block, not compressed, and its length.
    let header = 1 | u32::try_from(plain.len()).unwrap() << 3;
    frame.extend(&header.to_le_bytes()[..3]);
    frame.extend(plain);
    frame
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_stream_that_takes_too_much_memory_is_refused() {
    let line = record(A, 1) + "\n";
    let large = zstd_of_large_window(line.as_bytes());
    let behind_another = [zstd::encode_all(line.as_bytes(), 1).unwrap(), large.clone()].concat();
    for (name, bytes) in [("a.ndjson.zst", large), ("b.ndjson.zst", behind_another)] {
        let inputs = folder(&[(name, &bytes)]);
        let lake = memory().await;
        let report = take_in(&lake, inputs.path()).await;
        match outcome(&report, name) {
            Outcome::Failed(why) => assert!(why.contains("zstd -d --long=31"), "{why}"),
            other => panic!("{name}: {other:?}"),
        }
        for table in [TableName::Content, TableName::Rejects] {
            assert!(all(&lake, table).await.is_empty(), "{name}: {table}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_ingested_again_after_it_expired_is_in_the_ledger_again() {
    let inputs = folder(&[("a.json", blob(&[record(A, 1), record(A, 2)]).as_bytes())]);
    let lake = memory().await;
    let tenant: TenantId = A.parse().unwrap();
    let policy = MaintenancePolicy {
        keep_days: NonZeroU32::new(1),
        ..MaintenancePolicy::default()
    };
    for times in 1..4 {
        for (records, duplicates) in [(2, 0), (0, 2)] {
            let report = take_in(&lake, inputs.path()).await;
            let expected = stored(2, records, duplicates, 0);
            assert_eq!(outcome(&report, "a.json"), &expected);
            let expected = [2 * times, 2 * times, 0, 0];
            assert_eq!(ledger(&lake).await["a.json"], expected);
            assert_eq!(lake.verify(&[tenant], canonical, |_| {}).await.unwrap(), []);
        }
        assert_eq!(lake.expire(tenant, &policy).await.unwrap().rows, 2);
        assert_eq!(lake.verify(&[tenant], canonical, |_| {}).await.unwrap(), []);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_stream_costs_no_record_before_the_damage() {
    // Below and above what is read to tell the form.
    for records in [200, 20_000] {
        let lines: String = (0..records).map(|id| record(A, id) + "\n").collect();
        for (name, whole) in [
            ("a.ndjson.gz", gz(lines.as_bytes())),
            (
                "a.ndjson.zst",
                zstd::encode_all(lines.as_bytes(), 3).unwrap(),
            ),
        ] {
            let inputs = folder(&[(name, &whole[..whole.len() - 9])]);
            let lake = memory().await;
            let report = take_in(&lake, inputs.path()).await;
            let Outcome::Stored {
                held,
                records: rows,
                rejects,
                ..
            } = *outcome(&report, name)
            else {
                panic!("{report:?}");
            };
            // A zstd frame of one block gives nothing before it is whole.
            if name.ends_with("gz") {
                assert!(
                    rows >= records as u64 * 9 / 10,
                    "{name}: {rows} of {records}"
                );
            }
            assert!(rejects >= 1 && held == rows + rejects, "{name}: {report:?}");
            let reasons: BTreeSet<String> = all(&lake, TableName::Rejects)
                .await
                .iter()
                .map(|reject| reject["reason"].as_str().unwrap().to_owned())
                .collect();
            assert!(reasons.contains("damaged"), "{name}: {reasons:?}");
            assert_eq!(
                all(&lake, TableName::Rejects).await.len() as u64,
                rejects,
                "{name}"
            );
            check_whole(&lake).await;
        }
    }
    // Cut between two records of a blob: what is missing of the text, and of the stream.
    let text = format!("[{},", record(A, 1));
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.flush().unwrap();
    let cut = encoder.get_ref().clone();
    let inputs = folder(&[("cut.json.gz", &cut)]);
    let lake = memory().await;
    let report = take_in(&lake, inputs.path()).await;
    assert_eq!(outcome(&report, "cut.json.gz"), &stored(3, 1, 0, 2));
    assert_eq!(all(&lake, TableName::Rejects).await.len(), 2);
    check_whole(&lake).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_input_is_skipped_with_words() {
    let inputs = folder(&[
        ("README.md", b"# Audit records\n\nSome words, and a [link](x).\n"),
        ("BADGE.md", b"[![build](https://example.com/x.svg)](https://example.com)\n\n# Title\n"),
        ("LINK.md", b"[The project](https://example.com) has words.\n"),
        ("LICENSE", b"Apache License\n"),
        ("MANIFEST.csv", b"file,records\na.json,1\n"),
        ("office.csv", b"TenantId,OfficeId,OfficeWorkload\n1,2,Exchange\n"),
        ("page", b"<html><body>x</body></html>"),
        ("nothing", b""),
        ("notification.json", br#"[{"contentType":"Audit.Exchange","contentUri":"https://x","contentId":"y","clientId":"z"}]"#),
        ("zipped.csv", b"PK\x03\x04\x14\0\0\0\0\0AuditLog.csvCreationDate,AuditData\r\n"),
        ("objects.xml", b"<Objs Version=\"1.1.0.1\"><Obj RefId=\"0\"></Obj></Objs>"),
        ("messages.log", b"<34>Jul 16 10:00:00 host su: words\n"),
        ("image.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"),
        ("data.json", blob(&[record(A, 1)]).as_bytes()),
        ("empty.json", b""),
        ("page.json", b"<html><body>x</body></html>"),
        ("words.json", b"these are no records"),
        ("list.json", b"[]"),
    ]);
    let lake = memory().await;
    let report = take_in(&lake, inputs.path()).await;
    for (name, words) in [
        ("README.md", "neither JSON nor"),
        ("BADGE.md", "neither JSON nor"),
        ("LINK.md", "neither JSON nor"),
        ("LICENSE", "neither JSON nor"),
        ("MANIFEST.csv", "shows no records as JSON"),
        ("office.csv", "Sentinel's OfficeActivity"),
        ("page", "a page"),
        ("nothing", "empty"),
        ("notification.json", "a webhook notification"),
        ("zipped.csv", "unpack it"),
        ("objects.xml", "Export-Clixml"),
        ("messages.log", "nor syslog with records"),
        ("image.png", "neither JSON nor"),
    ] {
        match outcome(&report, name) {
            Outcome::Skipped(why) => assert!(why.contains(words), "{name}: {why}"),
            other => panic!("{name}: {other:?}"),
        }
    }
    assert_eq!(outcome(&report, "data.json"), &stored(1, 1, 0, 0));
    assert_eq!(outcome(&report, "list.json"), &stored(0, 0, 0, 0));
    for name in ["empty.json", "/page.json", "words.json"] {
        assert_eq!(outcome(&report, name), &stored(1, 0, 0, 1), "{name}");
    }
    check_whole(&lake).await;

    // Named itself, a file is taken at its word.
    let named = take_in(&lake, &inputs.path().join("README.md")).await;
    assert_eq!(named.inputs[0].outcome, stored(1, 0, 0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_are_kept_once_with_their_tenant() {
    let bad = format!(r#"{{"OrganizationId":"{B}","a":tru}}"#);
    let text = format!(
        "[{},{bad},null,{},{bad}",
        record(A, 1),
        record("example.com", 2)
    );
    let inputs = folder(&[("Audit.Exchange/x.json", text.as_bytes())]);
    let lake = memory().await;
    for _ in 0..2 {
        let report = take_in(&lake, inputs.path()).await;
        assert_eq!((report.inputs.len(), report.rejects()), (1, 4));
        let rejects = all(&lake, TableName::Rejects).await;
        let mut kinds: Vec<(&str, &str)> = rejects
            .iter()
            .map(|reject| {
                (
                    reject["tenant_id"].as_str().unwrap(),
                    reject["reason"].as_str().unwrap(),
                )
            })
            .collect();
        kinds.sort_unstable();
        assert_eq!(
            kinds,
            [
                (B, "invalid_json"),
                (B, "invalid_json"),
                ("unknown", "not_an_object"),
                ("unknown", "truncated")
            ]
        );
        for reject in &rejects {
            let offset = reject["byte_offset"].as_u64().unwrap() as usize;
            let bytes: Vec<u8> = serde_json::from_value(reject["bytes"].clone()).unwrap();
            assert_eq!(&text.as_bytes()[offset..offset + bytes.len()], bytes);
            assert_eq!(reject["content_type"], json!("Audit.Exchange"));
        }
        assert_eq!(ledger(&lake).await["x.json"], [6, 2, 0, 4]);
        check_whole(&lake).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tenants_are_what_records_say_or_what_is_said() {
    let cut = gz(blob(&[record(B, 9)]).as_bytes());
    let inputs = folder(&[
        (
            "DLP.All/mixed.json",
            blob(&[
                record(A, 1),
                record(B, 1),
                record("contoso", 1),
                record(A, 2),
            ])
            .as_bytes(),
        ),
        ("z-bad.json", b"[null]"),
        ("z-cut.json.gz", &cut[..12]),
        ("z-empty.json", b"[]"),
    ]);
    let by_record = memory().await;
    let report = take_in(&by_record, inputs.path()).await;
    assert_eq!(outcome(&report, "mixed.json"), &stored(4, 4, 0, 0));
    let tenant = |text: &str| -> TenantId { text.parse().unwrap() };
    let mut tenants = by_record.tenants().await.unwrap();
    tenants.sort();
    assert_eq!(tenants, [tenant(A), tenant(B), TenantId::UNKNOWN]);
    for (of, rows) in [(A, 2), (B, 1), ("unknown", 1)] {
        let audit = table(&by_record, tenant(of), TableName::Audit).await;
        assert_eq!(audit.len(), rows);
        assert!(
            audit
                .iter()
                .all(|row| row["tenant_id"] == of && row["content_type"] == "DLP.All")
        );
        let entries = table(&by_record, tenant(of), TableName::Content).await;
        let entry = entries
            .iter()
            .find(|entry| entry["source"].as_str().unwrap().ends_with("mixed.json"))
            .unwrap();
        assert_eq!(counts(entry), [rows as u64, rows as u64, 0, 0]);
        assert_eq!(entry["content_type"], "DLP.All");
    }
    check_whole(&by_record).await;

    let fixed = memory().await;
    let options = IngestOptions {
        tenant: Some(tenant(B)),
        ..IngestOptions::default()
    };
    let report = take_in_with(&fixed, inputs.path(), options).await;
    assert_eq!(outcome(&report, "mixed.json"), &stored(4, 4, 0, 0));
    // Rejects and empty inputs too.
    assert_eq!(fixed.tenants().await.unwrap(), [tenant(B)]);
    assert_eq!(ledger(&fixed).await.len(), 4);
    check_whole(&fixed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_any_kind_are_read() {
    let text = blob(&[record(A, 1)]);
    let files: Vec<(&str, &[u8])> = [
        "a b.json",
        "ä€.json",
        "100%20.json",
        "q?*~{}.json",
        "x#1.json",
        "$a$b.json",
        "über/ö.json",
    ]
    .map(|name| (name, text.as_bytes()))
    .to_vec();
    let inputs = folder(&files);
    let lake = memory().await;
    let report = take_in(&lake, inputs.path()).await;
    assert_eq!(report.inputs.len(), files.len(), "{:?}", report.inputs);
    assert_eq!(
        report.records() + report.duplicates(),
        files.len() as u64,
        "{:?}",
        report.inputs
    );
    for (name, _) in files {
        let named = take_in(&lake, &inputs.path().join(name)).await;
        assert_eq!(named.duplicates(), 1, "{name}");
    }
}

/// One of these ended the whole ingest.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn what_can_be_read_of_a_folder_is_read() {
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    let text = blob(&[record(A, 1)]);
    let elsewhere = folder(&[("linked.json", text.as_bytes())]);
    let inputs = folder(&[
        ("line\nend.json", text.as_bytes()),
        ("sub/plain.json", text.as_bytes()),
        ("closed/file.json", text.as_bytes()),
        ("a#1", text.as_bytes()),
    ]);
    let at = |name: &str| inputs.path().join(name);
    let not_utf8 = inputs
        .path()
        .join(std::ffi::OsStr::from_bytes(b"\xff.json"));
    fs::write(not_utf8, &text).unwrap();
    symlink(elsewhere.path().join("linked.json"), at("link.json")).unwrap();
    symlink(elsewhere.path(), at("links")).unwrap();
    symlink(inputs.path(), at("sub/loop")).unwrap();
    symlink(at("sub"), at("again")).unwrap();
    symlink(at("self"), at("self")).unwrap();
    symlink(at("nowhere"), at("dangling")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
    fs::set_permissions(at("closed"), fs::Permissions::from_mode(0o000)).unwrap();
    // A superuser may read everything.
    let closed = fs::read_dir(at("closed")).is_err();

    let report = take_in(&memory().await, inputs.path()).await;
    fs::set_permissions(at("closed"), fs::Permissions::from_mode(0o700)).unwrap();
    for name in [
        "/line\u{fffd}end.json",
        "/sub/plain.json",
        "/a#1",
        "/\u{fffd}.json",
        "/link.json",
        "/links/linked.json",
    ] {
        let outcome = outcome(&report, name);
        assert!(
            matches!(outcome, Outcome::Stored { held: 1, .. }),
            "{name}: {outcome:?}"
        );
    }
    let mut skipped = vec![
        ("/sub/loop", "read already"),
        ("/again", "read already"),
        ("/self", "can't be opened"),
        ("/dangling", "can't be opened"),
        ("/socket", "neither a file nor a folder"),
    ];
    if closed {
        skipped.push(("/closed", "can't be listed"));
    }
    for (name, words) in skipped {
        match outcome(&report, name) {
            Outcome::Skipped(why) => assert!(why.contains(words), "{name}: {why}"),
            other => panic!("{name}: {other:?}"),
        }
    }
    assert_eq!(report.inputs.len(), 12);
}

#[tokio::test]
async fn credentials_of_a_url_are_in_no_name_and_no_message() {
    let wrong = find_inputs("nosuch://user:pw@host/p?sig=SECRET").await;
    let message = wrong.unwrap_err().to_string();
    assert!(message.contains("`nosuch://host/p`"), "{message}");
    for secret in ["user", "pw", "SECRET"] {
        assert!(!message.contains(secret), "{message}");
    }
}

#[tokio::test]
async fn blobs_come_in_the_order_of_their_names_whatever_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    for name in [
        "Audit.SharePoint/20261001.json",
        "Audit.Exchange/20261002.json",
        "Audit.Exchange/20261001.json",
        "Audit.General/20261003.json",
        "20261002.json",
    ] {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "[]").unwrap();
    }
    let found = find_inputs(folder.path().to_str().unwrap()).await.unwrap();
    let names: Vec<&str> = found
        .iter()
        .map(|input| {
            let below = input.name.strip_prefix(folder.path().to_str().unwrap());
            below.unwrap().trim_start_matches('/')
        })
        .collect();
    assert_eq!(
        names,
        [
            "Audit.Exchange/20261001.json",
            "Audit.SharePoint/20261001.json",
            "20261002.json",
            "Audit.Exchange/20261002.json",
            "Audit.General/20261003.json",
        ]
    );
}

#[tokio::test]
async fn what_is_not_there_is_said_so() {
    let empty = tempfile::tempdir().unwrap();
    let missing = find_inputs(empty.path().join("missing").to_str().unwrap()).await;
    assert!(
        missing
            .unwrap_err()
            .to_string()
            .ends_with("missing` does not exist")
    );
    assert_eq!(
        find_inputs(empty.path().to_str().unwrap())
            .await
            .unwrap()
            .len(),
        0
    );
    assert_eq!(take_in(&memory().await, empty.path()).await.inputs.len(), 0);
}

async fn lake_on(store: Arc<dyn ObjectStore>) -> Result<Lake, audit_lake::Error> {
    let url = url::Url::parse("memory:///test").unwrap();
    Lake::with_store(store, url, LakeOptions::default()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_store_that_fails_ingest_started_over_comes_to_the_same_end() {
    let inputs = tempfile::tempdir().unwrap();
    let options = GeneratorOptions {
        records: 400,
        tenants: 3,
        days: 4,
        records_per_blob: 60,
        ..Default::default()
    };
    let (contents, held) = generate(inputs.path(), options);
    fs::write(inputs.path().join("bad.json"), "[null,5]").unwrap();
    futures::future::join_all(
        (0..10).map(|seed| under_chance(seed, inputs.path(), &contents, &held)),
    )
    .await;
}

async fn under_chance(
    seed: u64,
    inputs: &Path,
    contents: &BTreeSet<String>,
    held: &BTreeMap<String, u64>,
) {
    println!("seed {seed}");
    let inner: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let store = FaultyStore::new(Arc::clone(&inner), seed);
    for kind in [FaultKind::Before, FaultKind::After] {
        store.add(Fault {
            operation: seed.is_multiple_of(2).then_some(Operation::Put),
            trigger: FaultTrigger::PerMille(100),
            kind,
            ..Fault::new(Operation::Put)
        });
    }
    let mut runs = 0;
    loop {
        runs += 1;
        assert!(runs < 200, "seed {seed} never succeeded");
        // Some runs end at some write, as a process does that is killed.
        if runs < 12 && seed.is_multiple_of(3) {
            store.freeze_after_writes(runs * 3);
        } else if runs == 12 {
            store.heal();
        }
        let Ok(lake) = lake_on(Arc::new(store.clone())).await else {
            continue;
        };
        let found = find_inputs(inputs.to_str().unwrap()).await.unwrap();
        match ingest(&lake, found, IngestOptions::default()).await {
            Ok(_) => break,
            Err(IngestError::Lake(audit_lake::Error::Unavailable { .. })) => {}
            Err(error) => panic!("seed {seed}: {error:?}"),
        }
    }
    let lake = lake_on(inner).await.unwrap();
    check_each_once(&lake, contents).await;
    let entries: Vec<Row> = all(&lake, TableName::Content).await;
    for entry in &entries {
        let source = entry["source"].as_str().unwrap();
        assert_eq!(
            counts(entry)[0],
            held.get(source).copied().unwrap_or(2),
            "seed {seed}: {source}"
        );
    }
    assert_eq!(entries.len(), held.len() + 1, "seed {seed}");
    assert_eq!(all(&lake, TableName::Rejects).await.len(), 2);
}
