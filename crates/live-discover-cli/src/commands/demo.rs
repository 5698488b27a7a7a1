//! `demo`: from a made-up tenant of Microsoft 365 to answers, in one go.

mod service;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int64Type, TimeUnit, TimestampMicrosecondType};
use chrono::{DateTime, SecondsFormat};

use super::{ask, coverage, program, quoted};
use crate::args;
use crate::failure::Failure;
use crate::library::{
    Clock, Coverage, DAY_MICROS, Engine, Error, Lake, LakeOptions, Limits, Query, Request, Session,
    SystemClock, TenantScope, TimeRange, bundled_queries,
};
use crate::output::{print, stdout_width};
use crate::show::{Bar, chart, wrap};
use crate::units;
use service::Service;

/// Bundled queries that are shown, and rows of each.
const SHOWN: [&str; 6] = [
    "top_operations",
    "failed_sign_ins_by_user",
    "file_downloads_by_user",
    "role_changes",
    "inbox_rules",
    "sharing_links",
];
const SHOWN_ROWS: usize = 6;
const SHOWN_BLOCKS: usize = 2;

/// Says what a folder is, so that a demo never writes into one that is something else.
const MARKER: &str = "demo.txt";

const HOUR_MICROS: i64 = 3_600_000_000;
/// A shorter time than this is drawn by the hour.
const DAYS_MIN: i64 = 4;

pub(crate) async fn run(arguments: args::Demo) -> Result<ExitCode, Failure> {
    let demo = Demo::prepare(&arguments.dir, arguments.records)?;
    let lake_folder = utf8(&demo.lake_folder())?;
    let width = stdout_width();
    if demo.is_complete {
        print(&format!(
            "{} is here from before: what its lake has already is not added again.\n\n",
            arguments.dir.display()
        ))?;
    }

    let started = Instant::now();
    let service = Service::start(demo.records, demo.as_of_micros).await?;
    print(&format!(
        "1. Generated {} in {} ({}) in {}, and serve them as Microsoft 365 does: {}\n",
        units::counted(service.counts.records, "record", "records"),
        units::counted(service.counts.blobs, "content blob", "content blobs"),
        units::size(service.counts.bytes),
        units::elapsed(started.elapsed()),
        service.management_root(),
    ))?;

    let lake = Lake::create_or_open(&lake_folder, LakeOptions::default())
        .await
        .map_err(Error::from)?;
    service.connect(&lake).await?;
    print(&format!(
        "2. Added an integration of tenant {}, whose own network is {} and domain {}\n",
        service.tenant,
        service::NETWORK,
        service::DOMAIN,
    ))?;

    let started = Instant::now();
    let summary = service.collect(&lake).await?;
    print(&format!(
        "3. Collected it into {lake_folder}: {} added from {} in {}\n",
        units::counted(summary.records(), "record", "records"),
        units::counted(summary.settled(), "blob", "blobs"),
        units::elapsed(started.elapsed()),
    ))?;
    service.disconnect(&lake).await?;
    demo.complete()?;

    let covered = Coverage::read(&lake, service.tenant)
        .await
        .map_err(Error::from)?;
    print(&format!(
        "\nWhat is there, by the day on which Microsoft 365 made it available (for two days more may come)\n{}",
        coverage::by_day(&covered.days).draw_wrapped(width)
    ))?;
    let session = Engine::new(lake)?.session(TenantScope::All, Limits::default());
    print(&format!(
        "\nRecords over time\n\n{}",
        records_over_time(&session, width).await?
    ))?;
    for id in SHOWN {
        // Their names are checked by a test.
        if let Some(query) = bundled_queries().iter().find(|query| query.id == id) {
            show_query(&session, query, width).await?;
        }
    }
    print(&next(&lake_folder))?;
    Ok(ExitCode::SUCCESS)
}

/// A folder with a demo in it.
#[derive(Debug)]
struct Demo {
    folder: PathBuf,
    records: u64,
    /// The time that it is about, in seconds since 1970: a demo that runs again is about the same.
    as_of_micros: i64,
    is_complete: bool,
}

