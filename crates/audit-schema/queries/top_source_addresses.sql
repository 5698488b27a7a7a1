-- id: top_source_addresses
-- name: Most frequent source addresses
-- description: Addresses that activity came from, with how many users each served. One address with many users is an
--   office or a proxy, or a password spray.
-- variable $$network$$ ip optional: only addresses in this network, such as 203.0.113.0/24
-- column source_ip (ip): address without port
-- column is_internal (boolean): whether it is in the organisation's networks
-- column records (integer): number of records
-- column users (integer): number of distinct users
-- column failed_sign_ins (integer): number of failed sign-ins
-- column first_seen (datetime): earliest record
-- column last_seen (datetime): latest record
SELECT
    source_ip,
    is_internal_ip(source_ip) AS is_internal,
    count(*) AS records,
    count(DISTINCT user_id) AS users,
    count(*) FILTER (WHERE operation = 'UserLoginFailed') AS failed_sign_ins,
    min(creation_time) AS first_seen,
    max(creation_time) AS last_seen
FROM m365_audit
WHERE source_ip IS NOT NULL
    [[AND cidr_contains($$network$$, source_ip)]]
GROUP BY source_ip
ORDER BY records DESC, source_ip
LIMIT 100
