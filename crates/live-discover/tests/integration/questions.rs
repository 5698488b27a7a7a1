//! The questions of the suite (`benches/peers/questions.py`) as a lake's own records answer them.

use live_discover::Session;

use crate::fixture::ask;

const RECORD: &str = "id, creation_time, record_type, operation, workload, user_id, user_type, source_ip, \
                      result_status, object_id, user_agent, session_id, correlation_id, parameters, \
                      extended_properties, extra, raw";
const LATEST: &str = "ORDER BY creation_time DESC, id LIMIT 100";
const IN_ORDER: &str = "ORDER BY creation_time, id";

const CHAIN: &str = "
WITH sign_ins AS (
    SELECT lower(user_id) AS account, source_ip, min(creation_time) AS first_seen
    FROM m365_audit
    WHERE operation = 'UserLoggedIn' AND source_ip <> ''
    GROUP BY 1, 2
),
known AS (
    SELECT account, min(first_seen) AS since
    FROM sign_ins
    GROUP BY account
),
new_sign_ins AS (
    SELECT sign_ins.account AS account, source_ip, first_seen
    FROM sign_ins
    JOIN known ON known.account = sign_ins.account
    WHERE first_seen >= {from} AND since < {from}
),
rules AS (
    SELECT lower(user_id) AS account, creation_time AS rule_at
    FROM m365_audit
    WHERE operation IN ('New-InboxRule', 'Set-InboxRule', 'UpdateInboxRules') AND creation_time >= {from}
),
mail AS (
    SELECT lower(user_id) AS account, source_ip, creation_time AS mail_at
    FROM m365_audit
    WHERE operation IN ('MailItemsAccessed', 'Send') AND creation_time >= {from}
)
SELECT new_sign_ins.account AS account, new_sign_ins.source_ip AS source_ip, first_seen, min(rule_at) AS first_rule,
    count(*) AS steps
FROM new_sign_ins
JOIN rules ON rules.account = new_sign_ins.account
JOIN mail ON mail.account = new_sign_ins.account AND mail.source_ip = new_sign_ins.source_ip
WHERE rule_at >= first_seen AND rule_at < first_seen + INTERVAL '24' HOUR
    AND mail_at >= rule_at AND mail_at < rule_at + INTERVAL '12' HOUR
GROUP BY new_sign_ins.account, new_sign_ins.source_ip, first_seen
ORDER BY first_seen, account, source_ip";

