-- id: sign_ins_by_user_agent
-- name: Sign-ins by user agent
-- description: Which browsers and programs people signed in with. Rare ones at the end of the list are worth a look:
--   scripts and attack tools name themselves here.
-- variable $$user$$ user optional: whose sign-ins; `%` stands for any text
-- column user_agent: browser or program as it names itself
-- column sign_ins (integer): number of sign-ins
-- column failed (integer): how many of them failed
-- column users (integer): number of distinct users
-- column addresses (integer): number of distinct source addresses
-- column last_seen (datetime): latest sign-in
SELECT
    extended_properties['UserAgent'] AS user_agent,
    count(*) AS sign_ins,
    count(*) FILTER (WHERE operation = 'UserLoginFailed') AS failed,
    count(DISTINCT user_id) AS users,
    count(DISTINCT source_ip) AS addresses,
    max(creation_time) AS last_seen
FROM m365_signins
[[WHERE user_id ILIKE $$user$$]]
GROUP BY 1
ORDER BY sign_ins DESC, user_agent
LIMIT 500
