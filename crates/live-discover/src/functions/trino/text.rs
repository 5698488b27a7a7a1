//! Text: <https://trino.io/docs/current/functions/string.html>.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, Int64Array, ListBuilder, MapBuilder, MapFieldNames, StringBuilder,
};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err};

use super::Function;
use super::scalar::{
    Call, Planned, Scalar, Takes, at, gives_integer, gives_text, gives_texts, map_of,
};

const PAGE: &str = "string";

pub(super) fn functions() -> Vec<Function> {
    use Takes::{Integer, Text};
    let scalar =
        |syntax, meaning, scalar: Scalar| Function::scalar(PAGE, syntax, meaning, scalar.build());
    vec![
        Function::scalar(
            PAGE,
            "concat(a, b, …)",
            "Texts one after the other, NULL if one of them is; arrays too.",
            super::null_aware::concat(),
        ),
        scalar(
            "substr(text, start[, length])",
            "From a place counted from 1, or from the end if negative. `substring` is the same.",
            Scalar::new("substr", &[Text, Integer, Integer], gives_text, substr)
                .with_optional(1)
                .with_aliases(&["substring"]),
        ),
        scalar(
            "split(text, delimiter[, limit])",
            "The parts between delimiters; of more than `limit`, the last has the rest.",
            Scalar::new("split", &[Text, Text, Integer], gives_texts, split).with_optional(1),
        ),
        scalar(
            "split_part(text, delimiter, index)",
            "One of the parts, counted from 1; NULL past the end.",
            Scalar::new("split_part", &[Text, Text, Integer], gives_text, split_part),
        ),
        scalar(
            "split_to_map(text, entries, pair)",
            "A map of `key pair value` parts between `entries`; a key twice is an error.",
            Scalar::new("split_to_map", &[Text, Text, Text], gives_map, split_to_map),
        ),
        scalar(
            "codepoint(text)",
            "The code point of the only character.",
            Scalar::new("codepoint", &[Text], gives_integer, codepoint),
        ),
        scalar(
            "hamming_distance(a, b)",
            "At how many places two texts of one length differ.",
            Scalar::new(
                "hamming_distance",
                &[Text, Text],
                gives_integer,
                hamming_distance,
            ),
        ),
        scalar(
            "replace(text, search[, with])",
            "Without `with`, takes out what is searched for.",
            Scalar::new("replace", &[Text, Text, Text], gives_text, replace).with_optional(1),
        ),
        Function::rewritten(
            PAGE,
            "levenshtein_distance(a, b)",
            "Edits from one to the other: `levenshtein`.",
        ),
        Function::rewritten(
            PAGE,
            "title_case(text)",
            "First letters in upper case: `initcap`.",
        ),
        Function::same(
            PAGE,
            "lower(text)",
            "Also `upper`, `trim`, `ltrim`, `rtrim`, `lpad`, `rpad`, `length`, `chr`, `strpos`, `position(a IN b)`, `starts_with`, `ends_with`, `translate`, `concat_ws` as in the default dialect.",
        ),
    ]
}

fn gives_map(_: &Planned<'_>) -> Result<DataType> {
    Ok(map_of(DataType::Utf8))
}

fn substr(call: &Call) -> Result<ArrayRef> {
    let (text, start) = (call.text(0)?, call.integers(1)?);
    let length = call.has(2).then(|| call.integers(2)).transpose()?;
    call.text_rows(|row| {
        let (Some(text), Some(start)) = (at(text, row), at(start, row)) else {
            return Ok(None);
        };
        let length = match length {
            None => i64::MAX,
            Some(length) => match at(length, row) {
                Some(length) => length,
                None => return Ok(None),
            },
        };
        Ok(Some(slice(text, start, length)))
    })
}

/// Nothing where the start lies before or past the text, as in Trino.
fn slice(text: &str, start: i64, length: i64) -> &str {
    let skipped = if start > 0 {
        usize::try_from(start - 1).ok()
    } else {
        let characters = text.chars().count();
        let back = usize::try_from(start.unsigned_abs()).ok();
        back.filter(|back| *back > 0)
            .and_then(|back| characters.checked_sub(back))
    };
    let Some(skipped) = skipped else {
        return "";
    };
    let place = |rest: &str, characters: usize| {
        (rest.char_indices().nth(characters)).map_or(rest.len(), |(at, _)| at)
    };
    let rest = text.get(place(text, skipped)..).unwrap_or_default();
    let length = usize::try_from(length.max(0)).unwrap_or(usize::MAX);
    rest.get(..place(rest, length)).unwrap_or_default()
}

fn parts<'a>(text: &'a str, delimiter: &str) -> Result<Vec<&'a str>> {
    if delimiter.is_empty() {
        return exec_err!("the delimiter may not be empty");
    }
    Ok(text.split(delimiter).collect())
}

