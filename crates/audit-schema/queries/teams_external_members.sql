-- id: teams_external_members
-- name: People from outside added to teams and chats
-- description: Guests and people of other organisations who were added to a team, a channel or a chat; one row for
--   each of them. They see what was written before, too.
-- severity: low
-- tactic: persistence, collection
-- technique: T1098, T1213.005
-- reference: https://learn.microsoft.com/purview/audit-teams-audit-log-events
-- reference: https://learn.microsoft.com/microsoftteams/communicate-with-users-from-other-organizations
-- reference: https://attack.mitre.org/techniques/T1213/005/
-- variable $$user$$ user optional: who added, or who was added; `%` stands for any text
-- variable $$outside domain$$ domain optional: only people of this domain
-- column creation_time (datetime): when
-- column operation: what was done
-- column user_id (user): who added
-- column source_ip (ip): address it came from
-- column member (user): who was added
-- column home_domain (domain): domain that the member comes from
-- column role: member, owner or guest, by Microsoft's numbers
-- column team_name: team
-- column channel_name: channel
-- column chat_thread_id: chat
WITH additions AS (
    SELECT
        creation_time,
        operation,
        user_id,
        source_ip,
        team_name,
        channel_name,
        chat_thread_id,
        unnest(json_get_array(members)) AS person
    FROM m365_teams
    WHERE operation IN ('MemberAdded', 'ChatCreated', 'TeamCreated', 'InviteSent')
),
people AS (
    SELECT
        creation_time,
        operation,
        user_id,
        source_ip,
        team_name,
        channel_name,
        chat_thread_id,
        coalesce(person->>'UPN', person->>'DisplayName') AS member,
        person->>'Role' AS role
    FROM additions
)
SELECT
    creation_time,
    operation,
    user_id,
    source_ip,
    member,
    domain_of(member) AS home_domain,
    CASE role WHEN '0' THEN 'member' WHEN '1' THEN 'owner' WHEN '2' THEN 'guest' ELSE role END AS role,
    team_name,
    channel_name,
    chat_thread_id
FROM people
WHERE domain_of(member) IS NOT NULL
    AND NOT is_internal_domain(member)
    -- Who belongs to the same organisation as the one who added is not from outside.
    AND (domain_of(member) IS DISTINCT FROM domain_of(user_id))
    [[AND (user_id ILIKE $$user$$ OR member ILIKE $$user$$)]]
    [[AND domain_of(member) = lower($$outside domain$$)]]
ORDER BY creation_time DESC, team_name, member
