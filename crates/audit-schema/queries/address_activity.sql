-- id: address_activity
-- name: Activity of one address
-- description: What was done from an address or network, by user and operation, in the order in which it began. Users who
--   share an address with an intruder and nothing else are the next accounts to look at.
-- variable $$address$$ ip: address, or network such as 203.0.113.0/24
-- column user_id (user): who
-- column source_ip (ip): address it came from
-- column workload: service that wrote the records
-- column operation: what was done
-- column records (integer): number of records
-- column objects (integer): number of distinct things it was done to
-- column first_seen (datetime): earliest record
-- column last_seen (datetime): latest record
SELECT
    user_id,
    source_ip,
    workload,
    operation,
    count(*) AS records,
    count(DISTINCT object_id) AS objects,
    min(creation_time) AS first_seen,
    max(creation_time) AS last_seen
FROM m365_audit
WHERE cidr_contains($$address$$, source_ip)
GROUP BY user_id, source_ip, workload, operation
ORDER BY first_seen, user_id, operation, source_ip
