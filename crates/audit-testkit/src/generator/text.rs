//! Writing GUIDs, numbers and times into a buffer without allocating.

use crate::random::{Random, split_mix};

const HEX: &[u8; 16] = b"0123456789abcdef";
const SECONDS_PER_DAY: i64 = 86_400;
/// Seconds from 0001-01-01 to 1970-01-01; .NET ticks count from the former.
const DOTNET_EPOCH_SECONDS: i64 = 62_135_596_800;

/// A GUID as 16 bytes in the order in which they are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Guid([u8; 16]);

impl Guid {
    /// A random (version 4) GUID.
    pub(super) fn new(random: &mut Random) -> Self {
        Self::from_bits(random.next(), random.next())
    }

    /// The same GUID for the same `seed`.
    pub(super) fn from_seed(seed: u64) -> Self {
        let mut state = seed;
        Self::from_bits(split_mix(&mut state), split_mix(&mut state))
    }

    fn from_bits(high: u64, low: u64) -> Self {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&high.to_be_bytes());
        bytes[8..].copy_from_slice(&low.to_be_bytes());
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        Self(bytes)
    }

    /// The form of Exchange and SharePoint record ids, which end in the high bits of .NET's clock.
    pub(super) fn with_ticks(mut self, seconds: i64, random: &mut Random) -> Self {
        let ticks = (seconds + DOTNET_EPOCH_SECONDS) * 10_000_000 + random.below(10_000_000) as i64;
        self.0[10..].copy_from_slice(&ticks.to_be_bytes()[..6]);
        self
    }

    pub(super) fn write(self, out: &mut Vec<u8>) {
        let mut text = [b'-'; 36];
        let mut at = 0;
        for (index, byte) in self.0.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                at += 1;
            }
            text[at] = HEX[usize::from(byte >> 4)];
            text[at + 1] = HEX[usize::from(byte & 15)];
            at += 2;
        }
        out.extend_from_slice(&text);
    }

    pub(super) fn write_upper(self, out: &mut Vec<u8>) {
        let start = out.len();
        self.write(out);
        out[start..].make_ascii_uppercase();
    }

    pub(super) fn text(self) -> String {
        let mut out = Vec::with_capacity(36);
        self.write(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    }
}

/// `digits` upper-case hexadecimal digits of `value`.
pub(super) fn write_hex_upper(value: u64, digits: u32, out: &mut Vec<u8>) {
    for digit in (0..digits).rev() {
        out.push(HEX[(value >> (4 * digit)) as usize & 15].to_ascii_uppercase());
    }
}

/// `digits` characters of the alphabet of base64.
pub(super) fn write_base64(value: u64, digits: u32, out: &mut Vec<u8>) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for digit in 0..digits {
        out.push(ALPHABET[(value >> (6 * digit)) as usize & 63]);
    }
}

pub(super) fn write_decimal(value: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = value;
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// `YYYY-MM-DDTHH:MM:SS`, the API's form, of seconds since 1970 in UTC.
pub(super) fn time_text(seconds: i64) -> [u8; 19] {
    let (year, month, day) = civil_date(seconds.div_euclid(SECONDS_PER_DAY));
    let of_day = seconds.rem_euclid(SECONDS_PER_DAY);
    let mut text = *b"0000-00-00T00:00:00";
    let two = |text: &mut [u8; 19], at: usize, value: i64| {
        text[at] = b'0' + (value / 10) as u8;
        text[at + 1] = b'0' + (value % 10) as u8;
    };
    two(&mut text, 0, year / 100);
    two(&mut text, 2, year % 100);
    two(&mut text, 5, month);
    two(&mut text, 8, day);
    two(&mut text, 11, of_day / 3600);
    two(&mut text, 14, of_day / 60 % 60);
    two(&mut text, 17, of_day % 60);
    text
}

/// Year, month and day of a day since 1970-01-01
/// (<https://howardhinnant.github.io/date_algorithms.html#civil_from_days>).
fn civil_date(day: i64) -> (i64, i64, i64) {
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, of_year - (153 * month_from_march + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_printed_in_the_form_of_the_api() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00"),
            (951_868_799, "2000-02-29T23:59:59"),
            (1_790_812_800, "2026-10-01T00:00:00"),
        ] {
            assert_eq!(std::str::from_utf8(&time_text(seconds)), Ok(text));
        }
    }

    #[test]
    fn guids_have_the_version_and_variant_of_random_ones() {
        let text = Guid::from_seed(0).text();
        assert_eq!(text, "e220a839-7b1d-4daf-ae78-9e6aa1b965f4");
        let id = Guid::from_seed(0)
            .with_ticks(1_618_576_429, &mut Random::new(1))
            .text();
        assert_eq!(
            id.get(24..32),
            Some("08d900d3"),
            "the tail of a record of 2021-04-16T12:33:49"
        );
    }
}
