//! Regular expressions: <https://trino.io/docs/current/functions/regexp.html>.

use std::borrow::Cow;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array, ListBuilder, StringBuilder};
use datafusion::common::{Result, exec_err};
use regex::Regex;

use super::Function;
use super::scalar::{Call, Memo, Scalar, Takes, at, gives_integer, gives_text, gives_texts};

const PAGE: &str = "regexp";

pub(super) fn functions() -> Vec<Function> {
    use Takes::{Integer, Text};
    let scalar =
        |syntax, meaning, scalar: Scalar| Function::scalar(PAGE, syntax, meaning, scalar.build());
    vec![
        scalar(
            "regexp_replace(text, pattern[, replacement])",
            "Replaces all matches; `$1` and `${name}` are groups, `\\$` is a dollar sign. Without a replacement, takes the matches out.",
            Scalar::new(
                "regexp_replace",
                &[Text, Text, Text],
                gives_text,
                regexp_replace,
            )
            .with_optional(1),
        ),
        scalar(
            "regexp_extract(text, pattern[, group])",
            "The first match, or a group of it; NULL if there is none.",
            Scalar::new(
                "regexp_extract",
                &[Text, Text, Integer],
                gives_text,
                regexp_extract,
            )
            .with_optional(1),
        ),
        scalar(
            "regexp_extract_all(text, pattern[, group])",
            "All matches, or a group of each.",
            Scalar::new(
                "regexp_extract_all",
                &[Text, Text, Integer],
                gives_texts,
                regexp_extract_all,
            )
            .with_optional(1),
        ),
        scalar(
            "regexp_split(text, pattern)",
            "The parts between matches; empty ones at the end stay.",
            Scalar::new("regexp_split", &[Text, Text], gives_texts, regexp_split),
        ),
        scalar(
            "regexp_position(text, pattern[, start[, occurrence]])",
            "Where the first match from `start` on begins, or a later one; -1 if there is none.",
            Scalar::new(
                "regexp_position",
                &[Text, Text, Integer, Integer],
                gives_integer,
                regexp_position,
            )
            .with_optional(2),
        ),
        Function::same(
            PAGE,
            "regexp_like(text, pattern)",
            "Whether the pattern matches a part of the text. `regexp_count` as in the default dialect too.",
        ),
    ]
}

fn compile(pattern: &str) -> Result<Regex> {
    Regex::new(pattern).or_else(|error| {
        let error = error.to_string();
        let reason = error.lines().last().unwrap_or_default();
        let reason = reason.trim().trim_start_matches("error: ");
        exec_err!("the regular expression cannot be used: {reason}")
    })
}

fn regexp_replace(call: &Call) -> Result<ArrayRef> {
    let (text, pattern) = (call.text(0)?, call.text(1)?);
    let replacement = call.has(2).then(|| call.text(2)).transpose()?;
    let mut patterns = Memo::new();
    call.text_rows(|row| {
        let (Some(text), Some(pattern)) = (at(text, row), at(pattern, row)) else {
            return Ok(None);
        };
        let replacement = match replacement {
            None => Cow::Borrowed(""),
            Some(replacement) => match at(replacement, row) {
                Some(replacement) => in_rust(replacement)?,
                None => return Ok(None),
            },
        };
        let regex = patterns.get(pattern, compile)?;
        let mut replaced = String::new();
        let mut end = 0;
        for captures in regex.captures_iter(text) {
            let Some(found) = captures.get(0) else {
                continue;
            };
            replaced.push_str(text.get(end..found.start()).unwrap_or_default());
            captures.expand(&replacement, &mut replaced);
            end = found.end();
            call.bounded(replaced.len())?;
        }
        replaced.push_str(text.get(end..).unwrap_or_default());
        Ok(Some(replaced))
    })
}

/// A replacement of Java as one of the `regex` crate, where `$1a` is a group named `1a` and `$$` a dollar sign.
fn in_rust(replacement: &str) -> Result<Cow<'_, str>> {
    if !replacement.contains(['$', '\\']) {
        return Ok(Cow::Borrowed(replacement));
    }
    let mut rust = String::new();
    let mut characters = replacement.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some('$') => rust.push_str("$$"),
                Some(other) => rust.push(other),
                None => return exec_err!("the replacement ends with a lone backslash"),
            },
            '$' => {
                let mut group = String::new();
                if characters.peek() == Some(&'{') {
                    characters.next();
                    group.extend(
                        characters
                            .by_ref()
                            .take_while(|character| *character != '}'),
                    );
                } else {
                    while let Some(digit) = characters.next_if(char::is_ascii_digit) {
                        group.push(digit);
                    }
                }
                if group.is_empty() {
                    return exec_err!(
                        "the replacement `{replacement}` has a `$` without a group: `\\$` is a dollar sign"
                    );
                }
                rust.push_str("${");
                rust.push_str(&group);
                rust.push('}');
            }
            other => rust.push(other),
        }
    }
    Ok(Cow::Owned(rust))
}

