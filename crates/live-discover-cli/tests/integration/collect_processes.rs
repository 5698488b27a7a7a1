//! `collect` as processes that are killed, told to stop, and run side by side.

use std::process::{Child, Command};

use audit_testkit::FaultTrigger;
use audit_testkit::api::{ApiFault, ApiFaultKind, ApiOperation, Truncation};

use crate::service::{Service, files, wait_until};

/// How often a collection is run at most until nothing is left.
const RUNS_MAX: u32 = 10;

/// Campaigns, each with other moments.
const SEEDS: u64 = 4;

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill")
        .args([name, &child.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
}

/// Faults that pass, at a low rate. Starts are spared: one that fails is not tried again for 15 minutes.
fn add_faults(service: &Service) {
    let kinds = [
        ApiFaultKind::Unauthorized,
        ApiFaultKind::InternalError,
        ApiFaultKind::Reset,
        ApiFaultKind::ResetAfter,
        ApiFaultKind::Truncated(Truncation::ShorterThanDeclared),
        ApiFaultKind::Truncated(Truncation::Silent),
    ];
    for operation in [ApiOperation::ListContent, ApiOperation::GetBlob] {
        for kind in &kinds {
            let fault = ApiFault::new(kind.clone()).on(operation);
            service.server.fault(fault.when(FaultTrigger::PerMille(3)));
        }
    }
}

#[test]
fn killed_at_any_moment_it_goes_on_and_has_each_record_once() {
    let mut killed = 0;
    for seed in 0..SEEDS {
        let service = Service::connected(1_500);
        add_faults(&service);
        let blobs = service.server.truth().len() as u64;
        // By what was asked, and by what was written: the moments spread over the whole run.
        for round in 0..6_u64 {
            let mut child = service.spawn(&["collect"]);
            let asked = service.blobs_asked() + (seed * 7 + round * 11) % blobs;
            let total = service.server.requests().total() + 1 + (seed * 5 + round * 3) % 20;
            let written =
                files(&service.lake()).len() + 1 + ((seed * 13 + round * 7) % 25) as usize;
            wait_until(&mut child, || match round % 3 {
                0 => service.blobs_asked() >= asked,
                1 => service.server.requests().total() >= total,
                _ => files(&service.lake()).len() >= written,
            });
            child.kill().unwrap();
            killed += u32::from(!child.wait().unwrap().success());
        }
        service.server.heal();
        let runs = (1..=RUNS_MAX).find(|_| service.run(&["collect"]).code == 0);
        assert!(runs.is_some(), "work is left after {RUNS_MAX} runs");
        service.check_each_once();
    }
    println!("{killed} killed in the middle");
    assert!(killed >= 12, "{killed}");
}

#[test]
fn two_at_once_have_each_record_once() {
    let service = Service::connected(1_500);
    let children = [(), ()].map(|()| service.spawn(&["collect"]));
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    service.check_each_once();
    // One led: no blob was asked for twice.
    assert_eq!(service.blobs_asked(), service.server.truth().len() as u64);
}

#[test]
fn told_to_stop_it_ends_with_130_and_the_next_one_goes_on() {
    let service = Service::connected(1_500);
    service
        .tenant
        .configure(|settings| settings.latency = std::time::Duration::from_millis(20));
    for name in ["-INT", "-TERM"] {
        let before = service.blobs_asked();
        let mut child = service.spawn(&["collect", "--once"]);
        wait_until(&mut child, || service.blobs_asked() >= before + 5);
        signal(&child, name);
        assert_eq!(child.wait().unwrap().code(), Some(130));
    }
    service.run(&["collect"]).exits(0);
    service.check_each_once();
}

#[test]
fn following_it_collects_until_told_to_stop() {
    let service = Service::connected(1_000);
    let blobs = service.server.truth().len() as u64;
    for name in ["-INT", "-TERM"] {
        let listings = || service.server.requests().of(ApiOperation::ListContent);
        let before = listings();
        let mut child = service.spawn(&["collect", "--follow"]);
        wait_until(&mut child, || {
            service.blobs_asked() >= blobs && listings() > before
        });
        signal(&child, name);
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
    service.run(&["collect"]).exits(0);
    service.check_each_once();
}
