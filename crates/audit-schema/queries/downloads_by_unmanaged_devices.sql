-- id: downloads_by_unmanaged_devices
-- name: Downloads by unmanaged devices
-- description: Users who downloaded or synced many files with a device that the organisation does not manage, by day
--   and device. Files leave its control there.
-- severity: low
-- tactic: exfiltration, collection
-- technique: T1530, T1567
-- reference: https://learn.microsoft.com/sharepoint/control-access-from-unmanaged-devices
-- reference: https://attack.mitre.org/techniques/T1530/
-- variable $$user$$ user optional: who; `%` stands for any text
-- variable $$minimum files$$ integer default "20": only days with at least so many distinct files
-- variable $$only from outside$$ boolean default "false": only from addresses outside the customer's own networks
-- column day (datetime): UTC day
-- column user_id (user): who
-- column source_ip (ip): address it came from
-- column is_internal (boolean): whether that address is of the customer's own networks
-- column platform: kind of the device
-- column device: name of the device, or its address
-- column files (integer): number of distinct files
-- column sites (integer): number of distinct sites
-- column bytes (integer): their size where it is recorded
-- column first_seen (datetime): earliest download
-- column last_seen (datetime): latest download
SELECT
    date_trunc('day', creation_time) AS day,
    user_id,
    source_ip,
    is_internal_ip(source_ip) AS is_internal,
    platform,
    device_display_name AS device,
    count(DISTINCT object_id) AS files,
    count(DISTINCT site_url) AS sites,
    sum(file_size_bytes) AS bytes,
    min(creation_time) AS first_seen,
    max(creation_time) AS last_seen
FROM m365_files
WHERE operation IN ('FileDownloaded', 'FileSyncDownloadedFull', 'FileSyncDownloadedPartial')
    AND NOT is_managed_device
    -- Services of Microsoft have no device.
    AND coalesce(platform, '') NOT IN ('Service', 'OfficeCollaborationService')
    AND (NOT $$only from outside$$ OR NOT coalesce(is_internal_ip(source_ip), false))
    [[AND user_id ILIKE $$user$$]]
GROUP BY 1, 2, 3, 4, 5, 6
HAVING count(DISTINCT object_id) >= $$minimum files$$
ORDER BY files DESC, day, user_id
