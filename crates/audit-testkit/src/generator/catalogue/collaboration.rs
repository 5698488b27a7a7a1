//! Teams (record type 25), Power BI (20), Copilot (261), Power Automate (30).

use super::{GENERAL, Kind};
use crate::generator::template::Fragment;

pub(super) const KINDS: &[Kind] = &[
    Kind {
        name: "teams_message",
        content_type: GENERAL,
        share: 640,
        template: r#"{"AppAccessContext":{"IssuedAtTime":"{token_time}","UniqueTokenId":"{token}"},"CreationTime":"{time}","Id":"{id}",
            "Operation":"{message_operation}","OrganizationId":"{tenant}","RecordType":25,"UserKey":"{user_guid}","UserType":0,
            "Version":1,"Workload":"MicrosoftTeams","ClientIP":"{ip_mapped}","UserId":"{upn}","ChatThreadId":"{thread}",
            "CommunicationType":"{communication}","ExtraProperties":[{"Key":"TimeZone","Value":"Europe/Berlin"},
            {"Key":"OsName","Value":"windows"},{"Key":"OsVersion","Value":"NT 10.0"},{"Key":"Country","Value":"de"},
            {"Key":"ClientName","Value":"skypeteams"},{"Key":"ClientVersion","Value":"49/25081600616"},
            {"Key":"ClientUtcOffsetSeconds","Value":"7200"}],"MessageId":"{epoch_millis}","MessageVersion":"{epoch_millis}",
            "ItemName":"{thread}","MessageSizeInBytes":{size},{message_links}"ParticipantInfo":{"HasForeignTenantUsers":false,
            "HasGuestUsers":false,"HasOtherGuestUsers":false,"HasUnauthenticatedUsers":false,"ParticipatingDomains":[],
            "ParticipatingSIPDomains":[],"ParticipatingTenantIds":["{tenant}"]},"ResourceTenantId":"{tenant}"}"#,
    },
    Kind {
        name: "teams_member",
        content_type: GENERAL,
        share: 40,
        template: r#"{"CreationTime":"{time}","Id":"{id}","Operation":"{member_operation}","OrganizationId":"{tenant}","RecordType":25,
            "UserKey":"{user_guid}","UserType":0,"Version":1,"Workload":"MicrosoftTeams","ClientIP":"{ip}","UserId":"{upn}",
            "AADGroupId":"{group}","CommunicationType":"Team","Members":[{"DisplayName":"{other_display}","Role":1,"UPN":"{other_upn}"}],
            "TeamGuid":"{thread}","ItemName":"{team_name}","TeamName":"{team_name}"}"#,
    },
    Kind {
        name: "teams_session",
        content_type: GENERAL,
        share: 380,
        template: r#"{"CreationTime":"{time}","Id":"{id}","Operation":"TeamsSessionStarted","OrganizationId":"{tenant}","RecordType":25,
            "UserKey":"{user_guid}","UserType":0,"Version":1,"Workload":"MicrosoftTeams","ClientIP":"{ip_mapped}",
            "ObjectId":"{teams_client}","UserId":"{upn}","DeviceId":"{device_id}","DeviceInformation":"Windows desktop client",
            "ItemName":"{teams_client}"}"#,
    },
    Kind {
        name: "meeting",
        content_type: GENERAL,
        share: 130,
        template: r#"{"CreationTime":"{time}","Id":"{id}","Operation":"MeetingParticipantDetail","OrganizationId":"{tenant}",
            "RecordType":25,"UserKey":"{user_guid}","UserType":0,"Version":1,"Workload":"MicrosoftTeams","ClientIP":"{ip}",
            "UserId":"{upn}","Attendees":[{"DisplayName":"{display}","OrganizationId":"{tenant}","RecipientType":"User","UPN":"{upn}","UserObjectId":"{user_guid}"}],
            "DeviceInformation":"Windows desktop client","ExtraProperties":[{"Key":"UserAgent","Value":"CallSignalingAgent (27/49.25081600616//;release_cc/hash)"}],
            "ItemName":"MeetingDetails","JoinTime":"{time_before}","LeaveTime":"{time}","MeetingDetailId":"{correlation}",
            "ArtifactsShared":[{artifacts}]}"#,
    },
    Kind {
        name: "power_bi",
        content_type: GENERAL,
        share: 90,
        template: r#"{"Id":"{id}","RecordType":20,"CreationTime":"{time}","Operation":"{report_operation}","OrganizationId":"{tenant}",
            "UserType":0,"UserKey":"{puid}","Workload":"PowerBI","UserId":"{upn}","ClientIP":"{ip}","UserAgent":"{agent}",
            "Activity":"ViewReport","ItemName":"{team_name}","WorkSpaceName":"{team_name}","DatasetName":"{team_name}",
            "ReportName":"{team_name}","CapacityId":"{policy}","CapacityName":"P1_{org}","WorkspaceId":"{group}",
            "AppName":"{team_name}","ObjectId":"{team_name}","DatasetId":"{policy}","ReportId":"{policy}","ArtifactId":"{policy}",
            "ArtifactName":"{team_name}","IsSuccess":true,"ReportType":"PowerBIReport","RequestId":"{guid}","ActivityId":"{guid}",
            "DistributionMethod":"Workspace","ConsumptionMethod":"Power BI Web","ArtifactKind":"Report","RefreshEnforcementPolicy":0}"#,
    },
    Kind {
        name: "copilot",
        content_type: GENERAL,
        share: 170,
        template: r#"{"CreationTime":"{time}","Id":"{id}","Operation":"CopilotInteraction","OrganizationId":"{tenant}","RecordType":261,
            "UserKey":"{user_guid}","UserType":0,"Version":1,"Workload":"Copilot","ClientIP":"{ip}","UserId":"{upn}",
            "ClientRegion":"de","CopilotEventData":{"AISystemPlugin":[{copilot_plugin}],"AccessedResources":[{copilot_resources}],
            "AppHost":"{copilot_host}","Contexts":[{"Id":"{site_url}{folder}/{file_name}","Type":"{file_ext}"}],
            "MessageIds":[],"Messages":[{"Id":"{epoch_millis}","isPrompt":true},{"Id":"{epoch_millis}","isPrompt":false}],
            "ModelTransparencyDetails":[{"ModelName":"DEEP_LEO"}],"ThreadId":"{thread}"},"CopilotLogVersion":"1.0.0.0"}"#,
    },
    Kind {
        name: "flow",
        content_type: GENERAL,
        share: 25,
        template: r#"{"CreationTime":"{time}","Id":"{id}","Operation":"{flow_operation}","OrganizationId":"{tenant}","RecordType":30,
            "UserKey":"{user_guid}","UserType":0,"Version":1,"Workload":"MicrosoftFlow","ClientIP":"{service_ip}",
            "UserId":"{upn}","FlowConnectorNames":"shared_office365,shared_sharepointonline",
            "FlowDetailsUrl":"https://make.powerautomate.com/environments/Default-{tenant}/flows/{guid}/details",
            "LicenseDisplayName":"None","SharingPermission":0,"UserTypeInitiated":1,"UserUPN":"{upn}"}"#,
    },
];

