//! What other systems call things: functions of KQL, SPL, Spark, DuckDB and others, columns and tables of Sentinel and of
//! exports of the audit log. Who writes one is told what it is here, where likeness of names would mislead.

use audit_schema::resolve_name;

/// What stands here for functions of other systems.
pub(crate) struct Function {
    /// Their names in other systems; none of them is a function here.
    pub(crate) names: &'static [&'static str],
    /// What to write, over columns of `m365_audit`.
    pub(crate) instead: &'static [&'static str],
}

macro_rules! functions {
    ($([$($name:literal),+ $(,)?] => $($instead:literal),+;)+) => {
        &[$(Function { names: &[$($name),+], instead: &[$($instead),+] }),+]
    };
}

/// By what they are of; `docs/functions.md` has them in this order.
pub(crate) const FUNCTIONS: &[Function] = functions! {
    // Aggregates.
    ["arg_max", "argmax", "max_by", "latest"] => "last_value(user_id ORDER BY creation_time)";
    ["arg_min", "argmin", "min_by", "earliest"] => "first_value(user_id ORDER BY creation_time)";
    ["take_any", "arbitrary"] => "any_value(user_id)";
    ["dcount", "dc", "estdc", "approx_count_distinct", "count_distinct", "countdistinct", "uniq", "uniqexact"] =>
        "count(DISTINCT user_id)", "approx_distinct(user_id)";
    ["countif", "count_if"] => "count(*) FILTER (WHERE operation = 'Send')";
    ["sumif", "sum_if"] => "sum(file_size) FILTER (WHERE operation = 'FileUploaded')";
    ["dcountif"] => "count(DISTINCT user_id) FILTER (WHERE operation = 'Send')";
    ["make_set", "collect_set", "set_agg"] => "array_agg(DISTINCT user_id)";
    ["collect_list"] => "array_agg(user_id ORDER BY creation_time)";
    ["group_concat", "listagg", "strcat_array"] => "string_agg(user_id, ', ')";
    ["percentile", "percentiles", "perc95", "quantile", "approx_percentile"] => "approx_percentile_cont(file_size, 0.95)";
    ["stdev"] => "stddev(file_size)";
    ["mode", "histogram"] => "(SELECT user_id FROM m365_audit GROUP BY user_id ORDER BY count(*) DESC LIMIT 1)";
    // Times.
    ["bin", "startofday", "startofhour", "bin_at", "date_floor"] =>
        "date_bin(INTERVAL '15 minutes', creation_time)", "date_trunc('day', creation_time)";
    ["ago"] => "now() - INTERVAL '7 days'";
    ["date_diff", "datediff", "datetime_diff", "timestampdiff", "timestamp_diff"] =>
        "extract(epoch FROM now() - creation_time)";
    ["date_add", "dateadd", "datetime_add", "timestampadd", "date_sub", "relative_time"] => "creation_time + INTERVAL '1 day'";
    ["strftime", "format_datetime", "format_timestamp"] => "to_char(creation_time, '%Y-%m-%d %H:%M')";
    ["strptime", "todatetime", "parse_datetime", "date_parse", "str_to_date", "parse_timestamp"] =>
        "to_timestamp('2024-01-31T08:00:00Z')", "to_timestamp('31.01.2024', '%d.%m.%Y')";
    ["hourofday", "dayofweek", "day_of_week", "monthofyear"] =>
        "extract(hour FROM creation_time)", "extract(dow FROM creation_time)";
    ["utcnow", "getdate", "sysdate"] => "now()";
    // JSON, lists and bags.
    ["json_extract", "json_extract_scalar", "json_value", "json_query", "get_json_object", "json_extract_path_text",
     "json_extract_string", "parse_json", "todynamic", "extractjson", "extract_json", "spath", "try_parse_json"] =>
        "app_access_context->>'ClientAppId'", "target->0->>'ID'";
    ["jsonb_array_elements", "jsonb_array_elements_text", "json_array_elements", "json_array_elements_text", "json_each",
     "jsonb_each", "mv_expand", "mvexpand", "explode", "openjson"] => "unnest(json_get_array(folders))";
    ["json_array_length", "jsonb_array_length"] => "json_length(folders)";
    ["bag_keys", "jsonb_object_keys"] => "json_object_keys(app_access_context)", "map_keys(parameters)";
    ["map_contains_key", "map_contains", "bag_has_key"] => "parameters['ForwardTo'] IS NOT NULL";
    ["mvcount", "array_size"] => "array_length(string_to_array(user_id, '@'))";
    ["mvindex"] => "(string_to_array(user_id, '@'))[1]";
    ["split"] => "string_to_array(user_id, '@')", "split_part(user_id, '@', 2)";
    // Texts.
    ["regexp_extract", "regexp_substr", "regex_extract", "regexp_matches", "regexp_extract_all", "extract",
     "extract_all"] =>
        "(regexp_match(user_id, '@(.+)$'))[1]";
    ["regexp_contains", "regex_match", "rlike"] => "regexp_like(user_id, '@contoso')", "user_id ~ '@contoso'";
    ["has", "has_cs", "has_any", "has_all", "icontains", "searchmatch"] =>
        "operation ILIKE '%rule%'", "any_text_matches('rule', true)";
    ["startswith"] => "user_id ILIKE 'admin%'", "starts_with(user_id, 'admin')";
    ["endswith"] => "user_id ILIKE '%contoso.com'", "ends_with(user_id, 'contoso.com')";
    ["strcat", "strcat_delim"] => "concat(user_id, ' ', operation)", "user_id || ' ' || operation";
    ["strlen", "len"] => "length(user_id)";
    ["indexof", "charindex"] => "strpos(user_id, '@')";
    ["tolower"] => "lower(user_id)";
    ["toupper"] => "upper(user_id)";
    ["isempty", "is_empty"] => "coalesce(user_id, '') = ''";
    ["isnotempty", "is_not_empty"] => "user_id <> ''";
    ["isnull", "is_null"] => "user_id IS NULL";
    ["isnotnull", "is_not_null"] => "user_id IS NOT NULL";
    // Conditions and types.
    ["iff", "iif"] => "CASE WHEN operation = 'Send' THEN 1 ELSE 0 END";
    ["tostring"] => "CAST(record_type AS VARCHAR)";
    ["toint", "tolong", "tonumber", "safe_cast"] => "TRY_CAST(user_key AS BIGINT)";
    ["todouble", "toreal", "todecimal"] => "TRY_CAST(user_key AS DOUBLE)";
    // Addresses.
    ["cidrmatch", "ipv4_is_in_range", "ipv6_is_in_range", "ipv4_is_match"] => "cidr_contains('203.0.113.0/24', source_ip)";
    ["ipv4_is_private"] => "is_internal_ip(source_ip)";
};

