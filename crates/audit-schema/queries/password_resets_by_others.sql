-- id: password_resets_by_others
-- name: Passwords reset by somebody else
-- description: Accounts whose password an administrator, or an application, set or had changed. An intruder with the rights
--   of a helpdesk takes accounts over with it.
-- severity: low
-- tactic: persistence, impact
-- technique: T1098, T1531
-- reference: https://learn.microsoft.com/entra/identity/authentication/howto-sspr-reporting
-- variable $$actor$$ user optional: who did it; `%` stands for any text
-- column creation_time (datetime): when
-- column operation: what was done
-- column actor (user): who did it
-- column source_ip (ip): address it came from
-- column account (user): whose password it is
-- column resets_by_actor (integer): number of accounts that the same actor did it to
-- column result_status: outcome
WITH resets AS (
    SELECT creation_time, operation, user_id AS actor, source_ip, object_id AS account, result_status
    FROM m365_directory
    WHERE (
            operation ILIKE 'Reset user password%'
            OR operation ILIKE 'Reset password (by admin)%'
            OR operation ILIKE 'Set force change user password%'
            OR operation ILIKE 'Admin started password reset%'
        )
        AND (lower(user_id) IS DISTINCT FROM lower(object_id))
        [[AND user_id ILIKE $$actor$$]]
),
accounts AS (
    SELECT actor AS resetting_actor, count(DISTINCT lower(account)) AS resets_by_actor
    FROM resets
    GROUP BY actor
)
SELECT creation_time, operation, actor, source_ip, account, resets_by_actor, result_status
FROM resets
JOIN accounts ON resetting_actor = actor
ORDER BY creation_time DESC, account
