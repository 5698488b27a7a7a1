-- id: password_spray
-- name: Password spray
-- description: Addresses from which the passwords of many users were tried in a short time, with the users who signed in
--   from there in the same time. A few tries per user that stay below the lockout are typical.
-- severity: high
-- tactic: credential-access
-- technique: T1110.003
-- reference: https://learn.microsoft.com/security/operations/incident-response-playbook-password-spray
-- reference: https://learn.microsoft.com/entra/identity-platform/reference-error-codes
-- variable $$users$$ integer default "10": from how many users on
-- variable $$minutes$$ integer default "60": in how many minutes
-- column window_start (datetime): start of the time window
-- column source_ip (ip): address that tried
-- column users (integer): users whose password was tried
-- column failures (integer): failed sign-ins
-- column failures_per_user (double): tries per user
-- column users_signed_in (integer): users who signed in from there in the same window
-- column signed_in_user (user): one of those
-- column user_agent: browser or program as it names itself
-- column first_seen (datetime): earliest failure
-- column last_seen (datetime): latest failure
WITH sign_ins AS (
    SELECT
        creation_time,
        date_bin(interval '$$minutes$$' minute, creation_time) AS window_start,
        source_ip,
        lower(user_id) AS user_id,
        extended_properties['UserAgent'] AS user_agent,
        operation = 'UserLoggedIn' AS is_success,
        operation = 'UserLoginFailed'
            AND (
                error_number IN ('50126', '50034', '50053', '50055', '50056', '50057', '50064')
                OR logon_error IN ('InvalidUserNameOrPassword', 'UserAccountNotFound', 'IdsLocked', 'UserDisabled')
            ) AS is_try
    FROM m365_signins
    WHERE source_ip IS NOT NULL
)
SELECT
    window_start,
    source_ip,
    count(DISTINCT user_id) FILTER (WHERE is_try) AS users,
    count(*) FILTER (WHERE is_try) AS failures,
    round(count(*) FILTER (WHERE is_try) / CAST(count(DISTINCT user_id) FILTER (WHERE is_try) AS double), 1)
        AS failures_per_user,
    count(DISTINCT user_id) FILTER (WHERE is_success) AS users_signed_in,
    min(user_id) FILTER (WHERE is_success) AS signed_in_user,
    min(user_agent) FILTER (WHERE is_try) AS user_agent,
    min(creation_time) FILTER (WHERE is_try) AS first_seen,
    max(creation_time) FILTER (WHERE is_try) AS last_seen
FROM sign_ins
GROUP BY window_start, source_ip
HAVING count(DISTINCT user_id) FILTER (WHERE is_try) >= $$users$$
ORDER BY window_start DESC, users DESC, source_ip