fn split(call: &Call) -> Result<ArrayRef> {
    let (text, delimiter) = (call.text(0)?, call.text(1)?);
    let limit = call.has(2).then(|| call.integers(2)).transpose()?;
    let mut lists = ListBuilder::new(StringBuilder::new());
    for row in 0..call.rows {
        let (Some(text), Some(delimiter)) = (at(text, row), at(delimiter, row)) else {
            lists.append(false);
            continue;
        };
        match limit {
            None => {
                for part in parts(text, delimiter)? {
                    lists.values().append_value(part);
                }
                lists.append(true);
            }
            Some(limit) => match at(limit, row) {
                None => lists.append(false),
                Some(limit) if limit <= 0 => return exec_err!("split: the limit must be positive"),
                Some(limit) => {
                    parts("", delimiter)?;
                    for part in text.splitn(usize::try_from(limit).unwrap_or(usize::MAX), delimiter)
                    {
                        lists.values().append_value(part);
                    }
                    lists.append(true);
                }
            },
        }
    }
    Ok(Arc::new(lists.finish()))
}

fn split_part(call: &Call) -> Result<ArrayRef> {
    let (text, delimiter, index) = (call.text(0)?, call.text(1)?, call.integers(2)?);
    call.text_rows(|row| {
        let (Some(text), Some(delimiter), Some(index)) =
            (at(text, row), at(delimiter, row), at(index, row))
        else {
            return Ok(None);
        };
        match usize::try_from(index) {
            Err(_) | Ok(0) => exec_err!("split_part: the index must be greater than zero"),
            // Trino gives single characters for it.
            Ok(index) if delimiter.is_empty() => Ok(text
                .char_indices()
                .nth(index - 1)
                .map(|(at, c)| &text[at..at + c.len_utf8()])),
            Ok(index) => Ok(text.split(delimiter).nth(index - 1)),
        }
    })
}

fn split_to_map(call: &Call) -> Result<ArrayRef> {
    let (text, entries, pair) = (call.text(0)?, call.text(1)?, call.text(2)?);
    let names = MapFieldNames {
        entry: "entries".to_owned(),
        key: "key".to_owned(),
        value: "value".to_owned(),
    };
    let mut maps = MapBuilder::new(Some(names), StringBuilder::new(), StringBuilder::new());
    for row in 0..call.rows {
        let (Some(text), Some(entries), Some(pair)) =
            (at(text, row), at(entries, row), at(pair, row))
        else {
            maps.append(false)?;
            continue;
        };
        let mut seen = std::collections::HashSet::new();
        for entry in parts(text, entries)?
            .into_iter()
            .filter(|entry| !entry.is_empty())
        {
            let Some((key, value)) = entry.split_once(pair) else {
                return exec_err!("split_to_map: `{entry}` has no `{pair}`");
            };
            if !seen.insert(key) {
                return exec_err!("split_to_map: the key `{key}` is there twice");
            }
            maps.keys().append_value(key);
            maps.values().append_value(value);
        }
        maps.append(true)?;
    }
    Ok(Arc::new(maps.finish()))
}

fn codepoint(call: &Call) -> Result<ArrayRef> {
    let text = call.text(0)?;
    let array: Int64Array = call.rows(|row| {
        let Some(text) = at(text, row) else {
            return Ok(None);
        };
        let mut characters = text.chars();
        match (characters.next(), characters.next()) {
            (Some(character), None) => Ok(Some(i64::from(u32::from(character)))),
            _ => exec_err!("codepoint: `{text}` is not one character"),
        }
    })?;
    Ok(Arc::new(array))
}

fn hamming_distance(call: &Call) -> Result<ArrayRef> {
    let (left, right) = (call.text(0)?, call.text(1)?);
    let array: Int64Array = call.rows(|row| {
        let (Some(left), Some(right)) = (at(left, row), at(right, row)) else {
            return Ok(None);
        };
        if left.chars().count() != right.chars().count() {
            return exec_err!("hamming_distance: the texts have different lengths");
        }
        let differ = left
            .chars()
            .zip(right.chars())
            .filter(|(left, right)| left != right);
        Ok(i64::try_from(differ.count()).ok())
    })?;
    Ok(Arc::new(array))
}

fn replace(call: &Call) -> Result<ArrayRef> {
    let (text, search) = (call.text(0)?, call.text(1)?);
    let with = call.has(2).then(|| call.text(2)).transpose()?;
    call.text_rows(|row| {
        let (Some(text), Some(search)) = (at(text, row), at(search, row)) else {
            return Ok(None);
        };
        let with = match with {
            None => "",
            Some(with) => match at(with, row) {
                Some(with) => with,
                None => return Ok(None),
            },
        };
        // An empty search puts `with` between all characters.
        call.bounded(
            text.matches(search)
                .count()
                .saturating_mul(with.len())
                .saturating_add(text.len()),
        )?;
        Ok(Some(text.replace(search, with)))
    })
}
