-- id: mailbox_items_accessed
-- name: Mailbox items accessed
-- description: Mail that was read, by mailbox, user and address. `Sync` means that a whole folder was copied; where
--   `throttled` is not 0, Exchange stopped recording for a day and more was read than is shown.
-- reference: https://learn.microsoft.com/purview/audit-log-investigate-accounts
-- variable $$mailbox$$ user optional: whose mailbox; `%` stands for any text
-- column mailbox_owner_upn (user): mailbox
-- column user_id (user): who read
-- column source_ip (ip): address it came from
-- column access_type: Bind (single items) or Sync (a whole folder)
-- column client_info_string: mail client
-- column records (integer): number of records
-- column items (integer): number of items that were read
-- column throttled (integer): number of records after which Exchange stopped recording
-- column first_seen (datetime): earliest record
-- column last_seen (datetime): latest record
SELECT
    mailbox_owner_upn,
    user_id,
    source_ip,
    operation_properties['MailAccessType'] AS access_type,
    client_info_string,
    count(*) AS records,
    sum(operation_count) AS items,
    count(*) FILTER (WHERE operation_properties['IsThrottled'] = 'True') AS throttled,
    min(creation_time) AS first_seen,
    max(creation_time) AS last_seen
FROM m365_mailbox
WHERE operation = 'MailItemsAccessed'
    [[AND mailbox_owner_upn ILIKE $$mailbox$$]]
GROUP BY 1, 2, 3, 4, 5
ORDER BY records DESC, mailbox_owner_upn, source_ip, access_type
LIMIT 500
