-- id: sharing_links
-- name: Sharing links and invitations
-- description: Files, folders and sites that were shared by link or invitation, and links that were used, newest
--   first.
-- reference: https://learn.microsoft.com/purview/audit-log-sharing
-- variable $$user$$ user optional: who shared, or with whom; `%` stands for any text
-- variable $$file$$ path optional: what was shared, a part of its URL
-- column creation_time (datetime): when
-- column operation: what was done
-- column user_id (user): who did it
-- column source_ip (ip): address it came from
-- column object_id (url): what was shared
-- column shared_with (user): with whom
-- column shared_with_type: Member, Guest and so on
-- column scope: who may use the link, where it is recorded
-- column event_data: details, such as the kind of link
SELECT
    creation_time,
    operation,
    user_id,
    source_ip,
    object_id,
    coalesce(target_user_or_group_name, user_shared_with) AS shared_with,
    target_user_or_group_type AS shared_with_type,
    sharing_link_scope AS scope,
    event_data
FROM m365_sharing
WHERE operation IN (
        'AnonymousLinkCreated',
        'AnonymousLinkUpdated',
        'AnonymousLinkUsed',
        'CompanyLinkCreated',
        'CompanyLinkUsed',
        'SecureLinkCreated',
        'SecureLinkUpdated',
        'SecureLinkUsed',
        'AddedToSecureLink',
        'SharingLinkCreated',
        'SharingLinkUpdated',
        'SharingLinkUsed',
        'SharingInvitationCreated',
        'SharingInvitationAccepted',
        'SharingSet'
    )
    [[AND (
        user_id ILIKE $$user$$
        OR target_user_or_group_name ILIKE $$user$$
        OR user_shared_with ILIKE $$user$$
    )]]
    [[AND object_id ILIKE '%$$file$$%']]
ORDER BY creation_time DESC, user_id
LIMIT 1000
