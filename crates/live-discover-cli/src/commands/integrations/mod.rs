//! `integrations`: the connected tenants.

mod add;
mod show;

use std::process::ExitCode;

use super::collect::collector;
use super::{open_connected, program, quoted};
use crate::args::{self, CheckIntegration, ConsentUrl, OneTenant};
use crate::credentials::{Credentials, Place, Places};
use crate::failure::Failure;
use crate::library::{
    CollectorOptions, ConsentRequest, ConsentState, Integration, Integrations, Lake, Prerequisite,
    PrerequisiteState, Removal, TenantId,
};
use crate::output::{note, print, stdout_width};
use crate::show::wrap;
use crate::units;

pub(crate) async fn run(location: &str, command: args::Integrations) -> Result<ExitCode, Failure> {
    if let args::Integrations::Add(new) = command {
        return add::run(location, &new).await;
    }
    let lake = open_connected(location).await?;
    let integrations = Integrations::new(lake.clone());
    match command {
        args::Integrations::Add(_) => {}
        args::Integrations::List => show::list(&integrations).await?,
        args::Integrations::Show { tenant } => {
            let tenant = one(&integrations, tenant).await?;
            show::show(&integrations, tenant).await?;
        }
        args::Integrations::Check(wanted) => return check(lake, &integrations, wanted).await,
        args::Integrations::ConsentUrl(wanted) => consent_url(&lake, &integrations, wanted).await?,
        args::Integrations::Pause { tenant, reason } => {
            let tenant = one(&integrations, tenant).await?;
            integrations.pause(tenant, reason.as_deref()).await?;
            note(&format!(
                "paused {tenant}; what is not collected within seven days is lost"
            ));
        }
        args::Integrations::Resume { tenant } => {
            let tenant = one(&integrations, tenant).await?;
            let integration = integrations.resume(tenant).await?;
            note(&format!("{tenant} is {}", words(&integration)));
        }
        args::Integrations::Remove {
            tenant,
            delete_data,
            yes,
        } => {
            let tenant = tenant.given().ok_or_else(|| {
                Failure::usage("say which: `integrations remove ID`")
                    .with_hint("`integrations list` lists them")
            })?;
            remove(&lake, &integrations, tenant, delete_data && yes).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The tenant that is meant, or the only one that has an integration.
async fn one(integrations: &Integrations, given: OneTenant) -> Result<TenantId, Failure> {
    if let Some(tenant) = given.given() {
        return Ok(tenant);
    }
    match integrations.list().await?.as_slice() {
        [one] => Ok(one.tenant()),
        [] => Err(Failure::new("the lake has no integration")
            .with_hint("`integrations add` connects a tenant")),
        several => Err(Failure::usage(format!(
            "the lake has {} integrations: say which by the tenant's id",
            several.len()
        ))
        .with_hint("`integrations list` lists them")),
    }
}

/// `waiting_for_first_data` as people say it.
pub(super) fn words(integration: &Integration) -> String {
    integration.state.state.as_str().replace('_', " ")
}

async fn check(
    lake: Lake,
    integrations: &Integrations,
    wanted: CheckIntegration,
) -> Result<ExitCode, Failure> {
    let tenant = one(integrations, wanted.tenant).await?;
    let mut credentials = Credentials::of_lake(lake.url());
    if let Some(place) = Place::of(&wanted.credential)? {
        credentials = credentials.with(tenant, place);
    }
    let collector = collector(lake, &credentials, CollectorOptions::default())?;
    let prerequisites = collector.check(tenant).await?;
    let width = stdout_width();
    let mut text = String::new();
    for prerequisite in &prerequisites {
        text.push_str(&described(prerequisite, width));
    }
    print(&text)?;
    let count = |state| {
        let found = prerequisites.iter().filter(|one| one.state == state);
        found.count() as u64
    };
    match count(PrerequisiteState::NotMet) {
        0 => {
            note(&match count(PrerequisiteState::Unknown) {
                0 => "everything is as it has to be".to_owned(),
                unknown => format!(
                    "nothing is wrong; {} not be told yet",
                    units::counted(unknown, "thing can", "things can")
                ),
            });
            Ok(ExitCode::SUCCESS)
        }
        not_met => Err(Failure::new(format!(
            "{not_met} of {} prerequisites {} not met",
            prerequisites.len(),
            if not_met == 1 { "is" } else { "are" },
        ))),
    }
}

/// State, what it is about, what was seen, what to do.
fn described(prerequisite: &Prerequisite, width: usize) -> String {
    const INDENT: &str = "           ";
    let state = match prerequisite.state {
        PrerequisiteState::Met => "met",
        PrerequisiteState::NotMet => "not met",
        _ => "unknown",
    };
    let room = width.saturating_sub(INDENT.len()).max(20);
    let indented = |text: &str| {
        let text = units::printable(text);
        wrap(&text, room)
            .lines()
            .map(|line| format!("{INDENT}{line}\n"))
            .collect::<String>()
    };
    let title = indented(&prerequisite.title);
    let title = title.strip_prefix(INDENT).unwrap_or(&title);
    let mut text = format!("{state:<11}{title}");
    text += &indented(&format!("seen: {}", prerequisite.seen));
    if !prerequisite.what_to_do.is_empty() {
        text += &indented(&format!("to do: {}", prerequisite.what_to_do));
    }
    text
}

async fn consent_url(
    lake: &Lake,
    integrations: &Integrations,
    wanted: ConsentUrl,
) -> Result<(), Failure> {
    let tenant = one(integrations, wanted.tenant).await?;
    let config = integrations.get(tenant).await?.config;
    let state = ConsentState::new(lake.ids());
    let request = ConsentRequest {
        cloud: config.cloud,
        tenant: Some(tenant),
        client_id: config.client_id,
        redirect: wanted.redirect,
        state: state.clone(),
    };
    print(&format!("{}\n", request.url()))?;
    note(&format!(
        "An administrator of the tenant opens it, signs in and accepts. The browser then goes to the redirect; an answer \
         to this address has state={}. Then: {} --lake {} integrations check {tenant}",
        state.as_str(),
        program(),
        quoted(lake.url().as_str()),
    ));
    Ok(())
}

async fn remove(
    lake: &Lake,
    integrations: &Integrations,
    tenant: TenantId,
    is_deleted: bool,
) -> Result<(), Failure> {
    let removal = match is_deleted {
        true => Removal::DeleteData,
        false => Removal::KeepData,
    };
    integrations.remove(tenant, removal).await?;
    if let Some(places) = Places::of_user() {
        places.forget(lake.url(), tenant)?;
    }
    note(&match removal {
        Removal::DeleteData => format!("removed {tenant} and all that the lake had of it"),
        Removal::KeepData => {
            format!("removed {tenant}; its data stays, and can be asked")
        }
    });
    Ok(())
}
