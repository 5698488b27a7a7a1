-- id: file_sync_from_new_device
-- name: Sync with a new device
-- description: Users whose files a device synced that never synced for them in the days before. An intruder who adds
--   an account to a sync client takes all its files at once; a new computer looks the same, so ask. It looks at its
--   own times, not at the time range of the run.
-- severity: medium
-- tactic: collection, exfiltration
-- technique: T1530, T1567.002
-- reference: https://learn.microsoft.com/purview/audit-log-activities
-- reference: https://attack.mitre.org/techniques/T1530/
-- range: off
-- variable $$since$$ datetime default "-P1D": devices that are new from then on
-- variable $$days to look back$$ integer default "30": a device seen so many days before is familiar
-- variable $$only from outside$$ boolean default "false": only from addresses outside the customer's own networks
-- variable $$user$$ user optional: who; `%` stands for any text
-- column user_id (user): who
-- column machine_id (guid): id of the device
-- column machine_domain (guid): id of the domain that it belongs to; one that no other device has is none of the
--   customer's
-- column source_ip (ip): address it came from first
-- column is_internal (boolean): whether that address is of the customer's own networks
-- column downloaded (integer): number of distinct files it downloaded
-- column uploaded (integer): number of distinct files it uploaded
-- column familiar_devices (integer): devices that synced for the user before
-- column agents: sync clients, as they name themselves
-- column first_seen (datetime): earliest record
-- column last_seen (datetime): latest record
WITH syncs AS (
    SELECT
        lower(user_id) AS user_id,
        machine_id,
        nullif(machine_domain_info, '') AS machine_domain,
        source_ip,
        operation,
        object_id,
        user_agent,
        creation_time
    FROM m365_audit
    WHERE record_type IN (6, 7)
        AND operation IN (
            'FileSyncDownloadedFull',
            'FileSyncDownloadedPartial',
            'FileSyncUploadedFull',
            'FileSyncUploadedPartial'
        )
        AND machine_id <> ''
        AND creation_time >= $$since$$ - interval '$$days to look back$$' day
        [[AND user_id ILIKE $$user$$]]
),
devices AS (
    SELECT
        user_id,
        machine_id,
        max(machine_domain) AS machine_domain,
        first_value(source_ip ORDER BY creation_time, source_ip) AS source_ip,
        count(DISTINCT object_id) FILTER (WHERE operation LIKE 'FileSyncDownloaded%') AS downloaded,
        count(DISTINCT object_id) FILTER (WHERE operation LIKE 'FileSyncUploaded%') AS uploaded,
        array_to_string(array_sort(array_agg(DISTINCT user_agent) FILTER (WHERE user_agent IS NOT NULL)), ', ')
            AS agents,
        min(creation_time) AS first_seen,
        max(creation_time) AS last_seen
    FROM syncs
    GROUP BY user_id, machine_id
),
counted AS (
    SELECT
        *,
        sum(CASE WHEN first_seen < $$since$$ THEN 1 ELSE 0 END) OVER (PARTITION BY user_id) AS familiar_devices
    FROM devices
)
SELECT
    user_id,
    machine_id,
    machine_domain,
    source_ip,
    is_internal_ip(source_ip) AS is_internal,
    downloaded,
    uploaded,
    familiar_devices,
    agents,
    first_seen,
    last_seen
FROM counted
WHERE first_seen >= $$since$$
    AND (NOT $$only from outside$$ OR NOT coalesce(is_internal_ip(source_ip), false))
ORDER BY first_seen, user_id, machine_id
