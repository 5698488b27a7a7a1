-- id: privileged_group_changes
-- name: Members and owners of privileged groups
-- description: Who was put into or taken out of groups whose name speaks of administration, as member or owner. Name the
--   groups that carry rights in your organisation.
-- severity: medium
-- tactic: persistence, privilege-escalation
-- technique: T1098.007
-- reference: https://learn.microsoft.com/entra/identity/role-based-access-control/groups-concept
-- variable $$group$$ string default "%admin%": name of the group; `%` stands for any text
-- column creation_time (datetime): when
-- column operation: what was done
-- column actor (user): who did it
-- column source_ip (ip): address it came from
-- column member (user): who was added or removed
-- column group_name: name of the group
-- column group_id (guid): group
-- column result_status: outcome
WITH changes AS (
    SELECT
        creation_time,
        operation,
        user_id AS actor,
        source_ip,
        object_id AS member,
        coalesce(
            nullif(modified_properties['Group.DisplayName']['new_value'], ''),
            modified_properties['Group.DisplayName']['old_value']
        ) AS group_name,
        coalesce(
            nullif(modified_properties['Group.ObjectID']['new_value'], ''),
            modified_properties['Group.ObjectID']['old_value']
        ) AS group_id,
        result_status
    FROM m365_directory
    WHERE operation ILIKE '%member to group%'
        OR operation ILIKE '%member from group%'
        OR operation ILIKE '%owner to group%'
        OR operation ILIKE '%owner from group%'
)
SELECT *
FROM changes
WHERE group_name ILIKE $$group$$
ORDER BY creation_time DESC, member
