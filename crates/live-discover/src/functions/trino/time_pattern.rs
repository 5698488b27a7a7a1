//! Patterns of dates and times: MySQL's of `date_format` and `date_parse`, Joda's of `format_datetime` and
//! `parse_datetime` (<https://trino.io/docs/current/functions/datetime.html>). Both become the same items.

use chrono::{Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime, Timelike};
use datafusion::common::{Result, exec_err};

/// A part of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    Text(String),
    /// Padded with zeros to a width.
    Number(Field, usize),
    YearOfCentury,
    /// Of the second, so many digits.
    Fraction(usize),
    Month(Form),
    Weekday(Form),
    AmPm,
    /// `+01:00` or `+0100`.
    Offset {
        has_colon: bool,
    },
    Zone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Full,
    Short,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Year,
    WeekYear,
    Month,
    Day,
    DayOfYear,
    DayOfWeek,
    Week,
    Hour,
    /// 12, 1 … 11
    HalfHour,
    Minute,
    Second,
}

/// A time as a place has it.
#[derive(Debug, Clone)]
pub(super) struct Local {
    pub(super) time: NaiveDateTime,
    pub(super) offset_seconds: i32,
    pub(super) zone: String,
}

/// What a text said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Parsed {
    pub(super) time: NaiveDateTime,
    pub(super) offset_seconds: Option<i32>,
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];

/// A pattern, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern(Vec<Item>);

impl Pattern {
    /// `%Y-%m-%d %H:%i:%s`
    pub(super) fn mysql(pattern: &str) -> Result<Self> {
        use Field::{Day, DayOfYear, HalfHour, Hour, Minute, Second, Week, WeekYear, Year};
        let mut items = Vec::new();
        let mut characters = pattern.chars();
        while let Some(character) = characters.next() {
            if character != '%' {
                items.push(Item::Text(character.to_string()));
                continue;
            }
            let Some(specifier) = characters.next() else {
                return exec_err!("the pattern `{pattern}` ends with a lone `%`");
            };
            let colon = || Item::Text(":".to_owned());
            items.extend(match specifier {
                'a' => vec![Item::Weekday(Form::Short)],
                'b' => vec![Item::Month(Form::Short)],
                'c' => vec![Item::Number(Field::Month, 1)],
                'd' => vec![Item::Number(Day, 2)],
                'e' => vec![Item::Number(Day, 1)],
                'f' => vec![Item::Fraction(6)],
                'H' => vec![Item::Number(Hour, 2)],
                'h' | 'I' => vec![Item::Number(HalfHour, 2)],
                'i' => vec![Item::Number(Minute, 2)],
                'j' => vec![Item::Number(DayOfYear, 3)],
                'k' => vec![Item::Number(Hour, 1)],
                'l' => vec![Item::Number(HalfHour, 1)],
                'M' => vec![Item::Month(Form::Full)],
                'm' => vec![Item::Number(Field::Month, 2)],
                'p' => vec![Item::AmPm],
                'r' => vec![
                    Item::Number(HalfHour, 2),
                    colon(),
                    Item::Number(Minute, 2),
                    colon(),
                    Item::Number(Second, 2),
                    Item::Text(" ".to_owned()),
                    Item::AmPm,
                ],
                'S' | 's' => vec![Item::Number(Second, 2)],
                'T' => vec![
                    Item::Number(Hour, 2),
                    colon(),
                    Item::Number(Minute, 2),
                    colon(),
                    Item::Number(Second, 2),
                ],
                'v' => vec![Item::Number(Week, 2)],
                'W' => vec![Item::Weekday(Form::Full)],
                'x' => vec![Item::Number(WeekYear, 4)],
                'Y' => vec![Item::Number(Year, 4)],
                'y' => vec![Item::YearOfCentury],
                'D' | 'U' | 'u' | 'V' | 'w' | 'X' => {
                    return exec_err!("`%{specifier}` is not supported in patterns of time");
                }
                other => vec![Item::Text(other.to_string())],
            });
        }
        Ok(Self(items))
    }

