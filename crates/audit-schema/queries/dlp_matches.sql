-- id: dlp_matches
-- name: Matches of data loss prevention
-- description: Documents, mails and messages that matched a rule of data loss prevention, newest first; one row for
--   each rule that matched.
-- reference: https://learn.microsoft.com/office/office-365-management-api/office-365-management-activity-api-schema#dlp-schema
-- reference: https://learn.microsoft.com/purview/dlp-learn-about-dlp
-- variable $$user$$ user optional: whose document or mail; `%` stands for any text
-- variable $$policy$$ string optional: policy, a part of its name
-- variable $$severity$$ string optional one of "High", "Medium", "Low", "Informational": only rules of this severity
-- column creation_time (datetime): when
-- column workload: Exchange, SharePoint, OneDrive, MicrosoftTeams, Endpoint and so on
-- column owner (user): sender, or who changed the document last
-- column item: file or subject of the mail
-- column location (path): where the file lies
-- column recipients: who the mail was for
-- column policy: policy that matched
-- column rule: rule that matched
-- column severity: severity of the rule
-- column actions: what the rule did
-- column matches (integer): number of matches of sensitive information
-- column outside_viewers (boolean): whether people from outside can see it
-- column incident_id (guid): id that joins the records of one match
WITH policies AS (
    SELECT
        creation_time,
        workload,
        coalesce(
            nullif(exchange_meta_data->>'From', ''),
            nullif(share_point_meta_data->>'From', ''),
            user_id
        ) AS owner,
        coalesce(
            exchange_meta_data->>'Subject',
            share_point_meta_data->>'FileName',
            file_name,
            object_id
        ) AS item,
        coalesce(share_point_meta_data->>'FilePathUrl', object_id) AS location,
        exchange_meta_data->>'To' AS recipients,
        coalesce(
            share_point_meta_data->>'IsViewableByExternalUsers',
            exchange_meta_data->>'IsViewableByExternalUsers'
        ) = 'true' AS outside_viewers,
        incident_id,
        unnest(json_get_array(policy_details)) AS matched_policy
    FROM m365_audit
    WHERE operation IN ('DLPRuleMatch', 'DlpRuleMatch')
),
rules AS (
    SELECT
        creation_time,
        workload,
        owner,
        item,
        location,
        recipients,
        outside_viewers,
        incident_id,
        matched_policy->>'PolicyName' AS policy,
        unnest(json_get_array(matched_policy, 'Rules')) AS matched_rule
    FROM policies
),
counted AS (
    SELECT
        *,
        unnest(coalesce(
            -- A rule without sensitive information still is a row.
            CASE
                WHEN json_length(matched_rule, 'ConditionsMatched', 'SensitiveInformation') > 0
                    THEN json_get_array(matched_rule, 'ConditionsMatched', 'SensitiveInformation')
            END,
            make_array('{}')
        )) AS information
    FROM rules
)
SELECT
    creation_time,
    workload,
    owner,
    item,
    location,
    recipients,
    policy,
    matched_rule->>'RuleName' AS rule,
    matched_rule->>'Severity' AS severity,
    matched_rule->>'Actions' AS actions,
    coalesce(sum(json_get_int(information, 'Count')), 0) AS matches,
    coalesce(outside_viewers, false) AS outside_viewers,
    incident_id
FROM counted
WHERE true
    [[AND owner ILIKE $$user$$]]
    [[AND policy ILIKE '%$$policy$$%']]
    [[AND matched_rule->>'Severity' = $$severity$$]]
GROUP BY creation_time, workload, owner, item, location, recipients, policy, matched_rule, outside_viewers, incident_id
ORDER BY creation_time DESC, item, policy, rule
LIMIT 1000
