-- id: access_policy_changes
-- name: Changes of access and authentication policies
-- description: Conditional access policies, named locations, authentication, authorization and password policies that were
--   added, changed or deleted. Intruders open a door here that stays open.
-- severity: high
-- tactic: defense-evasion, persistence, credential-access
-- technique: T1556.009
-- reference: https://learn.microsoft.com/entra/identity/conditional-access/troubleshoot-policy-changes-audit-log
-- reference: https://learn.microsoft.com/entra/architecture/security-operations-infrastructure
-- column creation_time (datetime): when
-- column operation: what was done
-- column user_id (user): who did it
-- column source_ip (ip): address it came from
-- column policy: name of the policy or location
-- column policy_type: kind of the policy, where the record says
-- column new_value: policy after the change
-- column old_value: policy before it
-- column result_status: outcome
SELECT
    creation_time,
    operation,
    user_id,
    source_ip,
    coalesce(('["' || regexp_match(target, '"ID":\s*"((?:[^"\\]|\\.)*)",\s*"Type":\s*1\D')[1] || '"]')->>0, object_id) AS policy,
    regexp_match(modified_properties['PolicyType']['new_value'], '[A-Za-z]+')[1] AS policy_type,
    coalesce(
        modified_properties['ConditionalAccessPolicy']['new_value'],
        modified_properties['PolicyDetail']['new_value'],
        modified_properties['Included Updated Properties']['new_value']
    ) AS new_value,
    coalesce(
        modified_properties['ConditionalAccessPolicy']['old_value'],
        modified_properties['PolicyDetail']['old_value']
    ) AS old_value,
    result_status
FROM m365_directory
WHERE operation ILIKE '%policy%'
    OR operation ILIKE '%named location%'
    OR extended_properties['extendedAuditEventCategory'] ILIKE '%policy%'
ORDER BY creation_time DESC, operation
