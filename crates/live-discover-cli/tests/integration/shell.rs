//! `shell`, as it reads from a pipe.

use std::io::Write;
use std::process::Stdio;

use crate::run::{Place, Run, command, text};

fn shell(place: &Place, arguments: &[&str], input: &str) -> Run {
    let lake = text(&place.path("lake"));
    let mut child = command(&[&["--lake", &lake, "shell"], arguments].concat())
        // The history of whoever runs the tests stays theirs.
        .env("HOME", place.path("home"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    child.wait_with_output().unwrap().into()
}

#[test]
fn questions_are_answered_one_after_the_other() {
    let place = Place::with_records();
    let run = shell(
        &place,
        &["--format", "csv"],
        "SELECT count(*) AS n FROM m365_audit;\n\
         SELECT user_idd FROM m365_audit;\n\
         SELECT user_id\nFROM m365_audit\nORDER BY 1 LIMIT 1;\n\
         \\from 2026-10-02\n\
         SELECT count(*) AS later FROM m365_audit;\n\
         \\quit\n\
         SELECT 'not reached';\n",
    )
    .exits(0)
    .says("no column `user_idd`; did you mean `user_id`?");
    for answer in ["n\n3\n", "user_id\nuser0@contoso.example\n", "later\n0\n"] {
        assert!(run.stdout.contains(answer), "{answer:?} in {}", run.stdout);
    }
    assert!(!run.stdout.contains("not reached"));
}

#[test]
fn commands_show_what_there_is() {
    let place = Place::with_records();
    shell(
        &place,
        &[],
        "\\help\n\\tables\n\\columns m365_signins\n\\queries\n\\show top_users\n\\run top_users\n\\nonsense\n",
    )
    .exits(0)
    .prints("\\run ID")
    .prints("m365_signins")
    .prints("logon_error")
    .prints("Most active users")
    .says("no command `\\nonsense`");
    shell(&place, &["-o", "x.csv"], "")
        .exits(2)
        .says("many results");
}
