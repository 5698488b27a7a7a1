-- id: mailbox_audit_bypassed
-- name: Mailbox audit bypassed for an account
-- description: Accounts whose work in mailboxes is no longer recorded. Rights on mailboxes are used unseen with them.
-- severity: high
-- tactic: defense-evasion
-- technique: T1562.008
-- reference: https://learn.microsoft.com/powershell/module/exchange/set-mailboxauditbypassassociation
-- reference: https://learn.microsoft.com/purview/audit-mailboxes
-- column creation_time (datetime): when
-- column user_id (user): who did it
-- column source_ip (ip): address it came from
-- column account (user): account that is no longer recorded
-- column result_status: outcome
-- column id (guid): id of the record
SELECT
    creation_time,
    user_id,
    source_ip,
    coalesce(parameters['Identity'], object_id) AS account,
    result_status,
    id
FROM m365_exchange_admin
WHERE operation = 'Set-MailboxAuditBypassAssociation'
    AND lower(parameters['AuditBypassEnabled']) = 'true'
ORDER BY creation_time DESC, id
