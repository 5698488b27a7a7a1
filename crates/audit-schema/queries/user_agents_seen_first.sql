-- id: user_agents_seen_first
-- name: User agents seen for the first time
-- description: Browsers and programs with which somebody lately signed in and nobody did in the time before. Numbers of
--   versions do not count. Scripts and tools of attacks (axios, python-requests, Go-http-client) show up here. It looks at
--   its own time, not at a time range.
-- severity: low
-- tactic: initial-access
-- technique: T1078.004
-- reference: https://attack.mitre.org/techniques/T1078/004/
-- range: off
-- variable $$recent days$$ integer default "1": days that are looked at
-- variable $$days of history$$ integer default "30": days, with those, in which a user agent makes itself known
-- column user_agent: browser or program as it names itself
-- column sign_ins (integer): number of sign-ins
-- column failed (integer): how many of them failed
-- column users (integer): number of distinct users
-- column user_id (user): one of them
-- column source_ip (ip): an address it came from
-- column first_seen (datetime): earliest sign-in
-- column last_seen (datetime): latest sign-in
SELECT
    min(extended_properties['UserAgent']) AS user_agent,
    count(*) AS sign_ins,
    count(*) FILTER (WHERE operation = 'UserLoginFailed') AS failed,
    count(DISTINCT user_id) AS users,
    min(user_id) AS user_id,
    min(source_ip) AS source_ip,
    min(creation_time) AS first_seen,
    max(creation_time) AS last_seen
FROM m365_signins
WHERE creation_time >= now() - interval '$$days of history$$' day
    AND extended_properties['UserAgent'] <> ''
GROUP BY regexp_replace(extended_properties['UserAgent'], '[0-9]+([._-][0-9]+)*', '#', 'g')
HAVING min(creation_time) >= now() - interval '$$recent days$$' day
ORDER BY first_seen DESC, user_agent
