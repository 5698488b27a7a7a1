//! `integrations add`.

use std::path::Path;
use std::process::ExitCode;

use super::super::{networks, open, program, quoted};
use crate::args::AddIntegration;
use crate::credentials::{DEFAULT_VARIABLE, Place, Places};
use crate::failure::Failure;
use crate::library::{
    Cloud, IntegrationConfig, IntegrationError, Integrations, Lake, LakeError, Networks, TenantId,
};
use crate::output::note;
use crate::storage;

pub(super) async fn run(location: &str, new: &AddIntegration) -> Result<ExitCode, Failure> {
    let config = config(new)?;
    let place = Place::of(&new.credential)?;
    if let Some(files @ Place::Files { .. }) = &place {
        // A mistake is best found now.
        files
            .read()
            .map_err(|error| Failure::new(error.to_string()))?;
    }
    let networks = match (&new.internal_networks, new.no_internal_networks) {
        (Some(file), _) => Networks::Given(networks::read(file)?),
        (None, true) => Networks::Declined,
        (None, false) => Networks::Keep,
    };
    let tenant = config.tenant;
    let lake = lake(location, &networks).await?;
    let integration = Integrations::new(lake.clone())
        .add(config, networks)
        .await?;
    note(&format!("added {tenant}: {}", super::words(&integration)));
    if let Some(place) = &place {
        remember(&lake, tenant, place)?;
    }
    note(&next(location, tenant));
    Ok(ExitCode::SUCCESS)
}

/// A lake is made by who says what is inside, and not by a mistake.
async fn lake(location: &str, networks: &Networks) -> Result<Lake, Failure> {
    if *networks == Networks::Keep {
        return match storage::open(location).await {
            Err(LakeError::NotFound { .. }) => Err(IntegrationError::NetworksUndecided.into()),
            _ => open(location).await,
        };
    }
    storage::create_or_open(location).await
}

fn config(new: &AddIntegration) -> Result<IntegrationConfig, Failure> {
    let mut config = IntegrationConfig::new(new.tenant, new.client_id)?;
    config.name.clone_from(&new.name);
    if let Some(publisher_id) = new.publisher_id {
        config.publisher_id = publisher_id;
    }
    if let Some(cloud) = &new.cloud {
        config.cloud = cloud.clone();
    }
    if let (Some(management_root), Some(login_root)) = (&new.management_root, &new.login_root) {
        config.cloud = Cloud::custom(management_root.clone(), login_root.clone())
            .map_err(|error| Failure::usage(error.to_string()))?;
    }
    if !new.content_types.is_empty() {
        config.content_types = new.content_types.iter().copied().collect();
    }
    if let Some(late_hours) = new.late_hours {
        config.late_hours = late_hours;
    }
    config.check()?;
    Ok(config)
}

fn remember(lake: &Lake, tenant: TenantId, place: &Place) -> Result<(), Failure> {
    if let Place::Variable(name) = place
        && place.read().is_err()
    {
        note(&format!(
            "note: the variable {name} is not set here; it has to be where `collect` runs"
        ));
    }
    let Some(places) = Places::of_user() else {
        note(&format!(
            "note: there is no folder for configuration (HOME is not set): say where the credential is each time, or set \
             {DEFAULT_VARIABLE}"
        ));
        return Ok(());
    };
    places.remember(lake.url(), tenant, place)?;
    let shown = |path: &Path| path.display().to_string();
    note(&format!(
        "its credential is read from {} when it is needed; {} says so",
        match place {
            Place::Variable(name) => format!("the variable {name}"),
            Place::Files {
                certificate,
                private_key,
            } => format!("{} and {}", shown(certificate), shown(private_key)),
        },
        shown(&places.file()),
    ));
    Ok(())
}

fn next(location: &str, tenant: TenantId) -> String {
    let lake = format!("{} --lake {}", program(), quoted(location));
    format!(
        "
What an administrator of the tenant sees to
  - auditing is turned on (Microsoft Purview portal, Audit)
  - “Enabled for users to sign in?” is Yes (Azure portal, Enterprise applications, application type Microsoft
    Applications, Office 365 Management APIs, Properties)
  - the application has the permissions ActivityFeed.Read and, for DLP.All, ActivityFeed.ReadDlp
  - consent is granted; this prints the address for it:
    {lake} integrations consent-url {tenant} --redirect URL

Next
  {lake} integrations check {tenant}
  {lake} collect"
    )
}
