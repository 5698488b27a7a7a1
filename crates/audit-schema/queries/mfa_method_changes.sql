-- id: mfa_method_changes
-- name: Changes of second factors
-- description: Authentication methods that users or others registered, changed or deleted, and second factors that were
--   switched on or off for a user. A new method soon after a suspicious sign-in belongs to the intruder.
-- severity: medium
-- tactic: persistence, credential-access, defense-evasion
-- technique: T1556.006, T1098.005
-- reference: https://learn.microsoft.com/entra/identity/authentication/howto-mfa-reporting
-- reference: https://learn.microsoft.com/entra/architecture/security-operations-user-accounts
-- variable $$user$$ user optional: whose second factor; `%` stands for any text
-- column creation_time (datetime): when
-- column operation: what was done
-- column user_id (user): who did it
-- column source_ip (ip): address it came from
-- column account (user): whose second factor it is
-- column by_other (boolean): whether somebody else did it
-- column property: properties that changed
-- column new_value: after the change
-- column old_value: before it
-- column result_status: outcome
WITH changes AS (
    SELECT
        creation_time,
        operation,
        user_id,
        source_ip,
        object_id AS account,
        modified_properties['Included Updated Properties']['new_value'] AS property,
        coalesce(
            modified_properties['StrongAuthenticationMethod'],
            modified_properties['StrongAuthenticationPhoneAppDetail'],
            modified_properties['StrongAuthenticationUserDetails'],
            modified_properties['StrongAuthenticationRequirement'],
            modified_properties['SearchableDeviceKey']
        ) AS change,
        result_status
    FROM m365_directory
    [[WHERE object_id ILIKE $$user$$]]
)
SELECT
    creation_time,
    operation,
    user_id,
    source_ip,
    account,
    lower(user_id) <> lower(account) AS by_other,
    property,
    change['new_value'] AS new_value,
    change['old_value'] AS old_value,
    result_status
FROM changes
WHERE change IS NOT NULL
    OR operation ILIKE '%able Strong Authentication%'
    OR operation ILIKE '%security info%'
    OR (operation ILIKE '%authentication method%' AND operation NOT ILIKE '%policy%')
ORDER BY creation_time DESC, account
