-- id: teams_chats_from_outside
-- name: Chats begun from outside
-- description: Chats in Teams that somebody of another organisation began with people of this one. Intruders pose as
--   the help desk so; a display name such as “Help Desk” in a tenant with a name of its own (`…onmicrosoft.com`) is
--   the usual sign.
-- severity: medium
-- tactic: initial-access
-- technique: T1566.003
-- reference: https://learn.microsoft.com/purview/audit-teams-audit-log-events
-- reference: https://learn.microsoft.com/microsoftteams/trusted-organizations-external-meetings-chat
-- reference: https://attack.mitre.org/techniques/T1566/003/
-- variable $$user$$ user optional: who began the chat, or with whom; `%` stands for any text
-- column creation_time (datetime): when
-- column user_id (user): who began the chat
-- column home_domain (domain): domain that it came from
-- column display_name: how that person calls himself
-- column source_ip (ip): address it came from
-- column kind: OneOnOne, GroupChat and so on
-- column members: who is in the chat
-- column chat_thread_id: chat
WITH chats AS (
    SELECT
        id,
        creation_time,
        user_id,
        source_ip,
        communication_type,
        chat_thread_id,
        unnest(json_get_array(members)) AS person
    FROM m365_audit
    WHERE record_type = 25
        AND operation = 'ChatCreated'
        AND NOT is_internal_domain(user_id)
        -- An account of the tenant that hosts the chat is none from outside.
        AND coalesce(participant_info->>'HasForeignTenantUsers', 'true') = 'true'
        AND coalesce(resource_tenant_id, '') <> organization_id
)
SELECT
    creation_time,
    user_id,
    domain_of(user_id) AS home_domain,
    max(person->>'DisplayName') FILTER (WHERE lower(person->>'UPN') = lower(user_id)) AS display_name,
    source_ip,
    communication_type AS kind,
    string_agg(DISTINCT person->>'UPN', ', ' ORDER BY person->>'UPN') AS members,
    chat_thread_id
FROM chats
GROUP BY id, creation_time, user_id, source_ip, communication_type, chat_thread_id
[[HAVING user_id ILIKE $$user$$ OR bool_or(person->>'UPN' ILIKE $$user$$)]]
ORDER BY creation_time DESC, user_id
