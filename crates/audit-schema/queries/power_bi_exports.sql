-- id: power_bi_exports
-- name: Power BI exports
-- description: Users who exported or downloaded many reports, artifacts and data from Power BI on one day.
-- severity: low
-- tactic: collection, exfiltration
-- technique: T1213, T1567
-- reference: https://learn.microsoft.com/fabric/admin/operation-list
-- variable $$exports$$ integer default "10": from how many exports a day on
-- column day (datetime): UTC day
-- column user_id (user): who
-- column exports (integer): number of exports
-- column artifacts (integer): number of distinct reports and other artifacts
-- column workspaces (integer): number of distinct workspaces
-- column artifact: name of one of them
-- column addresses (integer): number of distinct source addresses
-- column source_ip (ip): one of them
-- column first_seen (datetime): earliest export
-- column last_seen (datetime): latest export
SELECT
    date_trunc('day', creation_time) AS day,
    user_id,
    count(*) AS exports,
    count(DISTINCT coalesce(artifact_id, report_id, dataset_id, object_id)) AS artifacts,
    count(DISTINCT work_space_name) AS workspaces,
    min(coalesce(artifact_name, report_name, item_name)) AS artifact,
    count(DISTINCT source_ip) AS addresses,
    min(source_ip) AS source_ip,
    min(creation_time) AS first_seen,
    max(creation_time) AS last_seen
FROM m365_audit
WHERE record_type = 20
    AND operation IN (
        'ExportReport',
        'ExportArtifact',
        'ExportArtifactDownload',
        'ExportTile',
        'ExportDataflow',
        'ExportActivityEvents',
        'DownloadReport',
        'AnalyzeInExcel',
        'AnalyzeInExcelDataset',
        'AnalyzeInExcelReport',
        'AnalyzedByExternalApplication'
    )
GROUP BY 1, 2
HAVING count(*) >= $$exports$$
ORDER BY day DESC, exports DESC, user_id
