-- id: sensitivity_labels_removed
-- name: Sensitivity labels removed from many files
-- description: Users who removed the sensitivity labels of several files, mails or sites within one day. Without the
--   label its encryption and markings go, and rules that look for it no longer match.
-- severity: medium
-- tactic: defense-evasion, exfiltration
-- technique: T1562
-- reference: https://learn.microsoft.com/purview/audit-log-activities
-- reference: https://learn.microsoft.com/office/office-365-management-api/aipsensitivitylabelaction
-- reference: https://attack.mitre.org/techniques/T1562/
-- variable $$user$$ user optional: who; `%` stands for any text
-- variable $$minimum items$$ integer default "5": only days with at least so many distinct items
-- column day (datetime): UTC day
-- column user_id (user): who
-- column items (integer): number of distinct files, mails and sites
-- column labels: labels that they had, where they are recorded
-- column some_item (path): one of them
-- column justification: what the user wrote for one of them
-- column some_address (ip): address that one of the records came from
-- column devices: devices
-- column first_seen (datetime): earliest removal
-- column last_seen (datetime): latest removal
WITH removals AS (
    SELECT
        creation_time,
        user_id,
        source_ip,
        coalesce(object_id, item_name, id) AS item,
        coalesce(
            sensitivity_label_event_data->>'OldSensitivityLabelId',
            extra->>'OldSensitivityLabelId',
            sensitivity_label_event_data->>'SensitivityLabelId',
            sensitivity_label_id
        ) AS label,
        coalesce(
            sensitivity_label_event_data->>'JustificationText',
            extra->>'JustificationText'
        ) AS justification,
        coalesce(device_name, common->>'DeviceName') AS device
    FROM m365_audit
    WHERE (
            operation IN ('SensitivityLabelRemoved', 'FileSensitivityLabelRemoved', 'SiteSensitivityLabelRemoved')
            OR (
                operation IN ('SensitivityLabelUpdated', 'FileSensitivityLabelChanged')
                AND coalesce(sensitivity_label_event_data->>'LabelEventType', extra->>'LabelEventType')
                    IN ('3', 'LabelRemoved')
            )
        )
        [[AND user_id ILIKE $$user$$]]
)
SELECT
    date_trunc('day', creation_time) AS day,
    user_id,
    count(DISTINCT item) AS items,
    array_to_string(array_sort(array_agg(DISTINCT label) FILTER (WHERE label IS NOT NULL)), ', ') AS labels,
    min(item) AS some_item,
    min(justification) AS justification,
    min(source_ip) AS some_address,
    array_to_string(array_sort(array_agg(DISTINCT device) FILTER (WHERE device IS NOT NULL)), ', ') AS devices,
    min(creation_time) AS first_seen,
    max(creation_time) AS last_seen
FROM removals
GROUP BY 1, 2
HAVING count(DISTINCT item) >= $$minimum items$$
ORDER BY items DESC, day, user_id
