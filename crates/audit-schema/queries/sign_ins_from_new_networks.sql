-- id: sign_ins_from_new_networks
-- name: Sign-ins from networks new to the user
-- description: Users who lately signed in from a network (the first two numbers of an IPv4 address, the first two groups
--   of an IPv6 one) from which they did not in the time before. Networks of the organisation and those that you name
--   are left out, and so are users without any sign-in before. It looks at its own time, not at a time range.
-- severity: medium
-- tactic: initial-access
-- technique: T1078.004
-- reference: https://learn.microsoft.com/entra/id-protection/concept-identity-protection-risks
-- range: off
-- variable $$recent days$$ integer default "1": days that are looked at
-- variable $$days of history$$ integer default "30": days, with those, in which a network makes itself known
-- variable $$known networks$$ list of ip optional: networks that nobody minds, such as those of a country
-- variable $$user$$ user optional: whose sign-ins; `%` stands for any text
-- column user_id (user): who
-- column network: the new network
-- column source_ip (ip): an address in it
-- column sign_ins (integer): number of sign-ins from it
-- column first_seen (datetime): the first one
-- column last_seen (datetime): the last one
-- column user_agent: browser or program as it names itself
-- column networks_before (integer): networks from which the user signed in before
WITH sign_ins AS (
    SELECT
        creation_time,
        lower(user_id) AS user_id,
        source_ip,
        extended_properties['UserAgent'] AS user_agent,
        CASE
            WHEN source_ip LIKE '%:%' THEN split_part(source_ip, ':', 1) || ':' || split_part(source_ip, ':', 2) || '::/32'
            ELSE split_part(source_ip, '.', 1) || '.' || split_part(source_ip, '.', 2) || '.0.0/16'
        END AS network
    FROM m365_signins
    WHERE operation = 'UserLoggedIn'
        AND source_ip IS NOT NULL
        [[AND user_id ILIKE $$user$$]]
        AND creation_time >= now() - interval '$$days of history$$' day
),
networks AS (
    SELECT
        user_id,
        network,
        min(source_ip) AS source_ip,
        count(*) AS sign_ins,
        min(creation_time) AS first_seen,
        max(creation_time) AS last_seen,
        min(user_agent) AS user_agent
    FROM sign_ins
    GROUP BY user_id, network
),
compared AS (
    SELECT
        *,
        first_seen >= now() - interval '$$recent days$$' day AS is_new,
        count(*) FILTER (WHERE first_seen < now() - interval '$$recent days$$' day)
            OVER (PARTITION BY user_id) AS networks_before
    FROM networks
)
SELECT
    user_id,
    network,
    source_ip,
    sign_ins,
    first_seen,
    last_seen,
    user_agent,
    networks_before
FROM compared
[[LEFT ANTI JOIN (SELECT unnest($$known networks$$) AS known) AS familiar
    ON cidr_contains(familiar.known, compared.source_ip)]]
WHERE is_new
    AND networks_before > 0
    AND NOT is_internal_ip(source_ip)
ORDER BY first_seen DESC, user_id, network
