-- id: file_downloads_by_user
-- name: File downloads by user
-- description: Files that were downloaded or synced from SharePoint and OneDrive, by user, day and address.
-- column day: UTC day
-- column user_id: who
-- column source_ip: address it came from
-- column downloads: number of records
-- column files: number of distinct files
-- column sites: number of distinct sites
-- column bytes: their size where it is recorded
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
GROUP BY 1, 2, 3
ORDER BY downloads DESC, day, user_id
LIMIT 500
