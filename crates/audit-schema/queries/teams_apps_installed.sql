-- id: teams_apps_installed
-- name: Apps added to Teams
-- description: Apps, bots and connectors that were installed or added in Teams, and apps published to or updated in
--   the organisation's catalogue. An app may read chats and files; one published by the organisation itself passed no
--   review of the store.
-- severity: low
-- tactic: persistence
-- technique: T1671
-- reference: https://learn.microsoft.com/purview/audit-teams-audit-log-events
-- reference: https://learn.microsoft.com/microsoftteams/manage-apps
-- reference: https://attack.mitre.org/techniques/T1671/
-- variable $$user$$ user optional: who; `%` stands for any text
-- variable $$app$$ string optional: app, a part of its name
-- column creation_time (datetime): when
-- column operation: what was done
-- column user_id (user): who did it
-- column source_ip (ip): address it came from
-- column app: name of the app
-- column app_id: id of the app
-- column kind: bot, connector, tab or app
-- column distribution: Store, Organization and so on, where it is recorded
-- column team_name: team
-- column channel_name: channel
WITH additions AS (
    SELECT
        creation_time,
        operation,
        user_id,
        source_ip,
        coalesce(add_on_name, extra->>'AppDisplayName', item_name) AS app,
        coalesce(extra->>'AddOnGuid', extra->>'AddonGuid', extra->>'AppId', app_id, object_id) AS app_id,
        CASE coalesce(extra->>'AddOnType', extra->>'AddonType')
            WHEN '1' THEN 'bot'
            WHEN '2' THEN 'connector'
            WHEN '3' THEN 'tab'
            ELSE CASE
                WHEN operation LIKE 'Bot%' THEN 'bot'
                WHEN operation LIKE 'Connector%' THEN 'connector'
                WHEN operation LIKE 'Tab%' THEN 'tab'
                ELSE 'app'
            END
        END AS kind,
        coalesce(extra->>'AppDistributionMode', extra->>'DistributionMethod') AS distribution,
        team_name,
        channel_name
    FROM m365_audit
    WHERE record_type IN (25, 26, 57)
        AND operation IN (
            'AppInstalled',
            'AppPublishedToCatalog',
            'AppUpdatedInCatalog',
            'AppUpgraded',
            'BotAddedToTeam',
            'ConnectorAdded',
            'ConnectorUpdated'
        )
)
SELECT
    creation_time,
    operation,
    user_id,
    source_ip,
    app,
    app_id,
    kind,
    distribution,
    team_name,
    channel_name
FROM additions
WHERE (app_id IS NOT NULL OR app IS NOT NULL)
    [[AND user_id ILIKE $$user$$]]
    [[AND app ILIKE '%$$app$$%']]
ORDER BY creation_time DESC, app