/// The number of a group, if the pattern has it.
fn group_of(regex: &Regex, group: Option<i64>) -> Result<usize> {
    let group = group.unwrap_or(0);
    match usize::try_from(group) {
        Ok(index) if index < regex.captures_len() => Ok(index),
        _ => exec_err!(
            "the pattern has {} groups, not {group}",
            regex.captures_len() - 1
        ),
    }
}

fn regexp_extract(call: &Call) -> Result<ArrayRef> {
    let (text, pattern) = (call.text(0)?, call.text(1)?);
    let group = call.has(2).then(|| call.integers(2)).transpose()?;
    let mut patterns = Memo::new();
    call.text_rows(|row| {
        let (Some(text), Some(pattern)) = (at(text, row), at(pattern, row)) else {
            return Ok(None);
        };
        let regex = patterns.get(pattern, compile)?;
        let group = group_of(regex, group.and_then(|group| at(group, row)))?;
        let captures = regex.captures(text);
        Ok(captures
            .and_then(|captures| captures.get(group))
            .map(|found| found.as_str()))
    })
}

fn regexp_extract_all(call: &Call) -> Result<ArrayRef> {
    let (text, pattern) = (call.text(0)?, call.text(1)?);
    let group = call.has(2).then(|| call.integers(2)).transpose()?;
    let mut patterns = Memo::new();
    let mut lists = ListBuilder::new(StringBuilder::new());
    for row in 0..call.rows {
        let (Some(text), Some(pattern)) = (at(text, row), at(pattern, row)) else {
            lists.append(false);
            continue;
        };
        let regex = patterns.get(pattern, compile)?;
        let group = group_of(regex, group.and_then(|group| at(group, row)))?;
        for captures in regex.captures_iter(text) {
            lists
                .values()
                .append_option(captures.get(group).map(|found| found.as_str()));
        }
        lists.append(true);
    }
    Ok(Arc::new(lists.finish()))
}

fn regexp_split(call: &Call) -> Result<ArrayRef> {
    let (text, pattern) = (call.text(0)?, call.text(1)?);
    let mut patterns = Memo::new();
    let mut lists = ListBuilder::new(StringBuilder::new());
    for row in 0..call.rows {
        let (Some(text), Some(pattern)) = (at(text, row), at(pattern, row)) else {
            lists.append(false);
            continue;
        };
        for part in patterns.get(pattern, compile)?.split(text) {
            lists.values().append_value(part);
        }
        lists.append(true);
    }
    Ok(Arc::new(lists.finish()))
}

fn regexp_position(call: &Call) -> Result<ArrayRef> {
    let (text, pattern) = (call.text(0)?, call.text(1)?);
    let start = call.has(2).then(|| call.integers(2)).transpose()?;
    let occurrence = call.has(3).then(|| call.integers(3)).transpose()?;
    let mut patterns = Memo::new();
    let array: Int64Array = call.rows(|row| {
        let (Some(text), Some(pattern)) = (at(text, row), at(pattern, row)) else {
            return Ok(None);
        };
        let start = start.map_or(Some(1), |start| at(start, row));
        let occurrence = occurrence.map_or(Some(1), |occurrence| at(occurrence, row));
        let (Some(start), Some(occurrence)) = (start, occurrence) else {
            return Ok(None);
        };
        let (Ok(start), Ok(occurrence)) =
            (usize::try_from(start - 1), usize::try_from(occurrence - 1))
        else {
            return exec_err!("regexp_position: start and occurrence count from 1");
        };
        let Some((from, _)) = text.char_indices().nth(start) else {
            return Ok(Some(-1));
        };
        let regex = patterns.get(pattern, compile)?;
        let mut places = Vec::new();
        let mut next = from;
        while let Some(found) = regex.find_at(text, next) {
            places.push(found.start());
            if places.len() > occurrence {
                break;
            }
            // An empty match is left behind by a character.
            let step = text.get(found.end()..).and_then(|rest| rest.chars().next());
            next = if found.is_empty() {
                match step {
                    Some(character) => found.end() + character.len_utf8(),
                    None => break,
                }
            } else {
                found.end()
            };
        }
        let place = places
            .get(occurrence)
            .map(|place| text[..*place].chars().count() + 1);
        Ok(Some(
            place
                .and_then(|place| i64::try_from(place).ok())
                .unwrap_or(-1),
        ))
    })?;
    Ok(Arc::new(array))
}
