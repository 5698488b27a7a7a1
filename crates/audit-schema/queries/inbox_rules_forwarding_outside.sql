-- id: inbox_rules_forwarding_outside
-- name: Inbox rules that forward outside
-- description: Inbox rules that forward or redirect mail to an address outside the customer's own domains, made by
--   cmdlet, on the web or in a mail client; one row for each rule and outside address. Mail leaves as long as the
--   rule stands, also after the password was changed.
-- severity: high
-- tactic: collection, exfiltration
-- technique: T1114.003
-- reference: https://learn.microsoft.com/defender-office-365/detect-and-remediate-outlook-rules-forms-attack
-- reference: https://learn.microsoft.com/defender-office-365/outbound-spam-policies-external-email-forwarding
-- reference: https://attack.mitre.org/techniques/T1114/003/
-- variable $$user$$ user optional: who made the rule, or whose mailbox it is in; `%` stands for any text
-- variable $$outside domain$$ domain optional: domain that mail goes to
-- column creation_time (datetime): when
-- column operation: cmdlet, or UpdateInboxRules for a mail client
-- column user_id (user): who did it
-- column source_ip (ip): address it came from
-- column mailbox: mailbox or rule it was done to
-- column rule_name: name of the rule; one of a character or two is an intruder's habit
-- column outside_address (user): address that mail goes to
-- column outside_domain (domain): its domain
-- column conditions: which mail it is about; all of it if null
-- column deletes (boolean): whether the mail is deleted here as well
-- column result_status: outcome
WITH rules AS (
    SELECT
        creation_time,
        operation,
        user_id,
        source_ip,
        coalesce(mailbox_owner_upn, object_id) AS mailbox,
        coalesce(parameters['Name'], operation_properties['RuleName'], parameters['Identity']) AS rule_name,
        coalesce(
            parameters['SubjectOrBodyContainsWords'],
            parameters['SubjectContainsWords'],
            parameters['BodyContainsWords'],
            parameters['From'],
            parameters['FromAddressContainsWords'],
            operation_properties['RuleCondition']
        ) AS conditions,
        concat_ws(' ', operation_properties['RuleActions'], operation_properties['ServerRule']) AS actions,
        concat_ws(
            ' ',
            parameters['ForwardTo'],
            parameters['ForwardAsAttachmentTo'],
            parameters['RedirectTo']
        ) AS recipients,
        lower(concat_ws(' ', parameters['DeleteMessage'], parameters['SoftDeleteMessage'])) LIKE '%true%'
            AS rule_deletes,
        result_status
    FROM m365_audit
    WHERE operation IN ('New-InboxRule', 'Set-InboxRule', 'Enable-InboxRule', 'UpdateInboxRules')
),
-- A mail client writes its actions as JSON; only those that send mail on hold addresses.
targets AS (
    SELECT
        creation_time,
        operation,
        user_id,
        source_ip,
        mailbox,
        rule_name,
        conditions,
        coalesce(rule_deletes, false) OR actions ~* '"[a-z]*delete[a-z]*"' AS deletes,
        result_status,
        unnest(string_to_array(regexp_replace(
            CASE
                WHEN actions ~* 'forward|redirect|delegate' THEN concat_ws(' ', recipients, actions)
                ELSE recipients
            END,
            '[\s;,:"''<>()\[\]{}\\]+',
            ' ',
            'g'
        ), ' ')) AS outside_address
    FROM rules
)
SELECT DISTINCT
    creation_time,
    operation,
    user_id,
    source_ip,
    mailbox,
    rule_name,
    outside_address,
    domain_of(outside_address) AS outside_domain,
    conditions,
    deletes,
    result_status
FROM targets
WHERE outside_address LIKE '%_@_%._%'
    AND NOT is_internal_domain(outside_address)
    [[AND (user_id ILIKE $$user$$ OR mailbox ILIKE '%$$user$$%')]]
    [[AND domain_of(outside_address) = lower($$outside domain$$)]]
ORDER BY creation_time DESC, user_id, outside_address