impl Demo {
    /// Makes the folder, or finds the same demo in it. One that was interrupted begins anew.
    fn prepare(folder: &Path, records: u64) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| unusable(folder, &error);
        // Whole seconds are written down.
        let now_micros = SystemClock.now_micros() / 1_000_000 * 1_000_000;
        let mut demo = Self {
            folder: folder.to_owned(),
            records,
            as_of_micros: now_micros,
            is_complete: false,
        };
        if folder.exists() {
            match std::fs::read_to_string(folder.join(MARKER)) {
                Ok(found) => {
                    demo.recognise(&found)?;
                    if demo.is_complete {
                        return Ok(demo);
                    }
                    if demo.lake_folder().exists() {
                        std::fs::remove_dir_all(demo.lake_folder()).map_err(failed)?;
                    }
                    demo.as_of_micros = now_micros;
                }
                Err(_) if std::fs::read_dir(folder).map_err(failed)?.next().is_none() => {}
                Err(_) => {
                    return Err(Failure::new(format!(
                        "`{}` is in use for something else",
                        folder.display()
                    ))
                    .with_hint("choose another folder with --dir"));
                }
            }
        }
        std::fs::create_dir_all(folder).map_err(failed)?;
        demo.write()?;
        Ok(demo)
    }

    /// Takes in what the marker says.
    fn recognise(&mut self, found: &str) -> Result<(), Failure> {
        let time = found
            .split_once(" as of ")
            .and_then(|(_, rest)| rest.split(' ').next())
            .and_then(|time| DateTime::parse_from_rfc3339(time).ok());
        if let Some(time) = time {
            self.as_of_micros = time.timestamp_micros();
            for is_complete in [true, false] {
                self.is_complete = is_complete;
                if self.marker() == found {
                    return Ok(());
                }
            }
        }
        Err(Failure::new(format!(
            "`{}` holds a demo of another size or version",
            self.folder.display()
        ))
        .with_hint("remove it, or choose another folder with --dir"))
    }

    fn marker(&self) -> String {
        let time = DateTime::from_timestamp_micros(self.as_of_micros)
            .unwrap_or_default()
            .to_rfc3339_opts(SecondsFormat::Secs, true);
        let state = match self.is_complete {
            true => "It is complete.",
            false => "It is not complete: run again, it begins anew.",
        };
        format!(
            "Made by `live-discover demo --records {}` from generated records, as of {time} by the clock of the \
             made-up service. {state} Remove the folder when you like.\n",
            self.records
        )
    }

    fn write(&self) -> Result<(), Failure> {
        std::fs::write(self.folder.join(MARKER), self.marker())
            .map_err(|error| unusable(&self.folder, &error))
    }

    fn complete(mut self) -> Result<(), Failure> {
        self.is_complete = true;
        self.write()
    }

    fn lake_folder(&self) -> PathBuf {
        self.folder.join("lake")
    }
}

fn unusable(folder: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("could not use `{}`: {error}", folder.display()))
}

async fn records_over_time(session: &Session, width: usize) -> Result<String, Failure> {
    let span = session
        .collect("SELECT min(creation_time), max(creation_time) FROM m365_audit")
        .await?;
    let Some((first, last)) = span.first().and_then(first_and_last) else {
        return Ok("no records\n".to_owned());
    };
    let (unit, step) = if last - first >= DAYS_MIN * DAY_MICROS {
        ("day", DAY_MICROS)
    } else {
        ("hour", HOUR_MICROS)
    };
    let sql = format!(
        "SELECT date_trunc('{unit}', creation_time) AS start, count(*) AS records FROM m365_audit GROUP BY 1 ORDER BY 1"
    );
    let found = session.collect(&sql).await?;
    let found: Vec<(i64, u64)> = found.iter().flat_map(counts_by_time).collect();
    // Times without records are bars too.
    let mut found = found.into_iter().peekable();
    let mut bars = Vec::new();
    let mut start = first - first.rem_euclid(step);
    while start <= last {
        let value = found
            .next_if(|(at, _)| *at == start)
            .map_or(0, |(_, records)| records);
        let label = units::time(start);
        let label = label
            .get(..if step == DAY_MICROS { 10 } else { 16 })
            .unwrap_or(&label);
        bars.push(Bar {
            label: label.to_owned(),
            value,
        });
        start += step;
    }
    Ok(format!("{}{:>3}by {unit}, UTC\n", chart(&bars, width), ""))
}

