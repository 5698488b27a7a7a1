//! From an integration to answers, against a service that answers as Microsoft 365 does.

use std::path::Path;

use audit_testkit::api::{ApiFault, ApiFaultKind, ApiOperation, AppRegistration};

use crate::run::{Run, text};
use crate::service::{CLIENT_ID, SECRET, Service, TENANT, VARIABLE, files};

/// Made for the tests of the collector.
const CERTIFICATE: &str = "../audit-collector/tests/data/certificate.pem";
const PRIVATE_KEY: &str = "../audit-collector/tests/data/private-key.pem";
const OTHER_KEY: &str = "../audit-collector/tests/data/other-private-key.pem";
const PUBLIC_KEY: &str = include_str!("../../../audit-collector/tests/data/public-key.pem");

#[test]
fn a_tenant_is_added_collected_and_asked() {
    let service = Service::new(2_000);
    let networks = service
        .place
        .file("networks.txt", "192.0.2.0/24 # Berlin\ncontoso.example\n");
    service
        .add(&["--internal-networks", &networks, "--name", "Contoso"])
        .exits(0)
        .prints_exactly("")
        .says("awaiting consent")
        .says("ActivityFeed.Read")
        .says("integrations consent-url");
    service
        .run(&["integrations", "list"])
        .exits(0)
        .prints("Contoso")
        .prints("awaiting consent");
    let url = service.run(&[
        "integrations",
        "consent-url",
        TENANT,
        "--redirect",
        "https://localhost/consent",
    ]);
    url.exits(0)
        .prints(&format!(
            "{}/{TENANT}/v2.0/adminconsent?",
            service.server.login_root()
        ))
        .prints("redirect_uri=https%3A%2F%2Flocalhost%2Fconsent")
        .says("state=");
    service
        .run(&["integrations", "check", TENANT])
        .exits(0)
        .prints("met")
        .says("everything is as it has to be");

    // Another process, no further arguments.
    service
        .run(&["collect", "--once"])
        .exits(0)
        .prints("Audit.AzureActiveDirectory")
        .prints("DLP.All")
        .says("2,000 records");
    service.check_each_once();
    service
        .run(&["collect"])
        .exits(0)
        .says("0 blobs and 0 records");
    service
        .run(&["integrations", "show"])
        .exits(0)
        .prints("active")
        .prints("last record");
    service
        .run(&["status"])
        .exits(0)
        .prints("2,000 records")
        .prints("integration  active since");
    service
        .run(&[
            "query",
            "--format",
            "csv",
            "SELECT count(*) > 0 AS has FROM m365_audit WHERE is_internal_ip(source_ip)",
        ])
        .prints_exactly("has\ntrue\n");
    service
        .run(&["networks", "show"])
        .exits(0)
        .prints("192.0.2.0/24\ncontoso.example\n")
        .prints("# 10.0.0.0/8");
}

#[test]
fn coverage_has_a_row_for_each_day_and_names_what_is_lost() {
    let service = Service::connected(1_000);
    let truth = service.server.truth();
    let lost = (truth.iter())
        .min_by_key(|blob| blob.created_micros)
        .unwrap();
    service.server.fault(ApiFault {
        url_contains: lost.content_id.clone(),
        ..ApiFault::new(ApiFaultKind::ContentExpired).on(ApiOperation::GetBlob)
    });
    service.run(&["collect"]).exits(0).says("coverage --losses");

    service
        .run(&["coverage"])
        .exits(0)
        .prints(&format!("tenant {TENANT}"))
        .prints("Exchange")
        .prints("2026-10-04")
        .prints("complete")
        .prints("partial, 1 lost")
        .prints("waiting")
        .says("1 window or blob is lost");
    let csv = service
        .run(&["coverage", "--format", "csv"])
        .exits(0)
        .stdout;
    let header =
        "tenant,day,content_type,state,blobs,stored,waiting,lost,records,duplicates,rejects";
    assert_eq!(csv.lines().next(), Some(header));
    let sum = |column: usize| -> u64 {
        let rows = csv.lines().skip(1);
        rows.map(|row| row.split(',').nth(column).unwrap().parse::<u64>().unwrap())
            .sum()
    };
    assert_eq!(
        [sum(4), sum(5), sum(6), sum(7)],
        [truth.len() as u64, truth.len() as u64 - 1, 0, 1]
    );
    let losses = service.run(&[
        "coverage", "--losses", "--format", "ndjson", "--tenant", TENANT,
    ]);
    let losses = losses.exits(0).stdout;
    let loss: serde_json::Value = serde_json::from_str(losses.trim_end()).unwrap();
    assert_eq!(loss["tenant"], TENANT);
    assert_eq!(loss["content_type"], lost.content_type.as_str());
    assert_eq!(loss["content_id"], lost.content_id.as_str());
    assert_eq!(loss["from"], loss["to"]);
    assert!(loss["from"].as_str().unwrap().ends_with('Z'));
    assert!(
        loss["reason"].as_str().unwrap().contains("AF20051"),
        "{loss}"
    );
    service
        .run(&["coverage", "--losses"])
        .exits(0)
        .prints("content id");
}

