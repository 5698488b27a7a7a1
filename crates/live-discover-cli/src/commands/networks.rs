//! `networks`: what is inside.

use std::fmt::Write;
use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

use super::open;
use crate::args::Networks;
use crate::failure::Failure;
use crate::library::{Error, InternalNetworks, LakeError, NetworksDecision};
use crate::output::{note, print};
use crate::units;

pub(crate) async fn run(location: &str, command: Networks) -> Result<ExitCode, Failure> {
    match command {
        Networks::Show => {
            let lake = open(location).await?;
            let networks = lake.internal_networks().await.map_err(Error::from)?;
            let decision = lake.networks_decision().await.map_err(Error::from)?;
            print(&text(&networks))?;
            match decision {
                Some(NetworksDecision::Given) => {}
                Some(_) => note("networks of your own were declined; `networks set` gives them"),
                None => note("nobody has said yet what is inside; `networks set` does"),
            }
        }
        Networks::Set { file } => {
            let new = read(&file)?;
            let lake = open(location).await?;
            let changed = lake.update_internal_networks(|_| Ok(new.clone())).await;
            let networks = changed.map_err(Error::from)?;
            note(&format!(
                "inside are {} and {}, beside the private ranges",
                units::counted(networks.networks().count() as u64, "network", "networks"),
                units::counted(networks.domains().count() as u64, "domain", "domains"),
            ));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What a file says is inside; `-` is standard input.
pub(super) fn read(file: &Path) -> Result<InternalNetworks, Failure> {
    let failed = |error: std::io::Error| {
        Failure::new(format!("could not read `{}`: {error}", file.display()))
    };
    let text = if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map_err(failed)?;
        text
    } else {
        std::fs::read_to_string(file).map_err(failed)?
    };
    text.parse()
        .map_err(|error: LakeError| Failure::usage(format!("`{}`: {error}", file.display())))
}

/// In the form that can be read again.
fn text(networks: &InternalNetworks) -> String {
    let mut text = String::from("# Always inside\n");
    for range in InternalNetworks::private_ranges() {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "# {range}");
    }
    for network in networks.networks() {
        let _ = writeln!(text, "{network}");
    }
    for domain in networks.domains() {
        let _ = writeln!(text, "{domain}");
    }
    text
}
