//! `docs/trino.md`, from the list of functions.

use std::collections::BTreeMap;
use std::fmt::Write;

use datafusion::execution::SessionStateBuilder;

use super::{Function, functions};

const HEAD: &str = "\
# The Trino dialect

Generated from `crates/live-discover/src/functions/trino/`; write it anew with
`LIVE_DISCOVER_DOCS=write cargo test -p live-discover --lib docs_trino_md`.

For people and templates that come from Data Lake queries: `Session::with_dialect(Dialect::Trino)` for all queries of a
session, `Request::with_dialect` for one. Tables, columns, variables and time ranges are the same as in the default
dialect, but that a variable of date and time that stands bare is seconds since 1970: `from_unixtime($$start$$)`.
Nothing on this page is in the default dialect unless it says so.

## What means something else than in the default dialect

| | Trino dialect | Default dialect |
|---|---|---|
| `ORDER BY x DESC` | NULL last, whichever way the sort goes | NULL first |
| `concat(a, NULL)`, `greatest(a, NULL)`, `least(a, NULL)` | NULL | without the NULL |
| `regexp_replace(s, p, r)` | all matches, `$1` is a group | the first match |
| `date_format(t, p)` | patterns of MySQL (`%i` minutes, `%s` seconds, `%M` name of the month) | patterns of strftime |
| `substr(s, -2)` | counts from the end | the whole text |
| `split_part(s, d, n)` past the end | NULL | empty text |
| `contains(x, y)` | an element in an array, an address in a network | a text in a text |
| `element_at` | of arrays and maps | of maps, as an array |
| `repeat(x, n)` | an array | a text |
| `CAST(time AS varchar)` | `2024-01-31 08:00:00.000` | `2024-01-31T08:00:00` |
| `CAST(1.5 AS bigint)` | 2 | 1 |
| `x AT TIME ZONE z` | the same instant in another zone, a time without a zone is UTC | a time without a zone is one of that zone |
| `EXTRACT(DOW FROM x)` | 1 (Monday) to 7 | 0 (Sunday) to 6 |
| `array_sort`, `cardinality`, `array_position`, `array_remove` | NULL last; of the outermost array; 0 if missing; all that equal | NULL first; of all nested; NULL; the first |

## What the grammar has more

- `CROSS JOIN UNNEST(a, b) WITH ORDINALITY AS t(x, y, n)`, also after a comma and as `LEFT JOIN … ON TRUE`; the arrays
  may come from the tables on the left. Maps give keys and values, arrays of rows a column for each field.
- Lambdas: `x -> x > 0` in `filter`, `transform`, `any_match`, `all_match`, `none_match`.
- Types: `array(varchar)`, `map(varchar, json)`, `row(name varchar)`, `json`, `ipaddress`, `varchar(10)`, which cuts off.
- `TRY(x)`, `JSON '…'`, `IPADDRESS '…'`, `FETCH FIRST n ROWS ONLY`, `listagg(…) WITHIN GROUP (ORDER BY …)`.
- A correlated scalar subquery with `SELECT DISTINCT x`; two different values are an error.

## Types

- `json` is the text of a value, without white space between its parts; `CAST(j AS varchar)` takes the quotes off a
  string. An object as `varchar` is its text; in Trino that is an error.
- The session's zone is UTC. A time in UTC prints without its zone, another with it; with milliseconds, or as many
  digits as it has beyond them.
- `ipaddress` compares as a number. `CAST(x AS varchar)` makes text of it; a result's column of it is 16 bytes.
- `timestamp(p)` has microseconds whatever `p` is. `date_trunc` of a date is a time at midnight, in Trino a date.

## What is not supported

- `VALUES 1, 2` without parentheses around each row, `MATCH_RECOGNIZE`, `TABLESAMPLE`, `json_table`, the clauses of
  `json_value` and `json_query`, `IS JSON`, `trim(LEADING FROM x)` without a character, `WITH RECURSIVE`.
- `reduce`, `zip_with`, `map_filter`, `transform_values` and other functions with lambdas than those above; a lambda as
  the third argument of `regexp_replace` or the second of `array_sort`.
- `histogram`, `multimap_agg`, `map_union`; `min_by(x, y, n)`, `max_by(x, y, n)`; `min_by` and `max_by` over a window.
- UNNEST of an array from outside of a subquery: `(SELECT … FROM UNNEST(outer.x))`. `any_match` does it.
- Look-around and back-references in regular expressions: an error says so. Their syntax is that of Rust's `regex`,
  where `\\d`, `\\w` and `\\b` know all of Unicode. A pattern is a constant.
- Names in quotes keep their case, as in the default dialect: `\"Total\"` is not found as `total`, in Trino it is.
- Wildcards, filters and `..` in JSON paths; geospatial, HyperLogLog and machine learning functions.
- The tables of the Data Lake: `xdr_data`, `xgfw_data`, `mdr_ioc_all` and others. An error says what is here.

## Functions

A function with a star has another meaning than the one of that name in the default dialect. All other functions of
the default dialect are there too.
";

/// The reference of the Trino dialect for people, as Markdown.
pub fn trino_markdown() -> String {
    let mut by_page: BTreeMap<&str, Vec<Function>> = BTreeMap::new();
    for function in functions() {
        by_page.entry(function.page).or_default().push(function);
    }
    let default = SessionStateBuilder::new().with_default_features().build();
    let is_known = |name: &str| {
        default.scalar_functions().contains_key(name)
            || default.aggregate_functions().contains_key(name)
    };
    let mut page = HEAD.to_owned();
    for (name, mut functions) in by_page {
        functions.sort_by_key(Function::name);
        let _ = write!(
            page,
            "\n### [{name}](https://trino.io/docs/current/functions/{name}.html)\n\n| Function | Meaning |\n|---|---|\n"
        );
        for function in functions {
            let star = if function.is_own() && is_known(function.name()) {
                " \\*"
            } else {
                ""
            };
            let escaped = |text: &str| text.replace('|', "\\|");
            let _ = writeln!(
                page,
                "| `{}`{star} | {} |",
                escaped(function.syntax),
                escaped(function.meaning)
            );
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn docs_trino_md_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/trino.md");
        if std::env::var_os("LIVE_DISCOVER_DOCS").is_some_and(|value| value == "write") {
            std::fs::write(path, trino_markdown()).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            written == trino_markdown(),
            "docs/trino.md is out of date; write it anew with\n\n    \
             LIVE_DISCOVER_DOCS=write cargo test -p live-discover --lib docs_trino_md\n"
        );
    }

    #[test]
    fn each_function_is_listed_once_and_is_no_column() {
        let mut seen = BTreeSet::new();
        for function in functions().iter().filter(|function| function.is_own()) {
            let aliases = function.aliases().iter().map(String::as_str);
            for name in aliases.chain([function.name()]) {
                assert_eq!(crate::names::in_sql(name), name, "a column has that name");
                assert!(seen.insert(name.to_owned()), "{name} is listed twice");
            }
        }
    }

    /// Else it would depend on chance which of two functions a state that is built from another has.
    #[test]
    fn no_other_function_has_a_name_of_ours() {
        let default = SessionStateBuilder::new_with_default_features().build();
        let state = crate::dialect::trino::state(&default).unwrap();
        for (name, function) in state.scalar_functions() {
            for known in function
                .aliases()
                .iter()
                .map(String::as_str)
                .chain([function.name()])
            {
                let found = state.scalar_functions().get(known);
                assert!(found == Some(function), "{name} is also {known}");
            }
        }
    }
}
