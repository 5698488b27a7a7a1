//! A bundled query: one SQL file with a header of comments that describes it.
//!
//! ```sql
//! -- id: top_users
//! -- name: Most active users
//! -- description: Users with the most records.
//! -- column records: number of records
//! SELECT ...
//! ```

/// A bundled query.
#[derive(Debug)]
pub struct Query {
    /// Stable identifier; the file has its name.
    pub id: &'static str,
    /// Name for people.
    pub name: &'static str,
    /// What it answers, and how to read the answer.
    pub description: &'static str,
    /// Columns of its result, in order.
    pub columns: Vec<ResultColumn>,
    /// The SQL without the header.
    pub sql: &'static str,
}

/// A column of a query's result.
#[derive(Debug, PartialEq, Eq)]
pub struct ResultColumn {
    /// Its name.
    pub name: &'static str,
    /// What it means.
    pub meaning: &'static str,
}

/// Reads a query file. The error says which line is wrong.
pub(crate) fn parse(text: &'static str) -> Result<Query, String> {
    let (mut id, mut name, mut description) = (None, None, None);
    let mut columns = Vec::new();
    let mut rest = text;
    while let Some(comment) = rest.strip_prefix("--") {
        let (line, after) = comment.split_once('\n').unwrap_or((comment, ""));
        let (key, value) = line
            .trim()
            .split_once(':')
            .ok_or_else(|| format!("no `key: value` in the header line `--{line}`"))?;
        let value = value.trim();
        let slot = match key {
            "id" => &mut id,
            "name" => &mut name,
            "description" => &mut description,
            _ => {
                let column = key
                    .strip_prefix("column ")
                    .ok_or_else(|| format!("unknown key `{key}` in the header"))?;
                columns.push(ResultColumn {
                    name: column.trim(),
                    meaning: value,
                });
                rest = after;
                continue;
            }
        };
        if slot.replace(value).is_some() {
            return Err(format!("`{key}` twice in the header"));
        }
        rest = after;
    }
    let missing = |key: &str| format!("`{key}` is missing in the header");
    let sql = rest.trim();
    if sql.is_empty() {
        return Err("no SQL after the header".to_owned());
    }
    if columns.is_empty() {
        return Err(missing("column"));
    }
    Ok(Query {
        id: id.ok_or_else(|| missing("id"))?,
        name: name.ok_or_else(|| missing("name"))?,
        description: description.ok_or_else(|| missing("description"))?,
        columns,
        sql,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::category::{FILES, bundled_queries};

    #[test]
    fn every_bundled_file_parses_and_bears_its_id() {
        for (file, text) in FILES {
            match parse(text) {
                Ok(query) => assert_eq!(query.id, *file),
                Err(error) => panic!("queries/{file}.sql: {error}"),
            }
        }
        assert_eq!(bundled_queries().len(), FILES.len());
    }

    #[test]
    fn every_file_in_the_folder_is_bundled() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/queries");
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
            assert!(
                FILES.iter().any(|(file, _)| *file == stem),
                "queries/{stem}.sql is not in the list"
            );
        }
    }

    #[test]
    fn header_errors_name_the_line() {
        let cases = [
            ("SELECT 1", "`column` is missing in the header"),
            ("-- id: a\n-- id: b\nSELECT 1", "`id` twice in the header"),
            (
                "-- nonsense\nSELECT 1",
                "no `key: value` in the header line `-- nonsense`",
            ),
            (
                "-- tactic: x\nSELECT 1",
                "unknown key `tactic` in the header",
            ),
            (
                "-- id: a\n-- name: b\n-- column c: d\n",
                "no SQL after the header",
            ),
            (
                "-- id: a\n-- column c: d\nSELECT 1",
                "`name` is missing in the header",
            ),
        ];
        for (text, error) in cases {
            assert_eq!(parse(text).unwrap_err(), error);
        }
    }
}
