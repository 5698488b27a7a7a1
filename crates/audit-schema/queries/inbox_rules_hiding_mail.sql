-- id: inbox_rules_hiding_mail
-- name: Inbox rules that delete or hide mail
-- description: Inbox rules that delete mail, move it where nobody looks (RSS Feeds, Conversation History, Archive and
--   the like), or bear a name that is not meant to be read. So an intruder keeps answers and warnings from the owner;
--   people who tidy up do it too, so look at the conditions and the address.
-- severity: medium
-- tactic: defense-evasion
-- technique: T1564.008
-- reference: https://learn.microsoft.com/defender-office-365/detect-and-remediate-outlook-rules-forms-attack
-- reference: https://attack.mitre.org/techniques/T1564/008/
-- variable $$user$$ user optional: who made the rule, or whose mailbox it is in; `%` stands for any text
-- variable $$folders$$ string default "rss feeds|rss subscriptions|rss-feeds|rss-abonnements|flux rss|conversation
--   history|historique des conversations|verlauf der unterhaltung|aufgezeichnete unterhaltungen|historial de
--   conversaciones|archive|archiv|archives|archivo|deleted items|gelöschte elemente|éléments supprimés|junk|junk
--   email|junk e-mail|junk-e-mail|courrier indésirable|sync issues|notes|notizen|outbox": folders out of sight, a
--   regular expression without regard to case
-- variable $$name length$$ integer default "2": a rule whose name has no more characters has an odd name
-- column creation_time (datetime): when
-- column operation: cmdlet, or UpdateInboxRules for a mail client
-- column user_id (user): who did it
-- column source_ip (ip): address it came from
-- column mailbox: mailbox or rule it was done to
-- column rule_name: name of the rule
-- column findings: what is odd: deletes mail, moves mail out of sight, odd name
-- column target: folder that mail is moved to, or the actions as a mail client wrote them
-- column conditions: which mail it is about; all of it if null
-- column marks_as_read (boolean): whether the mail is marked as read
-- column result_status: outcome
WITH rules AS (
    SELECT
        creation_time,
        operation,
        user_id,
        source_ip,
        coalesce(mailbox_owner_upn, object_id) AS mailbox,
        trim(coalesce(parameters['Name'], operation_properties['RuleName'])) AS rule_name,
        coalesce(
            parameters['SubjectOrBodyContainsWords'],
            parameters['SubjectContainsWords'],
            parameters['BodyContainsWords'],
            parameters['From'],
            parameters['FromAddressContainsWords'],
            operation_properties['RuleCondition']
        ) AS conditions,
        coalesce(
            parameters['MoveToFolder'],
            operation_properties['RuleActions'],
            operation_properties['ServerRule']
        ) AS target,
        lower(concat_ws(' ', parameters['DeleteMessage'], parameters['SoftDeleteMessage'])) LIKE '%true%'
            OR concat_ws(' ', operation_properties['RuleActions'], operation_properties['ServerRule'])
                ~* '"(permanent|soft)?delete(action)?"' AS deletes,
        lower(parameters['MarkAsRead']) LIKE '%true%'
            OR concat_ws(' ', operation_properties['RuleActions'], operation_properties['ServerRule'])
                ~* '"markasread(action)?"' AS marks_as_read,
        result_status
    FROM m365_audit
    WHERE operation IN ('New-InboxRule', 'Set-InboxRule', 'UpdateInboxRules')
),
judged AS (
    SELECT
        creation_time,
        operation,
        user_id,
        source_ip,
        mailbox,
        rule_name,
        concat_ws(
            ', ',
            CASE WHEN deletes THEN 'deletes mail' END,
            CASE WHEN target ~* '(^|[\\/:"])($$folders$$)("|$)' THEN 'moves mail out of sight' END,
            CASE
                WHEN rule_name <> ''
                    AND (character_length(rule_name) <= $$name length$$ OR rule_name ~ '^[\W_]+$')
                    THEN 'odd name'
            END
        ) AS findings,
        target,
        conditions,
        coalesce(marks_as_read, false) AS marks_as_read,
        result_status
    FROM rules
    [[WHERE user_id ILIKE $$user$$ OR mailbox ILIKE '%$$user$$%']]
)
SELECT
    creation_time,
    operation,
    user_id,
    source_ip,
    mailbox,
    rule_name,
    findings,
    target,
    conditions,
    marks_as_read,
    result_status
FROM judged
WHERE findings <> ''
ORDER BY creation_time DESC, user_id
