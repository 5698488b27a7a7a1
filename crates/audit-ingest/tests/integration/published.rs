//! Records that nobody here wrote, in a lake: all of them, once, byte for byte.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use audit_ingest::pipeline::Outcome;
use audit_lake::TableName;
use serde_json::Value;

use crate::lakes::{all, check_whole, memory, take_in};

/// An independent reading of `../shared/data`: the texts of its records by file.
fn published(folder: &Path) -> BTreeMap<PathBuf, Vec<String>> {
    let manifest = fs::read_to_string(folder.join("MANIFEST.csv")).unwrap();
    let mut texts = BTreeMap::new();
    for line in manifest.lines().skip(1) {
        let mut fields = line.split(',');
        let path = folder.join(fields.next().unwrap());
        let Ok(records) = fields.next().unwrap().parse::<usize>() else {
            continue;
        };
        let mut bytes = fs::read(&path).unwrap();
        if path.extension().is_some_and(|end| end == "gz") {
            let mut plain = Vec::new();
            std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&*bytes), &mut plain)
                .unwrap();
            bytes = plain;
        }
        let text = String::from_utf8(bytes).unwrap();
        let values: Vec<Box<serde_json::value::RawValue>> = if text.starts_with('[') {
            serde_json::from_str(&text).unwrap()
        } else {
            text.lines()
                .map(|line| serde_json::from_str(line).unwrap())
                .collect()
        };
        assert_eq!(values.len(), records, "{}", path.display());
        texts.insert(
            path,
            values.iter().map(|value| value.get().to_owned()).collect(),
        );
    }
    texts
}

/// A record's content by a plain parser, members in order, with its key.
fn plain_content(text: &str) -> (Option<String>, String) {
    fn sorted(value: &Value) -> String {
        match value {
            Value::Object(members) => {
                let members: BTreeMap<&String, String> =
                    members.iter().map(|(k, v)| (k, sorted(v))).collect();
                format!("{members:?}")
            }
            Value::Array(elements) => {
                format!("{:?}", elements.iter().map(sorted).collect::<Vec<_>>())
            }
            plain => plain.to_string(),
        }
    }
    let value: Value = serde_json::from_str(text).unwrap();
    let key = value.get("Id").map(|id| {
        let rest = ["RecordType", "Operation", "CreationTime"].map(|name| value[name].to_string());
        format!("{} {rest:?}", id.to_string().to_lowercase())
    });
    (key, sorted(&value))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_published_records_are_rows_byte_for_byte() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    if !folder.is_dir() {
        return;
    }
    let published = published(&folder);
    let lake = memory().await;
    let report = take_in(&lake, &folder).await;
    assert_eq!(report.rejects(), 0);
    assert_eq!(report.failed_inputs().count(), 0);
    for input in &report.inputs {
        let texts = published.get(Path::new(&input.name));
        match (&input.outcome, texts) {
            (Outcome::Stored { held, .. }, Some(texts)) => {
                assert_eq!(*held, texts.len() as u64, "{}", input.name)
            }
            (Outcome::Skipped(_), None) => {}
            // An export that the manifest doesn't count: it repeats records.
            (Outcome::Stored { records: 0, .. }, None) => {}
            other => panic!("{}: {other:?}", input.name),
        }
        if input.name.contains("api-forms") {
            assert!(
                matches!(&input.outcome, Outcome::Skipped(why) if why.contains("not records")),
                "{input:?}"
            );
        }
    }
    let rows = all(&lake, TableName::Audit).await;
    let texts: BTreeSet<&str> = published.values().flatten().map(String::as_str).collect();
    let held: Vec<&str> = rows
        .iter()
        .map(|row| row["raw"].as_str().unwrap())
        .collect();
    assert!(
        held.iter().all(|text| texts.contains(text)),
        "a raw text is not as published"
    );
    let contents =
        |texts: &[&str]| -> BTreeSet<_> { texts.iter().map(|text| plain_content(text)).collect() };
    let want = contents(&texts.into_iter().collect::<Vec<_>>());
    let bodies: BTreeSet<&String> = want.iter().map(|(_, body)| body).collect();
    let keys: BTreeSet<&String> = want.iter().filter_map(|(key, _)| key.as_ref()).collect();
    println!(
        "{} rows, {} bodies, {} keys",
        rows.len(),
        bodies.len(),
        keys.len()
    );
    assert_eq!((rows.len(), bodies.len()), (3_171, 3_171));
    assert_eq!(contents(&held), want);
    assert_eq!(rows.iter().filter(|row| row["variant"] == 0).count(), 3_169);
    check_whole(&lake).await;

    let again = take_in(&lake, &folder).await;
    assert_eq!((again.records(), again.rejects(), again.files), (0, 0, 0));
    assert_eq!(all(&lake, TableName::Audit).await.len(), 3_171);
}
