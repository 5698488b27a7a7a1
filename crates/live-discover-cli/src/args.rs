//! The arguments, as they are written.

mod integrations;

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};

use crate::library::{Form, OutputFormat, TACTICS, TenantId, tables, views};
use crate::units;
pub(crate) use integrations::{
    AddIntegration, CheckIntegration, Collect, ConsentUrl, Coverage, CredentialPlace, Integrations,
    Networks, OneTenant,
};

/// Keep the Microsoft 365 audit log in an open lake and ask it SQL questions.
#[derive(Debug, Parser)]
#[command(
    name = "live-discover",
    version,
    after_help = "\
Examples:
  live-discover demo                                   see it work on a made-up tenant
  live-discover --lake ./lake integrations add …       connect a tenant of Microsoft 365
  live-discover --lake ./lake collect                  take in what its audit log has
  live-discover --lake ./lake ingest ./exports         take in a folder of exports
  live-discover --lake ./lake status                   what the lake holds
  live-discover --lake ./lake query \"SELECT operation, count(*) FROM m365_audit GROUP BY 1\"
  live-discover queries list                           the queries that come with it
  live-discover --lake ./lake queries run top_users    one of them, over the last 24 hours
  live-discover columns m365_signins                   what can be asked for

Exit codes: 0 done, 1 failed, 2 usage, 130 cancelled."
)]
pub(crate) struct Cli {
    /// Where the lake is: a folder, or a URL such as s3://bucket/lake, az://… or gs://…
    #[arg(
        long,
        value_name = "URL",
        env = "LIVE_DISCOVER_LAKE",
        hide_env_values = true,
        global = true
    )]
    pub(crate) lake: Option<String>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Take files and folders into the lake
    Ingest(Ingest),
    /// Connect tenants of Microsoft 365
    #[command(subcommand)]
    Integrations(Integrations),
    /// Take in what the audit logs of the connected tenants have
    Collect(Collect),
    /// Show for each day and content type whether everything is there, and what is not
    Coverage(Coverage),
    /// Show or say which networks and domains are your own
    #[command(subcommand)]
    Networks(Networks),
    /// Ask the lake a question in SQL
    Query(Query),
    /// Ask questions one after the other
    Shell(Shell),
    /// List the categories of queries
    Categories(Categories),
    /// List, show, run, import and export the queries of the categories
    #[command(subcommand)]
    Queries(Queries),
    /// Keep queries that report what arrives
    #[command(subcommand)]
    Watch(Watch),
    /// List the tables and views
    Tables(Tables),
    /// List the columns of a table or view
    Columns(Columns),
    /// Show what the lake holds
    Status,
    /// Check the lake: every file, record and ledger entry
    Verify,
    /// Keep the lake quick and small: compact, expire, delete what nobody needs
    Maintain(Maintain),
    /// Collect from a made-up tenant and show what can be done with its records
    Demo(Demo),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Small files become large ones, days beyond --retain leave the table of records, and files that left a table longer \
ago than --vacuum-after are deleted. All of it runs beside ingest, collection and queries, may be stopped at any time \
and is completed by the same command: call it once an hour or once a day.

Examples:
  live-discover --lake ./lake maintain
  live-discover --lake ./lake maintain --dry-run --retain 365
  live-discover --lake ./lake maintain --retain 365 --vacuum-after 2days
  live-discover --lake ./lake maintain --tenant 0fad12b5-8d6a-4c43-a01f-e6d0a0d0e1c7 --no-vacuum")]
