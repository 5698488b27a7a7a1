-- id: anonymous_links_created
-- name: Links for anyone
-- description: Links that let anyone in without signing in, made or changed, newest first. `may_edit` tells where
--   anyone may change or upload files as well.
-- reference: https://learn.microsoft.com/purview/audit-log-sharing
-- reference: https://attack.mitre.org/techniques/T1567/
-- variable $$user$$ user optional: who made the link; `%` stands for any text
-- variable $$site$$ string optional: site, a part of its URL
-- column creation_time (datetime): when
-- column operation: what was done
-- column user_id (user): who did it
-- column source_ip (ip): address it came from
-- column is_internal (boolean): whether that address is of the customer's own networks
-- column object_id (url): what was shared
-- column item_type: File, Folder and so on
-- column site_url (url): site
-- column may_edit (boolean): whether the link lets people change it
-- column unique_sharing_id (guid): id of the link; its uses have it too
SELECT
    creation_time,
    operation,
    user_id,
    source_ip,
    is_internal_ip(source_ip) AS is_internal,
    object_id,
    item_type,
    site_url,
    concat_ws(' ', event_data, sharing_type) ~* 'edit|contribute|full control' AS may_edit,
    unique_sharing_id
FROM m365_sharing
WHERE (
        operation IN ('AnonymousLinkCreated', 'AnonymousLinkUpdated')
        OR (operation IN ('SharingLinkCreated', 'SharingLinkUpdated') AND sharing_link_scope ILIKE 'any%')
    )
    [[AND user_id ILIKE $$user$$]]
    [[AND site_url ILIKE '%$$site$$%']]
ORDER BY creation_time DESC, user_id
LIMIT 1000
