//! Times of audit records.

/// The farthest that clocks are from UTC: Kiribati's, `+14:00`.
const OFFSET_HOURS_MAX: i64 = 14;

/// Microseconds since 1970-01-01T00:00:00Z of a date and time.
///
/// Accepts what was seen: no zone (UTC by the API's contract), `Z`, an offset, 0 to 9 fraction
/// digits, a blank in place of the `T`; and what Windows PowerShell makes of a time ([`of_dot_net`]). Anything else is
/// `None`; there is no other fallback. In UTC too it is of the years 1 to 9999, which every reader of the lake can write.
/// The flag says that the text has digits below the microsecond, which the value lacks.
pub(crate) fn parse(text: &str) -> Option<(i64, bool)> {
    if let Some(rest) = text.strip_prefix("/Date(") {
        return of_dot_net(rest.strip_suffix(")/")?).map(|micros| (micros, false));
    }
    let b = text.as_bytes();
    if b.len() < 19
        || b[4] != b'-'
        || b[7] != b'-'
        || !matches!(b[10], b'T' | b't' | b' ')
        || b[13] != b':'
        || b[16] != b':'
    {
        return None;
    }
    let number = |from: usize, len: usize| {
        b[from..from + len].iter().try_fold(0i64, |n, &d| {
            d.is_ascii_digit().then(|| n * 10 + i64::from(d - b'0'))
        })
    };
    let (year, month, day) = (number(0, 4)?, number(5, 2)?, number(8, 2)?);
    let (hour, minute, second) = (number(11, 2)?, number(14, 2)?, number(17, 2)?);
    if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
        return None;
    }
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut rest = &b[19..];
    let mut micros = 0;
    let mut finer = false;
    if let Some((b'.' | b',', digits)) = rest.split_first() {
        let len = digits.iter().take_while(|d| d.is_ascii_digit()).count();
        if len == 0 || len > 9 {
            return None;
        }
        let mut scale = 100_000;
        for &digit in &digits[..len] {
            let digit = i64::from(digit - b'0');
            micros += digit * scale;
            finer |= scale == 0 && digit != 0;
            scale /= 10;
        }
        rest = &digits[len..];
    }
    let offset_minutes = match rest {
        [] | [b'Z' | b'z'] => 0,
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] | [sign @ (b'+' | b'-'), h1, h2, m1, m2] => {
            let digit = |d: u8| d.is_ascii_digit().then(|| i64::from(d - b'0'));
            let hours = digit(*h1)? * 10 + digit(*h2)?;
            let minutes = digit(*m1)? * 10 + digit(*m2)?;
            if hours > OFFSET_HOURS_MAX || minutes > 59 || hours == OFFSET_HOURS_MAX && minutes > 0
            {
                return None;
            }
            let minutes = hours * 60 + minutes;
            if *sign == b'-' { -minutes } else { minutes }
        }
        _ => return None,
    };
    let seconds = days_from_civil(year, month, day) * 86_400
        + hour * 3_600
        + (minute - offset_minutes) * 60
        + second;
    is_of_calendar(seconds).then_some((seconds * 1_000_000 + micros, finer))
}

/// `/Date(1784196000000)/`, as `ConvertTo-Json` of Windows PowerShell writes times: milliseconds since 1970 in UTC. An offset
/// behind them says where they were written, and changes nothing.
fn of_dot_net(text: &str) -> Option<i64> {
    let offset = text.len().checked_sub(5).and_then(|at| text.get(at..));
    let has_offset = offset.is_some_and(|offset| {
        offset.starts_with(['+', '-']) && offset[1..].bytes().all(|b| b.is_ascii_digit())
    });
    let digits = match has_offset && text.len() > 5 {
        true => &text[..text.len() - 5],
        false => text,
    };
    if digits.starts_with('+') {
        return None;
    }
    let millis: i64 = digits.parse().ok()?;
    is_of_calendar(millis.div_euclid(1_000)).then(|| millis * 1_000)
}

/// Whether a time, in seconds since 1970, is of the years 1 to 9999.
fn is_of_calendar(seconds: i64) -> bool {
    (days_from_civil(1, 1, 1) * 86_400..days_from_civil(10_000, 1, 1) * 86_400).contains(&seconds)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar
/// (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year - era * 400;
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        for (text, want) in [
            ("1970-01-01T00:00:00", Some(0)),
            ("2021-07-14T10:02:03", Some(1_626_256_923_000_000)),
            ("2021-07-14T10:02:03Z", Some(1_626_256_923_000_000)),
            ("2021-07-14 10:02:03", Some(1_626_256_923_000_000)),
            ("2021-07-14T10:02:03.1234567Z", Some(1_626_256_923_123_456)),
            ("2021-07-14T12:02:03+02:00", Some(1_626_256_923_000_000)),
            ("2021-07-14T04:32:03.5-0530", Some(1_626_256_923_500_000)),
            ("2024-02-29T00:00:00", Some(1_709_164_800_000_000)),
            ("0001-01-01T00:00:00", Some(-62_135_596_800_000_000)),
            ("9999-12-31T23:59:59", Some(253_402_300_799_000_000)),
            ("2023-02-29T00:00:00", None),
            ("2021-07-14", None),
            ("7/14/2021 4:05:03 AM", None),
            ("2021-07-14T10:02:03.", None),
            ("2021-07-14T10:02:03.1234567890", None),
            ("2021-07-14T10:02:03 UTC", None),
            ("2021-07-14T24:00:00", None),
            ("0000-01-01T00:00:00", None),
            ("2021-07-14T10:02:03+14:00", Some(1_626_206_523_000_000)),
            ("2021-07-14T10:02:03+14:01", None),
            ("2021-07-14T10:02:03-23:00", None),
            ("2021-07-14T10:02:03+00:60", None),
            ("9999-12-31T23:59:59+01:00", Some(253_402_297_199_000_000)),
            ("9999-12-31T23:59:59-01:00", None),
            ("0001-01-01T00:00:00+01:00", None),
            ("0001-01-01T00:00:00-01:00", Some(-62_135_593_200_000_000)),
            ("0000-12-31T23:30:00-01:00", Some(-62_135_595_000_000_000)),
            ("２０21-07-14T10:02:03", None),
            ("/Date(1626256923000)/", Some(1_626_256_923_000_000)),
            ("/Date(1626256923500+0200)/", Some(1_626_256_923_500_000)),
            ("/Date(-62135596800000)/", Some(-62_135_596_800_000_000)),
            ("/Date(-1)/", Some(-1_000)),
            ("/Date(-1000)/", Some(-1_000_000)),
            ("/Date(-62135596800001)/", None),
            ("/Date(253402300800000)/", None),
            ("/Date(9223372036854775807)/", None),
            ("/Date(+5)/", None),
            ("/Date(+0200)/", None),
            ("/Date()/", None),
            ("/Date(1626256923000)", None),
            ("/Date(ü0000)/", None),
            ("", None),
        ] {
            assert_eq!(parse(text).map(|(t, _)| t), want, "{text}");
        }
        assert_eq!(
            parse("2021-07-14T10:02:03.1234560Z"),
            Some((1_626_256_923_123_456, false))
        );
        assert!(parse("2021-07-14T10:02:03.1234567Z").unwrap().1);
    }
}
