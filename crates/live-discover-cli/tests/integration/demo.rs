//! `demo`, small.

use crate::run::{Place, run, text};

#[test]
fn the_demo_runs_and_runs_again() {
    let place = Place::new();
    let folder = text(&place.path("demo"));
    let demo = || run(&["demo", "--records", "2000", "--dir", &folder]);
    demo()
        .exits(0)
        .prints("1. Generated ")
        .prints("2. Added an integration of tenant ")
        .prints("3. Collected it into ")
        .prints("2,000 records added")
        .prints("What is there, by the day")
        .prints("Records over time")
        .prints("█")
        .prints("Most frequent operations")
        .prints("Try next");
    demo()
        .exits(0)
        .prints("is here from before")
        .prints("0 records added");
    run(&["demo", "--records", "3000", "--dir", &folder])
        .exits(1)
        .says("another size")
        .says("hint: remove it");

    let lake = text(&place.path("demo/lake"));
    run(&[
        "--lake",
        &lake,
        "query",
        "--format",
        "csv",
        "SELECT count(*) AS n FROM m365_audit",
    ])
    .exits(0)
    .prints_exactly("n\n2000\n");
    // Nobody looks for a service that is gone.
    run(&["--lake", &lake, "collect"])
        .exits(0)
        .says("is paused");
}

#[test]
fn a_demo_that_was_interrupted_begins_anew() {
    let place = Place::new();
    let folder = text(&place.path("demo"));
    let demo = || run(&["demo", "--records", "500", "--dir", &folder]);
    demo().exits(0);
    let marker = place.path("demo/demo.txt");
    let complete = std::fs::read_to_string(&marker).unwrap();
    let interrupted = complete.replace(
        "It is complete.",
        "It is not complete: run again, it begins anew.",
    );
    assert_ne!(interrupted, complete);
    std::fs::write(&marker, interrupted).unwrap();
    demo().exits(0).prints("500 records added");
}

#[test]
fn a_folder_that_is_something_else_is_left_alone() {
    let place = Place::new();
    place.file("mine/notes.txt", "mine");
    let folder = text(&place.path("mine"));
    run(&["demo", "--records", "10", "--dir", &folder])
        .exits(1)
        .says("in use for something else");
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
}

#[test]
fn what_the_demo_advises_works() {
    let place = Place::new();
    let folder = text(&place.path("demo"));
    let output = run(&["demo", "--records", "2000", "--dir", &folder])
        .exits(0)
        .stdout;
    let advice = output.split_once("Try next").unwrap().1;
    let lines = advice
        .lines()
        .filter(|line| line.contains(" query \"") && !line.contains(" -o "));
    let mut tried = 0;
    for line in lines {
        let (_, sql) = line.split_once('"').unwrap();
        let lake = text(&place.path("demo/lake"));
        run(&[
            "--lake",
            &lake,
            "query",
            sql.trim_end().trim_end_matches('"'),
        ])
        .exits(0)
        .prints("user_id");
        tried += 1;
    }
    assert_eq!(tried, 2);
}
