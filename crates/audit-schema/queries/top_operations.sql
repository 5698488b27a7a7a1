-- id: top_operations
-- name: Most frequent operations
-- description: The operations that were recorded most, with how many users did each.
-- column workload: service that wrote the records
-- column operation: what was done
-- column records: number of records
-- column users: number of distinct users
-- column last_seen: latest record
SELECT
    workload,
    operation,
    count(*) AS records,
    count(DISTINCT user_id) AS users,
    max(creation_time) AS last_seen
FROM m365_audit
GROUP BY workload, operation
ORDER BY records DESC, workload, operation
LIMIT 100
