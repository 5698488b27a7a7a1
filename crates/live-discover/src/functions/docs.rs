//! `docs/functions.md`, from the list of functions.

use std::fmt::Write;

use super::FUNCTIONS;
use crate::elsewhere;

/// The reference of our functions for people, as Markdown.
pub fn functions_markdown() -> String {
    let mut text = HEAD.to_owned();
    for function in FUNCTIONS {
        // Writing to a string does not fail.
        let _ = write!(
            text,
            "\n## `{}({})` → {}\n\n{}\n\n| | gives |\n|---|---|\n",
            function.name, function.arguments, function.result, function.meaning
        );
        for (call, value) in function.examples {
            let _ = writeln!(text, "| {} | {} |", code(call), code(value));
        }
    }
    text.push_str(BEYOND);
    text.push_str("\n| elsewhere | here |\n|---|---|\n");
    for function in elsewhere::FUNCTIONS {
        let list = |codes: &[&str]| codes.iter().map(|text| code(text)).collect::<Vec<_>>();
        let _ = writeln!(
            text,
            "| {} | {} |",
            list(function.names).join(", "),
            list(function.instead).join(" or ")
        );
    }
    text
}

const HEAD: &str = "# Functions

What queries can call beyond DataFusion's functions. Generated from `crates/live-discover/src/functions/`; write it
anew with `LIVE_DISCOVER_DOCS=write cargo test -p live-discover --lib docs_functions_md`.

`NULL` in gives `NULL` out, unless another thing is said. An address is written as Microsoft's records do: with or
without a port, brackets and a zone; IPv4 written as IPv6 is IPv4.

What is inside, the table `internal_networks` (`kind`: `network` or `domain`, `value`, `source`: `private range` or
`configured`) tells: the private ranges and what the session, the engine or the lake has
beside them, the first of these that says anything.

The pattern of a regular expression (`~`, `SIMILAR TO`, `regexp_like` and the like) is a constant of at most 4096 bytes
that takes at most 10 MiB when it is compiled.
";

const BEYOND: &str = r#"
## JSON

A column of JSON (`folders`, `target`, `app_access_context`, `extra`, see `tables.md`) is text that these read:

| | gives |
|---|---|
| `app_access_context->>'ClientAppId'` | the member as text; NULL where there is none |
| `target->0->>'ID'`, `target->-1` | the first element of a list, the last one; `->` gives JSON, for more of `->` |
| `folders->>'$[0].Path'` | the same by a path of `.name`, `["name"]` and `[0]` |
| `json_length(folders)` | how many elements or members there are |
| `json_get_array(folders)` | the elements of a list as a list of JSON; `json_get_array(extra, 'Items')` those of a member |
| `unnest(json_get_array(folders))` | a row for each element, in SELECT |
| `json_object_keys(app_access_context)` | the names of the members |
| `json_contains(app_access_context, 'ClientAppId')` | whether the member is there |
| `CAST(extra->'Count' AS BIGINT)` | a number |

In FROM, a list is expanded beside its row; `AS t(f)` gives the element a name that no column has, and
`LEFT JOIN … ON true` keeps rows without any:

```sql
SELECT a.user_id, f->>'Path' AS path
FROM m365_audit a
CROSS JOIN unnest(json_get_array(a.folders)) AS t(f)
WHERE f->>'Path' LIKE '%Inbox%'
```

```sql
SELECT a.id, i->>'Subject' AS subject, n
FROM m365_audit a
CROSS JOIN unnest(json_get_array(a.folders)) AS t(f)
LEFT JOIN unnest(json_get_array(f, 'FolderItems')) WITH ORDINALITY AS u(i, n) ON true
```

## Maps

`parameters`, `extended_properties` and the like are maps, from names to texts; `modified_properties` has a structure of
`old_value` and `new_value` for each name.

| | gives |
|---|---|
| `parameters['ForwardTo']` | the value; NULL where the name is not there |
| `parameters['ForwardTo'] IS NOT NULL` | whether it is there |
| `modified_properties['Role.DisplayName']['new_value']` | the new value |
| `map_keys(parameters)`, `map_values(parameters)` | all names, all values, in the same order |
| `element_at(parameters, 'ForwardTo')` | a list of the one value, or an empty one |

```sql
SELECT a.id, setting, value
FROM m365_audit a
CROSS JOIN unnest(a.parameters) AS p(setting, value)
WHERE setting LIKE '%Forward%'
```

## LIKE

`%` stands for any characters, `_` for one; `ILIKE` does not look at case. A backslash takes the next character as it is,
as in PostgreSQL, so one in the text is written twice: `user_id LIKE 'NT AUTHORITY\\SYSTEM%'`. A backslash before any other
character than `%`, `_` and another backslash is an error: nobody means that. In the Trino dialect a backslash in a
constant pattern is a character like any other.

