-- id: anonymous_links_used
-- name: Links for anyone used from outside
-- description: Files and folders that were opened with a link for anyone, from addresses outside the customer's own
--   networks, with who made the link where that is in the time range. Many addresses mean that the link went around.
-- severity: low
-- tactic: exfiltration, collection
-- technique: T1567, T1530
-- reference: https://learn.microsoft.com/purview/audit-log-sharing
-- reference: https://attack.mitre.org/techniques/T1567/
-- variable $$site$$ string optional: site, a part of its URL
-- variable $$minimum uses$$ integer default "1": only what was opened at least so often
-- column object_id (url): what was opened
-- column site_url (url): site
-- column uses (integer): how often
-- column addresses (integer): number of distinct addresses
-- column some_address (ip): one of these
-- column shared_by (user): who made the link
-- column shared_at (datetime): when it was made
-- column first_seen (datetime): first use
-- column last_seen (datetime): latest use
WITH links AS (
    SELECT
        object_id,
        min(user_id) AS shared_by,
        min(creation_time) AS shared_at
    FROM m365_sharing
    WHERE operation = 'AnonymousLinkCreated'
        OR (operation = 'SharingLinkCreated' AND sharing_link_scope ILIKE 'any%')
    GROUP BY object_id
),
uses AS (
    SELECT
        object_id,
        min(site_url) AS site_url,
        count(*) AS uses,
        count(DISTINCT source_ip) AS addresses,
        min(source_ip) AS some_address,
        min(creation_time) AS first_seen,
        max(creation_time) AS last_seen
    FROM m365_sharing
    WHERE (
            operation = 'AnonymousLinkUsed'
            OR (operation = 'SharingLinkUsed' AND sharing_link_scope ILIKE 'any%')
        )
        AND NOT coalesce(is_internal_ip(source_ip), false)
        [[AND site_url ILIKE '%$$site$$%']]
    GROUP BY object_id
)
SELECT
    uses.object_id,
    site_url,
    uses,
    addresses,
    some_address,
    shared_by,
    shared_at,
    first_seen,
    last_seen
FROM uses
LEFT JOIN links ON links.object_id = uses.object_id
WHERE uses >= $$minimum uses$$
ORDER BY uses DESC, uses.object_id
LIMIT 500
