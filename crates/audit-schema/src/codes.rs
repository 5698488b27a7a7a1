//! Codes with their names, both ways: record types, user types, and every other enumeration that is documented with
//! numbers.
//!
//! A number is looked up in constant time and nothing is allocated. A name is found whatever its case, blanks and
//! punctuation. Of record types the name is the service's own (what `Search-UnifiedAuditLog` and Microsoft Graph
//! print); the documentation's name and former names are accepted too. Where the documentation numbers a type
//! differently from the service, the service's number wins: `SentinelKQLOnLake` is 379, although the documentation has
//! it at 367 also.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::csv;

/// A record type.
#[derive(Debug)]
pub struct RecordType {
    /// Its number.
    pub number: i64,
    /// The service's name.
    pub name: &'static str,
    /// The documentation's name where it is another, else empty.
    pub docs_name: &'static str,
    /// Names that it had earlier.
    pub former_names: Vec<&'static str>,
    /// How the documentation and the service contradict each other, empty if they do not.
    pub conflict: &'static str,
    /// What its records tell.
    pub description: &'static str,
}

/// A member of an enumeration.
#[derive(Debug)]
pub struct Code {
    /// The enumeration, such as `LogonType`.
    pub enumeration: &'static str,
    /// Its number.
    pub number: i64,
    /// Its name.
    pub name: &'static str,
    /// What it means.
    pub description: &'static str,
}

/// All record types by number.
pub fn record_types() -> &'static [RecordType] {
    &RECORD_TYPES.all
}

/// Name of a record type.
pub fn record_type_name(number: i64) -> Option<&'static str> {
    *RECORD_TYPES.names.get(usize::try_from(number).ok()?)?
}

/// Number of a record type by its name, the documentation's name or a former one.
pub fn record_type_number(name: &str) -> Option<i64> {
    RECORD_TYPES.numbers.get(&key(name)).copied()
}

/// Name of a user type.
pub fn user_type_name(number: i64) -> Option<&'static str> {
    static NAMES: LazyLock<Vec<Option<&'static str>>> = LazyLock::new(|| {
        dense(
            codes()
                .iter()
                .filter(|code| code.enumeration == "UserType")
                .map(|code| (code.number, code.name)),
        )
    });
    *NAMES.get(usize::try_from(number).ok()?)?
}

/// Number of a user type.
pub fn user_type_number(name: &str) -> Option<i64> {
    code_number("UserType", name)
}

/// Number that a name stands for in a record's field. Records number these; exports made with the switch `-Formatted` of
/// [`Search-UnifiedAuditLog`](https://learn.microsoft.com/powershell/module/exchangepowershell/search-unifiedauditlog)
/// and other interfaces name them.
pub fn field_number(wire_name: &str, name: &str) -> Option<i64> {
    let enumeration = match wire_name {
        "RecordType" => "AuditLogRecordType",
        "Scope" => "AuditLogScope",
        "InternalLogonType" => "LogonType",
        "UserType" | "LogonType" | "AzureActiveDirectoryEventType" => wire_name,
        _ => return None,
    };
    code_number(enumeration, name)
}

/// Every member of every enumeration other than record types.
pub fn codes() -> &'static [Code] {
    static CODES: LazyLock<Vec<Code>> = LazyLock::new(|| {
        csv::rows(include_str!("../data/enums.csv"))
            .filter_map(|cells| match cells[..] {
                [enumeration, number, name, description] => Some(Code {
                    enumeration,
                    number: number.parse().ok()?,
                    name,
                    description,
                }),
                _ => None,
            })
            .collect()
    });
    &CODES
}

/// Name of a number in an enumeration; `AuditLogScope`, `LogonType` and the like.
pub fn code_name(enumeration: &str, number: i64) -> Option<&'static str> {
    if enumeration.eq_ignore_ascii_case("AuditLogRecordType") {
        return record_type_name(number);
    }
    codes()
        .iter()
        .find(|code| code.number == number && code.enumeration.eq_ignore_ascii_case(enumeration))
        .map(|code| code.name)
}

/// Number of a name in an enumeration.
pub fn code_number(enumeration: &str, name: &str) -> Option<i64> {
    if enumeration.eq_ignore_ascii_case("AuditLogRecordType") {
        return record_type_number(name);
    }
    /// By enumeration in lower case and the name's key.
    static NUMBERS: LazyLock<HashMap<(String, String), i64>> = LazyLock::new(|| {
        let named = codes().iter().rev();
        named
            .map(|code| {
                let enumeration = code.enumeration.to_ascii_lowercase();
                ((enumeration, key(code.name)), code.number)
            })
            .collect()
    });
    let name = (enumeration.to_ascii_lowercase(), key(name));
    NUMBERS.get(&name).copied()
}

struct RecordTypes {
    all: Vec<RecordType>,
    names: Vec<Option<&'static str>>,
    numbers: HashMap<String, i64>,
}

static RECORD_TYPES: LazyLock<RecordTypes> = LazyLock::new(|| {
    let all: Vec<RecordType> = csv::rows(include_str!("../data/record_types.csv"))
        .filter_map(|cells| match cells[..] {
            [number, name, docs_name, former_names, conflict, description] => Some(RecordType {
                number: number.parse().ok()?,
                name,
                docs_name,
                former_names: former_names
                    .split('|')
                    .filter(|name| !name.is_empty())
                    .collect(),
                conflict,
                description,
            }),
            _ => None,
        })
        .collect();
    RecordTypes {
        names: dense(all.iter().map(|of| (of.number, of.name))),
        numbers: record_type_numbers(&all),
        all,
    }
});

/// The first to claim a name has it: the service, then what only the documentation knows, then the documentation's
/// names, then former names. Within a group the rows without a conflict come first.
fn record_type_numbers(all: &[RecordType]) -> HashMap<String, i64> {
    let docs_only = |of: &&RecordType| of.conflict == "docs-only-doubtful";
    let contested = |of: &&RecordType| !of.conflict.is_empty() && of.conflict != "renamed-in-docs";
    let claims = all
        .iter()
        .filter(|of| !docs_only(of))
        .chain(all.iter().filter(docs_only))
        .map(|of| (of.name, of.number))
        .chain(
            all.iter()
                .filter(|of| !contested(of))
                .map(|of| (of.docs_name, of.number)),
        )
        .chain(all.iter().flat_map(|of| {
            of.former_names
                .iter()
                .map(move |former| (*former, of.number))
        }))
        .chain(
            all.iter()
                .filter(contested)
                .map(|of| (of.docs_name, of.number)),
        );
    let mut numbers = HashMap::new();
    for (name, number) in claims.filter(|(name, _)| !name.is_empty()) {
        numbers.entry(key(name)).or_insert(number);
    }
    numbers
}

/// A list indexed by number; the numbers are small and lie close together.
fn dense(codes: impl Iterator<Item = (i64, &'static str)> + Clone) -> Vec<Option<&'static str>> {
    let length = codes
        .clone()
        .filter_map(|(number, _)| usize::try_from(number).ok())
        .max()
        .map_or(0, |highest| highest + 1);
    let mut names = vec![None; length];
    for (number, name) in codes {
        if let Some(slot) = usize::try_from(number)
            .ok()
            .and_then(|index| names.get_mut(index))
        {
            *slot = Some(name);
        }
    }
    names
}

/// Letters and digits in lower case: `Viva Goals`, `vivaGoals` and `VivaGoals` are one name.
fn key(name: &str) -> String {
    name.chars()
        .filter(|character| character.is_alphanumeric())
        .map(|character| character.to_ascii_lowercase())
        .collect()
}
