//! `docs/tables.md`, written from the definitions.

use std::fmt::Write;

use crate::category::MICROSOFT_365_AUDIT;
use crate::column::Column;
use crate::columns::{AREAS, M365_AUDIT, tables};
use crate::extra::{extra_fields, nested_fields};
use crate::view::views;

/// The reference of tables, columns, views, queries and fields without a column, as Markdown.
pub fn tables_markdown() -> String {
    let mut page = String::new();
    // Writing to a String cannot fail.
    let _ = write_page(&mut page);
    page
}

fn write_page(page: &mut String) -> std::fmt::Result {
    writeln!(page, "# Tables and columns\n")?;
    writeln!(
        page,
        "Written by `cargo run -p audit-schema --example tables > docs/tables.md` from the definitions in `crates/audit-schema`; a test keeps it current.\n"
    )?;
    writeln!(page, "{INTRODUCTION}")?;
    for table in tables() {
        writeln!(page, "## {}\n\n{}\n", table.name, table.description)?;
        if let Some(column) = table.partition_by {
            writeln!(page, "Partitioned by `{column}`.\n")?;
        }
        if table.name == M365_AUDIT.name {
            for (area, columns) in AREAS {
                writeln!(page, "### {area}\n")?;
                write_columns(page, columns)?;
            }
        } else {
            write_columns(page, table.columns)?;
        }
    }
    write_views(page)?;
    write_queries(page)?;
    write_extra_fields(page)?;
    write_nested_fields(page)
}

const INTRODUCTION: &str = "\
Names of columns are Microsoft's field names in snake_case; in queries they resolve whatever the case and underscores, so `UserId` is `user_id`.

| type | values |
|---|---|
| text | text; GUIDs and addresses as they were written |
| integer | 64-bit integer |
| boolean | true or false |
| time | microseconds, UTC |
| date | UTC date |
| json | JSON text, addressed with `->` and `->>` |
| map | Name/Value pairs, addressed by name: `parameters['ForwardTo']` |
| map of old and new | by name: `modified_properties['Role.DisplayName']['new_value']` |
| binary | bytes |

A value that does not fit its column's type is in `extra` under its field's name, so nothing is lost. A data file holds only the columns that have a value in it; the others read as null.

*Source* is the page of Microsoft's documentation (repository `MicrosoftDocs/office-365-management-api`), `observed` for fields seen in records that no page documents, and `added` for our own.
";

fn write_columns(page: &mut String, columns: &[Column]) -> std::fmt::Result {
    // What we add is in no record: such a table needs neither fields, schemas nor source.
    let from_records = columns.iter().any(|column| !column.fields.is_empty());
    if from_records {
        writeln!(
            page,
            "| column | type | field | meaning | schemas | source |"
        )?;
        writeln!(page, "|---|---|---|---|---|---|")?;
    } else {
        writeln!(page, "| column | type | meaning |")?;
        writeln!(page, "|---|---|---|")?;
    }
    for column in columns {
        let kind = match column.unit {
            "" => column.column_type.as_str().to_owned(),
            unit => format!("{}, {unit}", column.column_type.as_str()),
        };
        write!(page, "| `{}` | {kind} | ", column.name)?;
        if from_records {
            let fields: Vec<String> = column
                .fields
                .iter()
                .map(|field| format!("`{field}`"))
                .collect();
            write!(page, "{} | ", fields.join(", "))?;
        }
        write!(page, "{} |", cell(column.description))?;
        if from_records {
            write!(page, " {} | {} |", column.schemas.join("; "), column.source)?;
        }
        writeln!(page)?;
    }
    writeln!(page)
}

fn write_views(page: &mut String) -> std::fmt::Result {
    writeln!(
        page,
        "## Views\n\nEach shows the records of one workload with the columns that matter there.\n"
    )?;
    for view in views() {
        let columns: Vec<String> = view
            .columns
            .iter()
            .map(|column| format!("`{column}`"))
            .collect();
        writeln!(
            page,
            "### {}\n\n{}\n\nRecords: `{}`\n\nColumns: {}\n",
            view.name,
            view.description,
            view.predicate,
            columns.join(", ")
        )?;
    }
    Ok(())
}

fn write_queries(page: &mut String) -> std::fmt::Result {
    writeln!(
        page,
        "## Queries\n\nThose of the category `{}` ({}) are in [`queries/`](queries/README.md).\n",
        MICROSOFT_365_AUDIT.id, MICROSOFT_365_AUDIT.name
    )
}

fn write_extra_fields(page: &mut String) -> std::fmt::Result {
    writeln!(
        page,
        "## Fields that stay in `extra`\n\nKnown fields without a column, read as `extra->>'Field'`.\n\n| field | schemas | reason |\n|---|---|---|"
    )?;
    for field in extra_fields() {
        writeln!(
            page,
            "| `{}` | {} | {} |",
            field.field,
            field.schemas.join("; "),
            cell(field.reason)
        )?;
    }
    writeln!(page)
}

fn write_nested_fields(page: &mut String) -> std::fmt::Result {
    writeln!(
        page,
        "## Members of nested structures\n\nThey are inside the column of their parent.\n\n| structure | column | members |\n|---|---|---|"
    )?;
    for group in nested_fields().chunk_by(|left, right| left.schema == right.schema) {
        let members: Vec<String> = group
            .iter()
            .map(|member| format!("`{}`", member.field))
            .collect();
        writeln!(
            page,
            "| {} | `{}` | {} |",
            group[0].schema,
            group[0].column,
            members.join(", ")
        )?;
    }
    Ok(())
}

/// A pipe would end the cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