/// By what `resolve_name` makes of their names, what columns are here.
#[rustfmt::skip]
const COLUMNS: &[(&str, &[&str])] = &[
    ("creation_time", &["timegenerated", "creationdate", "createddatetime", "activitydatetime", "eventtime", "timestamp", "time"]),
    ("operation", &["operations", "operationname", "activitydisplayname", "actiontype"]),
    ("workload", &["officeworkload"]),
    ("user_id", &["userids", "userprincipalname", "accountupn", "initiatedby", "caller", "username"]),
    ("source_ip", &["ipaddress", "calleripaddress", "srcip", "remoteip"]),
    ("raw", &["auditdata", "rawdata", "raweventdata"]),
    ("id", &["officeid"]),
    ("object_id", &["officeobjectid"]),
    ("error_number", &["resulttype"]),
    ("logon_error", &["resultdescription"]),
    ("target", &["targetresources"]),
    ("extended_properties", &["additionaldetails"]),
];

/// The same of tables.
#[rustfmt::skip]
const TABLES: &[(&str, &[&str])] = &[
    ("m365_audit", &["officeactivity", "unifiedauditlog", "auditlog", "auditdata", "cloudappevents", "o365managementactivity"]),
    ("m365_directory", &["auditlogs", "aadauditlogs"]),
    ("m365_signins", &["signinlogs", "aadsignineventsbeta", "aadnoninteractiveusersigninlogs", "identitylogonevents"]),
];

/// What to write in place of a function of another system.
pub(crate) fn function(name: &str) -> Option<String> {
    let name = name.to_ascii_lowercase();
    let found = FUNCTIONS
        .iter()
        .find(|function| function.names.contains(&name.as_str()))?;
    Some(found.instead.join(" or "))
}

/// Our column for that of another system.
pub(crate) fn column(name: &str) -> Option<&'static str> {
    named(COLUMNS, name)
}

/// Our table for that of another system.
pub(crate) fn table(name: &str) -> Option<&'static str> {
    named(TABLES, name)
}

fn named(list: &'static [(&str, &[&str])], name: &str) -> Option<&'static str> {
    let key = resolve_name(name);
    let found = list.iter().find(|(_, names)| names.contains(&key.as_str()));
    found.map(|(here, _)| *here)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use datafusion::execution::SessionStateBuilder;

    use super::*;
    use crate::{functions, names};

    #[test]
    fn no_name_is_one_of_ours() {
        let mut state = SessionStateBuilder::new_with_default_features().build();
        functions::register(&mut state).unwrap();
        let mut seen = HashSet::new();
        let mut ours = Vec::new();
        for name in FUNCTIONS.iter().flat_map(|function| function.names) {
            assert!(seen.insert(name), "{name} is there twice");
            let is_ours = state.scalar_functions().contains_key(*name)
                || state.aggregate_functions().contains_key(*name)
                || state.window_functions().contains_key(*name)
                || state.table_functions().contains_key(*name)
                || state.higher_order_functions().contains_key(*name);
            if is_ours || names::in_sql(name) != *name {
                ours.push(name);
            }
        }
        assert!(ours.is_empty(), "functions or columns: {ours:?}");
    }

    #[test]
    fn columns_and_tables_are_there() {
        for (list, ours) in [
            (
                COLUMNS,
                (audit_schema::M365_AUDIT.columns.iter())
                    .map(|column| column.name)
                    .collect::<Vec<_>>(),
            ),
            (TABLES, names::table_names().collect()),
        ] {
            for (here, elsewhere) in list {
                assert!(ours.contains(here), "{here}");
                for name in *elsewhere {
                    assert_eq!(resolve_name(name), *name);
                    assert!(
                        !ours.iter().any(|ours| resolve_name(ours) == *name),
                        "{name}"
                    );
                }
            }
        }
        assert_eq!(column("TimeGenerated"), Some("creation_time"));
        assert_eq!(table("OfficeActivity"), Some("m365_audit"));
        assert_eq!(function("zzzzzz"), None);
    }
}
