-- id: mailbox_items_accessed
-- name: Mailbox items accessed
-- description: Mail that was read, by mailbox, user and address. `Sync` means that a whole folder was copied; where `throttled` is not 0, Exchange stopped recording for a day and more was read than is shown.
-- column mailbox_owner_upn: mailbox
-- column user_id: who read
-- column source_ip: address it came from
-- column access_type: Bind (single items) or Sync (a whole folder)
-- column client_info_string: mail client
-- column records: number of records
-- column items: number of items that were read
-- column throttled: number of records after which Exchange stopped recording
-- column first_seen: earliest record
-- column last_seen: latest record
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
GROUP BY 1, 2, 3, 4, 5
ORDER BY records DESC, mailbox_owner_upn, source_ip
LIMIT 500
