-- id: teams_outside_access_settings
-- name: Outside access of Teams changed
-- description: Settings of Teams about guests, people of other organisations, anonymous participants and apps from
--   outside the store that were changed, in the admin centre (TeamsTenantSettingChanged) or by cmdlet. `opens` tells
--   where something that was off is on now.
-- severity: medium
-- tactic: defense-evasion, persistence
-- technique: T1562, T1098
-- reference: https://learn.microsoft.com/microsoftteams/trusted-organizations-external-meetings-chat
-- reference: https://learn.microsoft.com/purview/audit-teams-audit-log-events
-- reference: https://attack.mitre.org/techniques/T1562/
-- variable $$user$$ user optional: who; `%` stands for any text
-- column creation_time (datetime): when
-- column operation: TeamsTenantSettingChanged, TeamSettingChanged or cmdlet
-- column user_id (user): who did it
-- column source_ip (ip): address it came from
-- column setting: what was changed; of a cmdlet what it was told
-- column old_value: value before
-- column new_value: value after
-- column opens (boolean): whether it is on now
-- column team_name: team, where it is about one
WITH settings AS (
    SELECT
        creation_time,
        operation,
        user_id,
        source_ip,
        -- A cmdlet has a list of names and values, or one command line.
        coalesce(nullif(name, ''), raw->>'Parameters') AS setting,
        old_value,
        new_value,
        team_name
    FROM m365_audit
    WHERE operation IN (
            'TeamsTenantSettingChanged',
            'TeamSettingChanged',
            'Set-CsTenantFederationConfiguration',
            'New-CsExternalAccessPolicy',
            'Set-CsExternalAccessPolicy',
            'Grant-CsExternalAccessPolicy',
            'Set-CsTeamsClientConfiguration',
            'Set-CsTeamsGuestMessagingConfiguration',
            'Set-CsTeamsGuestMeetingConfiguration',
            'Set-CsTeamsGuestCallingConfiguration',
            'Set-CsTeamsMeetingConfiguration',
            'Set-CsTeamsMeetingPolicy',
            'New-CsTeamsMeetingPolicy',
            'Set-CsTeamsAppPermissionPolicy',
            'New-CsTeamsAppPermissionPolicy',
            'Set-CsTeamsAppSetupPolicy',
            'New-CsTeamsAppSetupPolicy'
        )
)
SELECT
    creation_time,
    operation,
    user_id,
    source_ip,
    setting,
    old_value,
    new_value,
    coalesce(
        lower(new_value) IN ('true', 'on', 'enabled', 'allow', 'allowed', '1')
            OR (new_value IS NULL AND setting ~* '(allow|enable)[a-z]*"?[^a-z]*(value)?[^a-z]*\$?true'),
        false
    ) AS opens,
    team_name
FROM settings
WHERE setting ~* concat(
        'guest|external|federat|anonymous|unmanaged|consumer|public ?user|trial|allowed ?domain|interop',
        '|sideload|custom app|allowedapps|globalcatalogapps|privatecatalogapps|defaultcatalogapps'
    )
    [[AND user_id ILIKE $$user$$]]
ORDER BY creation_time DESC, operation, setting
