//! `coverage`: what is there, day by day, and what is not.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, RecordBatch, StringArray, UInt64Array};
use arrow::error::ArrowError;
use chrono::{DateTime, SecondsFormat};

use super::{open_connected, write_rows};
use crate::args;
use crate::failure::Failure;
use crate::library::{
    ContentType, Coverage, DAY_MICROS, DayCoverage, DayState, Error, Loss, TenantId,
};
use crate::output::{list_width, note, print};
use crate::show::{Column, Grid};
use crate::units;

pub(crate) async fn run(location: &str, arguments: args::Coverage) -> Result<ExitCode, Failure> {
    let lake = open_connected(location).await?;
    let is_all = arguments.tenants.is_empty();
    let tenants = match is_all {
        true => lake.tenants().await.map_err(Error::from)?,
        false => arguments.tenants,
    };
    let mut coverages = Vec::new();
    for tenant in tenants {
        let coverage = Coverage::read(&lake, tenant).await.map_err(Error::from)?;
        // What was imported from files has no coverage.
        if !(is_all && coverage.days.is_empty()) {
            coverages.push((tenant, coverage));
        }
    }
    match (arguments.losses, arguments.format.form()) {
        (false, None) => days_as_tables(&coverages)?,
        (false, Some(form)) => write_rows(form, days(&coverages))?,
        (true, None) => losses_as_table(&coverages)?,
        (true, Some(form)) => write_rows(form, losses(&coverages))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn days_as_tables(coverages: &[(TenantId, Coverage)]) -> Result<(), Failure> {
    for (at, (tenant, coverage)) in coverages.iter().enumerate() {
        let space = if at > 0 { "\n" } else { "" };
        let table = match coverage.days.is_empty() {
            true => "nothing was collected yet\n".to_owned(),
            false => by_day(&coverage.days).draw_wrapped(list_width()),
        };
        print(&format!("{space}tenant {tenant}\n{table}"))?;
    }
    let losses: usize = coverages.iter().map(|(_, one)| one.losses.len()).sum();
    if coverages.is_empty() {
        note("nothing was collected yet; `collect` does");
    } else if losses > 0 {
        note(&format!(
            "{} lost, or may miss something; --losses names them",
            units::counted(losses as u64, "window or blob is", "windows or blobs are")
        ));
    }
    Ok(())
}

/// A row a day, the newest first, a column a content type.
pub(super) fn by_day(days: &[DayCoverage]) -> Grid {
    let mut columns = vec![Column::text("day")];
    let content_types: Vec<ContentType> = (ContentType::ALL.into_iter())
        .filter(|content_type| days.iter().any(|day| day.content_type == *content_type))
        .collect();
    columns.extend((content_types.iter()).map(|content_type| {
        let name = content_type.as_str();
        Column::text(name.strip_prefix("Audit.").unwrap_or(name))
    }));
    let mut by_day: BTreeMap<i32, BTreeMap<&str, &DayCoverage>> = BTreeMap::new();
    for day in days {
        let of_day = by_day.entry(day.day).or_default();
        of_day.insert(day.content_type.as_str(), day);
    }
    let rows = by_day.iter().rev().map(|(number, of_day)| {
        let cells = content_types.iter().map(|content_type| {
            let day = of_day.get(content_type.as_str())?;
            Some(cell(day))
        });
        std::iter::once(Some(date(*number))).chain(cells).collect()
    });
    Grid {
        rows: rows.collect(),
        columns,
    }
}

fn cell(day: &DayCoverage) -> String {
    match day.state {
        state if state == DayState::Lost || day.lost == 0 => state.as_str().to_owned(),
        state => format!("{state}, {} lost", units::count(day.lost)),
    }
}

fn losses_as_table(coverages: &[(TenantId, Coverage)]) -> Result<(), Failure> {
    let columns = [
        "tenant",
        "content type",
        "from",
        "to",
        "content id",
        "reason",
    ];
    let rows: Vec<Vec<Option<String>>> = each_loss(coverages)
        .map(|(tenant, loss)| {
            vec![
                Some(tenant.to_string()),
                Some(loss.content_type.as_str().to_owned()),
                Some(time(loss.from_micros)),
                Some(time(loss.to_micros)),
                (loss.content_id.as_deref()).map(|id| units::printable(id).into_owned()),
                Some(units::printable(&loss.reason).into_owned()),
            ]
        })
        .collect();
    if rows.is_empty() {
        note("nothing is lost");
        return Ok(());
    }
    let grid = Grid {
        columns: columns.map(Column::text).into(),
        rows,
    };
    print(&grid.without_empty_columns().draw_wrapped(list_width()))
}

fn each_loss(coverages: &[(TenantId, Coverage)]) -> impl Iterator<Item = (TenantId, &Loss)> {
    (coverages.iter())
        .flat_map(|(tenant, coverage)| coverage.losses.iter().map(|loss| (*tenant, loss)))
}

fn losses(coverages: &[(TenantId, Coverage)]) -> Result<RecordBatch, ArrowError> {
    let texts = |of: &dyn Fn(TenantId, &Loss) -> Option<String>| -> ArrayRef {
        let cells = each_loss(coverages).map(|(tenant, loss)| of(tenant, loss));
        Arc::new(cells.collect::<StringArray>())
    };
    RecordBatch::try_from_iter_with_nullable([
        (
            "tenant",
            texts(&|tenant, _| Some(tenant.to_string())),
            false,
        ),
        (
            "content_type",
            texts(&|_, loss| Some(loss.content_type.as_str().to_owned())),
            false,
        ),
        (
            "from",
            texts(&|_, loss| Some(time(loss.from_micros))),
            false,
        ),
        ("to", texts(&|_, loss| Some(time(loss.to_micros))), false),
        (
            "content_id",
            texts(&|_, loss| loss.content_id.clone()),
            true,
        ),
        ("reason", texts(&|_, loss| Some(loss.reason.clone())), false),
    ])
}

/// A row for each day and content type, the newest day first.
fn days(coverages: &[(TenantId, Coverage)]) -> Result<RecordBatch, ArrowError> {
    let mut rows: Vec<(TenantId, &DayCoverage)> = (coverages.iter())
        .flat_map(|(tenant, coverage)| coverage.days.iter().map(|day| (*tenant, day)))
        .collect();
    rows.sort_by_key(|(tenant, day)| (*tenant, std::cmp::Reverse(day.day)));
    let texts = |of: &dyn Fn(TenantId, &DayCoverage) -> String| -> ArrayRef {
        let cells = rows.iter().map(|(tenant, day)| Some(of(*tenant, day)));
        Arc::new(cells.collect::<StringArray>())
    };
    let counts = |of: fn(&DayCoverage) -> u64| -> ArrayRef {
        let cells = rows.iter().map(|(_, day)| of(day));
        Arc::new(cells.collect::<UInt64Array>())
    };
    let dates: Date32Array = rows.iter().map(|(_, day)| Some(day.day)).collect();
    let dates: ArrayRef = Arc::new(dates);
    RecordBatch::try_from_iter([
        ("tenant", texts(&|tenant, _| tenant.to_string())),
        ("day", dates),
        (
            "content_type",
            texts(&|_, day| day.content_type.as_str().to_owned()),
        ),
        ("state", texts(&|_, day| day.state.as_str().to_owned())),
        ("blobs", counts(|day| day.blobs)),
        ("stored", counts(|day| day.stored)),
        ("waiting", counts(|day| day.waiting)),
        ("lost", counts(|day| day.lost)),
        ("records", counts(|day| day.records)),
        ("duplicates", counts(|day| day.duplicates)),
        ("rejects", counts(|day| day.rejects)),
    ])
}

fn date(day: i32) -> String {
    let text = units::time(i64::from(day) * DAY_MICROS);
    text.get(..10).unwrap_or(&text).to_owned()
}

/// `2026-10-01T08:15:00Z`, from µs since 1970.
fn time(micros: i64) -> String {
    DateTime::from_timestamp_micros(micros).map_or_else(
        || "?".to_owned(),
        |time| time.to_rfc3339_opts(SecondsFormat::AutoSi, true),
    )
}