pub(crate) struct Maintain {
    /// Whose; again for each [default: all tenants]
    #[arg(long = "tenant", value_name = "ID")]
    pub(crate) tenants: Vec<TenantId>,
    /// Days of records to keep beside today's, by the UTC date of their events [default: all]
    #[arg(long, value_name = "DAYS")]
    pub(crate) retain: Option<NonZeroU32>,
    /// Leave small files as they are
    #[arg(long)]
    pub(crate) no_compact: bool,
    /// How long files are kept after they left a table: queries that run longer fail
    #[arg(long, value_name = "D", default_value = "7days", value_parser = humantime::parse_duration)]
    pub(crate) vacuum_after: Duration,
    /// Delete nothing
    #[arg(long, conflicts_with = "vacuum_after")]
    pub(crate) no_vacuum: bool,
    /// Allow less than an hour in --vacuum-after: only while nobody reads the lake
    #[arg(long)]
    pub(crate) force: bool,
    /// Show what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Reads content blobs of the Management Activity API, NDJSON, Search-UnifiedAuditLog CSV and JSON, CSV of the \
Purview portal, JSON of Microsoft Graph, CloudAppEvents of Defender as CSV, JSON and streamed, JSON of Wazuh and of \
Elastic's integration; plain, gzip or zstd. What is in the lake already is not added again, \
so an ingest that was stopped is completed by the same command.

Examples:
  live-discover --lake ./lake ingest ./exports
  live-discover --lake ./lake ingest AuditLog_2026-10.csv more.ndjson.gz
  live-discover --lake ./lake ingest --tenant 0fad12b5-8d6a-4c43-a01f-e6d0a0d0e1c7 ./exports
  live-discover --lake ./lake ingest --strict ./exports && echo everything was a record")]
pub(crate) struct Ingest {
    /// Files, folders (read whole) and URLs
    #[arg(value_name = "PATH", required = true)]
    pub(crate) paths: Vec<String>,
    /// The tenant of every record [default: each record's OrganizationId, or `unknown`]
    #[arg(long, value_name = "ID")]
    pub(crate) tenant: Option<TenantId>,
    /// The form of every input
    #[arg(long, value_name = "FORM", default_value = "auto", value_parser = sources())]
    pub(crate) source: Source,
    /// Fail (exit code 1) if there are rejects or a named input was skipped
    #[arg(long)]
    pub(crate) strict: bool,
}

/// The form of inputs as it is asked for; `None` tells it by content.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source(pub(crate) Option<Form>);

#[derive(Debug, Args)]
#[command(after_help = "\
One SELECT, or EXPLAIN of one, over all time unless --from or --to is given. Column names resolve whatever the case \
and underscores: UserId is user_id. `live-discover tables` and `live-discover columns TABLE` list what there is. \
Variables are written $$name$$; [[ … ]] around a clause makes it fall away when a variable in it is empty.

Examples:
  live-discover --lake ./lake query \"SELECT * FROM m365_signins ORDER BY creation_time DESC LIMIT 5\"
  live-discover --lake ./lake query --format csv \"SELECT user_id, count(*) FROM m365_audit GROUP BY 1\" > users.csv
  live-discover --lake ./lake query -f hunt.sql -o hunt.parquet --from -P30D
  live-discover --lake ./lake query --var 'user=ada@contoso.com' 'SELECT * FROM m365_audit WHERE user_id = $$user$$'
  live-discover --lake ./lake query --lookup iocs=iocs.csv \"SELECT * FROM m365_audit JOIN iocs ON source_ip = ip\"
  live-discover --lake ./lake query --dialect trino \"SELECT date_format(creation_time, '%Y-%m') FROM m365_audit\"")]
pub(crate) struct Query {
    /// The query
    #[arg(value_name = "SQL", required_unless_present = "file")]
    pub(crate) sql: Option<String>,
    /// Read the query from a file; `-` is standard input
    #[arg(short, long, value_name = "FILE", conflicts_with = "sql")]
    pub(crate) file: Option<PathBuf>,
    /// The SQL that the query is written in [default: what the file's header says, else datafusion]
    #[arg(long, value_enum)]
    pub(crate) dialect: Option<Dialect>,
    #[command(flatten)]
    pub(crate) filled: Filled,
    #[command(flatten)]
    pub(crate) asked: Asked,
}

/// What fills a query in.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Filled {
    /// The value of a variable; again for each value of a list
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = parse_pair)]
    pub(crate) variables: Vec<(String, String)>,
    /// Records from then on: 2026-10-01, 2026-10-01T08:00:00Z, -P7D (7 days ago) or all
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) from: Option<String>,
    /// Records before then
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) to: Option<String>,
    /// Records of these commits (`ingest_sequence`) instead of a time: 13.. for what came after commit 12, 13..20 without 20
    #[arg(long, value_name = "FROM..TO", value_parser = parse_commits, conflicts_with_all = ["from", "to"])]
    pub(crate) commits: Option<(Option<i64>, Option<i64>)>,
}