`operation ILIKE ANY ('%rule%', 'set-%')` is a LIKE for each pattern of a list, which may be an array,
`(ARRAY['%rule%', 'set-%'])`, or a variable, `ANY ($$patterns$$)`; `NOT ILIKE ALL (…)` is true where none matches.
Patterns of a table are asked by `EXISTS (SELECT 1 FROM iocs WHERE operation LIKE iocs.pattern)`.

## Numbers

`CAST(1.7 AS BIGINT)` rounds, halves away from zero, as for PostgreSQL's `numeric`; `trunc(x)` and `floor(x)` cut off.
`7 / 2` of whole numbers is 3; `7 / 2.0` is 3.5.

## From KQL, SPL and others

| there | here |
|---|---|
| `mv-expand f = Folders` | `SELECT a.id, f->>'Path' FROM m365_audit a CROSS JOIN unnest(json_get_array(a.folders)) AS t(f)` |
| `summarize make_set(Operation) by UserId` | `SELECT user_id, array_agg(DISTINCT operation) FROM m365_audit GROUP BY user_id` |
| `summarize make_list(Operation) by UserId` (`make_list` here is the list of a row's own values) | `SELECT user_id, array_agg(operation ORDER BY creation_time) FROM m365_audit GROUP BY user_id` |
| `summarize dcount(UserId)` | `SELECT count(DISTINCT user_id) FROM m365_audit` |
| `summarize countif(Operation == "Send") by UserId` | `SELECT user_id, count(*) FILTER (WHERE operation = 'Send') AS sent FROM m365_audit GROUP BY user_id` |
| `summarize arg_max(TimeGenerated, Operation) by UserId` | `SELECT user_id, max(creation_time), last_value(operation ORDER BY creation_time) FROM m365_audit GROUP BY user_id` |
| `summarize arg_max(TimeGenerated, *) by UserId` | `SELECT DISTINCT ON (user_id) * FROM m365_audit ORDER BY user_id, creation_time DESC` |
| `summarize count() by bin(TimeGenerated, 15m)` | `SELECT time_bucket('15 minutes', creation_time) AS t, count(*) FROM m365_audit GROUP BY 1 ORDER BY 1` |
| `make-series count() on TimeGenerated step 1h` | `SELECT t, count(id) FROM unnest(generate_series(TIMESTAMP '2024-01-31T00:00:00', TIMESTAMP '2024-01-31T23:00:00', INTERVAL '1 hour')) AS s(t) LEFT JOIN m365_audit ON date_trunc('hour', creation_time) = t GROUP BY 1 ORDER BY 1` |
| `join kind=leftanti` | `SELECT DISTINCT a.user_id FROM m365_audit a WHERE NOT EXISTS (SELECT 1 FROM m365_signins b WHERE b.user_id = a.user_id)` |
| `join kind=inner`, within an hour | `SELECT a.id, b.id FROM m365_signins a JOIN m365_mailbox b ON b.user_id = a.user_id AND b.creation_time BETWEEN a.creation_time AND a.creation_time + INTERVAL '1 hour'` |
| `(a, b) in (…)` | `SELECT a.id FROM m365_audit a WHERE EXISTS (SELECT 1 FROM m365_signins b WHERE b.user_id = a.user_id AND b.source_ip = a.source_ip)` |
| `evaluate pivot(Operation)` | `SELECT user_id, count(*) FILTER (WHERE operation = 'Send') AS sent, count(*) FILTER (WHERE operation = 'MailItemsAccessed') AS read FROM m365_audit GROUP BY user_id` |
| `top 10 by count_` | `SELECT user_id, count(*) AS n FROM m365_audit GROUP BY user_id ORDER BY n DESC LIMIT 10` |
| `where * has "needle"` | `SELECT id FROM m365_audit WHERE any_text_matches('needle', true)` |
| `let x = …;` | `WITH x AS (SELECT id FROM m365_audit) SELECT count(*) FROM x` |
| `serialize`, `prev(x)` | `SELECT id, lag(operation) OVER (PARTITION BY user_id ORDER BY creation_time) FROM m365_audit` |
| `eventstats count by user` | `SELECT id, count(*) OVER (PARTITION BY user_id) FROM m365_audit` |
| `streamstats time_window=1h count by user` | `SELECT id, count(*) OVER (PARTITION BY user_id ORDER BY creation_time RANGE BETWEEN INTERVAL '1 hour' PRECEDING AND CURRENT ROW) FROM m365_audit` |

Functions of other systems, and what to write:
"#;

/// As code in a cell of a table.
fn code(text: &str) -> String {
    format!("`{}`", text.replace('|', "\\|"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docs_functions_md_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/functions.md");
        if std::env::var_os("LIVE_DISCOVER_DOCS").is_some_and(|value| value == "write") {
            std::fs::write(path, functions_markdown()).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            written == functions_markdown(),
            "docs/functions.md is out of date; write it anew with\n\n    \
             LIVE_DISCOVER_DOCS=write cargo test -p live-discover --lib docs_functions_md\n"
        );
    }
}
