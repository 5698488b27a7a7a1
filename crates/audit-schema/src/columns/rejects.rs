//! Columns of `m365_rejects`.

use crate::column::{Column, ColumnType::*};

pub(super) const COLUMNS: &[Column] = &[
    Column::added(
        "tenant_id",
        Text,
        "Tenant: GUID in lower case, or `unknown`",
    ),
    Column::added(
        "reject_id",
        Text,
        "SHA-256 of tenant, source, offset, reason and bytes, hexadecimal: repeats are known by it",
    ),
    Column::added(
        "source",
        Text,
        "Name of the file or object, or the content URI",
    ),
    Column::added("content_type", Text, "Content type of the feed"),
    Column::added("content_id", Text, "Content id of the feed"),
    Column::added(
        "byte_offset",
        Integer,
        "Where it begins in the uncompressed input",
    )
    .with_unit("bytes"),
    Column::added("byte_length", Integer, "How long it is").with_unit("bytes"),
    Column::added(
        "reason",
        Text,
        "Why it is no record, a code: truncated, empty, not_an_object, html, invalid_json, invalid_utf8, no_time, too_deep, too_large, damaged, api_error, api_form, flattened, other_event, no_cell",
    ),
    Column::added("detail", Text, "The same in words, with the position"),
    Column::added("bytes", Binary, "The bytes themselves"),
    Column::added("ingested_at", Time, "When the row was written"),
];