/// The questions by their ids, about values that are picked from the records: the same for the same records.
pub(crate) async fn questions(session: &Session) -> Vec<(&'static str, String)> {
    let one = async |sql: String| {
        let value = ask(session, &sql).await;
        assert!(!value.is_empty() && !value.contains('\n'), "{sql}: {value}");
        value
    };
    // The value that so many records have, or nearly.
    let near = async |column: &str, count: u64| {
        one(format!(
            "SELECT value FROM (SELECT {column} AS value FROM m365_audit WHERE {column} <> '') GROUP BY value \
             ORDER BY abs(count(*) - {count}), value LIMIT 1"
        ))
        .await
    };
    let first = async |column: &str, at: usize| {
        one(format!(
            "SELECT {column} FROM m365_audit WHERE {column} <> '' ORDER BY md5({column}) LIMIT 1 OFFSET {at}"
        ))
        .await
    };
    let rows: u64 = one("SELECT count(*) FROM m365_audit".to_owned())
        .await
        .parse()
        .unwrap();
    let day = one(
        "SELECT min(event_date) + (max(event_date) - min(event_date)) / 2 FROM m365_audit"
            .to_owned(),
    )
    .await;
    let from = format!("TIMESTAMP '{day} 00:00:00'");
    let in_day = format!("creation_time >= {from} AND creation_time < {from} + INTERVAL '1' DAY");
    let user = near("user_id", rows / 50).await;
    let other_user = near("user_id", rows / 20).await.to_lowercase();
    let user_percent = near("user_id", rows / 100).await;
    let needle = first("client_request_id", 0).await;
    let absent: String = needle.chars().rev().collect();
    let file = near("source_file_name", 5).await;
    let fragment = near("source_file_name", 8).await;
    let (stem, _) = fragment.rsplit_once(' ').unwrap();
    let present = (ask(
        session,
        "SELECT source_ip FROM (SELECT DISTINCT source_ip FROM m365_audit WHERE source_ip <> '') \
         ORDER BY md5(source_ip) LIMIT 10",
    )
    .await)
        .replace('\n', "', '");
    let absent_addresses: Vec<String> = (0..490)
        .map(|number| format!("'233.252.{}.{}'", number / 250, number % 250 + 1))
        .collect();
    let indicators = format!("'{present}', {}", absent_addresses.join(", "));
    let own_domain = one(
        "SELECT split_part(user_id, '@', 2) AS domain FROM m365_audit WHERE user_id LIKE '%@%' GROUP BY 1 \
         ORDER BY count(*) DESC, 1 LIMIT 1"
            .to_owned(),
    )
    .await;
    let extra_text = near("(extra ->> 'MessageSizeInBytes')", 5).await;
    let records = |condition: String, order: &str| {
        format!("SELECT {RECORD} FROM m365_audit WHERE {condition} {order}")
    };
    let top = |column: &str, count: &str, condition: String| {
        format!(
            "SELECT {column} AS what, {count} AS n FROM m365_audit WHERE {condition} GROUP BY 1 \
             ORDER BY n DESC, what LIMIT 20"
        )
    };
    let address = near("source_ip", 30).await;
    let session_id = near("session_id", 5).await;
    let operation = near("operation", rows / 100).await;
    let common = near("operation", rows).await;
    vec![
        (
            "id",
            records(
                format!("id = '{}'", first("id", 0).await),
                "ORDER BY creation_time, operation",
            ),
        ),
        (
            "id_whole",
            format!(
                "SELECT * FROM m365_audit WHERE id = '{}'",
                first("id", 1).await
            ),
        ),
        ("address", records(format!("source_ip = '{address}'"), LATEST)),
        (
            "user_day",
            records(format!("user_id = '{user}' AND {in_day}"), IN_ORDER),
        ),
        (
            "user_month",
            format!(
                "SELECT creation_time, operation, workload, source_ip, object_id, result_status, id FROM m365_audit \
                 WHERE user_id ILIKE '{other_user}' AND creation_time >= TIMESTAMP '2026-01-01' {IN_ORDER}"
            ),
        ),
        ("file", records(format!("source_file_name = '{file}'"), LATEST)),
        (
            "session",
            records(format!("session_id = '{session_id}'"), IN_ORDER),
        ),
        (
            "correlation",
            records(
                format!("correlation_id = '{}'", first("correlation_id", 0).await),
                IN_ORDER,
            ),
        ),
        ("needle_once", records(format!("raw LIKE '%{needle}%'"), LATEST)),
        (
            "needle_absent",
            records(format!("raw LIKE '%{absent}%'"), LATEST),
        ),
        (
            "needle_percent",
            records(format!("raw LIKE '%{user_percent}%'"), LATEST),
        ),
        (
            "needle_count",
            top("operation", "count(*)", format!("raw LIKE '%{user_percent}%'")),
        ),
        (
            "like",
            records(
                format!("object_id LIKE '%{}%'", fragment.get(2..).unwrap()),
                LATEST,
            ),
        ),
        (
            "ilike",
            records(
                format!("object_id ILIKE '%{}%'", fragment.to_uppercase()),
                LATEST,
            ),
        ),
        (
            "regex",
            records(
                format!("object_id ~ '{}'", regex::escape(stem) + r" [0-9]+\.[a-z]+$"),
                LATEST,
            ),
        ),
        (
            "indicators",
            records(format!("source_ip IN ({indicators})"), LATEST),
        ),
        ("latest", format!("SELECT {RECORD} FROM m365_audit {LATEST}")),
        (
            "latest_operation",
            records(format!("operation = '{operation}'"), LATEST),
        ),
        (
            "by_operation",
            "SELECT operation, count(*) AS n FROM m365_audit GROUP BY operation ORDER BY n DESC, operation".to_owned(),
        ),
        (
            "by_day",
            "SELECT event_date, workload, count(*) AS n FROM m365_audit GROUP BY 1, 2 ORDER BY 1, 2".to_owned(),
        ),
        (
            "by_hour",
            format!(
                "SELECT date_trunc('hour', creation_time) AS hour, count(*) AS n FROM m365_audit \
                 WHERE operation = '{common}' GROUP BY 1 ORDER BY 1"
            ),
        ),
        (
            "failed_sign_ins",
            top("user_id", "count(*)", "operation = 'UserLoginFailed'".to_owned()),
        ),
        (
            "addresses_by_user",
            top(
                "user_id",
                "count(DISTINCT source_ip)",
                "source_ip <> ''".to_owned(),
            ),
        ),
        (
            "first_seen",
            "SELECT user_id, source_ip, min(creation_time) AS first_seen FROM m365_audit WHERE source_ip <> '' \
             GROUP BY user_id, source_ip ORDER BY first_seen DESC, user_id, source_ip LIMIT 100"
                .to_owned(),
        ),
        (
            "inbox_rules",
            format!(
                "SELECT creation_time, user_id, source_ip, parameters['ForwardTo'] AS target, parameters['Name'] AS rule, id \
                 FROM m365_audit WHERE parameters['ForwardTo'] <> '' AND parameters['ForwardTo'] NOT ILIKE '%@{own_domain}' \
                 {IN_ORDER}"
            ),
        ),
        (
            "user_agents",
            top(
                "extended_properties['UserAgent']",
                "count(*)",
                "extended_properties['UserAgent'] <> ''".to_owned(),
            ),
        ),
        (
            "mass_download",
            "SELECT user_id, max(downloads) AS at_once FROM (SELECT user_id, count(*) OVER (PARTITION BY user_id \
             ORDER BY creation_time RANGE BETWEEN INTERVAL '1' HOUR PRECEDING AND CURRENT ROW) AS downloads \
             FROM m365_audit WHERE operation = 'FileDownloaded') GROUP BY user_id ORDER BY at_once DESC, user_id LIMIT 20"
                .to_owned(),
        ),
        ("chain", CHAIN.replace("{from}", &from)),
        (
            "extra",
            records(
                format!("(extra ->> 'MessageSizeInBytes') = '{extra_text}'"),
                LATEST,
            ),
        ),
    ]
}
