-- id: pim_activations
-- name: Activation of eligible roles
-- description: What Privileged Identity Management recorded: roles that were requested, approved, activated and ended.
-- severity: informational
-- tactic: privilege-escalation
-- technique: T1078.004
-- reference: https://learn.microsoft.com/entra/id-governance/privileged-identity-management/pim-how-to-use-audit-log
-- variable $$user$$ user optional: who did it; `%` stands for any text
-- column creation_time (datetime): when
-- column operation: what was done
-- column user_id (user): who did it
-- column source_ip (ip): address it came from
-- column object_id: what it was done to
-- column names: names and identifiers of the role, the member and the scope, as the service lists them
-- column result_status: outcome
SELECT
    creation_time,
    operation,
    user_id,
    source_ip,
    object_id,
    target AS names,
    result_status
FROM m365_directory
WHERE (operation ILIKE '%(PIM %' OR operation ILIKE '% PIM %')
    [[AND user_id ILIKE $$user$$]]
ORDER BY creation_time DESC, operation
