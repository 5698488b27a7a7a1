-- id: device_code_sign_ins
-- name: Sign-ins with a device code
-- description: Sign-ins that a user confirmed for another device (request type Cmsi, “check my sign-in”) without a known
--   device and from outside. Intruders send people a code and get their tokens; televisions and command lines do it too.
-- severity: medium
-- tactic: initial-access, credential-access
-- technique: T1566.002, T1528
-- reference: https://learn.microsoft.com/entra/identity/conditional-access/concept-authentication-flows
-- reference: https://www.microsoft.com/security/blog/2025/02/13/storm-2372-conducts-device-code-phishing-campaign/
-- variable $$user$$ user optional: whose sign-ins; `%` stands for any text
-- column creation_time (datetime): when
-- column user_id (user): who
-- column source_ip (ip): address it came from
-- column application_id (guid): application that got the tokens
-- column resource_id (guid): what it asked to reach
-- column user_agent: browser or program as it names itself
-- column session_id (guid): session, to look for what was done in it
-- column id (guid): id of the record
SELECT
    creation_time,
    user_id,
    source_ip,
    application_id,
    object_id AS resource_id,
    extended_properties['UserAgent'] AS user_agent,
    device_properties['SessionId'] AS session_id,
    id
FROM m365_audit
WHERE record_type IN (9, 15)
    AND operation = 'UserLoggedIn'
    AND extended_properties['RequestType'] ILIKE 'cmsi:cmsi'
    AND coalesce(device_properties['Id'], '') = ''
    [[AND user_id ILIKE $$user$$]]
    AND NOT coalesce(is_internal_ip(source_ip), false)
ORDER BY creation_time DESC, id
