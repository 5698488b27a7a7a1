//! `ingest`: files and folders into the lake.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::{Either, select};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::ingest_report::{self, Ingested};
use crate::args;
use crate::failure::Failure;
use crate::library::{
    IngestOptions, Input, InputError, Lake, Outcome, Progress, find_inputs_with, ingest,
};
use crate::output::note;
use crate::storage;
use crate::units;

/// How often the bar is drawn.
const BAR_INTERVAL: Duration = Duration::from_millis(100);

pub(crate) async fn run(location: &str, arguments: args::Ingest) -> Result<ExitCode, Failure> {
    let store_options = storage::options();
    let mut inputs = Vec::new();
    for path in &arguments.paths {
        if path == "-" {
            return Err(Failure::usage("standard input is not read")
                .with_hint("write it to a file, and name that"));
        }
        refuse_lake_inside(location, path)?;
        let found = find(path, &store_options).await?;
        if found.is_empty() {
            note(&format!("note: `{path}` holds no files"));
        }
        inputs.extend(found);
    }
    if inputs.is_empty() {
        return Err(Failure::new("there is nothing to ingest")
            .with_hint("name files, or folders that hold content blobs or exports"));
    }
    let lake = storage::create_or_open(location).await?;
    let options = IngestOptions {
        tenant: arguments.tenant,
        form: arguments.source.0,
        ..IngestOptions::default()
    };
    let named: Vec<bool> = inputs.iter().map(|input| input.named).collect();
    let ingested = ingest_showing_progress(&lake, inputs, options).await?;
    ingest_report::print(location, &lake, &ingested).await;
    outcome(&ingested, &named, arguments.strict)
}

async fn find(path: &str, store_options: &[(String, String)]) -> Result<Vec<Input>, Failure> {
    let found = find_inputs_with(path, store_options).await;
    found.map_err(|error| {
        let is_unavailable = matches!(error, InputError::Unavailable { .. });
        let failure = Failure::from(error);
        match storage::missing_credentials(path) {
            Some(hint) if is_unavailable => failure.with_hint(hint),
            _ => failure,
        }
    })
}

/// Ingests with a bar on the terminal.
pub(super) async fn ingest_showing_progress(
    lake: &Lake,
    inputs: Vec<Input>,
    options: IngestOptions,
) -> Result<Ingested, Failure> {
    let started = Instant::now();
    let total_bytes = inputs.iter().map(|input| input.size_bytes).sum();
    let bar = bar(
        total_bytes,
        "{bar:30} {decimal_bytes}/{decimal_total_bytes}  {decimal_bytes_per_sec}  {msg}",
    );
    let progress = Arc::clone(&options.progress);
    let ingesting = std::pin::pin!(ingest(lake, inputs, options));
    let showing = std::pin::pin!(show(&bar, &progress));
    let report = match select(ingesting, showing).await {
        Either::Left((report, _)) => report?,
        Either::Right(((), ingesting)) => ingesting.await?,
    };
    bar.finish_and_clear();
    Ok(Ingested {
        report,
        read_bytes: progress.bytes(),
        elapsed: started.elapsed(),
    })
}

/// A bar on standard error if that is a terminal; else one that nobody sees.
pub(super) fn bar(total: u64, template: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
    // The template is one of ours; the default bar is good enough should it be wrong.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("█▉▊▋▌▍▎▏ "));
    }
    bar
}

async fn show(bar: &ProgressBar, progress: &Progress) {
    loop {
        bar.set_position(progress.bytes());
        bar.set_message(format!(
            "{} found, {} committed",
            units::counted(progress.held(), "record", "records"),
            units::count(progress.rows()),
        ));
        tokio::time::sleep(BAR_INTERVAL).await;
    }
}

fn outcome(ingested: &Ingested, named: &[bool], strict: bool) -> Result<ExitCode, Failure> {
    let inputs = &ingested.report.inputs;
    let failed = ingested.report.failed_inputs().count();
    if failed > 0 {
        return Err(Failure::new(format!(
            "{failed} of {} inputs could not be read",
            inputs.len()
        ))
        .with_hint("the others are in the lake; the same command tries again"));
    }
    let is_skipped = |outcome: &Outcome| matches!(outcome, Outcome::Skipped(_));
    if inputs.iter().all(|input| is_skipped(&input.outcome)) {
        return Err(Failure::new(
            "nothing was ingested: every input was skipped",
        ));
    }
    let rejects = ingested.report.rejects();
    if strict && rejects > 0 {
        return Err(Failure::new(format!("--strict: {rejects} rejects")));
    }
    let named_and_skipped = inputs
        .iter()
        .zip(named)
        .filter(|(input, named)| **named && is_skipped(&input.outcome));
    if strict && let Some((input, _)) = named_and_skipped.into_iter().next() {
        return Err(Failure::new(format!(
            "--strict: `{}` was skipped",
            input.name
        )));
    }
    Ok(ExitCode::SUCCESS)
}

/// A folder that holds the lake would have the lake's own files read as inputs.
fn refuse_lake_inside(location: &str, path: &str) -> Result<(), Failure> {
    let (Some(lake), Some(inputs)) = (local(location), local(path)) else {
        return Ok(());
    };
    if !lake.starts_with(&inputs) {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "the lake `{location}` lies in `{path}`, so its own files would be ingested"
    ))
    .with_hint("put the lake elsewhere, or name the folders beside it"))
}

/// The absolute path of a location on this machine; of what does not exist, as it would be.
fn local(location: &str) -> Option<PathBuf> {
    let path = match location.split_once("://") {
        Some(("file", path)) => Path::new(path),
        Some(_) => return None,
        None => Path::new(location),
    };
    let path = std::path::absolute(path).ok()?;
    let existing = path
        .ancestors()
        .find_map(|ancestor| Some((ancestor, ancestor.canonicalize().ok()?)));
    match existing {
        Some((ancestor, canonical)) => Some(canonical.join(path.strip_prefix(ancestor).ok()?)),
        None => Some(path),
    }
}
