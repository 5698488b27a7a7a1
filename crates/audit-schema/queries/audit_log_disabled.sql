-- id: audit_log_disabled
-- name: Audit log switched off
-- description: Somebody switched off the unified audit log, or the log of administrators' cmdlets, for the whole
--   organisation. From then on nothing is recorded.
-- severity: high
-- tactic: defense-evasion
-- technique: T1562.008
-- reference: https://learn.microsoft.com/purview/audit-log-enable-disable
-- reference: https://attack.mitre.org/techniques/T1562/008/
-- column creation_time (datetime): when
-- column user_id (user): who did it
-- column source_ip (ip): address it came from
-- column setting: what was switched off
-- column result_status: outcome
-- column id (guid): id of the record
SELECT
    creation_time,
    user_id,
    source_ip,
    CASE
        WHEN lower(parameters['UnifiedAuditLogIngestionEnabled']) = 'false' THEN 'UnifiedAuditLogIngestionEnabled'
        ELSE 'AdminAuditLogEnabled'
    END AS setting,
    result_status,
    id
FROM m365_exchange_admin
WHERE operation = 'Set-AdminAuditLogConfig'
    AND (
        lower(parameters['UnifiedAuditLogIngestionEnabled']) = 'false'
        OR lower(parameters['AdminAuditLogEnabled']) = 'false'
    )
ORDER BY creation_time DESC, id
