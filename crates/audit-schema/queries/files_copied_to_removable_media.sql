-- id: files_copied_to_removable_media
-- name: Files copied to removable media
-- description: Users who copied many files to USB drives, network shares or by Bluetooth or remote session within one
--   day, as endpoint data loss prevention saw it, with how many of them matched a policy.
-- severity: medium
-- tactic: exfiltration
-- technique: T1052.001
-- reference: https://learn.microsoft.com/purview/endpoint-dlp-learn-about
-- reference: https://attack.mitre.org/techniques/T1052/001/
-- variable $$user$$ user optional: who; `%` stands for any text
-- variable $$minimum files$$ integer default "20": only days with at least so many distinct files
-- column day (datetime): UTC day
-- column user_id (user): who
-- column device_name: device
-- column files (integer): number of distinct files
-- column bytes (integer): their size
-- column matched (integer): number of records in which a policy matched
-- column blocked (integer): number of records in which the copy was blocked
-- column operations: what was done
-- column media: drives, by maker, model and serial number
-- column some_file (path): one of the files
-- column some_sha256 (sha256): SHA-256 of one of the files
-- column first_seen (datetime): earliest copy
-- column last_seen (datetime): latest copy
SELECT
    date_trunc('day', creation_time) AS day,
    user_id,
    device_name,
    count(DISTINCT object_id) AS files,
    sum(file_size) AS bytes,
    count(policy_match_info->>'PolicyName') AS matched,
    count(*) FILTER (WHERE enforcement_mode = 4) AS blocked,
    array_to_string(array_sort(array_agg(DISTINCT operation) FILTER (WHERE operation IS NOT NULL)), ', ') AS operations,
    array_to_string(
        array_sort(
            array_agg(DISTINCT removable_media_device_attributes)
                FILTER (WHERE removable_media_device_attributes IS NOT NULL)
        ),
        ', '
    ) AS media,
    min(object_id) AS some_file,
    min(nullif(lower(sha256), '')) AS some_sha256,
    min(creation_time) AS first_seen,
    max(creation_time) AS last_seen
FROM m365_endpoint
WHERE operation IN (
        'FileCopiedToRemovableMedia',
        'FileCreatedOnRemovableMedia',
        'FileMovedToRemovableMedia',
        'FileCopiedToNetworkShare',
        'FileCreatedOnNetworkShare',
        'FileCopiedToRemoteDesktopSession',
        'FileTransferredByBluetooth'
    )
    [[AND user_id ILIKE $$user$$]]
GROUP BY 1, 2, 3
HAVING count(DISTINCT object_id) >= $$minimum files$$
ORDER BY files DESC, day, user_id
