-- id: global_administrator_granted
-- name: Global Administrator granted
-- description: Accounts that were made Global Administrator, at once or as eligible. Nobody can do more in a tenant.
-- severity: high
-- tactic: persistence, privilege-escalation
-- technique: T1098.003
-- reference: https://learn.microsoft.com/entra/identity/role-based-access-control/permissions-reference#global-administrator
-- reference: https://learn.microsoft.com/entra/architecture/security-operations-privileged-accounts
-- column creation_time (datetime): when
-- column operation: what was done
-- column actor (user): who did it
-- column source_ip (ip): address it came from
-- column member (user): who was given the role
-- column is_own (boolean): whether somebody gave it to themselves
-- column result_status: outcome
SELECT
    creation_time,
    operation,
    user_id AS actor,
    source_ip,
    object_id AS member,
    lower(user_id) = lower(object_id) AS is_own,
    result_status
FROM m365_directory
WHERE operation ILIKE 'Add %member to role%'
    AND (
        -- Company Administrator is what it was called before.
        btrim(modified_properties['Role.DisplayName']['new_value'], '"')
            IN ('Global Administrator', 'Company Administrator')
        OR modified_properties['Role.WellKnownObjectName']['new_value'] = 'TenantAdmins'
        OR lower(modified_properties['Role.TemplateId']['new_value']) = '62e90394-69f5-4237-9190-012177145e10'
        OR target ILIKE '%"Global Administrator"%'
        OR target ILIKE '%62e90394-69f5-4237-9190-012177145e10%'
    )
ORDER BY creation_time DESC, member
