//! `verify`: whether the lake is what it has to be.

use std::process::ExitCode;
use std::time::Instant;

use super::ingest::bar;
use super::open;
use crate::failure::Failure;
use crate::library::{
    Error, Finding, IntegrationError, Integrations, LakeError, Severity, TableName, Verified,
    canonical,
};
use crate::output::{note, print};
use crate::units;

pub(crate) async fn run(location: &str) -> Result<ExitCode, Failure> {
    let started = Instant::now();
    let lake = open(location).await?;
    let tenants = lake.tenants().await.map_err(Error::from)?;
    let mut files = 0;
    for tenant in &tenants {
        for table in TableName::ALL {
            // What can't be read is a finding, later.
            if let Ok(Some(snapshot)) = lake.snapshot(tenant, table).await {
                files += snapshot.files().len() as u64;
            }
        }
    }
    let bar = bar(files, "{bar:30} {human_pos}/{human_len} files  {msg}");
    let checked = |verified: Verified| {
        bar.inc(1);
        bar.set_message(verified.tenant.to_string());
    };
    let mut findings = lake
        .verify(&tenants, canonical, checked)
        .await
        .map_err(Error::from)?;
    bar.finish_and_clear();
    // Whether it is an integration, the lake does not know.
    for (_, integration) in Integrations::new(lake).list_each().await? {
        if let Err(IntegrationError::Lake(LakeError::Corrupt { path, message })) = integration
            && findings.iter().all(|finding| finding.path.as_ref() != path)
        {
            findings.push(Finding {
                severity: Severity::Broken,
                path: path.into(),
                message,
            });
        }
    }

    let mut text = String::new();
    for finding in &findings {
        text.push_str(&units::printable(&finding.to_string()));
        text.push('\n');
    }
    print(&text)?;
    note(&format!(
        "checked {} of {} in {}",
        units::counted(files, "file", "files"),
        units::counted(tenants.len() as u64, "tenant", "tenants"),
        units::elapsed(started.elapsed()),
    ));
    let broken = findings
        .iter()
        .filter(|finding| finding.severity == Severity::Broken)
        .count();
    if broken > 0 {
        return Err(Failure::new(format!(
            "the lake is broken in {}",
            units::counted(broken as u64, "place", "places")
        ))
        .with_hint(
            "restore the files from a copy of the lake, or ingest the sources into a new one",
        ));
    }
    note("nothing is wrong");
    Ok(ExitCode::SUCCESS)
}
