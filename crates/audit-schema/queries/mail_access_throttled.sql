-- id: mail_access_throttled
-- name: Recording of mail access throttled
-- description: Mailboxes of which so much was read (over 1,000 records in a day) that Exchange stopped recording
--   single items for 24 hours. What was read then is not known: take the whole mailbox as read. Less than one mailbox
--   in a hundred is busy enough for it in everyday use.
-- severity: medium
-- tactic: collection
-- technique: T1114.002
-- reference: https://learn.microsoft.com/purview/audit-log-investigate-accounts
-- reference: https://attack.mitre.org/techniques/T1114/002/
-- variable $$user$$ user optional: who read, or whose mailbox it is; `%` stands for any text
-- column mailbox_owner_upn (user): mailbox
-- column user_id (user): who read
-- column source_ip (ip): address it came from
-- column app_id (guid): application that reached the mailbox
-- column client_info_string: mail client
-- column throttled (integer): number of records after which Exchange stopped recording
-- column first_seen (datetime): when it stopped first
-- column last_seen (datetime): when it stopped last
-- column unrecorded_until (datetime): to when single items may be missing
SELECT
    mailbox_owner_upn,
    user_id,
    source_ip,
    coalesce(nullif(client_app_id, ''), nullif(app_id, '')) AS app_id,
    client_info_string,
    count(*) AS throttled,
    min(creation_time) AS first_seen,
    max(creation_time) AS last_seen,
    max(creation_time) + interval '24' hour AS unrecorded_until
FROM m365_mailbox
WHERE operation = 'MailItemsAccessed'
    AND lower(operation_properties['IsThrottled']) = 'true'
    [[AND (user_id ILIKE $$user$$ OR mailbox_owner_upn ILIKE $$user$$)]]
GROUP BY 1, 2, 3, 4, 5
ORDER BY throttled DESC, mailbox_owner_upn, source_ip
