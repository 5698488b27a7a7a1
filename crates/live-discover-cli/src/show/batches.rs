//! Arrow batches as a table of texts.

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::{DataType, Schema};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::{Column, ColumnKind, Grid};
use crate::units;

/// Characters of a cell that are kept: more than any terminal shows of one.
const CELL_CHARS_MAX: usize = 2_000;

const TIME: &str = "%Y-%m-%d %H:%M:%S%.f";
const MIDNIGHT: &str = " 00:00:00";

/// The batches as texts: times in UTC without a zone, structures as text, nothing that acts on a terminal.
///
/// # Errors
///
/// For a type that has no text.
pub(crate) fn grid(schema: &Schema, batches: &[RecordBatch]) -> Result<Grid, ArrowError> {
    let columns = schema.fields().iter().map(|field| Column {
        name: units::printable(field.name()).into_owned(),
        kind: kind(field.data_type()),
    });
    let mut grid = Grid {
        columns: columns.collect(),
        rows: Vec::new(),
    };
    let options = FormatOptions::new()
        .with_null("null")
        .with_timestamp_format(Some(TIME))
        .with_timestamp_tz_format(Some(TIME));
    for batch in batches {
        let columns = batch.columns().iter();
        let formatters = columns
            .map(|column| ArrayFormatter::try_new(column.as_ref(), &options))
            .collect::<Result<Vec<_>, _>>()?;
        for row in 0..batch.num_rows() {
            let cells = batch.columns().iter().zip(&formatters);
            let cells = cells.map(|(column, formatter)| {
                (!column.is_null(row)).then(|| cell(&formatter.value(row).to_string()))
            });
            grid.rows.push(cells.collect());
        }
    }
    shorten_days(&mut grid);
    Ok(grid)
}

/// Times that are all days lose their midnight.
fn shorten_days(grid: &mut Grid) {
    let times = grid.columns.iter().enumerate();
    let times = times.filter(|(_, column)| column.kind == ColumnKind::Time);
    for (at, _) in times {
        let cells = || grid.rows.iter().filter_map(|row| row[at].as_deref());
        if !cells().all(|cell| cell.ends_with(MIDNIGHT)) {
            continue;
        }
        for cell in grid.rows.iter_mut().filter_map(|row| row[at].as_mut()) {
            cell.truncate(cell.len() - MIDNIGHT.len());
        }
    }
}

/// The plans of an EXPLAIN, line breaks and all.
///
/// # Errors
///
/// As [`grid`].
pub(crate) fn plans(batches: &[RecordBatch]) -> Result<String, ArrowError> {
    let mut text = String::new();
    let options = FormatOptions::new();
    for batch in batches {
        let (kinds, plans) = (batch.column(0), batch.column(1));
        let kinds = ArrayFormatter::try_new(kinds.as_ref(), &options)?;
        let plans = ArrayFormatter::try_new(plans.as_ref(), &options)?;
        for row in 0..batch.num_rows() {
            text.push_str(&format!("{}\n", kinds.value(row)));
            for line in plans.value(row).to_string().lines() {
                text.push_str(&format!("  {}\n", units::printable(line)));
            }
        }
    }
    Ok(text)
}

fn cell(text: &str) -> String {
    let end = text
        .char_indices()
        .nth(CELL_CHARS_MAX)
        .map_or(text.len(), |(at, _)| at);
    units::printable(text.get(..end).unwrap_or(text)).into_owned()
}

fn kind(data_type: &DataType) -> ColumnKind {
    match data_type {
        DataType::Timestamp(..) => ColumnKind::Time,
        data_type if data_type.is_numeric() => ColumnKind::Number,
        _ => ColumnKind::Text,
    }
}

/// Whether the query asks for every column (`SELECT *`, `a.*`): then nobody named those that are empty.
pub(crate) fn asks_for_all_columns(sql: &str) -> bool {
    // The word or sign before the star decides.
    let mut before = String::new();
    let mut in_word = false;
    let mut characters = sql.chars().peekable();
    while let Some(character) = characters.next() {
        let is_word = character.is_alphanumeric() || character == '_';
        match character {
            _ if is_word => {
                if !in_word {
                    before.clear();
                }
                before.push(character.to_ascii_lowercase());
            }
            '\'' | '"' => {
                while characters.next().is_some_and(|next| next != character) {}
                before = "quoted".to_owned();
            }
            '-' if characters.peek() == Some(&'-') => {
                while characters.next().is_some_and(|next| next != '\n') {}
            }
            '*' if matches!(before.as_str(), "select" | "distinct" | "all" | "," | ".") => {
                return true;
            }
            _ if character.is_whitespace() => {}
            _ => before = character.to_string(),
        }
        in_word = is_word;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_that_mean_all_columns() {
        for (sql, expected) in [
            ("SELECT * FROM m365_audit", true),
            ("select\n*\nfrom m365_audit", true),
            ("SELECT DISTINCT * FROM t", true),
            ("SELECT t.* FROM t", true),
            ("SELECT 1, * FROM t", true),
            ("WITH a AS (SELECT * FROM t) SELECT id FROM a", true),
            ("SELECT count(*) FROM t", false),
            ("SELECT a * b FROM t", false),
            ("SELECT '*, *' FROM t", false),
            ("SELECT 1 -- SELECT *\nFROM t", false),
            ("", false),
        ] {
            assert_eq!(asks_for_all_columns(sql), expected, "{sql}");
        }
    }
}
