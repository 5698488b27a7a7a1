-- id: mfa_denied
-- name: Second factor denied again and again
-- description: Users who denied, failed or did not answer a request for their second factor several times in a short time
--   (AADSTS500121). Their password is known to somebody. A sign-in that follows means that they gave in.
-- severity: high
-- tactic: credential-access
-- technique: T1621
-- reference: https://learn.microsoft.com/entra/identity-platform/reference-error-codes
-- reference: https://learn.microsoft.com/entra/identity/authentication/how-to-mfa-number-match
-- variable $$denials$$ integer default "3": from how many denials on
-- variable $$minutes$$ integer default "60": in how many minutes
-- column user_id (user): who
-- column denials (integer): number of denials
-- column denials_at_once (integer): most of them within the minutes
-- column addresses (integer): number of distinct addresses that asked
-- column source_ip (ip): one of them
-- column first_denial (datetime): earliest denial
-- column last_denial (datetime): latest denial
-- column signed_in_at (datetime): first sign-in after a denial, at most the minutes after the last one
WITH counted AS (
    SELECT
        creation_time,
        lower(user_id) AS user_id,
        source_ip,
        count(*) OVER (
            PARTITION BY lower(user_id) ORDER BY creation_time
            RANGE BETWEEN interval '$$minutes$$' minute PRECEDING AND CURRENT ROW
        ) AS denials_before
    FROM m365_signins
    WHERE operation = 'UserLoginFailed'
        AND (error_number = '500121' OR logon_error = 'AuthenticationFailedSasError')
),
denied AS (
    SELECT
        user_id,
        count(*) AS denials,
        max(denials_before) AS denials_at_once,
        count(DISTINCT source_ip) AS addresses,
        min(source_ip) AS source_ip,
        min(creation_time) AS first_denial,
        max(creation_time) AS last_denial
    FROM counted
    GROUP BY user_id
    HAVING max(denials_before) >= $$denials$$
),
sign_ins AS (
    SELECT lower(user_id) AS signed_in_user, creation_time AS signed_in_at
    FROM m365_signins
    WHERE operation = 'UserLoggedIn'
)
SELECT
    user_id,
    denials,
    denials_at_once,
    addresses,
    source_ip,
    first_denial,
    last_denial,
    min(signed_in_at) AS signed_in_at
FROM denied
LEFT JOIN sign_ins
    ON signed_in_user = user_id
    AND signed_in_at > first_denial
    AND signed_in_at <= last_denial + interval '$$minutes$$' minute
GROUP BY user_id, denials, denials_at_once, addresses, source_ip, first_denial, last_denial
ORDER BY denials_at_once DESC, user_id
