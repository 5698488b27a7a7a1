-- id: network_switches
-- name: Impossible switch of network
-- description: Users who signed in from one network and minutes later, with another browser or program, from another one
--   outside the organisation. A phone changes networks too, but keeps its browser.
-- severity: medium
-- tactic: initial-access
-- technique: T1078.004
-- reference: https://learn.microsoft.com/entra/id-protection/concept-identity-protection-risks
-- variable $$minutes$$ integer default "30": at most so many minutes apart
-- variable $$user$$ user optional: whose sign-ins; `%` stands for any text
-- column creation_time (datetime): when the user signed in from the second network
-- column user_id (user): who
-- column source_ip (ip): second address
-- column previous_ip (ip): first address
-- column minutes_between (integer): whole minutes in between
-- column user_agent: browser or program at the second address
-- column previous_user_agent: browser or program at the first address
WITH sign_ins AS (
    SELECT
        creation_time,
        lower(user_id) AS user_id,
        source_ip,
        extended_properties['UserAgent'] AS user_agent,
        CASE
            WHEN source_ip LIKE '%:%' THEN split_part(source_ip, ':', 1) || ':' || split_part(source_ip, ':', 2)
            ELSE split_part(source_ip, '.', 1) || '.' || split_part(source_ip, '.', 2)
        END AS network
    FROM m365_signins
    WHERE operation = 'UserLoggedIn'
        AND source_ip IS NOT NULL
        [[AND user_id ILIKE $$user$$]]
),
in_order AS (
    SELECT
        *,
        lag(creation_time) OVER previous AS previous_time,
        lag(source_ip) OVER previous AS previous_ip,
        lag(user_agent) OVER previous AS previous_user_agent,
        lag(network) OVER previous AS previous_network
    FROM sign_ins
    WINDOW previous AS (PARTITION BY user_id ORDER BY creation_time, source_ip)
)
SELECT
    creation_time,
    user_id,
    source_ip,
    previous_ip,
    (to_unixtime(creation_time) - to_unixtime(previous_time)) / 60 AS minutes_between,
    user_agent,
    previous_user_agent
FROM in_order
WHERE network <> previous_network
    AND user_agent <> previous_user_agent
    AND creation_time <= previous_time + interval '$$minutes$$' minute
    AND NOT is_internal_ip(source_ip)
ORDER BY creation_time DESC, user_id
