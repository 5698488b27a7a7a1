//! JSON strings to text.

use std::borrow::Cow;

/// The text of bytes that are Windows-1252, as Windows PowerShell writes files by default.
///
/// `None` if some of them are UTF-8, so that the others are damage, or no character of Windows-1252.
pub(super) fn of_windows_1252(bytes: &[u8]) -> Option<String> {
    const UNDEFINED: [u8; 5] = [0x81, 0x8d, 0x8f, 0x90, 0x9d];
    let has_utf8 = bytes.utf8_chunks().any(|chunk| !chunk.valid().is_ascii());
    let is_other = has_utf8 || bytes.iter().any(|byte| UNDEFINED.contains(byte));
    (!is_other).then(|| encoding_rs::WINDOWS_1252.decode(bytes).0.into_owned())
}

/// The text of a JSON string without its quotes; escapes that name no character become U+FFFD.
///
/// Half a surrogate pair comes from UTF-16 sources that cut texts anywhere; it must not cost the
/// record.
pub(crate) fn unescape(inner: &str) -> Cow<'_, str> {
    match memchr::memchr(b'\\', inner.as_bytes()) {
        None => Cow::Borrowed(inner),
        Some(first) => {
            let mut out = String::with_capacity(inner.len());
            unescape_into(inner, first, &mut out);
            Cow::Owned(out)
        }
    }
}

/// Appends the text, from whose `first` byte on there are escapes.
fn unescape_into(inner: &str, first: usize, out: &mut String) {
    let mut rest = inner;
    let mut next = Some(first);
    while let Some(at) = next {
        out.push_str(&rest[..at]);
        let escape = &rest[at + 1..];
        let (character, len) = one_escape(escape);
        out.push(character);
        rest = &escape[len..];
        next = memchr::memchr(b'\\', rest.as_bytes());
    }
    out.push_str(rest);
}

/// The character behind a backslash and how many bytes name it.
fn one_escape(escape: &str) -> (char, usize) {
    let character = match escape.as_bytes().first() {
        Some(b'"') => '"',
        Some(b'\\') => '\\',
        Some(b'/') => '/',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => return unicode_escape(escape),
        // Not JSON; the strict walk doesn't let it through.
        _ => return (char::REPLACEMENT_CHARACTER, 0),
    };
    (character, 1)
}

fn unicode_escape(escape: &str) -> (char, usize) {
    let unit = |at: usize| {
        escape
            .get(at..at + 4)
            .and_then(|hex| u16::from_str_radix(hex, 16).ok())
    };
    let Some(high) = unit(1) else {
        return (char::REPLACEMENT_CHARACTER, 1);
    };
    let pair = escape.get(5..7) == Some("\\u");
    let units = [high, if pair { unit(7).unwrap_or(0) } else { 0 }];
    match char::decode_utf16(units).next() {
        Some(Ok(character)) => (character, if character.len_utf16() == 2 { 11 } else { 5 }),
        _ => (char::REPLACEMENT_CHARACTER, 5),
    }
}

/// Where in a JSON text a `\u` is not followed by four hexadecimal digits. The lazy walk doesn't look.
pub(super) fn broken_unicode_escape(json: &str) -> Option<usize> {
    let json = json.as_bytes();
    memchr::memmem::find_iter(json, b"\\u").find(|&at| {
        let escaped = json[..at].iter().rev().take_while(|&&b| b == b'\\').count() % 2 == 1;
        let digits = json.get(at + 2..at + 6);
        !escaped && !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}

/// A JSON text in which escapes of half a surrogate pair stand for U+FFFD, if it has any; else `None`. The strict walk takes
/// none in names.
pub(super) fn whole_surrogates(json: &str) -> Option<String> {
    let mut whole = String::new();
    let (mut copied, mut at) = (0, 0);
    while let Some(next) = memchr::memchr(b'\\', json.get(at..)?.as_bytes()) {
        let escape = json.get(at + next + 1..)?;
        let (character, len) = one_escape(escape);
        at += next + 1;
        if character == char::REPLACEMENT_CHARACTER && len == 5 {
            whole.push_str(json.get(copied..at)?);
            whole.push_str("ufffd");
            copied = at + len;
        }
        at += len.max(1);
    }
    whole.push_str(json.get(copied..)?);
    (copied > 0).then_some(whole)
}

/// Appends a text as a JSON string, quotes included.
pub(crate) fn push_json_string(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if u32::from(c) < 0x20 => {
                out.push_str("\\u00");
                for shift in [4, 0] {
                    out.push(char::from_digit((u32::from(c) >> shift) & 0xF, 16).unwrap_or('0'));
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// The beginning of a text, in quotes, to show to people.
pub(super) fn shown(text: &str) -> String {
    const CHARACTERS_MAX: usize = 60;
    let mut shown = String::new();
    push_json_string(
        &mut shown,
        &text.chars().take(CHARACTERS_MAX).collect::<String>(),
    );
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes() {
        for (inner, want) in [
            ("plain", "plain"),
            (r#"a\"b\\c\/d"#, "a\"b\\c/d"),
            (r"\u0041\u00e9\u20ac", "Aé€"),
            (r"\ud83d\ude00", "😀"),
            (r"x\ud83dy", "x\u{fffd}y"),
            (r"\ude00", "\u{fffd}"),
            (r"\ud83d\ud83d\ude00", "\u{fffd}😀"),
            (r"\ud83d\n", "\u{fffd}\n"),
        ] {
            assert_eq!(unescape(inner), want, "{inner}");
        }
    }

    #[test]
    fn text_survives_both_ways() {
        let text = "quote \" backslash \\ line \n bell \u{7} euro € 😀";
        let mut json = String::new();
        push_json_string(&mut json, text);
        assert_eq!(unescape(&json[1..json.len() - 1]), text);
    }
}
