//! A table of texts, drawn so that it fits.

use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::error::ArrowError;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, ContentArrangement, Table};
use console::{measure_text_width, truncate_str};

/// A column is not made narrower than this to make room for others: less tells nothing.
const CELL_WIDTH_MIN: usize = 12;

/// Rules and padding: `│ a │ b │`.
const BORDER_WIDTH: usize = 3;

const CUT: &str = "…";

/// Rows of text; `None` is null.
#[derive(Debug, Default)]
pub(crate) struct Grid {
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: Vec<Vec<Option<String>>>,
}

#[derive(Debug, Clone)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: ColumnKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ColumnKind {
    /// May be cut.
    Text,
    /// Is cut if there is no other way: its day is still readable.
    Time,
    /// Never cut, it would be another number. Set to the right.
    Number,
}

impl Column {
    pub(crate) fn text(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            kind: ColumnKind::Text,
        }
    }

    pub(crate) fn number(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            kind: ColumnKind::Number,
        }
    }
}

impl Grid {
    /// A table of at most `width` characters a line; where there are too many columns for that, a block for each row.
    /// Ends with a line break, unless there is nothing to show.
    pub(crate) fn draw(&self, width: usize) -> String {
        if self.columns.is_empty() {
            return String::new();
        }
        match self.fitted_widths(width) {
            Some(widths) => self.as_table(&widths),
            None => self.as_blocks(width),
        }
    }

    /// Whether [`draw`](Self::draw) makes a table of it.
    pub(crate) fn fits(&self, width: usize) -> bool {
        self.fitted_widths(width).is_some()
    }

    /// A table whose long texts go on in further lines rather than being cut.
    pub(crate) fn draw_wrapped(&self, width: usize) -> String {
        let mut table = self.table();
        table
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(u16::try_from(width).unwrap_or(u16::MAX));
        table.set_header(self.columns.iter().map(|column| column.name.as_str()));
        for row in &self.rows {
            table.add_row(row.iter().map(|cell| cell.as_deref().unwrap_or_default()));
        }
        self.align(&mut table);
        format!("{table}\n")
    }

    /// The same for programs: names without spaces, numbers as numbers.
    ///
    /// # Errors
    ///
    /// If two columns have one name.
    pub(crate) fn batch(&self) -> Result<RecordBatch, ArrowError> {
        let columns = self.columns.iter().enumerate().map(|(at, column)| {
            let cells = self.rows.iter().map(|row| row[at].as_deref());
            let cells: ArrayRef = match column.kind {
                ColumnKind::Number => Arc::new(Int64Array::from_iter(
                    cells.map(|cell| cell?.parse::<i64>().ok()),
                )),
                ColumnKind::Text | ColumnKind::Time => Arc::new(StringArray::from_iter(cells)),
            };
            (column.name.replace(' ', "_"), cells)
        });
        RecordBatch::try_from_iter(columns)
    }

    /// Leaves out the columns that are null in every row.
    pub(crate) fn without_empty_columns(mut self) -> Self {
        let keep: Vec<bool> = (0..self.columns.len())
            .map(|at| self.rows.iter().any(|row| row[at].is_some()))
            .collect();
        retain(&mut self.columns, &keep);
        for row in &mut self.rows {
            retain(row, &keep);
        }
        self
    }

    fn natural_widths(&self) -> Vec<usize> {
        let mut widths: Vec<usize> = self
            .columns
            .iter()
            .map(|column| measure_text_width(&column.name))
            .collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.as_deref().map_or(0, measure_text_width));
            }
        }
        widths
    }

    fn fitted_widths(&self, width: usize) -> Option<Vec<usize>> {
        let natural = self.natural_widths();
        let least = |is_cut: fn(ColumnKind) -> bool| -> Vec<usize> {
            let columns = self.columns.iter().zip(&natural);
            columns
                .map(|(column, natural)| match is_cut(column.kind) {
                    true => CELL_WIDTH_MIN.min(*natural),
                    false => *natural,
                })
                .collect()
        };
        fitted(&natural, &least(|kind| kind == ColumnKind::Text), width)
            .or_else(|| fitted(&natural, &least(|kind| kind != ColumnKind::Number), width))
    }

    fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_preset(UTF8_FULL_CONDENSED);
        table
    }

    fn align(&self, table: &mut Table) {
        for (at, column) in self.columns.iter().enumerate() {
            if column.kind == ColumnKind::Number
                && let Some(drawn) = table.column_mut(at)
            {
                drawn.set_cell_alignment(CellAlignment::Right);
            }
        }
    }

    fn as_table(&self, widths: &[usize]) -> String {
        let mut table = self.table();
        table.set_content_arrangement(ContentArrangement::Disabled);
        let names = self.columns.iter().map(|column| column.name.as_str());
        table.set_header(names.zip(widths).map(|(name, width)| cut(name, *width)));
        for row in &self.rows {
            let cells = row.iter().map(|cell| cell.as_deref().unwrap_or_default());
            table.add_row(cells.zip(widths).map(|(cell, width)| cut(cell, *width)));
        }
        self.align(&mut table);
        format!("{table}\n")
    }

    fn as_blocks(&self, width: usize) -> String {
        let names = self
            .columns
            .iter()
            .map(|column| measure_text_width(&column.name));
        let name_width = names.max().unwrap_or_default().min(width / 2);
        let cell_width = width.saturating_sub(name_width + 2);
        let mut text = String::new();
        for (at, row) in self.rows.iter().enumerate() {
            let title = format!("── row {} ", at + 1);
            let rule = "─".repeat(width.saturating_sub(measure_text_width(&title)));
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{title}{rule}");
            for (column, cell) in self.columns.iter().zip(row) {
                if let Some(cell) = cell {
                    let name = cut(&column.name, name_width);
                    let gap = " ".repeat(name_width + 2 - measure_text_width(&name));
                    let _ = writeln!(text, "{name}{gap}{}", cut(cell, cell_width));
                }
            }
        }
        text
    }
}

