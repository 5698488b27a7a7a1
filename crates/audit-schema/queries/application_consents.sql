-- id: application_consents
-- name: Consent and permissions of applications
-- description: Consent to applications by users and administrators, and permissions given to applications. Permissions on
--   mail, files and the directory, and consent for everybody, deserve a look at the application.
-- severity: medium
-- tactic: credential-access, persistence
-- technique: T1528, T1098.003
-- reference: https://learn.microsoft.com/security/operations/incident-response-playbook-app-consent
-- reference: https://learn.microsoft.com/entra/identity/enterprise-apps/protect-against-consent-phishing
-- variable $$permission$$ string optional: only permissions like this, such as %Mail.%; `%` stands for any text
-- column creation_time (datetime): when
-- column operation: what was done
-- column user_id (user): who did it
-- column source_ip (ip): address it came from
-- column application: name of the application that was consented to, or of the service that it may use
-- column object_id: identifiers of that
-- column admin_consent: whether an administrator consented for all
-- column permissions: what was consented to
-- column is_broad (boolean): whether it reaches mail, files, sites or the directory
-- column result_status: outcome
WITH consents AS (
    SELECT
        creation_time,
        operation,
        user_id,
        source_ip,
        -- The name among the identifiers, which are JSON.
        ('["' || regexp_match(target, '"ID":\s*"((?:[^"\\]|\\.)*)",\s*"Type":\s*1\D')[1] || '"]')->>0 AS application,
        object_id,
        modified_properties['ConsentContext.IsAdminConsent']['new_value'] AS admin_consent,
        trim(
            coalesce(
                regexp_match(modified_properties['ConsentAction.Permissions']['new_value'], 'Scope:([^\],]*)')[1],
                modified_properties['ConsentAction.Permissions']['new_value'],
                modified_properties['DelegatedPermissionGrant.Scope']['new_value'],
                modified_properties['AppRole.Value']['new_value'],
                ''
            )
        ) AS permissions,
        result_status
    FROM m365_directory
    WHERE operation ILIKE 'Consent to application%'
        OR operation ILIKE 'Add delegated permission grant%'
        OR operation ILIKE 'Add app role assignment to service principal%'
)
SELECT
    creation_time,
    operation,
    user_id,
    source_ip,
    application,
    object_id,
    admin_consent,
    permissions,
    permissions ~* '(mail\.|mailboxsettings|files\.read|sites\.|directory\.|rolemanagement|user\.readwrite|application\.|full_access|ews\.|imap\.|pop\.|smtp\.|\.readwrite\.all)'
        AS is_broad,
    result_status
FROM consents
[[WHERE permissions ILIKE $$permission$$]]
ORDER BY creation_time DESC, operation
