-- id: brute_force_then_success
-- name: Many wrong passwords, then a sign-in
-- description: Users who signed in after many failed tries of their password in a short time. A sign-in from the address
--   that failed before means that the password was guessed; one from elsewhere may be its owner.
-- severity: high
-- tactic: credential-access
-- technique: T1110.001
-- reference: https://learn.microsoft.com/entra/identity-platform/reference-error-codes
-- variable $$failures$$ integer default "10": from how many wrong passwords on
-- variable $$minutes$$ integer default "60": in how many minutes before the sign-in
-- column signed_in_at (datetime): when the user signed in
-- column user_id (user): who
-- column source_ip (ip): address of the sign-in
-- column failures (integer): wrong passwords in the time before it
-- column failures_from_there (integer): how many of them from the same address
-- column last_failed_from (ip): address of the last one
-- column first_failure (datetime): the first one
-- column user_agent: browser or program of the sign-in
WITH sign_ins AS (
    SELECT
        creation_time,
        lower(user_id) AS user_id,
        source_ip,
        extended_properties['UserAgent'] AS user_agent,
        operation = 'UserLoggedIn' AS is_success,
        CASE
            WHEN operation = 'UserLoginFailed'
                AND (
                    error_number IN ('50126', '50053', '50056')
                    OR logon_error IN ('InvalidUserNameOrPassword', 'IdsLocked')
                )
            THEN 1 ELSE 0
        END AS is_failure
    FROM m365_signins
),
counted AS (
    SELECT
        *,
        sum(is_failure) OVER recent AS failures,
        min(CASE WHEN is_failure = 1 THEN creation_time END) OVER recent AS first_failure,
        sum(is_failure) OVER (
            PARTITION BY user_id, source_ip ORDER BY creation_time
            RANGE BETWEEN interval '$$minutes$$' minute PRECEDING AND CURRENT ROW
        ) AS failures_from_there,
        lag(source_ip) OVER (PARTITION BY user_id ORDER BY creation_time) AS last_failed_from,
        lag(is_failure) OVER (PARTITION BY user_id ORDER BY creation_time) AS is_after_failure
    FROM sign_ins
    WINDOW recent AS (
        PARTITION BY user_id ORDER BY creation_time
        RANGE BETWEEN interval '$$minutes$$' minute PRECEDING AND CURRENT ROW
    )
)
SELECT
    creation_time AS signed_in_at,
    user_id,
    source_ip,
    failures,
    failures_from_there,
    last_failed_from,
    first_failure,
    user_agent
FROM counted
WHERE is_success
    AND is_after_failure = 1
    AND failures >= $$failures$$
ORDER BY signed_in_at DESC, user_id
