-- id: role_changes
-- name: Changes of directory roles
-- description: Who was given or lost a role in Entra, by whom: for good, for a time, as eligible, or within an
--   administrative unit.
-- severity: medium
-- tactic: persistence, privilege-escalation
-- technique: T1098.003
-- reference: https://learn.microsoft.com/entra/architecture/security-operations-privileged-accounts
-- variable $$role$$ string optional: only roles like this; `%` stands for any text
-- column creation_time (datetime): when
-- column operation: what was done
-- column actor (user): who did it
-- column source_ip (ip): address it came from
-- column member (user): who gained or lost the role
-- column role_added: role that was given
-- column role_removed: role that was taken
-- column result_status: outcome
WITH changes AS (
    SELECT
        creation_time,
        operation,
        user_id AS actor,
        source_ip,
        object_id AS member,
        nullif(btrim(modified_properties['Role.DisplayName']['new_value'], '"'), '') AS role_added,
        nullif(btrim(modified_properties['Role.DisplayName']['old_value'], '"'), '') AS role_removed,
        result_status
    FROM m365_directory
    WHERE operation ILIKE '%member to role%'
        OR operation ILIKE '%member from role%'
)
SELECT *
FROM changes
[[WHERE coalesce(role_added, role_removed) ILIKE $$role$$]]
ORDER BY creation_time DESC, member
