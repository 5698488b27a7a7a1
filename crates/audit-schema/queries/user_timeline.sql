-- id: user_timeline
-- name: One user's timeline
-- description: Everything that a user did, and that others did to the account or in the mailbox, in order of time.
-- variable $$user$$ user: whose; `%` stands for any text
-- variable $$workload$$ string optional: only records of this service, such as Exchange
-- variable $$operation$$ string optional: only operations like this; `%` stands for any text
-- column creation_time (datetime): when
-- column part: `did` what the user did, `done to` what was done to the account or in the mailbox
-- column workload: service that wrote the record
-- column operation: what was done
-- column user_id (user): who did it
-- column source_ip (ip): address it came from
-- column object_id (path): what it was done to
-- column mailbox (user): mailbox it was done in
-- column client: browser, mail client or program
-- column result_status: outcome, in the words of the service
-- column id (guid): id of the record
SELECT
    creation_time,
    CASE WHEN user_id ILIKE $$user$$ THEN 'did' ELSE 'done to' END AS part,
    workload,
    operation,
    user_id,
    source_ip,
    object_id,
    mailbox_owner_upn AS mailbox,
    coalesce(user_agent, extended_properties['UserAgent'], client_info_string) AS client,
    result_status,
    id
FROM m365_audit
WHERE (user_id ILIKE $$user$$ OR mailbox_owner_upn ILIKE $$user$$ OR object_id ILIKE $$user$$)
    [[AND workload = $$workload$$]]
    [[AND operation ILIKE $$operation$$]]
ORDER BY creation_time, id
