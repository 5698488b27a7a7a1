-- id: site_admins_added
-- name: Administrators of sites added
-- description: Who became administrator of a site or of somebody's OneDrive, and by whom. An administrator of
--   Microsoft 365 who adds himself reads all files there. The owner of a OneDrive who becomes its administrator when
--   it is made is left out.
-- severity: medium
-- tactic: persistence, privilege-escalation, collection
-- technique: T1098, T1213.002
-- reference: https://learn.microsoft.com/purview/audit-log-activities
-- reference: https://learn.microsoft.com/sharepoint/manage-site-collection-administrators
-- reference: https://attack.mitre.org/techniques/T1098/
-- variable $$user$$ user optional: who did it or became administrator; `%` stands for any text
-- column creation_time (datetime): when
-- column operation: what was done
-- column user_id (user): who did it
-- column source_ip (ip): address it came from
-- column site (url): site
-- column administrator (user): who became administrator
-- column to_self (boolean): whether both are one
-- column is_personal (boolean): whether the site is somebody's OneDrive
WITH grants AS (
    SELECT
        creation_time,
        operation,
        user_id,
        source_ip,
        coalesce(nullif(site_url, ''), object_id) AS site,
        coalesce(
            nullif(target_user_or_group_name, ''),
            nullif(modified_properties['SiteAdmin']['new_value'], ''),
            event_data
        ) AS administrator
    FROM m365_audit
    WHERE operation IN ('SiteCollectionAdminAdded', 'SiteAdminChangeRequest')
        -- What the service does when it makes a site.
        AND lower(user_id) <> 'microsoft\serviceoperator'
)
SELECT
    creation_time,
    operation,
    user_id,
    source_ip,
    site,
    administrator,
    coalesce(lower(administrator) = lower(user_id), false) AS to_self,
    site LIKE '%/personal/%' AS is_personal
FROM grants
-- A OneDrive bears its owner's name: `/personal/ada_contoso_com`.
WHERE (
        administrator IS NULL
        OR strpos(
            lower(site),
            concat('/personal/', regexp_replace(lower(administrator), '[^a-z0-9]', '_', 'g'))
        ) = 0
    )
    [[AND (user_id ILIKE $$user$$ OR administrator ILIKE $$user$$)]]
ORDER BY creation_time DESC, site, administrator
