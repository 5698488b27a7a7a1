-- id: sign_ins_from_outside
-- name: Sign-ins from outside
-- description: Who signed in from addresses that are not in the organisation's networks, by user and address.
-- severity: informational
-- tactic: initial-access
-- technique: T1078.004
-- reference: https://attack.mitre.org/techniques/T1078/004/
-- variable $$user$$ user optional: whose sign-ins; `%` stands for any text
-- column user_id (user): who
-- column source_ip (ip): address outside
-- column sign_ins (integer): number of sign-ins
-- column failed (integer): failed sign-ins from there
-- column user_agents (integer): number of distinct browsers and programs
-- column user_agent: one of them
-- column first_seen (datetime): earliest sign-in
-- column last_seen (datetime): latest sign-in
SELECT
    user_id,
    source_ip,
    count(*) FILTER (WHERE operation = 'UserLoggedIn') AS sign_ins,
    count(*) FILTER (WHERE operation = 'UserLoginFailed') AS failed,
    count(DISTINCT extended_properties['UserAgent']) AS user_agents,
    min(extended_properties['UserAgent']) AS user_agent,
    min(creation_time) AS first_seen,
    max(creation_time) AS last_seen
FROM m365_signins
WHERE NOT is_internal_ip(source_ip)
    [[AND user_id ILIKE $$user$$]]
GROUP BY user_id, source_ip
HAVING count(*) FILTER (WHERE operation = 'UserLoggedIn') > 0
ORDER BY last_seen DESC, user_id, source_ip
