-- id: file_downloads_by_user
-- name: File downloads by user
-- description: Files that were downloaded or synced from SharePoint and OneDrive, by user, day and address.
-- reference: https://learn.microsoft.com/purview/audit-log-activities
-- variable $$user$$ user optional: who; `%` stands for any text
-- variable $$address$$ ip optional: address or network that it came from
-- variable $$site$$ string optional: site, a part of its URL
-- column day (datetime): UTC day
-- column user_id (user): who
-- column source_ip (ip): address it came from
-- column is_internal (boolean): whether that address is of the customer's own networks
-- column downloads (integer): number of records
-- column synced (integer): of these by a sync client
-- column files (integer): number of distinct files
-- column sites (integer): number of distinct sites
-- column bytes (integer): their size where it is recorded
SELECT
    date_trunc('day', creation_time) AS day,
    user_id,
    source_ip,
    is_internal_ip(source_ip) AS is_internal,
    count(*) AS downloads,
    count(*) FILTER (WHERE operation LIKE 'FileSync%') AS synced,
    count(DISTINCT object_id) AS files,
    count(DISTINCT site_url) AS sites,
    sum(file_size_bytes) AS bytes
FROM m365_files
WHERE operation IN ('FileDownloaded', 'FileSyncDownloadedFull', 'FileSyncDownloadedPartial')
    [[AND user_id ILIKE $$user$$]]
    [[AND cidr_contains($$address$$, source_ip)]]
    [[AND site_url ILIKE '%$$site$$%']]
GROUP BY 1, 2, 3, 4
ORDER BY downloads DESC, day, user_id
LIMIT 500
