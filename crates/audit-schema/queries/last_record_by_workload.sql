-- id: last_record_by_workload
-- name: When each workload last spoke
-- description: The latest record of each workload and content type, the quietest first. One that is hours behind the
--   others has nothing to say, or its collection has stopped.
-- column workload: service that wrote the records
-- column content_type: content type of the Management Activity API; null for records from exports
-- column last_seen (datetime): latest record
-- column hours_behind (integer): whole hours that it is behind the latest record of all
-- column records (integer): number of records
-- column days (integer): number of days with records
SELECT
    workload,
    content_type,
    max(creation_time) AS last_seen,
    (to_unixtime(max(max(creation_time)) OVER ()) - to_unixtime(max(creation_time))) / 3600 AS hours_behind,
    count(*) AS records,
    count(DISTINCT event_date) AS days
FROM m365_audit
GROUP BY workload, content_type
ORDER BY last_seen, workload, content_type
