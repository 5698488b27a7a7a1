//! One module for each command.

mod ask;
pub(crate) mod collect;
pub(crate) mod coverage;
pub(crate) mod demo;
pub(crate) mod ingest;
mod ingest_report;
pub(crate) mod integrations;
pub(crate) mod maintain;
pub(crate) mod networks;
pub(crate) mod queries;
pub(crate) mod query;
pub(crate) mod shell;
pub(crate) mod status;
pub(crate) mod tables;
pub(crate) mod verify;
pub(crate) mod watch;

use std::io;
use std::sync::atomic::Ordering;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;

use crate::args::RowsFormat;
use crate::failure::Failure;
use crate::library::{Lake, LakeError, OutputFormat, ResultWriter};
use crate::output::{Watched, list_width, print};
use crate::show::Grid;
use crate::storage;

/// Opens a lake that has to be there.
async fn open(lake: &str) -> Result<Lake, Failure> {
    let opened = storage::open(lake).await;
    opened.map_err(|error| storage::not_opened(lake, error))
}

/// Opens a lake for what is about its integrations.
async fn open_connected(lake: &str) -> Result<Lake, Failure> {
    let opened = storage::open(lake).await;
    opened.map_err(|error| {
        let is_missing = matches!(error, LakeError::NotFound { .. });
        let failure = storage::not_opened(lake, error);
        match is_missing {
            true => failure.with_hint(
                "`live-discover --lake URL integrations add …` makes a lake and connects a tenant",
            ),
            false => failure,
        }
    })
}

/// A list on standard output: for people what there is in it, for programs all of its columns.
fn print_list(grid: Grid, format: RowsFormat) -> Result<(), Failure> {
    match format.form() {
        Some(form) => write_rows(form, grid.batch()),
        None if grid.rows.is_empty() => Ok(()),
        None => print(&grid.without_empty_columns().draw_wrapped(list_width())),
    }
}

/// Rows on standard output.
fn write_rows(form: OutputFormat, rows: Result<RecordBatch, ArrowError>) -> Result<(), Failure> {
    let rows =
        rows.map_err(|error| Failure::new(format!("the rows cannot be written: {error}")))?;
    let (out, is_closed) = Watched::new(io::stdout());
    let mut writer = ResultWriter::new(form, rows.schema(), out)?;
    let written = writer.write(&rows).and_then(|()| writer.finish());
    match written {
        Err(_) if is_closed.load(Ordering::Relaxed) => Err(Failure::OutputClosed),
        written => Ok(written?),
    }
}

/// How the user would call this program again, for lines to copy.
fn program() -> String {
    // Cargo sets it for what it runs.
    if std::env::var_os("CARGO_MANIFEST_DIR").is_some() {
        return "cargo run --quiet --".to_owned();
    }
    let called = std::env::args().next();
    called.map_or_else(|| "live-discover".to_owned(), |called| quoted(&called))
}

/// A word for a shell.
fn quoted(word: &str) -> String {
    let is_plain =
        |character: char| character.is_alphanumeric() || "-_./:@%+,=~".contains(character);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn words_survive_a_shell() {
        for (word, expected) in [
            ("./lake", "./lake"),
            ("", "''"),
            ("my lake", "'my lake'"),
            ("it's", r"'it'\''s'"),
            ("$HOME", "'$HOME'"),
        ] {
            assert_eq!(quoted(word), expected);
        }
    }
}
