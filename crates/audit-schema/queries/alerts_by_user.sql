-- id: alerts_by_user
-- name: Alerts by user
-- description: Users whom alerts are about, with how many and how bad. One user in several alerts of different kinds
--   is the first to look at.
-- reference: https://learn.microsoft.com/defender-xdr/alert-policies
-- reference: https://learn.microsoft.com/office/office-365-management-api/office-365-management-activity-api-schema#security-and-compliance-alerts-schema
-- variable $$user$$ user optional: only this user; `%` stands for any text
-- column account (user): user
-- column alerts (integer): number of distinct alerts
-- column high (integer): of these with severity High
-- column medium (integer): of these with severity Medium
-- column kinds (integer): number of distinct names
-- column names: names of the alerts
-- column first_seen (datetime): earliest record
-- column last_seen (datetime): latest record
WITH accounts AS (
    SELECT
        alert_id,
        severity,
        name,
        creation_time,
        -- f3u is the user of the first event, suid the submitter, trc the recipient, tsd the sender; several are
        -- parted by semicolons or commas.
        unnest(string_to_array(regexp_replace(lower(concat_ws(
            ';',
            data->>'f3u',
            data->>'suid',
            data->>'trc',
            CASE WHEN entity_type IN ('User', 'Mailbox', 'Account') THEN alert_entity_id END,
            CASE WHEN object_id LIKE '%_@_%' THEN object_id END
        )), '[\s;,]+', ';', 'g'), ';')) AS account
    FROM m365_alerts
)
SELECT
    account,
    count(DISTINCT alert_id) AS alerts,
    count(DISTINCT CASE WHEN severity = 'High' THEN alert_id END) AS high,
    count(DISTINCT CASE WHEN severity = 'Medium' THEN alert_id END) AS medium,
    count(DISTINCT name) AS kinds,
    string_agg(DISTINCT name, ', ' ORDER BY name) AS names,
    min(creation_time) AS first_seen,
    max(creation_time) AS last_seen
FROM accounts
WHERE account LIKE '%_@_%'
    [[AND account ILIKE $$user$$]]
GROUP BY account
ORDER BY high DESC, medium DESC, alerts DESC, account
LIMIT 500
