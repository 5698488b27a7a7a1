-- id: mailbox_auditing_weakened
-- name: Auditing of mailboxes weakened
-- description: Settings changed so that what is done in mailboxes is recorded less or not at all: auditing of a
--   mailbox or of the organisation turned off, accounts that bypass auditing, fewer audited actions, a shorter time
--   that records are kept.
-- severity: high
-- tactic: defense-evasion
-- technique: T1562.008
-- reference: https://learn.microsoft.com/purview/audit-mailboxes
-- reference: https://learn.microsoft.com/powershell/module/exchange/set-mailboxauditbypassassociation
-- reference: https://attack.mitre.org/techniques/T1562/008/
-- variable $$user$$ user optional: who did it, or whose mailbox it is; `%` stands for any text
-- column creation_time (datetime): when
-- column operation: cmdlet
-- column user_id (user): who did it
-- column source_ip (ip): address it came from
-- column mailbox: mailbox or account, or the organisation
-- column finding: what is weaker now
-- column value: what was set
-- column result_status: outcome
WITH settings AS (
    SELECT
        creation_time,
        operation,
        user_id,
        source_ip,
        coalesce(parameters['Identity'], object_id) AS mailbox,
        CASE
            WHEN operation = 'Set-OrganizationConfig' AND lower(parameters['AuditDisabled']) LIKE '%true%'
                THEN 'auditing of all mailboxes off'
            WHEN operation = 'Set-MailboxAuditBypassAssociation'
                AND lower(parameters['AuditBypassEnabled']) LIKE '%true%'
                THEN 'the account bypasses auditing'
            WHEN operation = 'Set-Mailbox' AND lower(parameters['AuditEnabled']) LIKE '%false%'
                THEN 'auditing of the mailbox off'
            WHEN operation = 'Set-Mailbox'
                AND coalesce(
                    parameters['AuditOwner'],
                    parameters['AuditDelegate'],
                    parameters['AuditAdmin']
                ) IS NOT NULL
                THEN 'audited actions changed'
            WHEN operation = 'Set-Mailbox' AND parameters['AuditLogAgeLimit'] IS NOT NULL
                THEN 'time that records are kept changed'
        END AS finding,
        coalesce(
            parameters['AuditDisabled'],
            parameters['AuditBypassEnabled'],
            CASE WHEN lower(parameters['AuditEnabled']) LIKE '%false%' THEN parameters['AuditEnabled'] END,
            parameters['AuditOwner'],
            parameters['AuditDelegate'],
            parameters['AuditAdmin'],
            parameters['AuditLogAgeLimit']
        ) AS value,
        result_status
    FROM m365_exchange_admin
    WHERE operation IN ('Set-Mailbox', 'Set-MailboxAuditBypassAssociation', 'Set-OrganizationConfig')
        AND coalesce(user_type, 0) <> 3
)
SELECT
    creation_time,
    operation,
    user_id,
    source_ip,
    mailbox,
    finding,
    value,
    result_status
FROM settings
WHERE finding IS NOT NULL
    [[AND (user_id ILIKE $$user$$ OR mailbox ILIKE '%$$user$$%')]]
ORDER BY creation_time DESC, mailbox
