//! The kinds of records, in the form and the order of members of the real ones, with their share of
//! a tenant's log.
//!
//! The shapes follow the published schema
//! (<https://learn.microsoft.com/office/office-365-management-api/office-365-management-activity-api-schema>)
//! and public samples; the shares are those of an office with mail, files and meetings.

mod collaboration;
mod entra;
mod exchange;
mod security;
mod sharepoint;

use super::template::Fragment;

/// A kind of record.
pub(super) struct Kind {
    /// How a story asks for it.
    pub(super) name: &'static str,
    /// Index into [`CONTENT_TYPES`].
    pub(super) content_type: usize,
    /// Share of all records, in parts of the sum of the shares; 0 is for stories alone.
    pub(super) share: u64,
    pub(super) template: &'static str,
}

/// The content types, with the name of their feed in a `contentId`.
pub(super) const CONTENT_TYPES: [(&str, &str); 5] = [
    ("Audit.AzureActiveDirectory", "Audit_AzureActiveDirectory"),
    ("Audit.Exchange", "Audit_Exchange"),
    ("Audit.SharePoint", "Audit_SharePoint"),
    ("Audit.General", "Audit_General"),
    ("DLP.All", "DLP_All"),
];
const ENTRA: usize = 0;
const EXCHANGE: usize = 1;
const SHAREPOINT: usize = 2;
const GENERAL: usize = 3;
const DLP: usize = 4;

pub(super) fn kinds() -> impl Iterator<Item = &'static Kind> {
    [
        entra::KINDS,
        exchange::KINDS,
        sharepoint::KINDS,
        collaboration::KINDS,
        security::KINDS,
    ]
    .into_iter()
    .flatten()
}

pub(super) fn fragments() -> Vec<Fragment> {
    [
        entra::FRAGMENTS,
        exchange::FRAGMENTS,
        sharepoint::FRAGMENTS,
        collaboration::FRAGMENTS,
        security::FRAGMENTS,
    ]
    .concat()
}
