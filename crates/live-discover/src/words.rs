//! What the planner and the data say, in the analyst's words: what is wrong, then, after a semicolon, what helps.

use std::sync::LazyLock;

use regex::Regex;

/// Patterns of messages, and what they become. The first that matches counts.
#[rustfmt::skip]
const RULES: &[(&str, &str)] = &[
    // Types.
    (r"coerce arithmetic expression (Timestamp\(.*\)|Date\d+) ([-+]) U?Int\d+ to valid types",
     "$1 $2 integer cannot be computed; a span of time is written INTERVAL '7 days'"),
    (r"coerce arithmetic expression (.+) to valid types",
     "$1 cannot be computed; CAST(… AS …) makes one type of another"),
    (r"common argument type for comparison operation (.*Map\(.*)",
     "a bag cannot be compared; its values are taken by name: bag['Name']"),
    (r"common argument type for comparison operation (.*Struct\(.*)",
     "a structure cannot be compared; its members are taken by name: value['new_value']"),
    (r"common argument type for comparison operation (.*Timestamp\(.*)",
     "$1 cannot be compared; a time is written TIMESTAMP '2024-01-31T08:00:00Z'"),
    (r"common argument type for comparison operation (.+)",
     "$1 cannot be compared; CAST(… AS …) makes one type of another"),
    (r"expr type (.+) can't cast to (.+) in SetComparison",
     "$1 and $2 cannot be compared; CAST(… AS …) makes one type of another"),
    (r"Invalid comparison operation: (.+) == Utf8", "$1 and text cannot be compared; the names in a bag are text: bag['Name']"),
    (r"common type to coerce .*Map\(.* in (I?LIKE) expression",
     "$1 needs text, and this is a bag; its values are taken by name: bag['Name']"),
    (r"common type to coerce (.+) and (.+) in (I?LIKE) expression", "$3 needs text, and this is $1"),
    (r"non-boolean predicate '(?:\w+\.)?(.+)' returning (.+)",
     "a condition is needed, and `$1` is $2; compare it with something"),
    (r"coerce then \((.+)\) and else \((.+)\) to common types",
     "the results of CASE are $1 and $2; CAST(… AS …) makes one type of another"),
    (r"common argument type for regex operation (.+)", "$1 cannot be matched; CAST(… AS text) makes text of a value"),
    (r"unsupported (?:TRY_)?CAST from (.+) to (.+)", "$1 cannot be cast to $2"),
    (r"cannot access field at argument \d+: type (?:\w*Utf8\w*|Union\(.+\)) is not Struct",
     "this is no bag; members of JSON text are taken with ->>: app_access_context ->> 'AADSessionId'"),
    (r"cannot access field at argument \d+: type (.+) is not Struct", "$1 has no members"),
    (r"argument types 'array_element\((?:\w*Utf8\w*|Union\(.+\)), .+\)'",
     "this is no list; elements of JSON text are taken with ->, the first by 0: target -> 0"),
    (r"dot access not supported", "a dot is not read here; a value of a bag or structure is taken by name: value['Name']"),
    (r"argument type to 'json_\w+' at position 1, expected a string, got Map",
     "-> and ->> read JSON text, and this is a bag; its values are taken by name: bag['Name']"),
    (r"argument type to 'json_\w+' at position 1, expected a string, got (\w+)",
     "-> and ->> read JSON text, and this is $1"),
    (r"substring without for/from", "`substr` needs where to begin; write substr(text, 1, 10)"),
    (r"unsupported SQL type (\S+)", "no type `$1`"),
    (r"'(\w+)' does not support zero arguments", "`$1` needs an argument"),
    (r"'(\w+)' expects (\d+) arguments? but received (\d+)", "`$1` takes $2 arguments, not $3"),
    // Ours say it themselves.
    (r"coercion failed with: (?:[\w ]+: )*(`\w+` takes .*?)\.? No function matches", "$1"),
    (r"name and argument types '(\w+)\((.*)\)'", "`$1` does not take ($2); CAST(… AS …) makes one type of another"),
    (r"string concat operation (.+ \|\| .+)", "$1 cannot be computed; CAST(… AS text) makes text of a value"),
    (r"operator 'NOT' requires a boolean expression, got (.+)", "NOT needs a condition, and this is $1"),
    (r"operator '-' only supports", "a minus sign needs a number or a span of time"),
    (r"escape character in LIKE expression.*, got '?(.*?)'?$", "ESCAPE takes one character, not '$1'"),
    (r"unsupported date_trunc granularity: '(.*)'. Supported values are: (.+)", "'$1' is no unit of date_trunc; there are $2"),
    // Values.
    (r"cast string '(.*)' to value of Date\d+ type", "'$1' is no date; it is written 2024-01-31"),
    (r"cast string '(.*)' to value of (.+) type", "'$1' is no $2; TRY_CAST(… AS …) gives NULL for such values"),
    (r"cast value (.+) to type (\w+)", "$1 does not fit into the type; take a larger one"),
    (r"parsing timestamp from '(.*)': .*", "'$1' is no time; it is written 2024-01-31T08:00:00Z"),
    (r#"syntax for type interval: "(.*)""#, "'$1' is no span of time; it is written like '7 days' or '1 hour 30 minutes'"),
    (r"overflow happened on: (.+)", "$1 is beyond the numbers of its type; CAST(… AS DECIMAL(38, 0)) gives a larger one"),
    (r"divide by zero", "division by zero; x / nullif(y, 0) gives NULL instead"),
    (r"^cast error: Format error", "the pattern of the format is none; it is written like '%Y-%m-%d'"),
    (r"argument type to 'json_\w+' at position \d+, expected string or int, got (\w+)",
     "JSON is taken apart by names, which are text, and indexes, which are BIGINT, not by $1; CAST(… AS BIGINT) makes one"),
    (r"field (\w+) not found in struct", "no member `$1` in the structure; of a change there are ['new_value'] and ['old_value']"),
    // Trees of the parser.
    (r"Unsupported ast node .* in create_relation", "this cannot stand in FROM"),
    (r"Unsupported ast node in sqltorel", "this is not supported here"),
    (r"Unsupported JOIN operator (\w+)", "joins of the kind `$1` are not supported; write JOIN, LEFT JOIN or EXISTS"),
    (r"Unsupported qualified wildcard argument", "`table.*` is no argument of a function; name a column"),
    (r"Unsupported interval (?:argument|operator)|unary operator in interval",
     "a span of time is a constant, written INTERVAL '7 days'; one of a column is CAST(concat(n, ' days') AS INTERVAL)"),
    (r"(\w+) not supported by ExprPlanner", "$1 is not supported here"),
    // Clauses.
    (r#"column "(?:\w+\.)?(.+?)" must appear in the GROUP BY"#,
     "`$1` is neither in GROUP BY nor in an aggregate function; add it there, or take max($1)"),
    (r"aggregate functions are not allowed in the WHERE",
     "an aggregate function cannot stand in WHERE; conditions on groups stand in HAVING"),
    (r"aggregate function calls cannot be nested",
     "an aggregate function cannot stand inside another; compute the inner one in a subquery"),
    (r"does not support logical expression WindowFunction",
     "a window function cannot stand here; compute it in a subquery and use its column"),
    (r"does not support logical expression (?:InSubquery|Exists)",
     "IN (SELECT …) and EXISTS stand in WHERE or HAVING, without LIMIT where they depend on the row; elsewhere use a join"),
    (r"does not support logical expression ScalarSubquery",
     "a subquery that depends on the row is an aggregate whose own columns are compared with the row's by =; otherwise \
      write SELECT a.id, max(b.creation_time) FROM m365_files a LEFT JOIN m365_signins b ON b.user_id = a.user_id AND \
      b.creation_time < a.creation_time GROUP BY a.id"),
    (r"correlated scalar subquery in the GROUP BY clause",
     "a subquery that depends on the row cannot stand in GROUP BY; compute it within: SELECT n, count(*) FROM (SELECT …, \
      (SELECT …) AS n FROM …) AS t GROUP BY n"),
    (r"does not support logical expression OuterReferenceColumn",
     "a query in FROM cannot depend on the tables beside it; lists are expanded by CROSS JOIN unnest(json_get_array(a.folders)) \
      AS t(f)"),
    (r"unnest\(\) can only be applied to", "unnest takes a list; the elements of a JSON list are unnest(json_get_array(folders))"),
    (r"LATERAL VIEWS", "LATERAL VIEW is not supported; write CROSS JOIN unnest(…) AS t(x)"),
    (r"sliding accumulator because `retract_batch` is not implemented: string_agg",
     "`string_agg` has no frame that moves; write array_to_string(array_agg(user_id) OVER (…), ', ')"),
    (r"sliding accumulator because `retract_batch` is not implemented: approx_distinct",
     "`approx_distinct` has no frame that moves; write count(DISTINCT user_id) OVER (…)"),
    (r"sliding accumulator because `retract_batch` is not implemented: (?:approx_median|approx_percentile\w+)",
     "percentiles that are approximate have no frame that moves; write median(file_size) OVER (…), or percentile_cont"),
    (r"sliding accumulator because `retract_batch` is not implemented: (\w+)",
     "`$1` has no frame that moves; write ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW, or group, and join the \
      groups"),
    (r"window (\S+) is not defined", "no window `$1`; write OVER (…), or define it with WINDOW $1 AS (…)"),
    (r"^(\w+) queries have different number of columns", "the queries of this $1 have different numbers of columns"),
    (r"Previous inputs were of type (.+), but got incompatible type (.+) on column '(.+)'",
     "the column `$3` of this UNION is $1 in one query and $2 in another; CAST(… AS …) makes one type of another"),
    (r"expected (LIMIT|OFFSET) to be an integer or null, but got (.+)", "$1 takes a whole number, not $2"),
    (r"(LIMIT|OFFSET) must be >= 0, '(.+)' was provided", "$1 cannot be negative, and is $2"),
    (r"order by column out of bounds, specified: (\d+), max: (\d+)", "ORDER BY `$1` is beyond the columns of the result, which are $2"),
    (r"column with position (\d+) in SELECT clause. Valid columns: 1 to (\d+)",
     "GROUP BY `$1` is beyond the columns of the result, which are $2"),
    (r"SELECT DISTINCT, ORDER BY expressions (?:\w+\.)?(.+) must appear",
     "with SELECT DISTINCT the result can be ordered by its own columns, and `$1` is none"),
    (r"too many columns! .*", "this subquery has to give one column; name the one that is meant"),
    (r"subquery returned more than one row", "a subquery gives several rows where one value is needed; write IN (…), or LIMIT 1"),
    (r"SELECT \* with no tables", "SELECT * needs a table; write FROM m365_audit"),
    (r"contains (\d+) columns but only (\d+) names", "a table of $1 columns is given $2 names for them"),
    (r#"unique expression names but the expression ".*" at position \d+ and ".* AS (\w+)" at position"#,
     "two columns of the result are named `$1`; rename one with AS"),
    (r#"unique expression names but the expression ".*" at position \d+ and "(?:\w+\.)?(.+)" at position"#,
     "two columns of the result are named `$1`; rename one with AS"),
    (r#"WITH query name "(.+)" specified more than once"#, "two queries of WITH are named `$1`"),
    (r"inconsistent data length across values list: got (\d+) values in row \d+ but expected (\d+)",
     "a row of VALUES has $1 values, and the first one has $2"),
    (r"placeholder '(.+)' was not provided", "the placeholder '$1' has no value; a variable is written $$$$name$$$$"),
    // Syntax.
    (r"Unterminated string literal", "syntax error: this quote is not closed; inside a text a quote is written twice: 'it''s'"),
    (r"Expected close delimiter '(.)' before EOF", "syntax error: this $1 is not closed"),
    (r"EOF while in a multi-line comment", "syntax error: a comment is not closed"),
    (r"^syntax error: expected:? (.+), found: EOF", "syntax error: the text ends, and $1 is expected"),
    (r"^syntax error: expected:? .+, found: ((?:has|has_cs|has_any|has_all|contains|startswith|endswith|hasprefix|matches)\b)",
     "syntax error: `$1` is no operator here; write operation ILIKE '%rule%', or any_text_matches('rule', true) for all of a record"),
    (r"^syntax error: expected:? (\)|,), found: (ms|s|m|h|d)$",
     "syntax error: $1 is expected, not `$2`; a span of time is written INTERVAL '1 day'"),
    (r"^syntax error: expected:? end of statement, found: (.+)", "syntax error: `$1` cannot stand here"),
    (r"^syntax error: expected:? an SQL statement, found: (.+)", "syntax error: a query begins with SELECT, not with `$1`"),
    (r"^syntax error: expected:? (.+), found: (.+)", "syntax error: $1 is expected, not `$2`"),
];

/// Arrow's names of types, and what people call them.
#[rustfmt::skip]
const TYPES: &[(&str, &str)] = &[
    (r"Map\(.*?unsorted\)", "a bag"),
    (r"Struct\([^()]*\)", "a structure"),
    (r"(?:Large)?List\([^()]*\)", "a list"),
    (r"Timestamp\([^()]*\)", "timestamp"),
    (r"Interval\([^()]*\)", "interval"),
    (r"Duration\([^()]*\)", "duration"),
    (r"Decimal\d+\([^()]*\)", "decimal"),
    (r"\b(?:Large)?Utf8(?:View)?\b", "text"),
    (r"\bU?Int\d+\b", "integer"),
    (r"\bFloat\d+\b", "double"),
    (r"\bDate\d+\b", "date"),
    (r"\bBoolean\b", "boolean"),
];

fn compiled(rules: &'static [(&str, &str)]) -> Vec<(Regex, &'static str)> {
    let rules = rules.iter().filter_map(|(pattern, text)| {
        let pattern = format!("(?i){pattern}");
        Regex::new(&pattern).ok().map(|regex| (regex, *text))
    });
    rules.collect()
}

/// What a message becomes; `None` where it can stay.
pub(crate) fn reworded(message: &str) -> Option<String> {
    static COMPILED: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| compiled(RULES));
    if let Some(text) = signature(message) {
        return Some(with_help(text));
    }
    COMPILED.iter().find_map(|(regex, text)| {
        let found = regex.captures(message)?;
        let mut words = String::new();
        found.expand(text, &mut words);
        Some(with_help(with_plain_types(&words)))
    })
}

/// What helps with a bag or a structure, where the words say nothing better.
pub(crate) fn with_help(words: String) -> String {
    let what = match words.rsplit_once("; ") {
        // A bag becomes no other type.
        Some((what, help)) if help.starts_with("CAST(") => what,
        Some(_) => return words,
        None => &words,
    };
    if what.contains("a bag") {
        format!("{what}; its values are taken by name: bag['Name'], all of them by map_values(bag)")
    } else if what.contains("a structure") {
        format!("{what}; its members are taken by name: value['new_value']")
    } else {
        words
    }
}

/// Arrow's names of types as people call them.
pub(crate) fn with_plain_types(message: &str) -> String {
    static COMPILED: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| compiled(TYPES));
    let types = COMPILED.iter();
    types.fold(message.to_owned(), |message, (regex, name)| {
        regex.replace_all(&message, *name).into_owned()
    })
}

