//! Prints the reference of tables and columns: `cargo run -p audit-schema --example tables > docs/tables.md`.

fn main() {
    print!("{}", audit_schema::tables_markdown());
}
