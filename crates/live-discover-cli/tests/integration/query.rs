//! `query`: forms, purity of standard output, limits and errors.

use std::io::Read;
use std::process::Stdio;

use crate::run::{Place, TENANT, command, records, text};

const BY_USER: &str = "SELECT user_id, source_ip FROM m365_audit ORDER BY user_id";

#[test]
fn csv_and_ndjson_are_data_alone() {
    let place = Place::with_records();
    place.lake(&["query", "--format", "csv", BY_USER]).exits(0).says("3 rows").prints_exactly(
        "user_id,source_ip\nuser0@contoso.example,192.0.2.0\nuser1@contoso.example,192.0.2.1\nuser2@contoso.example,192.0.2.2\n",
    );
    let run = place
        .lake(&["query", "--format", "ndjson", BY_USER])
        .exits(0);
    let rows: Vec<serde_json::Value> = run
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(rows.len(), 3);
    assert_eq!(rows[2]["user_id"], "user2@contoso.example");
    // Without rows too.
    place
        .lake(&[
            "query",
            "--format",
            "csv",
            "SELECT user_id FROM m365_audit WHERE user_id = 'nobody'",
        ])
        .exits(0)
        .prints_exactly("user_id\n");
    place
        .lake(&["query", "--format", "ndjson", "SELECT 1 AS a WHERE false"])
        .exits(0)
        .prints_exactly("");
}

#[test]
fn a_table_is_drawn_and_its_row_count_is_a_note() {
    let place = Place::with_records();
    let run = place
        .lake(&["query", BY_USER])
        .exits(0)
        .prints("│ user_id ")
        .prints("user0@contoso.example")
        .says("3 rows (1 of 1 file, ");
    assert!(run.stdout.lines().all(|line| line.chars().count() <= 100));
}

#[test]
fn all_columns_leave_out_the_empty_ones_and_named_columns_stay() {
    let place = Place::with_records();
    let run = place
        .lake(&["query", "SELECT * FROM m365_audit LIMIT 1"])
        .exits(0)
        .prints("user_id")
        .prints(TENANT);
    assert!(!run.stdout.contains("forwarding"), "{}", run.stdout);
    assert!(
        run.stdout.lines().all(|line| line.chars().count() <= 100),
        "{}",
        run.stdout
    );
    place
        .lake(&["query", "SELECT user_id, site_url FROM m365_audit"])
        .exits(0)
        .prints("site_url");
}

#[test]
fn nothing_in_a_record_acts_on_the_terminal() {
    let place = Place::new();
    let record = format!(
        r#"{{"Id":"a","RecordType":15,"CreationTime":"2026-10-01T08:00:00","Operation":"\u001b]0;owned\u0007x","OrganizationId":"{TENANT}","UserId":"u"}}"#
    );
    let file = place.file("records.ndjson", &record);
    place.lake(&["ingest", &file]).exits(0);
    let run = place
        .lake(&["query", "SELECT operation FROM m365_audit"])
        .exits(0)
        .prints("\\u{1b}]0;owned");
    assert!(!run.stdout.contains('\u{1b}'));
}

#[test]
fn files_are_written_whole_and_their_ending_tells_the_form() {
    let place = Place::with_records();
    for (name, magic) in [
        ("out.csv", &b"user_id,"[..]),
        ("out.ndjson", b"{\"user_id\""),
        ("out.parquet", b"PAR1"),
        ("out.arrow", b"\xff\xff\xff\xff"),
    ] {
        let file = place.path(name);
        place
            .lake(&["query", "-o", &text(&file), BY_USER])
            .exits(0)
            .prints_exactly("")
            .says("3 rows in ");
        assert!(std::fs::read(&file).unwrap().starts_with(magic), "{name}");
    }
    let file = place.path("bad.csv");
    place
        .lake(&[
            "query",
            "-o",
            &text(&file),
            "SELECT 1 / (user_type - user_type) FROM m365_audit",
        ])
        .exits(1);
    assert!(!file.exists() && !place.path("bad.csv.partial").exists());
    place
        .lake(&["query", "-o", "/no/such/folder/a.csv", "SELECT 1"])
        .exits(1)
        .says("could not write");
}

#[test]
fn binary_forms_can_be_piped() {
    let place = Place::with_records();
    let lake = text(&place.path("lake"));
    for (format, magic) in [("parquet", &b"PAR1"[..]), ("arrow", b"\xff\xff\xff\xff")] {
        let output = command(&["--lake", &lake, "query", "--format", format, BY_USER])
            .output()
            .unwrap();
        assert!(output.status.success());
        assert!(output.stdout.starts_with(magic), "{format}");
    }
}

#[test]
fn a_query_may_come_from_a_file_or_standard_input() {
    let place = Place::with_records();
    let file = place.file(
        "count.sql",
        "-- how many\nSELECT count(*) AS n\nFROM m365_audit;\n",
    );
    place
        .lake(&["query", "--format", "csv", "-f", &file])
        .exits(0)
        .prints_exactly("n\n3\n");
    let lake = text(&place.path("lake"));
    let mut child = command(&["--lake", &lake, "query", "--format", "csv", "-f", "-"]);
    child.stdin(std::fs::File::open(&file).unwrap());
    assert_eq!(child.output().unwrap().stdout, b"n\n3\n");
    place
        .lake(&["query", "-f", "/no/such.sql"])
        .exits(1)
        .says("could not read the query");
}

