//! `collect`: what the audit logs of the connected tenants have, into the lake.

mod arrivals;
mod follow;
mod report;

use std::collections::BTreeSet;
use std::future::Future;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::{Either, select};
use indicatif::ProgressBar;
use tokio_util::sync::CancellationToken;

use super::ingest::bar;
use super::open_connected;
use crate::args;
use crate::credentials::{Credentials, Place};
use crate::failure::Failure;
use crate::library::{
    Collector, CollectorError, CollectorOptions, Health, Integration, IntegrationState,
    Integrations, Lake, PollSummary, TenantId,
};
use crate::output::note;
use crate::signals::Signals;
use crate::units;
pub(super) use arrivals::{Arrivals, Arrived};
pub(super) use report::{is_failure, state_of};

/// How often the bar is drawn: each time the ledgers are looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(300);
/// How often a line tells how far it is where there is no bar.
const LINE_INTERVAL: Duration = Duration::from_secs(15);

pub(crate) async fn run(location: &str, arguments: args::Collect) -> Result<ExitCode, Failure> {
    let lake = open_connected(location).await?;
    let integrations = Integrations::new(lake.clone());
    let wanted: BTreeSet<TenantId> = arguments.tenants.iter().copied().collect();
    let chosen = chosen(&integrations, &wanted).await?;
    let mut credentials = Credentials::of_lake(lake.url());
    if let Some(place) = Place::of(&arguments.credential)? {
        let [(tenant, _)] = chosen.as_slice() else {
            return Err(Failure::usage(
                "a credential is of one tenant: say whose with --tenant ID",
            )
            .with_hint("`integrations list` lists them"));
        };
        credentials = credentials.with(*tenant, place);
    }
    let collector = collector(lake.clone(), &credentials, CollectorOptions::default())?;
    let signals = Signals::new().map_err(|error| {
        Failure::new(format!("Ctrl-C and SIGTERM cannot be waited for: {error}"))
    })?;
    if arguments.follow {
        let only = (!wanted.is_empty()).then_some(wanted);
        return follow::run(&collector, only.as_ref(), signals).await;
    }
    // One that cannot be read is told of by the collector.
    let is_collected = |one: &Chosen| one.as_ref().is_none_or(Integration::is_collected);
    for (tenant, _) in chosen.iter().filter(|(_, one)| !is_collected(one)) {
        note(&format!(
            "note: {tenant} is paused: `integrations resume` goes on"
        ));
    }
    let tenants: Vec<TenantId> = (chosen.iter())
        .filter(|(_, one)| is_collected(one))
        .map(|(tenant, _)| *tenant)
        .collect();
    once(&collector, &lake, &credentials, &tenants, signals).await
}

/// A collector of the lake's integrations.
pub(super) fn collector(
    lake: Lake,
    credentials: &Credentials,
    options: CollectorOptions,
) -> Result<Collector, CollectorError> {
    let provider = Arc::new(credentials.clone());
    Collector::new(lake, provider, options)
}

/// An integration that is meant; `None` for one that cannot be read.
type Chosen = Option<Integration>;

/// The integrations that are meant: these, or all.
async fn chosen(
    integrations: &Integrations,
    wanted: &BTreeSet<TenantId>,
) -> Result<Vec<(TenantId, Chosen)>, Failure> {
    let mut chosen = Vec::new();
    for &tenant in wanted {
        let integration = integrations.get(tenant).await?;
        if integration.state.state == IntegrationState::Removed {
            return Err(
                Failure::new(format!("the integration of tenant {tenant} was removed"))
                    .with_hint("`integrations add` adds it again, over the data that is there"),
            );
        }
        chosen.push((tenant, Some(integration)));
    }
    if wanted.is_empty() {
        chosen = (integrations.list_each().await?.into_iter())
            .map(|(tenant, integration)| (tenant, integration.ok()))
            .collect();
    }
    if chosen.is_empty() {
        return Err(Failure::new("the lake has no integration")
            .with_hint("`live-discover --lake URL integrations add …` connects a tenant"));
    }
    Ok(chosen)
}

async fn once(
    collector: &Collector,
    lake: &Lake,
    credentials: &Credentials,
    tenants: &[TenantId],
    mut signals: Signals,
) -> Result<ExitCode, Failure> {
    let started = Instant::now();
    let cancel = CancellationToken::new();
    let mut arrivals = Arrivals::new(lake, tenants).await?;
    let only = tenants.iter().copied().collect();
    let catching_up = collector.catch_up(Some(&only), &cancel);
    let waiting = waiting(collector.integrations(), tenants).await;
    let summary = {
        let mut work = std::pin::pin!(showing_progress(&mut arrivals, waiting, catching_up));
        loop {
            tokio::select! {
                summary = &mut work => break summary?,
                () = signals.next() => {
                    if cancel.is_cancelled() {
                        return Err(Failure::Cancelled);
                    }
                    cancel.cancel();
                    note("stopping; what is being written is written to its end (Ctrl-C again ends at once)");
                }
            }
        }
    };
    arrivals.read().await?;
    report::print(&summary, &arrivals)?;
    report::sum(&summary, &arrivals.total(), started.elapsed());
    if cancel.is_cancelled() {
        return Err(Failure::Cancelled);
    }
    report::outcome(&summary, credentials)
}

/// Collects with a bar on the terminal. `waiting`: blobs that were listed before.
pub(super) async fn showing_progress(
    arrivals: &mut Arrivals,
    waiting: u64,
    collecting: impl Future<Output = Result<PollSummary, CollectorError>>,
) -> Result<PollSummary, Failure> {
    let bar = bar(0, "{bar:30} {human_pos}/{human_len} blobs  {msg}");
    let collecting = std::pin::pin!(collecting);
    let summary = {
        let showing = std::pin::pin!(show(&bar, arrivals, waiting));
        match select(collecting, showing).await {
            Either::Left((summary, _)) => summary,
            Either::Right(((), collecting)) => collecting.await,
        }
    };
    bar.finish_and_clear();
    Ok(summary?)
}

/// Ends when the ledgers cannot be read; whoever collects says so. Where nobody sees a bar, a line now and then tells.
async fn show(bar: &ProgressBar, arrivals: &mut Arrivals, waiting: u64) {
    let mut told = Arrived::default();
    loop {
        let now = arrivals.total();
        let done = now.stored + now.lost;
        let records = units::counted(now.records, "record", "records");
        let left = units::count((waiting + now.listed).saturating_sub(done));
        if bar.is_hidden() {
            if now != told {
                let blobs = units::counted(done, "blob", "blobs");
                note(&format!("{blobs}, {records}, {left} waiting"));
                told = now;
            }
            tokio::time::sleep(LINE_INTERVAL).await;
        } else {
            bar.set_length((waiting + now.listed).max(done));
            bar.set_position(done);
            bar.set_message(format!("{records}, {left} waiting"));
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        if arrivals.read().await.is_err() {
            return;
        }
    }
}

/// Blobs that were listed before and did not come yet.
async fn waiting(integrations: &Integrations, tenants: &[TenantId]) -> u64 {
    let mut waiting = 0;
    for &tenant in tenants {
        if let Ok(Some(health)) = integrations.health::<Health>(tenant).await {
            waiting += health.backlog();
        }
    }
    waiting
}
