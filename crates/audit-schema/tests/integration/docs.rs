//! The reference for people is current.

use audit_schema::{bundled_queries, tables_markdown};

#[test]
fn docs_tables_md_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/tables.md");
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        written == tables_markdown(),
        "docs/tables.md is out of date; write it anew with\n\n    cargo run -p audit-schema --example tables > docs/tables.md\n"
    );
}

#[test]
fn bundled_queries_are_described() {
    for query in bundled_queries() {
        assert!(!query.columns.is_empty(), "{}", query.id);
        for column in &query.columns {
            assert!(
                query.sql.contains(&column.name),
                "{}: the result has no column `{}`",
                query.id,
                column.name
            );
        }
    }
}
