//! Whether a text is a value of a type, and how it is written in a query.

use std::net::IpAddr;

use audit_schema::ValueType;
use chrono::SecondsFormat;
use ipnet::IpNet;
use url::{Host, Url};
use uuid::Uuid;

use crate::range::TimePoint;

/// A checked value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Text(String),
    Integer(i64),
    Double(f64),
    Boolean(bool),
    /// µs since 1970.
    Time(i64),
}

const SHA256_DIGITS: usize = 64;
const DOMAIN_BYTES_MAX: usize = 253;

/// Reads a value; the error completes “is …”.
pub(super) fn parse(
    text: &str,
    value_type: ValueType,
    now_micros: i64,
) -> Result<Value, &'static str> {
    let same = || Value::Text(text.to_owned());
    let trimmed = text.trim();
    match value_type {
        ValueType::String | ValueType::User | ValueType::Path => Ok(same()),
        ValueType::Integer => (trimmed.parse().map(Value::Integer)).map_err(|_| "no integer"),
        ValueType::Double => match trimmed.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Value::Double(number)),
            _ => Err("no number"),
        },
        ValueType::Boolean => match trimmed.to_ascii_lowercase().as_str() {
            "true" => Ok(Value::Boolean(true)),
            "false" => Ok(Value::Boolean(false)),
            _ => Err("neither true nor false"),
        },
        ValueType::DateTime => (trimmed.parse::<TimePoint>().ok())
            .and_then(|point| point.micros(now_micros))
            .map(Value::Time)
            .ok_or("no date or time such as 2024-01-31 or 2024-01-31T08:00:00Z"),
        ValueType::Ip => {
            if trimmed.parse::<IpAddr>().is_ok() || trimmed.parse::<IpNet>().is_ok() {
                Ok(Value::Text(trimmed.to_owned()))
            } else {
                Err("no IP address and no network such as 192.0.2.0/24")
            }
        }
        ValueType::Url => match Url::parse(trimmed) {
            Ok(url) if url.has_host() => Ok(Value::Text(trimmed.to_owned())),
            _ => Err("no URL"),
        },
        ValueType::Domain => match Host::parse(trimmed) {
            Ok(Host::Domain(domain)) if !domain.is_empty() && domain.len() <= DOMAIN_BYTES_MAX => {
                Ok(Value::Text(trimmed.to_owned()))
            }
            _ => Err("no domain name"),
        },
        ValueType::Sha256 => {
            let is_hash = trimmed.len() == SHA256_DIGITS
                && trimmed.bytes().all(|byte| byte.is_ascii_hexdigit());
            if is_hash {
                Ok(Value::Text(trimmed.to_ascii_lowercase()))
            } else {
                Err("no SHA-256 of 64 hexadecimal digits")
            }
        }
        ValueType::Guid => Uuid::try_parse(trimmed)
            .map(|guid| Value::Text(guid.hyphenated().to_string()))
            .map_err(|_| "no GUID"),
        _ => Ok(same()),
    }
}

/// The values of a variable that nobody declared: numbers where it stands bare and all are written as numbers are, else
/// texts, so that a list is of one type. What has more digits than a number keeps, or begins with zeros or a plus, such as
/// the number of a telephone, is no number.
pub(super) fn guess(texts: &[String], is_bare: bool) -> Vec<Value> {
    let numbers = texts.iter().map(|text| number(text));
    let numbers = is_bare.then(|| numbers.collect::<Option<Vec<_>>>());
    numbers
        .flatten()
        .unwrap_or_else(|| texts.iter().cloned().map(Value::Text).collect())
}

fn number(text: &str) -> Option<Value> {
    if let Ok(number) = text.parse::<i64>()
        && number.to_string() == text
    {
        return Some(Value::Integer(number));
    }
    let number = text.parse::<f64>().ok()?;
    let is_as_written = number.is_finite() && number.to_string() == text && text.contains('.');
    is_as_written.then_some(Value::Double(number))
}

impl Value {
    /// As it stands inside a string.
    pub(super) fn to_text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Integer(number) => number.to_string(),
            Self::Double(number) => number.to_string(),
            Self::Boolean(value) => value.to_string(),
            Self::Time(micros) => timestamp(*micros),
        }
    }
}

/// ISO 8601, in UTC.
pub(super) fn timestamp(micros: i64) -> String {
    chrono::DateTime::from_timestamp_micros(micros)
        .unwrap_or_default()
        .to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_what_their_type_says() {
        use ValueType::*;
        let text = |text: &str| Ok(Value::Text(text.to_owned()));
        for (value_type, given, expected) in [
            (String, " a'b ", text(" a'b ")),
            (
                Integer,
                " -9223372036854775808",
                Ok(Value::Integer(i64::MIN)),
            ),
            (Integer, "1.5", Err("no integer")),
            (Integer, "1; DROP", Err("no integer")),
            (Double, "1e3", Ok(Value::Double(1000.0))),
            (Double, "inf", Err("no number")),
            (Boolean, "TRUE", Ok(Value::Boolean(true))),
            (Boolean, "1", Err("neither true nor false")),
            (DateTime, "1970-01-02", Ok(Value::Time(86_400_000_000))),
            (DateTime, "-PT1H", Ok(Value::Time(6_400_000_000))),
            (
                DateTime,
                "soon",
                Err("no date or time such as 2024-01-31 or 2024-01-31T08:00:00Z"),
            ),
            (Ip, "2001:db8::1", text("2001:db8::1")),
            (Ip, "10.0.0.0/8", text("10.0.0.0/8")),
            (
                Ip,
                "10.0.0.256",
                Err("no IP address and no network such as 192.0.2.0/24"),
            ),
            (
                Url,
                "https://contoso.com/a b",
                text("https://contoso.com/a b"),
            ),
            (Url, "contoso", Err("no URL")),
            (Domain, "mail.contoso.com", text("mail.contoso.com")),
            (Domain, "a b", Err("no domain name")),
            (Domain, "", Err("no domain name")),
            (Sha256, &"A".repeat(64), text("a".repeat(64).as_str())),
            (Sha256, "abc", Err("no SHA-256 of 64 hexadecimal digits")),
            (
                Guid,
                "0FAD12B5-8D6A-4C43-A01F-E6D0A0D0E1C7",
                text("0fad12b5-8d6a-4c43-a01f-e6d0a0d0e1c7"),
            ),
            (Guid, "0fad", Err("no GUID")),
        ] {
            assert_eq!(
                parse(given, value_type, 10_000_000_000),
                expected,
                "{given}"
            );
        }
    }

    #[test]
    fn what_nobody_declared_is_what_it_looks_like() {
        let guess = |texts: &[&str], is_bare| {
            let texts: Vec<String> = texts.iter().copied().map(str::to_owned).collect();
            super::guess(&texts, is_bare)
        };
        let text = |text: &str| Value::Text(text.to_owned());
        for (texts, is_bare, expected) in [
            (&["24"][..], true, vec![Value::Integer(24)]),
            (&["24"], false, vec![text("24")]),
            (
                &["-1.5", "2"],
                true,
                vec![Value::Double(-1.5), Value::Integer(2)],
            ),
            (&["50034", "x"], true, vec![text("50034"), text("x")]),
        ] {
            assert_eq!(guess(texts, is_bare), expected, "{texts:?}");
        }
        for other in [
            "inf",
            "1; SELECT",
            "007",
            "+49123",
            "1e5",
            "1.50",
            "12345678901234567890",
        ] {
            assert_eq!(guess(&[other], true), vec![text(other)], "{other}");
        }
    }
}
