//! The report of an ingest, on standard error: totals first, then what a person should look at.

use std::time::Duration;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;

use super::{program, quoted};
use crate::library::{Engine, InputReport, Lake, Limits, Outcome, Report, TenantScope};
use crate::output::{note, stderr_width};
use crate::show::{Column, Grid};
use crate::units;

/// Inputs of a list that are named; the others are counted.
const LISTED_MAX: usize = 20;

/// Inputs whose rejects are looked up for their reasons.
const LOOKED_UP_MAX: usize = 100;

/// What was done, and how long it took.
pub(super) struct Ingested {
    pub(super) report: Report,
    pub(super) read_bytes: u64,
    pub(super) elapsed: Duration,
}

pub(super) async fn print(location: &str, lake: &Lake, ingested: &Ingested) {
    let report = &ingested.report;
    note(outcomes(report).draw(stderr_width()).trim_end());
    note(&summary(ingested));

    let with_rejects: Vec<&InputReport> = report
        .inputs
        .iter()
        .filter(|input| rejects_of(&input.outcome) > 0)
        .collect();
    if !with_rejects.is_empty() {
        let reasons = reasons(lake, &with_rejects).await;
        let reasons = reasons
            .map(|reasons| format!(": {reasons}"))
            .unwrap_or_default();
        note(&format!("\nrejects{reasons}"));
        list(&with_rejects, |input| match input.outcome {
            Outcome::Stored { held, rejects, .. } => {
                format!("{} of {}", units::count(rejects), units::count(held))
            }
            _ => String::new(),
        });
    }
    let skipped: Vec<&InputReport> = report
        .inputs
        .iter()
        .filter(|input| matches!(input.outcome, Outcome::Skipped(_)))
        .collect();
    if !skipped.is_empty() {
        note("\nskipped");
        list(&skipped, why);
    }
    let failed: Vec<&InputReport> = report.failed_inputs().collect();
    if !failed.is_empty() {
        note("\nfailed");
        list(&failed, why);
    }

    let program = format!("{} --lake {}", program(), quoted(location));
    note("\nnext");
    if !with_rejects.is_empty() {
        note(&format!(
            "  {program} query \"SELECT source, byte_offset, reason, detail FROM m365_rejects\""
        ));
    }
    if report.records() + report.duplicates() > 0 {
        note(&format!(
            "  {program} query \"SELECT workload, operation, count(*) AS records FROM m365_audit GROUP BY 1, 2 ORDER BY 3 DESC LIMIT 20\""
        ));
    }
    note(&format!("  {program} status"));
}

/// Records, files and speed in one line.
pub(super) fn summary(ingested: &Ingested) -> String {
    let report = &ingested.report;
    let seconds = ingested.elapsed.as_secs_f64().max(0.001);
    let rate = (ingested.read_bytes as f64 / seconds) as u64;
    let written = match report.files {
        0 => "nothing new to write".to_owned(),
        files => format!(
            "{} of {} written",
            units::counted(files, "file", "files"),
            units::size(report.size_bytes)
        ),
    };
    format!(
        "{} added, {}, {}; {written}; {} in {} ({}/s)",
        units::counted(report.records(), "record", "records"),
        units::counted(report.duplicates(), "duplicate", "duplicates"),
        units::counted(report.rejects(), "reject", "rejects"),
        units::size(ingested.read_bytes),
        units::elapsed(ingested.elapsed),
        units::size(rate),
    )
}

