-- id: mail_sent_as_another
-- name: Mail sent as or on behalf of another
-- description: Mail that somebody sent in the name of another mailbox (SendAs) or on its behalf (SendOnBehalf), by
--   sender, name and address. Assistants and shared mailboxes do so every day: look for pairs that are new, for
--   addresses outside, and for managers' names.
-- severity: low
-- tactic: lateral-movement, defense-evasion
-- technique: T1534, T1656
-- reference: https://learn.microsoft.com/purview/audit-mailboxes
-- reference: https://attack.mitre.org/techniques/T1534/
-- variable $$user$$ user optional: who sent, or in whose name; `%` stands for any text
-- variable $$only from outside$$ boolean default "false": only from addresses outside the customer's own networks
-- column user_id (user): who sent
-- column sent_as (user): in whose name
-- column operation: SendAs or SendOnBehalf
-- column source_ip (ip): address it came from
-- column is_internal (boolean): whether that address is of the customer's own networks
-- column mails (integer): number of mails
-- column subjects: a few of their subjects
-- column first_seen (datetime): earliest mail
-- column last_seen (datetime): latest mail
WITH sent AS (
    SELECT
        user_id,
        coalesce(send_as_user_smtp, send_on_behalf_of_user_smtp, mailbox_owner_upn) AS sent_as,
        operation,
        source_ip,
        item->>'Subject' AS subject,
        creation_time
    FROM m365_mailbox
    WHERE operation IN ('SendAs', 'SendOnBehalf')
)
SELECT
    user_id,
    sent_as,
    operation,
    source_ip,
    is_internal_ip(source_ip) AS is_internal,
    count(*) AS mails,
    concat_ws('; ', min(subject), CASE WHEN max(subject) <> min(subject) THEN max(subject) END) AS subjects,
    min(creation_time) AS first_seen,
    max(creation_time) AS last_seen
FROM sent
WHERE lower(sent_as) <> lower(user_id)
    [[AND (user_id ILIKE $$user$$ OR sent_as ILIKE $$user$$)]]
    AND (NOT $$only from outside$$ OR NOT coalesce(is_internal_ip(source_ip), false))
GROUP BY user_id, sent_as, operation, source_ip
ORDER BY mails DESC, user_id, sent_as, source_ip
LIMIT 500
