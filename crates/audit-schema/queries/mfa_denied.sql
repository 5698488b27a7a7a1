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
-- column window_start (datetime): start of the time window
-- column user_id (user): who
-- column denials (integer): number of denials
-- column addresses (integer): number of distinct addresses that asked
-- column source_ip (ip): one of them
-- column first_denial (datetime): earliest denial
-- column last_denial (datetime): latest denial
-- column signed_in_at (datetime): first sign-in after a denial, within the same number of minutes after the last one
WITH denied AS (
    SELECT
        date_bin(interval '$$minutes$$' minute, creation_time) AS window_start,
        lower(user_id) AS user_id,
        count(*) AS denials,
        count(DISTINCT source_ip) AS addresses,
        min(source_ip) AS source_ip,
        min(creation_time) AS first_denial,
        max(creation_time) AS last_denial
    FROM m365_signins
    WHERE operation = 'UserLoginFailed'
        AND (error_number = '500121' OR logon_error = 'AuthenticationFailedSasError')
    GROUP BY 1, 2
    HAVING count(*) >= $$denials$$
),
sign_ins AS (
    SELECT lower(user_id) AS signed_in_user, creation_time AS signed_in_at
    FROM m365_signins
    WHERE operation = 'UserLoggedIn'
)
SELECT
    window_start,
    user_id,
    denials,
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
GROUP BY window_start, user_id, denials, addresses, source_ip, first_denial, last_denial
ORDER BY window_start DESC, denials DESC, user_id
