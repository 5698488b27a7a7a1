-- id: mailbox_permissions_granted
-- name: Access to mailboxes granted
-- description: Full access to a mailbox that an administrator gave to somebody, or the right to change its
--   permissions or owner. `to_self` tells where the administrator gave it to himself. Changes by Microsoft's own
--   services are left out.
-- severity: medium
-- tactic: persistence, privilege-escalation, collection
-- technique: T1098.002, T1114.002
-- reference: https://learn.microsoft.com/powershell/module/exchange/add-mailboxpermission
-- reference: https://attack.mitre.org/techniques/T1098/002/
-- variable $$user$$ user optional: who gave or got the right, or whose mailbox it is; `%` stands for any text
-- variable $$only to self$$ boolean default "false": only where somebody gave the right to himself
-- column creation_time (datetime): when
-- column user_id (user): who did it
-- column source_ip (ip): address it came from
-- column mailbox (user): mailbox that was opened
-- column trustee (user): who got the right
-- column access_rights: which right
-- column to_self (boolean): whether giver and receiver are one
-- column result_status: outcome
WITH grants AS (
    SELECT
        creation_time,
        user_id,
        source_ip,
        -- Exchange names a mailbox by its address or by a path of the directory, of which the end is the name.
        regexp_replace(coalesce(parameters['Identity'], object_id), '^.*/', '') AS mailbox,
        regexp_replace(coalesce(parameters['User'], parameters['Owner']), '^.*/', '') AS trustee,
        coalesce(parameters['AccessRights'], CASE WHEN parameters['Owner'] IS NOT NULL THEN 'Owner' END)
            AS access_rights,
        result_status
    FROM m365_exchange_admin
    WHERE operation = 'Add-MailboxPermission'
        AND coalesce(user_type, 0) <> 3
),
judged AS (
    SELECT
        creation_time,
        user_id,
        source_ip,
        mailbox,
        trustee,
        access_rights,
        split_part(lower(trustee), '@', 1) = split_part(lower(user_id), '@', 1) AS to_self,
        result_status
    FROM grants
)
SELECT
    creation_time,
    user_id,
    source_ip,
    mailbox,
    trustee,
    access_rights,
    to_self,
    result_status
FROM judged
WHERE access_rights ~* 'fullaccess|changepermission|changeowner|owner'
    AND lower(trustee) NOT IN ('nt authority\self', 'self')
    AND (to_self OR NOT $$only to self$$)
    [[AND (user_id ILIKE $$user$$ OR mailbox ILIKE $$user$$ OR trustee ILIKE $$user$$)]]
ORDER BY creation_time DESC, mailbox, trustee
