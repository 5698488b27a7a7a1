-- id: mailbox_forwarding
-- name: Forwarding set on mailboxes
-- description: Mailboxes that were told to forward all their mail, to an address outside the customer's own domains
--   or to a recipient that is no address. The latter may be a mail contact with an outside address: look it up. The
--   inbox shows nothing of it, and it outlasts a change of the password.
-- severity: high
-- tactic: collection, exfiltration
-- technique: T1114.003
-- reference: https://learn.microsoft.com/exchange/recipients-in-exchange-online/manage-user-mailboxes/configure-email-forwarding
-- reference: https://learn.microsoft.com/powershell/module/exchange/set-mailbox
-- reference: https://attack.mitre.org/techniques/T1114/003/
-- variable $$user$$ user optional: who set it, or whose mailbox it is; `%` stands for any text
-- column creation_time (datetime): when
-- column user_id (user): who did it
-- column source_ip (ip): address it came from
-- column mailbox: mailbox that forwards
-- column forward_to (user): where all mail goes
-- column outside_domain (domain): domain of that address, null if it is none
-- column keeps_copy (boolean): whether the mailbox keeps a copy
-- column result_status: outcome
WITH forwarding AS (
    SELECT
        creation_time,
        user_id,
        source_ip,
        coalesce(parameters['Identity'], object_id) AS mailbox,
        regexp_replace(
            coalesce(nullif(parameters['ForwardingSmtpAddress'], ''), nullif(parameters['ForwardingAddress'], '')),
            '^smtp:',
            '',
            'i'
        ) AS forward_to,
        lower(coalesce(parameters['DeliverToMailboxAndForward'], 'false')) LIKE '%true%' AS keeps_copy,
        result_status
    FROM m365_exchange_admin
    WHERE operation IN ('Set-Mailbox', 'New-Mailbox', 'Enable-Mailbox', 'Set-MailUser')
)
SELECT
    creation_time,
    user_id,
    source_ip,
    mailbox,
    forward_to,
    CASE WHEN forward_to LIKE '%_@_%' THEN domain_of(forward_to) END AS outside_domain,
    keeps_copy,
    result_status
FROM forwarding
WHERE forward_to IS NOT NULL
    AND lower(forward_to) NOT IN ('$null', 'null')
    AND (forward_to NOT LIKE '%_@_%' OR NOT is_internal_domain(forward_to))
    [[AND (user_id ILIKE $$user$$ OR mailbox ILIKE '%$$user$$%')]]
ORDER BY creation_time DESC, mailbox
