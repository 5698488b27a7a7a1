-- id: mail_protection_weakened
-- name: Protection of mail weakened
-- description: Policies and rules of Defender and Exchange Online Protection (Safe Links, Safe Attachments,
--   anti-phishing, anti-malware, anti-spam, connection filter) that were removed, turned off or made to let mail
--   through; one row for each setting.
-- severity: high
-- tactic: defense-evasion
-- technique: T1562.001
-- reference: https://learn.microsoft.com/defender-office-365/recommended-settings-for-eop-and-office365
-- reference: https://learn.microsoft.com/powershell/module/exchange/set-antiphishpolicy
-- reference: https://attack.mitre.org/techniques/T1562/001/
-- variable $$user$$ user optional: who did it; `%` stands for any text
-- column creation_time (datetime): when
-- column operation: cmdlet
-- column user_id (user): who did it
-- column source_ip (ip): address it came from
-- column policy: policy or rule
-- column setting: setting that is weaker now; null where the whole policy is off
-- column value: what was set
-- column result_status: outcome
WITH cmdlets AS (
    SELECT
        creation_time,
        operation,
        user_id,
        source_ip,
        coalesce(parameters['Identity'], parameters['Name'], object_id) AS policy,
        parameters,
        result_status
    FROM m365_exchange_admin
    WHERE coalesce(user_type, 0) <> 3
        AND operation ~ concat(
            '^(New|Set|Remove|Disable)-',
            '(AntiPhish|SafeLinks|SafeAttachment|MalwareFilter|HostedContentFilter|HostedConnectionFilter',
            '|AtpPolicyForO365|EOPProtection|ATPProtection|AtpBuiltInProtection|TeamsProtection',
            '|TenantAllowBlockList|ExoPhishSimOverride|ExoSecOpsOverride)'
        )
        [[AND user_id ILIKE $$user$$]]
),
settings AS (
    SELECT
        creation_time,
        operation,
        user_id,
        source_ip,
        policy,
        -- What is removed, turned off or exempted is one row whatever its parameters.
        (operation LIKE 'Remove-%' OR operation LIKE 'Disable-%')
            AND operation NOT LIKE '%TenantAllowBlockList%'
            AND operation NOT LIKE '%Override%'
            OR operation ~ '^(New|Set)-Exo(PhishSim|SecOps)Override' AS is_whole,
        unnest(map_keys(parameters)) AS setting,
        unnest(map_values(parameters)) AS value,
        result_status
    FROM cmdlets
)
SELECT DISTINCT
    creation_time,
    operation,
    user_id,
    source_ip,
    policy,
    CASE WHEN is_whole THEN NULL ELSE setting END AS setting,
    CASE WHEN is_whole THEN NULL ELSE value END AS value,
    result_status
FROM settings
WHERE is_whole
    OR (
        (operation LIKE 'New-%' OR operation LIKE 'Set-%')
        AND (
            (
                lower(value) IN ('false', '$false')
                AND setting IN (
                    'Enable',
                    'Enabled',
                    'EnableSafeLinksForEmail',
                    'EnableSafeLinksForTeams',
                    'EnableSafeLinksForOffice',
                    'EnableForInternalSenders',
                    'IsEnabled',
                    'ScanUrls',
                    'DeliverMessageAfterScan',
                    'TrackClicks',
                    'EnableATPForSPOTeamsODB',
                    'EnableSafeDocs',
                    'EnableFileFilter',
                    'ZapEnabled',
                    'SpamZapEnabled',
                    'PhishZapEnabled',
                    'EnableSpoofIntelligence',
                    'EnableMailboxIntelligence',
                    'EnableMailboxIntelligenceProtection',
                    'EnableOrganizationDomainsProtection',
                    'EnableTargetedUserProtection',
                    'EnableTargetedDomainsProtection',
                    'EnableUnauthenticatedSender',
                    'EnableViaTag',
                    'EnableFirstContactSafetyTips',
                    'HonorDmarcPolicy'
                )
            )
            OR (
                lower(value) IN ('true', '$true')
                AND setting IN (
                    'AllowClickThrough',
                    'AllowSafeDocsOpen',
                    'EnableSafeList',
                    'DisableUrlRewrite',
                    'Allow'
                )
            )
            OR (
                lower(value) NOT IN ('', '$null', 'null')
                AND setting IN (
                    'DoNotRewriteUrls',
                    'AllowedSenders',
                    'AllowedSenderDomains',
                    'IPAllowList',
                    'ExcludedSenders',
                    'ExcludedDomains'
                )
            )
            OR (
                lower(value) IN ('noaction', 'allow', 'addxheader', 'modifysubject')
                AND setting IN (
                    'Action',
                    'SpamAction',
                    'HighConfidenceSpamAction',
                    'PhishSpamAction',
                    'HighConfidencePhishAction',
                    'AuthenticationFailAction',
                    'TargetedUserProtectionAction',
                    'TargetedDomainProtectionAction',
                    'MailboxIntelligenceProtectionAction'
                )
            )
        )
    )
ORDER BY creation_time DESC, policy, setting
