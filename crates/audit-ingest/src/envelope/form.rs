//! The source forms, their names, and why some hold nothing that is read.

use crate::reject::FLATTENED;

/// A source form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Form {
    /// A content blob of the Management Activity API: a JSON array of records.
    ContentBlob,
    /// JSON objects one after the other, one a line or not.
    Ndjson,
    /// `Search-UnifiedAuditLog | Export-Csv`.
    SearchUnifiedAuditLogCsv,
    /// `Search-UnifiedAuditLog | ConvertTo-Json`, or lines of such objects.
    SearchUnifiedAuditLogJson,
    /// An export of the Purview portal, new or old.
    PurviewCsv,
    /// Records of Microsoft Graph's `security/auditLog/queries`, bare or as pages.
    GraphJson,
    /// Defender's `CloudAppEvents`, bare, as messages of an Event Hub or as lines in a storage account.
    CloudAppEventsJson,
    /// The same exported from the portal.
    CloudAppEventsCsv,
    /// Events, alerts and archives of Wazuh.
    WazuhJson,
    /// Documents of Elastic's integration for Office 365 or of Beats.
    ElasticJson,
    /// Lines and results of searches that have an event's text as it came: of Splunk, Logstash, Beats, Graylog.
    CollectorJson,
    /// Tables of the same, as Splunk and Kibana export them, and tables of which no column's name tells where the records are.
    CollectorCsv,
    /// Lines of syslog, a record as JSON behind each header.
    Syslog,
    /// No content at all.
    Empty,
    /// A page for people.
    Html,
    /// An archive of files. A workbook of Excel is one.
    Archive,
    /// What PowerShell's `Export-Clixml` writes.
    Clixml,
    /// What an Event Hub's capture writes.
    Avro,
    /// A columnar file.
    Parquet,
    /// An answer of the Management Activity API that is no content blob.
    Api(ApiForm),
    /// A table without the column that holds records.
    Csv,
    /// The same of Sentinel: rows made of records.
    OfficeActivityCsv,
    /// None of these.
    Unknown,
}

/// Answers and messages of the Management Activity API that hold no records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ApiForm {
    /// `subscriptions/content`.
    ContentListing,
    /// `subscriptions/list`.
    SubscriptionListing,
    /// `subscriptions/notifications`.
    NotificationListing,
    /// What the API posts to a webhook when content is available.
    WebhookNotification,
    /// What the API posts to a webhook to validate it.
    WebhookValidation,
    /// An error, throttling included.
    Error,
}

impl Form {
    /// The name kept in the lake (`m365_content.form`) and taken by `--source`.
    pub fn name(self) -> &'static str {
        match self {
            Self::ContentBlob => "content_blob",
            Self::Ndjson => "ndjson",
            Self::SearchUnifiedAuditLogCsv => "search_unified_audit_log_csv",
            Self::SearchUnifiedAuditLogJson => "search_unified_audit_log_json",
            Self::PurviewCsv => "purview_csv",
            Self::GraphJson => "graph_json",
            Self::CloudAppEventsJson => "cloud_app_events_json",
            Self::CloudAppEventsCsv => "cloud_app_events_csv",
            Self::WazuhJson => "wazuh_json",
            Self::ElasticJson => "elastic_json",
            Self::CollectorJson => "collector_json",
            Self::CollectorCsv => "collector_csv",
            Self::Syslog => "syslog",
            Self::Empty => "empty",
            Self::Html => "html",
            Self::Archive => "archive",
            Self::Clixml => "clixml",
            Self::Avro => "avro",
            Self::Parquet => "parquet",
            Self::Api(_) => "api_answer",
            Self::Csv => "csv",
            Self::OfficeActivityCsv => "office_activity_csv",
            Self::Unknown => "unknown",
        }
    }

    /// The forms that hold records, for `--source` and its help.
    pub const SOURCES: [Self; 13] = [
        Self::ContentBlob,
        Self::Ndjson,
        Self::SearchUnifiedAuditLogCsv,
        Self::SearchUnifiedAuditLogJson,
        Self::PurviewCsv,
        Self::GraphJson,
        Self::CloudAppEventsJson,
        Self::CloudAppEventsCsv,
        Self::WazuhJson,
        Self::ElasticJson,
        Self::CollectorJson,
        Self::CollectorCsv,
        Self::Syslog,
    ];

    /// Why an input of this form is not read, if it is not, and what to do instead.
    pub fn refusal(self) -> Option<&'static str> {
        match self {
            Self::Api(form) => form.refusal(),
            Self::Csv => Some(
                "a table that shows no records as JSON in its first 64 KiB, and has no column AuditData, RawEventData, _raw or \
                 event.original: export it with such a column; if there are records further on, give the source collector_csv",
            ),
            Self::OfficeActivityCsv => Some(FLATTENED),
            Self::Archive => Some(
                "an archive or a workbook of Excel: unpack it, or save its sheet as CSV, and ingest what comes out",
            ),
            Self::Clixml => Some(
                "objects of PowerShell in XML (Export-Clixml): import them with Import-Clixml and export their AuditData with \
                 Export-Csv or ConvertTo-Json",
            ),
            Self::Avro => Some(
                "an Avro file, as an Event Hub's capture writes: give what is in each Body, a JSON text with the list `records`, \
                 one a line",
            ),
            Self::Parquet => Some(
                "a Parquet file: export the records from it as JSON, one a line, or as CSV with the column that holds them as JSON",
            ),
            Self::Unknown => Some(
                "neither JSON nor a CSV export with an AuditData column, nor syslog with records as JSON",
            ),
            _ => None,
        }
    }
}

impl ApiForm {
    fn refusal(self) -> Option<&'static str> {
        match self {
            Self::ContentListing => Some(
                "a listing of available content blobs, not records: retrieve each contentUri and ingest the blobs",
            ),
            Self::SubscriptionListing => {
                Some("a listing of the tenant's subscriptions, not records")
            }
            Self::NotificationListing => Some(
                "a listing of notifications, not records: retrieve each contentUri and ingest the blobs",
            ),
            Self::WebhookNotification => Some(
                "a webhook notification, not records: retrieve each contentUri and ingest the blobs",
            ),
            Self::WebhookValidation => Some("a webhook validation request, not records"),
            // A failed download stands where records were expected: a reject, not a skip.
            Self::Error => None,
        }
    }
}
