//! `ingest` and `status`.

use crate::run::{Place, TENANT, records};

#[test]
fn the_report_is_for_people_and_standard_output_stays_empty() {
    let place = Place::new();
    let file = place.file("records.ndjson", &records(3));
    place
        .lake(&["ingest", &file])
        .exits(0)
        .prints_exactly("")
        .says("3 records added")
        .says("next");
    place
        .lake(&["ingest", &file])
        .exits(0)
        .says("0 records added, 3 duplicates")
        .says("nothing new to write");
}

#[test]
fn rejects_are_reported_and_strict_fails_on_them() {
    let place = Place::new();
    let file = place.file("some.ndjson", &(records(2) + "{\"Id\":\"x\"}\nnull\n"));
    let run = place.lake(&["ingest", &file]).exits(0);
    run.says("2 records added, 0 duplicates, 2 rejects")
        .says("1 no_time")
        .says("1 not_an_object")
        .says("2 of 4");
    place
        .lake(&["ingest", "--strict", &file])
        .exits(1)
        .says("error: --strict: 2 rejects");
    let clean = place.file("clean.ndjson", &records(3));
    place.lake(&["ingest", "--strict", &clean]).exits(0);
}

#[test]
fn a_folder_is_read_whole_and_what_is_no_input_is_listed() {
    let place = Place::new();
    place.file("in/deep/er/records.ndjson", &records(3));
    place.file("in/README.md", "# Exports\n");
    let folder = place.path("in");
    place
        .lake(&["ingest", folder.to_str().unwrap()])
        .exits(0)
        .says("3 records added")
        .says("skipped")
        .says("README.md: neither JSON nor a CSV export with an AuditData column");
}

#[test]
fn answers_of_the_api_that_hold_no_records_are_refused_by_name() {
    let place = Place::new();
    let file = place.file(
        "listing.json",
        r#"[{"contentType":"Audit.SharePoint","contentId":"492638008028$a","contentUri":"https://manage.office.com/api/v1.0/x/activity/feed/audit/y","contentCreated":"2026-10-01T17:35:00.000Z","contentExpiration":"2026-10-08T17:35:00.000Z"}]"#,
    );
    place
        .lake(&["ingest", &file])
        .exits(1)
        .says("a listing of available content blobs")
        .says("every input was skipped");
}

#[test]
fn what_is_not_there_fails_before_anything_is_done() {
    let place = Place::new();
    let file = place.file("records.ndjson", &records(1));
    let missing = place.path("missing.json");
    place
        .lake(&["ingest", &file, missing.to_str().unwrap()])
        .exits(1)
        .says("error: `")
        .says("missing.json` does not exist");
    assert!(!place.path("lake").exists());
    std::fs::create_dir(place.path("empty")).unwrap();
    place
        .lake(&["ingest", place.path("empty").to_str().unwrap()])
        .exits(1)
        .says("nothing to ingest")
        .says("hint:");
}

#[test]
fn the_lake_is_not_ingested_into_itself() {
    let place = Place::with_records();
    let folder = place.path(".");
    place
        .lake(&["ingest", folder.to_str().unwrap()])
        .exits(2)
        .says("its own files would be ingested");
}

#[test]
fn a_tenant_may_be_given() {
    let place = Place::new();
    let other = "11111111-2222-3333-4444-555555555555";
    let file = place.file("records.ndjson", &records(2));
    place.lake(&["ingest", "--tenant", other, &file]).exits(0);
    place
        .lake(&[
            "query",
            "--format",
            "csv",
            "SELECT DISTINCT tenant_id FROM m365_audit",
        ])
        .prints_exactly(&format!("tenant_id\n{other}\n"));
}

#[test]
fn status_tells_what_the_lake_holds() {
    let place = Place::with_records();
    place
        .lake(&["status"])
        .exits(0)
        .prints("1 tenant, 3 records")
        .prints(&format!("tenant {TENANT}"))
        .prints("2026-10-01 08:00:00 to 2026-10-01 08:02:00 UTC")
        .prints("last ingest");
}

#[test]
fn verify_finds_nothing_wrong_until_something_is() {
    let place = Place::with_records();
    place
        .lake(&["verify"])
        .exits(0)
        .prints_exactly("")
        .says("nothing is wrong");
    let partition = place
        .path("lake/tenants")
        .join(TENANT)
        .join("m365_audit/event_date=2026-10-01");
    let file = std::fs::read_dir(partition)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    std::fs::remove_file(file).unwrap();
    place
        .lake(&["verify"])
        .exits(1)
        .prints("broken: ")
        .says("error: the lake is broken in ");
}

#[test]
fn without_a_lake_there_is_advice() {
    let place = Place::new();
    for arguments in [&["status"][..], &["verify"], &["query", "SELECT 1"]] {
        place
            .lake(arguments)
            .exits(1)
            .says("does not exist")
            .says("hint: `live-discover --lake URL ingest");
    }
    for arguments in [&["collect"][..], &["integrations", "list"], &["coverage"]] {
        place
            .lake(arguments)
            .exits(1)
            .says("does not exist")
            .says("integrations add");
    }
}

#[test]
fn what_is_no_file_is_refused_with_what_to_do() {
    let place = Place::new();
    place
        .lake(&["ingest", "-"])
        .exits(2)
        .says("write it to a file");
    #[cfg(unix)]
    place
        .lake(&["ingest", "/dev/null"])
        .exits(1)
        .says("write what comes of it to a file");
}

#[test]
fn an_integration_that_cannot_be_read_is_told_beside_the_rest() {
    let place = Place::with_records();
    let bad = format!("tenants/{TENANT}/integration/configuration/{:020}.json", 0);
    place.file(&format!("lake/{bad}"), "{]");
    place
        .lake(&["status"])
        .exits(0)
        .prints("3 records")
        .prints(&bad);
    place
        .lake(&["integrations", "list"])
        .exits(1)
        .prints("unreadable")
        .says("1 integration cannot be read");
    place.lake(&["collect"]).exits(1).says(&bad);
    place
        .lake(&["verify"])
        .exits(1)
        .says("broken in 1 place")
        .prints(&bad)
        .prints("restore it");
    // JSON, but no integration.
    place.file(&format!("lake/{bad}"), "{\"format_version\":1}");
    place
        .lake(&["verify"])
        .exits(1)
        .says("broken in 1 place")
        .prints(&bad);
}
