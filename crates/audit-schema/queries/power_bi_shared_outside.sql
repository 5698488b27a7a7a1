-- id: power_bi_shared_outside
-- name: Power BI content shared outside
-- description: Reports, dashboards and workspaces that were shared with people outside the organisation's domains, and reports that
--   were published for everybody on the web.
-- severity: medium
-- tactic: exfiltration
-- technique: T1567
-- reference: https://learn.microsoft.com/fabric/admin/operation-list
-- reference: https://learn.microsoft.com/power-bi/collaborate-share/service-publish-to-web
-- column creation_time (datetime): when
-- column operation: what was done
-- column user_id (user): who did it
-- column source_ip (ip): address it came from
-- column artifact: report, dashboard or workspace
-- column recipient (user): with whom; null if everybody
-- column recipient_domain (domain): domain of that
-- column id (guid): id of the record
WITH shared AS (
    SELECT
        creation_time,
        operation,
        user_id,
        source_ip,
        coalesce(report_name, artifact_name, item_name, work_space_name) AS artifact,
        unnest(json_get_array(sharing_information)) AS recipient,
        id
    FROM m365_audit
    WHERE record_type = 20
        AND sharing_information IS NOT NULL
),
named AS (
    SELECT
        creation_time,
        operation,
        user_id,
        source_ip,
        artifact,
        coalesce(recipient->>'RecipientEmail', recipient->>'UserPrincipalName') AS recipient,
        id
    FROM shared
),
published AS (
    SELECT
        creation_time,
        operation,
        user_id,
        source_ip,
        coalesce(report_name, artifact_name, item_name) AS artifact,
        NULL AS recipient,
        id
    FROM m365_audit
    WHERE record_type = 20
        AND operation IN ('PublishToWebReport', 'GenerateEmbedCode', 'CreatePublishToWebCode')
)
SELECT
    creation_time,
    operation,
    user_id,
    source_ip,
    artifact,
    recipient,
    domain_of(recipient) AS recipient_domain,
    id
FROM (
    SELECT * FROM named WHERE NOT is_internal_domain(recipient)
    UNION ALL
    SELECT * FROM published
) AS outside
ORDER BY creation_time DESC, id, recipient
