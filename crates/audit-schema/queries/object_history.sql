-- id: object_history
-- name: History of one file or object
-- description: Who did what to a file, folder, site, account, application or mailbox rule, in order of time. It is found by
--   its URL or identifier, by the name of the file, before or after a change of name.
-- variable $$object$$ path: URL, path, name or identifier; `%` stands for any text
-- column creation_time (datetime): when
-- column workload: service that wrote the record
-- column operation: what was done
-- column user_id (user): who did it
-- column source_ip (ip): address it came from
-- column object_id (path): URL or identifier of the object
-- column new_name: name of the file after a copy, move or change of name
-- column shared_with (user): whom it was shared with
-- column client: browser or program
-- column id (guid): id of the record
SELECT
    creation_time,
    workload,
    operation,
    user_id,
    source_ip,
    object_id,
    destination_file_name AS new_name,
    coalesce(target_user_or_group_name, user_shared_with) AS shared_with,
    coalesce(user_agent, extended_properties['UserAgent'], client_info_string) AS client,
    id
FROM m365_audit
WHERE object_id ILIKE $$object$$
    OR source_file_name ILIKE $$object$$
    OR destination_file_name ILIKE $$object$$
    OR list_item_unique_id ILIKE $$object$$
ORDER BY creation_time, id
