-- id: mass_mail_deletion
-- name: Mass deletion of mail
-- description: Much mail deleted within a short time, by who did it, mailbox and address. HardDelete cannot be undone
--   by the user. An intruder clears his traces, or a leaver his mailbox; a mail program that empties a folder looks
--   the same.
-- severity: medium
-- tactic: defense-evasion, impact
-- technique: T1070.008, T1485
-- reference: https://learn.microsoft.com/purview/audit-mailboxes
-- reference: https://attack.mitre.org/techniques/T1070/008/
-- variable $$user$$ user optional: who deleted, or whose mailbox it is; `%` stands for any text
-- variable $$minimum items$$ integer default "100": from how many deleted items on
-- variable $$minutes$$ integer default "60": in how many minutes
-- column user_id (user): who deleted
-- column mailbox_owner_upn (user): mailbox
-- column source_ip (ip): address it came from
-- column items_at_once (integer): most items deleted within the minutes
-- column peak_at (datetime): when that was
-- column items (integer): number of deleted items in all
-- column hard_deleted (integer): of these deleted for good (HardDelete)
-- column soft_deleted (integer): of these removed from Deleted Items (SoftDelete)
-- column moved_to_deleted_items (integer): of these moved to Deleted Items
-- column folders: folders that they lay in
-- column clients: mail clients
-- column first_seen (datetime): earliest deletion
-- column last_seen (datetime): latest deletion
WITH deletions AS (
    SELECT
        creation_time,
        user_id,
        mailbox_owner_upn,
        source_ip,
        operation,
        CAST(coalesce(json_length(affected_items), 1) AS bigint) AS items,
        coalesce(folder->>'Path', item->'ParentFolder'->>'Path') AS path,
        coalesce(client_process_name, client_info_string) AS client
    FROM m365_mailbox
    WHERE operation IN ('HardDelete', 'SoftDelete', 'MoveToDeletedItems')
        [[AND (user_id ILIKE $$user$$ OR mailbox_owner_upn ILIKE $$user$$)]]
),
counted AS (
    SELECT
        *,
        sum(items) OVER (
            PARTITION BY user_id, mailbox_owner_upn, source_ip ORDER BY creation_time
            RANGE BETWEEN interval '$$minutes$$' minute PRECEDING AND CURRENT ROW
        ) AS items_before
    FROM deletions
)
SELECT
    user_id,
    mailbox_owner_upn,
    source_ip,
    max(items_before) AS items_at_once,
    first_value(creation_time ORDER BY items_before DESC, creation_time) AS peak_at,
    sum(items) AS items,
    coalesce(sum(items) FILTER (WHERE operation = 'HardDelete'), 0) AS hard_deleted,
    coalesce(sum(items) FILTER (WHERE operation = 'SoftDelete'), 0) AS soft_deleted,
    coalesce(sum(items) FILTER (WHERE operation = 'MoveToDeletedItems'), 0) AS moved_to_deleted_items,
    array_to_string(array_sort(array_agg(DISTINCT path) FILTER (WHERE path IS NOT NULL)), ', ') AS folders,
    array_to_string(array_sort(array_agg(DISTINCT client) FILTER (WHERE client IS NOT NULL)), ', ') AS clients,
    min(creation_time) AS first_seen,
    max(creation_time) AS last_seen
FROM counted
GROUP BY user_id, mailbox_owner_upn, source_ip
HAVING max(items_before) >= $$minimum items$$
ORDER BY items_at_once DESC, user_id, mailbox_owner_upn, source_ip
