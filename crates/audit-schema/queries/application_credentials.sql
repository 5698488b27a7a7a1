-- id: application_credentials
-- name: New credentials on applications
-- description: Secrets, certificates and federated identities that were added to applications and service principals. Who
--   has one signs in as the application, with its permissions and without a second factor.
-- severity: high
-- tactic: persistence, privilege-escalation
-- technique: T1098.001
-- reference: https://learn.microsoft.com/security/operations/incident-response-playbook-compromised-malicious-app
-- reference: https://attack.mitre.org/techniques/T1098/001/
-- variable $$user$$ user optional: who added them; `%` stands for any text
-- column creation_time (datetime): when
-- column operation: what was done
-- column user_id (user): who did it
-- column source_ip (ip): address it came from
-- column application: name of the application
-- column object_id: identifier of the application or service principal
-- column credentials: credentials after the change
-- column credentials_before: credentials before it
-- column user_agent: program that did it
-- column result_status: outcome
WITH changes AS (
    SELECT
        creation_time,
        operation,
        user_id,
        source_ip,
        -- The name among the identifiers, which are JSON.
        ('["' || regexp_match(target, '"ID":\s*"((?:[^"\\]|\\.)*)",\s*"Type":\s*1\D')[1] || '"]')->>0 AS application,
        object_id,
        coalesce(
            modified_properties['KeyDescription']['new_value'],
            modified_properties['FederatedIdentityCredentials']['new_value']
        ) AS credentials,
        coalesce(
            modified_properties['KeyDescription']['old_value'],
            modified_properties['FederatedIdentityCredentials']['old_value']
        ) AS credentials_before,
        nullif(extended_properties['additionalDetails'], '{}') AS details,
        result_status
    FROM m365_directory
    [[WHERE user_id ILIKE $$user$$]]
)
SELECT
    creation_time,
    operation,
    user_id,
    source_ip,
    application,
    object_id,
    credentials,
    credentials_before,
    details->>'User-Agent' AS user_agent,
    result_status
FROM changes
WHERE (
        operation ILIKE 'Add service principal credentials%'
        OR operation ILIKE 'Update application%Certificates and secrets management%'
        OR credentials IS NOT NULL
    )
    -- Fewer than before: only taken away.
    AND (credentials IS NULL OR length(credentials) >= length(coalesce(credentials_before, '')))
    AND operation NOT ILIKE 'Remove %'
ORDER BY creation_time DESC, object_id