/// Of whom, with what, and what becomes of the result.
#[derive(Debug, Clone, Args)]
pub(crate) struct Asked {
    /// Whose records: a tenant, or all of the lake
    #[arg(long, value_name = "ID|all", default_value = "all", value_parser = parse_scope)]
    pub(crate) tenant: Scope,
    /// A file as a table beside the lake's: CSV, NDJSON or Parquet
    #[arg(long = "lookup", value_name = "NAME=FILE", value_parser = parse_pair)]
    pub(crate) lookups: Vec<(String, String)>,
    /// Form of the result [default: by the ending of FILE, or table]
    #[arg(long, value_enum)]
    pub(crate) format: Option<Format>,
    /// Write the result to a file
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Stop after this many rows [default: 1000 for tables, none for other forms]
    #[arg(long, value_name = "N")]
    pub(crate) max_rows: Option<u64>,
    /// Stop after this time, such as 30s or 5m [default: none]
    #[arg(long, value_name = "D", value_parser = humantime::parse_duration)]
    pub(crate) timeout: Option<Duration>,
    /// Memory for sorting, joining and grouping before it goes to disk, such as 256MB
    #[arg(long, value_name = "B", default_value = "512MiB", value_parser = units::parse_bytes)]
    pub(crate) memory: usize,
}

/// The SQL of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Dialect {
    /// DataFusion's, like PostgreSQL's
    Datafusion,
    /// Trino's, as templates of the Data Lake have it
    Trino,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  live-discover --lake ./lake categories")]