fn cut(text: &str, width: usize) -> String {
    truncate_str(text, width, CUT).into_owned()
}

fn retain<T>(items: &mut Vec<T>, keep: &[bool]) {
    let mut keep = keep.iter();
    items.retain(|_| keep.next().copied().unwrap_or(true));
}

/// Widths between `least` and `natural` that fit into `width` together: narrow columns as they are, wide ones alike.
/// `None` if there are too many.
fn fitted(natural: &[usize], least: &[usize], width: usize) -> Option<Vec<usize>> {
    let available = width.checked_sub(natural.len() * BORDER_WIDTH + 1)?;
    let with_cap = |cap: usize| {
        let bounds = natural.iter().zip(least);
        bounds.map(move |(natural, least)| (*natural).min(cap).max(*least))
    };
    let fits = |cap: usize| with_cap(cap).sum::<usize>() <= available;
    let widest = natural.iter().copied().max().unwrap_or_default();
    if fits(widest) {
        return Some(natural.to_vec());
    }
    if !fits(0) {
        return None;
    }
    // The largest cap that fits; between these two it is found.
    let (mut fitting, mut too_wide) = (0, widest);
    while fitting + 1 < too_wide {
        let middle = fitting.midpoint(too_wide);
        if fits(middle) {
            fitting = middle;
        } else {
            too_wide = middle;
        }
    }
    let mut widths: Vec<usize> = with_cap(fitting).collect();
    let mut left = available - widths.iter().sum::<usize>();
    for (width, natural) in widths.iter_mut().zip(natural) {
        if left > 0 && *width < *natural {
            *width += 1;
            left -= 1;
        }
    }
    Some(widths)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(names: &[&str], rows: &[&[Option<&str>]]) -> Grid {
        let row = |row: &&[Option<&str>]| row.iter().map(|cell| cell.map(str::to_owned)).collect();
        Grid {
            columns: names.iter().map(|name| Column::text(name)).collect(),
            rows: rows.iter().map(row).collect(),
        }
    }

    #[test]
    fn wide_columns_give_way_and_narrow_ones_stay() {
        let fit = |natural: &[usize], width| {
            let least: Vec<usize> = natural.iter().map(|width| (*width).min(12)).collect();
            fitted(natural, &least, width)
        };
        assert_eq!(fit(&[5, 10], 100), Some(vec![5, 10]));
        assert_eq!(fit(&[5, 80], 50), Some(vec![5, 38]));
        assert_eq!(fit(&[40, 40, 3], 61), Some(vec![24, 24, 3]));
        assert_eq!(fit(&[40, 40], 30), None);
        assert_eq!(fit(&[1; 40], 100), None);
        // What must not be cut is not.
        assert_eq!(fitted(&[40, 19], &[12, 19], 50), Some(vec![24, 19]));
    }

    #[test]
    fn lines_are_never_wider_than_asked() {
        let long = "x".repeat(300);
        let wide = "語".repeat(80);
        let grid = grid(
            &["operation", "user_id", "raw"],
            &[&[Some("a"), Some(&wide), Some(&long)], &[None, None, None]],
        );
        for width in [20, 40, 60, 100, 1_000] {
            for line in grid.draw(width).lines() {
                assert!(measure_text_width(line) <= width, "{width}: {line}");
            }
        }
    }

    #[test]
    fn too_many_columns_become_blocks_without_nulls() {
        let text = grid(
            &["first_column", "second_column"],
            &[&[Some("aaaaaaaaaaaaaa"), None]],
        )
        .draw(24);
        assert_eq!(text, "── row 1 ───────────────\nfirst_column  aaaaaaaaa…\n");
    }

    #[test]
    fn empty_columns_are_left_out() {
        let grid = grid(
            &["a", "b", "c"],
            &[&[None, None, Some("1")], &[Some("2"), None, None]],
        )
        .without_empty_columns();
        let names: Vec<&str> = grid
            .columns
            .iter()
            .map(|column| column.name.as_str())
            .collect();
        assert_eq!(names, ["a", "c"]);
        assert_eq!(grid.rows[1], [Some("2".to_owned()), None]);
    }
}
