//! Reads the small CSV files that are part of this crate, without copying.
//!
//! They are ours: one line a row, a cell with a comma in quotes, no quotes inside a cell (a test checks that).

/// Cells of each row after the header.
pub(crate) fn rows(text: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    text.lines().skip(1).map(cells)
}

fn cells(line: &'static str) -> Vec<&'static str> {
    let mut cells = Vec::new();
    let mut rest = line;
    loop {
        let (cell, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => rest.split_at(rest.find(',').unwrap_or(rest.len())),
        };
        cells.push(cell);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None => return cells,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_keep_commas_in_quotes_and_empty_ends() {
        assert_eq!(cells("a,\"b, c\",,d"), ["a", "b, c", "", "d"]);
        assert_eq!(cells("\"a\","), ["a", ""]);
        assert_eq!(cells(""), [""]);
    }

    #[test]
    fn data_files_need_no_more_than_this_parser() {
        let files = [
            (include_str!("../data/documented_fields.csv"), 2),
            (include_str!("../data/enums.csv"), 4),
            (include_str!("../data/extra_fields.csv"), 3),
            (include_str!("../data/nested_fields.csv"), 3),
            (include_str!("../data/record_types.csv"), 6),
        ];
        for (text, width) in files {
            assert!(!text.contains("\"\""), "a quote inside a cell");
            for (row, cells) in rows(text).enumerate() {
                assert_eq!(cells.len(), width, "row {row}: {cells:?}");
            }
        }
    }
}
