//! The Trino dialect in whole queries; each function and meaning is in `tests/slt/trino`.

use live_discover::{Dialect, Request, Session};

use crate::fixture::{ask, lake, session, text};

async fn rows(session: &Session, request: Request) -> String {
    let sql = format!("{request:?}");
    match session.collect(request).await {
        Ok(batches) => text(&batches),
        Err(error) => panic!("{sql}: {error}"),
    }
}

/// As Data Lake templates are written: variables in strings, wildcards, seconds since 1970, JSON by path.
const SIGN_INS: &str = r"
-- VARIABLE $$user name$$   STRING
-- VARIABLE $$start time$$  DATE
SELECT
    user_id AS username,
    date_format(min(creation_time), '%Y-%m-%d %H:%i:%s') AS first_seen,
    array_join(array_agg(DISTINCT json_extract_scalar(raw, '$.Operation')), ', ') AS operations,
    count_if(operation = 'UserLoginFailed') AS failures
FROM m365_audit
WHERE lower(user_id) LIKE lower('$$user name$$')
    AND creation_time >= from_unixtime($$start time$$)
    AND record_type = 15
GROUP BY user_id
HAVING count(*) >= $$at least (count)$$
ORDER BY failures DESC, username
";

#[tokio::test]
async fn a_template_of_sign_ins_runs_as_it_is() {
    let session = session(&lake().await);
    let request = |user: &str| {
        Request::new(SIGN_INS)
            .with_dialect(Dialect::Trino)
            .with_variable("user name", user)
            .with_variable("start time", "1706745600")
            .with_variable("at least (count)", "10")
    };
    assert_eq!(
        rows(&session, request("CYD@%")).await,
        "cyd@contoso.com\t2024-02-01 02:00:00\tUserLoggedIn, UserLoginFailed\t8"
    );
    assert_eq!(
        rows(&session, request("%")).await.lines().count(),
        3,
        "eve has one sign-in"
    );
}

/// A CTE, a lateral UNNEST by index, a computed path, a join with LIKE.
const MEMBERS: &str = r#"
WITH records AS (
    SELECT id, user_id, creation_time,
        json_format(json_extract(extra, '$.Odd.Depth')) AS depths, extra
    FROM m365_audit
    WHERE extra IS NOT NULL AND creation_time > date_add('day', -$$days$$, TIMESTAMP '2024-02-02 00:00:00')
),
numbered AS (
    SELECT r.id, r.user_id, t.i,
        json_extract_scalar(r.extra, '$.Odd.Depth[' || CAST(t.i AS varchar) || ']') AS depth,
        replace(CAST(from_unixtime(to_unixtime(r.creation_time)) AS varchar), '.000', 'Z') AS seen
    FROM records AS r
    CROSS JOIN UNNEST(sequence(0, json_array_length(r.depths) - 1)) AS t(i)
)
SELECT n.id, n.i, try(CAST(n.depth AS bigint)) AS depth, replace(n.seen, ' ', 'T') AS seen, w.team
FROM numbered AS n
JOIN (VALUES ('%@contoso.com', 'ours'), ('%@fabrikam.com', 'theirs')) AS w(pattern, team)
    ON n.user_id LIKE w.pattern
ORDER BY n.i
"#;

#[tokio::test]
async fn a_template_with_lateral_arrays_runs_as_it_is() {
    let session = session(&lake().await).with_dialect(Dialect::Trino);
    let request = Request::new(MEMBERS).with_variable("days", "30");
    assert_eq!(
        rows(&session, request).await,
        "x-1\t0\t1\t2024-02-01T00:30:00Z\tours\nx-1\t1\t2\t2024-02-01T00:30:00Z\tours"
    );
}

/// Operations of each user by day, those that differ from the day before, with lambdas and a scalar subquery.
const DAYS: &str = r"
SELECT day, user_id,
    array_sort(filter(operations, x -> x NOT IN ('UserLoggedIn'))) AS odd,
    (SELECT DISTINCT a.tenant_id FROM m365_audit a WHERE a.user_id = d.user_id) AS tenant
