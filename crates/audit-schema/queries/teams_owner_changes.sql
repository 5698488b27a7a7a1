-- id: teams_owner_changes
-- name: Roles in teams changed
-- description: Members of teams and channels whose role was changed, such as from member to owner; one row for each
--   of them. An owner adds members and guests and reads what he likes.
-- severity: low
-- tactic: persistence, privilege-escalation
-- technique: T1098
-- reference: https://learn.microsoft.com/purview/audit-teams-audit-log-events
-- reference: https://attack.mitre.org/techniques/T1098/
-- variable $$user$$ user optional: who changed it, or whose role; `%` stands for any text
-- column creation_time (datetime): when
-- column user_id (user): who changed it
-- column source_ip (ip): address it came from
-- column member (user): whose role
-- column role: new role, by Microsoft's numbers: member, owner or guest
-- column is_outside (boolean): whether the member is from outside the customer's own domains
-- column to_self (boolean): whether somebody changed his own role
-- column team_name: team
-- column channel_name: channel
WITH changes AS (
    SELECT
        creation_time,
        user_id,
        source_ip,
        team_name,
        channel_name,
        unnest(json_get_array(members)) AS person
    FROM m365_teams
    WHERE operation = 'MemberRoleChanged'
)
SELECT
    creation_time,
    user_id,
    source_ip,
    person->>'UPN' AS member,
    CASE person->>'Role' WHEN '0' THEN 'member' WHEN '1' THEN 'owner' WHEN '2' THEN 'guest' ELSE person->>'Role' END
        AS role,
    NOT is_internal_domain(person->>'UPN') AS is_outside,
    coalesce(lower(person->>'UPN') = lower(user_id), false) AS to_self,
    team_name,
    channel_name
FROM changes
[[WHERE user_id ILIKE $$user$$ OR person->>'UPN' ILIKE $$user$$]]
ORDER BY creation_time DESC, team_name, member
