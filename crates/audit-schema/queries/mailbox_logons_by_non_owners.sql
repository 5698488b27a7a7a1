-- id: mailbox_logons_by_non_owners
-- name: Mailboxes used by others than their owners
-- description: Who worked in a mailbox that is not his own, as delegate or administrator, with what he did and from
--   where. Delegates do so every day; an administrator in a mailbox and an address outside the own networks are rare.
--   Microsoft's own services are left out.
-- severity: low
-- tactic: collection
-- technique: T1114.002, T1098.002
-- reference: https://learn.microsoft.com/purview/audit-mailboxes
-- reference: https://attack.mitre.org/techniques/T1114/002/
-- variable $$user$$ user optional: who it was, or whose mailbox; `%` stands for any text
-- variable $$only administrators$$ boolean default "false": without delegates
-- column user_id (user): who it was
-- column mailbox_owner_upn (user): whose mailbox
-- column logon_type: administrator, delegate or delegated administrator
-- column source_ip (ip): address it came from
-- column is_internal (boolean): whether that address is of the customer's own networks
-- column operations: what was done
-- column records (integer): number of records
-- column external_access (boolean): whether somebody from outside the tenant acted
-- column first_seen (datetime): earliest record
-- column last_seen (datetime): latest record
SELECT
    user_id,
    mailbox_owner_upn,
    CASE logon_type WHEN 1 THEN 'administrator' WHEN 2 THEN 'delegate' ELSE 'delegated administrator' END AS logon_type,
    source_ip,
    is_internal_ip(source_ip) AS is_internal,
    string_agg(DISTINCT operation, ', ' ORDER BY operation) AS operations,
    count(*) AS records,
    bool_or(external_access) AS external_access,
    min(creation_time) AS first_seen,
    max(creation_time) AS last_seen
FROM m365_audit
WHERE record_type IN (2, 3, 19, 50)
    AND logon_type IN (1, 2, 6)
    AND (logon_type <> 2 OR NOT $$only administrators$$)
    AND coalesce(user_type, 0) NOT IN (3, 4)
    AND user_id NOT LIKE 'S-1-5-18%'
    AND user_id NOT ILIKE 'NT AUTHORITY%'
    AND (lower(user_id) IS DISTINCT FROM lower(mailbox_owner_upn))
    [[AND (user_id ILIKE $$user$$ OR mailbox_owner_upn ILIKE $$user$$)]]
GROUP BY 1, 2, 3, 4, 5
ORDER BY records DESC, user_id, mailbox_owner_upn, source_ip
LIMIT 500
