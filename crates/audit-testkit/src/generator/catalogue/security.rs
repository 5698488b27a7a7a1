//! Data loss prevention (record types 11, 13, 63), alerts (40), labels (83), quarantine (65),
//! mail threats (28), compliance cmdlets (18).

use super::{DLP, GENERAL, Kind};
use crate::generator::template::Fragment;

pub(super) const KINDS: &[Kind] = &[
    Kind {
        name: "dlp_sharepoint",
        content_type: DLP,
        share: 80,
        template: r#"{"CreationTime":"{time}","Id":"{id}","Operation":"DLPRuleMatch","OrganizationId":"{tenant}","RecordType":11,
            "UserKey":"DlpAgent","UserType":4,"Version":1,"Workload":"{workload}","ObjectId":"{file_guid}","UserId":"{upn}",
            "EvaluationSource":"EventBased","IncidentId":"{guid}","PolicyDetails":[{dlp_policy}],
            "SensitiveInfoDetectionIsIncluded":false,"SharePointMetaData":{"FileID":"{file_guid}","FileName":"{file_name}",
            "FileOwner":"{display}","FilePathUrl":"{site_url}{folder}/{file_name}","FileSize":{file_size},"From":"{upn}",
            "IsViewableByExternalUsers":false,"IsVisibleOnlyToOdbOwner":true,"ItemCreationTime":"{time_before}",
            "ItemLastModifiedTime":"{time_before}","SensitivityLabelIds":["{policy}"],"SiteCollectionGuid":"{site_guid}",
            "SiteCollectionUrl":"{site_url}","UniqueID":"{file_guid}"}}"#,
    },
    Kind {
        name: "dlp_exchange",
        content_type: DLP,
        share: 80,
        template: r#"{"CreationTime":"{time}","Id":"{id}","Operation":"DLPRuleMatch","OrganizationId":"{tenant}","RecordType":13,
            "UserKey":"DlpAgent","UserType":4,"Version":1,"Workload":"Exchange","ObjectId":"{message_id}","UserId":"{upn}",
            "ExchangeMetaData":{"BCC":[],"CC":["{other_upn}"],"FileSize":{size},"From":"{upn}","IsViewableByExternalUsers":true,
            "MessageID":"{message_id}","RecipientCount":2,"Sent":"{time_before}","Subject":"{subject}","To":["{outside}"],
            "UniqueID":"{guid}"},"EvaluationSource":"EventBased","IncidentId":"{guid}","PolicyDetails":[{dlp_policy}],
            "SensitiveInfoDetectionIsIncluded":false}"#,
    },
    Kind {
        name: "dlp_endpoint",
        content_type: GENERAL,
        share: 640,
        template: r#"{"CreationTime":"{time}","Id":"{id}","Operation":"{endpoint_operation}","OrganizationId":"{tenant}","RecordType":63,
            "UserKey":"{puid}","UserType":0,"Version":1,"Workload":"Endpoint","ClientIP":"{ip}",
            "ObjectId":"C:\\Users\\{puid_lower}\\Documents\\{file_name}","UserId":"{upn}","Application":"{endpoint_application}",
            "DeviceName":"{device}.{domain}","EvidenceFile":null,
            "FileExtension":"{file_ext}","FileSize":{file_size},"FileType":"{file_ext}","Hidden":false,"JitTriggered":false,
            "MDATPDeviceId":"{machine_id}","Platform":1,"PolicyMatchInfo":{endpoint_match},
            "RMSEncrypted":false,"SensitiveInfoTypeData":[],"Sha1":"{sha1}","Sha256":"{sha256}",
            "SourceLocationType":1,"TargetDomain":"{target_domain}","TargetFilePath":"","TargetPrinterName":""}"#,
    },
    Kind {
        name: "alert",
        content_type: GENERAL,
        share: 40,
        template: r#"{"CreationTime":"{time}","Id":"{id}","Operation":"{alert_operation}","OrganizationId":"{tenant}","RecordType":40,
            "ResultStatus":"Succeeded","UserKey":"SecurityComplianceAlerts","UserType":4,"Version":1,
            "Workload":"SecurityComplianceCenter","ObjectId":"{upn_lower}","UserId":"SecurityComplianceAlerts",
            "AlertEntityId":"{upn_lower}","AlertId":"{correlation}","AlertLinks":[{"AlertLinkHref":""}],"AlertType":"System",
            "Category":"ThreatManagement","Comments":"New alert",
            "Data":"{\"etype\":\"User\",\"eid\":\"{upn_lower}\",\"tid\":\"{tenant}\",\"ts\":\"{time_before}.0000000Z\",\"te\":\"{time}.0000000Z\",\"op\":\"UserSubmission\",\"tdc\":\"1\",\"suid\":\"{upn_lower}\",\"ut\":\"Regular\",\"sip\":\"{ip}\",\"ms\":\"{subject}\",\"lon\":\"UserSubmission\"}",
            "EntityType":"User",{alert_name},"PolicyId":"{policy}","Source":"Office 365 Security & Compliance","Status":"Active"}"#,
    },
    Kind {
        name: "label",
        content_type: GENERAL,
        share: 90,
        template: r#"{"CreationTime":"{time}","Id":"{id}","Operation":"{label_operation}","OrganizationId":"{tenant}","RecordType":83,
            "UserKey":"{puid}","UserType":0,"Version":1,"Workload":"PublicEndpoint","ClientIP":"{ip}",
            "ObjectId":"{site_url}{folder}/{file_name}","UserId":"{upn}","Application":"Word","ContentType":1,
            "DeviceName":"{device}","EmailInfo":{},"Platform":"{platform}","ProcessName":"WINWORD","ProductVersion":"16.0.18227",
            "SensitivityLabelEventData":{"ActionSource":3,"LabelEventType":4,"SensitivityLabelId":"{policy}"},
            "TargetLocation":0}"#,
    },
    Kind {
        name: "quarantine",
        content_type: GENERAL,
        share: 20,
        template: r#"{"CreationTime":"{time}","Id":"{id}","Operation":"{quarantine_operation}","OrganizationId":"{tenant}","RecordType":65,
            "UserKey":"{puid}","UserType":2,"Version":1,"Workload":"Quarantine","ClientIP":"{ip}","UserId":"{upn}",
            "NetworkMessageId":"{guid}","ReleaseTo":"{other_upn}","RequestSource":0,"RequestType":{small}}"#,
    },
    Kind {
        name: "mail_threat",
        content_type: GENERAL,
        share: 70,
        template: r#"{"CreationTime":"{time}","Id":"{id}","Operation":"TIMailData","OrganizationId":"{tenant}","RecordType":28,
            "UserKey":"ThreatIntel","UserType":4,"Version":1,"Workload":"ThreatIntelligence","ObjectId":"{correlation}",
            "UserId":"ThreatIntel","AdditionalActionsAndResults":["OriginalDelivery: [N/A]"],{threat_attachment}
            "AuthDetails":[{"Name":"SPF","Value":"Pass"},{"Name":"DKIM","Value":"Fail"},{"Name":"DMARC","Value":"Best guess pass"},
            {"Name":"Comp Auth","Value":"pass"}],"DeliveryAction":"Blocked","DetectionMethod":"{detection}","DetectionType":"Inline",
            "Directionality":"Inbound","EventDeepLink":"https://security.microsoft.com/?hash=/threatexplorer?messageParams={guid}",
            "InternetMessageId":"{message_id}","LatestDeliveryLocation":"Quarantine","MessageTime":"{time_before}",
            "NetworkMessageId":"{guid}","OriginalDeliveryLocation":"Quarantine","P1Sender":"{outside}","P2Sender":"{outside}",
            "Policy":"AntiSpam","PolicyAction":"Quarantine","Recipients":["{upn_lower}"],"SenderIp":"203.0.113.{small}",
            "Subject":"{subject}","SystemOverrides":[],"ThreatsAndDetectionTech":["Phish: [{detection}]"],"Verdict":"Phish"}"#,
    },
    Kind {
        name: "compliance_cmdlet",
        content_type: GENERAL,
        share: 40,
        template: r#"{"CreationTime":"{time}","Id":"{id}","Operation":"{compliance_operation}","OrganizationId":"{tenant}","RecordType":18,
            "ResultStatus":"Success","UserKey":"{puid}","UserType":2,"Version":1,"Workload":"SecurityComplianceCenter",
            "ObjectId":"{policy}","UserId":"{upn}","SecurityComplianceCenterEventType":0,"ClientApplication":"EMC",
            "CmdletVersion":"...","EffectiveOrganization":"{domain}","NonPIIParameters":"-Identity \"<SNIP-PII>\"",
            "Parameters":"-Identity \"Policy {policy_number}\"","StartTime":"{time}","UserServicePlan":""}"#,
    },
];