pub(super) const FRAGMENTS: &[Fragment] = &[
    (
        "message_operation",
        &[
            (60, "MessageSent"),
            (15, "MessageCreatedHasLink"),
            (10, "MessageUpdated"),
            (10, "ReactedToMessage"),
            (5, "MessageDeleted"),
        ],
    ),
    (
        "communication",
        &[(5, "OneOnOne"), (4, "GroupChat"), (3, "Channel")],
    ),
    (
        "message_links",
        &[(7, ""), (3, r#""MessageURLs":["{site_url}{folder}"],"#)],
    ),
    (
        "member_operation",
        &[
            (6, "MemberAdded"),
            (3, "MemberRemoved"),
            (1, "MemberRoleChanged"),
        ],
    ),
    (
        "teams_client",
        &[
            (7, "Windows (49/25081600616)"),
            (2, "Web (49/25081600616)"),
            (1, "Unknown (Unknown)"),
        ],
    ),
    (
        "artifacts",
        &[
            (6, ""),
            (
                4,
                r#"{"artifactSharedName":"videoWebRTC"},{"artifactSharedName":"audio"}"#,
            ),
        ],
    ),
    (
        "report_operation",
        &[(8, "ViewReport"), (1, "ExportReport"), (1, "ViewDashboard")],
    ),
    (
        "copilot_plugin",
        &[
            (6, ""),
            (
                4,
                r#"{"Id":"BingWebSearch","Name":"BingWebSearch","Version":""}"#,
            ),
        ],
    ),
    (
        "copilot_resources",
        &[
            (4, ""),
            (
                4,
                r#"{"Action":"Read","Id":"{file_guid}","Name":"{file_name}","SiteUrl":"{site_url}{folder}/{file_name}","Type":"{file_ext}"}"#,
            ),
            (
                2,
                r#"{"Action":"Read","Id":"{file_guid}","Name":"{file_name}","SensitivityLabelId":"{policy}",
            "SiteUrl":"{site_url}{folder}/{file_name}","Type":"{file_ext}"},{"Action":"Read","Id":"{item_code}","Type":"EmailMessage"}"#,
            ),
        ],
    ),
    (
        "copilot_host",
        &[
            (3, "Office"),
            (3, "Teams"),
            (2, "Word"),
            (1, "Outlook"),
            (1, "Excel"),
            (1, "Bing"),
        ],
    ),
    (
        "flow_operation",
        &[(6, "EditFlow"), (3, "CreateFlow"), (1, "DeleteFlow")],
    ),
];
