-- id: mass_file_renames
-- name: Mass renaming or overwriting of files
-- description: Users who renamed, or uploaded anew, many distinct files within a short time. Ransomware that has an
--   extension of its own for each victim shows here, with one extension in `new_extensions` for files of all kinds.
--   Moving a library with a sync client looks alike.
-- severity: medium
-- tactic: impact
-- technique: T1486, T1565.001
-- reference: https://learn.microsoft.com/sharepoint/restore-files
-- reference: https://attack.mitre.org/techniques/T1486/
-- variable $$user$$ user optional: who; `%` stands for any text
-- variable $$minimum renames$$ integer default "100": from how many renamed files on
-- variable $$minimum uploads$$ integer default "500": or from how many uploaded or overwritten files on
-- variable $$minutes$$ integer default "60": in how many minutes
-- column user_id (user): who
-- column source_ip (ip): address it came from
-- column is_internal (boolean): whether that address is of the customer's own networks
-- column renames_at_once (integer): most distinct files renamed within the minutes
-- column uploads_at_once (integer): most distinct files uploaded or overwritten within the minutes
-- column renames (integer): number of distinct files renamed in all
-- column uploads (integer): number of distinct files uploaded or overwritten in all
-- column sites (integer): number of distinct sites
-- column old_extensions (integer): number of distinct extensions before renaming
-- column new_extensions: extensions after renaming
-- column agents: programs, as they name themselves
-- column first_seen (datetime): earliest record
-- column last_seen (datetime): latest record
WITH files AS (
    SELECT
        creation_time,
        user_id,
        source_ip,
        operation = 'FileRenamed' AS is_rename,
        object_id,
        site_url,
        user_agent,
        CASE WHEN operation = 'FileRenamed' THEN lower(source_file_extension) END AS old_extension,
        CASE
            WHEN operation = 'FileRenamed'
                THEN lower(coalesce(
                    nullif(destination_file_extension, ''),
                    regexp_replace(destination_file_name, '^.*\.', '')
                ))
        END AS new_extension
    FROM m365_audit
    WHERE operation IN (
            'FileRenamed',
            'FileUploaded',
            'FileModified',
            'FileModifiedExtended',
            'FileSyncUploadedFull',
            'FileSyncUploadedPartial'
        )
        AND record_type IN (6, 7)
        [[AND user_id ILIKE $$user$$]]
),
counted AS (
    SELECT
        *,
        count(DISTINCT CASE WHEN is_rename THEN object_id END) OVER (
            PARTITION BY user_id, source_ip ORDER BY creation_time
            RANGE BETWEEN interval '$$minutes$$' minute PRECEDING AND CURRENT ROW
        ) AS renames_before,
        count(DISTINCT CASE WHEN NOT is_rename THEN object_id END) OVER (
            PARTITION BY user_id, source_ip ORDER BY creation_time
            RANGE BETWEEN interval '$$minutes$$' minute PRECEDING AND CURRENT ROW
        ) AS uploads_before
    FROM files
)
SELECT
    user_id,
    source_ip,
    is_internal_ip(source_ip) AS is_internal,
    max(renames_before) AS renames_at_once,
    max(uploads_before) AS uploads_at_once,
    count(DISTINCT object_id) FILTER (WHERE is_rename) AS renames,
    count(DISTINCT object_id) FILTER (WHERE NOT is_rename) AS uploads,
    count(DISTINCT site_url) AS sites,
    count(DISTINCT old_extension) AS old_extensions,
    array_to_string(array_sort(array_agg(DISTINCT new_extension) FILTER (WHERE new_extension IS NOT NULL)), ', ')
        AS new_extensions,
    array_to_string(array_sort(array_agg(DISTINCT user_agent) FILTER (WHERE user_agent IS NOT NULL)), ', ') AS agents,
    min(creation_time) AS first_seen,
    max(creation_time) AS last_seen
FROM counted
GROUP BY user_id, source_ip
HAVING max(renames_before) >= $$minimum renames$$
    OR max(uploads_before) >= $$minimum uploads$$
ORDER BY renames_at_once DESC, uploads_at_once DESC, user_id, source_ip
