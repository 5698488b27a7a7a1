-- id: alerts_by_severity
-- name: Alerts by severity
-- description: Alerts of Microsoft 365, by severity and name, the worst first.
-- reference: https://learn.microsoft.com/defender-xdr/alert-policies
-- variable $$severity$$ string optional one of "High", "Medium", "Low", "Informational": only alerts of this severity
-- variable $$status$$ string optional: only alerts in this state, such as Active or Resolved
-- column severity: High, Medium, Low or Informational
-- column name: name of the alert
-- column category: category of the alert
-- column source: product that raised it
-- column alerts (integer): number of distinct alerts
-- column entities (integer): number of distinct users, mails and other things they are about
-- column open (integer): number of distinct alerts whose latest record does not say that they are resolved or
--   dismissed
-- column records (integer): number of records
-- column first_seen (datetime): earliest record
-- column last_seen (datetime): latest record
WITH alerts_with_state AS (
    SELECT
        severity,
        name,
        category,
        source,
        coalesce(alert_id, object_id) AS alert_id,
        alert_entity_id,
        creation_time,
        first_value(status) OVER (
            PARTITION BY coalesce(alert_id, object_id) ORDER BY creation_time DESC, id DESC
        ) AS latest_status
    FROM m365_alerts
)
SELECT
    severity,
    name,
    category,
    source,
    count(DISTINCT alert_id) AS alerts,
    count(DISTINCT alert_entity_id) AS entities,
    count(DISTINCT CASE WHEN coalesce(latest_status, '') NOT IN ('Resolved', 'Dismissed') THEN alert_id END) AS open,
    count(*) AS records,
    min(creation_time) AS first_seen,
    max(creation_time) AS last_seen
FROM alerts_with_state
WHERE true
    [[AND severity = $$severity$$]]
    [[AND latest_status = $$status$$]]
GROUP BY severity, name, category, source
ORDER BY
    CASE severity WHEN 'High' THEN 0 WHEN 'Medium' THEN 1 WHEN 'Low' THEN 2 ELSE 3 END,
    records DESC,
    name
