-- id: records_by_record_type
-- name: Records by record type
-- description: Which kinds of records there are, with the time they span.
-- reference: https://learn.microsoft.com/office/office-365-management-api/office-365-management-activity-api-schema#auditlogrecordtype
-- column record_type (integer): number of the record type
-- column record_type_name: its name, null when it is not known
-- column records (integer): number of records
-- column first_seen (datetime): earliest record
-- column last_seen (datetime): latest record
SELECT
    record_type,
    record_type_name,
    count(*) AS records,
    min(creation_time) AS first_seen,
    max(creation_time) AS last_seen
FROM m365_audit
GROUP BY record_type, record_type_name
ORDER BY records DESC, record_type
