-- id: alerts_by_severity
-- name: Alerts by severity
-- description: Alerts of Microsoft 365, by severity and name.
-- reference: https://learn.microsoft.com/purview/alert-policies
-- column severity: High, Medium, Low or Informational
-- column name: name of the alert
-- column category: category of the alert
-- column alerts (integer): number of distinct alerts
-- column records (integer): number of records
-- column first_seen (datetime): earliest record
-- column last_seen (datetime): latest record
SELECT
    severity,
    name,
    category,
    count(DISTINCT alert_id) AS alerts,
    count(*) AS records,
    min(creation_time) AS first_seen,
    max(creation_time) AS last_seen
FROM m365_alerts
GROUP BY severity, name, category
ORDER BY
    CASE severity WHEN 'High' THEN 0 WHEN 'Medium' THEN 1 WHEN 'Low' THEN 2 ELSE 3 END,
    records DESC,
    name
