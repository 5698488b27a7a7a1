//! Columns that no record carries: where a row lies, what is derived, where it came from, and the whole record.

use crate::column::{Column, ColumnType::*};

pub(super) const LEADING: &[Column] = &[
    Column::added(
        "tenant_id",
        Text,
        "Tenant that the row belongs to: GUID in lower case, or `unknown`",
    ),
    Column::added(
        "event_date",
        Date,
        "UTC date of `creation_time`; the table is partitioned by it",
    ),
];

pub(super) const TRAILING: &[Column] = &[
    Column::added(
        "record_type_name",
        Text,
        "Name of `record_type`, null when the number is not known",
    ),
    Column::added(
        "user_type_name",
        Text,
        "Name of `user_type`, null when the number is not known",
    ),
    Column::added(
        "source_ip",
        Text,
        "Client address from whichever field has one, without port, brackets and blanks; IPv4-mapped IPv6 as IPv4",
    ),
    Column::added(
        "source_port",
        Integer,
        "Port that stood beside that address",
    ),
    Column::added(
        "content_type",
        Text,
        "Content type of the feed, such as Audit.Exchange",
    ),
    Column::added(
        "content_id",
        Text,
        "Content blob of the feed that the row came from, or name of the file, which `m365_content` has as `source`",
    ),
    Column::added(
        "content_created",
        Time,
        "When Microsoft made the content blob",
    ),
    Column::added("ingested_at", Time, "When the row was written"),
    Column::added(
        "ingest_sequence",
        Integer,
        "Grows with each commit: a window on it sees late records exactly once",
    ),
    Column::added(
        "variant",
        Integer,
        "0 for the first record under a key (id, record type, operation, time); 1 and on for records of the same key with other content",
    ),
    Column::added(
        "extra",
        Json,
        "JSON object of every top-level field without a column, and of every value that did not fit its column",
    ),
    Column::added(
        "raw",
        Text,
        "The record itself, byte for byte, as JSON text",
    ),
];
