-- id: mailbox_items_accessed
-- name: Mailbox items accessed
-- description: Mail that was read, by mailbox, user and address. `Sync` means that a whole folder was copied; where
--   `throttled` is not 0, Exchange stopped recording for a day and more was read than is shown.
-- reference: https://learn.microsoft.com/purview/audit-log-investigate-accounts
-- reference: https://attack.mitre.org/techniques/T1114/002/
-- variable $$user$$ user optional: who read, or whose mailbox it is; `%` stands for any text
-- variable $$address$$ ip optional: address or network that it came from
-- variable $$access type$$ string optional one of "Bind", "Sync": only this kind of access
-- column mailbox_owner_upn (user): mailbox
-- column user_id (user): who read
-- column source_ip (ip): address it came from
-- column is_internal (boolean): whether that address is of the customer's own networks
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
    is_internal_ip(source_ip) AS is_internal,
    operation_properties['MailAccessType'] AS access_type,
    client_info_string,
    count(*) AS records,
    sum(operation_count) AS items,
    count(*) FILTER (WHERE lower(operation_properties['IsThrottled']) = 'true') AS throttled,
    min(creation_time) AS first_seen,
    max(creation_time) AS last_seen
FROM m365_mailbox
WHERE operation = 'MailItemsAccessed'
    [[AND (user_id ILIKE $$user$$ OR mailbox_owner_upn ILIKE $$user$$)]]
    [[AND cidr_contains($$address$$, source_ip)]]
    [[AND operation_properties['MailAccessType'] = $$access type$$]]
GROUP BY 1, 2, 3, 4, 5, 6
ORDER BY records DESC, mailbox_owner_upn, source_ip
LIMIT 500