    /// `yyyy-MM-dd HH:mm:ss`
    pub(super) fn joda(pattern: &str) -> Result<Self> {
        let mut items = Vec::new();
        let mut characters = pattern.chars().peekable();
        while let Some(character) = characters.next() {
            if character == '\'' {
                if characters.next_if_eq(&'\'').is_some() {
                    items.push(Item::Text("'".to_owned()));
                } else {
                    items.push(Item::Text(quoted(&mut characters)));
                }
                continue;
            }
            if !character.is_ascii_alphabetic() {
                items.push(Item::Text(character.to_string()));
                continue;
            }
            let mut width = 1;
            while characters.next_if_eq(&character).is_some() {
                width += 1;
            }
            items.push(match (character, width) {
                ('y' | 'Y', 2) => Item::YearOfCentury,
                ('y' | 'Y', _) => Item::Number(Field::Year, width),
                ('x', _) => Item::Number(Field::WeekYear, width),
                ('w', _) => Item::Number(Field::Week, width),
                ('e', _) => Item::Number(Field::DayOfWeek, width),
                ('E', 4..) => Item::Weekday(Form::Full),
                ('E', _) => Item::Weekday(Form::Short),
                ('D', _) => Item::Number(Field::DayOfYear, width),
                ('M', 4..) => Item::Month(Form::Full),
                ('M', 3) => Item::Month(Form::Short),
                ('M', _) => Item::Number(Field::Month, width),
                ('d', _) => Item::Number(Field::Day, width),
                ('a', _) => Item::AmPm,
                ('h', _) => Item::Number(Field::HalfHour, width),
                ('H', _) => Item::Number(Field::Hour, width),
                ('m', _) => Item::Number(Field::Minute, width),
                ('s', _) => Item::Number(Field::Second, width),
                ('S', _) => Item::Fraction(width),
                ('Z', 1) => Item::Offset { has_colon: false },
                ('Z', 2) => Item::Offset { has_colon: true },
                ('Z' | 'z', _) => Item::Zone,
                _ => return exec_err!("`{character}` is not supported in patterns of time"),
            });
        }
        Ok(Self(items))
    }

    pub(super) fn format(&self, local: &Local) -> String {
        self.0.iter().map(|item| formatted(item, local)).collect()
    }

    /// Reads a text, all of it.
    pub(super) fn parse(&self, text: &str) -> Option<Parsed> {
        let mut reader = Reader {
            rest: text,
            ..Reader::default()
        };
        for item in &self.0 {
            reader.item(item)?;
        }
        reader.rest.is_empty().then_some(())?;
        reader.finish()
    }
}

/// The text up to the closing quote; two of them are one.
fn quoted(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> String {
    let mut text = String::new();
    while let Some(character) = characters.next() {
        if character == '\'' && characters.next_if_eq(&'\'').is_none() {
            break;
        }
        text.push(character);
    }
    text
}

fn formatted(item: &Item, local: &Local) -> String {
    let time = &local.time;
    let name = |names: &[&str], index: u32, form| {
        let name = usize::try_from(index)
            .ok()
            .and_then(|index| names.get(index));
        let name = name.copied().unwrap_or_default();
        match form {
            Form::Full => name.to_owned(),
            Form::Short => name.chars().take(3).collect(),
        }
    };
    match item {
        Item::Text(text) => text.clone(),
        Item::Number(field, width) => {
            let value = match field {
                Field::Year => i64::from(time.year()),
                Field::WeekYear => i64::from(time.iso_week().year()),
                Field::Month => i64::from(time.month()),
                Field::Day => i64::from(time.day()),
                Field::DayOfYear => i64::from(time.ordinal()),
                Field::DayOfWeek => i64::from(time.weekday().number_from_monday()),
                Field::Week => i64::from(time.iso_week().week()),
                Field::Hour => i64::from(time.hour()),
                Field::HalfHour => i64::from(time.hour12().1),
                Field::Minute => i64::from(time.minute()),
                Field::Second => i64::from(time.second()),
            };
            format!("{value:0width$}")
        }
        Item::YearOfCentury => format!("{:02}", time.year().rem_euclid(100)),
        Item::Fraction(digits) => {
            let nanos = format!("{:09}", time.nanosecond() % 1_000_000_000);
            nanos
                .chars()
                .chain(std::iter::repeat('0'))
                .take(*digits)
                .collect()
        }
        Item::Month(form) => name(&MONTHS, time.month0(), *form),
        Item::Weekday(form) => name(&WEEKDAYS, time.weekday().num_days_from_monday(), *form),
        Item::AmPm => (if time.hour12().0 { "PM" } else { "AM" }).to_owned(),
        Item::Offset { has_colon } => offset(local.offset_seconds, *has_colon),
        Item::Zone => local.zone.clone(),
    }
}

/// `+01:00`
pub(super) fn offset(seconds: i32, has_colon: bool) -> String {
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.unsigned_abs() / 60;
    let colon = if has_colon { ":" } else { "" };
    format!("{sign}{:02}{colon}{:02}", minutes / 60, minutes % 60)
}

#[derive(Default)]
struct Reader<'a> {
    rest: &'a str,
    year: Option<i64>,
    week_year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    day_of_year: Option<i64>,
    day_of_week: Option<i64>,
    week: Option<i64>,
    hour: Option<i64>,
    half_hour: Option<i64>,
    is_afternoon: Option<bool>,
    minute: Option<i64>,
    second: Option<i64>,
    nanos: u32,
    offset_seconds: Option<i32>,
}

