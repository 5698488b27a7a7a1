-- id: federation_changes
-- name: Changes of domains and federation
-- description: Domains that were added, verified or removed, how they authenticate, directory synchronisation, and partners
--   with rights in the tenant. A federated domain of an intruder signs in as anybody.
-- severity: high
-- tactic: defense-evasion, privilege-escalation
-- technique: T1484.002
-- reference: https://attack.mitre.org/techniques/T1484/002/
-- reference: https://learn.microsoft.com/entra/architecture/security-operations-infrastructure
-- column creation_time (datetime): when
-- column operation: what was done
-- column user_id (user): who did it
-- column source_ip (ip): address it came from
-- column domain: domain or partner
-- column new_value: settings after the change
-- column old_value: settings before it
-- column result_status: outcome
SELECT
    creation_time,
    operation,
    user_id,
    source_ip,
    object_id AS domain,
    coalesce(
        modified_properties['LiveType']['new_value'],
        modified_properties['IssuerUri']['new_value'],
        modified_properties['FederationSettings']['new_value'],
        modified_properties['DirSyncEnabled']['new_value'],
        modified_properties['Included Updated Properties']['new_value']
    ) AS new_value,
    coalesce(
        modified_properties['LiveType']['old_value'],
        modified_properties['IssuerUri']['old_value'],
        modified_properties['FederationSettings']['old_value'],
        modified_properties['DirSyncEnabled']['old_value']
    ) AS old_value,
    result_status
FROM m365_directory
WHERE operation ILIKE '%domain%'
    OR operation ILIKE '%federation%'
    OR operation ILIKE '%DirSyncEnabled%'
    OR operation ILIKE '%partner to company%'
    OR operation ILIKE '%partner from company%'
    OR operation ILIKE '%delegation entry%'
ORDER BY creation_time DESC, operation
