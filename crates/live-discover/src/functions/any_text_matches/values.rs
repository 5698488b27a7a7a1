//! The values of a JSON text, without its names, in one pass and without a tree.
//!
//! The text is that of a record, which was parsed when it came in. Of one that is no JSON the values are those that
//! a reader would take for them: nothing here fails.

use memchr::{memchr, memchr2};

/// A value that holds no others.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// A string without an escape.
    Text(&'a str),
    /// A string as it is written, between its quotes.
    Escaped(&'a str),
    /// A number, `true` or `false`.
    Literal(&'a str),
}

/// Whether a text begins as a JSON object or array does.
pub(super) fn is_json(text: &str) -> bool {
    text.trim_ascii_start().starts_with(['{', '['])
}

/// Whether one of the values is as `is_wanted`.
pub(super) fn any<'a>(json: &'a str, mut is_wanted: impl FnMut(Value<'a>) -> bool) -> bool {
    let mut rest = json;
    loop {
        let Some((between, tail)) = memchr(b'"', rest.as_bytes()).and_then(|at| split(rest, at))
        else {
            return literals(rest).any(|literal| is_wanted(Value::Literal(literal)));
        };
        if literals(between).any(|literal| is_wanted(Value::Literal(literal))) {
            return true;
        }
        let (text, is_escaped, behind) = string(tail);
        let is_name = behind.trim_ascii_start().starts_with(':');
        if !is_name {
            let value = if is_escaped {
                Value::Escaped(text)
            } else {
                Value::Text(text)
            };
            if is_wanted(value) {
                return true;
            }
        }
        rest = behind;
    }
}

/// Appends the text that a string stands for. What is no escape of JSON stays as it is; half of a surrogate pair
/// becomes the replacement character.
pub(super) fn decode(escaped: &str, decoded: &mut String) {
    let mut rest = escaped;
    while let Some((plain, tail)) = memchr(b'\\', rest.as_bytes()).and_then(|at| split(rest, at)) {
        decoded.push_str(plain);
        let mut letters = tail.chars();
        let Some(letter) = letters.next() else {
            decoded.push('\\');
            return;
        };
        rest = letters.as_str();
        match letter {
            '"' | '\\' | '/' => decoded.push(letter),
            'b' => decoded.push('\u{8}'),
            'f' => decoded.push('\u{c}'),
            'n' => decoded.push('\n'),
            'r' => decoded.push('\r'),
            't' => decoded.push('\t'),
            'u' => match code_unit(rest) {
                Some((unit, behind)) => {
                    let (character, behind) = character(unit, behind);
                    decoded.push(character);
                    rest = behind;
                }
                None => decoded.push_str("\\u"),
            },
            other => {
                decoded.push('\\');
                decoded.push(other);
            }
        }
    }
    decoded.push_str(rest);
}

/// The text before a byte of ASCII, and the one after it.
fn split(text: &str, at: usize) -> Option<(&str, &str)> {
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// From behind the first quote: what is between, whether it has escapes, and what comes behind the second.
fn string(text: &str) -> (&str, bool, &str) {
    let mut is_escaped = false;
    let mut from = 0;
    while let Some(at) = text
        .as_bytes()
        .get(from..)
        .and_then(|rest| memchr2(b'"', b'\\', rest))
    {
        let at = from + at;
        if text.as_bytes().get(at) == Some(&b'"') {
            let (between, behind) = split(text, at).unwrap_or((text, ""));
            return (between, is_escaped, behind);
        }
        is_escaped = true;
        from = at + 2;
    }
    (text, is_escaped, "")
}

/// Numbers, `true` and `false` between two strings.
fn literals(between: &str) -> impl Iterator<Item = &str> {
    let is_around = |character: char| {
        matches!(character, ',' | ':' | '{' | '}' | '[' | ']') || character.is_ascii_whitespace()
    };
    between
        .split(is_around)
        .filter(|literal| !literal.is_empty() && *literal != "null")
}

/// Four hexadecimal digits, and what comes behind them.
fn code_unit(text: &str) -> Option<(u32, &str)> {
    let (digits, behind) = text.split_at_checked(4)?;
    if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    Some((u32::from_str_radix(digits, 16).ok()?, behind))
}

/// The character of a code unit of UTF-16, with the second half of its pair if it has one.
fn character(unit: u32, behind: &str) -> (char, &str) {
    if let Some(character) = char::from_u32(unit) {
        return (character, behind);
    }
    let pair = (behind.strip_prefix("\\u"))
        .and_then(code_unit)
        .filter(|(low, _)| (0xd800..0xdc00).contains(&unit) && (0xdc00..0xe000).contains(low))
        .and_then(|(low, behind)| {
            let character = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
            Some((char::from_u32(character)?, behind))
        });
    pair.unwrap_or((char::REPLACEMENT_CHARACTER, behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_decoded() {
        for (escaped, expected) in [
            (r"", ""),
            (r"plain é", "plain é"),
            (r#"a\/b\\c\"d"#, r#"a/b\c"d"#),
            (r"\b\f\n\r\t", "\u{8}\u{c}\n\r\t"),
            (r"\u0041\u00e9\u00E9", "Aéé"),
            (r"\ud83d\ude00!", "😀!"),
            (r"\ud83dx", "\u{fffd}x"),
            (r"\ude00\ud83d", "\u{fffd}\u{fffd}"),
            (r"\ud83d\u0041", "\u{fffd}A"),
            (r"\u12", r"\u12"),
            (r"\u+123", r"\u+123"),
            (r"\x\", "\\x\\"),
            (r"\\u0041", r"\u0041"),
        ] {
            let mut decoded = String::new();
            decode(escaped, &mut decoded);
            assert_eq!(decoded, expected, "{escaped}");
        }
    }

    #[test]
    fn values_are_found_and_names_are_not() {
        use Value::{Escaped, Literal, Text};
        for (json, expected) in [
            ("{}", vec![]),
            (r#"{"a":"b","c" : "d"}"#, vec![Text("b"), Text("d")]),
            (
                r#"{"a":[1,-2.5e3,true,null,{"b":"c"}],"d":false}"#,
                vec![
                    Literal("1"),
                    Literal("-2.5e3"),
                    Literal("true"),
                    Text("c"),
                    Literal("false"),
                ],
            ),
            (
                r#"{"a\"":"b\"c","d":"\\"}"#,
                vec![Escaped("b\\\"c"), Escaped("\\\\")],
            ),
            (r#"["",":"]"#, vec![Text(""), Text(":")]),
            (r#"{"a":"unfinished"#, vec![Text("unfinished")]),
            (r#"{"a":"\"#, vec![Escaped("\\")]),
            (r#"{"a":"\é"#, vec![Escaped("\\é")]),
        ] {
            let mut values = Vec::new();
            any(json, |value| {
                values.push(value);
                false
            });
            assert_eq!(values, expected, "{json}");
        }
    }
}
