-- id: application_access_to_mailboxes
-- name: New applications in mailboxes
-- description: Applications that read, sent or changed mail, did not do so in the days before, and are none of
--   Microsoft's own mail clients, with the number of mailboxes they reached. With application permissions one of them
--   reads all mailboxes without any user (`as_itself`); look up those that you do not know. It looks at its own
--   times, not at the time range of the run.
-- severity: medium
-- tactic: collection, persistence
-- technique: T1114.002, T1671
-- reference: https://learn.microsoft.com/security/operations/incident-response-playbook-app-consent
-- reference: https://learn.microsoft.com/troubleshoot/entra/entra-id/governance/verify-first-party-apps-sign-in
-- reference: https://attack.mitre.org/techniques/T1114/002/
-- range: off
-- variable $$since$$ datetime default "-P1D": applications that are new from then on
-- variable $$days to look back$$ integer default "30": an application seen so many days before is familiar
-- variable $$known applications$$ list of guid default "00000002-0000-0ff1-ce00-000000000000",
--   "00000006-0000-0ff1-ce00-000000000000", "00000007-0000-0ff1-ce00-000000000000",
--   "00000003-0000-0ff1-ce00-000000000000", "d3590ed6-52b3-4102-aeff-aad2292ab01c",
--   "27922004-5251-4030-b22d-91ecd9a37ea4", "9199bf20-a13f-4107-85dc-02114787ef48",
--   "5d661950-3475-41cd-a2c3-d671a3162bc1", "1fec8e78-bce4-4aaf-ab1b-5451cc387264",
--   "5e3ce6c0-2b1f-4285-8d4b-75ee78787346", "cc15fd57-2c6c-4117-a88c-83b1d56b4bbe",
--   "f8d98a96-0999-43f5-8af3-69971c7bb423", "ab9b8c07-8f02-4f72-87fa-80105867a763",
--   "4765445b-32c6-49b0-83e6-1d93765276ca", "4345a7b9-9a63-4910-a426-35363201d503",
--   "c9a559d2-7aab-4f13-a6ed-e7e9c52aec87", "57fb890c-0dab-4253-a5e0-7188c88b2bb4",
--   "797f4846-ba00-4fd7-ba43-dac1f8f63013": applications that are familiar; by default Exchange, Outlook, Teams,
--   Office on the web and Apple's mail
-- variable $$minimum mailboxes$$ integer default "1": only applications that reached at least so many mailboxes
-- variable $$with familiar$$ boolean default "false": also applications that were seen before
-- column application (guid): id of the application
-- column mailboxes (integer): number of distinct mailboxes
-- column operations: what it did
-- column records (integer): number of records
-- column users (integer): number of distinct users that it acted as
-- column as_itself (integer): number of records without a user, by the application's own permissions
-- column addresses (integer): number of distinct addresses it came from
-- column some_address (ip): one of these
-- column first_seen (datetime): earliest record
-- column last_seen (datetime): latest record
WITH access AS (
    SELECT
        lower(coalesce(
            nullif(client_app_id, ''),
            nullif(app_access_context->>'ClientAppId', ''),
            nullif(app_id, '')
        )) AS application,
        mailbox_owner_upn,
        operation,
        user_id,
        -- Without a user, the application's service principal stands for one.
        user_type IN (5, 6) OR user_id ILIKE 'ServicePrincipal_%' OR user_id ~ '^[0-9a-fA-F-]{36}$' AS is_itself,
        source_ip,
        creation_time
    FROM m365_audit
    WHERE record_type IN (2, 3, 19, 50)
        AND creation_time >= $$since$$ - interval '$$days to look back$$' day
        AND operation IN (
            'MailItemsAccessed',
            'Send',
            'SendAs',
            'SendOnBehalf',
            'Create',
            'Update',
            'Move',
            'MoveToDeletedItems',
            'SoftDelete',
            'HardDelete',
            'UpdateInboxRules'
        )
)
SELECT
    application,
    count(DISTINCT mailbox_owner_upn) AS mailboxes,
    string_agg(DISTINCT operation, ', ' ORDER BY operation) AS operations,
    count(*) AS records,
    count(DISTINCT user_id) AS users,
    count(*) FILTER (WHERE is_itself) AS as_itself,
    count(DISTINCT source_ip) AS addresses,
    min(source_ip) AS some_address,
    min(creation_time) AS first_seen,
    max(creation_time) AS last_seen
FROM access
WHERE application IS NOT NULL
    AND application NOT IN ($$known applications$$)
GROUP BY application
HAVING count(DISTINCT mailbox_owner_upn) >= $$minimum mailboxes$$
    AND (min(creation_time) >= $$since$$ OR $$with familiar$$)
ORDER BY mailboxes DESC, records DESC, application
