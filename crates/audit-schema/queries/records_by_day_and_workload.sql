-- id: records_by_day_and_workload
-- name: Records by day and workload
-- description: How much each workload recorded on each day. A day without records of a busy workload may be a gap in
--   the collection: look at m365_content.
-- reference: https://learn.microsoft.com/purview/audit-log-activities
-- column day (datetime): UTC day
-- column workload: service that wrote the records
-- column records (integer): number of records
-- column users (integer): number of distinct users
SELECT
    date_trunc('day', creation_time) AS day,
    workload,
    count(*) AS records,
    count(DISTINCT user_id) AS users
FROM m365_audit
GROUP BY 1, 2
ORDER BY day, records DESC, workload
