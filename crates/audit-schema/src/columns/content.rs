//! Columns of `m365_content`.

use crate::column::{Column, ColumnType::*};

pub(super) const COLUMNS: &[Column] = &[
    Column::added(
        "tenant_id",
        Text,
        "Tenant: GUID in lower case, or `unknown`",
    ),
    Column::added(
        "entry_id",
        Text,
        "SHA-256 of tenant, source, content and state, hexadecimal: repeats are known by it",
    ),
    Column::added(
        "source",
        Text,
        "Name of the file or object, or the content URI; null for a window of the feed",
    ),
    Column::added(
        "form",
        Text,
        "How it was read: content_blob, ndjson, search_unified_audit_log_csv, search_unified_audit_log_json, purview_csv, graph_json, cloud_app_events_json, cloud_app_events_csv, wazuh_json, elastic_json, collector_json, collector_csv or syslog",
    ),
    Column::added("content_type", Text, "Content type of the feed"),
    Column::added("content_id", Text, "Content id of the feed"),
    Column::added(
        "state",
        Text,
        "Of a blob or file: listed, stored, stored_again (a second ingest added records of it), expired or lost. Of a \
         window: listed (to its end, at that time), complete, partial or lost",
    ),
    Column::added("state_at", Time, "When it reached that state"),
    Column::added(
        "size_bytes",
        Integer,
        "Size as it lay in storage, compressed if it was",
    )
    .with_unit("bytes"),
    Column::added("sha256", Text, "SHA-256 of those bytes, hexadecimal"),
    Column::added(
        "held",
        Integer,
        "Records and rejects that were found in it for this tenant",
    ),
    Column::added("records", Integer, "Rows that it added"),
    Column::added(
        "duplicates",
        Integer,
        "Records that were in the lake already",
    ),
    Column::added("rejects", Integer, "Parts that are no record"),
    Column::added(
        "first_creation_time",
        Time,
        "Earliest `creation_time` in it",
    ),
    Column::added("last_creation_time", Time, "Latest `creation_time` in it"),
    Column::added(
        "content_created",
        Time,
        "When Microsoft made the content blob",
    ),
    Column::added(
        "content_expiration",
        Time,
        "When Microsoft deletes the content blob",
    ),
    Column::added(
        "window_from",
        Time,
        "Beginning of a window of the feed, by the time at which content became available",
    ),
    Column::added("window_to", Time, "End of the window, not in it"),
    Column::added(
        "audit_version",
        Integer,
        "Delta version of m365_audit that completed it",
    ),
    Column::added("reason", Text, "Why it expired, was lost or is partial"),
];
