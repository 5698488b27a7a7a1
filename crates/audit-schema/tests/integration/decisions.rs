//! Every field that is documented or was observed is decided: a column, or `extra` with a reason.

use std::collections::HashSet;

use audit_schema::{M365_AUDIT, extra_fields, nested_fields};

/// Schema and field of every documented top-level field, and of every field that was seen in records.
const DOCUMENTED: &str = include_str!("../../data/documented_fields.csv");

#[test]
fn every_known_field_is_decided() {
    let mut decided: HashSet<&str> = extra_fields().iter().map(|extra| extra.field).collect();
    decided.extend(M365_AUDIT.columns.iter().flat_map(|column| column.fields));
    let undecided: Vec<&str> = DOCUMENTED
        .lines()
        .skip(1)
        .filter(|row| {
            row.rsplit_once(',')
                .is_none_or(|(_, field)| !decided.contains(field))
        })
        .collect();
    assert!(
        undecided.is_empty(),
        "neither column nor extra: {undecided:#?}"
    );
    assert!(DOCUMENTED.lines().count() > 800);
}

#[test]
fn whatever_stays_in_extra_has_a_reason() {
    for extra in extra_fields() {
        assert!(!extra.reason.is_empty(), "{}", extra.field);
        assert!(!extra.schemas.is_empty(), "{}", extra.field);
    }
}

#[test]
fn nested_members_are_inside_a_column() {
    for member in nested_fields() {
        let column = M365_AUDIT.column(member.column);
        assert!(column.is_some(), "{} of {}", member.column, member.schema);
    }
}
