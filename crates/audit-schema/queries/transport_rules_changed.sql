-- id: transport_rules_changed
-- name: Transport rules that take mail or weaken filters
-- description: Mail flow rules of the organisation that were made or changed so that they copy or redirect mail,
--   delete it, let it past the filters, or that bear a name not meant to be read. One such rule reaches every
--   mailbox. With `every change` also the others, and rules turned on, off or removed.
-- severity: high
-- tactic: collection, exfiltration, defense-evasion
-- technique: T1114.003, T1564.008
-- reference: https://learn.microsoft.com/exchange/security-and-compliance/mail-flow-rules/mail-flow-rule-actions
-- reference: https://learn.microsoft.com/powershell/module/exchange/new-transportrule
-- reference: https://attack.mitre.org/techniques/T1564/008/
-- variable $$user$$ user optional: who did it; `%` stands for any text
-- variable $$every change$$ boolean default "false": also rules in which nothing is odd
-- column creation_time (datetime): when
-- column operation: cmdlet
-- column user_id (user): who did it
-- column source_ip (ip): address it came from
-- column rule_name: name of the rule
-- column findings: what is odd, nothing if empty
-- column recipients: where mail is copied or redirected
-- column conditions: which mail it is about
-- column result_status: outcome
WITH rules AS (
    SELECT
        creation_time,
        operation,
        user_id,
        source_ip,
        coalesce(parameters['Name'], parameters['Identity'], object_id) AS rule_name,
        concat_ws(
            ', ',
            CASE
                WHEN coalesce(
                    nullif(parameters['BlindCopyTo'], ''),
                    nullif(parameters['CopyTo'], ''),
                    nullif(parameters['RedirectMessageTo'], ''),
                    nullif(parameters['AddToRecipients'], ''),
                    nullif(parameters['RouteMessageOutboundConnector'], '')
                ) IS NOT NULL
                    THEN 'copies or redirects mail'
            END,
            CASE
                WHEN lower(parameters['DeleteMessage']) LIKE '%true%' OR lower(parameters['Quarantine']) LIKE '%true%'
                    THEN 'takes mail away'
            END,
            CASE
                WHEN parameters['SetSCL'] = '-1'
                    OR parameters['SetHeaderName'] ILIKE 'X-MS-Exchange-Organization-Skip%'
                    THEN 'passes the filters'
            END,
            CASE
                WHEN character_length(trim(parameters['Name'])) BETWEEN 1 AND 2 OR trim(parameters['Name']) ~ '^[\W_]+$'
                    THEN 'odd name'
            END
        ) AS findings,
        nullif(
            concat_ws(
                '; ',
                nullif(parameters['BlindCopyTo'], ''),
                nullif(parameters['CopyTo'], ''),
                nullif(parameters['RedirectMessageTo'], ''),
                nullif(parameters['AddToRecipients'], ''),
                nullif(parameters['RouteMessageOutboundConnector'], '')
            ),
            ''
        ) AS recipients,
        coalesce(
            parameters['SubjectOrBodyContainsWords'],
            parameters['SubjectContainsWords'],
            parameters['SubjectMatchesPatterns'],
            parameters['From'],
            parameters['FromAddressContainsWords'],
            parameters['SenderDomainIs'],
            parameters['SentTo'],
            parameters['SenderIpRanges']
        ) AS conditions,
        result_status
    FROM m365_exchange_admin
    WHERE operation IN (
            'New-TransportRule',
            'Set-TransportRule',
            'Enable-TransportRule',
            'Disable-TransportRule',
            'Remove-TransportRule'
        )
        AND coalesce(user_type, 0) <> 3
)
SELECT
    creation_time,
    operation,
    user_id,
    source_ip,
    rule_name,
    findings,
    recipients,
    conditions,
    result_status
FROM rules
WHERE (findings <> '' OR $$every change$$)
    [[AND user_id ILIKE $$user$$]]
ORDER BY creation_time DESC, rule_name
