//! `watch`: add, list, advance, remove.

use crate::run::{Place, TENANT, records};

const RULES: &str =
    "SELECT id, user_id FROM m365_audit WHERE operation = 'UserLoggedIn' ORDER BY id";

#[test]
fn what_arrives_is_reported_once() {
    let place = Place::with_records();
    let query = place.file("logins.sql", RULES);
    place
        .lake(&["watch", "advance", "--all"])
        .exits(0)
        .says("no watches");
    place
        .lake(&["watch", "add", "-f", &query])
        .exits(0)
        .says(&format!(
            "added logins for tenant {TENANT}: begins with the records that arrive from now on"
        ));
    place
        .lake(&[
            "watch",
            "add",
            "-f",
            &query,
            "--name",
            "all",
            "--from-start",
            "--key",
            "UserId",
        ])
        .exits(0)
        .says("begins with the first record");
    place
        .lake(&["watch", "list"])
        .exits(0)
        .prints("logins")
        .prints("user_id");
    let list = ["watch", "list", "--format", "csv"];
    let list = place.lake(&list).exits(0).prints("\nlogins,").stdout;
    assert!(list.starts_with("name,query,key,looks_back,commit,waiting,tenant\n"));
    place
        .lake(&["watch", "advance", "logins"])
        .exits(0)
        .prints_exactly("")
        .says("logins: nothing new");

    let more = place.file("more.ndjson", &records(4));
    place.lake(&["ingest", &more]).exits(0);
    let run = place
        .lake(&["watch", "advance", "logins", "--format", "csv"])
        .exits(0)
        .says("logins: 1 new result");
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert_eq!(lines[0], "watch,result_id,id,user_id");
    assert_eq!(lines.len(), 2);
    assert!(lines[1].starts_with("logins,"));
    assert!(lines[1].ends_with(",00000003-0000-4000-8000-000000000000,user3@contoso.example"));

    let run = place
        .lake(&["watch", "advance", "--all", "--format", "ndjson"])
        .exits(0)
        .says("all: 4 new results")
        .says("logins: nothing new");
    assert_eq!(run.stdout.lines().count(), 4);
    let first: serde_json::Value =
        serde_json::from_str(run.stdout.lines().next().unwrap()).unwrap();
    assert_eq!(first["watch"], "all");
    assert_eq!(first["result_id"].as_str().unwrap().len(), 32);

    place.lake(&["watch", "remove", "all"]).exits(0);
    let run = place.lake(&["watch", "list"]).exits(0);
    assert_eq!(run.stdout.matches("SELECT").count(), 1, "{}", run.stdout);
}

#[test]
fn bundled_queries_are_watched_by_their_id() {
    let place = Place::with_records();
    place
        .lake(&[
            "watch",
            "add",
            "top_users",
            "--look-back",
            "1h",
            "--key",
            "user_id",
        ])
        .exits(0)
        .says("added top_users")
        .says("looks back 1h");
    let more = place.file("more.ndjson", &records(4));
    place.lake(&["ingest", &more]).exits(0);
    place
        .lake(&["watch", "advance", "top_users"])
        .exits(0)
        .prints("user3@");
}

#[test]
fn a_watch_that_cannot_go_on_does_not_keep_the_others() {
    let place = Place::with_records();
    let users = place.file("users.csv", "who\nuser3@contoso.example\n");
    let lookup = format!("vips={users}");
    let vips = place.file(
        "a.sql",
        "SELECT id FROM m365_audit JOIN vips ON user_id = who",
    );
    let all = place.file("b.sql", RULES);
    place
        .lake(&["watch", "add", "-f", &vips, "--lookup", &lookup])
        .exits(0);
    place.lake(&["watch", "add", "-f", &all]).exits(0);
    let more = place.file("more.ndjson", &records(4));
    place.lake(&["ingest", &more]).exits(0);
    place
        .lake(&["watch", "advance", "--all"])
        .exits(1)
        .says("no table `vips`")
        .says("b: 1 new result")
        .says("error: 1 of 2 watches could not be advanced");
    place
        .lake(&["watch", "advance", "--all", "--lookup", &lookup])
        .exits(0)
        .says("a: 1 new result")
        .says("b: nothing new");
}

#[test]
fn mistakes_are_told() {
    let place = Place::with_records();
    let query = place.file("logins.sql", RULES);
    place.lake(&["watch", "add", "-f", &query]).exits(0);
    for (arguments, code, error) in [
        (&["watch", "add", "-f", &query][..], 1, "already"),
        (
            &["watch", "add", "top_user"],
            1,
            "did you mean `top_users`?",
        ),
        (
            &["watch", "add", "top_users", "--key", "userid2"],
            1,
            "no column `userid2`",
        ),
        (&["watch", "add"], 2, "<ID>"),
        (&["watch", "advance"], 2, "<NAME>"),
        (
            &["watch", "advance", "login"],
            1,
            "there is no watch `login`",
        ),
        (
            &["watch", "advance", "--all", "--format", "csv"],
            2,
            "one header",
        ),
        (
            &["watch", "remove", "login"],
            1,
            "there is no watch `login`",
        ),
    ] {
        place.lake(arguments).exits(code).says(error);
    }
}