pub(crate) struct Categories {
    /// Whose: a tenant, or all of the lake
    #[arg(long, value_name = "ID|all", default_value = "all", value_parser = parse_scope)]
    pub(crate) tenant: Scope,
    /// Form of the list
    #[arg(long, value_enum, default_value_t = RowsFormat::Table)]
    pub(crate) format: RowsFormat,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Queries {
    /// List the queries of the categories
    List(ListQueries),
    /// Show a query: what it finds, its variables and its SQL
    Show {
        /// Its id, as `queries list` shows it
        id: String,
    },
    /// Run a query, over the last 24 hours unless --from or --to is given
    Run(RunQuery),
    /// Keep query files in the lake, each checked first
    Import {
        /// Files in the form that `queries export` writes
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
    },
    /// Write a query as a file: to change, share or import it
    Export {
        /// Its id
        id: String,
        /// Where to [default: standard output]
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Take an imported query out of the lake
    Remove {
        /// Its id
        id: String,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  live-discover queries list
  live-discover queries list --tactic exfiltration
  live-discover queries list --format ndjson
  live-discover --lake ./lake queries list --category ours       with those that were imported")]
pub(crate) struct ListQueries {
    /// Those of an ATT&CK tactic, such as persistence or exfiltration
    #[arg(long, value_name = "TACTIC", value_parser = PossibleValuesParser::new(TACTICS), hide_possible_values = true)]
    pub(crate) tactic: Option<String>,
    /// Those of a category
    #[arg(long, value_name = "ID")]
    pub(crate) category: Option<String>,
    /// Form of the list
    #[arg(long, value_enum, default_value_t = RowsFormat::Table)]
    pub(crate) format: RowsFormat,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  live-discover --lake ./lake queries run top_users --from -P7D
  live-discover --lake ./lake queries run inbox_rules --from all -o rules.csv
  live-discover --lake ./lake queries run user_timeline --var user=ada@contoso.com --from 2026-10-01 --to 2026-10-08")]
pub(crate) struct RunQuery {
    /// Its id, as `queries list` shows it
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) filled: Filled,
    #[command(flatten)]
    pub(crate) asked: Asked,
}

#[derive(Debug, Args)]
#[command(after_help = "\
SQL ends with a semicolon and may have several lines; \\help lists the commands. Tab completes tables, columns and \
queries.

Example:
  live-discover --lake ./lake shell --lookup assets=assets.csv")]
pub(crate) struct Shell {
    #[command(flatten)]
    pub(crate) asked: Asked,
}

#[derive(Debug, Args)]
pub(crate) struct Tables {
    /// Form of the list
    #[arg(long, value_enum, default_value_t = RowsFormat::Table)]
    pub(crate) format: RowsFormat,
}

/// Whose records a query sees.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Scope {
    All,
    One(TenantId),
}

/// Form of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people; fits the terminal
    Table,
    /// Comma-separated values with a header
    Csv,
    /// A JSON object a line
    Ndjson,
    /// A Parquet file
    Parquet,
    /// An Arrow IPC stream
    Arrow,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  live-discover columns m365_files")]
pub(crate) struct Columns {
    /// A table or view
    #[arg(value_name = "TABLE", ignore_case = true, hide_possible_values = true, value_parser = table_names())]
    pub(crate) table: String,
    /// Form of the list
    #[arg(long, value_enum, default_value_t = RowsFormat::Table)]
    pub(crate) format: RowsFormat,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Starts a service in the process that answers as Microsoft 365 does, with a tenant whose records of the last days are made \
up; adds an integration of it, collects into DIR/lake, and asks. Nothing leaves the machine. The service holds its content \
in memory, about 1.5 kB a record. Run again, it finds everything in the lake already and adds nothing.

Examples:
  live-discover demo
  live-discover demo --records 300000 --dir /tmp/big-demo")]
pub(crate) struct Demo {
    /// How many records to generate
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) records: u64,
    /// Where to put the lake
    #[arg(long, value_name = "DIR", default_value = "./live-discover-demo")]
    pub(crate) dir: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Watch {
    /// Put a query on watch
    Add(AddWatch),
    /// List the watches and how far they are
    List {
        /// Those of a tenant [default: all]
        #[arg(long, value_name = "ID")]
        tenant: Option<TenantId>,
        /// Form of the list
        #[arg(long, value_enum, default_value_t = RowsFormat::Table)]
        format: RowsFormat,
    },
    /// Report what has arrived since the last time
    Advance(AdvanceWatch),
    /// Remove a watch and what it remembers
    Remove {
        /// Its name, as `watch list` shows it
        name: String,
        /// Whose it is; needed if the lake has several tenants
        #[arg(long, value_name = "ID")]
        tenant: Option<TenantId>,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "\
A result is reported once. Columns that tell results apart are named by --key; without it these are all columns. \
A query that joins or groups needs to look back at the records that arrived before.

Examples:
  live-discover --lake ./lake watch add inbox_rules
  live-discover --lake ./lake watch add failed_sign_ins_by_user --key user_id --look-back 1h
  live-discover --lake ./lake watch add -f hunt.sql --name hunt --var user=ada@contoso.com --from-start")]
pub(crate) struct AddWatch {
    /// The query's id, as `queries list` shows it
    #[arg(value_name = "ID", required_unless_present = "file")]
    pub(crate) id: Option<String>,
    /// Read the query from a file, SQL with or without a header; `-` is standard input
    #[arg(short, long, value_name = "FILE", conflicts_with = "id")]
    pub(crate) file: Option<PathBuf>,
    /// The SQL that it is written in [default: what the query's header says, else datafusion]
    #[arg(long, value_enum)]
    pub(crate) dialect: Option<Dialect>,
    /// What to call the watch [default: the query's id, or the file's name]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// The value of a variable; again for each value of a list
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = parse_pair)]
    pub(crate) variables: Vec<(String, String)>,
    /// Whose records; needed if the lake has several tenants
    #[arg(long, value_name = "ID")]
    pub(crate) tenant: Option<TenantId>,
    /// A file as a table beside the lake's; give it to `watch advance`, too
    #[arg(long = "lookup", value_name = "NAME=FILE", value_parser = parse_pair)]
    pub(crate) lookups: Vec<(String, String)>,
    /// How far apart in time the records of one result are, such as 10m or 1day [default: a day where the query joins
    /// or groups]
    #[arg(long, value_name = "D", value_parser = humantime::parse_duration)]
    pub(crate) look_back: Option<Duration>,
    /// The columns that tell one result from another [default: all]
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',')]
    pub(crate) key: Vec<String>,
    /// Begin with the first record, not with those that arrive from now on
    #[arg(long)]
    pub(crate) from_start: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
For a scheduler: run it after each ingest, or every few minutes. csv and ndjson have the columns `watch` and \
`result_id` before the result's; a result that comes again after a crash has the same id.

Examples:
  live-discover --lake ./lake watch advance inbox_rules
  live-discover --lake ./lake watch advance --all --format ndjson >> alerts.ndjson")]
pub(crate) struct AdvanceWatch {
    /// Its name, as `watch list` shows it
    #[arg(value_name = "NAME", required_unless_present = "all")]
    pub(crate) name: Option<String>,
    /// Advance every watch
    #[arg(long, conflicts_with = "name")]
    pub(crate) all: bool,
    /// Whose; needed for a name if the lake has several tenants
    #[arg(long, value_name = "ID")]
    pub(crate) tenant: Option<TenantId>,
    /// A file as a table beside the lake's, for the watches that ask for it
    #[arg(long = "lookup", value_name = "NAME=FILE", value_parser = parse_pair)]
    pub(crate) lookups: Vec<(String, String)>,
    /// Form of the results
    #[arg(long, value_enum, default_value_t = RowsFormat::Table)]
    pub(crate) format: RowsFormat,
    /// Take the results that another run has and does not confirm, without waiting
    #[arg(long)]
    pub(crate) take_over: bool,
}

/// Form of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RowsFormat {
    /// For people; fits the terminal
    Table,
    /// Comma-separated values with a header
    Csv,
    /// A JSON object a line
    Ndjson,
}

impl RowsFormat {
    /// The form of a file, if it is one.
    pub(crate) fn form(self) -> Option<OutputFormat> {
        match self {
            Self::Table => None,
            Self::Csv => Some(OutputFormat::Csv),
            Self::Ndjson => Some(OutputFormat::Ndjson),
        }
    }
}

/// The lake for a command that needs one.
pub(crate) fn required(lake: Option<String>) -> String {
    lake.filter(|lake| !lake.is_empty()).unwrap_or_else(|| {
        Cli::command()
            .error(
                ErrorKind::MissingRequiredArgument,
                "no lake given: say where it is with --lake URL or the variable LIVE_DISCOVER_LAKE",
            )
            .exit()
    })
}

fn sources() -> impl TypedValueParser<Value = Source> {
    let names = Form::SOURCES.map(Form::name);
    PossibleValuesParser::new(std::iter::once("auto").chain(names)).map(|name| {
        let mut forms = Form::SOURCES.into_iter();
        Source(forms.find(|form| form.name() == name))
    })
}

fn table_names() -> impl TypedValueParser<Value = String> {
    let tables = tables().into_iter().map(|table| table.name);
    let names = tables.chain(views().iter().map(|view| view.name));
    PossibleValuesParser::new(names).map(|name| name.to_ascii_lowercase())
}

fn parse_pair(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .filter(|(name, _)| !name.is_empty())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .ok_or_else(|| "write NAME=VALUE".to_owned())
}

/// From a commit, included, to another, excluded.
fn parse_commits(text: &str) -> Result<(Option<i64>, Option<i64>), String> {
    let wrong = || "write 13.., 13..20 or ..20".to_owned();
    let number = |text: &str| match text {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| wrong()),
    };
    let (from, to) = text.split_once("..").ok_or_else(wrong)?;
    Ok((number(from)?, number(to)?))
}

fn parse_scope(text: &str) -> Result<Scope, String> {
    if text.eq_ignore_ascii_case("all") {
        return Ok(Scope::All);
    }
    let tenant = text
        .parse::<TenantId>()
        .map_err(|error| error.to_string())?;
    Ok(Scope::One(tenant))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_are_consistent() {
        Cli::command().debug_assert();
    }
}