/// A line for each way in which inputs ended.
fn outcomes(report: &Report) -> Grid {
    let mut lines = [
        ("stored whole", Tally::default()),
        ("stored, with rejects", Tally::default()),
        ("skipped", Tally::default()),
        ("failed", Tally::default()),
        ("not reached", Tally::default()),
    ];
    let mut total = Tally::default();
    for input in &report.inputs {
        let at = match input.outcome {
            Outcome::Stored { rejects: 0, .. } => 0,
            Outcome::Stored { .. } => 1,
            Outcome::Skipped(_) => 2,
            Outcome::Failed(_) => 3,
            _ => 4,
        };
        lines[at].1.add(input);
        total.add(input);
    }
    let mut rows: Vec<_> = lines
        .iter()
        .filter(|(_, tally)| tally.inputs > 0)
        .map(|(name, tally)| tally.row(name))
        .collect();
    if rows.len() > 1 {
        rows.push(total.row("all"));
    }
    Grid {
        columns: vec![
            Column::text("inputs"),
            Column::number("files"),
            Column::number("size"),
            Column::number("records"),
            Column::number("duplicates"),
            Column::number("rejects"),
        ],
        rows,
    }
}

#[derive(Debug, Default)]
struct Tally {
    inputs: u64,
    size_bytes: u64,
    records: u64,
    duplicates: u64,
    rejects: u64,
}

impl Tally {
    fn add(&mut self, input: &InputReport) {
        self.inputs += 1;
        self.size_bytes += input.size_bytes;
        if let Outcome::Stored {
            records,
            duplicates,
            rejects,
            ..
        } = input.outcome
        {
            self.records += records;
            self.duplicates += duplicates;
            self.rejects += rejects;
        }
    }

    fn row(&self, name: &str) -> Vec<Option<String>> {
        let counts =
            [self.records, self.duplicates, self.rejects].map(|number| Some(units::count(number)));
        let mut row = vec![
            Some(name.to_owned()),
            Some(units::count(self.inputs)),
            Some(units::size(self.size_bytes)),
        ];
        row.extend(counts);
        row
    }
}

fn rejects_of(outcome: &Outcome) -> u64 {
    match outcome {
        Outcome::Stored { rejects, .. } => *rejects,
        _ => 0,
    }
}

fn why(input: &InputReport) -> String {
    match &input.outcome {
        Outcome::Skipped(why) | Outcome::Failed(why) => why.clone(),
        _ => String::new(),
    }
}

fn list(inputs: &[&InputReport], what: impl Fn(&InputReport) -> String) {
    for input in inputs.iter().take(LISTED_MAX) {
        note(&format!(
            "  {}: {}",
            units::printable(&input.name),
            units::printable(&what(input))
        ));
    }
    if let Some(more) = inputs
        .len()
        .checked_sub(LISTED_MAX)
        .filter(|more| *more > 0)
    {
        note(&format!("  and {} more", units::count(more as u64)));
    }
}

/// `3 truncated, 1 html`, as the lake has them of these inputs. Part of a report only, so it does without if it must.
async fn reasons(lake: &Lake, inputs: &[&InputReport]) -> Option<String> {
    if inputs.len() > LOOKED_UP_MAX {
        return None;
    }
    let sources: Vec<String> = inputs
        .iter()
        .map(|input| format!("'{}'", input.name.replace('\'', "''")))
        .collect();
    let sql = format!(
        "SELECT reason, count(*) AS rejects FROM m365_rejects WHERE source IN ({}) GROUP BY reason ORDER BY rejects DESC, reason",
        sources.join(", ")
    );
    let engine = Engine::new(lake.clone()).ok()?;
    let batches = engine
        .session(TenantScope::All, Limits::default())
        .collect(&sql)
        .await
        .ok()?;
    let reasons: Vec<String> = batches.iter().flat_map(reasons_in).collect();
    Some(reasons.join(", "))
}

fn reasons_in(batch: &RecordBatch) -> Vec<String> {
    let reasons = arrow::compute::cast(batch.column(0), &arrow::datatypes::DataType::Utf8);
    let (Ok(reasons), Some(counts)) = (reasons, batch.column(1).as_primitive_opt::<Int64Type>())
    else {
        return Vec::new();
    };
    let reasons = reasons.as_string::<i32>().iter();
    reasons
        .zip(counts)
        .map(|(reason, count)| {
            format!(
                "{} {}",
                count.unwrap_or_default(),
                reason.unwrap_or("unknown")
            )
        })
        .collect()
}
