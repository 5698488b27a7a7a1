//! `queries` and `categories`, and templates in `query`.

use crate::run::{Place, Run, TENANT, command, run};

const OURS: &str = "\
-- id: by_user
-- category: ours
-- name: Records of a user
-- description: How many records a user has.
-- tactic: discovery
-- variable $$user$$ user: who
-- column records: number of records
SELECT count(*) AS records FROM m365_audit WHERE user_id = $$user$$
";

#[test]
fn bundled_queries_are_listed_and_shown_without_a_lake() {
    run(&["queries", "list"])
        .exits(0)
        .prints("top_users")
        .says("queries show ID");
    let run_ = run(&["queries", "list", "--tactic", "exfiltration"]).exits(0);
    assert!(!run_.stdout.contains("top_users"), "{}", run_.stdout);
    run(&["queries", "list", "--tactic", "cooking"]).exits(2);
    run(&["queries", "show", "top_users"])
        .exits(0)
        .prints("Most active users")
        .prints("SELECT");
    run(&["queries", "show", "top_user"])
        .exits(1)
        .says("no query `top_user`; did you mean `top_users`?");
}

/// Scripts take ids from lists.
#[test]
fn lists_are_for_programs_too() {
    let id = "sensitivity_labels_downgraded";
    let is_whole = |list: &str| list.lines().any(|line| line.contains(id));
    assert!(is_whole(&run(&["queries", "list"]).exits(0).stdout));
    let narrow = command(&["queries", "list"]).env("COLUMNS", "60").output();
    assert!(!is_whole(&Run::from(narrow.unwrap()).exits(0).stdout));
    let csv = ["queries", "list", "--format", "csv"];
    let csv = run(&csv).exits(0).says("queries show ID").stdout;
    assert_eq!(csv.lines().next(), Some("id,name,severity,techniques"));
    assert!(csv.lines().any(|line| line.starts_with(&format!("{id},"))));
    run(&["tables", "--format", "ndjson"])
        .exits(0)
        .prints("{\"name\":\"m365_audit\",\"kind\":\"table\",\"columns\":");
    run(&["columns", "m365_rejects", "--format", "csv"])
        .exits(0)
        .prints("column,type,field_of_the_record,meaning\n");
    run(&["queries", "list", "--category", "no", "--format", "csv"])
        .exits(0)
        .prints_exactly("id,name,severity,techniques\n");
    run(&["queries", "list", "--category", "no"])
        .exits(0)
        .prints_exactly("");
    run(&["queries", "list", "--format", "parquet"]).exits(2);
    Place::with_records()
        .lake(&["categories", "--format", "ndjson"])
        .exits(0)
        .prints("{\"id\":\"microsoft_365_audit\",");
}

#[test]
fn a_query_runs_over_the_range_that_is_asked_for() {
    let place = Place::with_records();
    let all = [
        "queries",
        "run",
        "top_operations",
        "--format",
        "csv",
        "--from",
        "all",
    ];
    place.lake(&all).exits(0).prints("UserLoggedIn");
    // The records are of 2026-10-01, 08:00 to 08:02.
    for (from, to, found) in [
        ("2026-10-01", "2026-10-02", true),
        ("2026-10-01T08:02:00Z", "2026-10-01T09:00:00Z", true),
        ("2026-09-01", "2026-10-01", false),
    ] {
        let run = place
            .lake(&[
                "queries",
                "run",
                "top_operations",
                "--format",
                "csv",
                "--from",
                from,
                "--to",
                to,
            ])
            .exits(0);
        assert_eq!(run.stdout.contains("UserLoggedIn"), found, "{from} {to}");
    }
    place
        .lake(&["queries", "run", "top_operations", "--from", "yesterday"])
        .exits(1)
        .says("`yesterday` is no time");
}

#[test]
fn queries_come_and_go_as_files() {
    let place = Place::with_records();
    let file = place.file("by_user.sql", OURS);
    place
        .lake(&["queries", "import", &file])
        .exits(0)
        .says("imported by_user into the category ours");
    place
        .lake(&["queries", "list", "--category", "ours"])
        .exits(0)
        .prints("by_user");
    let ask = [
        "queries", "run", "by_user", "--from", "all", "--format", "csv",
    ];
    place
        .lake(&ask)
        .exits(1)
        .says("`user`")
        .says("--var 'NAME=VALUE'");
    place
        .lake(&[&ask[..], &["--var", "user=user1@contoso.example"]].concat())
        .exits(0)
        .prints_exactly("records\n1\n");
    place
        .lake(&["queries", "export", "by_user"])
        .exits(0)
        .prints_exactly(OURS);
    place.lake(&["queries", "remove", "by_user"]).exits(0);
    place.lake(&["queries", "show", "by_user"]).exits(1);
    place
        .lake(&["queries", "remove", "top_users"])
        .exits(1)
        .says("bundled");
}

#[test]
fn a_wrong_file_is_refused_with_its_line() {
    let place = Place::with_records();
    for (text, expected) in [
        (
            OURS.replace("-- tactic: discovery", "-- tactic: cooking"),
            "line 5",
        ),
        (
            OURS.replace("WHERE user_id", "WHERE user_idd"),
            "`user_idd`",
        ),
        (
            OURS.replace("$$user$$\n", "'a'\n"),
            "does not use the variable `user`",
        ),
    ] {
        let file = place.file("wrong.sql", &text);
        place
            .lake(&["queries", "import", &file])
            .exits(1)
            .says("wrong.sql")
            .says(expected);
    }
    place.lake(&["queries", "show", "by_user"]).exits(1);
}

#[test]
fn the_category_shows_once_there_is_data() {
    let place = Place::with_records();
    place
        .lake(&["categories"])
        .exits(0)
        .prints("microsoft_365_audit")
        .prints("Microsoft 365 audit data");
    place
        .lake(&["categories", "--tenant", TENANT])
        .exits(0)
        .prints("microsoft_365_audit");
}

#[test]
fn a_template_takes_variables_and_lookups() {
    let place = Place::with_records();
    place
        .lake(&[
            "query",
            "--format",
            "csv",
            "--var",
            "user=user2@contoso.example",
            "SELECT source_ip FROM m365_audit WHERE user_id = '$$user$$' [[AND operation = $$operation$$]]",
        ])
        .exits(0)
        .prints_exactly("source_ip\n192.0.2.2\n");
    place
        .lake(&["query", "--var", "user", "SELECT $$user$$"])
        .exits(2)
        .says("NAME=VALUE");
    let lookup = format!(
        "iocs={}",
        place.file("iocs.csv", "IP,note\n192.0.2.1,bad\n")
    );
    place
        .lake(&[
            "query",
            "--format",
            "csv",
            "--lookup",
            &lookup,
            "SELECT user_id, note FROM m365_audit JOIN iocs ON source_ip = ip",
        ])
        .exits(0)
        .prints_exactly("user_id,note\nuser1@contoso.example,bad\n");
}
