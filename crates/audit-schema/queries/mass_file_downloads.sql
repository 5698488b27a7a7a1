-- id: mass_file_downloads
-- name: Mass download of files
-- description: Users who downloaded many distinct files from SharePoint and OneDrive within a short time from one
--   address. A sync client that sets up a device does so too and is counted only if asked for.
-- severity: medium
-- tactic: collection, exfiltration
-- technique: T1213.002, T1530
-- reference: https://learn.microsoft.com/purview/audit-log-activities
-- reference: https://attack.mitre.org/techniques/T1530/
-- variable $$user$$ user optional: who; `%` stands for any text
-- variable $$minimum files$$ integer default "100": from how many distinct files on
-- variable $$minutes$$ integer default "60": in how many minutes
-- variable $$with sync$$ boolean default "false": count what a sync client downloaded as well
-- column user_id (user): who
-- column source_ip (ip): address it came from
-- column is_internal (boolean): whether that address is of the customer's own networks
-- column files_at_once (integer): most distinct files within the minutes
-- column peak_at (datetime): when that was
-- column files (integer): number of distinct files in all
-- column sites (integer): number of distinct sites
-- column bytes (integer): their size where it is recorded
-- column some_site (url): one of the sites
-- column unmanaged (integer): number of records of devices that are not managed
-- column agents: programs, as they name themselves
-- column first_seen (datetime): earliest download
-- column last_seen (datetime): latest download
WITH downloads AS (
    SELECT
        *,
        count(DISTINCT object_id) OVER (
            PARTITION BY user_id, source_ip ORDER BY creation_time
            RANGE BETWEEN interval '$$minutes$$' minute PRECEDING AND CURRENT ROW
        ) AS files_before
    FROM m365_files
    WHERE (operation = 'FileDownloaded' OR ($$with sync$$ AND operation LIKE 'FileSyncDownloaded%'))
        [[AND user_id ILIKE $$user$$]]
)
SELECT
    user_id,
    source_ip,
    is_internal_ip(source_ip) AS is_internal,
    max(files_before) AS files_at_once,
    first_value(creation_time ORDER BY files_before DESC, creation_time) AS peak_at,
    count(DISTINCT object_id) AS files,
    count(DISTINCT site_url) AS sites,
    sum(file_size_bytes) AS bytes,
    min(site_url) AS some_site,
    count(*) FILTER (WHERE NOT is_managed_device) AS unmanaged,
    array_to_string(array_sort(array_agg(DISTINCT user_agent) FILTER (WHERE user_agent IS NOT NULL)), ', ') AS agents,
    min(creation_time) AS first_seen,
    max(creation_time) AS last_seen
FROM downloads
GROUP BY user_id, source_ip
HAVING max(files_before) >= $$minimum files$$
ORDER BY files_at_once DESC, user_id, source_ip
