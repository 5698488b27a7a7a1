-- id: teams_mass_deletion
-- name: Mass deletion in Teams
-- description: Users who deleted several teams or channels, or many messages, within a short time. A deleted team can
--   be restored for 30 days.
-- severity: medium
-- tactic: impact, defense-evasion
-- technique: T1485, T1070
-- reference: https://learn.microsoft.com/purview/audit-teams-audit-log-events
-- reference: https://learn.microsoft.com/microsoftteams/archive-or-delete-a-team
-- reference: https://attack.mitre.org/techniques/T1485/
-- variable $$user$$ user optional: who; `%` stands for any text
-- variable $$minimum teams$$ integer default "2": from how many deleted teams on
-- variable $$minimum channels$$ integer default "5": or from how many deleted channels on
-- variable $$minimum messages$$ integer default "50": or from how many deleted messages on
-- variable $$minutes$$ integer default "60": in how many minutes
-- column user_id (user): who
-- column source_ip (ip): address it came from
-- column teams (integer): number of deleted teams in all
-- column channels (integer): number of deleted channels in all
-- column messages (integer): number of deleted messages in all
-- column names: teams and channels that were deleted
-- column first_seen (datetime): earliest deletion
-- column last_seen (datetime): latest deletion
WITH deletions AS (
    SELECT
        creation_time,
        user_id,
        source_ip,
        operation,
        CASE
            WHEN operation = 'TeamDeleted' THEN coalesce(team_name, item_name)
            WHEN operation = 'ChannelDeleted' THEN concat_ws(' / ', team_name, channel_name)
        END AS deleted
    FROM m365_teams
    WHERE operation IN ('TeamDeleted', 'ChannelDeleted', 'MessageDeleted', 'ChatDeleted')
        [[AND user_id ILIKE $$user$$]]
),
counted AS (
    SELECT
        *,
        count(CASE WHEN operation = 'TeamDeleted' THEN 1 END) OVER (
            PARTITION BY user_id ORDER BY creation_time
            RANGE BETWEEN interval '$$minutes$$' minute PRECEDING AND CURRENT ROW
        ) AS teams_before,
        count(CASE WHEN operation = 'ChannelDeleted' THEN 1 END) OVER (
            PARTITION BY user_id ORDER BY creation_time
            RANGE BETWEEN interval '$$minutes$$' minute PRECEDING AND CURRENT ROW
        ) AS channels_before,
        count(CASE WHEN operation IN ('MessageDeleted', 'ChatDeleted') THEN 1 END) OVER (
            PARTITION BY user_id ORDER BY creation_time
            RANGE BETWEEN interval '$$minutes$$' minute PRECEDING AND CURRENT ROW
        ) AS messages_before
    FROM deletions
)
SELECT
    user_id,
    max(source_ip) AS source_ip,
    count(*) FILTER (WHERE operation = 'TeamDeleted') AS teams,
    count(*) FILTER (WHERE operation = 'ChannelDeleted') AS channels,
    count(*) FILTER (WHERE operation IN ('MessageDeleted', 'ChatDeleted')) AS messages,
    string_agg(DISTINCT deleted, ', ' ORDER BY deleted) AS names,
    min(creation_time) AS first_seen,
    max(creation_time) AS last_seen
FROM counted
GROUP BY user_id
HAVING max(teams_before) >= $$minimum teams$$
    OR max(channels_before) >= $$minimum channels$$
    OR max(messages_before) >= $$minimum messages$$
ORDER BY last_seen DESC, user_id
