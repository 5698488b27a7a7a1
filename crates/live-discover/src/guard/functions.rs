//! Which of DataFusion's functions queries may call. Those that we register ourselves they may all.
//!
//! A function that a new DataFusion brings is in neither list: it is refused until somebody has looked at it, and
//! a test fails so that somebody does.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use datafusion::execution::SessionStateDefaults;

/// By area; each by the name that DataFusion gives it first, and so with its other names.
const ALLOWED: &[(&str, &[&str])] = &[
    (
        "values and types",
        &[
            "arrow_typeof",
            "cast_to_type",
            "coalesce",
            "get_field",
            "greatest",
            "least",
            "named_struct",
            "nullif",
            "nvl",
            "nvl2",
            "struct",
            "try_cast_to_type",
            "union_extract",
            "union_tag",
        ],
    ),
    (
        "text",
        &[
            "ascii",
            "bit_length",
            "btrim",
            "character_length",
            "chr",
            "concat",
            "concat_ws",
            "contains",
            "ends_with",
            "find_in_set",
            "initcap",
            "left",
            "levenshtein",
            "lower",
            "lpad",
            "ltrim",
            "octet_length",
            "overlay",
            "repeat",
            "replace",
            "reverse",
            "right",
            "rpad",
            "rtrim",
            "split_part",
            "starts_with",
            "strpos",
            "substr",
            "substr_index",
            "to_hex",
            "translate",
            "upper",
            "uuid",
        ],
    ),
    (
        "regular expressions",
        &[
            "regexp_count",
            "regexp_instr",
            "regexp_like",
            "regexp_match",
            "regexp_replace",
        ],
    ),
    (
        "digests and encodings",
        &[
            "decode", "digest", "encode", "md5", "sha224", "sha256", "sha384", "sha512",
        ],
    ),
    (
        "dates and times",
        &[
            "current_date",
            "current_time",
            "date_bin",
            "date_part",
            "date_trunc",
            "from_unixtime",
            "make_date",
            "make_time",
            "now",
            "to_char",
            "to_date",
            "to_local_time",
            "to_time",
            "to_timestamp",
            "to_timestamp_micros",
            "to_timestamp_millis",
            "to_timestamp_nanos",
            "to_timestamp_seconds",
            "to_unixtime",
        ],
    ),
    (
        "numbers",
        &[
            "abs",
            "acos",
            "acosh",
            "asin",
            "asinh",
            "atan",
            "atan2",
            "atanh",
            "cbrt",
            "ceil",
            "cos",
            "cosh",
            "cot",
            "degrees",
            "exp",
            "factorial",
            "floor",
            "gcd",
            "isnan",
            "iszero",
            "lcm",
            "ln",
            "log",
            "log10",
            "log2",
            "nanvl",
            "pi",
            "power",
            "radians",
            "random",
            "round",
            "signum",
            "sin",
            "sinh",
            "sqrt",
            "tan",
            "tanh",
            "trunc",
        ],
    ),
    (
        "arrays",
        &[
            "array_add",
            "array_any_match",
            "array_any_value",
            "array_append",
            "array_avg",
            "array_compact",
            "array_concat",
            "array_dims",
            "array_distance",
            "array_distinct",
            "array_element",
            "array_except",
            "array_filter",
            "array_first",
            "array_has",
            "array_has_all",
            "array_has_any",
            "array_intersect",
            "array_length",
            "array_max",
            "array_min",
            "array_ndims",
            "array_normalize",
            "array_pop_back",
            "array_pop_front",
            "array_position",
            "array_positions",
            "array_prepend",
            "array_product",
            "array_remove",
            "array_remove_all",
            "array_remove_n",
            "array_repeat",
            "array_replace",
            "array_replace_all",
            "array_replace_n",
            "array_resize",
            "array_reverse",
            "array_scale",
            "array_slice",
            "array_sort",
            "array_subtract",
            "array_sum",
            "array_to_string",
            "array_transform",
            "array_union",
            "arrays_zip",
            "cardinality",
            "cosine_distance",
            "empty",
            "flatten",
            "generate_series",
            "inner_product",
            "make_array",
            "range",
            "string_to_array",
        ],
    ),
    (
        "maps",
        &[
            "map",
            "map_entries",
            "map_extract",
            "map_keys",
            "map_values",
        ],
    ),
    (
        "aggregates",
        &[
            "any_value",
            "approx_distinct",
            "approx_median",
            "approx_percentile_cont",
            "approx_percentile_cont_with_weight",
            "array_agg",
            "avg",
            "bit_and",
            "bit_or",
            "bit_xor",
            "bool_and",
            "bool_or",
            "corr",
            "count",
            "covar_pop",
            "covar_samp",
            "first_value",
            "grouping",
            "last_value",
            "max",
            "median",
            "min",
            "nth_value",
            "percentile_cont",
            "regr_avgx",
            "regr_avgy",
            "regr_count",
            "regr_intercept",
            "regr_r2",
            "regr_slope",
            "regr_sxx",
            "regr_sxy",
            "regr_syy",
            "stddev",
            "stddev_pop",
            "string_agg",
            "sum",
            "var",
            "var_pop",
        ],
    ),
    (
        "windows",
        &[
            "cume_dist",
            "dense_rank",
            "lag",
            "lead",
            "ntile",
            "percent_rank",
            "rank",
            "row_number",
        ],
    ),
];

