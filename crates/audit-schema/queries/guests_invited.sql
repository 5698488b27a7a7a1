-- id: guests_invited
-- name: Guests invited
-- description: Guests who were invited, accepted, or got an account, with the domain that they come from.
-- severity: low
-- tactic: persistence
-- technique: T1136.003
-- reference: https://learn.microsoft.com/entra/external-id/auditing-and-reporting
-- variable $$domain$$ domain optional: only guests from this domain
-- column creation_time (datetime): when
-- column operation: what was done
-- column user_id (user): who did it
-- column source_ip (ip): address it came from
-- column guest (user): the guest
-- column guest_domain (domain): domain that the guest comes from
-- column result_status: outcome
WITH invitations AS (
    SELECT
        creation_time,
        operation,
        user_id,
        source_ip,
        coalesce(
            regexp_match(target, '"ID":\s*"([^"]*@[^"]*)",\s*"Type":\s*[0-9]')[1],
            regexp_match(object_id, '[^\s,:;]+@[^\s,:;]+')[1],
            object_id
        ) AS guest,
        result_status
    FROM m365_directory
    WHERE operation ILIKE '%invite%user%'
        OR operation ILIKE '%user invite%'
        OR (
            operation ILIKE 'Add user%'
            AND (
                object_id ILIKE '%#EXT#%'
                OR modified_properties['UserType']['new_value'] ILIKE '%guest%'
                OR modified_properties['TargetId.UserType']['new_value'] ILIKE '%guest%'
            )
        )
)
SELECT
    creation_time,
    operation,
    user_id,
    source_ip,
    guest,
    domain_of(guest) AS guest_domain,
    result_status
FROM invitations
[[WHERE domain_of(guest) = lower($$domain$$)]]
ORDER BY creation_time DESC, guest
