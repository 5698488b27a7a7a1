-- id: mass_file_deletions
-- name: Mass deletion of files
-- description: Users who deleted many files or folders in SharePoint and OneDrive within a short time, or moved them
--   to the recycle bin. Files come back from the recycle bin for 93 days, unless that is emptied too.
-- severity: medium
-- tactic: impact
-- technique: T1485
-- reference: https://learn.microsoft.com/purview/audit-log-activities
-- reference: https://learn.microsoft.com/sharepoint/retention-and-deletion
-- reference: https://attack.mitre.org/techniques/T1485/
-- variable $$user$$ user optional: who; `%` stands for any text
-- variable $$minimum files$$ integer default "100": from how many distinct files and folders on
-- variable $$minutes$$ integer default "60": in how many minutes
-- column user_id (user): who
-- column source_ip (ip): address it came from
-- column is_internal (boolean): whether that address is of the customer's own networks
-- column files_at_once (integer): most distinct files and folders within the minutes
-- column peak_at (datetime): when that was
-- column files (integer): number of distinct files and folders in all
-- column from_recycle_bin (integer): of the records those that delete from the recycle bin
-- column sites (integer): number of distinct sites
-- column some_site (url): one of the sites
-- column operations: what was done
-- column first_seen (datetime): earliest deletion
-- column last_seen (datetime): latest deletion
WITH deletions AS (
    SELECT
        *,
        count(DISTINCT object_id) OVER (
            PARTITION BY user_id, source_ip ORDER BY creation_time
            RANGE BETWEEN interval '$$minutes$$' minute PRECEDING AND CURRENT ROW
        ) AS files_before
    FROM m365_files
    WHERE operation IN (
            'FileDeleted',
            'FileRecycled',
            'FolderDeleted',
            'FolderRecycled',
            'FileDeletedFirstStageRecycleBin',
            'FileDeletedSecondStageRecycleBin',
            'FolderDeletedFirstStageRecycleBin',
            'FolderDeletedSecondStageRecycleBin'
        )
        [[AND user_id ILIKE $$user$$]]
)
SELECT
    user_id,
    source_ip,
    is_internal_ip(source_ip) AS is_internal,
    max(files_before) AS files_at_once,
    first_value(creation_time ORDER BY files_before DESC, creation_time) AS peak_at,
    count(DISTINCT object_id) AS files,
    count(*) FILTER (WHERE operation LIKE '%StageRecycleBin') AS from_recycle_bin,
    count(DISTINCT site_url) AS sites,
    min(site_url) AS some_site,
    array_to_string(array_sort(array_agg(DISTINCT operation)), ', ') AS operations,
    min(creation_time) AS first_seen,
    max(creation_time) AS last_seen
FROM deletions
GROUP BY user_id, source_ip
HAVING max(files_before) >= $$minimum files$$
ORDER BY files_at_once DESC, user_id, source_ip
