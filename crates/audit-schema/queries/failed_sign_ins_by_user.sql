-- id: failed_sign_ins_by_user
-- name: Failed sign-ins by user
-- description: Failed sign-ins by user and cause. Interrupted sign-ins (a second factor asked for) are among them:
--   error_number tells.
-- reference: https://learn.microsoft.com/entra/identity-platform/reference-error-codes
-- variable $$user$$ user optional: whose sign-ins; `%` stands for any text
-- column user_id (user): who
-- column logon_error: cause, a word
-- column error_number: AADSTS code
-- column failures (integer): number of failed sign-ins
-- column addresses (integer): number of distinct source addresses
-- column first_seen (datetime): earliest failure
-- column last_seen (datetime): latest failure
SELECT
    user_id,
    logon_error,
    error_number,
    count(*) AS failures,
    count(DISTINCT source_ip) AS addresses,
    min(creation_time) AS first_seen,
    max(creation_time) AS last_seen
FROM m365_signins
WHERE operation = 'UserLoginFailed'
    [[AND user_id ILIKE $$user$$]]
GROUP BY user_id, logon_error, error_number
ORDER BY failures DESC, user_id, error_number
LIMIT 500
