//! `tables` and `columns`: what can be asked for.

use std::process::ExitCode;

use super::print_list;
use crate::args::RowsFormat;
use crate::failure::Failure;
use crate::library::{tables as lake_tables, views};
use crate::show::{Column, Grid};

pub(crate) fn tables(format: RowsFormat) -> Result<ExitCode, Failure> {
    let line = |name: &str, kind: &str, columns: usize, description: &str| {
        [
            name.to_owned(),
            kind.to_owned(),
            columns.to_string(),
            description.to_owned(),
        ]
        .map(Some)
        .to_vec()
    };
    let tables = lake_tables()
        .into_iter()
        .map(|table| line(table.name, "table", table.columns.len(), table.description));
    let views = views()
        .iter()
        .map(|view| line(view.name, "view", view.columns.len(), view.description));
    let grid = Grid {
        columns: vec![
            Column::text("name"),
            Column::text("kind"),
            Column::number("columns"),
            Column::text("what it holds"),
        ],
        rows: tables.chain(views).collect(),
    };
    print_list(grid, format)?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn columns(name: &str, format: RowsFormat) -> Result<ExitCode, Failure> {
    let tables = lake_tables();
    let view = views().iter().find(|view| view.name == name);
    let table = tables.iter().find(|table| table.name == name);
    let columns: Vec<_> = match (table, view) {
        (Some(table), _) => table.columns.iter().collect(),
        // Views show columns of the first table, the records.
        (None, Some(view)) => view
            .columns
            .iter()
            .filter_map(|column| tables.first()?.column(column))
            .collect(),
        (None, None) => return Err(Failure::usage(format!("no table `{name}`"))),
    };
    let rows = columns.iter().map(|column| {
        let description = match column.unit {
            "" => column.description.to_owned(),
            unit => format!("{} [{unit}]", column.description),
        };
        let name = Some(column.name.to_owned());
        vec![
            name,
            Some(column.column_type.as_str().to_owned()),
            column.fields.first().map(|field| (*field).to_owned()),
            Some(description),
        ]
    });
    let grid = Grid {
        columns: vec![
            Column::text("column"),
            Column::text("type"),
            Column::text("field of the record"),
            Column::text("meaning"),
        ],
        rows: rows.collect(),
    };
    print_list(grid, format)?;
    Ok(ExitCode::SUCCESS)
}
