//! `live-discover`: the Microsoft 365 audit log into a lake, from the service or from exports, and SQL over it.
//!
//! The smallest complete host program of the library: it reads the arguments, makes a runtime, and shows what the
//! library says. Data goes to standard output; progress, reports and errors go to standard error.

mod args;
mod commands;
mod credentials;
mod failure;
mod library;
mod output;
mod show;
mod signals;
mod storage;
mod units;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use crate::args::{Cli, Command};
use crate::failure::Failure;

#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What still runs after Ctrl-C or an error has this long to end.
const SHUTDOWN_TIME: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = run(cli);
    match outcome {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}

fn run(cli: Cli) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("could not start: {error}")))?;
    // The shell outlives Ctrl-C: it ends a query there. Collecting stops when what was begun is written.
    let sees_to_it = matches!(cli.command, Command::Shell(_) | Command::Collect(_));
    let outcome = runtime.block_on(async {
        tokio::select! {
            outcome = command(cli) => outcome,
            _ = tokio::signal::ctrl_c(), if !sees_to_it => Err(Failure::Cancelled),
        }
    });
    runtime.shutdown_timeout(SHUTDOWN_TIME);
    outcome
}

async fn command(cli: Cli) -> Result<ExitCode, Failure> {
    let lake = cli.lake;
    match cli.command {
        Command::Ingest(ingest) => commands::ingest::run(&args::required(lake), ingest).await,
        Command::Integrations(integrations) => {
            commands::integrations::run(&args::required(lake), integrations).await
        }
        Command::Collect(collect) => commands::collect::run(&args::required(lake), collect).await,
        Command::Coverage(coverage) => {
            commands::coverage::run(&args::required(lake), coverage).await
        }
        Command::Networks(networks) => {
            commands::networks::run(&args::required(lake), networks).await
        }
        Command::Query(query) => commands::query::run(&args::required(lake), query).await,
        Command::Shell(shell) => commands::shell::run(&args::required(lake), shell).await,
        Command::Categories(categories) => {
            commands::queries::categories(&args::required(lake), categories).await
        }
        Command::Queries(queries) => commands::queries::run(lake, queries).await,
        Command::Watch(watch) => commands::watch::run(&args::required(lake), watch).await,
        Command::Tables(tables) => commands::tables::tables(tables.format),
        Command::Columns(columns) => commands::tables::columns(&columns.table, columns.format),
        Command::Status => commands::status::run(&args::required(lake)).await,
        Command::Verify => commands::verify::run(&args::required(lake)).await,
        Command::Maintain(maintain) => {
            commands::maintain::run(&args::required(lake), maintain).await
        }
        Command::Demo(demo) => commands::demo::run(demo).await,
    }
}