/// `Function 'sum' failed to match any signature, errors: Function 'sum' requires Decimal, but received String
/// (DataType: Utf8View).,…`
fn signature(message: &str) -> Option<String> {
    static FUNCTION: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"Function '(\w+)' failed to match any signature").ok());
    static TRIED: LazyLock<Option<Regex>> = LazyLock::new(|| {
        // A type may have commas and parentheses of its own.
        Regex::new(
            r"requires (\w+(?:\([^()]*\))?),? but received .*?\(DataType: (.+?)\)(?:\.|,Error|$)",
        )
        .ok()
    });
    let function = FUNCTION.as_ref()?.captures(message)?.get(1)?.as_str();
    let mut taken: Vec<String> = Vec::new();
    let mut given = None;
    for tried in TRIED.as_ref()?.captures_iter(message) {
        let name = tried.get(1)?.as_str();
        let name = match name {
            "String" => "text".to_owned(),
            "Float64" | "Decimal" => "number".to_owned(),
            name if name.starts_with("Int") && !name.starts_with("Interval") => "number".to_owned(),
            name if name.starts_with("UInt") => "number".to_owned(),
            name => with_plain_types(name).to_lowercase(),
        };
        if !taken.contains(&name) {
            taken.push(name);
        }
        given = tried.get(2).map(|given| with_plain_types(given.as_str()));
    }
    let given = given?;
    Some(format!(
        "`{function}` takes {}, not {given}",
        taken.join(" or ")
    ))
}

/// A value in a message: enough to know it by.
pub(crate) fn shown(text: &str) -> String {
    const CHARACTERS_MAX: usize = 40;
    match text.char_indices().nth(CHARACTERS_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_a_pattern() {
        for rules in [RULES, TYPES] {
            assert_eq!(compiled(rules).len(), rules.len());
        }
    }

    #[test]
    fn messages_become_words() {
        for (message, expected) in [
            (
                "Cannot coerce arithmetic expression Utf8View + Int64 to valid types",
                Some("text + integer cannot be computed; CAST(… AS …) makes one type of another"),
            ),
            (
                "Function 'sum' failed to match any signature, errors: Error during planning: Function 'sum' requires \
                 Decimal, but received String (DataType: Utf8View).,Error during planning: Function 'sum' requires \
                 UInt64, but received String (DataType: Utf8View).,Error during planning: Function 'sum' requires \
                 Interval, but received String (DataType: Utf8View).",
                Some("`sum` takes number or interval, not text"),
            ),
            ("something else", None),
        ] {
            assert_eq!(reworded(message).as_deref(), expected, "{message}");
        }
    }
}
