//! The names of a lake's objects: the only code that builds or reads them.
//!
//! ```text
//! lake.json
//! internal_networks/00000000000000000000.json
//! tenants/<tenant>/<table>/_delta_log/00000000000000000000.json
//! tenants/<tenant>/<table>/event_date=2024-01-31/<file>.parquet
//! tenants/<tenant>/watches/<name>/00000000000000000000.json
//! tenants/<tenant>/integration/configuration/00000000000000000000.json
//! ```

use std::fmt;

use object_store::path::Path;

use crate::TenantId;
use crate::document::DocumentKind;
use crate::error::{Error, Result};

/// The tables that a tenant has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TableName {
    /// `m365_audit`: the records.
    Audit,
    /// `m365_content`: what was listed, stored and lost.
    Content,
    /// `m365_rejects`: input that is no record.
    Rejects,
}

impl TableName {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Audit, Self::Content, Self::Rejects];

    /// The table's name in SQL and in object paths.
    pub fn as_str(self) -> &'static str {
        self.schema().name
    }

    /// The table's columns.
    pub fn schema(self) -> &'static audit_schema::Table {
        match self {
            Self::Audit => &audit_schema::M365_AUDIT,
            Self::Content => &audit_schema::M365_CONTENT,
            Self::Rejects => &audit_schema::M365_REJECTS,
        }
    }

    /// The column of texts that tells its rows apart, or nearly: the one with a bloom filter.
    pub fn key_column(self) -> &'static str {
        match self {
            Self::Audit => "id",
            Self::Content => "entry_id",
            Self::Rejects => "reject_id",
        }
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

const TENANTS: &str = "tenants";
pub(crate) const DELTA_LOG: &str = "_delta_log";
/// Digits of a version in the name of its file.
const VERSION_DIGITS: usize = 20;

pub(crate) fn lake_json() -> Path {
    Path::from("lake.json")
}

pub(crate) fn internal_networks() -> Path {
    Path::from("internal_networks")
}

/// What lakes had before there were versions of it.
pub(crate) fn internal_networks_file() -> Path {
    Path::from("internal_networks.json")
}

pub(crate) fn tenants() -> Path {
    Path::from(TENANTS)
}

pub(crate) fn tenant_of_prefix(prefix: &Path) -> Option<TenantId> {
    let mut parts = prefix.parts();
    let (Some(tenants), Some(tenant), None) = (parts.next(), parts.next(), parts.next()) else {
        return None;
    };
    let tenant: TenantId =
        (tenants.as_ref() == TENANTS).then(|| tenant.as_ref().parse().ok())??;
    // Only the spelling that we write: another one would be a second folder of the same tenant.
    (prefix == &tenant_root(tenant)).then_some(tenant)
}

pub(crate) fn tenant_root(tenant: TenantId) -> Path {
    Path::from_iter([TENANTS, &tenant.to_string()])
}

pub(crate) fn table_root(tenant: TenantId, table: TableName) -> Path {
    tenant_root(tenant).join(table.as_str())
}

pub(crate) fn delta_log(table_root: &Path) -> Path {
    table_root.clone().join(DELTA_LOG)
}

pub(crate) fn version_file(table_root: &Path, version: u64) -> Path {
    delta_log(table_root).join(format!("{version:0VERSION_DIGITS$}.json"))
}

/// Whether the object says which checkpoint of a log is the newest.
pub(crate) fn is_checkpoint_hint(path: &Path) -> bool {
    path.filename() == Some("_last_checkpoint")
}

/// Whether the object is a checkpoint of a log, or a part of one.
pub(crate) fn is_checkpoint(path: &Path) -> bool {
    version_of_checkpoint(path).is_some()
}

/// The version that a checkpoint of a log, or a part of one, stands for; `None` for all else.
pub(crate) fn version_of_checkpoint(path: &Path) -> Option<u64> {
    let (digits, rest) = path.filename()?.split_at_checked(VERSION_DIGITS)?;
    let is_checkpoint =
        digits.bytes().all(|byte| byte.is_ascii_digit()) && rest.starts_with(".checkpoint.");
    is_checkpoint.then(|| digits.parse().ok())?
}

/// The version that a file of a log or a document is; `None` for checkpoints and what else lies there.
pub(crate) fn version_of_file(path: &Path) -> Option<u64> {
    let digits = path.filename()?.strip_suffix(".json")?;
    let is_version =
        digits.len() == VERSION_DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_version.then(|| digits.parse().ok())?
}

