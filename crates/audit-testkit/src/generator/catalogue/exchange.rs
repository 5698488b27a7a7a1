//! Exchange: administration (record type 1), mailboxes (2, 3, 50).

use super::{EXCHANGE, Kind};
use crate::generator::template::Fragment;

pub(super) const KINDS: &[Kind] = &[
    Kind {
        name: "mail_items_accessed",
        content_type: EXCHANGE,
        share: 1250,
        template: r#"{{app_context}"CreationTime":"{time}","Id":"{id_ticks}","Operation":"MailItemsAccessed",
            "OrganizationId":"{tenant}","RecordType":50,"ResultStatus":"Succeeded","UserKey":"{puid}","UserType":0,
            "Version":1,"Workload":"Exchange","UserId":"{upn}","AppId":"{app_id}","ClientAppId":"{app_id}",
            "ClientIPAddress":"{ip}","ClientInfoString":"{client_info}","ExternalAccess":false,"InternalLogonType":0,
            "LogonType":0,"LogonUserSid":"{sid}","MailboxGuid":"{mailbox}","MailboxOwnerSid":"{sid}",
            "MailboxOwnerUPN":"{upn}","OperationProperties":[{"Name":"MailAccessType","Value":"Bind"},
            {"Name":"IsThrottled","Value":"False"}],"OrganizationName":"{domain}","OriginatingServer":"{server}\r\n",
            {session_id}"Folders":[{"FolderItems":[{mail_items}],"Id":"{folder_code}","Path":"{mail_folder}"}],
            "OperationCount":{small}}"#,
    },
    Kind {
        name: "mail_sync",
        content_type: EXCHANGE,
        share: 300,
        template: r#"{"CreationTime":"{time}","Id":"{id_ticks}","Operation":"MailItemsAccessed","OrganizationId":"{tenant}",
            "RecordType":2,{mailbox_head},"ClientProcessName":"OUTLOOK.EXE","ClientVersion":"16.0.18227.20162",
            {mailbox_body},"OperationProperties":[{"Name":"MailAccessType","Value":"Sync"},{"Name":"IsThrottled","Value":"False"}],
            "OrganizationName":"{domain}","OriginatingServer":"{server}\r\n",{session_id}
            "Item":{"Id":"{folder_code}","ParentFolder":{"Id":"{folder_code}","Name":"Inbox","Path":"{mail_folder}"}}}"#,
    },
    Kind {
        name: "mail_item",
        content_type: EXCHANGE,
        share: 750,
        template: r#"{{app_context}"CreationTime":"{time}","Id":"{id_ticks}","Operation":"{mail_operation}","OrganizationId":"{tenant}",
            "RecordType":2,{mailbox_head},"ClientRequestId":"{{guid_upper}}",{mailbox_body},"OrganizationName":"{domain}",
            "OriginatingServer":"{server}\r\n",{session_id}"Item":{{attachments}"Id":"{item_code}",
            "ImmutableId":"{item_code}","InternetMessageId":"{message_id}","IsRecord":false,
            "ParentFolder":{"Id":"{folder_code}","Path":"{mail_folder}"},"SizeInBytes":{size},"Subject":"{subject}"}}"#,
    },
    Kind {
        name: "mail_group",
        content_type: EXCHANGE,
        share: 450,
        template: r#"{{app_context}"CreationTime":"{time}","Id":"{id_ticks}","Operation":"{delete_operation}","OrganizationId":"{tenant}",
            "RecordType":3,{mailbox_head},{mailbox_body},"OrganizationName":"{domain}","OriginatingServer":"{server}\r\n",
            {session_id}"AffectedItems":[{{attachments}"Id":"{item_code}","InternetMessageId":"{message_id}",
            "ParentFolder":{"Id":"{folder_code}","Path":"{mail_folder}"},"Subject":"{subject}"}],"CrossMailboxOperation":false,
            "Folder":{"Id":"{folder_code}","Path":"{mail_folder}"}}"#,
    },
    Kind {
        name: "update_inbox_rules",
        content_type: EXCHANGE,
        share: 12,
        template: r#"{{app_context}"CreationTime":"{time}","Id":"{id_ticks}","Operation":"UpdateInboxRules","OrganizationId":"{tenant}",
            "RecordType":2,{mailbox_head},"ClientProcessName":"OUTLOOK.EXE","ClientRequestId":"{{guid_upper}}",
            "ClientVersion":"16.0.18227.20162",{mailbox_body},"OperationProperties":[
            {"Name":"RuleOperation","Value":"ModifyMailboxRule"},{"Name":"RuleId","Value":"-{epoch_millis}"},
            {"Name":"RuleState","Value":"Enabled"},{"Name":"RuleCondition","Value":"{(Exists(ItemClass))}"},
            {"Name":"RuleName","Value":"{team_name}"},{"Name":"RuleProvider","Value":"RuleOrganizer"},
            {"Name":"RuleActions","Value":"[{\"ActionType\":\"Move\",\"Folder\":\"{team_name}\"}]"}],
            "OrganizationName":"{domain}","OriginatingServer":"{server}\r\n",{session_id}
            "Item":{"Id":"{item_code}","ParentFolder":{"Id":"{folder_code}","Name":"Inbox","Path":"\\Inbox"}}}"#,
    },
    Kind {
        name: "set_mailbox_by_system",
        content_type: EXCHANGE,
        share: 200,
        template: r#"{"CreationTime":"{time}","Id":"{id_ticks}","Operation":"Set-Mailbox","OrganizationId":"{tenant}",
            "RecordType":1,"ResultStatus":"True","UserKey":"NT AUTHORITY\\SYSTEM (Microsoft.Exchange.ServiceHost)","UserType":3,
            "Version":1,"Workload":"Exchange","ObjectId":"{mailbox_path}","UserId":"NT AUTHORITY\\SYSTEM (Microsoft.Exchange.ServiceHost)",
            "AppId":"","ClientAppId":"","ExternalAccess":true,"OrganizationName":"{domain}","OriginatingServer":"{server}",
            "Parameters":[{"Name":"RecoverableItemsQuota","Value":"30 GB (32,212,254,720 bytes)"},{"Name":"Force","Value":"True"},
            {"Name":"ProhibitSendQuota","Value":"99 GB (106,300,440,576 bytes)"},{"Name":"UseDatabaseQuotaDefaults","Value":"False"},
            {"Name":"RecoverableItemsWarningQuota","Value":"20 GB (21,474,836,480 bytes)"},
            {"Name":"IssueWarningQuota","Value":"98 GB (105,226,698,752 bytes)"},{"Name":"Identity","Value":"{mailbox_path}"},
            {"Name":"ProhibitSendReceiveQuota","Value":"100 GB (107,374,182,400 bytes)"}]}"#,
    },
    Kind {
        name: "cmdlet",
        content_type: EXCHANGE,
        share: 120,
        template: r#"{{app_context}"CreationTime":"{time}","Id":"{id_ticks}",{cmdlet},{cmdlet_tail}}"#,
    },
    Kind {
        name: "new_inbox_rule",
        content_type: EXCHANGE,
        share: 14,
        template: r#"{{app_context}"CreationTime":"{time}","Id":"{id_ticks}","Operation":"New-InboxRule",{cmdlet_head},
            "Parameters":[{"Name":"AlwaysDeleteOutlookRulesBlob","Value":"False"},{"Name":"Force","Value":"False"},
            {"Name":"MoveToFolder","Value":"{team_name}"},{"Name":"Name","Value":"{team_name}"},
            {"Name":"From","Value":"{other_upn}"},{"Name":"StopProcessingRules","Value":"True"}],{cmdlet_tail}}"#,
    },
    Kind {
        name: "rule_forwards_outside",
        content_type: EXCHANGE,
        share: 0,
        template: r#"{{app_context}"CreationTime":"{time}","Id":"{id_ticks}","Operation":"New-InboxRule",{cmdlet_head},
            "Parameters":[{"Name":"AlwaysDeleteOutlookRulesBlob","Value":"False"},{"Name":"Force","Value":"False"},
            {"Name":"ForwardTo","Value":"{outside}"},{"Name":"MarkAsRead","Value":"True"},{"Name":"DeleteMessage","Value":"True"},
            {"Name":"Name","Value":".."},{"Name":"SubjectOrBodyContainsWords","Value":"invoice;payment;password"},
            {"Name":"StopProcessingRules","Value":"True"}],{cmdlet_tail}}"#,
    },
];

