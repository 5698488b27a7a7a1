-- id: application_consents
-- name: Consent and permissions of applications
-- description: Consent to applications, permissions given to them, and new credentials of applications.
-- column creation_time: when
-- column operation: what was done
-- column user_id: who did it
-- column object_id: application it was done to
-- column source_ip: address it came from
-- column admin_consent: whether an administrator consented for all
-- column permissions: what was consented to
-- column result_status: outcome
SELECT
    creation_time,
    operation,
    user_id,
    object_id,
    source_ip,
    modified_properties['ConsentContext.IsAdminConsent']['new_value'] AS admin_consent,
    coalesce(
        modified_properties['ConsentAction.Permissions']['new_value'],
        modified_properties['DelegatedPermissionGrant.Scope']['new_value'],
        modified_properties['AppRole.Value']['new_value']
    ) AS permissions,
    result_status
FROM m365_directory
WHERE operation LIKE 'Consent to application%'
    OR operation LIKE 'Add delegated permission grant%'
    OR operation LIKE 'Add app role assignment%'
    OR operation LIKE 'Add service principal credentials%'
    OR operation LIKE 'Update application%Certificates and secrets management%'
ORDER BY creation_time DESC