FROM (
    SELECT date(creation_time) AS day, user_id, array_agg(DISTINCT operation) AS operations
    FROM m365_audit
    WHERE contains('203.0.113.0/24', client_ip) OR regexp_like(operation, '(?i)^(add|new)\b')
    GROUP BY 1, 2
) AS d
WHERE any_match(operations, x -> x LIKE '$$operation$$')
ORDER BY day, user_id
";

#[tokio::test]
async fn a_template_with_lambdas_and_a_subquery_runs_as_it_is() {
    let session = session(&lake().await).with_dialect(Dialect::Trino);
    let request = Request::new(DAYS).with_variable("operation", "New-%");
    assert_eq!(
        rows(&session, request).await,
        "2024-02-01\tbob@contoso.com\t[New-InboxRule]\t0fad12b5-8d6a-4c43-a01f-e6d0a0d0e1c7"
    );
}

#[tokio::test]
async fn the_default_dialect_stays_what_it_is() {
    let default = session(&lake().await);
    let trino = default.clone().with_dialect(Dialect::Trino);
    for (sql, in_default, in_trino) in [
        ("SELECT concat('a', NULL)", "a", "NULL"),
        ("SELECT greatest(1, NULL)", "1", "NULL"),
        ("SELECT split_part('a', ',', 2) IS NULL", "false", "true"),
        ("SELECT substr('abcdef', -2)", "abcdef", "ef"),
        ("SELECT regexp_replace('a,b,c', ',', '-')", "a-b,c", "a-b-c"),
        (
            "SELECT date_format(TIMESTAMP '2024-01-31 10:20:30', '%M')",
            "20",
            "January",
        ),
        (
            "SELECT CAST(TIMESTAMP '2024-01-31 10:20:30' AS varchar)",
            "2024-01-31T10:20:30",
            "2024-01-31 10:20:30.000",
        ),
        (
            "SELECT column1 FROM (VALUES (1), (NULL)) ORDER BY 1 DESC LIMIT 1",
            "NULL",
            "1",
        ),
    ] {
        assert_eq!(ask(&default, sql).await, in_default, "{sql}");
        assert_eq!(ask(&trino, sql).await, in_trino, "{sql}");
    }
    for sql in [
        "SELECT json_extract('{}', '$')",
        "SELECT sequence(1, 2)",
        "SELECT try(1)",
        "SELECT CAST('[]' AS array(varchar))",
    ] {
        assert!(default.collect(sql).await.is_err(), "{sql}");
        assert!(trino.collect(sql).await.is_ok(), "{sql}");
    }
    // What a request says counts.
    let request = Request::new("SELECT concat('a', NULL)").with_dialect(Dialect::DataFusion);
    assert_eq!(rows(&trino, request).await, "a");
}

#[tokio::test]
async fn a_constant_is_not_multiplied_without_end() {
    let session = session(&lake().await).with_dialect(Dialect::Trino);
    let text = "a".repeat(20_000);
    let sql = format!("SELECT cardinality(transform(sequence(1, 10000), x -> '{text}'))");
    let error = session.collect(sql.as_str()).await.unwrap_err().to_string();
    assert!(
        error.contains("transform makes arrays that are too large"),
        "{error}"
    );
    let few = format!("SELECT cardinality(transform(sequence(1, 100), x -> '{text}'))");
    assert_eq!(ask(&session, &few).await, "100");
}

#[tokio::test]
async fn what_the_grammar_adds_is_bounded() {
    let session = session(&lake().await).with_dialect(Dialect::Trino);
    let nested = |open: &str, inner: &str, close: &str| {
        format!("SELECT {}{inner}{}", open.repeat(100), close.repeat(100))
    };
    for sql in [
        nested("TRY(", "1", ")"),
        nested("CAST(", "1", " AS bigint)"),
        nested("transform(ARRAY[1], x -> ", "x", ")"),
        format!(
            "SELECT CAST('' AS {}json{})",
            "array(".repeat(500),
            ")".repeat(500)
        ),
        format!(
            "SELECT 1 FROM m365_audit{}",
            " CROSS JOIN UNNEST(ARRAY[1, 2]) AS t(x)".repeat(50)
        ),
    ] {
        let error = session.collect(sql.as_str()).await.unwrap_err().to_string();
        assert!(
            error.contains("nesting") || error.contains("at most 20 UNNEST"),
            "{error}"
        );
    }
}
