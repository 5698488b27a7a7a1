//! Variables of queries, and what kind of value one holds. The kinds of result columns are the same, so that a value
//! of a result can fill a variable of another query.

use std::fmt;
use std::str::FromStr;

/// What kind of value a variable or a result column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ValueType {
    /// Any text; in `LIKE` patterns with the wildcards that whoever fills it in wrote.
    String,
    /// 64-bit integer.
    Integer,
    /// 64-bit floating-point number.
    Double,
    /// `true` or `false`.
    Boolean,
    /// A point in time.
    DateTime,
    /// A user: principal name, as a pattern where the query uses it so.
    User,
    /// An IP address, or a network in CIDR notation.
    Ip,
    /// A URL.
    Url,
    /// A domain name.
    Domain,
    /// A path of a file.
    Path,
    /// SHA-256 in hexadecimal digits.
    Sha256,
    /// GUID.
    Guid,
}

impl ValueType {
    /// All kinds, in the order of the documentation.
    pub const ALL: [Self; 12] = [
        Self::String,
        Self::Integer,
        Self::Double,
        Self::Boolean,
        Self::DateTime,
        Self::User,
        Self::Ip,
        Self::Url,
        Self::Domain,
        Self::Path,
        Self::Sha256,
        Self::Guid,
    ];

    /// Its name in headers of query files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Integer => "integer",
            Self::Double => "double",
            Self::Boolean => "boolean",
            Self::DateTime => "datetime",
            Self::User => "user",
            Self::Ip => "ip",
            Self::Url => "url",
            Self::Domain => "domain",
            Self::Path => "path",
            Self::Sha256 => "sha256",
            Self::Guid => "guid",
        }
    }

    /// Whether values say what they are about, so that one of a result can be looked for in another query.
    pub const fn is_pivot(self) -> bool {
        matches!(
            self,
            Self::User
                | Self::Ip
                | Self::Url
                | Self::Domain
                | Self::Path
                | Self::Sha256
                | Self::Guid
        )
    }
}

impl fmt::Display for ValueType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for ValueType {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|known| known.as_str() == name)
            .ok_or_else(|| {
                let known = Self::ALL.map(Self::as_str).join(", ");
                format!("no type `{name}`; there are {known}")
            })
    }
}

/// A variable of a query, written `$$name$$` in its SQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Free text without `$$`; people see it as the label.
    pub name: String,
    /// What a value has to be.
    pub value_type: ValueType,
    /// Whether it takes any number of values.
    pub is_list: bool,
    /// Whether it may be left empty: clauses in `[[ … ]]` that hold it then fall away.
    pub is_optional: bool,
    /// The values where none are given; one unless it is a list.
    pub default: Vec<String>,
    /// The values that are allowed; any if empty.
    pub allowed: Vec<String>,
    /// What it means.
    pub meaning: String,
}

/// The names of the variables in a query's text, in the order of their first use. Comments count for nothing.
pub fn variables_in(sql: &str) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    let mut rest = sql;
    let mut is_in_string = false;
    while let Some(first) = rest.chars().next() {
        let comment_end = if is_in_string {
            None
        } else if rest.starts_with("--") {
            Some(rest.find('\n').unwrap_or(rest.len()))
        } else if rest.starts_with("/*") {
            Some(rest.find("*/").map_or(rest.len(), |end| end + 2))
        } else {
            None
        };
        let taken = if let Some(end) = comment_end {
            end
        } else if let Some((name, _)) = rest
            .strip_prefix("$$")
            .and_then(|after| after.split_once("$$"))
        {
            if !name.is_empty() && !names.contains(&name) {
                names.push(name);
            }
            name.len() + 4
        } else {
            // A doubled quote inside a string ends it and begins it again.
            is_in_string ^= first == '\'';
            first.len_utf8()
        };
        rest = rest.get(taken..).unwrap_or_default();
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_found_where_they_count() {
        for (sql, expected) in [
            ("SELECT 1", vec![]),
            (
                "SELECT $$a$$ WHERE b LIKE '%$$no.of days (x)$$%'",
                vec!["a", "no.of days (x)"],
            ),
            ("SELECT 1 -- $$a$$\n, $$b$$ /* $$c$$ */, $$b$$", vec!["b"]),
            ("SELECT '-- it''s $$a$$', '/*', $$b$$", vec!["a", "b"]),
            ("SELECT '$$", vec![]),
            ("SELECT '$$$$'", vec![]),
        ] {
            assert_eq!(variables_in(sql), expected, "{sql}");
        }
    }

    #[test]
    fn types_have_names() {
        for value_type in ValueType::ALL {
            assert_eq!(value_type.as_str().parse(), Ok(value_type));
        }
        assert!("number".parse::<ValueType>().is_err());
    }
}