#[test]
fn a_wrong_secret_is_said_in_words_and_no_secret_is_written_down() {
    let service = Service::connected(200);
    let wrong = "Wr0ng~secret-that-nobody-shall-read";
    let run = |arguments: &[&str]| {
        let mut command = service.command(arguments);
        Run::from(command.env(VARIABLE, wrong).output().unwrap())
    };
    let collected = run(&["collect"])
        .exits(1)
        .says("the client secret is wrong")
        .says(TENANT)
        .says("5 of 5 content types are failing");
    let checked = run(&["integrations", "check"])
        .exits(1)
        .prints("not met")
        .prints("AADSTS7000215")
        .says("not met");
    let status = service.run(&["status"]).exits(0).prints("failing since");
    // The right one counts at once.
    let right = service.run(&["collect"]).exits(0).says("200 records");
    for run in [collected, checked, status, right] {
        for secret in [wrong, SECRET] {
            assert!(!run.stdout.contains(secret) && !run.stderr.contains(secret));
        }
    }
    let kept = [files(&service.lake()), files(&service.config())].concat();
    assert!(kept.len() > 10);
    for file in kept {
        let bytes = std::fs::read(&file).unwrap();
        for secret in [wrong, SECRET] {
            let secret = secret.as_bytes();
            let is_in = bytes.windows(secret.len()).any(|window| window == secret);
            assert!(!is_in, "a secret is in {}", file.display());
        }
    }
}

#[test]
fn a_credential_that_is_not_found_is_asked_for_by_option() {
    let service = Service::connected(200);
    let elsewhere = text(&service.place.path("elsewhere"));
    let run = |arguments: &[&str], variable: Option<&str>| {
        let mut command = service.command(arguments);
        command.env("LIVE_DISCOVER_CONFIG", &elsewhere);
        if let Some(name) = variable {
            command.env(name, SECRET);
        }
        Run::from(command.output().unwrap())
    };
    run(&["collect"], None)
        .exits(1)
        .says(TENANT)
        .says("--client-secret-env NAME");
    run(
        &["integrations", "check", "--client-secret-env", VARIABLE],
        None,
    )
    .exits(0);
    run(&["collect"], Some("LIVE_DISCOVER_CLIENT_SECRET"))
        .exits(0)
        .says("200 records");
    run(&["collect", "--client-secret-env", VARIABLE], None).exits(0);
    let mut unset = service.command(&["collect"]);
    Run::from(unset.env_remove(VARIABLE).output().unwrap())
        .exits(1)
        .prints("the credential is missing or refused")
        .says(&format!("the environment variable {VARIABLE} is not set"));
}

#[test]
fn a_certificate_is_read_from_its_files_each_time() {
    let service = Service::new(200);
    service
        .tenant
        .register(AppRegistration::with_certificate(CLIENT_ID, PUBLIC_KEY));
    let add = |key: &str| {
        let files = ["--certificate", CERTIFICATE, "--private-key", key];
        service.add_with(&files, &["--no-internal-networks"])
    };
    add(OTHER_KEY)
        .exits(1)
        .says("it is not the key of this certificate");
    add("missing.pem").exits(1).says("missing.pem");
    add(PRIVATE_KEY).exits(0).says("private-key.pem");
    // From another folder: the paths were made absolute.
    let mut command = service.command(&["collect"]);
    command.current_dir(service.place.path("."));
    Run::from(command.output().unwrap())
        .exits(0)
        .says("200 records");
    service
        .run(&["integrations", "check"])
        .exits(0)
        .prints("accepted; it expires on");
}

#[test]
fn without_a_folder_for_configuration_the_credential_is_given_each_time() {
    let service = Service::new(200);
    let run = |arguments: &[&str]| {
        let mut command = service.command(arguments);
        for name in ["LIVE_DISCOVER_CONFIG", "XDG_CONFIG_HOME", "APPDATA", "HOME"] {
            command.env_remove(name);
        }
        Run::from(command.output().unwrap())
    };
    let (management_root, login_root) = (
        service.server.management_root(),
        service.server.login_root(),
    );
    run(&[
        "integrations",
        "add",
        "--tenant",
        TENANT,
        "--client-id",
        CLIENT_ID,
        "--client-secret-env",
        VARIABLE,
        "--management-root",
        &management_root,
        "--login-root",
        &login_root,
        "--no-internal-networks",
    ])
    .exits(0)
    .says("there is no folder for configuration");
    run(&["collect"]).exits(1).says("--client-secret-env NAME");
    run(&["collect", "--client-secret-env", VARIABLE])
        .exits(0)
        .says("200 records");
}

