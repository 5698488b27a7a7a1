-- id: ediscovery_searches
-- name: eDiscovery searches
-- description: Content searches that were made, changed or started: who looks for what in the mail and files of others.
-- severity: low
-- tactic: collection
-- technique: T1213, T1114.002
-- reference: https://learn.microsoft.com/purview/ediscovery-search-for-activities-in-the-audit-log
-- variable $$user$$ user optional: who did it; `%` stands for any text
-- column creation_time (datetime): when
-- column operation: what was done
-- column user_id (user): who did it
-- column source_ip (ip): address it came from
-- column search: name of the search
-- column case_name: case that it belongs to
-- column terms: what was looked for, where it is recorded
-- column mailboxes: mailboxes that were searched
-- column id (guid): id of the record
SELECT
    creation_time,
    operation,
    user_id,
    source_ip,
    object_id AS search,
    case_name,
    coalesce(
        nullif(query, ''),
        extended_properties['Query'],
        parameters['ContentMatchQuery'],
        nullif(extra->>'Parameters', '')
    ) AS terms,
    exchange_locations AS mailboxes,
    id
FROM m365_audit
WHERE record_type IN (18, 24)
    AND operation IN (
        'SearchCreated',
        'SearchUpdated',
        'SearchStarted',
        'New-ComplianceSearch',
        'Set-ComplianceSearch',
        'Start-ComplianceSearch',
        'SearchPermissionCreated',
        'SearchPermissionUpdated',
        'New-ComplianceSecurityFilter',
        'Set-ComplianceSecurityFilter'
    )
    [[AND user_id ILIKE $$user$$]]
ORDER BY creation_time DESC, id
