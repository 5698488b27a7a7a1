//! The workload views: for each workload its records, and of the columns those that matter there.

/// A view over `m365_audit`.
#[derive(Debug)]
pub struct View {
    /// Name in SQL.
    pub name: &'static str,
    /// Which records it shows.
    pub description: &'static str,
    /// Which records, as SQL over the columns of `m365_audit`.
    pub predicate: &'static str,
    /// Its columns, in order.
    pub columns: &'static [&'static str],
}

/// All views.
pub fn views() -> &'static [View] {
    VIEWS
}

// Packed by hand: one name a line would hide which views there are.
#[rustfmt::skip]
const VIEWS: &[View] = &[
    View {
        name: "m365_signins",
        description: "Entra sign-ins, good and failed. `error_number` tells the outcome, not `result_status`.",
        predicate: "record_type IN (9, 15)",
        columns: &[
            "creation_time", "operation", "user_id", "source_ip", "result_status", "error_number", "logon_error",
            "application_id", "extended_properties", "device_properties", "actor", "target", "client", "user_type",
            "inter_systems_id", "intra_system_id", "app_access_context", "tenant_id", "id", "record_type",
        ],
    },
    View {
        name: "m365_directory",
        description: "Changes in the Entra directory: users, groups, roles, applications, consent, policies.",
        predicate: "record_type IN (8)",
        columns: &[
            "creation_time", "operation", "user_id", "source_ip", "result_status", "object_id",
            "modified_properties", "target", "actor", "extended_properties", "user_type", "actor_context_id",
            "target_context_id", "inter_systems_id", "associated_admin_units", "app_access_context", "tenant_id",
            "id", "record_type",
        ],
    },
    View {
        name: "m365_mailbox",
        description: "What was done in mailboxes: items read, sent, moved, deleted.",
        predicate: "record_type IN (2, 3, 19, 50)",
        columns: &[
            "creation_time", "operation", "user_id", "source_ip", "result_status", "mailbox_owner_upn",
            "mailbox_guid", "logon_type", "external_access", "client_info_string", "app_id", "client_app_id",
            "client_process_name", "operation_count", "operation_properties", "folders", "folder", "dest_folder",
            "item", "affected_items", "send_as_user_smtp", "send_on_behalf_of_user_smtp", "recipient_count",
            "session_id", "client_request_id", "device_id", "app_access_context", "tenant_id", "id", "record_type",
        ],
    },
    View {
        name: "m365_exchange_admin",
        description: "Exchange cmdlets: mailbox and transport settings, inbox rules, permissions.",
        predicate: "record_type IN (1)",
        columns: &[
            "creation_time", "operation", "user_id", "source_ip", "result_status", "object_id", "parameters",
            "modified_properties", "external_access", "app_id", "client_app_id", "session_id", "request_id",
            "originating_server", "user_type", "organization_name", "tenant_id", "id", "record_type",
        ],
    },
    View {
        name: "m365_files",
        description: "Files and folders in SharePoint and OneDrive.",
        predicate: "record_type IN (6, 7)",
        columns: &[
            "creation_time", "operation", "user_id", "source_ip", "result_status", "object_id", "site_url",
            "source_relative_url", "source_file_name", "source_file_extension", "destination_relative_url",
            "destination_file_name", "file_size_bytes", "item_type", "user_agent", "platform",
            "device_display_name", "is_managed_device", "browser_name", "application_id",
            "application_display_name", "authentication_type", "geo_location", "sensitivity_label_id", "virus_info",
            "list_item_unique_id", "correlation_id", "workload", "user_type", "app_access_context", "tenant_id",
            "id", "record_type",
        ],
    },
    View {
        name: "m365_sharing",
        description: "Sharing in SharePoint and OneDrive: links, invitations, access requests, permissions.",
        predicate: "record_type IN (14)",
        columns: &[
            "creation_time", "operation", "user_id", "source_ip", "result_status", "object_id", "site_url",
            "source_relative_url", "source_file_name", "item_type", "target_user_or_group_name",
            "target_user_or_group_type", "user_shared_with", "sharing_type", "sharing_link_scope", "event_data",
            "unique_sharing_id", "user_agent", "application_id", "application_display_name", "device_display_name",
            "is_managed_device", "correlation_id", "workload", "app_access_context", "tenant_id", "id",
            "record_type",
        ],
    },
    View {
        name: "m365_sites",
        description: "SharePoint sites, lists, fields, pages and permissions of apps.",
        predicate: "record_type IN (4, 36, 37, 54, 55, 56, 205)",
        columns: &[
            "creation_time", "operation", "user_id", "source_ip", "result_status", "object_id", "site_url",
            "list_title", "list_id", "item_type", "item_count", "event_data", "modified_properties", "user_agent",
            "application_id", "application_display_name", "search_query_text", "correlation_id", "workload",
            "tenant_id", "id", "record_type",
        ],
    },
    View {
        name: "m365_teams",
        description: "Teams: teams, channels, members, chats, messages, meetings, apps, settings.",
        predicate: "record_type IN (25, 26, 27, 57, 59, 73, 92, 206)",
        columns: &[
            "creation_time", "operation", "user_id", "source_ip", "result_status", "object_id", "team_name",
            "team_guid", "aad_group_id", "channel_name", "channel_guid", "channel_type", "members",
            "chat_thread_id", "chat_name", "communication_type", "message_id", "message_urls", "participant_info",
            "item_name", "name", "old_value", "new_value", "add_on_name", "meeting_detail_id", "join_time",
            "leave_time", "attendees", "extra_properties", "resource_tenant_id", "tenant_id", "id", "record_type",
        ],
    },
    View {
        name: "m365_dlp",
        description: "Data loss prevention in Exchange, SharePoint, Teams, Power BI and on-premises scanners.",
        predicate: "record_type IN (11, 13, 33, 99, 100, 107, 108, 144, 234, 263, 270, 271, 276)",
        columns: &[
            "creation_time", "operation", "user_id", "source_ip", "result_status", "object_id", "policy_details",
            "incident_id", "share_point_meta_data", "exchange_meta_data", "exception_info",
            "sensitive_info_detection_is_included", "workload", "tenant_id", "id", "record_type",
        ],
    },
    View {
        name: "m365_endpoint",
        description: "Files on endpoints as endpoint data loss prevention sees them.",
        predicate: "record_type IN (63)",
        columns: &[
            "creation_time", "operation", "user_id", "source_ip", "result_status", "object_id", "device_name",
            "application", "file_extension", "file_size", "file_type", "enforcement_mode", "policy_match_info",
            "target_file_path", "target_domain", "target_url", "originating_domain", "target_printer_name",
            "removable_media_device_attributes", "previous_file_name", "sensitive_info_type_data",
            "sensitivity_label_ids", "evidence_file", "sha1", "sha256", "rms_encrypted", "platform",
            "mdatp_device_id", "dlp_audit_event_metadata", "tenant_id", "id", "record_type",
        ],
    },
    View {
        name: "m365_labels",
        description: "Sensitivity labels and encryption of files and mail.",
        predicate: "record_type IN (43, 71, 75, 82, 83, 84, 93, 94, 95, 96, 97, 180)",
        columns: &[
            "creation_time", "operation", "user_id", "source_ip", "result_status", "object_id", "item_name",
            "label_id", "label_name", "label_action", "application_mode", "sensitivity_label_id",
            "sensitivity_label_event_data", "protection_event_data", "common", "data_state",
            "sensitive_info_type_data", "sender", "receivers", "workload", "tenant_id", "id", "record_type",
        ],
    },
    View {
        name: "m365_alerts",
        description: "Alerts of Microsoft 365 Defender, Purview and Defender for Cloud Apps.",
        predicate: "record_type IN (40, 98, 166, 167, 168, 169)",
        columns: &[
            "creation_time", "operation", "user_id", "source_ip", "result_status", "name", "severity", "category",
            "status", "source", "alert_id", "alert_type", "policy_id", "alert_entity_id", "entity_type", "comments",
            "data", "alert_links", "object_id", "tenant_id", "id", "record_type",
        ],
    },
    View {
        name: "m365_threats",
        description: "Mail and files with threats, clicks on links, submissions.",
        predicate: "record_type IN (28, 29, 41, 47)",
        columns: &[
            "creation_time", "operation", "user_id", "source_ip", "result_status", "verdict", "subject",
            "p1_sender", "p2_sender", "sender_ip", "recipients", "directionality", "detection_type",
            "detection_method", "threats_and_detection_tech", "policy", "policy_action", "delivery_action",
            "original_delivery_location", "latest_delivery_location", "auth_details", "system_overrides",
            "attachment_data", "internet_message_id", "network_message_id", "message_time", "url",
            "url_click_action", "time_of_click", "user_ip", "file_data", "submission_id", "submission_type",
            "event_deep_link", "object_id", "tenant_id", "id", "record_type",
        ],
    },
    View {
        name: "m365_investigations",
        description: "Automated investigations and their actions.",
        predicate: "record_type IN (64, 86, 89)",
        columns: &[
            "creation_time", "operation", "user_id", "source_ip", "result_status", "investigation_name",
            "investigation_type", "status", "start_time_utc", "last_update_time_utc", "end_time_utc",
            "running_time", "actions", "data", "deep_link_url", "investigation_id", "object_id", "tenant_id", "id",
            "record_type",
        ],
    },
    View {
        name: "m365_quarantine",
        description: "Messages previewed, released and deleted in quarantine.",
        predicate: "record_type IN (65)",
        columns: &[
            "creation_time", "operation", "user_id", "source_ip", "result_status", "request_type",
            "network_message_id", "release_to", "object_id", "user_type", "tenant_id", "id", "record_type",
        ],
    },
    View {
        name: "m365_copilot",
        description: "Interactions with Copilot and other AI applications.",
        predicate: "record_type IN (261, 284, 328, 334)",
        columns: &[
            "creation_time", "operation", "user_id", "source_ip", "result_status", "app_identity", "agent_id",
            "agent_name", "copilot_event_data", "object_id", "workload", "app_access_context", "tenant_id", "id",
            "record_type",
        ],
    },
    View {
        name: "m365_compliance_admin",
        description: "Security & Compliance cmdlets and changes of roles there.",
        predicate: "record_type IN (18, 87, 106)",
        columns: &[
            "creation_time", "operation", "user_id", "source_ip", "result_status", "object_id",
            "non_pii_parameters", "start_time", "cmdlet_version", "client_application", "effective_organization",
            "extra", "tenant_id", "id", "record_type",
        ],
    },
    View {
        name: "m365_ediscovery",
        description: "eDiscovery: cases, searches, holds, exports.",
        predicate: "record_type IN (24, 31)",
        columns: &[
            "creation_time", "operation", "user_id", "source_ip", "result_status", "object_id", "case_name",
            "case_id", "object_type", "query", "exchange_locations", "share_point_locations", "data_sources",
            "start_time", "end_time", "extended_properties", "client_application", "tenant_id", "id", "record_type",
        ],
    },
    View {
        name: "m365_power_bi",
        description: "Power BI and Fabric.",
        predicate: "record_type IN (20, 357)",
        columns: &[
            "creation_time", "operation", "user_id", "source_ip", "result_status", "activity", "item_name",
            "work_space_name", "workspace_id", "report_name", "report_id", "dataset_name", "dataset_id",
            "artifact_name", "artifact_kind", "object_display_name", "object_type", "capacity_name",
            "sharing_information", "consumption_method", "distribution_method", "is_success", "user_agent",
            "request_id", "object_id", "tenant_id", "id", "record_type",
        ],
    },
    View {
        name: "m365_power_platform",
        description: "Power Apps, Power Automate and Power Platform administration.",
        predicate: "record_type IN (30, 45, 46, 79, 80, 163, 186, 187, 239, 256)",
        columns: &[
            "creation_time", "operation", "user_id", "source_ip", "result_status", "object_id", "app_name",
            "flow_connector_names", "flow_details_url", "recipient_upn", "user_upn", "license_display_name",
            "property_collection", "additional_info", "workload", "tenant_id", "id", "record_type",
        ],
    },
    View {
        name: "m365_dynamics",
        description: "Dynamics 365 and Dataverse.",
        predicate: "record_type IN (21)",
        columns: &[
            "creation_time", "operation", "user_id", "source_ip", "result_status", "entity_name", "entity_id",
            "primary_field_value", "message", "query", "fields", "crm_organization_unique_name", "instance_url",
            "user_upn", "user_agent", "object_id", "tenant_id", "id", "record_type",
        ],
    },
];