impl<'a> Reader<'a> {
    fn item(&mut self, item: &Item) -> Option<()> {
        match item {
            Item::Text(text) => {
                self.rest = self.rest.strip_prefix(text.as_str())?;
            }
            Item::Number(field, _) => {
                let digits = match field {
                    Field::Year | Field::WeekYear => 4,
                    Field::DayOfYear => 3,
                    _ => 2,
                };
                let value = Some(self.number(digits)?);
                match field {
                    Field::Year => self.year = value,
                    Field::WeekYear => self.week_year = value,
                    Field::Month => self.month = value,
                    Field::Day => self.day = value,
                    Field::DayOfYear => self.day_of_year = value,
                    Field::DayOfWeek => self.day_of_week = value,
                    Field::Week => self.week = value,
                    Field::Hour => self.hour = value,
                    Field::HalfHour => self.half_hour = value,
                    Field::Minute => self.minute = value,
                    Field::Second => self.second = value,
                }
            }
            Item::YearOfCentury => {
                let year = self.number(2)?;
                self.year = Some(if year < 70 { 2000 + year } else { 1900 + year });
            }
            Item::Fraction(_) => {
                let digits = self.digits(9)?;
                self.nanos = format!("{digits:0<9}").parse().ok()?;
            }
            Item::Month(form) => {
                self.month = Some(self.name(&MONTHS, *form)? + 1);
            }
            Item::Weekday(form) => {
                self.day_of_week = Some(self.name(&WEEKDAYS, *form)? + 1);
            }
            Item::AmPm => {
                let word = self.take(2)?;
                self.is_afternoon = Some(if word.eq_ignore_ascii_case("PM") {
                    true
                } else {
                    word.eq_ignore_ascii_case("AM").then_some(false)?
                });
            }
            Item::Offset { .. } => {
                if let Some(rest) = self.rest.strip_prefix(['Z', 'z']) {
                    self.rest = rest;
                    self.offset_seconds = Some(0);
                    return Some(());
                }
                let sign = match self.take(1)? {
                    "+" => 1,
                    "-" => -1,
                    _ => return None,
                };
                let hours = i32::try_from(self.number(2)?).ok()?;
                self.rest = self.rest.strip_prefix(':').unwrap_or(self.rest);
                let minutes = i32::try_from(self.number(2)?).ok()?;
                self.offset_seconds = Some(sign * (hours * 3600 + minutes * 60));
            }
            Item::Zone => {
                self.rest =
                    (self.rest.strip_prefix("UTC")).or_else(|| self.rest.strip_prefix("GMT"))?;
                self.offset_seconds = Some(0);
            }
        }
        Some(())
    }

