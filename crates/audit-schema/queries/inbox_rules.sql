-- id: inbox_rules
-- name: Inbox rules and forwarding
-- description: Inbox rules that were made or changed, by cmdlet or in a mail client, and forwarding set on mailboxes. Rules
--   that forward, delete or hide mail are what an intruder leaves behind.
-- reference: https://learn.microsoft.com/security/operations/incident-response-playbook-inbox-manipulation-rules
-- variable $$user$$ user optional: who did it, or whose mailbox it is; `%` stands for any text
-- column creation_time (datetime): when
-- column operation: cmdlet, or UpdateInboxRules for a mail client
-- column user_id (user): who did it
-- column source_ip (ip): address it came from
-- column mailbox: mailbox or rule it was done to
-- column rule_name: name of the rule
-- column forward_to: where mail is forwarded
-- column redirect_to: where mail is redirected
-- column move_to_folder: folder that mail is moved to
-- column delete_message: whether mail is deleted
-- column forwarding_smtp_address: forwarding address of the mailbox
-- column rule_actions: what the rule does, as a mail client wrote it
SELECT
    creation_time,
    operation,
    user_id,
    source_ip,
    coalesce(object_id, mailbox_owner_upn) AS mailbox,
    coalesce(parameters['Name'], operation_properties['RuleName']) AS rule_name,
    coalesce(parameters['ForwardTo'], parameters['ForwardAsAttachmentTo']) AS forward_to,
    parameters['RedirectTo'] AS redirect_to,
    parameters['MoveToFolder'] AS move_to_folder,
    parameters['DeleteMessage'] AS delete_message,
    coalesce(parameters['ForwardingSmtpAddress'], parameters['ForwardingAddress']) AS forwarding_smtp_address,
    operation_properties['RuleActions'] AS rule_actions
FROM m365_audit
WHERE (
        operation IN ('New-InboxRule', 'Set-InboxRule', 'Enable-InboxRule', 'UpdateInboxRules')
        OR (
            operation = 'Set-Mailbox'
            AND coalesce(parameters['ForwardingSmtpAddress'], parameters['ForwardingAddress']) IS NOT NULL
        )
    )
    [[AND (user_id ILIKE $$user$$ OR coalesce(object_id, mailbox_owner_upn) ILIKE $$user$$)]]
ORDER BY creation_time DESC, user_id
