//! SharePoint and OneDrive: files (record type 6), pages and lists (4, 36), sharing (14).

use super::{Kind, SHAREPOINT};
use crate::generator::template::Fragment;

pub(super) const KINDS: &[Kind] = &[
    Kind {
        name: "file",
        content_type: SHAREPOINT,
        share: 1900,
        template: r#"{{file_context}"CreationTime":"{time}","Id":"{id_ticks}","Operation":"{file_operation}",{file_body}}"#,
    },
    Kind {
        name: "file_download",
        content_type: SHAREPOINT,
        share: 180,
        template: r#"{{file_context}"CreationTime":"{time}","Id":"{id_ticks}","Operation":"FileDownloaded",{file_body}}"#,
    },
    Kind {
        name: "file_sync",
        content_type: SHAREPOINT,
        share: 270,
        template: r#"{{file_context}"CreationTime":"{time}","Id":"{id_ticks}","Operation":"{sync_operation}",{site_head},
            "CorrelationId":"{correlation}","EventSource":"SharePoint","ItemType":"File","ListId":"{list_guid}",
            "ListItemUniqueId":"{file_guid}","Site":"{site_guid}",
            "UserAgent":"Microsoft SkyDriveSync 25.174.0907.0003 ship; Windows NT 10.0 (26100)","WebId":"{web_guid}",
            "MachineDomainInfo":"{tenant}","MachineId":"{device_id}","FileSyncBytesCommitted":"{file_size}",
            "HighPriorityMediaProcessing":false,{file_tail}}"#,
    },
    Kind {
        name: "page",
        content_type: SHAREPOINT,
        share: 380,
        template: r#"{"CreationTime":"{time}","Id":"{id_ticks}","Operation":"{page_operation}","OrganizationId":"{tenant}","RecordType":4,
            "UserKey":"i:0h.f|membership|{puid_lower}@live.com","UserType":0,"Version":1,"Workload":"{workload}","ClientIP":"{ip}",
            "ObjectId":"{site_url}SitePages/Home.aspx","UserId":"{upn_lower}","AuthenticationType":"FormsCookieAuth",
            "BrowserName":"{browser}","BrowserVersion":"{browser_version}","CorrelationId":"{correlation}",
            "EventSource":"SharePoint","IsManagedDevice":true,"ItemType":"Page","Platform":"{platform}","Site":"{site_guid}",
            "UserAgent":"{agent}","WebId":"{web_guid}","DeviceDisplayName":"{ip}"}"#,
    },
    Kind {
        name: "list",
        content_type: SHAREPOINT,
        share: 160,
        template: r#"{"CreationTime":"{time}","Id":"{id_ticks}","Operation":"{list_operation}","OrganizationId":"{tenant}","RecordType":36,
            "UserKey":"i:0h.f|membership|{puid_lower}@live.com","UserType":0,"Version":1,"Workload":"{workload}","ClientIP":"{ip}",
            "ObjectId":"{site_url}{list_guid}","UserId":"{upn_lower}","CorrelationId":"{correlation}",
            "DoNotDistributeEvent":true,"EventSource":"SharePoint","ItemType":"List","ListId":"{list_guid}",
            "Site":"{site_guid}","UserAgent":"{agent}","WebId":"{web_guid}","FromApp":false,"IsDocLib":true,"ItemCount":{small},
            "ListBaseTemplateType":"101","ListBaseType":"DocumentLibrary","ListColor":"","ListIcon":"","TemplateTypeId":"",
            "ListTitle":"{list_guid}"}"#,
    },
    Kind {
        name: "sharing",
        content_type: SHAREPOINT,
        share: 190,
        template: r#"{{file_context}"CreationTime":"{time}","Id":"{id_ticks}",{sharing},{file_tail}}"#,
    },
    Kind {
        name: "anonymous_link",
        content_type: SHAREPOINT,
        share: 6,
        template: r#"{{file_context}"CreationTime":"{time}","Id":"{id_ticks}","Operation":"AnonymousLinkCreated",{sharing_head},
            "EventData":"<Type>Edit</Type><MembersCanShareApplied>False</MembersCanShareApplied>",
            "UniqueSharingId":"{guid}",{file_tail}}"#,
    },
    Kind {
        name: "anonymous_link_used",
        content_type: SHAREPOINT,
        share: 0,
        template: r#"{"CreationTime":"{time}","Id":"{id_ticks}","Operation":"AnonymousLinkUsed","OrganizationId":"{tenant}",
            "RecordType":14,"UserKey":"anonymous","UserType":0,"Version":1,"Workload":"{workload}","ClientIP":"{ip}",
            "ObjectId":"{site_url}{folder}/{file_name}","UserId":"anonymous","CorrelationId":"{correlation}",
            "EventSource":"SharePoint","ItemType":"File","ListId":"{list_guid}","ListItemUniqueId":"{file_guid}",
            "Site":"{site_guid}","UserAgent":"{agent}","WebId":"{web_guid}","EventData":"<Type>Edit</Type>",
            "UniqueSharingId":"{guid}",{file_tail}}"#,
    },
];

