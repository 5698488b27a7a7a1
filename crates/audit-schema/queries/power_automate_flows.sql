-- id: power_automate_flows
-- name: Power Automate flows
-- description: Flows that were made, changed, shared or deleted, by user and by what they connect. A flow from a mailbox or a
--   library to a service outside copies data on its own.
-- reference: https://learn.microsoft.com/power-platform/admin/logging-power-automate
-- variable $$user$$ user optional: who did it; `%` stands for any text
-- variable $$connector$$ string optional: only flows with connectors like this, such as %shared_sendmail%; `%` stands for any text
-- column user_id (user): who
-- column operation: what was done
-- column connectors: connectors of the flow
-- column flow (url): page of the flow
-- column shared_with (user): whom it was shared with
-- column records (integer): number of records
-- column first_seen (datetime): earliest record
-- column last_seen (datetime): latest record
SELECT
    user_id,
    operation,
    flow_connector_names AS connectors,
    flow_details_url AS flow,
    recipient_upn AS shared_with,
    count(*) AS records,
    min(creation_time) AS first_seen,
    max(creation_time) AS last_seen
FROM m365_audit
WHERE record_type = 30
    [[AND user_id ILIKE $$user$$]]
    [[AND flow_connector_names ILIKE $$connector$$]]
GROUP BY user_id, operation, flow_connector_names, flow_details_url, recipient_upn
ORDER BY last_seen DESC, user_id, operation
