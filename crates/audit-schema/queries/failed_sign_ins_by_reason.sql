-- id: failed_sign_ins_by_reason
-- name: Failed sign-ins by reason
-- description: Why sign-ins failed. Interrupts (a second factor or consent is asked for) are recorded as failures too and
--   mostly end in a sign-in; wrong passwords and blocks do not.
-- reference: https://learn.microsoft.com/entra/identity-platform/reference-error-codes
-- variable $$user$$ user optional: whose sign-ins; `%` stands for any text
-- column error_number: AADSTS code
-- column logon_error: cause, a word
-- column kind: credentials, account, policy, second factor, consent, interrupt or other
-- column failures (integer): number of failed sign-ins
-- column users (integer): number of distinct users
-- column addresses (integer): number of distinct source addresses
-- column first_seen (datetime): earliest failure
-- column last_seen (datetime): latest failure
SELECT
    error_number,
    logon_error,
    CASE
        WHEN error_number IN ('50126', '50055', '50056', '50034', '50144', '80002', '80012', '81016')
            OR logon_error IN ('InvalidUserNameOrPassword', 'InvalidPasswordExpiredPassword', 'UserAccountNotFound')
            THEN 'credentials'
        WHEN error_number IN ('50053', '50057', '50105', '50064', '51004')
            OR logon_error IN ('IdsLocked', 'UserDisabled', 'EntitlementGrantsNotFound', 'UserAccountNotInDirectory')
            THEN 'account'
        WHEN error_number IN ('53000', '53001', '53002', '53003', '53004', '53011', '50131', '530031', '530032')
            OR logon_error IN ('BlockedByConditionalAccess', 'DeviceNotCompliant', 'DeviceNotDomainJoined')
            THEN 'policy'
        WHEN error_number IN ('50072', '50074', '50076', '50079', '500121', '50158')
            OR logon_error IN (
                'UserStrongAuthClientAuthNRequired', 'UserStrongAuthClientAuthNRequiredInterrupt',
                'UserStrongAuthEnrollmentRequired', 'UserStrongAuthEnrollmentRequiredInterrupt',
                'AuthenticationFailedSasError'
            )
            THEN 'second factor'
        WHEN error_number IN ('65001', '65004', '65005', '90094', '90095')
            OR logon_error IN ('DelegationDoesNotExist', 'UserDeclinedConsent')
            THEN 'consent'
        WHEN error_number IN ('16000', '16001', '50058', '50097', '50125', '50127', '50129', '50140', '50203')
            OR logon_error IN ('UserInformationNotProvided', 'KmsiInterrupt', 'DeviceAuthenticationRequired')
            THEN 'interrupt'
        ELSE 'other'
    END AS kind,
    count(*) AS failures,
    count(DISTINCT user_id) AS users,
    count(DISTINCT source_ip) AS addresses,
    min(creation_time) AS first_seen,
    max(creation_time) AS last_seen
FROM m365_signins
WHERE operation = 'UserLoginFailed'
    [[AND user_id ILIKE $$user$$]]
GROUP BY error_number, logon_error
ORDER BY failures DESC, error_number, logon_error
