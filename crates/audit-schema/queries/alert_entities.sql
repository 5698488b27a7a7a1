-- id: alert_entities
-- name: What alerts are about
-- description: Users, mails, files and other things that alerts are about, with the details that Microsoft puts into
--   the alert's data; newest first.
-- reference: https://learn.microsoft.com/office/office-365-management-api/office-365-management-activity-api-schema#security-and-compliance-alerts-schema
-- variable $$alert$$ guid optional: only this alert
-- variable $$user$$ user optional: entity, a user; `%` stands for any text
-- variable $$severity$$ string optional one of "High", "Medium", "Low", "Informational": only alerts of this severity
-- column creation_time (datetime): when
-- column severity: High, Medium, Low or Informational
-- column name: name of the alert
-- column alert_id (guid): the alert
-- column status: Active, Investigating, Resolved or Dismissed
-- column entity_type: kind of the entity
-- column entity (user): the entity: user, id of a mail, family of malware
-- column operation_of_entity: what was done, such as the operation that set the alert off
-- column client_ip (ip): address in the alert's data
-- column sender (user): sender of the mail
-- column recipient (user): recipient of the mail
-- column subject: subject of the mail
-- column threat: threat that was found
-- column link (url): link to the alert or investigation
SELECT
    creation_time,
    severity,
    name,
    alert_id,
    status,
    coalesce(entity_type, data->>'etype') AS entity_type,
    coalesce(nullif(alert_entity_id, ''), data->>'eid', data->>'f3u') AS entity,
    coalesce(data->>'op', data->>'lon') AS operation_of_entity,
    coalesce(nullif(data->>'sip', ''), nullif(data->>'cip', ''), nullif(data->>'ecip', '')) AS client_ip,
    coalesce(data->>'tsd', data->>'mfrm') AS sender,
    coalesce(data->>'trc', data->>'to') AS recipient,
    data->>'ms' AS subject,
    coalesce(data->>'thn', data->>'tht') AS threat,
    coalesce(
        data->>'ail',
        data->>'alk',
        nullif(alert_links->0->>'AlertLinkHref', '')
    ) AS link
FROM m365_alerts
WHERE operation IN ('AlertEntityGenerated', 'AlertTriggered', 'AlertUpdated')
    AND coalesce(nullif(alert_entity_id, ''), data->>'eid', data->>'f3u') IS NOT NULL
    [[AND lower(alert_id) = $$alert$$]]
    [[AND coalesce(nullif(alert_entity_id, ''), data->>'eid', data->>'f3u') ILIKE $$user$$]]
    [[AND severity = $$severity$$]]
ORDER BY creation_time DESC, name, entity
LIMIT 1000
