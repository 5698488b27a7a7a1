-- id: dlp_overrides
-- name: Data loss prevention overridden
-- description: Users who overrode a rule of data loss prevention or called its match a false positive, with what they
--   wrote. On endpoints: a warning that was bypassed.
-- severity: medium
-- tactic: exfiltration, defense-evasion
-- technique: T1567, T1562
-- reference: https://learn.microsoft.com/office/office-365-management-api/office-365-management-activity-api-schema#dlp-schema
-- reference: https://learn.microsoft.com/purview/dlp-overview-plan-for-dlp
-- reference: https://attack.mitre.org/techniques/T1567/
-- variable $$user$$ user optional: who; `%` stands for any text
-- column creation_time (datetime): when
-- column operation: DlpRuleUndo, DlpInfo, DLPRuleMatch, or action on the endpoint
-- column workload: Exchange, SharePoint, OneDrive, Endpoint and so on
-- column who (user): who overrode
-- column reason: Override, FalsePositive, or warning bypassed
-- column justification: what the user wrote
-- column item: file or subject of the mail
-- column location (path): where the file lies or went
-- column policy: policy that matched
-- column incident_id (guid): id that joins the records of one match
WITH exceptions AS (
    SELECT
        creation_time,
        operation,
        workload,
        coalesce(
            nullif(exchange_meta_data->>'From', ''),
            nullif(share_point_meta_data->>'From', ''),
            user_id
        ) AS who,
        CASE
            WHEN lower(exception_info->>'FalsePositive') = 'true' THEN 'FalsePositive'
            WHEN record_type = 63 AND enforcement_mode = 3 THEN 'warning bypassed'
            -- The reason may stand alone, as text.
            ELSE coalesce(exception_info->>'Reason', json_as_text(exception_info))
        END AS reason,
        coalesce(
            exception_info->>'Justification',
            extra->>'Justification',
            policy_match_info->>'Justification',
            extra->>'UserJustification'
        ) AS justification,
        coalesce(
            exchange_meta_data->>'Subject',
            share_point_meta_data->>'FileName',
            regexp_replace(object_id, '^.*[\\/]', '')
        ) AS item,
        coalesce(share_point_meta_data->>'FilePathUrl', nullif(target_file_path, ''), object_id) AS location,
        coalesce(policy_details->0->>'PolicyName', policy_match_info->>'PolicyName') AS policy,
        incident_id
    FROM m365_audit
    WHERE operation IN ('DlpRuleUndo', 'DLPRuleUndo', 'DlpInfo', 'DLPInfo', 'DlpRuleMatch', 'DLPRuleMatch')
        OR (record_type = 63 AND enforcement_mode = 3)
)
SELECT
    creation_time,
    operation,
    workload,
    who,
    reason,
    justification,
    item,
    location,
    policy,
    incident_id
FROM exceptions
WHERE (reason ~* 'override|false ?positive|bypass' OR (reason IS NULL AND operation ~* '^dlpinfo$'))
    [[AND who ILIKE $$user$$]]
ORDER BY creation_time DESC, who, item