pub(super) const FRAGMENTS: &[Fragment] = &[
    (
        "app_context",
        &[
            (45, ""),
            (
                40,
                r#""AppAccessContext":{"AADSessionId":"{session}","IssuedAtTime":"{token_time}","UniqueTokenId":"{token}"},"#,
            ),
            (15, r#""AppAccessContext":{},"#),
        ],
    ),
    ("session_id", &[(8, r#""SessionId":"{session}","#), (2, "")]),
    (
        "client_info",
        &[
            (45, "Client=MSExchangeRPC"),
            (30, "Client=OWA;Action=ViaProxy"),
            (15, "Client=REST;Client=RESTSystem;;"),
            (10, "Client=Microsoft.Exchange.ActiveSync;;"),
        ],
    ),
    (
        "mailbox_head",
        &[
            (
                95,
                r#""ResultStatus":"Succeeded","UserKey":"{puid}","UserType":0,"Version":1,"Workload":"Exchange",
            "ClientIP":"{ip}","UserId":"{upn}","AppId":"{app_id}","ClientIPAddress":"{ip}","ClientInfoString":"{client_info}""#,
            ),
            (
                5,
                r#""ResultStatus":"PartiallySucceeded","UserKey":"{puid}","UserType":2,"Version":1,"Workload":"Exchange",
            "ClientIP":"{ip_mapped}","UserId":"{upn}","AppId":"{app_id}","ClientIPAddress":"{ip_mapped}","ClientInfoString":"{client_info}""#,
            ),
        ],
    ),
    (
        "mailbox_body",
        &[(
            1,
            r#""ExternalAccess":false,"InternalLogonType":0,"LogonType":0,"LogonUserSid":"{sid}",
        "MailboxGuid":"{mailbox}","MailboxOwnerSid":"{sid}","MailboxOwnerUPN":"{upn}""#,
        )],
    ),
    (
        "attachments",
        &[
            (75, ""),
            (20, r#""Attachments":"{file_name} ({size}b)","#),
            (
                5,
                r#""Attachments":"image001.png ({size}b); {file_name} ({size}b)","#,
            ),
        ],
    ),
    (
        "mail_operation",
        &[
            (45, "Send"),
            (30, "Create"),
            (20, "Update"),
            (2, "SendAs"),
            (3, "SendOnBehalf"),
        ],
    ),
    (
        "delete_operation",
        &[
            (45, "SoftDelete"),
            (20, "HardDelete"),
            (25, "MoveToDeletedItems"),
            (10, "Move"),
        ],
    ),
    (
        "mailbox_path",
        &[(
            1,
            "EURPR04A009.PROD.OUTLOOK.COM/Microsoft Exchange Hosted Organizations/{domain}/{other_guid}",
        )],
    ),
    (
        "cmdlet_head",
        &[(
            1,
            r#""OrganizationId":"{tenant}","RecordType":1,"ResultStatus":"True","UserKey":"{puid}","UserType":2,
        "Version":1,"Workload":"Exchange","ClientIP":"{ip_port}","ObjectId":"{mailbox_path}","UserId":"{upn}",
        "AppId":"00000002-0000-0ff1-ce00-000000000000","ClientAppId":"","ExternalAccess":false,
        "OrganizationName":"{domain}","OriginatingServer":"{server}""#,
        )],
    ),
    (
        "cmdlet_tail",
        &[(1, r#""RequestId":"{guid}","SessionId":"{session}""#)],
    ),
    (
        "cmdlet",
        &[
            (
                30,
                r#""Operation":"Set-Mailbox",{cmdlet_head},"Parameters":[{"Name":"Identity","Value":"{other_upn}"},
            {"Name":"AuditEnabled","Value":"True"},{"Name":"DefaultAuditSet","Value":"Admin,Delegate,Owner"}]"#,
            ),
            (
                15,
                r#""Operation":"Add-MailboxPermission",{cmdlet_head},"Parameters":[{"Name":"Identity","Value":"{other_upn}"},
            {"Name":"User","Value":"{upn}"},{"Name":"AccessRights","Value":"FullAccess"},{"Name":"InheritanceType","Value":"All"}]"#,
            ),
            (
                15,
                r#""Operation":"Set-CASMailbox",{cmdlet_head},"Parameters":[{"Name":"Identity","Value":"{other_upn}"},
            {"Name":"ImapEnabled","Value":"False"},{"Name":"PopEnabled","Value":"False"}]"#,
            ),
            (
                20,
                r#""Operation":"Set-UnifiedGroup",{cmdlet_head},"Parameters":[{"Name":"Identity","Value":"{group}"},
            {"Name":"DisplayName","Value":"{team_name}"},{"Name":"HiddenFromExchangeClientsEnabled","Value":"True"}]"#,
            ),
            (
                4,
                r#""Operation":"New-TransportRule",{cmdlet_head},"Parameters":[{"Name":"Name","Value":"{team_name}"},
            {"Name":"SetAuditSeverity","Value":"DoNotAudit"},{"Name":"Mode","Value":"Enforce"},{"Name":"Comments","Value":""},
            {"Name":"SubjectOrBodyContainsWords","Value":"{team_name}"},{"Name":"SenderAddressLocation","Value":"Header"}]"#,
            ),
            (
                16,
                r#""Operation":"Set-CalendarProcessing",{cmdlet_head},"Parameters":[{"Name":"Identity","Value":"{other_upn}"},
            {"Name":"AutomateProcessing","Value":"AutoAccept"},{"Name":"AllowConflicts","Value":"False"}]"#,
            ),
        ],
    ),
];
