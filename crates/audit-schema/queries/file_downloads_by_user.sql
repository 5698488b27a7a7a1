-- id: file_downloads_by_user
-- name: File downloads by user
-- description: Files that were downloaded or synced from SharePoint and OneDrive, by user, day and address.
-- reference: https://learn.microsoft.com/purview/audit-log-activities#file-and-page-activities
-- variable $$user$$ user optional: whose downloads; `%` stands for any text
-- column day (datetime): UTC day
-- column user_id (user): who
-- column source_ip (ip): address it came from
-- column downloads (integer): number of records
-- column files (integer): number of distinct files
-- column sites (integer): number of distinct sites
-- column bytes (integer): their size where it is recorded
SELECT
    date_trunc('day', creation_time) AS day,
    user_id,
    source_ip,
    count(*) AS downloads,
    count(DISTINCT object_id) AS files,
    count(DISTINCT site_url) AS sites,
    sum(file_size_bytes) AS bytes
FROM m365_files
WHERE operation IN ('FileDownloaded', 'FileSyncDownloadedFull', 'FileSyncDownloadedPartial')
    [[AND user_id ILIKE $$user$$]]
GROUP BY 1, 2, 3
ORDER BY downloads DESC, day, user_id, source_ip
LIMIT 500
