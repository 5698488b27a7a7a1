-- id: legacy_protocol_sign_ins
-- name: Sign-ins with legacy protocols
-- description: Sign-ins that send a password without a second factor (the sign-in service names them BAV2ROPC, CBAInPROD,
--   CBAInTAR or MSRPC) and mailboxes that were opened over POP3, IMAP4 or SMTP.
-- severity: medium
-- tactic: initial-access, credential-access
-- technique: T1078.004, T1110
-- reference: https://learn.microsoft.com/entra/identity/conditional-access/policy-block-legacy-authentication
-- reference: https://learn.microsoft.com/exchange/clients-and-mobile-in-exchange-online/deprecation-of-basic-authentication-exchange-online
-- column user_id (user): who
-- column protocol: protocol or client, as the service names it
-- column source_ip (ip): address it came from
-- column records (integer): number of records
-- column succeeded (integer): how many of them are no failed sign-in
-- column first_seen (datetime): earliest record
-- column last_seen (datetime): latest record
WITH legacy AS (
    SELECT
        creation_time,
        coalesce(mailbox_owner_upn, user_id) AS user_id,
        source_ip,
        operation,
        CASE
            WHEN record_type IN (9, 15) THEN extended_properties['UserAgent']
            ELSE upper(
                coalesce(
                    regexp_match(client_info_string, 'protocol=(pop3|imap4|smtp)', 'i')[1],
                    regexp_match(client_info_string, 'client=(pop3|imap4|smtp)', 'i')[1]
                )
            )
        END AS protocol
    FROM m365_audit
    WHERE (
            record_type IN (9, 15)
            AND extended_properties['UserAgent'] IN ('BAV2ROPC', 'CBAInPROD', 'CBAInTAR', 'MSRPC')
        )
        OR (
            record_type IN (2, 3, 50)
            AND client_info_string ~* 'client=(pop3|imap4|smtp)'
        )
)
SELECT
    user_id,
    protocol,
    source_ip,
    count(*) AS records,
    count(*) FILTER (WHERE operation <> 'UserLoginFailed') AS succeeded,
    min(creation_time) AS first_seen,
    max(creation_time) AS last_seen
FROM legacy
GROUP BY user_id, protocol, source_ip
ORDER BY succeeded DESC, records DESC, user_id, protocol, source_ip
