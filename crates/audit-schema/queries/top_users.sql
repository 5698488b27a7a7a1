-- id: top_users
-- name: Most active users
-- description: Users with the most records. Services appear here too: their names are no addresses.
-- variable $$workload$$ string optional: only records of this service, such as Exchange
-- column user_id (user): who
-- column records (integer): number of records
-- column operations (integer): number of distinct operations
-- column addresses (integer): number of distinct source addresses
-- column first_seen (datetime): earliest record
-- column last_seen (datetime): latest record
SELECT
    user_id,
    count(*) AS records,
    count(DISTINCT operation) AS operations,
    count(DISTINCT source_ip) AS addresses,
    min(creation_time) AS first_seen,
    max(creation_time) AS last_seen
FROM m365_audit
[[WHERE workload = $$workload$$]]
GROUP BY user_id
ORDER BY records DESC, user_id
LIMIT 100
