//! What the parser reads and the planner has not: it would say so with the whole tree of it, and nothing of what to write.

use datafusion::sql::sqlparser::ast::{Expr, ObjectName, Spanned, TableFactor};

use super::tree::at;
use crate::dialect::{PATTERNS_MAX, patterns};
use crate::elsewhere;
use crate::error::Error;

/// What cannot stand in FROM.
pub(super) fn of_table(factor: &TableFactor) -> Option<Error> {
    let (what, instead) = match factor {
        TableFactor::Pivot { .. } => (
            "PIVOT",
            "write a column for each value: count(*) FILTER (WHERE operation = 'Send') AS sent",
        ),
        TableFactor::Unpivot { .. } => (
            "UNPIVOT",
            "write a query for each column, with UNION ALL between them",
        ),
        TableFactor::MatchRecognize { .. } => (
            "MATCH_RECOGNIZE",
            "write lag(…) OVER (PARTITION BY user_id ORDER BY creation_time), or a join over time",
        ),
        TableFactor::JsonTable { .. } => ("JSON_TABLE", ELEMENTS),
        TableFactor::OpenJsonTable { .. } => ("OPENJSON", ELEMENTS),
        TableFactor::XmlTable { .. } => ("XMLTABLE", "write regexp_match(text, pattern)"),
        TableFactor::Table {
            name,
            args: Some(_),
            ..
        }
        | TableFactor::Function { name, .. } => return of_call(name),
        _ => return None,
    };
    let message = format!("{what} is not supported: {instead}");
    Some(at(factor.span(), message))
}

const ELEMENTS: &str =
    "write FROM m365_audit a CROSS JOIN unnest(json_get_array(a.folders)) AS t(f)";

/// A function of another system that gives a table; planned, its arguments would be told to be no columns.
fn of_call(name: &ObjectName) -> Option<Error> {
    let called = name.0.last()?.as_ident()?;
    elsewhere::function(&called.value).map(|instead| {
        at(
            called.span,
            format!("no function `{}`; write {instead}", called.value),
        )
    })
}

/// What cannot stand in an expression.
pub(super) fn of_expr(expr: &Expr) -> Option<Error> {
    match expr {
        Expr::InSubquery { expr: left, .. } if matches!(left.as_ref(), Expr::Tuple(_)) => Some(at(
            left.span(),
            "IN (SELECT …) takes one column; write EXISTS (SELECT 1 FROM m365_audit b WHERE b.user_id = a.user_id AND \
             b.source_ip = a.source_ip)",
        )),
        Expr::Like {
            any: true,
            negated,
            pattern,
            ..
        }
        | Expr::ILike {
            any: true,
            negated,
            pattern,
            ..
        } => Some(at(pattern.span(), of_patterns(*negated, pattern))),
        _ => None,
    }
}

/// `LIKE ANY` of which no LIKE for each pattern could be made.
fn of_patterns(is_negated: bool, list: &Expr) -> String {
    let count = patterns(list).len();
    if matches!(list, Expr::Subquery(_)) {
        "LIKE ANY takes a list of patterns; those of a table are asked by EXISTS (SELECT 1 FROM iocs WHERE operation \
         LIKE iocs.pattern)"
            .to_owned()
    } else if count > PATTERNS_MAX {
        format!(
            "LIKE ANY takes at most {PATTERNS_MAX} patterns, and has {count}; a lookup table takes more: EXISTS \
             (SELECT 1 FROM iocs WHERE operation LIKE iocs.pattern)"
        )
    } else if is_negated && count > 0 {
        "NOT LIKE ANY is true where one of the patterns does not match; write NOT LIKE ALL where none is to match"
            .to_owned()
    } else {
        "LIKE ANY takes a list of patterns: operation LIKE ANY ('New-%', 'Set-%')".to_owned()
    }
}
