-- id: auto_forwarding_allowed
-- name: Automatic forwarding allowed
-- description: Settings of the organisation changed so that mail may be forwarded outside automatically: remote
--   domains with automatic forwarding, outbound spam policies with AutoForwardingMode On. With them an intruder's
--   forwarding works where it was blocked.
-- severity: high
-- tactic: defense-evasion, exfiltration
-- technique: T1562, T1114.003
-- reference: https://learn.microsoft.com/defender-office-365/outbound-spam-policies-external-email-forwarding
-- reference: https://learn.microsoft.com/powershell/module/exchange/set-remotedomain
-- reference: https://attack.mitre.org/techniques/T1562/
-- variable $$user$$ user optional: who did it; `%` stands for any text
-- column creation_time (datetime): when
-- column operation: cmdlet
-- column user_id (user): who did it
-- column source_ip (ip): address it came from
-- column setting: remote domain or policy
-- column remote_domain (domain): domain it is about, `*` for all
-- column parameter: what was set
-- column value: to what
-- column result_status: outcome
WITH settings AS (
    SELECT
        creation_time,
        operation,
        user_id,
        source_ip,
        coalesce(parameters['Identity'], parameters['Name'], object_id) AS setting,
        parameters['DomainName'] AS remote_domain,
        CASE WHEN operation LIKE '%RemoteDomain' THEN 'AutoForwardEnabled' ELSE 'AutoForwardingMode' END AS parameter,
        CASE
            WHEN operation LIKE '%RemoteDomain' THEN parameters['AutoForwardEnabled']
            ELSE parameters['AutoForwardingMode']
        END AS value,
        result_status
    FROM m365_exchange_admin
    WHERE operation IN (
            'New-RemoteDomain',
            'Set-RemoteDomain',
            'New-HostedOutboundSpamFilterPolicy',
            'Set-HostedOutboundSpamFilterPolicy'
        )
        AND coalesce(user_type, 0) <> 3
)
SELECT
    creation_time,
    operation,
    user_id,
    source_ip,
    setting,
    remote_domain,
    parameter,
    value,
    result_status
FROM settings
WHERE lower(trim(value, '$')) IN ('true', 'on')
    [[AND user_id ILIKE $$user$$]]
ORDER BY creation_time DESC, setting
