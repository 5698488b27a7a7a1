-- id: copilot_prompt_attacks
-- name: Attacks on Copilot by prompt
-- description: Interactions with Copilot and AI applications in which Microsoft saw an attempt to get round the rules
--   of the model (JailbreakDetected), or instructions hidden in a resource that was read (XPIADetected, cross-prompt
--   injection), and resources that a policy kept from the answer.
-- severity: high
-- tactic: execution, collection
-- technique: T1204, T1213
-- reference: https://learn.microsoft.com/purview/audit-copilot
-- reference: https://atlas.mitre.org/techniques/AML.T0051
-- variable $$user$$ user optional: who asked; `%` stands for any text
-- variable $$with refusals$$ boolean default "false": also where a policy only kept a resource from the answer
-- column creation_time (datetime): when
-- column user_id (user): who asked
-- column source_ip (ip): address it came from
-- column finding: jailbreak, injection, refusal
-- column application: application that Copilot was used in
-- column agent: agent or AI application
-- column resource: resource with the injection or refused
-- column location (url): where it lies
-- column thread_id: the conversation
WITH interactions AS (
    SELECT
        creation_time,
        user_id,
        source_ip,
        copilot_event_data->>'AppHost' AS application,
        coalesce(agent_name, app_identity) AS agent,
        copilot_event_data->>'ThreadId' AS thread_id,
        copilot_event_data
    FROM m365_copilot
    [[WHERE user_id ILIKE $$user$$]]
),
messages_of AS (
    SELECT
        creation_time,
        user_id,
        source_ip,
        application,
        agent,
        thread_id,
        unnest(json_get_array(copilot_event_data, 'Messages')) AS part
    FROM interactions
),
resources AS (
    SELECT
        creation_time,
        user_id,
        source_ip,
        application,
        agent,
        thread_id,
        unnest(json_get_array(copilot_event_data, 'AccessedResources')) AS part
    FROM interactions
),
judged AS (
    SELECT DISTINCT
        creation_time,
        user_id,
        source_ip,
        'jailbreak' AS finding,
        application,
        agent,
        NULL AS resource,
        NULL AS location,
        thread_id
    FROM messages_of
    WHERE lower(part->>'JailbreakDetected') = 'true'
    UNION ALL
    SELECT
        creation_time,
        user_id,
        source_ip,
        CASE WHEN lower(part->>'XPIADetected') = 'true' THEN 'injection' ELSE 'refusal' END AS finding,
        application,
        agent,
        coalesce(nullif(part->>'Name', ''), part->>'Id', part->>'ID') AS resource,
        nullif(part->>'SiteUrl', '') AS location,
        thread_id
    FROM resources
    WHERE lower(part->>'XPIADetected') = 'true'
        OR lower(part->>'Status') = 'failure'
)
SELECT
    creation_time,
    user_id,
    source_ip,
    finding,
    application,
    agent,
    resource,
    location,
    thread_id
FROM judged
WHERE finding <> 'refusal' OR $$with refusals$$
ORDER BY creation_time DESC, user_id, finding, resource
