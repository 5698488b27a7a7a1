//! A table of texts, drawn so that it fits.

use std::fmt::Write;

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
    pub(crate) is_number: bool,
}

impl Column {
    pub(crate) fn text(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            is_number: false,
        }
    }

    pub(crate) fn number(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            is_number: true,
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
        match fitted(&self.natural_widths(), width) {
            Some(widths) => self.as_table(&widths),
            None => self.as_blocks(width),
        }
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
        let mut widths: Vec<usize> = self.columns.iter().map(|column| measure_text_width(&column.name)).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.as_deref().map_or(0, measure_text_width));
            }
        }
        widths
    }

    fn as_table(&self, widths: &[usize]) -> String {
        let mut table = Table::new();
        table
            .load_preset(UTF8_FULL_CONDENSED)
            .set_content_arrangement(ContentArrangement::Disabled);
        let names = self.columns.iter().map(|column| column.name.as_str());
        table.set_header(names.zip(widths).map(|(name, width)| cut(name, *width)));
        for row in &self.rows {
            let cells = row.iter().map(|cell| cell.as_deref().unwrap_or_default());
            table.add_row(cells.zip(widths).map(|(cell, width)| cut(cell, *width)));
        }
        for (at, column) in self.columns.iter().enumerate() {
            if let (true, Some(drawn)) = (column.is_number, table.column_mut(at)) {
                drawn.set_cell_alignment(CellAlignment::Right);
            }
        }
        format!("{table}\n")
    }

    fn as_blocks(&self, width: usize) -> String {
        let names = self.columns.iter().map(|column| measure_text_width(&column.name));
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

/// Widths that fit into `width` together: narrow columns as they are, wide ones alike. `None` if there are too many.
fn fitted(natural: &[usize], width: usize) -> Option<Vec<usize>> {
    let available = width.checked_sub(natural.len() * BORDER_WIDTH + 1)?;
    let with_cap = |cap: usize| natural.iter().map(move |width| (*width).min(cap));
    let fits = |cap: usize| with_cap(cap).sum::<usize>() <= available;
    let widest = natural.iter().copied().max().unwrap_or_default();
    if fits(widest) {
        return Some(natural.to_vec());
    }
    if !fits(CELL_WIDTH_MIN) {
        return None;
    }
    // The largest cap that fits; between these two it is found.
    let (mut fitting, mut too_wide) = (CELL_WIDTH_MIN, widest);
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
        assert_eq!(fitted(&[5, 10], 100), Some(vec![5, 10]));
        assert_eq!(fitted(&[5, 80], 50), Some(vec![5, 38]));
        assert_eq!(fitted(&[40, 40, 3], 61), Some(vec![24, 24, 3]));
        assert_eq!(fitted(&[40, 40], 30), None);
        assert_eq!(fitted(&[1; 40], 100), None);
    }

    #[test]
    fn lines_are_never_wider_than_asked() {
        let long = "x".repeat(300);
        let wide = "語".repeat(80);
        let grid = grid(&["operation", "user_id", "raw"], &[&[Some("a"), Some(&wide), Some(&long)], &[None, None, None]]);
        for width in [20, 40, 60, 100, 1_000] {
            for line in grid.draw(width).lines() {
                assert!(measure_text_width(line) <= width, "{width}: {line}");
            }
        }
    }

    #[test]
    fn too_many_columns_become_blocks_without_nulls() {
        let text = grid(&["first_column", "second_column"], &[&[Some("aaaaaaaaaaaaaa"), None]]).draw(24);
        assert_eq!(text, "── row 1 ───────────────\nfirst_colum…  aaaaaaaaa…\n");
    }

    #[test]
    fn empty_columns_are_left_out() {
        let grid = grid(&["a", "b", "c"], &[&[None, None, Some("1")], &[Some("2"), None, None]]).without_empty_columns();
        let names: Vec<&str> = grid.columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(names, ["a", "c"]);
        assert_eq!(grid.rows[1], [Some("2".to_owned()), None]);
    }
}