    fn take(&mut self, bytes: usize) -> Option<&'a str> {
        let (taken, rest) = self.rest.split_at_checked(bytes)?;
        self.rest = rest;
        Some(taken)
    }

    fn digits(&mut self, most: usize) -> Option<&'a str> {
        let count = self
            .rest
            .bytes()
            .take(most)
            .take_while(u8::is_ascii_digit)
            .count();
        (count > 0).then_some(())?;
        self.take(count)
    }

    fn number(&mut self, digits: usize) -> Option<i64> {
        self.digits(digits)?.parse().ok()
    }

    fn name(&mut self, names: &[&str], form: Form) -> Option<i64> {
        for (index, name) in names.iter().enumerate() {
            let name = match form {
                Form::Full => *name,
                Form::Short => name.get(..3)?,
            };
            let head = self.rest.get(..name.len());
            if head.is_some_and(|head| head.eq_ignore_ascii_case(name)) {
                self.take(name.len())?;
                return i64::try_from(index).ok();
            }
        }
        None
    }

    /// What is not said is as at the start of 1970.
    fn finish(self) -> Option<Parsed> {
        let part = |value: Option<i64>, default| u32::try_from(value.unwrap_or(default)).ok();
        let year = i32::try_from(self.year.unwrap_or(1970)).ok()?;
        let date = if let Some(week) = self.week {
            let year = i32::try_from(self.week_year.or(self.year).unwrap_or(1970)).ok()?;
            let monday =
                NaiveDate::from_isoywd_opt(year, u32::try_from(week).ok()?, chrono::Weekday::Mon)?;
            monday.checked_add_days(Days::new(
                u64::try_from(self.day_of_week.unwrap_or(1) - 1).ok()?,
            ))?
        } else if let Some(day) = self.day_of_year {
            NaiveDate::from_yo_opt(year, u32::try_from(day).ok()?)?
        } else {
            NaiveDate::from_ymd_opt(year, part(self.month, 1)?, part(self.day, 1)?)?
        };
        let hour = match (self.hour, self.half_hour) {
            (Some(hour), _) => hour,
            (None, Some(hour)) => {
                (1..=12).contains(&hour).then_some(())?;
                hour % 12
                    + if self.is_afternoon == Some(true) {
                        12
                    } else {
                        0
                    }
            }
            (None, None) => 0,
        };
        let time = NaiveTime::from_hms_nano_opt(
            u32::try_from(hour).ok()?,
            part(self.minute, 0)?,
            part(self.second, 0)?,
            self.nanos,
        )?;
        Some(Parsed {
            time: date.and_time(time),
            offset_seconds: self.offset_seconds,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(text: &str) -> Local {
        Local {
            time: text.parse().unwrap(),
            offset_seconds: 7200,
            zone: "Europe/Paris".to_owned(),
        }
    }

    #[test]
    fn mysql_patterns_print() {
        // 2009-10-04 is a Sunday.
        let local = local("2009-10-04T22:03:05.000123");
        for (pattern, expected) in [
            ("%Y-%m-%d %H:%i:%s", "2009-10-04 22:03:05"),
            ("%a %b %c %d %e", "Sun Oct 10 04 4"),
            ("%f %h %I %k %l %p", "000123 10 10 22 10 PM"),
            ("%j %M %W %y %S", "277 October Sunday 09 05"),
            ("%r|%T", "10:03:05 PM|22:03:05"),
            ("%x-%v", "2009-40"),
            ("100%% %q", "100% q"),
        ] {
            assert_eq!(
                Pattern::mysql(pattern).unwrap().format(&local),
                expected,
                "{pattern}"
            );
        }
        assert!(Pattern::mysql("%D").is_err());
        assert!(Pattern::mysql("100%").is_err());
    }

    #[test]
    fn joda_patterns_print() {
        let local = local("2001-08-22T03:04:05.321");
        for (pattern, expected) in [
            ("yyyy-MM-dd'T'HH:mm:ss.SSS", "2001-08-22T03:04:05.321"),
            ("EEE, d MMM yy h:m a", "Wed, 22 Aug 01 3:4 AM"),
            ("EEEE MMMM ''D", "Wednesday August '234"),
            ("ZZ Z z", "+02:00 +0200 Europe/Paris"),
        ] {
            assert_eq!(
                Pattern::joda(pattern).unwrap().format(&local),
                expected,
                "{pattern}"
            );
        }
    }

    #[test]
    fn texts_are_read() {
        for (pattern, text, expected) in [
            (
                "%Y-%m-%d %H:%i:%s",
                "2022-10-20 05:10:00",
                Some("2022-10-20T05:10:00"),
            ),
            ("%Y/%m/%d/%H", "2022/10/20/05", Some("2022-10-20T05:00:00")),
            (
                "%d %b %y %h:%i %p",
                "3 feb 69 12:01 AM",
                Some("2069-02-03T00:01:00"),
            ),
            (
                "%M %e, %Y",
                "February 29, 2024",
                Some("2024-02-29T00:00:00"),
            ),
            (
                "%Y-%m-%dT%H:%i:%s.%f",
                "2022-10-20T05:10:00.5",
                Some("2022-10-20T05:10:00.5"),
            ),
            ("%x-%v", "2020-10", Some("2020-03-02T00:00:00")),
            ("%j %Y", "060 2024", Some("2024-02-29T00:00:00")),
            ("%Y-%m-%d", "2023-02-29", None),
            ("%Y-%m-%d", "2023-02-28 ", None),
            ("%H", "24", None),
        ] {
            let parsed = Pattern::mysql(pattern).unwrap().parse(text);
            let expected = expected.map(|time| time.parse().unwrap());
            assert_eq!(
                parsed.map(|parsed| parsed.time),
                expected,
                "{pattern} {text}"
            );
        }
        let zoned = Pattern::joda("yyyy-MM-dd HH:mm ZZ").unwrap();
        let parsed = zoned.parse("2022-10-20 05:10 -05:30").unwrap();
        assert_eq!(parsed.offset_seconds, Some(-19_800));
    }
}
