-- id: application_owners
-- name: New owners of applications
-- description: Accounts that were made owner of an application or service principal. An owner can add credentials to it and
--   so use its permissions.
-- severity: medium
-- tactic: persistence, privilege-escalation
-- technique: T1098
-- reference: https://learn.microsoft.com/entra/identity/enterprise-apps/overview-assign-app-owners
-- column creation_time (datetime): when
-- column operation: what was done
-- column user_id (user): who did it
-- column source_ip (ip): address it came from
-- column owner (user): new owner
-- column is_own (boolean): whether somebody made themselves owner
-- column application: name of the application
-- column application_id (guid): application
-- column result_status: outcome
SELECT
    creation_time,
    operation,
    user_id,
    source_ip,
    object_id AS owner,
    lower(object_id) = lower(user_id) AS is_own,
    coalesce(
        modified_properties['Application.DisplayName']['new_value'],
        modified_properties['ServicePrincipal.DisplayName']['new_value']
    ) AS application,
    coalesce(
        modified_properties['Application.AppId']['new_value'],
        modified_properties['ServicePrincipal.AppId']['new_value']
    ) AS application_id,
    result_status
FROM m365_directory
WHERE operation ILIKE 'Add owner to application%'
    OR operation ILIKE 'Add owner to service principal%'
ORDER BY creation_time DESC, owner
