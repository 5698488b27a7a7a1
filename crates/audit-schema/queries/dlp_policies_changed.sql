-- id: dlp_policies_changed
-- name: Policies of data loss prevention and labels weakened
-- description: Policies and rules of data loss prevention, and policies that publish or set sensitivity labels, that
--   were removed, turned off or put into test mode. With `every change` all that were made or changed.
-- severity: medium
-- tactic: defense-evasion
-- technique: T1562.001
-- reference: https://learn.microsoft.com/powershell/module/exchange/set-dlpcompliancepolicy
-- reference: https://learn.microsoft.com/powershell/module/exchange/set-dlpcompliancerule
-- reference: https://attack.mitre.org/techniques/T1562/001/
-- variable $$user$$ user optional: who; `%` stands for any text
-- variable $$every change$$ boolean default "false": also changes in which nothing is weaker
-- column creation_time (datetime): when
-- column operation: cmdlet
-- column user_id (user): who did it
-- column source_ip (ip): address it came from
-- column policy: policy or rule
-- column finding: what is weaker now; null if nothing
-- column arguments: what the cmdlet was told
-- column result_status: outcome
WITH cmdlets AS (
    SELECT
        creation_time,
        operation,
        user_id,
        source_ip,
        coalesce(raw->>'Parameters', non_pii_parameters) AS arguments,
        coalesce(
            parameters['Identity'],
            parameters['Name'],
            regexp_match(raw->>'Parameters', '-(?:Identity|Name)\s+"([^"]*)"')[1],
            object_id
        ) AS policy,
        result_status
    FROM m365_audit
    WHERE operation IN (
            'New-DlpCompliancePolicy',
            'Set-DlpCompliancePolicy',
            'Remove-DlpCompliancePolicy',
            'New-DlpComplianceRule',
            'Set-DlpComplianceRule',
            'Remove-DlpComplianceRule',
            'New-DlpPolicy',
            'Set-DlpPolicy',
            'Remove-DlpPolicy',
            'Remove-DlpSensitiveInformationType',
            'Set-DlpSensitiveInformationType',
            'New-LabelPolicy',
            'Set-LabelPolicy',
            'Remove-LabelPolicy',
            'Set-Label',
            'Remove-Label',
            'New-AutoSensitivityLabelPolicy',
            'Set-AutoSensitivityLabelPolicy',
            'Remove-AutoSensitivityLabelPolicy',
            'Set-AutoSensitivityLabelRule',
            'Remove-AutoSensitivityLabelRule',
            'Set-PolicyConfig'
        )
),
judged AS (
    SELECT
        creation_time,
        operation,
        user_id,
        source_ip,
        policy,
        CASE
            WHEN operation LIKE 'Remove-%' THEN 'removed'
            WHEN arguments ~* '-Enabled:?\s*"?\$?false' OR arguments ~* '"Enabled","Value":"\$?false'
                OR arguments ~* '-Disabled:?\s*"?\$?true' OR arguments ~* '"Disabled","Value":"\$?true'
                THEN 'turned off'
            WHEN operation LIKE 'Set-%'
                AND (
                    arguments ~* '-Mode:?\s*"?(disable|test|audit)'
                    OR arguments ~* '"Mode","Value":"(disable|test|audit)'
                )
                THEN 'put into test mode or off'
            WHEN arguments ~* '(-|")BlockAccess("?,"Value":|:?\s*)"?\$?false' THEN 'blocks no longer'
        END AS finding,
        arguments,
        result_status
    FROM cmdlets
)
SELECT
    creation_time,
    operation,
    user_id,
    source_ip,
    policy,
    finding,
    arguments,
    result_status
FROM judged
WHERE (finding IS NOT NULL OR $$every change$$)
    [[AND user_id ILIKE $$user$$]]
ORDER BY creation_time DESC, operation, policy
