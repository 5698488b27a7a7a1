//! `maintain`: small files into large ones, old days out, what nobody needs deleted.

use std::process::ExitCode;
use std::time::Instant;

use super::ingest::bar;
use super::open;
use crate::args::Maintain;
use crate::failure::Failure;
use crate::library::{
    Compaction, Error, LakeError, Maintained, MaintenancePolicy, MaintenanceProgress, TableName,
    TenantId,
};
use crate::output::{note, print, stdout_width};
use crate::show::{Column, Grid};
use crate::units;

pub(crate) async fn run(location: &str, arguments: Maintain) -> Result<ExitCode, Failure> {
    let started = Instant::now();
    let policy = policy(&arguments);
    policy.check().map_err(|error| {
        Failure::usage(error.to_string())
            .with_hint("allow it with --force while nobody reads the lake")
    })?;
    let lake = open(location).await?;
    let tenants = match arguments.tenants.is_empty() {
        true => lake.tenants().await.map_err(Error::from)?,
        false => arguments.tenants,
    };
    let bar = bar(0, "{bar:30} {human_pos}/{human_len} small files  {msg}");
    let mut done: Vec<(TenantId, Maintained)> = Vec::new();
    for &tenant in &tenants {
        let progress = |progress: MaintenanceProgress| {
            bar.set_length(progress.files_total);
            bar.set_position(progress.files);
            bar.set_message(format!("{} of {tenant}", progress.table));
        };
        let maintained = lake
            .maintain(tenant, &policy, progress)
            .await
            .map_err(failure)?;
        done.extend(maintained.into_iter().map(|table| (tenant, table)));
    }
    bar.finish_and_clear();

    let changed = table(&done);
    if !changed.rows.is_empty() {
        print(&changed.draw(stdout_width()))?;
    }
    let left: u64 = done
        .iter()
        .map(|(_, table)| table.compacted.files_left)
        .sum();
    if left > 0 {
        note(&format!(
            "{} as they are: damaged, or of another program; `verify` says more",
            units::counted(left, "file stays", "files stay"),
        ));
    }
    note(&format!(
        "{} {} in {}",
        if policy.dry_run {
            "looked at"
        } else {
            "maintained"
        },
        units::counted(tenants.len() as u64, "tenant", "tenants"),
        units::elapsed(started.elapsed()),
    ));
    match (changed.rows.is_empty(), policy.dry_run) {
        (true, _) => note("there is nothing to do"),
        (false, true) => note("nothing was changed: without --dry-run it is"),
        (false, false) => {}
    }
    Ok(ExitCode::SUCCESS)
}

fn policy(arguments: &Maintain) -> MaintenancePolicy {
    MaintenancePolicy {
        keep_days: arguments.retain,
        compaction: (!arguments.no_compact).then(Compaction::default),
        vacuum_after: (!arguments.no_vacuum).then_some(arguments.vacuum_after),
        nobody_reads: arguments.force,
        dry_run: arguments.dry_run,
        ..MaintenancePolicy::default()
    }
}

fn failure(error: LakeError) -> Failure {
    match error {
        error @ LakeError::Conflict { .. } => {
            Failure::new(error.to_string()).with_hint("what was done stays; try again")
        }
        error => Error::from(error).into(),
    }
}

/// A row for each table that something was done to.
fn table(done: &[(TenantId, Maintained)]) -> Grid {
    let columns = vec![
        Column::text("tenant"),
        Column::text("table"),
        Column::text("expired"),
        Column::text("compacted"),
        Column::text("deleted"),
    ];
    let rows = done.iter().filter_map(|(tenant, table)| {
        let cells = [expired(table), compacted(table), deleted(table)];
        cells.iter().any(Option::is_some).then(|| {
            let name: TableName = table.table;
            let names = [tenant.to_string(), name.to_string()].map(Some);
            names.into_iter().chain(cells).collect()
        })
    });
    Grid {
        rows: rows.collect(),
        columns,
    }
}

fn expired(table: &Maintained) -> Option<String> {
    let expired = table.expired;
    (expired.files > 0).then(|| {
        format!(
            "{}, {}",
            units::counted(expired.days, "day", "days"),
            units::counted(expired.rows, "record", "records"),
        )
    })
}

fn compacted(table: &Maintained) -> Option<String> {
    let done = table.compacted;
    (done.files_before > 0).then(|| {
        let before = units::counted(done.files_before, "file", "files");
        let size = units::size(done.bytes_before);
        match done.files_after {
            0 => format!("{before}, {size}"),
            after => format!(
                "{before}, {size} to {}, {}",
                units::count(after),
                units::size(done.bytes_after)
            ),
        }
    })
}

fn deleted(table: &Maintained) -> Option<String> {
    let done = table.vacuumed;
    let files = (done.files > 0).then(|| {
        format!(
            "{}, {}",
            units::counted(done.files, "file", "files"),
            units::size(done.size_bytes)
        )
    });
    let log = (done.log_files > 0).then(|| format!("{} of the log", units::count(done.log_files)));
    let parts: Vec<String> = files.into_iter().chain(log).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}
