-- id: mail_synced_from_unfamiliar_address
-- name: Mail folders synced from an unfamiliar address
-- description: Mail folders that were copied whole (MailItemsAccessed, Sync) from an address that never read the
--   mailbox in the days before, outside the customer's own networks. Take all mail of such a folder as read by
--   whoever was there. It looks at its own times, not at the time range of the run.
-- severity: high
-- tactic: collection
-- technique: T1114.002
-- reference: https://learn.microsoft.com/purview/audit-log-investigate-accounts
-- reference: https://attack.mitre.org/techniques/T1114/002/
-- range: off
-- variable $$since$$ datetime default "-P1D": addresses that are new from then on
-- variable $$days to look back$$ integer default "30": an address seen so many days before is familiar
-- variable $$known networks$$ list of ip optional: addresses and networks that are familiar as well
-- variable $$user$$ user optional: whose mailbox; `%` stands for any text
-- column mailbox (user): mailbox
-- column source_ip (ip): address it came from
-- column readers: who was in the mailbox
-- column clients: mail clients
-- column syncs (integer): number of records
-- column folders: folders that were copied
-- column other_addresses (integer): addresses that read the mailbox before
-- column first_seen (datetime): earliest record
-- column last_seen (datetime): latest record
WITH reads AS (
    SELECT
        lower(mailbox_owner_upn) AS mailbox,
        source_ip,
        user_id,
        coalesce(client_process_name, client_info_string) AS client,
        creation_time,
        operation_properties['MailAccessType'] = 'Sync' AS is_sync,
        coalesce(nullif(item->'ParentFolder'->>'Path', 'Not Available'), item->'ParentFolder'->>'Name') AS folder
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
        array_to_string(array_sort(array_agg(DISTINCT client) FILTER (WHERE client IS NOT NULL)), ', ') AS clients,
        count(*) FILTER (WHERE is_sync) AS syncs,
        array_to_string(array_sort(array_agg(DISTINCT folder) FILTER (WHERE folder IS NOT NULL)), ', ') AS folders,
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
    syncs,
    folders,
    other_addresses,
    first_seen,
    last_seen
FROM counted
WHERE first_seen >= $$since$$
    AND syncs > 0
    AND NOT is_internal_ip(source_ip)
    [[AND NOT EXISTS (
        SELECT 1
        FROM (SELECT unnest($$known networks$$) AS network) AS known
        WHERE cidr_contains(known.network, counted.source_ip)
    )]]
ORDER BY syncs DESC, mailbox, source_ip
