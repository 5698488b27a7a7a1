-- id: sharing_links
-- name: Sharing links and invitations
-- description: Files, folders and sites that were shared by link or invitation, newest first.
-- reference: https://learn.microsoft.com/purview/audit-log-sharing
-- variable $$user$$ user optional: who shared; `%` stands for any text
-- column creation_time (datetime): when
-- column operation: what was done
-- column user_id (user): who did it
-- column source_ip (ip): address it came from
-- column object_id (path): what was shared
-- column shared_with (user): with whom
-- column shared_with_type: Member, Guest and so on
-- column event_data: details, such as the kind of link
SELECT
    creation_time,
    operation,
    user_id,
    source_ip,
    object_id,
    target_user_or_group_name AS shared_with,
    target_user_or_group_type AS shared_with_type,
    event_data
FROM m365_sharing
WHERE operation IN (
        'AnonymousLinkCreated',
        'AnonymousLinkUpdated',
        'AnonymousLinkUsed',
        'CompanyLinkCreated',
        'SecureLinkCreated',
        'SecureLinkUpdated',
        'AddedToSecureLink',
        'SharingInvitationCreated',
        'SharingInvitationAccepted',
        'SharingSet'
    )
    [[AND user_id ILIKE $$user$$]]
ORDER BY creation_time DESC, object_id
LIMIT 1000
