//! `collect --follow`: until Ctrl-C or SIGTERM.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::report::is_failure;
use crate::failure::Failure;
use crate::library::{Collector, Health, Metrics, TenantId};
use crate::output::note;
use crate::signals::Signals;
use crate::units;

/// How often what is new is told.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

pub(super) async fn run(
    collector: &Collector,
    only: Option<&BTreeSet<TenantId>>,
    mut signals: Signals,
) -> Result<ExitCode, Failure> {
    let cancel = CancellationToken::new();
    let mut seen = Seen::default();
    let mut work = std::pin::pin!(collector.run(only, &cancel));
    let mut telling = std::pin::pin!(async {
        loop {
            tokio::time::sleep(LOOK_INTERVAL).await;
            seen.tell(collector, only).await;
        }
    });
    note("collecting until Ctrl-C");
    loop {
        tokio::select! {
            outcome = &mut work => {
                outcome?;
                break;
            }
            () = &mut telling => {}
            () = signals.next() => {
                if cancel.is_cancelled() {
                    return Err(Failure::Cancelled);
                }
                cancel.cancel();
                note("stopping; what is being written is written to its end (Ctrl-C again ends at once)");
            }
        }
    }
    let metrics = collector.metrics();
    note(&format!(
        "stopped after {} and {}",
        units::counted(metrics.blobs, "blob", "blobs"),
        units::counted(metrics.records, "record", "records"),
    ));
    Ok(ExitCode::SUCCESS)
}

/// What was told already.
#[derive(Debug, Default)]
struct Seen {
    metrics: Metrics,
    /// Why data has stopped, by tenant and content type.
    stops: BTreeMap<(TenantId, Option<String>), String>,
}

impl Seen {
    async fn tell(&mut self, collector: &Collector, only: Option<&BTreeSet<TenantId>>) {
        let metrics = collector.metrics();
        if metrics.polls == self.metrics.polls {
            return;
        }
        let blobs = metrics.blobs - self.metrics.blobs;
        if blobs > 0 {
            note(&format!(
                "{}, {}",
                units::counted(blobs, "blob", "blobs"),
                units::counted(metrics.records - self.metrics.records, "record", "records"),
            ));
        }
        self.metrics = metrics;
        let stops = stops(collector, only).await;
        for (of, message) in &stops {
            if self.stops.get(of) != Some(message) {
                note(&units::printable(message));
            }
        }
        for (tenant, content_type) in self.stops.keys() {
            if !stops.contains_key(&(*tenant, content_type.clone())) {
                let what = content_type.as_deref().unwrap_or("everything");
                note(&format!("tenant {tenant}: {what} is collected again"));
            }
        }
        self.stops = stops;
    }
}

/// Why data has stopped. What cannot be read now is told another time.
async fn stops(
    collector: &Collector,
    only: Option<&BTreeSet<TenantId>>,
) -> BTreeMap<(TenantId, Option<String>), String> {
    let integrations = collector.integrations();
    let mut stops = BTreeMap::new();
    for (tenant, _) in integrations.list_each().await.unwrap_or_default() {
        if only.is_some_and(|only| !only.contains(&tenant)) {
            continue;
        }
        if let Ok(Some(health)) = integrations.health::<Health>(tenant).await {
            for (content_type, stop) in health.stops().filter(|(_, stop)| is_failure(stop)) {
                let of = (tenant, content_type.map(str::to_owned));
                stops.insert(of, stop.message.clone());
            }
        }
    }
    stops
}
