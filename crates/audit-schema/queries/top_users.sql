-- id: top_users
-- name: Most active users
-- description: Users with the most records. Services appear here too: their names are no addresses.
-- column user_id: who
-- column records: number of records
-- column operations: number of distinct operations
-- column addresses: number of distinct source addresses
-- column first_seen: earliest record
-- column last_seen: latest record
SELECT
    user_id,
    count(*) AS records,
    count(DISTINCT operation) AS operations,
    count(DISTINCT source_ip) AS addresses,
    min(creation_time) AS first_seen,
    max(creation_time) AS last_seen
FROM m365_audit
GROUP BY user_id
ORDER BY records DESC, user_id
LIMIT 100
