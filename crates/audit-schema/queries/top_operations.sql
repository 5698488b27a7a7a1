-- id: top_operations
-- name: Most frequent operations
-- description: The operations that were recorded most, with how many users did each.
-- reference: https://learn.microsoft.com/purview/audit-log-activities
-- variable $$user$$ user optional: whose records; `%` stands for any text
-- column workload: service that wrote the records
-- column operation: what was done
-- column records (integer): number of records
-- column users (integer): number of distinct users
-- column first_seen (datetime): earliest record
-- column last_seen (datetime): latest record
SELECT
    workload,
    operation,
    count(*) AS records,
    count(DISTINCT user_id) AS users,
    min(creation_time) AS first_seen,
    max(creation_time) AS last_seen
FROM m365_audit
[[WHERE user_id ILIKE $$user$$]]
GROUP BY workload, operation
ORDER BY records DESC, workload, operation
LIMIT 100
