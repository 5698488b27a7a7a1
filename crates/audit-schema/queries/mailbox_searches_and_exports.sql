-- id: mailbox_searches_and_exports
-- name: Mailbox searches and exports
-- description: Cmdlets that search mailboxes through and copy, export or purge what they find: Search-Mailbox,
--   New-MailboxExportRequest, New-MailboxSearch, and New-ComplianceSearchAction with Export, Purge or Preview.
--   Whoever may run them reads every mailbox.
-- severity: high
-- tactic: collection, exfiltration
-- technique: T1114.002, T1213
-- reference: https://learn.microsoft.com/powershell/module/exchange/new-compliancesearchaction
-- reference: https://learn.microsoft.com/powershell/module/exchange/new-mailboxexportrequest
-- reference: https://attack.mitre.org/techniques/T1114/002/
-- variable $$user$$ user optional: who did it; `%` stands for any text
-- column creation_time (datetime): when
-- column operation: cmdlet
-- column user_id (user): who did it
-- column source_ip (ip): address it came from
-- column what: search, export, purge or preview
-- column target: mailbox or search
-- column arguments: what the cmdlet was told
-- column result_status: outcome
WITH cmdlets AS (
    SELECT
        creation_time,
        operation,
        user_id,
        source_ip,
        coalesce(
            parameters['Identity'],
            parameters['Mailbox'],
            parameters['SourceMailboxes'],
            parameters['SearchName'],
            object_id
        ) AS target,
        -- A list of names and values in Exchange, one command line in Security & Compliance.
        coalesce(raw->>'Parameters', non_pii_parameters) AS arguments,
        result_status
    FROM m365_audit
    WHERE operation IN (
        'Search-Mailbox',
        'New-MailboxExportRequest',
        'New-MailboxSearch',
        'Start-MailboxSearch',
        'New-ComplianceSearchAction'
    )
)
SELECT
    creation_time,
    operation,
    user_id,
    source_ip,
    CASE
        WHEN operation = 'New-MailboxExportRequest' OR arguments ~* '(-|")export\b' THEN 'export'
        WHEN arguments ~* '(-|")(purge|deletecontent)\b' THEN 'purge'
        WHEN arguments ~* '(-|")preview\b' THEN 'preview'
        ELSE 'search'
    END AS what,
    target,
    arguments,
    result_status
FROM cmdlets
WHERE (operation <> 'New-ComplianceSearchAction' OR arguments ~* '(-|")(export|purge|preview)\b')
    [[AND user_id ILIKE $$user$$]]
ORDER BY creation_time DESC, operation, target
