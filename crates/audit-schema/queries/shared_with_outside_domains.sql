-- id: shared_with_outside_domains
-- name: Shared with outside domains
-- description: Domains outside the customer's own with whose people files, folders and sites were shared by name,
--   with how much and by whom. A free mail service or a domain that looks like a partner's is worth a look.
-- reference: https://learn.microsoft.com/purview/audit-log-sharing
-- reference: https://attack.mitre.org/techniques/T1537/
-- variable $$user$$ user optional: who shared; `%` stands for any text
-- variable $$outside domain$$ domain optional: only this domain
-- column outside_domain (domain): domain
-- column recipients (integer): number of distinct people
-- column some_recipient (user): one of these
-- column objects (integer): number of distinct files, folders and sites
-- column some_object (url): one of these
-- column users (integer): number of distinct users who shared
-- column some_user (user): one of these
-- column first_seen (datetime): first share
-- column last_seen (datetime): latest share
WITH shares AS (
    SELECT
        creation_time,
        user_id,
        object_id,
        coalesce(nullif(target_user_or_group_name, ''), user_shared_with) AS recipient
    FROM m365_sharing
    WHERE operation IN (
            'SharingInvitationCreated',
            'SharingInvitationUpdated',
            'SharingSet',
            'AddedToSecureLink',
            'AddedToSharingLink',
            'AddedToGroup'
        )
        [[AND user_id ILIKE $$user$$]]
)
SELECT
    domain_of(recipient) AS outside_domain,
    count(DISTINCT recipient) AS recipients,
    min(recipient) AS some_recipient,
    count(DISTINCT object_id) AS objects,
    min(object_id) AS some_object,
    count(DISTINCT user_id) AS users,
    min(user_id) AS some_user,
    min(creation_time) AS first_seen,
    max(creation_time) AS last_seen
FROM shares
WHERE recipient LIKE '%@%'
    AND domain_of(recipient) LIKE '%.%'
    AND NOT is_internal_domain(recipient)
    [[AND domain_of(recipient) = lower($$outside domain$$)]]
GROUP BY 1
ORDER BY objects DESC, outside_domain
LIMIT 500
