-- id: file_access_by_guests
-- name: Files used by guests
-- description: What guests of the tenant and people with a one-time code did with files, by guest and site. Many
--   downloads, or a site that the guest has no business with, are worth a look.
-- severity: informational
-- tactic: collection
-- technique: T1213.002, T1530
-- reference: https://learn.microsoft.com/purview/audit-log-activities
-- reference: https://learn.microsoft.com/entra/external-id/user-properties
-- reference: https://attack.mitre.org/techniques/T1213/002/
-- variable $$guest$$ user optional: guest; `%` stands for any text
-- variable $$home domain$$ domain optional: only guests of this domain
-- variable $$site$$ string optional: site, a part of its URL
-- column guest (user): guest, as the record names it
-- column home_domain (domain): domain that the guest comes from
-- column site_url (url): site
-- column files (integer): number of distinct files
-- column downloads (integer): number of downloads
-- column changes (integer): number of records that change or delete
-- column addresses (integer): number of distinct addresses
-- column some_address (ip): one of these
-- column operations: what was done
-- column first_seen (datetime): earliest record
-- column last_seen (datetime): latest record
SELECT
    lower(user_id) AS guest,
    domain_of(user_id) AS home_domain,
    site_url,
    count(DISTINCT object_id) AS files,
    count(*) FILTER (WHERE operation LIKE '%Download%') AS downloads,
    count(*) FILTER (
        WHERE operation ~ '(Uploaded|Modified|Deleted|Recycled|Renamed|Moved|Copied)'
    ) AS changes,
    count(DISTINCT source_ip) AS addresses,
    min(source_ip) AS some_address,
    string_agg(DISTINCT operation, ', ' ORDER BY operation) AS operations,
    min(creation_time) AS first_seen,
    max(creation_time) AS last_seen
FROM m365_files
WHERE (user_id ILIKE '%#EXT#%' OR user_id ILIKE 'urn:spo:guest#%' OR user_type = 10)
    [[AND user_id ILIKE $$guest$$]]
    [[AND domain_of(user_id) = lower($$home domain$$)]]
    [[AND site_url ILIKE '%$$site$$%']]
GROUP BY 1, 2, 3
ORDER BY downloads DESC, files DESC, guest, site_url
LIMIT 500
