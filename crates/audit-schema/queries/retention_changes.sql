-- id: retention_changes
-- name: Retention and holds changed
-- description: Retention policies, labels, holds and the retention of the audit log itself that were changed or removed, and
--   mailboxes whose hold or recovery of deleted items was switched off. What is deleted then is gone.
-- severity: medium
-- tactic: defense-evasion
-- technique: T1562.008, T1070.008
-- reference: https://learn.microsoft.com/purview/audit-log-activities#retention-policy-and-retention-label-activities
-- reference: https://learn.microsoft.com/purview/audit-log-retention-policies
-- column creation_time (datetime): when
-- column operation: what was done
-- column user_id (user): who did it
-- column source_ip (ip): address it came from
-- column object_id: policy, hold or mailbox
-- column settings: parameters of the cmdlet, where they are recorded
-- column result_status: outcome
-- column id (guid): id of the record
SELECT
    creation_time,
    operation,
    user_id,
    source_ip,
    coalesce(nullif(object_id, ''), parameters['Identity']) AS object_id,
    coalesce(
        nullif(extra->>'Parameters', ''),
        'LitigationHoldEnabled ' || parameters['LitigationHoldEnabled'],
        'SingleItemRecoveryEnabled ' || parameters['SingleItemRecoveryEnabled'],
        'RetentionHoldEnabled ' || parameters['RetentionHoldEnabled']
    ) AS settings,
    result_status,
    id
FROM m365_audit
WHERE
    -- Cmdlets have a hyphen, audit activities of the same name do not.
    replace(operation, '-', '') IN (
        'SetRetentionCompliancePolicy',
        'RemoveRetentionCompliancePolicy',
        'SetRetentionComplianceRule',
        'RemoveRetentionComplianceRule',
        'SetComplianceTag',
        'RemoveComplianceTag',
        'SetAdaptiveScope',
        'RemoveAdaptiveScope',
        'SetUnifiedAuditLogRetentionPolicy',
        'RemoveUnifiedAuditLogRetentionPolicy',
        'SetHoldCompliancePolicy',
        'RemoveHoldCompliancePolicy',
        'SetHoldComplianceRule',
        'RemoveHoldComplianceRule',
        'SetCaseHoldPolicy',
        'RemoveCaseHoldPolicy',
        'SetCaseHoldRule',
        'RemoveCaseHoldRule',
        'SetRetentionPolicy',
        'RemoveRetentionPolicy',
        'SetRetentionPolicyTag',
        'RemoveRetentionPolicyTag',
        'HoldUpdated',
        'HoldRemoved'
    )
    OR (
        operation = 'Set-Mailbox'
        AND (
            lower(parameters['LitigationHoldEnabled']) = 'false'
            OR lower(parameters['SingleItemRecoveryEnabled']) = 'false'
            OR lower(parameters['RetentionHoldEnabled']) = 'true'
        )
    )
ORDER BY creation_time DESC, id
