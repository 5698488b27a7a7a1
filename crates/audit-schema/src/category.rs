//! The category under which Live Discover lists these tables and queries.

use std::borrow::Cow;
use std::sync::LazyLock;

use crate::query::Query;

/// A named set of queries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Category {
    /// Stable identifier: lower-case letters, digits and `_`.
    pub id: Cow<'static, str>,
    /// Name for people.
    pub name: Cow<'static, str>,
    /// What it holds.
    pub description: Cow<'static, str>,
}

/// The category of this crate.
pub static MICROSOFT_365_AUDIT: Category = Category {
    id: Cow::Borrowed("microsoft_365_audit"),
    name: Cow::Borrowed("Microsoft 365 audit data"),
    description: Cow::Borrowed(
        "Records of the Microsoft 365 unified audit log: sign-ins, directory changes, mailboxes, files, sharing, Teams, data loss prevention, alerts and the rest.",
    ),
};

/// The bundled queries of the category, in the order of the list below.
pub fn bundled_queries() -> &'static [Query] {
    static QUERIES: LazyLock<Vec<Query>> = LazyLock::new(|| {
        // A file that does not parse fails a test of this crate; it cannot be missing here.
        FILES
            .iter()
            .filter_map(|(_, text)| Query::parse(text).ok())
            .collect()
    });
    &QUERIES
}

macro_rules! files {
    ($($id:literal),+ $(,)?) => {
        &[$(($id, include_str!(concat!("../queries/", $id, ".sql")))),+]
    };
}

/// Identifier and text of each file in `queries/`.
pub(crate) const FILES: &[(&str, &str)] = files![
    // What there is.
    "records_by_day_and_workload",
    "records_by_record_type",
    "records_by_hour_of_day",
    "last_record_by_workload",
    "top_operations",
    "top_users",
    "top_source_addresses",
    // One thing, wherever it appears.
    "user_timeline",
    "address_activity",
    "object_history",
    "session_activity",
    // Sign-ins.
    "failed_sign_ins_by_reason",
    "failed_sign_ins_by_user",
    "sign_ins_by_user_agent",
    "guest_sign_ins",
    "password_spray",
    "brute_force_then_success",
    "mfa_denied",
    "device_code_sign_ins",
    "legacy_protocol_sign_ins",
    "sign_ins_from_outside",
    "sign_ins_from_new_networks",
    "network_switches",
    "user_agents_seen_first",
    "disabled_account_sign_ins",
    "risky_applications",
    // The directory.
    "global_administrator_granted",
    "role_changes",
    "pim_activations",
    "privileged_group_changes",
    "application_consents",
    "application_credentials",
    "application_owners",
    "access_policy_changes",
    "federation_changes",
    "mfa_method_changes",
    "password_resets_by_others",
    "users_created_then_deleted",
    "guests_invited",
    // The audit log itself, retention, eDiscovery.
    "audit_log_disabled",
    "mailbox_audit_bypassed",
    "retention_changes",
    "ediscovery_searches",
    "ediscovery_exports",
    // Power Platform.
    "power_bi_exports",
    "power_bi_shared_outside",
    "power_automate_flows",
    // Mail: rules, forwarding, permissions, access.
    "inbox_rules",
    "inbox_rules_forwarding_outside",
    "inbox_rules_hiding_mail",
    "inbox_rules_by_mail_client",
    "mailbox_forwarding",
    "transport_rules_changed",
    "auto_forwarding_allowed",
    "mail_connectors_changed",
    "mailbox_permissions_granted",
    "send_permissions_granted",
    "folder_permissions_granted",
    "mailbox_items_accessed",
    "mail_read_from_unfamiliar_address",
    "mail_synced_from_unfamiliar_address",
    "mail_access_throttled",
    "mail_sent_as_another",
    "mass_mail_deletion",
    "mailbox_searches_and_exports",
    "mailbox_auditing_weakened",
    "mail_protection_weakened",
    "mailbox_logons_by_non_owners",
    "application_access_to_mailboxes",
    "business_email_compromise",
    // Files and sharing.
    "file_downloads_by_user",
    "mass_file_downloads",
    "mass_file_deletions",
    "file_sync_from_new_device",
    "ransomware_extensions",
    "mass_file_renames",
    "sharing_links",
    "anonymous_links_created",
    "anonymous_links_used",
    "company_links",
    "shared_with_outside_domains",
    "file_access_by_guests",
    "site_admins_added",
    "sharing_policy_loosened",
    "malware_in_files",
    "downloads_by_unmanaged_devices",
    "recycle_bin_emptied",
    // Teams.
    "teams_external_members",
    "teams_chats_from_outside",
    "teams_owner_changes",
    "teams_mass_deletion",
    "teams_apps_installed",
    "teams_outside_access_settings",
    // Data loss prevention and labels.
    "dlp_matches",
    "dlp_overrides",
    "sensitivity_labels_downgraded",
    "sensitivity_labels_removed",
    "dlp_policies_changed",
    "files_copied_to_removable_media",
    // Alerts.
    "alerts_by_severity",
    "alerts_by_user",
    "alert_entities",
    // Copilot.
    "copilot_labelled_resources",
    "copilot_prompt_attacks",
];
