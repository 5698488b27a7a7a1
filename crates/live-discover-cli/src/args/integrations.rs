//! The arguments of what connects to Microsoft 365: `integrations`, `networks`, `collect`, `coverage`.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ArgGroup, Args, Subcommand};
use url::Url;
use uuid::Uuid;

use super::RowsFormat;
use crate::library::{Cloud, ContentType, TenantId};

#[derive(Debug, Subcommand)]
pub(crate) enum Integrations {
    /// Connect a tenant
    Add(Box<AddIntegration>),
    /// List the connected tenants and their states
    #[command(after_help = "Example:\n  live-discover --lake ./lake integrations list")]
    List,
    /// Show how a tenant is connected and how its collection is doing
    #[command(after_help = "\
Example:
  live-discover --lake ./lake integrations show 0fad12b5-8d6a-4c43-a01f-e6d0a0d0e1c7")]
    Show {
        #[command(flatten)]
        tenant: OneTenant,
    },
    /// Ask Microsoft 365 whether what has to be so is so, and say what to do
    Check(CheckIntegration),
    /// Print the address where an administrator of the tenant consents
    ConsentUrl(ConsentUrl),
    /// Stop collecting for a time; after seven days what was not collected is lost
    #[command(after_help = "\
Example:
  live-discover --lake ./lake integrations pause 0fad12b5-8d6a-4c43-a01f-e6d0a0d0e1c7 --reason 'tenant moves'")]
    Pause {
        #[command(flatten)]
        tenant: OneTenant,
        /// Why, for those who see it
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Go on collecting
    #[command(after_help = "\
Example:
  live-discover --lake ./lake integrations resume 0fad12b5-8d6a-4c43-a01f-e6d0a0d0e1c7")]
    Resume {
        #[command(flatten)]
        tenant: OneTenant,
    },
    /// Stop collecting for good; the data stays unless it is to be deleted
    #[command(after_help = "\
Examples:
  live-discover --lake ./lake integrations remove 0fad12b5-8d6a-4c43-a01f-e6d0a0d0e1c7
  live-discover --lake ./lake integrations remove 0fad12b5-8d6a-4c43-a01f-e6d0a0d0e1c7 --delete-data --yes")]
    Remove {
        #[command(flatten)]
        tenant: OneTenant,
        /// Delete all that the lake has of the tenant, for good
        #[arg(long, requires = "yes")]
        delete_data: bool,
        /// Yes, delete it
        #[arg(long, requires = "delete_data")]
        yes: bool,
    },
}

/// A tenant with an integration.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct OneTenant {
    /// The tenant; needed if the lake has several integrations
    #[arg(value_name = "ID", conflicts_with = "of_tenant")]
    id: Option<TenantId>,
    /// The same, as an option
    #[arg(id = "of_tenant", long = "tenant", value_name = "ID", hide = true)]
    tenant: Option<TenantId>,
}

impl OneTenant {
    /// What was given.
    pub(crate) fn given(self) -> Option<TenantId> {
        self.id.or(self.tenant)
    }
}

#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("credential").args(["client_secret_env", "certificate"]).required(true),
    after_help = "\
The application is registered in Microsoft Entra ID with the application permissions ActivityFeed.Read and, for \
DLP.All, ActivityFeed.ReadDlp of the Office 365 Management APIs.

No secret is kept: not in the lake, and not on this machine. What is kept is where to find it, the variable's name or \
the files' places, in credentials.json in the folder LIVE_DISCOVER_CONFIG, else in live-discover in the user's folder for \
configuration (XDG_CONFIG_HOME, ~/.config, or APPDATA). `collect` and `integrations check` look there.

The first integration of a lake asks for your own domains and networks, for SQL that tells inside from outside: give \
them (a file of networks, addresses and domains, one a line) or decline. `networks set` changes them at any time.

Examples:
  live-discover --lake ./lake integrations add --tenant 0fad12b5-8d6a-4c43-a01f-e6d0a0d0e1c7 \\
      --client-id 5d1f0c2b-7a3e-4c88-b1d6-90e4a2f37c15 --client-secret-env M365_SECRET \\
      --internal-networks networks.txt
  live-discover --lake ./lake integrations add --tenant 0fad12b5-8d6a-4c43-a01f-e6d0a0d0e1c7 \\
      --client-id 5d1f0c2b-7a3e-4c88-b1d6-90e4a2f37c15 --certificate app.crt --private-key app.key \\
      --cloud gcc_high --content-type Audit.Exchange --no-internal-networks"
)]
pub(crate) struct AddIntegration {
    /// Whose records: the tenant's id
    #[arg(long, value_name = "ID")]
    pub(crate) tenant: TenantId,
    /// The application's id
    #[arg(long, value_name = "ID")]
    pub(crate) client_id: Uuid,
    #[command(flatten)]
    pub(crate) credential: CredentialPlace,
    /// Whose quota requests count for: the tenant of whoever collects [default: the tenant itself]
    #[arg(long, value_name = "GUID")]
    pub(crate) publisher_id: Option<Uuid>,
    /// What people call it
    #[arg(long, value_name = "TEXT")]
    pub(crate) name: Option<String>,
    /// Where the tenant lives [default: enterprise]
    #[arg(long, value_name = "NAME", value_parser = clouds())]
    pub(crate) cloud: Option<Cloud>,
    /// The root of the API, in place of a cloud's: for tests and proxies
    #[arg(
        long,
        value_name = "URL",
        requires = "login_root",
        conflicts_with = "cloud"
    )]
    pub(crate) management_root: Option<Url>,
    /// The root of the token endpoint
    #[arg(long, value_name = "URL", requires = "management_root")]
    pub(crate) login_root: Option<Url>,
    /// What is collected; again for each [default: all]
    #[arg(long = "content-type", value_name = "TYPE", value_delimiter = ',', ignore_case = true, value_parser = content_types())]
    pub(crate) content_types: Vec<ContentType>,
    /// How long blobs may be late: windows are listed again for so long [default: 48]
    #[arg(long, value_name = "N")]
    pub(crate) late_hours: Option<u32>,
    /// Your own networks and domains; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) internal_networks: Option<PathBuf>,
    /// You have none to give
    #[arg(long, conflicts_with = "internal_networks")]
    pub(crate) no_internal_networks: bool,
}