pub(super) const FRAGMENTS: &[Fragment] = &[
    (
        "dlp_policy",
        &[
            (
                6,
                r#"{"PolicyId":"{policy}","PolicyName":"Policy {policy_number}","PolicyVersion":"1.00","Rules":[{"ActionParameters":[],"Actions":["NotifyUser"],
            "ConditionsMatched":{"ConditionMatchedInNewScheme":true,"SensitiveInformation":[{"ClassifierType":"Content","Confidence":85,
            "Count":{small},"SensitiveType":"50842eb7-edc8-4019-85dd-5a5c1f2bb085","UniqueCount":{small}}]},
            "ManagementRuleId":"{policy}","RuleId":"{policy}","RuleMode":"Enable","RuleName":"Low volume of content detected","Severity":"Low"}]}"#,
            ),
            (
                2,
                r#"{"PolicyId":"{policy}","PolicyName":"Policy {policy_number}","PolicyVersion":"1.00","Rules":[{"ActionParameters":["GenerateAlert:SiteAdmin"],
            "Actions":["BlockAccess","NotifyUser","GenerateAlert"],"ConditionsMatched":{"ConditionMatchedInNewScheme":true,
            "SensitiveInformation":[{"ClassifierType":"Content","Confidence":95,"Count":{small},
            "SensitiveType":"cb353f78-2b72-4c3c-8827-92ebe4f69fdf","UniqueCount":{small}}]},"ManagementRuleId":"{policy}",
            "RuleId":"{policy}","RuleMode":"Enable","RuleName":"High volume of content detected","Severity":"High"}]}"#,
            ),
        ],
    ),
    (
        "endpoint_operation",
        &[
            (40, "FileModified"),
            (20, "FileCreated"),
            (15, "FileRenamed"),
            (8, "FileCopiedToRemovableMedia"),
            (8, "FileUploadedToCloud"),
            (5, "FileDeleted"),
            (4, "FilePrinted"),
        ],
    ),
    (
        "endpoint_application",
        &[
            (4, "explorer.exe"),
            (3, "msedge.exe"),
            (2, "winword.exe"),
            (1, "excel.exe"),
        ],
    ),
    (
        "endpoint_match",
        &[
            (8, "null"),
            (
                2,
                r#"{"PolicyId":"{policy}","PolicyName":"Policy {policy_number}","RuleId":"{policy}","RuleName":"Endpoint rule"}"#,
            ),
        ],
    ),
    (
        "target_domain",
        &[(8, ""), (1, "upload.example.com"), (1, "share.example.net")],
    ),
    (
        "alert_operation",
        &[
            (5, "AlertEntityGenerated"),
            (4, "AlertTriggered"),
            (1, "AlertUpdated"),
        ],
    ),
    (
        "alert_name",
        &[
            (
                5,
                r#""Name":"Email reported by user as malware or phish","Severity":"Low""#,
            ),
            (
                2,
                r#""Name":"Creation of forwarding/redirect rule","Severity":"Informational""#,
            ),
            (
                1,
                r#""Name":"A potentially malicious URL click was detected","Severity":"High""#,
            ),
        ],
    ),
    (
        "label_operation",
        &[
            (6, "SensitivityLabelApplied"),
            (3, "SensitivityLabelUpdated"),
            (1, "SensitivityLabelRemoved"),
        ],
    ),
    (
        "quarantine_operation",
        &[
            (4, "QuarantineRelease"),
            (3, "QuarantinePreview"),
            (2, "QuarantineDelete"),
            (1, "QuarantineReleaseRequest"),
        ],
    ),
    (
        "threat_attachment",
        &[
            (7, ""),
            (
                3,
                r#""AttachmentData":[{"FileName":"{file_name}","FileType":"{file_ext}","FileVerdict":1,
        "MalwareFamily":"Trojan_Gen_FileWithSpoofedExtension_A","SHA256":"{sha256}"}],"#,
            ),
        ],
    ),
    (
        "detection",
        &[
            (4, "URL malicious reputation"),
            (3, "Advanced filter"),
            (2, "Fingerprint matching"),
            (1, "File detonation"),
        ],
    ),
    (
        "compliance_operation",
        &[
            (4, "Get-DlpCompliancePolicy"),
            (3, "Get-RetentionCompliancePolicy"),
            (2, "Get-ComplianceTag"),
            (1, "Set-DlpCompliancePolicy"),
        ],
    ),
];
