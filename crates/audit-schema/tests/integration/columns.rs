//! The tables of columns are consistent.

use std::collections::{HashMap, HashSet};

use arrow_schema::DataType;
use audit_schema::{Column, ColumnType, M365_AUDIT, extra_fields, resolve_name, tables};

#[test]
fn names_are_unique_however_they_are_spelled() {
    for table in tables() {
        let mut seen = HashSet::new();
        for column in table.columns {
            assert!(
                seen.insert(resolve_name(column.name)),
                "{}.{} meets another column",
                table.name,
                column.name
            );
        }
    }
}

#[test]
fn a_field_of_the_record_has_one_place() {
    let mut places = HashMap::new();
    let columns = M365_AUDIT
        .columns
        .iter()
        .flat_map(|column| column.fields.iter().map(|field| (*field, column.name)));
    let extra = extra_fields().iter().map(|extra| (extra.field, "extra"));
    for (field, place) in columns.chain(extra) {
        if let Some(other) = places.insert(field, place) {
            panic!("`{field}` is in `{place}` and in `{other}`");
        }
    }
}

#[test]
fn every_spelling_of_a_field_resolves_to_its_column() {
    for column in M365_AUDIT.columns {
        let spellings = column.fields.iter().filter(|field| !field.contains(' '));
        for name in spellings.chain([&column.name]) {
            let resolved = M365_AUDIT.resolve(name).map(|column| column.name);
            assert_eq!(resolved, Some(column.name), "`{name}`");
        }
    }
    let user_id = M365_AUDIT.column("user_id").unwrap();
    for name in ["UserId", "userid", "USER_ID"] {
        assert_eq!(M365_AUDIT.resolve(name).unwrap().name, user_id.name);
    }
    assert!(M365_AUDIT.resolve("no_such_column").is_none());
    assert!(M365_AUDIT.column("UserId").is_none());
}

#[test]
fn names_are_microsofts_in_snake_case() {
    for column in M365_AUDIT.columns {
        let Some(field) = column.fields.first() else {
            continue;
        };
        assert_eq!(
            column.name.replace('_', ""),
            field.to_lowercase(),
            "`{field}`"
        );
        let words = |name: &str| name.split('_').all(|word| !word.is_empty());
        assert!(words(column.name), "{}", column.name);
    }
    let cases = [
        ("client_ip", "ClientIP"),
        ("mailbox_owner_upn", "MailboxOwnerUPN"),
        ("non_pii_parameters", "NonPIIParameters"),
        ("p1_sender", "P1Sender"),
        ("rms_encrypted", "RMSEncrypted"),
    ];
    for (name, field) in cases {
        assert_eq!(M365_AUDIT.column(name).unwrap().fields[0], field);
    }
}

#[test]
fn every_column_says_what_it_is() {
    for table in tables() {
        for column in table.columns {
            let Column { name, source, .. } = column;
            assert!(!column.description.is_empty(), "{name}");
            assert!(!column.description.ends_with('.'), "{name}");
            assert!(!column.description.contains('\n'), "{name}");
            let added = column.fields.is_empty();
            assert_eq!(added, *source == "added", "{name}");
            assert_eq!(added, column.schemas.is_empty(), "{name}");
        }
    }
}

#[test]
fn the_core_has_the_agreed_types() {
    use ColumnType::*;
    let expected = [
        ("tenant_id", Text),
        ("event_date", Date),
        ("id", Text),
        ("record_type", Integer),
        ("creation_time", Time),
        ("operation", Text),
        ("user_type", Integer),
        ("client_ip", Text),
        ("parameters", Bag),
        ("extended_properties", Bag),
        ("device_properties", Bag),
        ("operation_properties", Bag),
        ("modified_properties", Changes),
        ("app_access_context", Json),
        ("external_access", Boolean),
        ("extra", Json),
        ("raw", Text),
    ];
    for (name, column_type) in expected {
        let column = M365_AUDIT.column(name).unwrap();
        assert_eq!(column.column_type, column_type, "{name}");
    }
    assert_eq!(M365_AUDIT.partition_by, Some("event_date"));
}

#[test]
fn arrow_schemas_hold_every_column_nullable() {
    for table in tables() {
        let schema = table.arrow_schema();
        assert_eq!(schema.fields().len(), table.columns.len());
        assert!(schema.fields().iter().all(|field| field.is_nullable()));
    }
    let DataType::Map(entry, sorted) = ColumnType::Changes.arrow() else {
        panic!("changes are a map");
    };
    assert_eq!((entry.name().as_str(), sorted), ("key_value", false));
    let DataType::Struct(pair) = entry.data_type() else {
        panic!("a map has pairs");
    };
    assert!(!pair[0].is_nullable() && pair[1].is_nullable());
    let DataType::Struct(values) = pair[1].data_type() else {
        panic!("a change is a pair of values");
    };
    assert_eq!(values[0].name(), "old_value");
    assert_eq!(values[1].name(), "new_value");
}
