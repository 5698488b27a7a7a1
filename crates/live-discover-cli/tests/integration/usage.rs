//! Arguments that cannot be used, help, and the commands that need no lake.

use crate::run::{Place, command, run};

#[test]
fn wrong_arguments_exit_with_2() {
    for arguments in [
        &[][..],
        &["frobnicate"],
        &["ingest"],
        &["--lake", "l", "ingest"],
        &["--lake", "l", "ingest", "--source", "xml", "f"],
        &["--lake", "l", "ingest", "--tenant", "contoso.com", "f"],
        &["--lake", "l", "query"],
        &["--lake", "l", "query", "SELECT 1", "-f", "a.sql"],
        &["--lake", "l", "query", "--format", "xls", "SELECT 1"],
        &["--lake", "l", "query", "--timeout", "soon", "SELECT 1"],
        &["--lake", "l", "query", "--memory", "lots", "SELECT 1"],
        &["--lake", "l", "query", "--tenant", "everyone", "SELECT 1"],
        &["columns", "m365_sign_ins"],
        &["demo", "--records", "0"],
    ] {
        let run = run(arguments);
        assert_eq!(run.code, 2, "{arguments:?}: {}", run.stderr);
        assert_eq!(run.stdout, "", "{arguments:?}");
    }
}

#[test]
fn a_lake_has_to_be_named() {
    for arguments in [&["status"][..], &["query", "SELECT 1"], &["ingest", "f"]] {
        run(arguments).exits(2).says("LIVE_DISCOVER_LAKE");
    }
}

#[test]
fn the_lake_may_come_from_the_environment() {
    let place = Place::with_records();
    let output = command(&[
        "query",
        "--format",
        "csv",
        "SELECT count(*) AS n FROM m365_audit",
    ])
    .env("LIVE_DISCOVER_LAKE", place.path("lake"))
    .output();
    assert_eq!(String::from_utf8(output.unwrap().stdout).unwrap(), "n\n3\n");
}

#[test]
fn every_command_has_help_with_an_example() {
    for name in [
        "ingest",
        "query",
        "columns",
        "demo",
        "collect",
        "coverage",
        "maintain",
        "networks show",
        "networks set",
        "integrations add",
        "integrations list",
        "integrations show",
        "integrations check",
        "integrations consent-url",
        "integrations pause",
        "integrations resume",
        "integrations remove",
    ] {
        let words: Vec<&str> = name.split(' ').chain(["--help"]).collect();
        run(&words)
            .exits(0)
            .prints("Example")
            .prints(&format!(" {name}"));
    }
    run(&["--help"])
        .exits(0)
        .prints("Examples:")
        .prints("Exit codes:");
}

#[test]
fn a_similar_table_is_suggested() {
    run(&["columns", "m365_signin"])
        .exits(2)
        .says("m365_signins");
}

#[test]
fn tables_and_columns_are_listed() {
    run(&["tables"])
        .exits(0)
        .prints("m365_audit")
        .prints("m365_content")
        .prints("m365_signins");
    run(&["columns", "m365_audit"])
        .exits(0)
        .prints("creation_time")
        .prints("CreationTime");
    run(&["columns", "M365_SignIns"])
        .exits(0)
        .prints("logon_error");
    run(&["columns", "m365_rejects"])
        .exits(0)
        .prints("byte_offset");
}
