-- id: password_spray
-- name: Password spray
-- description: Addresses from which the passwords of many users were tried in a short time, with the users who signed in
--   from there since. A few tries per user that stay below the lockout are typical.
-- severity: high
-- tactic: credential-access
-- technique: T1110.003
-- reference: https://learn.microsoft.com/security/operations/incident-response-playbook-password-spray
-- reference: https://learn.microsoft.com/entra/identity-platform/reference-error-codes
-- variable $$users$$ integer default "10": from how many users on
-- variable $$minutes$$ integer default "60": in how many minutes
-- column source_ip (ip): address that tried
-- column users (integer): users whose password was tried
-- column users_at_once (integer): most of them within the minutes
-- column failures (integer): failed sign-ins
-- column first_seen (datetime): earliest failure
-- column last_seen (datetime): latest failure
-- column user_agent: browser or program as it names itself
-- column users_signed_in (integer): users who signed in from there since the first failure
-- column signed_in_user (user): one of those
WITH tries AS (
    SELECT
        creation_time,
        source_ip,
        lower(user_id) AS user_id,
        extended_properties['UserAgent'] AS user_agent
    FROM m365_signins
    WHERE source_ip IS NOT NULL
        AND operation = 'UserLoginFailed'
        AND (
            error_number IN ('50126', '50034', '50053', '50055', '50056', '50057', '50064')
            OR logon_error IN ('InvalidUserNameOrPassword', 'UserAccountNotFound', 'IdsLocked', 'UserDisabled')
        )
),
counted AS (
    SELECT
        *,
        count(DISTINCT user_id) OVER (
            PARTITION BY source_ip ORDER BY creation_time
            RANGE BETWEEN interval '$$minutes$$' minute PRECEDING AND CURRENT ROW
        ) AS users_before
    FROM tries
),
sprays AS (
    SELECT
        source_ip,
        count(DISTINCT user_id) AS users,
        max(users_before) AS users_at_once,
        count(*) AS failures,
        min(creation_time) AS first_seen,
        max(creation_time) AS last_seen,
        min(user_agent) AS user_agent
    FROM counted
    GROUP BY source_ip
    HAVING max(users_before) >= $$users$$
),
sign_ins AS (
    SELECT source_ip AS signed_in_from, creation_time AS signed_in_at, lower(user_id) AS signed_in_user
    FROM m365_signins
    WHERE operation = 'UserLoggedIn'
)
SELECT
    source_ip,
    users,
    users_at_once,
    failures,
    first_seen,
    last_seen,
    user_agent,
    count(DISTINCT signed_in_user) AS users_signed_in,
    min(signed_in_user) AS signed_in_user
FROM sprays
LEFT JOIN sign_ins
    ON signed_in_from = source_ip
    AND signed_in_at >= first_seen
GROUP BY source_ip, users, users_at_once, failures, first_seen, last_seen, user_agent
ORDER BY users_at_once DESC, source_ip
