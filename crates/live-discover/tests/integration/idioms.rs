//! What `docs/functions.md` says to write can be asked.

use crate::fixture::{lake, session};

const DOCS: &str = include_str!("../../../../docs/functions.md");

/// Every query and expression of the part behind the functions, as queries.
fn queries() -> Vec<String> {
    let (_, part) = DOCS.split_once("\n## JSON\n").unwrap();
    let mut queries = Vec::new();
    for (index, block) in part.split("```").enumerate() {
        if index % 2 == 1 {
            queries.push(block.strip_prefix("sql\n").unwrap().to_owned());
            continue;
        }
        let rows = block.lines().filter(|line| line.starts_with("| "));
        let cells = rows.filter_map(|row| {
            let row = row.replace("\\|", "\u{1}");
            let (left, right) = row.trim_matches('|').split_once('|')?;
            // What is here is code on one side, and what it gives or replaces on the other.
            let here = match right.trim_start().starts_with('`') {
                true => right,
                false => left,
            };
            Some(here.replace('\u{1}', "|"))
        });
        for cell in cells {
            let codes = cell.split('`').skip(1).step_by(2);
            queries.extend(codes.map(|code| match code.split(' ').next() {
                Some("SELECT" | "WITH") => code.to_owned(),
                _ => format!("SELECT {code} FROM m365_audit"),
            }));
        }
    }
    queries
}

#[tokio::test]
async fn what_the_documentation_says_to_write_can_be_asked() {
    let session = session(&lake().await);
    let queries = queries();
    assert!(queries.len() > 80, "{}", queries.len());
    let mut wrong = Vec::new();
    for query in queries {
        if let Err(error) = session.collect(query.as_str()).await {
            wrong.push(format!("{query}\n    {error}"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