pub(super) const FRAGMENTS: &[Fragment] = &[
    (
        "file_context",
        &[
            (
                75,
                r#""AppAccessContext":{"AADSessionId":"{session}","ClientAppId":"{app_id}","ClientAppName":"{app_name}",
            "CorrelationId":"{correlation}","TokenIssuedAtTime":"{token_time}","UniqueTokenId":"{token}"},"#,
            ),
            (
                25,
                r#""AppAccessContext":{"CorrelationId":"{correlation}"},"#,
            ),
        ],
    ),
    (
        "file_operation",
        &[
            (40, "FileAccessed"),
            (18, "FileModified"),
            (12, "FileModifiedExtended"),
            (8, "FilePreviewed"),
            (8, "FileUploaded"),
            (5, "FileAccessedExtended"),
            (3, "FileRenamed"),
            (2, "FileMoved"),
            (2, "FileCopied"),
            (1, "FileRecycled"),
            (1, "FileDeleted"),
        ],
    ),
    (
        "sync_operation",
        &[(60, "FileSyncDownloadedFull"), (40, "FileSyncUploadedFull")],
    ),
    (
        "site_head",
        &[(
            1,
            r#""OrganizationId":"{tenant}","RecordType":6,
        "UserKey":"i:0h.f|membership|{puid_lower}@live.com","UserType":0,"Version":1,"Workload":"{workload}",
        "ClientIP":"{ip}","ObjectId":"{site_url}{folder}/{file_name}","UserId":"{upn_lower}""#,
        )],
    ),
    (
        "file_body",
        &[(
            1,
            r#"{site_head},"ApplicationId":"{app_id}","AuthenticationType":"OAuth","BrowserName":"{browser}",
        "BrowserVersion":"{browser_version}","CorrelationId":"{correlation}","EventSource":"SharePoint","GeoLocation":"EUR",
        "IsManagedDevice":{managed},"ItemType":"File","ListId":"{list_guid}","ListItemUniqueId":"{file_guid}",
        "Platform":"{platform}","Site":"{site_guid}","UserAgent":"{agent}","WebId":"{web_guid}",
        "DeviceDisplayName":"{ip}","FileSizeBytes":{file_size},"HighPriorityMediaProcessing":false,{implicit_share}
        "ListBaseType":1,"ListServerTemplate":101,{file_tail},"ApplicationDisplayName":"{app_name}""#,
        )],
    ),
    ("managed", &[(7, "true"), (3, "false")]),
    (
        "implicit_share",
        &[(9, ""), (1, r#""ImplicitShare":"No","#)],
    ),
    (
        "file_tail",
        &[(
            1,
            r#""SourceFileExtension":"{file_ext}","SiteUrl":"{site_url}","SourceFileName":"{file_name}",
        "SourceRelativeUrl":"{folder}""#,
        )],
    ),
    (
        "page_operation",
        &[(9, "PageViewed"), (1, "ClientViewSignaled")],
    ),
    (
        "list_operation",
        &[
            (7, "ListViewed"),
            (2, "ListUpdated"),
            (1, "ListItemCreated"),
        ],
    ),
    (
        "sharing_head",
        &[(
            1,
            r#""OrganizationId":"{tenant}","RecordType":14,
        "UserKey":"i:0h.f|membership|{puid_lower}@live.com","UserType":0,"Version":1,"Workload":"{workload}","ClientIP":"{ip}",
        "ObjectId":"{site_url}{folder}/{file_name}","UserId":"{upn_lower}","ApplicationId":"{app_id}",
        "AuthenticationType":"OAuth","BrowserName":"{browser}","BrowserVersion":"{browser_version}",
        "CorrelationId":"{correlation}","EventSource":"SharePoint","GeoLocation":"EUR","IsManagedDevice":{managed},
        "ItemType":"File","ListId":"{list_guid}","ListItemUniqueId":"{file_guid}","Platform":"{platform}",
        "Site":"{site_guid}","UserAgent":"{agent}","WebId":"{web_guid}""#,
        )],
    ),
    (
        "sharing",
        &[
            (
                40,
                r#""Operation":"SharingSet",{sharing_head},
            "EventData":"<Permissions granted>Contribute</Permissions granted><MembersCanShareApplied>False</MembersCanShareApplied>",
            "TargetUserOrGroupType":"Member","TargetUserOrGroupName":"{other_upn}""#,
            ),
            (
                30,
                r#""Operation":"AddedToSecureLink",{sharing_head},
            "EventData":"<Type>Edit</Type><MembersCanShareApplied>False</MembersCanShareApplied>",
            "TargetUserOrGroupType":"Member","UniqueSharingId":"{guid}","TargetUserOrGroupName":"{other_upn}""#,
            ),
            (
                15,
                r#""Operation":"SharingInvitationCreated",{sharing_head},"EventData":"<Type>View</Type>",
            "TargetUserOrGroupType":"Guest","UniqueSharingId":"{guid}","TargetUserOrGroupName":"{outside}""#,
            ),
            (
                15,
                r#""Operation":"SecureLinkUsed",{sharing_head},"EventData":"<Type>View</Type>","UniqueSharingId":"{guid}""#,
            ),
        ],
    ),
];
