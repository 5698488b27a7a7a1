-- id: sensitivity_labels_downgraded
-- name: Sensitivity labels downgraded
-- description: Files and mails that got a lower sensitivity label, with what the user wrote for it. Look for what was
--   sent, shared or copied soon after.
-- severity: medium
-- tactic: defense-evasion, exfiltration
-- technique: T1562
-- reference: https://learn.microsoft.com/office/office-365-management-api/aipsensitivitylabelaction
-- reference: https://learn.microsoft.com/purview/data-classification-activity-explorer-available-events
-- reference: https://attack.mitre.org/techniques/T1562/
-- variable $$user$$ user optional: who; `%` stands for any text
-- column creation_time (datetime): when
-- column operation: what was done
-- column user_id (user): who did it
-- column source_ip (ip): address it came from
-- column item (path): file or mail
-- column old_label (guid): label before
-- column new_label (guid): label after
-- column justification: what the user wrote
-- column action_source: by hand, automatic, by default or recommended
-- column application: program
-- column device_name: device
WITH changes AS (
    SELECT
        creation_time,
        operation,
        user_id,
        source_ip,
        coalesce(object_id, item_name) AS item,
        coalesce(
            sensitivity_label_event_data->>'OldSensitivityLabelId',
            extra->>'OldSensitivityLabelId'
        ) AS old_label,
        coalesce(
            sensitivity_label_event_data->>'SensitivityLabelId',
            sensitivity_label_id,
            label_id
        ) AS new_label,
        coalesce(
            sensitivity_label_event_data->>'JustificationText',
            extra->>'JustificationText',
            extra->>'Justification'
        ) AS justification,
        coalesce(sensitivity_label_event_data->>'LabelEventType', extra->>'LabelEventType') AS event_type,
        coalesce(sensitivity_label_event_data->>'ActionSource', extra->>'ActionSource') AS action_source,
        coalesce(application, common->>'ApplicationName', common->>'ProcessName') AS application,
        coalesce(device_name, common->>'DeviceName') AS device_name
    FROM m365_audit
    WHERE operation IN (
        'SensitivityLabelUpdated',
        'SensitivityLabelApplied',
        'FileSensitivityLabelChanged',
        'SiteSensitivityLabelChanged'
    )
)
SELECT
    creation_time,
    operation,
    user_id,
    source_ip,
    item,
    old_label,
    new_label,
    justification,
    CASE action_source
        WHEN '1' THEN 'by default'
        WHEN '2' THEN 'automatic'
        WHEN '3' THEN 'by hand'
        WHEN '4' THEN 'recommended'
        ELSE action_source
    END AS action_source,
    application,
    device_name
FROM changes
WHERE event_type IN ('2', 'LabelDowngraded')
    [[AND user_id ILIKE $$user$$]]
ORDER BY creation_time DESC, user_id, item