fn first_and_last(batch: &RecordBatch) -> Option<(i64, i64)> {
    Some((
        micros(batch, 0)?.first().copied()??,
        micros(batch, 1)?.first().copied()??,
    ))
}

fn counts_by_time(batch: &RecordBatch) -> Vec<(i64, u64)> {
    let (Some(times), Some(counts)) = (
        micros(batch, 0),
        batch.column(1).as_primitive_opt::<Int64Type>(),
    ) else {
        return Vec::new();
    };
    let rows = times.into_iter().zip(counts.values());
    rows.filter_map(|(time, count)| Some((time?, u64::try_from(*count).ok()?)))
        .collect()
}

/// A column of times in µs, whatever their resolution.
fn micros(batch: &RecordBatch, column: usize) -> Option<Vec<Option<i64>>> {
    let micros = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let times = arrow::compute::cast(batch.column(column), &micros).ok()?;
    Some(
        times
            .as_primitive::<TimestampMicrosecondType>()
            .iter()
            .collect(),
    )
}

async fn show_query(session: &Session, query: &Query, width: usize) -> Result<(), Failure> {
    let started = Instant::now();
    let request = Request::of(query).with_range(TimeRange::all());
    let mut stream = session.query(request).await?;
    let mut batches = Vec::new();
    let mut rows = 0;
    while let Some(batch) = stream.next().await {
        let batch = batch?;
        let shown = SHOWN_ROWS.saturating_sub(rows).min(batch.num_rows());
        rows += batch.num_rows();
        batches.push(batch.slice(0, shown));
    }
    let mut grid = ask::grid(&stream.schema(), &batches, &query.sql)?;
    if !grid.fits(width) {
        // A block for each row, which takes more room.
        grid.rows.truncate(SHOWN_BLOCKS);
    }
    let more = match rows - grid.rows.len() {
        0 => String::new(),
        more => format!(", {} more not shown", units::count(more as u64)),
    };
    print(&format!(
        "\n{}\n{}\n{}{}{more} ({})\n",
        query.name,
        wrap(&query.description, width),
        grid.draw(width),
        units::counted(rows as u64, "row", "rows"),
        units::elapsed(started.elapsed()),
    ))
}

fn next(lake_folder: &str) -> String {
    let lake = format!("{} --lake {}", program(), quoted(lake_folder));
    let program = program();
    format!(
        "
Try next
  {lake} status
  {lake} integrations show
  {lake} coverage --format csv
  {lake} query \"SELECT creation_time, operation, user_id FROM m365_signins WHERE source_ip = '203.0.113.47' ORDER BY creation_time LIMIT 10\"
  {lake} query \"SELECT * FROM m365_exchange_admin WHERE parameters['ForwardTo'] IS NOT NULL LIMIT 1\"
  {lake} query --format csv -o users.csv \"SELECT user_id, count(*) AS records FROM m365_audit GROUP BY 1 ORDER BY 2 DESC\"
  {program} tables
  {program} --lake ./lake ingest YOUR-EXPORTS
  {program} --lake ./lake integrations add --tenant YOUR-TENANT --client-id YOUR-APPLICATION …
"
    )
}

fn utf8(path: &Path) -> Result<String, Failure> {
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| Failure::usage(format!("`{}` is not UTF-8", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_query_that_is_shown_exists() {
        for id in SHOWN {
            assert!(bundled_queries().iter().any(|query| query.id == id), "{id}");
        }
    }
}
