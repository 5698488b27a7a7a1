-- id: risky_applications
-- name: Applications that intruders like
-- description: Use of, and consent to, applications that are no malware but often in the hands of intruders, who copy whole
--   mailboxes and drives with them. Who uses one on purpose can leave it out of the list.
-- severity: high
-- tactic: collection
-- technique: T1114.002, T1530
-- reference: https://huntresslabs.github.io/rogueapps/
-- reference: https://learn.microsoft.com/defender-cloud-apps/investigate-risky-oauth
-- variable $$applications$$ list of guid default "e9a7fea1-1cc0-4cd9-a31b-9137ca5deedd",
--   "ff8d92dc-3d82-41d6-bcbd-b9174d163620", "2ef68ccc-8a4d-42ff-ae88-2d7bb89ad139",
--   "a245e8c0-b53c-4b67-9b45-751d1dff8e6b", "b15665d9-eda6-4092-8539-0eec376afd59",
--   "a43e5392-f48b-46a4-a0f1-098b5eeb4757", "caffae8c-0882-4c81-9a27-d1803af53a40": identifiers of applications
-- column user_id (user): who
-- column application_id (guid): application
-- column application: its name, where it is one of the usual list
-- column workload: service that wrote the records
-- column operation: what was done
-- column records (integer): number of records
-- column addresses (integer): number of distinct source addresses
-- column source_ip (ip): one of them
-- column first_seen (datetime): earliest record
-- column last_seen (datetime): latest record
WITH used AS (
    SELECT
        creation_time,
        user_id,
        workload,
        operation,
        source_ip,
        lower(
            CASE
                WHEN record_type = 8 THEN split_part(object_id, ';', 1)
                ELSE coalesce(nullif(application_id, ''), nullif(client_app_id, ''), nullif(app_id, ''))
            END
        ) AS application_id
    FROM m365_audit
)
SELECT
    user_id,
    application_id,
    CASE application_id
        WHEN 'e9a7fea1-1cc0-4cd9-a31b-9137ca5deedd' THEN 'eM Client'
        WHEN 'ff8d92dc-3d82-41d6-bcbd-b9174d163620' THEN 'PerfectData Software'
        WHEN '2ef68ccc-8a4d-42ff-ae88-2d7bb89ad139' THEN 'Mail_Backup'
        WHEN 'a245e8c0-b53c-4b67-9b45-751d1dff8e6b' THEN 'Newsletter Software Supermailer'
        WHEN 'b15665d9-eda6-4092-8539-0eec376afd59' THEN 'rclone'
        WHEN 'a43e5392-f48b-46a4-a0f1-098b5eeb4757' THEN 'CloudSponge'
        WHEN 'caffae8c-0882-4c81-9a27-d1803af53a40' THEN 'SigParser'
    END AS application,
    workload,
    operation,
    count(*) AS records,
    count(DISTINCT source_ip) AS addresses,
    min(source_ip) AS source_ip,
    min(creation_time) AS first_seen,
    max(creation_time) AS last_seen
FROM used
WHERE application_id IN ($$applications$$)
GROUP BY user_id, application_id, workload, operation
ORDER BY first_seen, user_id, operation
