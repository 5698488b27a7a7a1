-- id: ediscovery_exports
-- name: eDiscovery exports, previews and purges
-- description: Results of content searches that were looked at, exported, downloaded or deleted. An export holds the mail
--   and files of many people; a purge deletes mail from their mailboxes.
-- severity: high
-- tactic: collection, exfiltration
-- technique: T1213, T1114.002, T1567
-- reference: https://learn.microsoft.com/purview/ediscovery-search-for-activities-in-the-audit-log
-- column creation_time (datetime): when
-- column operation: what was done
-- column user_id (user): who did it
-- column source_ip (ip): address it came from
-- column search: name of the search or review set
-- column case_name: case that it belongs to
-- column parameters: parameters of the cmdlet, where they are recorded
-- column id (guid): id of the record
SELECT
    creation_time,
    operation,
    user_id,
    source_ip,
    object_id AS search,
    case_name,
    coalesce(nullif(extra->>'Parameters', ''), parameters['Action']) AS parameters,
    id
FROM m365_audit
WHERE record_type IN (18, 24)
    AND operation IN (
        'SearchExported',
        'SearchExportDownloaded',
        'SearchReport',
        'SearchPreviewed',
        'SearchResultsPurged',
        'SearchResultsSentToZoom',
        'ExportJob',
        'DownloadDocument',
        'New-ComplianceSearchAction'
    )
ORDER BY creation_time DESC, id
