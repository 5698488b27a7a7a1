-- id: inbox_rules_by_mail_client
-- name: Inbox rules made in a mail client
-- description: Inbox rules that a mail client made or changed (UpdateInboxRules), with who was in the mailbox and
--   from where. These leave no cmdlet in the log, so a look at cmdlets alone misses them. Changes that Outlook
--   recorded without name and actions are left out.
-- reference: https://learn.microsoft.com/purview/audit-mailboxes
-- reference: https://attack.mitre.org/techniques/T1564/008/
-- variable $$user$$ user optional: who made the rule, or whose mailbox it is in; `%` stands for any text
-- column creation_time (datetime): when
-- column user_id (user): who did it
-- column mailbox_owner_upn (user): whose mailbox
-- column logon_type: owner, administrator, delegate or another
-- column source_ip (ip): address it came from
-- column is_internal (boolean): whether that address is of the customer's own networks
-- column rule_operation: AddMailboxRule, ModifyMailboxRule, RemoveMailboxRule
-- column rule_name: name of the rule
-- column conditions: which mail it is about
-- column rule_actions: what the rule does, as the client wrote it
-- column client: mail client
SELECT
    creation_time,
    user_id,
    mailbox_owner_upn,
    CASE logon_type WHEN 0 THEN 'owner' WHEN 1 THEN 'administrator' WHEN 2 THEN 'delegate' ELSE 'other' END
        AS logon_type,
    source_ip,
    is_internal_ip(source_ip) AS is_internal,
    operation_properties['RuleOperation'] AS rule_operation,
    operation_properties['RuleName'] AS rule_name,
    operation_properties['RuleCondition'] AS conditions,
    coalesce(operation_properties['RuleActions'], operation_properties['ServerRule']) AS rule_actions,
    coalesce(client_process_name, client_info_string) AS client
FROM m365_mailbox
WHERE operation = 'UpdateInboxRules'
    AND (
        coalesce(operation_properties['RuleActions'], operation_properties['ServerRule'], '') NOT IN ('', '[]')
        OR coalesce(operation_properties['RuleName'], '') <> ''
    )
    [[AND (user_id ILIKE $$user$$ OR mailbox_owner_upn ILIKE $$user$$)]]
ORDER BY creation_time DESC, user_id
LIMIT 1000
