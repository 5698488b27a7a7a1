//! How the content types are doing after a run, and what that means for the exit code.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

use super::arrivals::{Arrivals, Arrived};
use crate::credentials::Credentials;
use crate::failure::Failure;
use crate::library::{FeedHealth, Health, PollSummary, Stop, StopCause, TenantId, TenantOutcome};
use crate::output::{list_width, note};
use crate::show::{Column, Grid};
use crate::units;

/// The state of a content type that never had content.
const NOTHING_YET: &str = "waiting";

/// A table of the content types on standard output.
pub(super) fn print(summary: &PollSummary, arrivals: &Arrivals) -> Result<(), Failure> {
    let mut rows = Vec::new();
    for tenant in &summary.tenants {
        let Some(health) = &tenant.health else {
            continue;
        };
        for (content_type, feed) in &health.content_types {
            let arrived = arrivals.of(tenant.tenant, content_type);
            rows.push(row(tenant.tenant, content_type, health, feed, arrived));
        }
    }
    if rows.is_empty() {
        return Ok(());
    }
    // One tenant is not told from others.
    if summary.tenants.len() == 1 {
        for row in &mut rows {
            row[0] = None;
        }
    }
    let grid = Grid {
        columns: vec![
            Column::text("tenant"),
            Column::text("content type"),
            Column::text("state"),
            Column::number("blobs"),
            Column::number("records"),
            Column::number("waiting"),
            Column::text("what is wrong"),
        ],
        rows,
    };
    crate::output::print(&grid.without_empty_columns().draw_wrapped(list_width()))
}

fn row(
    tenant: TenantId,
    content_type: &str,
    health: &Health,
    feed: &FeedHealth,
    arrived: Arrived,
) -> Vec<Option<String>> {
    let (state, remark) = state_of(health, feed);
    vec![
        Some(tenant.to_string()),
        Some(content_type.to_owned()),
        Some(state.to_owned()),
        Some(units::count(arrived.stored)),
        Some(units::count(arrived.records)),
        Some(units::count(feed.backlog)),
        remark.map(|remark| units::printable(&remark).into_owned()),
    ]
}

/// The state of a content type in a word, and what there is to say in a few.
pub(crate) fn state_of(health: &Health, feed: &FeedHealth) -> (&'static str, Option<String>) {
    match health.stopped.as_ref().or(feed.stopped.as_ref()) {
        Some(stop) if is_failure(stop) => ("failing", Some(stop.cause.to_string())),
        _ if feed.backlog > 0 => ("behind", None),
        Some(_) => ("no activity", None),
        None if feed.last_blob_micros.is_none() => (NOTHING_YET, None),
        None => ("ok", None),
    }
}

/// What there is to say to those who may wait for nothing, or miss something.
fn notes(summary: &PollSummary, arrived: &Arrived) {
    let healths = || {
        summary
            .tenants
            .iter()
            .filter_map(|tenant| tenant.health.as_ref())
    };
    let feeds = healths().flat_map(|health| {
        let feeds = health.content_types.iter();
        feeds.map(|(name, feed)| (name.as_str(), state_of(health, feed).0))
    });
    let empty: BTreeSet<&str> = feeds
        .filter(|(_, state)| *state == NOTHING_YET)
        .map(|(name, _)| name)
        .collect();
    if !empty.is_empty() {
        let names: Vec<&str> = empty.into_iter().collect();
        note(&format!(
            "note: nothing has come yet of {}; the first content may take up to 12 hours after auditing or a subscription \
             is turned on",
            names.join(", ")
        ));
    }
    let silent = healths().flat_map(Health::stops);
    for (_, stop) in silent.filter(|(_, stop)| !is_failure(stop)) {
        note(&format!("note: {}", units::printable(&stop.message)));
    }
    if arrived.lost_windows > 0 {
        note(&format!(
            "note: {} not listed while Microsoft had the content: `coverage --losses` says which and why",
            units::counted(arrived.lost_windows, "window was", "windows were")
        ));
    }
    if arrived.lost > 0 {
        note(&format!(
            "note: {} lost: `coverage --losses` says which and why",
            units::counted(arrived.lost, "blob is", "blobs are")
        ));
    }
}

/// That nobody does anything is no failure.
pub(crate) fn is_failure(stop: &Stop) -> bool {
    stop.cause != StopCause::NoActivity
}

/// A line for people on what a run brought.
pub(super) fn sum(summary: &PollSummary, arrived: &Arrived, elapsed: Duration) {
    note(&format!(
        "{} and {} in {}; {} waiting",
        units::counted(
            summary.settled() - arrived.lost.min(summary.settled()),
            "blob",
            "blobs"
        ),
        units::counted(summary.records(), "record", "records"),
        units::elapsed(elapsed),
        units::counted(summary.backlog(), "blob is", "blobs are"),
    ));
    notes(summary, arrived);
}

/// Whether nothing is left to be done, or why not.
pub(super) fn outcome(
    summary: &PollSummary,
    credentials: &Credentials,
) -> Result<ExitCode, Failure> {
    let mut reasons: Vec<String> = Vec::new();
    let (mut feeds, mut failing) = (0_u64, 0_u64);
    let mut hint = None;
    for tenant in &summary.tenants {
        match &tenant.outcome {
            TenantOutcome::LedByOther(holder) => reasons.push(format!(
                "tenant {} is collected by process {} on {}, which leads",
                tenant.tenant, holder.pid, holder.host
            )),
            TenantOutcome::Failed(message) => {
                reasons.push(format!("tenant {}: {message}", tenant.tenant));
            }
            _ => {}
        }
        let Some(health) = &tenant.health else {
            continue;
        };
        for (_, stop) in health.stops().filter(|(_, stop)| is_failure(stop)) {
            // What is wrong with all is not said for each.
            if !reasons.contains(&stop.message) {
                reasons.push(stop.message.clone());
            }
            if stop.cause == StopCause::Credential && !credentials.has(tenant.tenant) {
                hint = Some(
                    "say where it is: --client-secret-env NAME, or --certificate FILE --private-key FILE",
                );
            }
        }
        for feed in health.content_types.values() {
            let (state, _) = state_of(health, feed);
            feeds += 1;
            failing += u64::from(state == "failing");
            if let ("behind", Some(error)) = (state, &feed.last_error)
                && !reasons.contains(error)
            {
                reasons.push(error.clone());
            }
        }
    }
    for reason in &reasons {
        note(&units::printable(reason));
    }
    let backlog = summary.backlog();
    let failure = match (failing, backlog) {
        (0, 0) if reasons.is_empty() => return Ok(ExitCode::SUCCESS),
        (0, 0) => Failure::new("not everything could be collected"),
        (0, _) => Failure::new(format!(
            "work is left: {} waiting; the same command goes on",
            units::counted(backlog, "blob is", "blobs are")
        )),
        _ => Failure::new(format!(
            "{failing} of {} {} failing; {} waiting",
            units::counted(feeds, "content type", "content types"),
            if failing == 1 { "is" } else { "are" },
            units::counted(backlog, "blob is", "blobs are")
        )),
    };
    Err(match hint {
        Some(hint) => failure.with_hint(hint),
        None => failure,
    })
}
