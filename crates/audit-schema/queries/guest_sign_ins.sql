-- id: guest_sign_ins
-- name: Sign-ins of guests
-- description: Who signs in from other organisations: guests by their home, and users whose account belongs to another
--   tenant.
-- reference: https://learn.microsoft.com/entra/external-id/what-is-b2b
-- variable $$user$$ user optional: whose sign-ins; `%` stands for any text
-- column user_id (user): who
-- column home_domain (domain): domain that the guest comes from
-- column home_tenant (guid): tenant that the account belongs to
-- column sign_ins (integer): number of sign-ins
-- column failed (integer): how many of them failed
-- column addresses (integer): number of distinct source addresses
-- column first_seen (datetime): earliest sign-in
-- column last_seen (datetime): latest sign-in
SELECT
    user_id,
    domain_of(user_id) AS home_domain,
    max(actor_context_id) AS home_tenant,
    count(*) AS sign_ins,
    count(*) FILTER (WHERE operation = 'UserLoginFailed') AS failed,
    count(DISTINCT source_ip) AS addresses,
    min(creation_time) AS first_seen,
    max(creation_time) AS last_seen
FROM m365_audit
WHERE record_type IN (9, 15)
    AND user_id LIKE '%@%'
    [[AND user_id ILIKE $$user$$]]
    AND (
        user_id ILIKE '%#EXT#%'
        OR user_type = 10
        OR lower(actor_context_id) <> lower(organization_id)
    )
GROUP BY user_id
ORDER BY sign_ins DESC, user_id