/// Bytes of a document's name.
pub(crate) const DOCUMENT_NAME_MAX: usize = 64;

pub(crate) fn is_document_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.len() <= DOCUMENT_NAME_MAX
        && name.bytes().next().is_some_and(is_plain)
        && name
            .bytes()
            .all(|byte| is_plain(byte) || b"_-".contains(&byte))
}

pub(crate) fn documents(tenant: TenantId, kind: DocumentKind) -> Path {
    tenant_root(tenant).join(kind.folder())
}

pub(crate) fn document(tenant: TenantId, kind: DocumentKind, name: &str) -> Path {
    documents(tenant, kind).join(name)
}

pub(crate) fn document_version(document: &Path, version: u64) -> Path {
    document
        .clone()
        .join(format!("{version:0VERSION_DIGITS$}.json"))
}

/// A data file that a log names, as a path from the lake's root.
///
/// The log has it URL-encoded and relative to the table.
pub(crate) fn data_file(table_root: &Path, encoded: &str) -> Result<Path> {
    let relative = Path::from_url_path(encoded).map_err(|source| {
        Error::corrupt(
            table_root,
            format!("its log names the file `{encoded}`: {source}"),
        )
    })?;
    if encoded.contains(':') || encoded.starts_with('/') {
        return Err(Error::corrupt(
            table_root,
            format!("its log names the file `{encoded}` outside of the table"),
        ));
    }
    Ok(table_root.parts().chain(relative.parts()).collect())
}

/// Whether a byte of a data file's path stands in a log as it is.
pub(crate) fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"/=-_.".contains(&byte)
}

/// What a log calls a data file: the way back from [`data_file`].
pub(crate) fn encoded_data_file(table_root: &Path, path: &Path) -> Result<String> {
    let parts = path.prefix_match(table_root).ok_or_else(|| {
        Error::internal(format!("the file `{path}` is not one of `{table_root}`"))
    })?;
    let relative: Path = parts.collect();
    Ok(relative
        .as_ref()
        .bytes()
        .map(|byte| match is_plain(byte) {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        let tenant: TenantId = "0fad12b5-8d6a-4c43-a01f-e6d0a0d0e1c7".parse().unwrap();
        assert_eq!(tenant_of_prefix(&tenant_root(tenant)), Some(tenant));
        assert_eq!(
            tenant_of_prefix(&tenant_root(TenantId::UNKNOWN)),
            Some(TenantId::UNKNOWN)
        );
        for stranger in [
            "tenants",
            "tenants/contoso.com",
            "tenants/UNKNOWN",
            "other/unknown",
            "tenants/unknown/m365_audit",
        ] {
            assert_eq!(tenant_of_prefix(&Path::from(stranger)), None, "{stranger}");
        }

        let root = table_root(tenant, TableName::Audit);
        for version in [0, 1, 99, u64::MAX] {
            assert_eq!(
                version_of_file(&version_file(&root, version)),
                Some(version)
            );
        }
        for checkpoint in [
            "00000000000000000010.checkpoint.parquet",
            "00000000000000000010.checkpoint.0000000001.0000000002.parquet",
        ] {
            let path = delta_log(&root).join(checkpoint);
            assert_eq!(version_of_checkpoint(&path), Some(10));
        }
        assert!(!is_checkpoint(&version_file(&root, 10)));
        for stranger in [
            "_last_checkpoint",
            "00000000000000000010.checkpoint.parquet",
            "1.json",
            "0000000000000000000a.json",
        ] {
            assert_eq!(
                version_of_file(&delta_log(&root).join(stranger)),
                None,
                "{stranger}"
            );
        }
    }

    #[test]
    fn files_stay_in_their_table() {
        let root = table_root(TenantId::UNKNOWN, TableName::Audit);
        let inside = data_file(&root, "event_date=2024-01-31/a%20b.parquet").unwrap();
        assert_eq!(
            inside.as_ref(),
            "tenants/unknown/m365_audit/event_date=2024-01-31/a b.parquet"
        );
        assert_eq!(
            encoded_data_file(&root, &inside).unwrap(),
            "event_date=2024-01-31/a%20b.parquet"
        );
        for outside in [
            "../m365_audit2/a.parquet",
            "s3://bucket/a.parquet",
            "/a.parquet",
            "a%2F..%2F..%2Fb.parquet",
        ] {
            assert!(data_file(&root, outside).is_err(), "{outside}");
        }
    }
}
