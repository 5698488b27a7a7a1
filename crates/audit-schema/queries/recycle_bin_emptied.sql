-- id: recycle_bin_emptied
-- name: Recycle bins and versions emptied
-- description: Files and folders that were deleted from the recycle bin of a site (first stage) or of its
--   administrators (second stage), versions of files that were deleted, and sites that were deleted, by user and
--   hour. What is gone from the second stage only Microsoft can bring back, for 14 days.
-- severity: medium
-- tactic: impact, defense-evasion
-- technique: T1490, T1485
-- reference: https://learn.microsoft.com/sharepoint/retention-and-deletion
-- reference: https://learn.microsoft.com/purview/audit-log-activities
-- reference: https://attack.mitre.org/techniques/T1490/
-- variable $$user$$ user optional: who; `%` stands for any text
-- variable $$minimum items$$ integer default "10": only hours with at least so many items; a deleted site is shown in
--   any case
-- column hour (datetime): the hour, UTC
-- column user_id (user): who
-- column source_ip (ip): address it came from
-- column site (url): site
-- column first_stage (integer): items deleted from the recycle bin of the site
-- column second_stage (integer): items deleted for good
-- column versions (integer): records that delete versions of files
-- column sites_deleted (integer): records that delete a site
-- column some_item (url): one of the items
-- column first_seen (datetime): earliest record
-- column last_seen (datetime): latest record
WITH deletions AS (
    SELECT
        date_trunc('hour', creation_time) AS hour,
        creation_time,
        user_id,
        source_ip,
        CASE WHEN operation LIKE 'Site%' THEN object_id ELSE coalesce(nullif(site_url, ''), object_id) END AS site,
        object_id,
        CASE
            WHEN operation LIKE '%FirstStageRecycleBin' THEN 'first stage'
            WHEN operation LIKE '%SecondStageRecycleBin' THEN 'second stage'
            WHEN operation LIKE 'FileVersion%' THEN 'version'
            ELSE 'site'
        END AS kind
    FROM m365_audit
    WHERE operation IN (
            'FileDeletedFirstStageRecycleBin',
            'FileDeletedSecondStageRecycleBin',
            'FolderDeletedFirstStageRecycleBin',
            'FolderDeletedSecondStageRecycleBin',
            'FileVersionsAllDeleted',
            'FileVersionsAllRecycled',
            'FileVersionsAllMinorsRecycled',
            'FileVersionRecycled',
            'SiteDeleted',
            'SitePermanentlyDeleted'
        )
        [[AND user_id ILIKE $$user$$]]
)
SELECT
    hour,
    user_id,
    source_ip,
    site,
    count(*) FILTER (WHERE kind = 'first stage') AS first_stage,
    count(*) FILTER (WHERE kind = 'second stage') AS second_stage,
    count(*) FILTER (WHERE kind = 'version') AS versions,
    count(*) FILTER (WHERE kind = 'site') AS sites_deleted,
    min(object_id) AS some_item,
    min(creation_time) AS first_seen,
    max(creation_time) AS last_seen
FROM deletions
GROUP BY hour, user_id, source_ip, site
HAVING count(*) FILTER (WHERE kind IN ('first stage', 'second stage', 'version')) >= $$minimum items$$
    OR count(*) FILTER (WHERE kind = 'site') > 0
ORDER BY hour DESC, user_id, site
