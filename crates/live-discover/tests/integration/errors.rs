//! What an analyst reads when a query is wrong: what, where in the text as written, and what helps.

use audit_lake::{Lake, LakeOptions, TableName};
use live_discover::{Dialect, Engine, Error, Limits, Request, Session, TenantScope};
use object_store::ObjectStoreExt;

use crate::fixture::{FABRIKAM, commit, lake, session, sign_in, tenant};

async fn told(session: &Session, request: Request) -> String {
    match session.collect(request).await {
        Ok(_) => "an answer".to_owned(),
        Err(error) => error.to_string(),
    }
}

async fn check(cases: &[(&str, &str)]) {
    check_in(&session(&lake().await), cases).await;
}

/// With one record: files are read side by side, and of several bad values it is a race which is told.
async fn check_values(cases: &[(&str, &str)]) {
    let engine = Engine::new(lake().await).unwrap();
    let one = TenantScope::Only([tenant(FABRIKAM)].into());
    check_in(&engine.session(one, Limits::default()), cases).await;
}

async fn check_in(session: &Session, cases: &[(&str, &str)]) {
    let mut wrong = Vec::new();
    for (sql, expected) in cases {
        let told = told(session, Request::new(*sql)).await;
        if told != *expected {
            wrong.push(format!("({sql:?}, {told:?}),"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[tokio::test]
async fn names() {
    check(&[
        ("SELECT id,\n  userid2\nFROM m365_audit", "no column `userid2`; did you mean `user_id`? (line 2, column 3)"),
        ("SELECT id FROM m365_audit WHERE operaton = 'x'", "no column `operaton`; did you mean `operation`? (line 1, column 33)"),
        ("SELECT a.oops FROM m365_audit a", "no column `a.oops` (line 1, column 8)"),
        ("SELECT b.id FROM m365_audit a", "no column `b.id` (line 1, column 8)"),
        ("SELECT id FROM m365_audit\nJOIN m365_audit2 b ON true", "no table `m365_audit2`; did you mean `m365_audit`? (line 2, column 6)"),
        ("SELECT id FROM sigins", "no table `sigins`; did you mean `m365_signins`? (line 1, column 16)"),
        ("SELECT id FROM other.m365_audit", "tables are in no schema here; write `m365_audit` alone (line 1, column 16)"),
        ("SELECT lenght(id) FROM m365_audit", "no function `lenght`; did you mean `length`? (line 1, column 8)"),
        ("SELECT zzzzzz(id) FROM m365_audit", "no function `zzzzzz` (line 1, column 8)"),
        ("SELECT * FROM zzzzzz(1)", "no table `zzzzzz` (line 1, column 15)"),
        (
            "SELECT id FROM m365_audit a JOIN m365_audit b ON a.id = b.id",
            "column `id` is in more than one table: say `table.id` (line 1, column 8)",
        ),
        (
            "SELECT \"x\" FROM m365_audit WHERE user_id = \"ada@contoso.com\"",
            "no column `ada@contoso.com`; a text stands in single quotes: 'ada@contoso.com' (line 1, column 44)",
        ),
        ("SELECT * FROM m365_audit a, m365_audit a", "two tables are named `a`; give one another name: AS … (line 1, column 40)"),
        ("SELECT id AS a, id AS a FROM m365_audit", "two columns of the result are named `a`; rename one with AS (line 1, column 23)"),
        (
            "WITH x AS (SELECT 1 AS n), x AS (SELECT 2 AS n) SELECT n FROM x",
            "two queries of WITH are named `x` (line 1, column 28)",
        ),
        ("SELECT count(*) AS n FROM m365_audit WHERE n > 1", "no column `n` (line 1, column 44)"),
        ("SELECT row_number() OVER w FROM m365_audit", "`row_number() OVER w`: no window `w`; write OVER (…), or define it with WINDOW w AS (…) (line 1, column 8)"),
    ])
    .await;
}

/// What is written as other systems have it.
#[tokio::test]
async fn other_systems() {
    check(&[
        ("SELECT user_id, arg_max(creation_time, operation) FROM m365_audit GROUP BY 1", "no function `arg_max`; write last_value(user_id ORDER BY creation_time) (line 1, column 17)"),
        ("SELECT MAX_BY(operation, creation_time) FROM m365_audit", "no function `max_by`; write last_value(user_id ORDER BY creation_time) (line 1, column 8)"),
        ("SELECT mode(user_id) FROM m365_audit", "no function `mode`; write (SELECT user_id FROM m365_audit GROUP BY user_id ORDER BY count(*) DESC LIMIT 1) (line 1, column 8)"),
        ("SELECT date_diff('hour', creation_time, now()) FROM m365_audit", "no function `date_diff`; write extract(epoch FROM now() - creation_time) (line 1, column 8)"),
        ("SELECT id FROM m365_audit WHERE creation_time > ago('7d')", "no function `ago`; write now() - INTERVAL '7 days' (line 1, column 49)"),
        ("SELECT id FROM m365_audit WHERE creation_time > ago(7d)", "syntax error: ) is expected, not `d`; a span of time is written INTERVAL '1 day' (line 1, column 54)"),
        ("SELECT json_extract_scalar(raw, '$.Id') FROM m365_audit", "no function `json_extract_scalar`; write app_access_context->>'ClientAppId' or target->0->>'ID' (line 1, column 8)"),
        ("SELECT e FROM m365_audit a, jsonb_array_elements(a.folders) AS t(e)", "no function `jsonb_array_elements`; write unnest(json_get_array(folders)) (line 1, column 29)"),
        ("SELECT e FROM m365_audit a CROSS JOIN LATERAL json_each(a.folders) AS t(e)", "no function `json_each`; write unnest(json_get_array(folders)) (line 1, column 47)"),
        ("SELECT dcount(user_id) FROM m365_audit", "no function `dcount`; write count(DISTINCT user_id) or approx_distinct(user_id) (line 1, column 8)"),
        ("SELECT id FROM m365_audit WHERE operation has 'rule'", "syntax error: `has` is no operator here; write operation ILIKE '%rule%', or any_text_matches('rule', true) for all of a record (line 1, column 43)"),
        ("SELECT id FROM m365_audit WHERE operation contains 'rule'", "syntax error: `contains` is no operator here; write operation ILIKE '%rule%', or any_text_matches('rule', true) for all of a record (line 1, column 43)"),
        ("SELECT TimeGenerated FROM m365_audit", "no column `timegenerated`; did you mean `creation_time`? (line 1, column 8)"),
        ("SELECT a.\"TimeGenerated\" FROM m365_audit a WHERE a.OfficeWorkload = 'Exchange'", "no column `a.officeworkload`; did you mean `workload`? (line 1, column 50)"),
        ("SELECT AuditData FROM m365_audit", "no column `auditdata`; did you mean `raw`? (line 1, column 8)"),
        ("SELECT AuditData FROM m365_signins", "no column `auditdata` (line 1, column 8)"),
        ("SELECT id FROM OfficeActivity", "no table `officeactivity`; did you mean `m365_audit`? (line 1, column 16)"),
        ("SELECT id FROM AuditLogs WHERE TimeGenerated > now()", "no table `auditlogs`; did you mean `m365_directory`? (line 1, column 16)"),
    ])
    .await;
}

/// What the parser reads and the planner has not.
#[tokio::test]
async fn what_is_not_there() {
    check(&[
        ("SELECT * FROM m365_audit PIVOT (count(id) FOR operation IN ('Send', 'New-InboxRule'))", "PIVOT is not supported: write a column for each value: count(*) FILTER (WHERE operation = 'Send') AS sent (line 1, column 15)"),
        ("SELECT * FROM m365_audit UNPIVOT (v FOR n IN (user_id, operation))", "UNPIVOT is not supported: write a query for each column, with UNION ALL between them (line 1, column 15)"),
        ("SELECT id FROM m365_audit a\nWHERE (user_id, operation) IN (SELECT user_id, operation FROM m365_audit)", "IN (SELECT …) takes one column; write EXISTS (SELECT 1 FROM m365_audit b WHERE b.user_id = a.user_id AND b.source_ip = a.source_ip) (line 2, column 8)"),
        ("SELECT id FROM m365_audit WHERE user_id MEMBER OF ('x')", "`user_id MEMBER OF('x')`: this is not supported here (line 1, column 33)"),
        ("SELECT creation_time AT TIME ZONE user_id FROM m365_audit", "`creation_time AT TIME ZONE user_id`: this is not supported here (line 1, column 8)"),
        ("SELECT id FROM m365_audit a CROSS APPLY m365_audit b", "joins of the kind `CrossApply` are not supported; write JOIN, LEFT JOIN or EXISTS (line 1, column 52)"),
        ("SELECT INTERVAL record_type DAY FROM m365_audit", "`INTERVAL record_type DAY`: a span of time is a constant, written INTERVAL '7 days'; one of a column is CAST(concat(n, ' days') AS INTERVAL) (line 1, column 17)"),
        ("SELECT id FROM m365_audit WHERE user_id LIKE ANY (SELECT operation FROM m365_audit)", "LIKE ANY takes a list of patterns; those of a table are asked by EXISTS (SELECT 1 FROM iocs WHERE operation LIKE iocs.pattern) (line 1, column 51)"),
        ("SELECT id, (SELECT max(b.id) FROM m365_audit b WHERE b.user_id = a.user_id AND b.creation_time < a.creation_time) FROM m365_audit a", "`(SELECT max(b.id) FROM m365_audit b WHERE b.user_id = a.user…`: a subquery that depends on the row is an aggregate whose own columns are compared with the row's by =; otherwise write SELECT a.id, max(b.creation_time) FROM m365_files a LEFT JOIN m365_signins b ON b.user_id = a.user_id AND b.creation_time < a.creation_time GROUP BY a.id (line 1, column 13)"),
        ("SELECT (SELECT count(*) FROM m365_signins b WHERE b.user_id = a.user_id) AS n, count(*) FROM m365_audit a GROUP BY 1", "a subquery that depends on the row cannot stand in GROUP BY; compute it within: SELECT n, count(*) FROM (SELECT …, (SELECT …) AS n FROM …) AS t GROUP BY n (line 1, column 1)"),
        ("SELECT t.x FROM m365_audit a, LATERAL (SELECT a.id AS x LIMIT 1) AS t", "a query in FROM cannot depend on the tables beside it; lists are expanded by CROSS JOIN unnest(json_get_array(a.folders)) AS t(f) (line 1, column 1)"),
        ("SELECT f->>'Path' FROM m365_audit CROSS JOIN LATERAL (SELECT unnest(json_get_array(folders)) AS f WHERE user_id = 'x') AS t", "a query in FROM cannot depend on the tables beside it; lists are expanded by CROSS JOIN unnest(json_get_array(a.folders)) AS t(f) (line 1, column 123)"),
        ("SELECT CAST(concat(record_type, ' days') AS INTERVAL) FROM m365_audit", "an answer"),
        ("SELECT unnest(folders) FROM m365_audit", "`unnest(folders)`: unnest takes a list; the elements of a JSON list are unnest(json_get_array(folders)) (line 1, column 8)"),
        ("SELECT modified_properties['Role.DisplayName']['NewValue'] FROM m365_audit", "`modified_properties['Role.DisplayName']['NewValue']`: no member `NewValue` in the structure; of a change there are ['new_value'] and ['old_value'] (line 1, column 48)"),
        ("SELECT id FROM m365_audit WHERE user_id LIKE 'NT AUTHORITY\\SYSTEM%'", "a backslash in a pattern of LIKE takes the next character as it is, so `\\S` is `S`; write `\\\\` for a backslash (line 1, column 46)"),
    ])
    .await;
}

#[tokio::test]
async fn types() {
    check_values(&[
        ("SELECT user_id + 1 FROM m365_audit", "text + integer cannot be computed; CAST(… AS …) makes one type of another (line 1, column 8)"),
        ("SELECT id,\n  creation_time - 7\nFROM m365_audit", "timestamp - integer cannot be computed; a span of time is written INTERVAL '7 days' (line 2, column 3)"),
        ("SELECT id FROM m365_audit WHERE creation_time > 5", "`creation_time > 5`: timestamp > integer cannot be compared; a time is written TIMESTAMP '2024-01-31T08:00:00Z' (line 1, column 33)"),
        ("SELECT id FROM m365_audit WHERE record_type = 'abc'", "`record_type = 'abc'`: 'abc' is no integer; TRY_CAST(… AS …) gives NULL for such values (line 1, column 47)"),
        ("SELECT id FROM m365_audit WHERE creation_time > 'yesterday'", "`creation_time > 'yesterday'`: 'yesterday' is no time; it is written 2024-01-31T08:00:00Z (line 1, column 49)"),
        ("SELECT id FROM m365_audit WHERE creation_time > TIMESTAMP '2024-13-45'", "`TIMESTAMP '2024-13-45'`: '2024-13-45' is no time; it is written 2024-01-31T08:00:00Z (line 1, column 59)"),
        ("SELECT id FROM m365_audit WHERE creation_time > DATE 'soon'", "`DATE 'soon'`: 'soon' is no date; it is written 2024-01-31 (line 1, column 54)"),
        ("SELECT id FROM m365_audit WHERE user_id", "a condition is needed, and `user_id` is text; compare it with something (line 1, column 33)"),
        ("SELECT id FROM m365_audit WHERE parameters = 'x'", "`parameters = 'x'`: a bag cannot be compared; its values are taken by name: bag['Name'] (line 1, column 33)"),
        ("SELECT id FROM m365_audit WHERE parameters LIKE '%x%'", "`parameters LIKE '%x%'`: LIKE needs text, and this is a bag; its values are taken by name: bag['Name'] (line 1, column 33)"),
        ("SELECT id FROM m365_audit WHERE modified_properties['Role.DisplayName'] = 'x'", "`modified_properties['Role.DisplayName'] = 'x'`: a structure cannot be compared; its members are taken by name: value['new_value'] (line 1, column 33)"),
        ("SELECT parameters['ForwardTo'].x FROM m365_audit", "`parameters['ForwardTo'].x`: a dot is not read here; a value of a bag or structure is taken by name: value['Name'] (line 1, column 8)"),
        ("SELECT parameters->>'ForwardTo' FROM m365_audit", "`parameters ->> 'ForwardTo'`: -> and ->> read JSON text, and this is a bag; its values are taken by name: bag['Name'] (line 1, column 8)"),
        ("SELECT parameters[1] FROM m365_audit", "`parameters[1]`: integer and text cannot be compared; the names in a bag are text: bag['Name'] (line 1, column 8)"),
        ("SELECT CASE WHEN record_type = 1 THEN creation_time ELSE parameters END FROM m365_audit", "`CASE WHEN record_type = 1 THEN creation_time ELSE parameters…`: the results of CASE are timestamp and a bag; its values are taken by name: bag['Name'], all of them by map_values(bag) (line 1, column 8)"),
        ("SELECT sum(user_id) FROM m365_audit", "`sum(user_id)`: `sum` takes number or duration or interval, not text (line 1, column 8)"),
        ("SELECT avg(creation_time) FROM m365_audit", "`avg(creation_time)`: `avg` takes number or duration, not timestamp (line 1, column 8)"),
        ("SELECT substr(id) FROM m365_audit", "`SUBSTR(id)`: `substr` needs where to begin; write substr(text, 1, 10) (line 1, column 15)"),
        ("SELECT date_trunc(1, creation_time) FROM m365_audit", "`date_trunc(1, creation_time)`: `date_trunc` takes text, not integer (line 1, column 8)"),
        ("SELECT date_trunc('fortnight', creation_time) FROM m365_audit", "`date_trunc('fortnight', creation_time)`: 'fortnight' is no unit of date_trunc; there are microsecond, millisecond, second, minute, hour, day, week, month, quarter, year (line 1, column 19)"),
        ("SELECT creation_time + INTERVAL '1 fortnight' FROM m365_audit", "`INTERVAL '1 fortnight'`: '1 fortnight' is no span of time; it is written like '7 days' or '1 hour 30 minutes' (line 1, column 33)"),
        ("SELECT CAST(id AS text2) FROM m365_audit", "`CAST(id AS text2)`: no type `text2` (line 1, column 13)"),
        ("SELECT upper() FROM m365_audit", "`upper()`: `upper` needs an argument (line 1, column 8)"),
        ("SELECT length(id, 2) FROM m365_audit", "`length(id, 2)`: `character_length` takes 1 arguments, not 2 (line 1, column 8)"),
        ("SELECT coalesce(id, parameters) FROM m365_audit", "`coalesce(id, parameters)`: `coalesce` does not take (text, a bag); its values are taken by name: bag['Name'], all of them by map_values(bag) (line 1, column 8)"),
        ("SELECT id || parameters FROM m365_audit", "text || a bag cannot be computed; its values are taken by name: bag['Name'], all of them by map_values(bag) (line 1, column 8)"),

        ("SELECT id FROM m365_audit WHERE record_type IN ('a', 'b')", "`record_type IN ('a', 'b')`: 'a' is no integer; TRY_CAST(… AS …) gives NULL for such values (line 1, column 49)"),
        ("SELECT id FROM m365_audit WHERE user_id BETWEEN 1 AND 5", "`user_id BETWEEN 1 AND 5`: 'eve@fabrikam.com' is no integer; TRY_CAST(… AS …) gives NULL for such values (line 1, column 33)"),
        ("SELECT NOT user_id FROM m365_audit", "NOT needs a condition, and this is text (line 1, column 12)"),
        ("SELECT -user_id FROM m365_audit", "a minus sign needs a number or a span of time (line 1, column 9)"),
        ("SELECT a.id FROM m365_audit a\nJOIN m365_audit b ON a.creation_time = b.parameters", "`a.creation_time = b.parameters`: a bag cannot be compared; its values are taken by name: bag['Name'] (line 2, column 22)"),
        ("SELECT id FROM m365_audit WHERE id IN (SELECT creation_time FROM m365_audit WHERE user_id + 1 = 2)", "`user_id + 1`: text + integer cannot be computed; CAST(… AS …) makes one type of another (line 1, column 83)"),
    ])
    .await;
}

/// What is taken for text, for a bag or for values in an order, and is not.
#[tokio::test]
async fn bags() {
    check_values(&[
        ("SELECT parameters || 'x' FROM m365_audit", "a bag || text cannot be computed; its values are taken by name: bag['Name'], all of them by map_values(bag) (line 1, column 8)"),
        ("SELECT modified_properties['Role.DisplayName'] || 'x' FROM m365_audit", "`modified_properties['Role.DisplayName'] || 'x'`: a structure || text cannot be computed; its members are taken by name: value['new_value'] (line 1, column 8)"),
        ("SELECT CAST(parameters AS VARCHAR) FROM m365_audit", "`CAST(parameters AS VARCHAR)`: a bag cannot be cast to text; its values are taken by name: bag['Name'], all of them by map_values(bag) (line 1, column 13)"),
        ("SELECT parameters::text FROM m365_audit", "`parameters::TEXT`: a bag cannot be cast to text; its values are taken by name: bag['Name'], all of them by map_values(bag) (line 1, column 8)"),
        ("SELECT TRY_CAST(modified_properties AS BIGINT) FROM m365_audit", "`TRY_CAST(modified_properties AS BIGINT)`: a bag cannot be cast to integer; its values are taken by name: bag['Name'], all of them by map_values(bag) (line 1, column 17)"),
        ("SELECT CAST(creation_time AS BOOLEAN) FROM m365_audit", "`CAST(creation_time AS BOOLEAN)`: timestamp cannot be cast to boolean (line 1, column 13)"),
        ("SELECT upper(parameters) FROM m365_audit", "`upper(parameters)`: `upper` does not take (a bag); its values are taken by name: bag['Name'], all of them by map_values(bag) (line 1, column 8)"),
        ("SELECT regexp_like(parameters, 'x') FROM m365_audit", "`regexp_like(parameters, 'x')`: `regexp_like` takes text, not a bag; its values are taken by name: bag['Name'], all of them by map_values(bag) (line 1, column 8)"),
        ("SELECT id FROM m365_audit WHERE parameters ~ 'x'", "`parameters ~ 'x'`: a bag ~ text cannot be matched; its values are taken by name: bag['Name'], all of them by map_values(bag) (line 1, column 33)"),
        ("SELECT string_agg(parameters, ',') FROM m365_audit", "`string_agg(parameters, ',')`: cannot automatically convert a bag to text; its values are taken by name: bag['Name'], all of them by map_values(bag) (line 1, column 8)"),
        ("SELECT sum(parameters) FROM m365_audit", "`sum(parameters)`: `sum` takes number or duration or interval, not a bag; its values are taken by name: bag['Name'], all of them by map_values(bag) (line 1, column 8)"),
        ("SELECT avg(modified_properties) FROM m365_audit", "`avg(modified_properties)`: `avg` takes number or duration, not a bag; its values are taken by name: bag['Name'], all of them by map_values(bag) (line 1, column 8)"),
        ("SELECT array_to_string(map_values(parameters), ','), cardinality(parameters) FROM m365_audit", "an answer"),
        // Members.
        ("SELECT app_access_context.AADSessionId FROM m365_audit", "`app_access_context.AADSessionId`: this is no bag; members of JSON text are taken with ->>: app_access_context ->> 'AADSessionId' (line 1, column 8)"),
        ("SELECT raw['AADSessionId'] FROM m365_audit", "`raw['AADSessionId']`: this is no bag; members of JSON text are taken with ->>: app_access_context ->> 'AADSessionId' (line 1, column 8)"),
        ("SELECT (raw -> 'a')['b'] FROM m365_audit", "`(raw -> 'a')['b']`: this is no bag; members of JSON text are taken with ->>: app_access_context ->> 'AADSessionId' (line 1, column 9)"),
        ("SELECT parameters['a']['b'] FROM m365_audit", "`parameters['a']['b']`: this is no bag; members of JSON text are taken with ->>: app_access_context ->> 'AADSessionId' (line 1, column 8)"),
        ("SELECT parameters.a.b FROM m365_audit", "`parameters.\"a\".b`: this is no bag; members of JSON text are taken with ->>: app_access_context ->> 'AADSessionId' (line 1, column 8)"),
        ("SELECT parameters['a'][1] FROM m365_audit", "`parameters['a'][1]`: this is no list; elements of JSON text are taken with ->, the first by 0: target -> 0 (line 1, column 8)"),
        ("SELECT (raw -> 'a')[1] FROM m365_audit", "`(raw -> 'a')[1]`: this is no list; elements of JSON text are taken with ->, the first by 0: target -> 0 (line 1, column 9)"),
        ("SELECT record_type['a'] FROM m365_audit", "`record_type['a']`: integer has no members (line 1, column 8)"),
        ("SELECT modified_properties['a']['new_value']['b'] FROM m365_audit", "`modified_properties['a']['new_value']['b']`: this is no bag; members of JSON text are taken with ->>: app_access_context ->> 'AADSessionId' (line 1, column 8)"),
        ("SELECT parameters['a'] ->> 'b', raw -> 'a' -> 0 ->> 'b' FROM m365_audit", "an answer"),
        // Orders.
        ("SELECT min(parameters) FROM m365_audit", "`min(parameters)`: `min` needs an order of values, and a bag has none; its values are taken by name: bag['Name'], all of them by map_values(bag) (line 1, column 8)"),
        ("SELECT user_id, max(modified_properties) FROM m365_audit GROUP BY user_id", "`max(modified_properties)`: `max` needs an order of values, and a bag has none; its values are taken by name: bag['Name'], all of them by map_values(bag) (line 1, column 17)"),
        ("SELECT id FROM m365_audit GROUP BY id HAVING max(parameters) IS NOT NULL", "`max(parameters)`: `max` needs an order of values, and a bag has none; its values are taken by name: bag['Name'], all of them by map_values(bag) (line 1, column 46)"),
        ("SELECT max([parameters]) FROM m365_audit", "`max([parameters])`: `max` needs an order of values, and a list with a bag in it has none; its values are taken by name: bag['Name'], all of them by map_values(bag) (line 1, column 8)"),
        ("SELECT max(parameters) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM m365_audit", "`max(parameters) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING A…`: `max` needs an order of values, and a bag has none; its values are taken by name: bag['Name'], all of them by map_values(bag) (line 1, column 8)"),
        ("SELECT array_max([parameters]) FROM m365_audit", "`array_max([parameters])`: `array_max` needs an order of values, and a list with a bag in it has none; its values are taken by name: bag['Name'], all of them by map_values(bag) (line 1, column 8)"),
        ("SELECT array_agg(id ORDER BY parameters) FROM m365_audit", "`array_agg(id ORDER BY parameters)`: `array_agg` needs an order of values, and a bag has none; its values are taken by name: bag['Name'], all of them by map_values(bag) (line 1, column 8)"),
        ("SELECT array_agg(id ORDER BY [[id]]) FROM m365_audit", "`array_agg(id ORDER BY [[id]])`: `array_agg` needs an order of values, and a list with a list in it has none (line 1, column 8)"),
        ("SELECT string_agg(id, ',' ORDER BY parameters) FROM m365_audit", "`string_agg(id, ',' ORDER BY parameters)`: `string_agg` needs an order of values, and a bag has none; its values are taken by name: bag['Name'], all of them by map_values(bag) (line 1, column 8)"),
        ("SELECT row_number() OVER (ORDER BY parameters) FROM m365_audit", "`row_number() OVER (ORDER BY parameters)`: `row_number` needs an order of values, and a bag has none; its values are taken by name: bag['Name'], all of them by map_values(bag) (line 1, column 8)"),
        ("SELECT count(*) OVER (ORDER BY modified_properties['a']) FROM m365_audit", "`count(*) OVER (ORDER BY modified_properties['a'])`: `count` needs an order of values, and a structure has none; its members are taken by name: value['new_value'] (line 1, column 8)"),
        ("SELECT count(*) OVER (ORDER BY map_values(modified_properties)) FROM m365_audit", "`count(*) OVER (ORDER BY map_values(modified_properties))`: `count` needs an order of values, and a list with a structure in it has none; its members are taken by name: value['new_value'] (line 1, column 8)"),
        ("SELECT max(parameters['a']), min(modified_properties['a']), max(map_keys(parameters)) FROM m365_audit", "an answer"),
        ("SELECT array_agg(parameters ORDER BY modified_properties['a']), first_value(parameters) FROM m365_audit", "an answer"),
        ("SELECT count(DISTINCT parameters), count(parameters), array_agg(DISTINCT parameters) FROM m365_audit", "an answer"),
        ("SELECT parameters, count(*) FROM m365_audit GROUP BY parameters ORDER BY parameters", "an answer"),
        ("SELECT DISTINCT modified_properties FROM m365_audit ORDER BY modified_properties LIMIT 1", "an answer"),
        ("SELECT count(*) OVER (PARTITION BY parameters ORDER BY map_keys(parameters)) FROM m365_audit", "an answer"),
        ("SELECT row_number() OVER (ORDER BY parameters ROWS UNBOUNDED PRECEDING) FROM m365_audit", "an answer"),
        ("SELECT array_max([[1], [2]]), least(parameters, parameters) FROM m365_audit", "an answer"),
    ])
    .await;
}

#[tokio::test]
async fn clauses() {
    check(&[
        (
            "SELECT user_id, operation, count(*)\nFROM m365_audit\nGROUP BY user_id",
            "`operation` is neither in GROUP BY nor in an aggregate function; add it there, or take max(operation) (line 1, column 17)",
        ),
        ("SELECT user_id, count(*) FROM m365_audit", "`user_id` is neither in GROUP BY nor in an aggregate function; add it there, or take max(user_id) (line 1, column 8)"),
        (
            "SELECT user_id FROM m365_audit WHERE count(*) > 3 GROUP BY user_id",
            "`count(*)`: an aggregate function cannot stand in WHERE; conditions on groups stand in HAVING (line 1, column 38)",
        ),
        (
            "SELECT user_id FROM m365_audit GROUP BY user_id HAVING operation = 'x'",
            "`operation` is neither in GROUP BY nor in an aggregate function; add it there, or take max(operation) (line 1, column 56)",
        ),
        ("SELECT count(count(*)) FROM m365_audit", "`count(count(*))`: an aggregate function cannot stand inside another; compute the inner one in a subquery (line 1, column 8)"),
        (
            "SELECT id FROM m365_audit WHERE row_number() OVER () = 1",
            "`row_number() OVER ()`: a window function cannot stand here; compute it in a subquery and use its column (line 1, column 33)",
        ),
        ("SELECT row_number() FROM m365_audit", "`row_number` is a window function; write row_number(…) OVER (ORDER BY creation_time) (line 1, column 8)"),
        (
            "SELECT id FROM m365_audit UNION SELECT id, user_id FROM m365_audit",
            "the queries of this UNION have different numbers of columns (line 1, column 1)",
        ),
        (
            "SELECT id FROM m365_audit UNION ALL SELECT parameters FROM m365_audit",
            "the column `parameters` of this UNION is text in one query and a bag in another; its values are taken by name: bag['Name'], all of them by map_values(bag) (line 1, column 44)",
        ),
        ("SELECT id FROM m365_audit LIMIT user_id", "no column `user_id` (line 1, column 33)"),
        ("SELECT id FROM m365_audit LIMIT 'ten'", "LIMIT takes a whole number, not text (line 1, column 27)"),
        ("SELECT id FROM m365_audit LIMIT -1", "LIMIT cannot be negative, and is -1 (line 1, column 27)"),
        ("SELECT id FROM m365_audit ORDER BY 5", "ORDER BY `5` is beyond the columns of the result, which are 1 (line 1, column 36)"),
        ("SELECT id FROM m365_audit GROUP BY 5", "GROUP BY `5` is beyond the columns of the result, which are 1 (line 1, column 36)"),
        ("SELECT DISTINCT id FROM m365_audit ORDER BY user_id", "with SELECT DISTINCT the result can be ordered by its own columns, and `user_id` is none (line 1, column 45)"),
        (
            "SELECT id FROM m365_audit WHERE id = (SELECT id, user_id FROM m365_audit)",
            "`(SELECT id, user_id FROM m365_audit)`: this subquery has to give one column; name the one that is meant (line 1, column 39)",
        ),
        (
            "SELECT id FROM m365_audit WHERE id = (SELECT id FROM m365_audit)",
            "`(SELECT id FROM m365_audit)`: a subquery gives several rows where one value is needed; write IN (…), or LIMIT 1 (line 1, column 39)",
        ),
        (
            "SELECT id FROM m365_audit WHERE id IN (SELECT id, user_id FROM m365_audit)",
            "this subquery has to give one column; name the one that is meant (line 1, column 47)",
        ),
        ("SELECT *", "SELECT * needs a table; write FROM m365_audit (line 1, column 8)"),
        ("WITH x(a, b) AS (SELECT 1) SELECT a FROM x", "a table of 1 columns is given 2 names for them (line 1, column 6)"),
        ("VALUES (1, 2), (3)", "a row of VALUES has 1 values, and the first one has 2 (line 1, column 16)"),
    ])
    .await;
}

#[tokio::test]
async fn syntax() {
    check(&[
        ("SELECT id FROM m365_audit\nWHERE user_id = 'ada", "syntax error: this quote is not closed; inside a text a quote is written twice: 'it''s' (line 2, column 17)"),
        ("SELECT id FROM m365_audit WHERE \"user_id = 1", "syntax error: this \" is not closed (line 1, column 33)"),
        ("SELECT id FROM m365_audit /* oops", "syntax error: a comment is not closed (line 1, column 34)"),
        ("SELCT id FROM m365_audit", "syntax error: a query begins with SELECT, not with `SELCT` (line 1, column 1)"),
        ("SELECT id, FROM m365_audit", "syntax error: an expression is expected, not `FROM` (line 1, column 17)"),
        ("SELECT id FROM m365_audit WHERE (user_id = 'x'", "syntax error: the text ends, and ) is expected (line 1, column 47)"),
        ("SELECT id FROM m365_audit WHERE user_id = 'x')", "syntax error: `)` cannot stand here (line 1, column 46)"),
        ("SELECT id FROM m365_audit WHERE", "syntax error: the text ends, and an expression is expected (line 1, column 32)"),
        (
            "SELECT id FROM m365_audit WHERE user_id == 'x' AND AND id = 'y'",
            "syntax error: `id` cannot stand here (line 1, column 56)",
        ),
        ("SELECT id FROM m365_audit WHERE user_id LIKE", "syntax error: the text ends, and an expression is expected (line 1, column 45)"),
        ("SELECT id FROM m365_audit WHERE user_id = 'it's'", "syntax error: this quote is not closed; inside a text a quote is written twice: 'it''s' (line 1, column 48)"),
        ("SELECT id m365_audit WHERE id = 'x'", "no column `id` (line 1, column 28)"),
        ("SELECT id FROM m365_audit; DROP TABLE m365_audit", "one query at a time: there are 2 statements (line 1, column 28)"),
        ("SELECT id FROM m365_audit ORDER creation_time", "syntax error: `ORDER` cannot stand here (line 1, column 27)"),
        ("SELECT id FROM m365_audit WHERE user_id = $$who", "a variable is written `$$name$$`: here the second `$$` is missing (line 1, column 48)"),
        ("SELECT id FROM m365_audit WHERE user_id = ?", "the placeholder '?' has no value; a variable is written $$name$$ (line 1, column 43)"),
        ("SELECT id FROM m365_audit WHERE user_id = $1", "the placeholder '$1' has no value; a variable is written $$name$$ (line 1, column 43)"),
        ("", "there is no query"),
    ])
    .await;
}

#[tokio::test]
async fn data() {
    check_values(&[
        ("SELECT 1 / 0", "`1 / 0`: division by zero; x / nullif(y, 0) gives NULL instead (line 1, column 8)"),
        (
            "SELECT record_type /\n  (record_type - record_type) FROM m365_audit",
            "`record_type / (record_type - record_type)`: division by zero; x / nullif(y, 0) gives NULL instead (line 1, column 8)",
        ),
        ("SELECT CAST('abc' AS BIGINT)", "`CAST('abc' AS BIGINT)`: 'abc' is no integer; TRY_CAST(… AS …) gives NULL for such values (line 1, column 13)"),
        ("SELECT CAST(user_id AS BIGINT) FROM m365_audit", "`CAST(user_id AS BIGINT)`: 'eve@fabrikam.com' is no integer; TRY_CAST(… AS …) gives NULL for such values (line 1, column 13)"),
        ("SELECT user_id::BIGINT FROM m365_audit", "`user_id::BIGINT`: 'eve@fabrikam.com' is no integer; TRY_CAST(… AS …) gives NULL for such values (line 1, column 8)"),
        ("SELECT id FROM m365_audit WHERE user_id ~ '(['", "`user_id ~ '(['`: the regular expression `([` cannot be used: unclosed character class (line 1, column 43)"),
        ("SELECT regexp_like(user_id, '*a') FROM m365_audit", "`regexp_like(user_id, '*a')`: the regular expression `*a` cannot be used: repetition operator missing expression (line 1, column 29)"),
        (
            "SELECT regexp_replace(user_id, '(?<=a)b', '') FROM m365_audit",
            "`regexp_replace(user_id, '(?<=a)b', '')`: the regular expression `(?<=a)b` cannot be used: look-around, including look-ahead and look-behind, is not supported (line 1, column 32)",
        ),
        ("SELECT to_timestamp('soon')", "`to_timestamp('soon')`: 'soon' is no time; it is written 2024-01-31T08:00:00Z (line 1, column 21)"),
        ("SELECT to_timestamp(user_id) FROM m365_audit", "`to_timestamp(user_id)`: 'eve@fabrikam.com' is no time; it is written 2024-01-31T08:00:00Z (line 1, column 8)"),
        ("SELECT CAST(300 AS TINYINT)", "`CAST(300 AS TINYINT)`: 300 does not fit into the type; take a larger one (line 1, column 13)"),
        (
            "SELECT id FROM m365_audit WHERE user_id LIKE 'x' ESCAPE 'ab'",
            "`user_id LIKE 'x' ESCAPE 'ab'`: ESCAPE takes one character, not 'ab' (line 1, column 33)",
        ),
        ("SELECT chr(-1)", "`chr(-1)`: invalid Unicode scalar value: -1 (line 1, column 8)"),
        ("SELECT to_char(creation_time, '%Q') FROM m365_audit", "`to_char(creation_time, '%Q')`: the pattern of the format is none; it is written like '%Y-%m-%d' (line 1, column 8)"),
        // Of several that can fail, the one that does.
        (
            "SELECT CAST(record_type AS VARCHAR) FROM m365_audit\nWHERE user_id BETWEEN 1 AND 5",
            "`user_id BETWEEN 1 AND 5`: 'eve@fabrikam.com' is no integer; TRY_CAST(… AS …) gives NULL for such values (line 2, column 7)",
        ),
        (
            "SELECT CAST(record_type AS BIGINT),\n  CAST(user_id AS BIGINT) FROM m365_audit",
            "`CAST(user_id AS BIGINT)`: 'eve@fabrikam.com' is no integer; TRY_CAST(… AS …) gives NULL for such values (line 2, column 8)",
        ),
        (
            "SELECT CASE WHEN user_id ~ '^[0-9]+$' THEN CAST(user_id AS BIGINT) END,\n  chr(-record_type) FROM m365_audit",
            "`chr(-record_type)`: invalid Unicode scalar value: -15 (line 2, column 3)",
        ),
        (
            "WITH s AS (\n  SELECT user_id FROM m365_audit WHERE 1 / (record_type - 15) = 1\n) SELECT max(1 / length(user_id)) FROM s",
            "`1 / (record_type - 15)`: division by zero; x / nullif(y, 0) gives NULL instead (line 2, column 40)",
        ),
        ("SELECT decode('zz', 'hex')", "`decode('zz', 'hex')`: failed to decode value using hex: Invalid character 'z' at position 0 (line 1, column 8)"),
        (
            "SELECT date_bin(INTERVAL '0 days', creation_time) FROM m365_audit",
            "`date_bin(INTERVAL '0 days', creation_time)`: DATE_BIN stride must be non-zero (line 1, column 8)",
        ),
    ])
    .await;
}

#[tokio::test]
async fn trino() {
    let engine = Engine::new(lake().await).unwrap();
    let one = TenantScope::Only([tenant(FABRIKAM)].into());
    let session = engine
        .session(one, Limits::default())
        .with_dialect(Dialect::Trino);
    check_in(
        &session,
        &[
            ("SELECT date_parse('soon', '%Y')", "`date_parse('soon', '%Y')`: date_parse: `soon` is not as `%Y` says (line 1, column 19)"),
            (
                "SELECT json_extract_scalar(raw, '$[') FROM m365_audit",
                "`json_extract_scalar(raw, '$[')`: the JSON path `$[` cannot be read at `[`: it may hold `.name`, `[\"name\"]` and `[0]` (line 1, column 33)",
            ),
            (
                "SELECT date_add('fortnight', 1, creation_time) FROM m365_audit",
                "`date_add('fortnight', 1, creation_time)`: date_add: `fortnight` is no unit: millisecond, second, minute, hour, day, week, month, quarter, year (line 1, column 17)",
            ),
            (
                "SELECT id FROM m365_audit\nCROSS JOIN UNNEST(id) AS t(x)",
                "UNNEST takes an array or a map, not varchar (line 2, column 19)",
            ),
            ("SELECT from_base64(id) FROM m365_audit", "`from_base64(id)`: from_base64: Invalid symbol 45, offset 1 (line 1, column 8)"),
            ("SELECT element_at(ARRAY[1], 'x')", "`element_at(ARRAY[1], 'x')`: element_at of an array takes an integer (line 1, column 8)"),
        ],
    )
    .await;
}

#[tokio::test]
async fn variables() {
    let session = session(&lake().await);
    let mut wrong = Vec::new();
    for (sql, values, expected) in [
        (
            "SELECT id FROM m365_audit\nWHERE user_id = $$user$$ AND operation = $$what$$",
            vec![("user", "ada")],
            "the variable `what` has no value (line 2, column 42)",
        ),
        (
            "SELECT id FROM m365_audit WHERE user_id = $$user$$",
            vec![("usr", "ada")],
            "the query has no variable `usr`; did you mean `user`?",
        ),
        (
            "SELECT id FROM m365_audit\nWHERE user_id = $$user$$ AND userid2 = 'x'",
            vec![(
                "user",
                "a value that is longer than its name, with 'quotes'",
            )],
            "no column `userid2`; did you mean `user_id`? (line 2, column 30)",
        ),
        (
            "SELECT id FROM m365_audit\nWHERE record_type = $$type$$",
            vec![("type", "abc")],
            "`record_type = 'abc'`: 'abc' is no integer; TRY_CAST(… AS …) gives NULL for such values (line 2, column 21)",
        ),
        (
            "SELECT id FROM m365_audit WHERE user_id ~ $$pattern$$",
            vec![("pattern", "([")],
            "`user_id ~ '(['`: the regular expression `([` cannot be used: unclosed character class (line 1, column 43)",
        ),
        (
            "SELECT id FROM m365_audit WHERE creation_time > TIMESTAMP '$$day$$'",
            vec![("day", "2024-13-01")],
            "`TIMESTAMP '2024-13-01'`: '2024-13-01' is no time; it is written 2024-01-31T08:00:00Z (line 1, column 59)",
        ),
        (
            "SELECT id AS \"$$name$$\" FROM m365_audit",
            vec![("name", "x")],
            "the variable `name` cannot stand in a name, only where a value can (line 1, column 14)",
        ),
        (
            "SELECT id FROM m365_audit WHERE [[ user_id = $$user$$ AND ]]\n  oops = 1",
            vec![("user", "")],
            "no column `oops` (line 2, column 3)",
        ),
        (
            "SELECT 10 / $$n$$",
            vec![("n", "0")],
            "`10 / 0`: division by zero; x / nullif(y, 0) gives NULL instead (line 1, column 8)",
        ),
    ] {
        let request = (values.iter()).fold(Request::new(sql), |request, (name, value)| {
            request.with_variable(*name, *value)
        });
        let told = told(&session, request).await;
        if told != expected {
            wrong.push(format!("({sql:?}, {told:?}),"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Whatever is wrong, it has a place.
#[tokio::test]
async fn every_error_has_a_place() {
    const WRONG: &[&str] = &[
        "SELECT parameters[1] FROM m365_audit",
        "SELECT CAST(record_type AS VARCHAR) FROM m365_audit WHERE user_id BETWEEN 1 AND 5",
        "SELECT CAST(record_type AS BIGINT), CAST(user_id AS BIGINT) FROM m365_audit",
        "SELECT id FROM m365_audit WHERE user_id ~ operation",
        "WITH a AS (SELECT id FROM m365_audit WHERE parameters = 'x') SELECT * FROM a",
        "WITH a AS (SELECT 1 AS n), b AS (SELECT n FROM a WHERE n = 'x') SELECT * FROM b",
        "WITH a AS (SELECT 1 AS n), b(m, o) AS (SELECT n FROM a) SELECT * FROM b",
        "SELECT id FROM m365_audit WHERE id IN (WITH x AS (SELECT 1 AS n), x AS (SELECT 2 AS n) SELECT n FROM x)",
        "SELECT * FROM (SELECT 1) AS t(a, b)",
        "SELECT * FROM (VALUES (1, 2), (3)) AS t(a, b)",
        "SELECT id FROM m365_audit ORDER BY user_id + 1",
        "SELECT id FROM m365_audit GROUP BY id HAVING sum(user_id) > 1",
        "SELECT id FROM m365_audit LIMIT 1.5",
        "SELECT id FROM m365_audit OFFSET -1",
        "SELECT sum(id) OVER (ORDER BY creation_time) FROM m365_audit",
        "SELECT lag(id, 'x') OVER (ORDER BY id) FROM m365_audit",
        "SELECT ntile(0) OVER (ORDER BY id) FROM m365_audit",
        "SELECT nth_value(id, 'x') OVER (ORDER BY id) FROM m365_audit",
        "SELECT sum(record_type) OVER (ORDER BY id ROWS BETWEEN 1 FOLLOWING AND 1 PRECEDING) FROM m365_audit",
        "SELECT id FROM m365_audit a JOIN m365_audit b USING (oops)",
        "SELECT a.id FROM m365_audit a LEFT JOIN m365_audit b ON a.id",
        "SELECT id FROM m365_audit WHERE EXISTS (SELECT 1 FROM m365_audit WHERE oops = 1)",
        "SELECT id FROM m365_audit INTERSECT SELECT id, user_id FROM m365_audit",
        "SELECT id FROM m365_audit EXCEPT SELECT parameters FROM m365_audit",
        "SELECT CASE record_type WHEN 'x' THEN 1 END FROM m365_audit",
        "SELECT ARRAY[1, 'x', creation_time] FROM m365_audit",
        "SELECT make_array(1, 2)['x']",
        "SELECT extract(fortnight FROM creation_time) FROM m365_audit",
        "SELECT date_part('fortnight', creation_time) FROM m365_audit",
        "SELECT to_timestamp(user_id, '%Q') FROM m365_audit",
        "SELECT arrow_cast(id, 'Int65') FROM m365_audit",
        "SELECT CAST(record_type AS DECIMAL(80, 2)) FROM m365_audit",
        "SELECT unnest(id) FROM m365_audit",
        "SELECT * FROM unnest(5)",
        "SELECT * FROM generate_series('a', 'b')",
        "SELECT * FROM generate_series(1, 2, 0)",
        "SELECT DISTINCT ON (id) id FROM m365_audit ORDER BY user_id",
        "SELECT grouping(id) FROM m365_audit",
        "SELECT id FROM m365_audit GROUP BY ROLLUP (oops)",
        "SELECT x.* FROM m365_audit",
        "SELECT * EXCLUDE (oops) FROM m365_audit",
        "SELECT cidr_contains('10.0.0.0/40', client_ip) FROM m365_audit",
        "SELECT time_bucket('1 fortnight', creation_time) FROM m365_audit",
        "SELECT any_text_matches(1) FROM m365_audit",
        "SELECT any_text_matches('x')",
        "SELECT a.id FROM m365_audit a, m365_audit b WHERE any_text_matches('x')",
        "SELECT substr(id, 'x') FROM m365_audit",
        "SELECT CAST(user_id AS BOOLEAN) FROM m365_audit",
        "SELECT user_id = true FROM m365_audit",
        "SELECT regexp_like(id, 'a', 'q') FROM m365_audit",
        "SELECT split_part(id, '-', 0) FROM m365_audit",
        "SELECT now(1)",
        "SELECT id FROM m365_audit QUALIFY row_number() OVER () = parameters",
        "SELECT id FROM m365_audit WHERE (id, user_id) = (1, 2)",
        "SELECT id FROM m365_audit WHERE id = ANY (5)",
        "SELECT power(user_id, 2) FROM m365_audit",
        "SELECT map(['a'], [1, 2])",
        "SELECT make_date(2024, 13, 1)",
        "SELECT to_date('soon')",
        "SELECT sqrt(user_id) FROM m365_audit",
        "SELECT chr(-record_type) FROM m365_audit",
        "SELECT encode(id, 'base65') FROM m365_audit",
        "SELECT digest(id, 'md6') FROM m365_audit",
        "SELECT (SELECT id, user_id FROM m365_audit)",
        "SELECT sum(record_type) FILTER (WHERE user_id) FROM m365_audit",
        "SELECT approx_percentile_cont(record_type, 2) FROM m365_audit",
        "SELECT string_agg(id) FROM m365_audit",
        "SELECT max(id, 5) FROM m365_audit",
        "SELECT id FROM m365_audit WHERE max(id) OVER () = 1",
        "SELECT id FROM m365_audit JOIN LATERAL (SELECT oops) ON true",
        "SELECT id FROM (SELECT id, id FROM m365_audit)",
        "SELECT id FROM m365_audit AS t(a, b)",
        "SELECT id FROM m365_audit WHERE user_id LIKE 5 AND operation IS TRUE",
        "SELECT id FROM m365_audit WHERE user_id IN (1, 2)",
        "SELECT id FROM m365_audit WHERE id NOT IN (SELECT parameters FROM m365_audit)",
        "EXPLAIN SELECT oops FROM m365_audit",
        "EXPLAIN ANALYZE SELECT CAST(user_id AS BIGINT) FROM m365_audit",
        "SELECT id FROM operations ORDER BY any_text_matches('x')",
        "SELECT a.id FROM m365_audit a, m365_audit b ORDER BY any_text_matches('x')",
        "SELECT a.id FROM (m365_audit a CROSS JOIN (SELECT 1) AS b(c, d))",
        "SELECT date_trunc(user_id, creation_time) FROM m365_audit",
        "SELECT 1 UNION ALL SELECT 1 / 0",
        "SELECT a.id FROM m365_audit a JOIN m365_audit b ON CAST(a.user_id AS BIGINT) = b.record_type",
        "SELECT user_id FROM m365_audit GROUP BY user_id HAVING max(CAST(user_id AS BIGINT)) > 1",
        "WITH x AS (SELECT CAST(user_id AS BIGINT) AS n FROM m365_audit) SELECT max(n), CAST(max(n) AS TEXT) FROM x",
        "SELECT id FROM m365_audit WHERE record_type IN (SELECT CAST(user_id AS BIGINT) FROM m365_audit)",
    ];
    let engine = Engine::new(lake().await).unwrap();
    let one = TenantScope::Only([tenant(FABRIKAM)].into());
    let session = engine.session(one, Limits::default());
    let mut wrong = Vec::new();
    for sql in WRONG {
        let told = told(&session, Request::new(*sql)).await;
        if !told.contains("(line 1, column ") {
            wrong.push(format!("({sql:?}, {told:?}),"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// As after maintenance that keeps nothing for those who read.
#[tokio::test]
async fn files_that_are_gone() {
    let lake = lake().await;
    let (id, audit) = (tenant(FABRIKAM), TableName::Audit);
    let snapshot = lake.snapshot(&id, audit).await.unwrap().unwrap();
    for file in snapshot.files() {
        lake.store().delete(&file.path).await.unwrap();
    }
    let engine = Engine::new(lake).unwrap();
    let one = TenantScope::Only([tenant(FABRIKAM)].into());
    let session = engine.session(one, Limits::default());
    for sql in [
        "SELECT id FROM m365_audit",
        "SELECT * FROM m365_audit ORDER BY creation_time DESC LIMIT 1",
        "SELECT operation, count(*) FROM m365_audit GROUP BY operation",
        "SELECT id FROM m365_audit WHERE raw LIKE '%needle%'",
        "SELECT id FROM m365_audit WHERE user_id = 'ada@contoso.com' ORDER BY creation_time LIMIT 1",
    ] {
        let error = session.collect(Request::new(sql)).await.unwrap_err();
        let message = error.to_string();
        assert!(matches!(error, Error::Corrupt { .. }), "{sql}: {message}");
        assert!(message.contains("is gone: ask again"), "{sql}: {message}");
    }
}

#[tokio::test]
async fn no_error_and_no_plan_tells_where_the_lake_lies() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("it's my (\"one\") lake");
    let lake = Lake::create_or_open(root.to_str().unwrap(), LakeOptions::default())
        .await
        .unwrap();
    commit(&lake, FABRIKAM, &[sign_in(0, 0)]).await;
    let session = session(&lake);
    let queries = [
        "EXPLAIN SELECT id FROM m365_audit",
        "SELECT id FROM m365_audit",
        "SELECT operation, count(*) FROM m365_audit GROUP BY operation",
    ];
    let check = async |sql: &str| {
        let told = match session.collect(sql).await {
            Ok(batches) => crate::fixture::text(&batches),
            Err(error) => format!("{error} {error:?}"),
        };
        for part in [
            "my",
            "one",
            "lake/",
            "tenants/",
            folder.path().to_str().unwrap(),
        ] {
            assert!(!told.contains(part), "{sql}: {told}");
        }
        told
    };
    check(queries[0]).await;
    let (id, audit) = (tenant(FABRIKAM), TableName::Audit);
    let snapshot = lake.snapshot(&id, audit).await.unwrap().unwrap();
    for file in snapshot.files() {
        let path = root.join(file.path.as_ref());
        std::fs::write(&path, "not what it was").unwrap();
        for sql in queries {
            check(sql).await;
        }
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        for sql in queries {
            check(sql).await;
        }
    }
}
