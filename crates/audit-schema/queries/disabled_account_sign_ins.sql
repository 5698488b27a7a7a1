-- id: disabled_account_sign_ins
-- name: Sign-ins to disabled accounts
-- description: Who tried to sign in to an account that is disabled (AADSTS50057), and from where. Those of a person who has
--   left, or of an account that was locked in an incident, tell that somebody still has the password.
-- severity: low
-- tactic: initial-access
-- technique: T1078.004
-- reference: https://learn.microsoft.com/entra/identity-platform/reference-error-codes
-- variable $$user$$ user optional: whose sign-ins; `%` stands for any text
-- column user_id (user): disabled account
-- column source_ip (ip): address it came from
-- column is_internal (boolean): whether it is in the organisation's networks
-- column tries (integer): number of tries
-- column user_agent: browser or program as it names itself
-- column first_seen (datetime): earliest try
-- column last_seen (datetime): latest try
SELECT
    user_id,
    source_ip,
    is_internal_ip(source_ip) AS is_internal,
    count(*) AS tries,
    min(extended_properties['UserAgent']) AS user_agent,
    min(creation_time) AS first_seen,
    max(creation_time) AS last_seen
FROM m365_signins
WHERE operation = 'UserLoginFailed'
    AND (error_number = '50057' OR logon_error = 'UserDisabled')
    [[AND user_id ILIKE $$user$$]]
GROUP BY user_id, source_ip
ORDER BY last_seen DESC, user_id, source_ip
