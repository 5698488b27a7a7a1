-- id: session_activity
-- name: What was done in one session
-- description: Records of one sign-in session across services, in order of time. More than one address or client in a
--   session is a sign of a stolen token.
-- reference: https://learn.microsoft.com/entra/identity/authentication/how-to-authentication-track-linkable-identifiers
-- variable $$session$$ guid: session: AADSessionId of the records, or SessionId of the sign-in
-- column creation_time (datetime): when
-- column workload: service that wrote the record
-- column operation: what was done
-- column user_id (user): who did it
-- column source_ip (ip): address it came from
-- column object_id (path): what it was done to
-- column client: browser, mail client or program
-- column token: identifier of the access token
-- column id (guid): id of the record
SELECT
    creation_time,
    workload,
    operation,
    user_id,
    source_ip,
    object_id,
    coalesce(user_agent, extended_properties['UserAgent'], client_info_string) AS client,
    app_access_context->>'UniqueTokenId' AS token,
    id
FROM m365_audit
WHERE lower(app_access_context->>'AADSessionId') = lower($$session$$)
    OR lower(session_id) = lower($$session$$)
    OR lower(device_properties['SessionId']) = lower($$session$$)
ORDER BY creation_time, id
