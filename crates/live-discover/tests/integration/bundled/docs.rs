//! `docs/queries/`: a page for each bundled query with an example of its result, and one that lists them.
//!
//! `LIVE_DISCOVER_DOCS=write` writes the pages anew, for a person to read in the diff.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::path::{Path, PathBuf};

use audit_schema::TACTICS;
use live_discover::{Library, Query, RangeMode, ResultColumn, Variable};
use serde_json::Value;

use super::is_detection;
use super::planted::{Planted, Values};

/// A file of `docs/queries/`: its name and text.
pub(super) type Page = (String, String);

/// Rows of an example; more say nothing new.
const ROWS_MAX: usize = 5;
/// Characters of a value of an example.
const VALUE_CHARS_MAX: usize = 80;

const COMMAND: &str =
    "LIVE_DISCOVER_DOCS=write cargo test -p live-discover --test integration docs_queries";

/// Compares the pages with the folder, or writes them if that is asked for.
pub(super) fn check(pages: &[Page]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/queries");
    if std::env::var_os("LIVE_DISCOVER_DOCS").is_some_and(|value| value == "write") {
        write(&folder, pages);
    }
    let stored: BTreeMap<String, String> = files(&folder)
        .iter()
        .map(|path| (file_name(path), std::fs::read_to_string(path).unwrap()))
        .collect();
    let pages: BTreeMap<String, String> = pages.iter().cloned().collect();
    for (name, page) in &pages {
        assert!(
            stored.get(name) == Some(page),
            "docs/queries/{name} is out of date; write the pages anew with\n\n    {COMMAND}\n"
        );
    }
    for name in stored.keys() {
        assert!(pages.contains_key(name), "docs/queries/{name} has no query");
    }
}

