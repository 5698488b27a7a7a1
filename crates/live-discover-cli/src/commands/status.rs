//! `status`: what the lake holds, from the tables' statistics; no record is read.

use std::fmt::Write;
use std::process::ExitCode;

use futures::{StreamExt, TryStreamExt, stream};

use super::integrations::words;
use super::{open, program, quoted};
use crate::failure::Failure;
use crate::library::{
    Error, Integration, IntegrationError, Integrations, Lake, TableName, TenantId,
};
use crate::output::{note, print};
use crate::units;

/// Tenants looked at together.
const TENANTS_AT_ONCE: usize = 16;

pub(crate) async fn run(location: &str) -> Result<ExitCode, Failure> {
    let lake = open(location).await?;
    let tenants = lake.tenants().await.map_err(Error::from)?;
    let statuses = tenants.into_iter().map(|tenant| status(&lake, tenant));
    let mut statuses: Vec<Status> = stream::iter(statuses)
        .buffered(TENANTS_AT_ONCE)
        .try_collect()
        .await?;
    for (tenant, integration) in Integrations::new(lake.clone()).list_each().await? {
        let mut statuses = statuses.iter_mut();
        if let Some(status) = statuses.find(|status| status.tenant == tenant) {
            status.integration = Some(integration);
        }
    }

    let mut text = format!("lake {}\n", units::printable(lake.url().as_str()));
    let [records, files, size_bytes, rejects] = [
        |s: &Status| s.records,
        |s: &Status| s.files,
        |s: &Status| s.size_bytes,
        |s: &Status| s.rejects,
    ]
    .map(|of: fn(&Status) -> u64| statuses.iter().map(of).sum::<u64>());
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "{}, {}, {}, {}, {}",
        units::counted(statuses.len() as u64, "tenant", "tenants"),
        units::counted(records, "record", "records"),
        units::counted(files, "file", "files"),
        units::size(size_bytes),
        units::counted(rejects, "reject", "rejects"),
    );
    for status in &statuses {
        status.write(&mut text);
    }
    print(&text)?;
    if statuses.is_empty() {
        note(&format!(
            "\nnext\n  {0} --lake {1} integrations add …\n  {0} --lake {1} ingest PATH…",
            program(),
            quoted(location)
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// What the lake holds of a tenant.
#[derive(Debug)]
struct Status {
    tenant: TenantId,
    records: u64,
    files: u64,
    size_bytes: u64,
    /// First and last `creation_time`, in µs.
    times: Option<(i64, i64)>,
    /// States that inputs and windows reached.
    ledger_entries: u64,
    rejects: u64,
    /// When something was last committed, in ms since 1970.
    last_ingest_ms: Option<i64>,
    integration: Option<Result<Integration, IntegrationError>>,
}

async fn status(lake: &Lake, tenant: TenantId) -> Result<Status, Failure> {
    let mut status = Status {
        tenant,
        records: 0,
        files: 0,
        size_bytes: 0,
        times: None,
        ledger_entries: 0,
        rejects: 0,
        last_ingest_ms: None,
        integration: None,
    };
    for table in TableName::ALL {
        let Some(snapshot) = lake.snapshot(&tenant, table).await.map_err(Error::from)? else {
            continue;
        };
        status.files += snapshot.files().len() as u64;
        status.size_bytes += snapshot.size_bytes();
        let last = snapshot
            .files()
            .iter()
            .map(|file| file.modification_time_ms)
            .max();
        status.last_ingest_ms = status.last_ingest_ms.max(last);
        match table {
            TableName::Audit => {
                status.records = snapshot.rows();
                let times = snapshot
                    .files()
                    .iter()
                    .filter_map(|file| file.creation_time);
                status.times =
                    times.reduce(|(first, last), (start, end)| (first.min(start), last.max(end)));
            }
            TableName::Content => status.ledger_entries = snapshot.rows(),
            TableName::Rejects => status.rejects = snapshot.rows(),
        }
    }
    Ok(status)
}

impl Status {
    fn write(&self, text: &mut String) {
        let times = self.times.map_or_else(
            || "none".to_owned(),
            |(first, last)| format!("{} to {} UTC", units::time(first), units::time(last)),
        );
        let last_ingest = self.last_ingest_ms.map_or_else(
            || "never".to_owned(),
            |millis| format!("{} UTC", units::time(millis.saturating_mul(1000))),
        );
        let _ = write!(
            text,
            "\ntenant {}\n  records      {}\n  from         {times}\n  ledger       {}\n  rejects      {}\n  stored       {} in {}\n  last ingest  {last_ingest}\n",
            self.tenant,
            units::count(self.records),
            units::counted(self.ledger_entries, "entry", "entries"),
            units::count(self.rejects),
            units::size(self.size_bytes),
            units::counted(self.files, "file", "files"),
        );
        if let Some(Err(error)) = &self.integration {
            let _ = writeln!(
                text,
                "  integration  cannot be read: {}",
                units::printable(&error.to_string())
            );
        }
        if let Some(Ok(integration)) = &self.integration {
            let reason = integration.state.reason.as_deref();
            let reason = reason.map(|reason| format!(": {}", units::printable(reason)));
            let _ = writeln!(
                text,
                "  integration  {} since {} UTC{}",
                words(integration),
                units::time(integration.state.since_micros),
                reason.unwrap_or_default(),
            );
        }
    }
}
