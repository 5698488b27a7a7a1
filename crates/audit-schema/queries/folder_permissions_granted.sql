-- id: folder_permissions_granted
-- name: Access to mailbox folders granted
-- description: Rights to read a folder of a mailbox that somebody got, by cmdlet or in a mail client, and delegates
--   of calendars. Rights of Default, Anonymous or Everyone open the folder to all. Rights that show free and busy
--   times only are left out.
-- severity: medium
-- tactic: persistence, collection
-- technique: T1098.002, T1114.002
-- reference: https://learn.microsoft.com/powershell/module/exchange/add-mailboxfolderpermission
-- reference: https://learn.microsoft.com/purview/audit-mailboxes
-- reference: https://attack.mitre.org/techniques/T1098/002/
-- variable $$user$$ user optional: who gave or got the right, or whose mailbox it is; `%` stands for any text
-- column creation_time (datetime): when
-- column operation: cmdlet, or action of the mail client
-- column user_id (user): who did it
-- column source_ip (ip): address it came from
-- column mailbox: mailbox, or mailbox and folder
-- column folder (path): folder
-- column trustee (user): who got the right
-- column access_rights: which rights
-- column to_everybody (boolean): whether all people got it
WITH grants AS (
    SELECT
        creation_time,
        operation,
        user_id,
        source_ip,
        coalesce(mailbox_owner_upn, parameters['Identity'], object_id) AS mailbox,
        coalesce(
            item->'ParentFolder'->>'Path',
            folder->>'Path',
            nullif(regexp_replace(parameters['Identity'], '^[^\\]*', ''), '')
        ) AS folder,
        coalesce(
            item->'ParentFolder'->>'MemberUpn',
            folder->>'MemberUpn',
            parameters['User']
        ) AS trustee,
        coalesce(
            item->'ParentFolder'->>'MemberRights',
            folder->>'MemberRights',
            parameters['AccessRights']
        ) AS access_rights
    FROM m365_audit
    WHERE operation IN (
            'Add-MailboxFolderPermission',
            'Set-MailboxFolderPermission',
            'AddFolderPermissions',
            'ModifyFolderPermissions',
            'UpdateFolderPermissions',
            'UpdateCalendarDelegation'
        )
        AND coalesce(user_type, 0) NOT IN (3, 4)
        -- What the service does when it makes the mailbox of a group.
        AND user_id NOT LIKE 'S-1-5-18%'
)
SELECT
    creation_time,
    operation,
    user_id,
    source_ip,
    mailbox,
    folder,
    trustee,
    access_rights,
    coalesce(lower(trustee) IN ('default', 'anonymous', 'everyone'), false) AS to_everybody
FROM grants
WHERE regexp_replace(
        access_rights,
        'none|availabilityonly|limiteddetails|freebusysimple|freebusydetailed|foldervisible|[\s,]',
        '',
        'gi'
    ) <> ''
    [[AND (user_id ILIKE $$user$$ OR mailbox ILIKE '%$$user$$%' OR trustee ILIKE $$user$$)]]
ORDER BY creation_time DESC, mailbox, folder, trustee