/// Where the host finds a credential.
#[derive(Debug, Clone, Args)]
pub(crate) struct CredentialPlace {
    /// The environment variable that holds the client secret
    #[arg(long, value_name = "NAME", conflicts_with_all = ["certificate", "private_key"])]
    pub(crate) client_secret_env: Option<String>,
    /// The application's certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "private_key")]
    pub(crate) certificate: Option<PathBuf>,
    /// The certificate's private key, in PEM
    #[arg(long, value_name = "FILE", requires = "certificate")]
    pub(crate) private_key: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Asks for a token, lists the subscriptions, starts those that are off, and lists each content type for a minute. Exit \
code 1 if something is not as it has to be. The credential is looked for where `integrations add` was told it is; an \
option says otherwise for this time.

Examples:
  live-discover --lake ./lake integrations check 0fad12b5-8d6a-4c43-a01f-e6d0a0d0e1c7
  live-discover --lake ./lake integrations check 0fad12b5-8d6a-4c43-a01f-e6d0a0d0e1c7 --client-secret-env NEW_SECRET")]
pub(crate) struct CheckIntegration {
    #[command(flatten)]
    pub(crate) tenant: OneTenant,
    #[command(flatten)]
    pub(crate) credential: CredentialPlace,
}

#[derive(Debug, Args)]
#[command(after_help = "\
An administrator of the tenant opens the address, signs in and accepts. The browser then goes to the redirect with the \
answer: `admin_consent=True`, or an error that `integrations check` puts into words.

Example:
  live-discover --lake ./lake integrations consent-url 0fad12b5-8d6a-4c43-a01f-e6d0a0d0e1c7 \\
      --redirect https://localhost/consent")]
pub(crate) struct ConsentUrl {
    #[command(flatten)]
    pub(crate) tenant: OneTenant,
    /// Where the browser goes with the answer: one of the redirect URIs in the application's registration
    #[arg(long, value_name = "URL")]
    pub(crate) redirect: Url,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Networks {
    /// Show what is inside, in the form that `set` takes
    #[command(after_help = "Example:\n  live-discover --lake ./lake networks show > networks.txt")]
    Show,
    /// Say what is inside, in place of what was said before
    #[command(after_help = "\
The file has networks (203.0.113.0/24), addresses and domains, separated by white space or commas; what follows a # is a \
comment. The private ranges are inside without being named.

Example:
  live-discover --lake ./lake networks set networks.txt")]
    Set {
        /// Networks, addresses and domains; `-` is standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "\
--once collects until nothing is due, shows how each content type is doing, and exits with 0; with 1 if a content type \
is failing or work is left, and says why. Stopped or killed, it goes on where it was: run it again. --follow collects until \
Ctrl-C or SIGTERM. Two collectors at once do no harm: one leads.

The credential is looked for where `integrations add` was told it is, then in the variable LIVE_DISCOVER_CLIENT_SECRET; \
an option says otherwise for this time, for one tenant.

Examples:
  live-discover --lake ./lake collect
  live-discover --lake ./lake collect --tenant 0fad12b5-8d6a-4c43-a01f-e6d0a0d0e1c7 --client-secret-env M365_SECRET
  live-discover --lake ./lake collect --follow")]
pub(crate) struct Collect {
    /// Collect what is due, then end; this is what is done without --follow
    #[arg(long, conflicts_with = "follow")]
    pub(crate) once: bool,
    /// Collect until Ctrl-C or SIGTERM
    #[arg(long)]
    pub(crate) follow: bool,
    /// Whose records; again for each [default: all integrations]
    #[arg(long = "tenant", value_name = "ID")]
    pub(crate) tenants: Vec<TenantId>,
    #[command(flatten)]
    pub(crate) credential: CredentialPlace,
}

#[derive(Debug, Args)]
#[command(after_help = "\
For each day (UTC) on which content became available, and each content type: `complete` (all that Microsoft listed is in \
the lake, and no more can come), `waiting` (more may come, or is still to be retrieved), `partial` (some of it is \
missing, or may be: it was not listed as late as content may come), `lost` (all of it is). --losses names each, and why.

Examples:
  live-discover --lake ./lake coverage
  live-discover --lake ./lake coverage --losses
  live-discover --lake ./lake coverage --format csv > coverage.csv")]
pub(crate) struct Coverage {
    /// Whose; again for each [default: all tenants]
    #[arg(long = "tenant", value_name = "ID")]
    pub(crate) tenants: Vec<TenantId>,
    /// A row for each window or blob that is lost, or may miss something: from, to, content id, reason
    #[arg(long)]
    pub(crate) losses: bool,
    /// Form of the rows
    #[arg(long, value_enum, default_value_t = RowsFormat::Table)]
    pub(crate) format: RowsFormat,
}

fn clouds() -> impl TypedValueParser<Value = Cloud> {
    let names = Cloud::NAMED.map(|cloud| cloud.name());
    PossibleValuesParser::new(names).try_map(|name| name.parse::<Cloud>())
}

fn content_types() -> impl TypedValueParser<Value = ContentType> {
    let names = ContentType::ALL.map(ContentType::as_str);
    PossibleValuesParser::new(names)
        .try_map(|name| ContentType::parse(&name).ok_or("it is no content type"))
}
