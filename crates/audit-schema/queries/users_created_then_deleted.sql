-- id: users_created_then_deleted
-- name: Users created and soon deleted
-- description: Accounts that lived for a short time only: made for one purpose, and taken away with their traces.
-- severity: medium
-- tactic: persistence, defense-evasion
-- technique: T1136.003, T1070
-- reference: https://learn.microsoft.com/entra/architecture/security-operations-user-accounts
-- variable $$hours$$ integer default "24": at most so many hours apart
-- column account (user): the account
-- column created_at (datetime): when it was created
-- column deleted_at (datetime): when it was deleted
-- column minutes_between (integer): whole minutes in between
-- column created_by (user): who created it
-- column created_from (ip): address that came from
-- column deleted_by (user): who deleted it
-- column deleted_from (ip): address that came from
WITH created AS (
    SELECT lower(object_id) AS account, creation_time AS created_at, user_id AS created_by, source_ip AS created_from
    FROM m365_directory
    WHERE operation ILIKE 'Add user%'
),
deleted AS (
    SELECT
        -- The name of a deleted account begins with its object id.
        regexp_replace(lower(object_id), '^[0-9a-f]{32}', '') AS deleted_account,
        creation_time AS deleted_at,
        user_id AS deleted_by,
        source_ip AS deleted_from
    FROM m365_directory
    WHERE operation ILIKE 'Delete user%'
        OR operation ILIKE 'Hard delete user%'
)
SELECT
    account,
    created_at,
    min(deleted_at) AS deleted_at,
    (to_unixtime(min(deleted_at)) - to_unixtime(created_at)) / 60 AS minutes_between,
    created_by,
    created_from,
    min(deleted_by) AS deleted_by,
    min(deleted_from) AS deleted_from
FROM created
JOIN deleted
    ON deleted_account = account
    AND deleted_at >= created_at
    AND deleted_at <= created_at + interval '$$hours$$' hour
GROUP BY account, created_at, created_by, created_from
ORDER BY created_at DESC, account
