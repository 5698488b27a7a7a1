-- id: copilot_labelled_resources
-- name: Labelled files used by Copilot
-- description: Files, mails and other resources with a sensitivity label that Copilot and AI applications used for an
--   answer, by user and resource. Whoever asks gets what the asking account may read, so this is where too wide
--   permissions show.
-- reference: https://learn.microsoft.com/purview/audit-copilot
-- reference: https://learn.microsoft.com/office/office-365-management-api/copilot-schema
-- variable $$user$$ user optional: who asked; `%` stands for any text
-- variable $$labels$$ list of guid optional: only resources with these labels
-- variable $$application$$ string optional: application that Copilot was used in, such as Word or Teams
-- column user_id (user): who asked
-- column label (guid): sensitivity label of the resource
-- column resource: name of the resource, or its id
-- column resource_type: kind of the resource
-- column location (url): where it lies
-- column actions: what was done with it
-- column refused (integer): how often access was refused
-- column interactions (integer): number of interactions
-- column applications: applications that Copilot was used in
-- column some_address (ip): address that one of them came from
-- column first_seen (datetime): earliest interaction
-- column last_seen (datetime): latest interaction
WITH resources AS (
    SELECT
        creation_time,
        user_id,
        source_ip,
        copilot_event_data->>'AppHost' AS application,
        id AS record_id,
        unnest(json_get_array(copilot_event_data, 'AccessedResources')) AS used
    FROM m365_copilot
),
labelled AS (
    SELECT
        creation_time,
        user_id,
        source_ip,
        application,
        record_id,
        lower(used->>'SensitivityLabelId') AS label,
        coalesce(nullif(used->>'Name', ''), used->>'Id', used->>'ID') AS resource,
        used->>'Type' AS resource_type,
        nullif(used->>'SiteUrl', '') AS location,
        used->>'Action' AS action,
        lower(used->>'Status') = 'failure' AS is_refused
    FROM resources
)
SELECT
    user_id,
    label,
    resource,
    resource_type,
    location,
    array_to_string(array_sort(array_agg(DISTINCT action) FILTER (WHERE action IS NOT NULL)), ', ') AS actions,
    count(*) FILTER (WHERE is_refused) AS refused,
    count(DISTINCT record_id) AS interactions,
    array_to_string(array_sort(array_agg(DISTINCT application) FILTER (WHERE application IS NOT NULL)), ', ')
        AS applications,
    min(source_ip) AS some_address,
    min(creation_time) AS first_seen,
    max(creation_time) AS last_seen
FROM labelled
WHERE label <> ''
    AND label <> '00000000-0000-0000-0000-000000000000'
    [[AND user_id ILIKE $$user$$]]
    [[AND label IN ($$labels$$)]]
    [[AND application = $$application$$]]
GROUP BY 1, 2, 3, 4, 5
ORDER BY interactions DESC, user_id, resource
LIMIT 500