fn write(folder: &Path, pages: &[Page]) {
    std::fs::create_dir_all(folder).unwrap();
    for path in files(folder) {
        std::fs::remove_file(path).unwrap();
    }
    for (name, page) in pages {
        std::fs::write(folder.join(name), page).unwrap();
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| {
        panic!("docs/queries: {error}; write the pages with\n\n    {COMMAND}\n")
    });
    entries.map(|entry| entry.unwrap().path()).collect()
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

/// The page that lists all queries: those that show what there is, then detections by tactic.
pub(super) fn overview(library: &Library) -> Page {
    let mut page = String::new();
    // Writing to a String cannot fail.
    write_overview(&mut page, library).unwrap();
    ("README.md".to_owned(), page)
}

fn write_overview(page: &mut String, library: &Library) -> fmt::Result {
    writeln!(page, "# Queries\n")?;
    writeln!(
        page,
        "Written by `{COMMAND}` from `crates/audit-schema/queries/` and the records that the tests plant; a test keeps it current.\n"
    )?;
    writeln!(page, "{INTRODUCTION}")?;
    writeln!(page, "## Overviews and investigations\n")?;
    writeln!(page, "| query | what it shows |\n|---|---|")?;
    for query in library.queries().filter(|query| !is_detection(query)) {
        writeln!(page, "| {} | {} |", link(query), first_sentence(query))?;
    }
    for tactic in TACTICS {
        let mut queries: Vec<&Query> = (library.queries())
            .filter(|query| query.tactics.iter().any(|own| own == tactic))
            .collect();
        if queries.is_empty() {
            continue;
        }
        queries.sort_by_key(|query| std::cmp::Reverse(query.severity));
        writeln!(page, "\n## {}\n", title(tactic))?;
        writeln!(
            page,
            "| query | severity | techniques | what it finds |\n|---|---|---|---|"
        )?;
        for query in queries {
            writeln!(
                page,
                "| {} | {} | {} | {} |",
                link(query),
                query.severity.map(|s| s.to_string()).unwrap_or_default(),
                techniques(query),
                first_sentence(query)
            )?;
        }
    }
    Ok(())
}

const INTRODUCTION: &str = "\
The queries of the category “Microsoft 365 audit data”. Each can be run as it is: every variable that has to have a value has a default, or is what the query is about. A time range applies to them, the last 24 hours unless another is given; the page of a query that looks at a time of its own says so.

Values of variables of the type *user* are patterns where the meaning says so: `%` stands for any text. “Outside” is whatever is not in the organisation's internal networks and domains; where none are set, all but the private addresses and every domain are outside.
";

/// The page of a query.
pub(super) fn page(query: &Query, planted: &Planted) -> Page {
    let mut page = String::new();
    write_page(&mut page, query, planted).unwrap();
    (format!("{}.md", query.id), page)
}

fn write_page(page: &mut String, query: &Query, planted: &Planted) -> fmt::Result {
    writeln!(page, "# {}\n\n{}\n", query.name, query.description)?;
    writeln!(page, "- Id: `{}`", query.id)?;
    if let Some(severity) = query.severity {
        let tactics: Vec<String> = query.tactics.iter().map(|t| title(t)).collect();
        writeln!(page, "- Severity: {severity}")?;
        writeln!(
            page,
            "- ATT&CK: {} ({})",
            tactics.join(", "),
            techniques(query)
        )?;
    }
    match query.range {
        RangeMode::EventTime => writeln!(page, "- Time range: when it happened")?,
        RangeMode::IngestTime => writeln!(page, "- Time range: when it came into the lake")?,
        RangeMode::Off => writeln!(page, "- Time range: none")?,
    }
    for reference in &query.references {
        writeln!(page, "- Read more: <{reference}>")?;
    }
    if !query.variables.is_empty() {
        writeln!(page, "\n## Variables\n")?;
        writeln!(
            page,
            "| variable | type | default | meaning |\n|---|---|---|---|"
        )?;
        for variable in &query.variables {
            write_variable(page, variable)?;
        }
    }
    writeln!(
        page,
        "\n## Result\n\n| column | type | meaning |\n|---|---|---|"
    )?;
    for column in &query.columns {
        let value_type = column.value_type.map(|t| t.to_string()).unwrap_or_default();
        let meaning = cell(&column.meaning);
        writeln!(page, "| `{}` | {value_type} | {meaning} |", column.name)?;
    }
    writeln!(page, "\n## SQL\n\n```sql\n{}\n```", query.sql)?;
    write_example(page, query, planted)
}

fn write_variable(page: &mut String, variable: &Variable) -> fmt::Result {
    let list = if variable.is_list { "list of " } else { "" };
    let default = if !variable.default.is_empty() {
        let values: Vec<String> = variable.default.iter().map(|v| code(v)).collect();
        values.join(", ")
    } else if variable.is_optional {
        "optional".to_owned()
    } else {
        String::new()
    };
    let mut meaning = cell(&variable.meaning);
    if !variable.allowed.is_empty() {
        let values: Vec<String> = variable.allowed.iter().map(|v| code(v)).collect();
        write!(meaning, "; one of {}", values.join(", "))?;
    }
    writeln!(
        page,
        "| {} | {list}{} | {default} | {meaning} |",
        code(&variable.name),
        variable.value_type
    )
}

fn write_example(page: &mut String, query: &Query, planted: &Planted) -> fmt::Result {
    let rows = &planted.expected;
    writeln!(page, "\n## Example\n")?;
    for (name, values) in &planted.variables {
        let values = match values {
            Values::One(value) => code(value),
            Values::List(values) => {
                let values: Vec<String> = values.iter().map(|v| code(v)).collect();
                values.join(", ")
            }
        };
        writeln!(page, "- {} = {values}", code(name))?;
    }
    for (what, values) in [
        ("networks", &planted.networks),
        ("domains", &planted.domains),
    ] {
        if !values.is_empty() {
            let values: Vec<String> = values.iter().map(|v| code(v)).collect();
            writeln!(page, "- internal {what}: {}", values.join(", "))?;
        }
    }
    if !(planted.variables.is_empty() && planted.networks.is_empty() && planted.domains.is_empty())
    {
        writeln!(page)?;
    }
    // Columns that are empty throughout only make the table wide.
    let columns: Vec<&ResultColumn> = (query.columns.iter())
        .filter(|column| rows.iter().any(|row| row.contains_key(&column.name)))
        .collect();
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    writeln!(page, "| {} |", names.join(" | "))?;
    writeln!(page, "|{}", "---|".repeat(names.len()))?;
    for row in rows.iter().take(ROWS_MAX) {
        let values: Vec<String> = (columns.iter())
            .map(|column| row.get(&column.name).map(value).unwrap_or_default())
            .collect();
        writeln!(page, "| {} |", values.join(" | "))?;
    }
    if rows.len() > ROWS_MAX {
        writeln!(page, "\n{} rows in all.", rows.len())?;
    }
    Ok(())
}

fn value(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    };
    let short: String = text.chars().take(VALUE_CHARS_MAX).collect();
    let rest = if short.len() < text.len() { "…" } else { "" };
    cell(&format!("{short}{rest}"))
}

/// Text that a table's cell can hold.
fn cell(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").replace('|', "\\|")
}

fn code(text: &str) -> String {
    format!("`{}`", cell(text))
}

fn link(query: &Query) -> String {
    format!("[{}]({}.md)", cell(&query.name), query.id)
}

fn first_sentence(query: &Query) -> String {
    let text = query.description.split(". ").next().unwrap_or_default();
    cell(text.trim_end_matches('.'))
}

fn techniques(query: &Query) -> String {
    let links = query.techniques.iter().map(|technique| {
        let path = technique.replace('.', "/");
        format!("[{technique}](https://attack.mitre.org/techniques/{path}/)")
    });
    links.collect::<Vec<_>>().join(", ")
}

/// `initial-access` as people write it.
fn title(tactic: &str) -> String {
    let text = tactic.replace('-', " ");
    let mut characters = text.chars();
    let first = characters.next().map(|c| c.to_uppercase().to_string());
    first.unwrap_or_default() + characters.as_str()
}