#[test]
fn nothing_yet_is_no_failure() {
    let service = Service::connected(0);
    service
        .run(&["collect"])
        .exits(0)
        .prints("waiting")
        .says("up to 12 hours")
        .says("0 blobs and 0 records");
    service
        .run(&["integrations", "list"])
        .exits(0)
        .prints("waiting for first data");
}

#[test]
fn one_content_type_that_fails_is_named_and_does_not_stop_the_others() {
    let service = Service::connected(1_000);
    service
        .server
        .fault(ApiFault::new(ApiFaultKind::PermissionMissing).of("DLP.All"));
    service
        .run(&["collect"])
        .exits(1)
        .prints("failing")
        .says("DLP.All")
        .says("the application lacks a permission")
        .says("1 of 5 content types is failing");
    service.server.heal();
}

#[test]
fn an_integration_is_paused_resumed_and_removed() {
    let service = Service::connected(200);
    service
        .run(&["integrations", "pause", TENANT, "--reason", "a test"])
        .exits(0)
        .says("paused");
    service
        .run(&["collect"])
        .exits(0)
        .says("is paused")
        .says("0 records");
    assert_eq!(service.server.requests().total(), 0);
    service
        .run(&["integrations", "show", "--tenant", TENANT])
        .exits(0)
        .prints("paused")
        .prints("a test");
    service
        .run(&["integrations", "resume"])
        .exits(0)
        .says("connecting");
    service.run(&["collect"]).exits(0).says("200 records");
    service.run(&["integrations", "remove"]).exits(2);
    service
        .run(&["integrations", "remove", TENANT, "--delete-data"])
        .exits(2);
    service
        .run(&["integrations", "remove", TENANT])
        .exits(0)
        .says("its data stays");
    service.run(&["status"]).exits(0).prints("200 records");
    service
        .run(&["collect"])
        .exits(1)
        .says("the lake has no integration");
    service
        .run(&["collect", "--tenant", TENANT])
        .exits(1)
        .says("was removed");
    let config = std::fs::read_to_string(service.config().join("credentials.json")).unwrap();
    assert!(!config.contains(TENANT), "{config}");
    // Again, over the data that is there.
    service.add(&[]).exits(0);
    service.add(&[]).exits(1).says("has an integration already");
    service.run(&["collect"]).exits(0).says("0 records");
    service
        .run(&["integrations", "remove", TENANT, "--delete-data", "--yes"])
        .exits(0)
        .says("all that the lake had");
    service.run(&["status"]).exits(0).prints("0 records");
}

#[test]
fn the_first_integration_asks_what_is_inside() {
    let service = Service::new(0);
    service
        .add(&[])
        .exits(2)
        .says("--internal-networks FILE")
        .says("--no-internal-networks");
    assert!(!service.lake().exists());
    let wrong = service.place.file("wrong.txt", "203.0.113.0/33\n");
    service
        .add(&["--internal-networks", &wrong])
        .exits(2)
        .says("203.0.113.0/33");
    service.add(&["--no-internal-networks"]).exits(0);
    service.run(&["networks", "show"]).exits(0).says("declined");
    let file = service
        .place
        .file("networks.txt", "203.0.113.0/24, contoso.example");
    service
        .run(&["networks", "set", &file])
        .exits(0)
        .says("1 network and 1 domain");
    service
        .run(&["networks", "show"])
        .exits(0)
        .prints("203.0.113.0/24\ncontoso.example\n");
}

#[test]
fn arguments_that_do_not_fit_exit_with_2() {
    let add = |more: &[&'static str]| {
        let begin = [
            "--lake",
            "l",
            "integrations",
            "add",
            "--tenant",
            TENANT,
            "--client-id",
        ];
        [&begin[..], &["5d1f0c2b-7a3e-4c88-b1d6-90e4a2f37c15"], more].concat()
    };
    let mut cases = vec![
        add(&[]),
        add(&[
            "--client-secret-env",
            "A",
            "--certificate",
            "a",
            "--private-key",
            "b",
        ]),
        add(&["--certificate", "a"]),
        add(&["--client-secret-env", "A", "--cloud", "moon"]),
        add(&["--client-secret-env", "A", "--management-root", "http://a"]),
        add(&[
            "--client-secret-env",
            "A",
            "--content-type",
            "Audit.Everything",
        ]),
        add(&[
            "--client-secret-env",
            "A",
            "--late-hours",
            "0",
            "--no-internal-networks",
        ]),
        add(&["--client-secret-env", "A=B", "--no-internal-networks"]),
        add(&["--client-secret", "s3cret"]),
    ];
    cases.push(vec!["--lake", "l", "collect", "--once", "--follow"]);
    cases.push(vec!["--lake", "l", "collect", "--tenant", "contoso.com"]);
    for arguments in cases {
        let run = crate::run::run(&arguments);
        assert_eq!(run.code, 2, "{arguments:?}: {}", run.stderr);
    }
    assert!(!Path::new("l").exists(), "a mistake makes no lake");
}
