-- id: sharing_policy_loosened
-- name: Policies of sharing and access loosened
-- description: Settings of SharePoint and OneDrive, of the organisation or of a site, changed so that more may be
--   shared outside or reached from devices and networks that were kept out; one row for each setting.
-- severity: medium
-- tactic: defense-evasion, exfiltration
-- technique: T1562, T1537
-- reference: https://learn.microsoft.com/sharepoint/turn-external-sharing-on-or-off
-- reference: https://learn.microsoft.com/sharepoint/control-access-from-unmanaged-devices
-- reference: https://attack.mitre.org/techniques/T1562/
-- variable $$user$$ user optional: who did it; `%` stands for any text
-- column creation_time (datetime): when
-- column operation: what was done
-- column user_id (user): who did it
-- column source_ip (ip): address it came from
-- column site (url): site; null where it is about the organisation
-- column setting: what was changed
-- column old_value: value before
-- column new_value: value after
WITH changes AS (
    SELECT
        creation_time,
        operation,
        user_id,
        source_ip,
        CASE WHEN object_id LIKE 'http%' THEN object_id END AS site,
        unnest(map_keys(modified_properties)) AS setting,
        unnest(map_values(modified_properties)) AS change
    FROM m365_audit
    WHERE operation IN (
            'SharingPolicyChanged',
            'DeviceAccessPolicyChanged',
            'NetworkAccessPolicyChanged',
            'WebMembersCanShareModified',
            'WebRequestAccessModified'
        )
        -- What the service does when it makes a site.
        AND lower(user_id) <> 'microsoft\serviceoperator'
        [[AND user_id ILIKE $$user$$]]
),
values_changed AS (
    SELECT
        creation_time,
        operation,
        user_id,
        source_ip,
        site,
        setting,
        change['old_value'] AS old_value,
        change['new_value'] AS new_value
    FROM changes
)
SELECT
    creation_time,
    operation,
    user_id,
    source_ip,
    site,
    setting,
    old_value,
    new_value
FROM values_changed
WHERE lower(new_value) IN (
        'allowfullaccess',
        'externaluserandguestsharing',
        'externalusersharingonly',
        'anyone',
        'anonymousaccess',
        'newandexistingguests'
    )
    OR (
        lower(new_value) IN ('true', 'enabled', 'on', '1', 'yes')
        AND setting ~* '(shar|guest|anonymous|external|anyone|allow)'
        AND setting !~* '(require|prevent|restrict|block|disallow|limit|expir|deny|notify|enforce)'
    )
    OR (
        lower(new_value) IN ('false', 'disabled', 'off', '0', 'no', 'none', '')
        AND setting ~* '(require|prevent|restrict|block|disallow|limit|expir|deny|enforce)'
    )
ORDER BY creation_time DESC, site, setting
