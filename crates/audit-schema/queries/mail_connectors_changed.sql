-- id: mail_connectors_changed
-- name: Mail connectors changed
-- description: Connectors for mail into and out of the organisation that were made, changed or removed. An outbound
--   connector routes mail through a foreign server, an inbound one lets a foreign server send as the organisation,
--   past the filters. Each change should have a ticket.
-- severity: medium
-- tactic: defense-evasion, collection
-- technique: T1562, T1114
-- reference: https://learn.microsoft.com/defender-office-365/connectors-detect-respond-to-compromise
-- reference: https://learn.microsoft.com/exchange/mail-flow-best-practices/use-connectors-to-configure-mail-flow/use-connectors-to-configure-mail-flow
-- variable $$user$$ user optional: who did it; `%` stands for any text
-- column creation_time (datetime): when
-- column operation: cmdlet
-- column user_id (user): who did it
-- column source_ip (ip): address it came from
-- column connector: name of the connector
-- column connector_type: OnPremises or Partner
-- column domains: domains of senders (inbound) or recipients (outbound)
-- column sender_addresses: addresses that may send through it
-- column smart_hosts: servers that mail is sent to
-- column enabled: whether it was turned on or off
-- column requires_tls: whether TLS was demanded
-- column result_status: outcome
SELECT
    creation_time,
    operation,
    user_id,
    source_ip,
    coalesce(parameters['Name'], parameters['Identity'], object_id) AS connector,
    parameters['ConnectorType'] AS connector_type,
    coalesce(parameters['SenderDomains'], parameters['RecipientDomains']) AS domains,
    parameters['SenderIPAddresses'] AS sender_addresses,
    parameters['SmartHosts'] AS smart_hosts,
    parameters['Enabled'] AS enabled,
    coalesce(parameters['RequireTls'], parameters['TlsSettings']) AS requires_tls,
    result_status
FROM m365_exchange_admin
WHERE operation IN (
        'New-InboundConnector',
        'Set-InboundConnector',
        'Remove-InboundConnector',
        'New-OutboundConnector',
        'Set-OutboundConnector',
        'Remove-OutboundConnector',
        'New-IntraOrganizationConnector',
        'Set-IntraOrganizationConnector',
        'New-PartnerApplication',
        'Set-PartnerApplication'
    )
    AND coalesce(user_type, 0) <> 3
    [[AND user_id ILIKE $$user$$]]
ORDER BY creation_time DESC, connector
