//! Texts of servers, cut to what may be shown.

use std::ops::RangeInclusive;

/// What of an answer is kept in a message. Units: bytes.
const EXCERPT_BYTES_MAX: usize = 256;

/// One line of at most 256 bytes: enough to see what it is (T26).
pub(crate) fn excerpt(text: &str) -> String {
    let mut line = String::with_capacity(text.len().min(EXCERPT_BYTES_MAX));
    for word in text.split(|character: char| character.is_whitespace() || character.is_control()) {
        if word.is_empty() {
            continue;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        if line.len() >= EXCERPT_BYTES_MAX {
            break;
        }
    }
    line.truncate(line.floor_char_boundary(EXCERPT_BYTES_MAX));
    line
}

/// `text` without the secrets, should a server send them back.
pub(crate) fn redact(text: &str, secrets: &[&str]) -> String {
    let mut shown = text.to_owned();
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        let encoded: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        for form in [*secret, &encoded] {
            if shown.contains(form) {
                shown = shown.replace(form, "(secret)");
            }
        }
    }
    shown
}

/// The first code in the text: `prefix` and so many digits, not part of a longer word such as a GUID.
pub(crate) fn code_after(
    text: &str,
    prefix: &str,
    digits: RangeInclusive<usize>,
) -> Option<String> {
    text.match_indices(prefix).find_map(|(start, _)| {
        let before = text.get(..start)?.bytes().next_back();
        let after = text.get(start + prefix.len()..)?;
        let count = after.bytes().take_while(u8::is_ascii_digit).count();
        let next = after.as_bytes().get(count).copied();
        let is_word = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
        let is_code =
            digits.contains(&count) && !is_word(before) && before != Some(b'-') && !is_word(next);
        is_code
            .then(|| text.get(start..start + prefix.len() + count))?
            .map(str::to_owned)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_one_short_line() {
        assert_eq!(excerpt("  a\r\n\tb\0c "), "a b c");
        assert_eq!(excerpt(&"é".repeat(300)), "é".repeat(128));
        assert_eq!(excerpt(&"ab ".repeat(300)).len(), 256);
    }

    #[test]
    fn a_secret_goes_whatever_its_form() {
        assert_eq!(
            redact("a=x+y& b=x%2By", &["x+y", ""]),
            "a=(secret)& b=(secret)"
        );
    }

    #[test]
    fn codes_are_no_parts_of_guids() {
        for (text, code) in [
            ("{'error':{'code':'AF429','message':''}}", Some("AF429")),
            ("AF20022: none", Some("AF20022")),
            ("00000000-AF42-AF429-0000-AF20022", None),
            ("AF123456-0000-0000-0000-000000000000", None),
            ("AF12345B-0000", None),
            ("LEAF20022", None),
            ("AF12", None),
            ("LEAF20022 AF20023", Some("AF20023")),
        ] {
            assert_eq!(code_after(text, "AF", 3..=5).as_deref(), code, "{text}");
        }
    }
}
