-- id: role_changes
-- name: Changes of directory roles
-- description: Who was given or lost a role in Entra, by whom.
-- column creation_time: when
-- column operation: what was done
-- column actor: who did it
-- column member: who gained or lost the role
-- column role_added: role that was given
-- column role_removed: role that was taken
-- column result_status: outcome
SELECT
    creation_time,
    operation,
    user_id AS actor,
    object_id AS member,
    nullif(modified_properties['Role.DisplayName']['new_value'], '') AS role_added,
    nullif(modified_properties['Role.DisplayName']['old_value'], '') AS role_removed,
    result_status
FROM m365_directory
WHERE operation IN (
    'Add member to role.',
    'Remove member from role.',
    'Add eligible member to role.',
    'Remove eligible member from role.',
    'Add scoped member to role.',
    'Remove scoped member from role.'
)
ORDER BY creation_time DESC
