//! The line editor's knowledge: which words there are, and where a query ends.

use rustyline::completion::Completer;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Context, Helper, Highlighter, Hinter, Result};

use super::command::COMMANDS;
use crate::library::{Library, TACTICS, tables, views};

/// Words of SQL that are typed often.
const KEYWORDS: [&str; 22] = [
    "AND", "AS", "BETWEEN", "BY", "COUNT", "DESC", "DISTINCT", "EXPLAIN", "FROM", "GROUP",
    "HAVING", "ILIKE", "INTERVAL", "JOIN", "LEFT", "LIKE", "LIMIT", "NULL", "ORDER", "SELECT",
    "WHERE", "WITH",
];

/// What Tab completes.
#[derive(Helper, Highlighter, Hinter)]
pub(super) struct Words {
    tables: Vec<String>,
    columns: Vec<String>,
    queries: Vec<String>,
}

impl Words {
    pub(super) fn new<'a>(library: &Library, lookups: impl Iterator<Item = &'a str>) -> Self {
        let lake = tables();
        let named = lake.iter().map(|table| table.name);
        let named = named.chain(views().iter().map(|view| view.name));
        let mut columns: Vec<String> = (lake.iter())
            .flat_map(|table| table.columns.iter().map(|column| column.name.to_owned()))
            .collect();
        columns.sort_unstable();
        columns.dedup();
        Self {
            tables: named.chain(lookups).map(str::to_owned).collect(),
            columns,
            queries: library.queries().map(|query| query.id.clone()).collect(),
        }
    }

    /// The words that the one before the cursor may become, and where it begins.
    fn complete_word(&self, before: &str) -> (usize, Vec<String>) {
        let start = before
            .rfind(|character: char| !(character.is_alphanumeric() || "_\\-".contains(character)))
            .map_or(0, |at| {
                at + before
                    .get(at..)
                    .and_then(|rest| rest.chars().next())
                    .map_or(1, char::len_utf8)
            });
        let word = before.get(start..).unwrap_or_default().to_ascii_lowercase();
        let command = before.split_whitespace().next().unwrap_or_default();
        let is_first = before
            .get(..start)
            .is_none_or(|head| head.trim().is_empty());
        let candidates: Vec<&str> = match command {
            _ if word.starts_with('\\') && is_first => COMMANDS.to_vec(),
            "\\run" | "\\show" => self.queries.iter().map(String::as_str).collect(),
            "\\columns" => self.tables.iter().map(String::as_str).collect(),
            "\\queries" => TACTICS.to_vec(),
            "\\dialect" => vec!["datafusion", "trino"],
            command if command.starts_with('\\') => Vec::new(),
            _ if word.is_empty() => Vec::new(),
            _ => (self.tables.iter().chain(&self.columns))
                .map(String::as_str)
                .chain(KEYWORDS)
                .collect(),
        };
        let found = candidates
            .into_iter()
            .filter(|candidate| candidate.to_ascii_lowercase().starts_with(&word));
        (start, found.map(str::to_owned).collect())
    }
}

impl Completer for Words {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _context: &Context<'_>,
    ) -> Result<(usize, Vec<String>)> {
        Ok(self.complete_word(line.get(..position).unwrap_or_default()))
    }
}

impl Validator for Words {
    /// A query goes on until its semicolon; a command is a line.
    fn validate(&self, context: &mut ValidationContext<'_>) -> Result<ValidationResult> {
        Ok(if is_complete(context.input()) {
            ValidationResult::Valid(None)
        } else {
            ValidationResult::Incomplete
        })
    }
}

fn is_complete(text: &str) -> bool {
    let text = text.trim();
    if text.is_empty() || text.starts_with('\\') || ["quit", "exit", "help"].contains(&text) {
        return true;
    }
    let mut quote = None;
    let mut is_comment = false;
    let mut ends = false;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match (quote, character) {
            _ if is_comment => is_comment = character != '\n',
            (Some(open), _) => {
                if character == open {
                    quote = None;
                }
            }
            (None, '\'' | '"') => {
                quote = Some(character);
                ends = false;
            }
            (None, '-') if characters.peek() == Some(&'-') => is_comment = true,
            (None, ';') => ends = true,
            (None, character) => ends &= character.is_whitespace(),
        }
    }
    ends && quote.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_ends_with_its_semicolon() {
        for (text, expected) in [
            ("", true),
            ("\\tables", true),
            ("exit", true),
            ("SELECT 1", false),
            ("SELECT 1;", true),
            ("SELECT 1;\n", true),
            ("SELECT ';", false),
            ("SELECT ';'", false),
            ("SELECT ';';", true),
            ("SELECT 1 -- no;", false),
            ("SELECT 1; -- yes", true),
            ("SELECT 1 -- it's\n;", true),
            ("SELECT 1; SELECT 2", false),
        ] {
            assert_eq!(is_complete(text), expected, "{text}");
        }
    }

    #[test]
    fn words_are_completed_where_they_stand() {
        let words = Words::new(&Library::new(), ["iocs"].into_iter());
        for (before, start, first) in [
            ("\\ru", 0, Some("\\run")),
            ("\\run top_us", 5, Some("top_users")),
            ("\\columns m365_sign", 9, Some("m365_signins")),
            ("\\dialect tr", 9, Some("trino")),
            ("SELECT user_i", 7, Some("user_id")),
            ("sel", 0, Some("SELECT")),
            ("SELECT * FROM io", 14, Some("iocs")),
            ("SELECT count(USER_I", 13, Some("user_id")),
            ("SELECT ", 7, None),
            ("SELECT é", 7, None),
        ] {
            let (at, found) = words.complete_word(before);
            assert_eq!(at, start, "{before}");
            assert_eq!(found.first().map(String::as_str), first, "{before}");
        }
    }
}
