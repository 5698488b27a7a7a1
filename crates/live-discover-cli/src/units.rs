//! Numbers, sizes and times as people read and write them.

use std::borrow::Cow;
use std::fmt::Write;
use std::time::Duration;

use chrono::DateTime;

/// `1,234,567`
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 row`, `2 rows`
pub(crate) fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// `1.2 MB`, in powers of 1000.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1000.0;
    let mut units = UNITS.iter();
    let mut unit = units.next().copied().unwrap_or_default();
    for larger in units {
        // What would be printed as 1000.0 belongs to the next unit.
        if value < 999.95 {
            break;
        }
        value /= 1000.0;
        unit = larger;
    }
    format!("{value:.1} {unit}")
}

/// `0.12 s`, `12.3 s`, `3 min 20 s`
pub(crate) fn elapsed(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    match seconds {
        ..10.0 => format!("{seconds:.2} s"),
        ..60.0 => format!("{seconds:.1} s"),
        _ => format!(
            "{} min {} s",
            duration.as_secs() / 60,
            duration.as_secs() % 60
        ),
    }
}

/// `2026-10-01 08:15:00` in UTC, from µs since 1970.
pub(crate) fn time(micros: i64) -> String {
    DateTime::from_timestamp_micros(micros).map_or_else(
        || "?".to_owned(),
        |time| time.format("%Y-%m-%d %H:%M:%S").to_string(),
    )
}

/// Bytes from `1048576`, `256MB`, `1GiB`, `512k`.
pub(crate) fn parse_bytes(text: &str) -> Result<usize, String> {
    let invalid = || format!("`{text}` is no size: write 268435456, 256MB or 256MiB");
    let digits_end = text
        .find(|character: char| !character.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at(digits_end);
    let number: usize = digits.parse().map_err(|_| invalid())?;
    let factor: usize = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1_000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        _ => return Err(invalid()),
    };
    number
        .checked_mul(factor)
        .filter(|bytes| *bytes > 0)
        .ok_or_else(invalid)
}

/// The text without what a terminal would act on: records are written by strangers.
///
/// A line break becomes a space, together with the next line's indentation, and so does a tab; other control characters, and those that turn the direction of writing, are
/// written out as `\u{1b}`.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(acts) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\n' | '\r' => {
                while characters.next_if(|next| next.is_whitespace()).is_some() {}
                shown.push(' ');
            }
            '\t' => shown.push(' '),
            character if acts(character) => {
                // Writing to a String cannot fail.
                let _ = write!(shown, "{}", character.escape_unicode());
            }
            character => shown.push(character),
        }
    }
    Cow::Owned(shown)
}

fn acts(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_sizes() {
        for (number, expected) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(count(number), expected);
        }
        for (bytes, expected) in [
            (999, "999 B"),
            (1_000, "1.0 kB"),
            (999_999, "1.0 MB"),
            (2_345_678, "2.3 MB"),
            (u64::MAX, "18.4 EB"),
        ] {
            assert_eq!(size(bytes), expected);
        }
    }

    #[test]
    fn sizes_are_parsed() {
        for (text, expected) in [
            ("1048576", Some(1 << 20)),
            ("256MB", Some(256_000_000)),
            ("256 mib", Some(256 << 20)),
            ("1g", Some(1_000_000_000)),
            ("0", None),
            ("", None),
            ("MB", None),
            ("-1", None),
            ("12 parsecs", None),
            ("99999999999999999999", None),
            ("99999999999999999gib", None),
        ] {
            assert_eq!(parse_bytes(text).ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn nothing_acts_on_the_terminal() {
        assert_eq!(printable("plain ünï"), "plain ünï");
        assert_eq!(printable("a\r\n    b\tc"), "a b c");
        assert_eq!(printable("\u{1b}[31mred"), "\\u{1b}[31mred");
        assert_eq!(printable("exe.\u{202e}fdp"), "exe.\\u{202e}fdp");
    }
}
