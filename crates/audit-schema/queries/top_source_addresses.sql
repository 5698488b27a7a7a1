-- id: top_source_addresses
-- name: Most frequent source addresses
-- description: Addresses that activity came from, with how many users each served. One address with many users is an office or a proxy, or a password spray.
-- column source_ip: address without port
-- column records: number of records
-- column users: number of distinct users
-- column failed_sign_ins: number of failed sign-ins
-- column first_seen: earliest record
-- column last_seen: latest record
SELECT
    source_ip,
    count(*) AS records,
    count(DISTINCT user_id) AS users,
    count(*) FILTER (WHERE operation = 'UserLoginFailed') AS failed_sign_ins,
    min(creation_time) AS first_seen,
    max(creation_time) AS last_seen
FROM m365_audit
WHERE source_ip IS NOT NULL
GROUP BY source_ip
ORDER BY records DESC, source_ip
LIMIT 100