/// What is left out, and what people are told.
const LEFT_OUT: &[(&str, &str)] = &[
    // The type is a text of its own small language, which nests as deep as the text is long.
    (
        "arrow_cast",
        "it takes types that SQL does not have; use CAST",
    ),
    (
        "arrow_try_cast",
        "it takes types that SQL does not have; use TRY_CAST",
    ),
    ("arrow_field", "it shows how columns are stored"),
    ("arrow_metadata", "it shows how columns are stored"),
    ("with_metadata", "it changes how columns are stored"),
    ("input_file_name", "it shows where the lake's files lie"),
    (
        "file_row_index",
        "it shows how the lake's files are laid out",
    ),
    ("version", "it shows what the host runs"),
];

/// By every name of a function of DataFusion that is not allowed, the reason.
static REFUSED: LazyLock<HashMap<String, &'static str>> = LazyLock::new(|| {
    let allowed: HashSet<&str> = (ALLOWED.iter().flat_map(|(_, names)| *names).copied()).collect();
    of_datafusion()
        .into_iter()
        .filter(|(_, first_name)| !allowed.contains(first_name.as_str()))
        .map(|(name, first_name)| {
            let reason = LEFT_OUT
                .iter()
                .find(|(left_out, _)| *left_out == first_name)
                .map_or("nobody has looked at it yet", |(_, reason)| *reason);
            (name, reason)
        })
        .collect()
});

/// Why a function may not be called, if it may not. What nobody knows is left to the planner, which says so.
pub(crate) fn refusal(name: &str) -> Option<&'static str> {
    REFUSED.get(name).copied()
}

/// Functions of the values of one row, by every name.
static OF_VALUES: LazyLock<HashSet<String>> = LazyLock::new(|| {
    let functions = SessionStateDefaults::default_scalar_functions();
    let names = functions.iter().flat_map(|function| {
        let name = std::iter::once(function.name().to_owned());
        name.chain(function.aliases().iter().cloned())
    });
    names.collect()
});

/// Whether a function of DataFusion is of the values of one row.
pub(super) fn is_of_values(name: &str) -> bool {
    OF_VALUES.contains(name)
}

/// Every name of every function that DataFusion brings, with the first name of the function.
fn of_datafusion() -> Vec<(String, String)> {
    let mut names = Vec::new();
    let mut add = |name: &str, aliases: &[String]| {
        names.push((name.to_owned(), name.to_owned()));
        names.extend(aliases.iter().map(|alias| (alias.clone(), name.to_owned())));
    };
    for function in SessionStateDefaults::default_scalar_functions() {
        add(function.name(), function.aliases());
    }
    for function in SessionStateDefaults::default_higher_order_functions() {
        add(function.name(), function.aliases());
    }
    for function in SessionStateDefaults::default_aggregate_functions() {
        add(function.name(), function.aliases());
    }
    for function in SessionStateDefaults::default_window_functions() {
        add(function.name(), function.aliases());
    }
    for function in SessionStateDefaults::default_table_functions() {
        add(function.name(), &[]);
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_of_datafusion_was_looked_at() {
        let allowed: Vec<&str> = ALLOWED
            .iter()
            .flat_map(|(_, names)| *names)
            .copied()
            .collect();
        let left_out: Vec<&str> = LEFT_OUT.iter().map(|(name, _)| *name).collect();
        let brought: HashSet<String> = of_datafusion()
            .into_iter()
            .map(|(_, first_name)| first_name)
            .collect();
        let mut unknown: Vec<&String> = brought
            .iter()
            .filter(|name| !allowed.contains(&name.as_str()) && !left_out.contains(&name.as_str()))
            .collect();
        unknown.sort();
        assert!(unknown.is_empty(), "in neither list: {unknown:?}");
        let gone: Vec<&&str> = (allowed.iter().chain(&left_out))
            .filter(|name| !brought.contains(**name))
            .collect();
        assert!(gone.is_empty(), "not there any more: {gone:?}");
        let both = allowed.iter().filter(|name| left_out.contains(name));
        assert_eq!(both.count(), 0);
        let unique: HashSet<&&str> = allowed.iter().collect();
        assert_eq!(unique.len(), allowed.len());
    }
}
