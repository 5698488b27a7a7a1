//! The workload views stand on the columns there are.

use std::collections::HashSet;

use audit_schema::codes::record_type_name;
use audit_schema::{M365_AUDIT, tables, views};

#[test]
fn every_column_of_a_view_exists_once() {
    for view in views() {
        let mut seen = HashSet::new();
        for column in view.columns {
            assert!(
                M365_AUDIT.column(column).is_some(),
                "{}.{column}",
                view.name
            );
            assert!(seen.insert(column), "{}.{column} twice", view.name);
        }
        assert_eq!(view.columns[0], "creation_time");
        assert_eq!(
            view.columns[view.columns.len() - 2..],
            ["id", "record_type"]
        );
    }
}

#[test]
fn a_view_takes_record_types_that_exist_and_no_other_view_has() {
    let mut taken = HashSet::new();
    for view in views() {
        let numbers = view
            .predicate
            .split(|character: char| !character.is_ascii_digit())
            .filter_map(|number| number.parse::<i64>().ok());
        for number in numbers {
            assert!(record_type_name(number).is_some(), "{} {number}", view.name);
            assert!(taken.insert(number), "{} {number} twice", view.name);
        }
        assert!(view.predicate.starts_with("record_type IN ("));
    }
}

#[test]
fn names_of_views_and_tables_are_unique() {
    let mut names = HashSet::new();
    let all = tables().map(|table| table.name).into_iter();
    for name in all.chain(views().iter().map(|view| view.name)) {
        assert!(names.insert(name), "{name}");
        assert!(name.starts_with("m365_"), "{name}");
    }
}
