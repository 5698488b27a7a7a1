-- id: inbox_rules
-- name: Inbox rules and forwarding
-- description: Inbox rules that were made, changed or removed, by cmdlet or in a mail client, and forwarding set on
--   mailboxes, newest first. Rules that forward, delete or hide mail are what an intruder leaves behind. Outlook
--   records a change of a rule (ModifyMailboxRule) often without the rule's name and actions.
-- reference: https://learn.microsoft.com/defender-office-365/detect-and-remediate-outlook-rules-forms-attack
-- reference: https://attack.mitre.org/techniques/T1114/003/
-- variable $$user$$ user optional: who made the rule, or whose mailbox it is in; `%` stands for any text
-- variable $$address$$ ip optional: address that it came from
-- column creation_time (datetime): when
-- column operation: cmdlet, or UpdateInboxRules for a mail client
-- column user_id (user): who did it
-- column source_ip (ip): address it came from
-- column mailbox: mailbox or rule it was done to
-- column rule_name: name of the rule
-- column conditions: which mail it is about
-- column forward_to: where mail is forwarded
-- column redirect_to: where mail is redirected
-- column move_to_folder: folder that mail is moved to
-- column delete_message: whether mail is deleted
-- column forwarding_smtp_address: forwarding address of the mailbox
-- column rule_actions: what the rule does, as a mail client wrote it
-- column result_status: outcome
SELECT
    creation_time,
    operation,
    user_id,
    source_ip,
    coalesce(object_id, mailbox_owner_upn) AS mailbox,
    coalesce(parameters['Name'], operation_properties['RuleName']) AS rule_name,
    coalesce(
        parameters['SubjectOrBodyContainsWords'],
        parameters['SubjectContainsWords'],
        parameters['BodyContainsWords'],
        parameters['From'],
        parameters['FromAddressContainsWords'],
        operation_properties['RuleCondition']
    ) AS conditions,
    coalesce(parameters['ForwardTo'], parameters['ForwardAsAttachmentTo']) AS forward_to,
    parameters['RedirectTo'] AS redirect_to,
    parameters['MoveToFolder'] AS move_to_folder,
    coalesce(parameters['DeleteMessage'], parameters['SoftDeleteMessage']) AS delete_message,
    coalesce(parameters['ForwardingSmtpAddress'], parameters['ForwardingAddress']) AS forwarding_smtp_address,
    coalesce(operation_properties['RuleActions'], operation_properties['ServerRule']) AS rule_actions,
    result_status
FROM m365_audit
WHERE (
        operation IN (
            'New-InboxRule',
            'Set-InboxRule',
            'Enable-InboxRule',
            'Disable-InboxRule',
            'Remove-InboxRule',
            'New-SweepRule',
            'Set-SweepRule',
            'UpdateInboxRules'
        )
        OR (
            operation = 'Set-Mailbox'
            AND coalesce(parameters['ForwardingSmtpAddress'], parameters['ForwardingAddress']) IS NOT NULL
        )
    )
    [[AND (user_id ILIKE $$user$$ OR mailbox_owner_upn ILIKE $$user$$ OR object_id ILIKE '%$$user$$%')]]
    [[AND cidr_contains($$address$$, source_ip)]]
ORDER BY creation_time DESC, user_id
LIMIT 1000
