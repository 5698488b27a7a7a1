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

use crate::failure::Failure;
use crate::library::{Error, Lake, LakeOptions};

/// Opens a lake that has to be there.
async fn open(lake: &str) -> Result<Lake, Failure> {
    let opened = Lake::open(lake, LakeOptions::default()).await;
    opened.map_err(|error| Error::from(error).into())
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
