-- id: mail_read_from_unfamiliar_address
-- name: Mail read from an unfamiliar address
-- description: Mailboxes of which single items were read (MailItemsAccessed, Bind) from an address that never read
--   them in the days before, outside the customer's own networks. Each mailbox and address is a row; `throttled` is
--   not 0 where Exchange stopped recording, so that more was read. It looks at its own times, not at the time range
--   of the run.
-- severity: medium
-- tactic: collection
-- technique: T1114.002
-- reference: https://learn.microsoft.com/purview/audit-log-investigate-accounts
-- reference: https://attack.mitre.org/techniques/T1114/002/
-- range: off
-- variable $$since$$ datetime default "-P1D": addresses that are new from then on
-- variable $$days to look back$$ integer default "30": an address seen so many days before is familiar
-- variable $$minimum items$$ integer default "20": only addresses that read at least so many items
-- variable $$known networks$$ list of ip optional: addresses and networks that are familiar as well
-- variable $$user$$ user optional: whose mailbox; `%` stands for any text
-- column mailbox (user): mailbox
-- column source_ip (ip): address it came from
-- column readers: who read
-- column clients: mail clients
-- column records (integer): number of records
-- column items (integer): number of items that were read
-- column folders: folders that they lay in
-- column throttled (integer): number of records after which Exchange stopped recording
-- column other_addresses (integer): addresses that read the mailbox before
-- column first_seen (datetime): earliest record
-- column last_seen (datetime): latest record
WITH reads AS (
    SELECT
        lower(mailbox_owner_upn) AS mailbox,
        source_ip,
        user_id,
        client_info_string,
        creation_time,
        operation_properties['MailAccessType'] = 'Bind' AS is_bind,
        coalesce(operation_count, 1) AS items,
        folders->0->>'Path' AS folder,
        lower(operation_properties['IsThrottled']) = 'true' AS is_throttled
    FROM m365_mailbox
    WHERE operation = 'MailItemsAccessed'
        AND source_ip IS NOT NULL
        AND creation_time >= $$since$$ - interval '$$days to look back$$' day
        [[AND mailbox_owner_upn ILIKE $$user$$]]
),
addresses AS (
    SELECT
        mailbox,
        source_ip,
        array_to_string(array_sort(array_agg(DISTINCT user_id) FILTER (WHERE user_id IS NOT NULL)), ', ') AS readers,
        array_to_string(
            array_sort(array_agg(DISTINCT client_info_string) FILTER (WHERE client_info_string IS NOT NULL)),
            ', '
        ) AS clients,
        count(*) AS records,
        sum(items) FILTER (WHERE is_bind) AS items,
        array_to_string(array_sort(array_agg(DISTINCT folder) FILTER (WHERE folder IS NOT NULL)), ', ') AS folders,
        count(*) FILTER (WHERE is_throttled) AS throttled,
        min(creation_time) AS first_seen,
        max(creation_time) AS last_seen
    FROM reads
    GROUP BY mailbox, source_ip
),
counted AS (
    SELECT
        *,
        sum(CASE WHEN first_seen < $$since$$ THEN 1 ELSE 0 END) OVER (PARTITION BY mailbox) AS other_addresses
    FROM addresses
)
SELECT
    mailbox,
    source_ip,
    readers,
    clients,
    records,
    items,
    folders,
    throttled,
    other_addresses,
    first_seen,
    last_seen
FROM counted
WHERE first_seen >= $$since$$
    AND items >= $$minimum items$$
    AND NOT is_internal_ip(source_ip)
    [[AND NOT EXISTS (
        SELECT 1
        FROM (SELECT unnest($$known networks$$) AS network) AS known
        WHERE cidr_contains(known.network, counted.source_ip)
    )]]
ORDER BY items DESC, mailbox, source_ip
