//! `maintain`: what it says, what it changes, and that queries answer the same.

use crate::run::{Place, TENANT};

/// A lake of five commits of one record each, in 2026.
fn place() -> Place {
    let place = Place::new();
    for number in 0..5 {
        let record = format!(
            "{{\"Id\":\"{number}\",\"OrganizationId\":\"{TENANT}\",\"CreationTime\":\"2026-10-0{}T08:00:00\",\"RecordType\":1,\"Operation\":\"Send\"}}\n",
            1 + number / 4
        );
        let file = place.file(&format!("{number}.ndjson"), &record);
        place.lake(&["ingest", &file]).exits(0);
    }
    place
}

fn answer(place: &Place) -> String {
    let ask = "SELECT id, ingest_sequence, variant, raw FROM m365_audit ORDER BY id";
    place
        .lake(&["query", "--format", "csv", ask])
        .exits(0)
        .stdout
}

#[test]
fn small_files_become_large_ones_and_answers_stay() {
    let place = place();
    let before = answer(&place);
    place
        .lake(&["maintain", "--dry-run"])
        .exits(0)
        .prints("m365_audit")
        .prints("4 files")
        .says("nothing was changed");
    place.lake(&["status"]).prints("10 files");
    place
        .lake(&["maintain"])
        .exits(0)
        .prints("m365_audit")
        .prints("m365_content")
        .prints(" to 1, ")
        .says("maintained 1 tenant");
    // One of each day, and the ledger.
    place.lake(&["status"]).prints("3 files");
    assert_eq!(answer(&place), before);
    place.lake(&["verify"]).exits(0).says("nothing is wrong");
    place
        .lake(&["maintain"])
        .exits(0)
        .prints_exactly("")
        .says("there is nothing to do");
}

#[test]
fn days_expire_and_files_are_deleted_when_told() {
    let place = place();
    place
        .lake(&["maintain", "--no-compact", "--no-vacuum", "--retain", "1"])
        .exits(0)
        .prints("2 days, 5 records");
    place.lake(&["verify"]).exits(0).says("nothing is wrong");
    place
        .lake(&["maintain", "--vacuum-after", "0s"])
        .exits(2)
        .says("kept for an hour at least")
        .says("--force");
    place
        .lake(&[
            "maintain",
            "--no-compact",
            "--vacuum-after",
            "0s",
            "--force",
        ])
        .exits(0)
        .prints("5 files, ");
}

#[test]
fn force_is_advised_for_what_it_cures() {
    let place = place();
    place
        .lake(&["maintain", "--vacuum-after", "1s"])
        .exits(2)
        .says("for an hour at least")
        .says("--force");
    // A table that another program has upgraded.
    let log = format!("lake/tenants/{TENANT}/m365_audit/_delta_log");
    let upgrade = r#"{"protocol":{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["deletionVectors"],"writerFeatures":["deletionVectors"]}}"#;
    place.file(&format!("{log}/{:020}.json", 6), upgrade);
    let run = place.lake(&["maintain"]).exits(1).says("does not read");
    assert!(!run.stderr.contains("--force"), "{}", run.stderr);
}
