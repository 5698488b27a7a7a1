-- id: company_links
-- name: Links for the whole organisation
-- description: What was shared by a link that everybody in the organisation can use, with who made the link and how
--   often it was used by whom. Such links give an intruder with one account what was meant for a few.
-- reference: https://learn.microsoft.com/purview/audit-log-sharing
-- reference: https://learn.microsoft.com/sharepoint/shareable-links-anyone-specific-people-organization
-- variable $$user$$ user optional: who made or used a link; `%` stands for any text
-- variable $$site$$ string optional: site, a part of its URL
-- column object_id (url): what was shared
-- column site_url (url): site
-- column created (integer): how many links were made
-- column created_by (user): who made the latest one
-- column uses (integer): how often they were used
-- column users (integer): number of distinct users of them
-- column outside_uses (integer): uses from addresses outside the customer's own networks
-- column first_seen (datetime): earliest record
-- column last_seen (datetime): latest record
SELECT
    object_id,
    min(site_url) AS site_url,
    count(*) FILTER (WHERE operation LIKE '%Created') AS created,
    max(user_id) FILTER (WHERE operation LIKE '%Created') AS created_by,
    count(*) FILTER (WHERE operation LIKE '%Used') AS uses,
    count(DISTINCT user_id) FILTER (WHERE operation LIKE '%Used') AS users,
    count(*) FILTER (WHERE operation LIKE '%Used' AND NOT is_internal_ip(source_ip)) AS outside_uses,
    min(creation_time) AS first_seen,
    max(creation_time) AS last_seen
FROM m365_sharing
WHERE (
        operation IN ('CompanyLinkCreated', 'CompanyLinkUsed')
        OR (operation IN ('SharingLinkCreated', 'SharingLinkUsed') AND sharing_link_scope ILIKE 'organization%')
    )
    [[AND user_id ILIKE $$user$$]]
    [[AND site_url ILIKE '%$$site$$%']]
GROUP BY object_id
ORDER BY uses DESC, created DESC, object_id
LIMIT 500