#[test]
fn rows_are_limited_and_it_is_said() {
    let place = Place::with_records();
    for format in ["csv", "ndjson", "table"] {
        place
            .lake(&["query", "--format", format, "--max-rows", "2", BY_USER])
            .exits(0)
            .says("stopped after 2 rows, there are more");
    }
    let run = place
        .lake(&["query", "--format", "csv", "--max-rows", "3", BY_USER])
        .exits(0);
    assert!(!run.stderr.contains("there are more"));
    assert_eq!(run.stdout.lines().count(), 4);
}

#[test]
fn a_query_sees_the_tenant_that_is_asked_for() {
    let place = Place::with_records();
    place
        .lake(&[
            "query",
            "--tenant",
            TENANT,
            "--format",
            "csv",
            "SELECT count(*) AS n FROM m365_audit",
        ])
        .exits(0)
        .prints_exactly("n\n3\n");
    place
        .lake(&["query", "--tenant", "unknown", "SELECT 1"])
        .exits(1)
        .says("nothing of tenant unknown")
        .says(TENANT);
}

#[test]
fn errors_are_one_line_with_a_suggestion() {
    let place = Place::with_records();
    for (sql, error) in [
        (
            "SELECT userid2 FROM m365_audit",
            "error: no column `userid2`; did you mean `user_id`? (line 1, column 8)",
        ),
        ("SELECT * FROM m365_signin", "did you mean `m365_signins`?"),
        ("SELEC 1", "error: "),
        (
            "DELETE FROM m365_audit",
            "error: only SELECT and EXPLAIN of a SELECT are allowed",
        ),
        ("", "error: "),
    ] {
        let run = place
            .lake(&["query", "--format", "csv", sql])
            .exits(1)
            .prints_exactly("")
            .says(error);
        let errors = run
            .stderr
            .lines()
            .filter(|line| line.starts_with("error: "))
            .count();
        assert_eq!(errors, 1, "{}", run.stderr);
        assert!(
            run.stderr
                .lines()
                .all(|line| line.starts_with("error: ") || line.starts_with("hint: ")),
            "{}",
            run.stderr
        );
    }
}

#[test]
fn names_resolve_whatever_their_case_and_underscores() {
    let place = Place::with_records();
    place
        .lake(&[
            "query",
            "--format",
            "csv",
            "SELECT max(UserId) AS u FROM m365_audit",
        ])
        .exits(0)
        .prints("user2@");
}

#[test]
fn time_is_limited() {
    let place = Place::with_records();
    let sql = "SELECT count(*) FROM generate_series(1, 100000000) a CROSS JOIN generate_series(1, 100000) b";
    place
        .lake(&["query", "--timeout", "200ms", sql])
        .exits(1)
        .says("time limit")
        .says("--timeout");
}

#[test]
fn a_plan_keeps_its_lines() {
    let place = Place::with_records();
    let run = place
        .lake(&["query", "EXPLAIN SELECT user_id FROM m365_audit LIMIT 1"])
        .exits(0);
    assert!(run.stdout.lines().count() > 3, "{}", run.stdout);
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let place = Place::with_records();
    let lake = text(&place.path("lake"));
    let sql = "SELECT value, 'some text to fill the pipe with' FROM generate_series(1, 3000000)";
    let mut child = command(&["--lake", &lake, "query", "--format", "csv", sql])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 16];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    assert!(output.status.success());
}

#[cfg(unix)]
#[test]
fn ctrl_c_cancels() {
    let place = Place::with_records();
    let lake = text(&place.path("lake"));
    let sql = "SELECT count(*) FROM generate_series(1, 100000000) a CROSS JOIN generate_series(1, 100000) b";
    let child = command(&["--lake", &lake, "query", sql])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Long enough for the handler to be there, also on a busy machine.
    std::thread::sleep(std::time::Duration::from_secs(2));
    let id = child.id().to_string();
    assert!(
        std::process::Command::new("kill")
            .args(["-INT", &id])
            .status()
            .unwrap()
            .success()
    );
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "error: cancelled\n"
    );
    assert_eq!(output.status.code(), Some(130));
}

/// As a disk that was full, or a copy that was not finished, leaves it.
#[test]
fn a_data_file_that_was_cut_off_is_named() {
    let place = Place::with_records();
    let day = format!("lake/tenants/{TENANT}/m365_audit/event_date=2026-10-01");
    let files = std::fs::read_dir(place.path(&day)).unwrap();
    let files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    let file = std::fs::File::options().write(true).open(&files[0]);
    file.unwrap().set_len(2_000).unwrap();
    let words = ".parquet` is corrupt: it is 2000 bytes long and was longer: it was cut off";
    for query in [
        "SELECT raw FROM m365_audit",
        "SELECT count(*) FROM m365_audit WHERE raw LIKE '%user1%'",
        "SELECT operation, count(*) FROM m365_audit GROUP BY 1",
    ] {
        place.lake(&["query", query]).exits(1).says(words);
    }
    let again = place.file("again.ndjson", &records(4));
    place
        .lake(&["ingest", &again])
        .exits(1)
        .says(words)
        .says("verify` names everything that is wrong");
}
