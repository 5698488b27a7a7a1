//! What a line of the shell says.

use clap::ValueEnum;

use crate::args::{Dialect, ListQueries, RowsFormat};
use crate::failure::Failure;

/// A line, understood.
#[derive(Debug)]
pub(super) enum Line {
    Nothing,
    Quit,
    Help,
    Tables,
    Columns(String),
    Queries(ListQueries),
    Show(String),
    Run {
        id: String,
        variables: Vec<(String, String)>,
    },
    From(String),
    To(String),
    Dialect(Dialect),
    Sql(String),
}

/// The commands, for completion.
pub(super) const COMMANDS: [&str; 10] = [
    "\\columns",
    "\\dialect",
    "\\from",
    "\\help",
    "\\queries",
    "\\quit",
    "\\run",
    "\\show",
    "\\tables",
    "\\to",
];

pub(super) fn parse(text: &str) -> Result<Line, Failure> {
    let text = text.trim();
    let Some(command) = text.strip_prefix('\\') else {
        let sql = text.trim_end_matches(';').trim_end();
        return Ok(match sql {
            "" => Line::Nothing,
            "quit" | "exit" => Line::Quit,
            "help" => Line::Help,
            sql => Line::Sql(sql.to_owned()),
        });
    };
    let words = words(command)?;
    let mut words = words.into_iter();
    let name = words.next().unwrap_or_default();
    let rest: Vec<String> = words.collect();
    let one = |what: &str| match rest.as_slice() {
        [word] => Ok(word.clone()),
        _ => Err(Failure::usage(format!("write \\{name} {what}"))),
    };
    Ok(match name.as_str() {
        "quit" | "q" | "exit" => Line::Quit,
        "help" | "h" | "?" => Line::Help,
        "tables" => Line::Tables,
        "columns" => Line::Columns(one("TABLE")?.to_ascii_lowercase()),
        "queries" => Line::Queries(ListQueries {
            tactic: rest.first().cloned(),
            category: None,
            format: RowsFormat::Table,
        }),
        "show" => Line::Show(one("ID")?),
        "from" => Line::From(one("TIME")?),
        "to" => Line::To(one("TIME")?),
        "dialect" => Line::Dialect(
            Dialect::from_str(&one("datafusion|trino")?, true)
                .map_err(|_| Failure::usage("write \\dialect datafusion or \\dialect trino"))?,
        ),
        "run" => {
            let (id, variables) = rest
                .split_first()
                .ok_or_else(|| Failure::usage("write \\run ID [NAME=VALUE …]"))?;
            let variables = variables.iter().map(|pair| {
                pair.split_once('=')
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .ok_or_else(|| Failure::usage(format!("`{pair}`: write NAME=VALUE")))
            });
            Line::Run {
                id: id.clone(),
                variables: variables.collect::<Result<_, _>>()?,
            }
        }
        name => {
            return Err(Failure::usage(format!("no command `\\{name}`"))
                .with_hint("\\help lists the commands"));
        }
    })
}

/// Words between blanks; quotes keep blanks in a word.
fn words(text: &str) -> Result<Vec<String>, Failure> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for character in text.chars() {
        match (quote, character) {
            (Some(open), character) if character == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None, character) if character.is_whitespace() => words.extend(word.take()),
            (_, character) => word.get_or_insert_default().push(character),
        }
    }
    if quote.is_some() {
        return Err(Failure::usage("a quote is not closed"));
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_understood() {
        for (text, expected) in [
            ("", "Nothing"),
            (" ; ", "Nothing"),
            ("SELECT 1;", "Sql(\"SELECT 1\")"),
            ("exit;", "Quit"),
            ("\\q", "Quit"),
            ("\\columns M365_Audit", "Columns(\"m365_audit\")"),
            ("\\show top_users", "Show(\"top_users\")"),
            ("\\from -P7D", "From(\"-P7D\")"),
            ("\\dialect Trino", "Dialect(Trino)"),
            (
                "\\run top_users user='a b' days=\"7\"",
                "Run { id: \"top_users\", variables: [(\"user\", \"a b\"), (\"days\", \"7\")] }",
            ),
        ] {
            assert_eq!(format!("{:?}", parse(text).unwrap()), expected, "{text}");
        }
        for text in [
            "\\what",
            "\\",
            "\\run",
            "\\run a b",
            "\\columns",
            "\\show 'a",
            "\\dialect x",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
