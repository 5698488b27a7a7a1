//! Sign-ins (record type 15) and directory changes (8).

use super::{ENTRA, Kind};
use crate::generator::template::Fragment;

pub(super) const KINDS: &[Kind] = &[
    Kind {
        name: "sign_in",
        content_type: ENTRA,
        share: 1900,
        template: r#"{"CreationTime":"{time}","Id":"{id}","Operation":"UserLoggedIn","OrganizationId":"{tenant}",
            "RecordType":15,"ResultStatus":"Success","UserKey":"{user_guid}","UserType":0,"Version":1,
            "Workload":"AzureActiveDirectory","ClientIP":"{ip}","ObjectId":"{resource}","UserId":"{upn}",
            "AzureActiveDirectoryEventType":1,"ExtendedProperties":[
            {"Name":"ResultStatusDetail","Value":"{sign_in_detail}"},{"Name":"UserAgent","Value":"{agent}"},
            {sign_in_method}{"Name":"RequestType","Value":"{request_type}"}],"ModifiedProperties":[],
            {sign_in_parties},"ApplicationId":"{app_id}","DeviceProperties":[{device_properties}],"ErrorNumber":"{sign_in_error}"}"#,
    },
    Kind {
        name: "sign_in_failed",
        content_type: ENTRA,
        share: 260,
        template: r#"{"CreationTime":"{time}","Id":"{id}","Operation":"UserLoginFailed","OrganizationId":"{tenant}",
            "RecordType":15,"ResultStatus":"Failed","UserKey":"{user_guid}","UserType":0,"Version":1,
            "Workload":"AzureActiveDirectory","ClientIP":"{ip}","ObjectId":"{resource}","UserId":"{upn}",
            "AzureActiveDirectoryEventType":1,"ExtendedProperties":[
            {"Name":"ResultStatusDetail","Value":"UserError"},{"Name":"UserAgent","Value":"{agent}"},
            {"Name":"UserAuthenticationMethod","Value":"1"},{"Name":"RequestType","Value":"{request_type}"}],
            "ModifiedProperties":[],{sign_in_parties},"ApplicationId":"{app_id}","DeviceProperties":[{device_properties}],
            {failure}}"#,
    },
    Kind {
        name: "password_spray",
        content_type: ENTRA,
        share: 0,
        template: r#"{"CreationTime":"{time}","Id":"{id}","Operation":"UserLoginFailed","OrganizationId":"{tenant}",
            "RecordType":15,"ResultStatus":"Failed","UserKey":"{user_guid}","UserType":0,"Version":1,
            "Workload":"AzureActiveDirectory","ClientIP":"{ip}","ObjectId":"00000002-0000-0ff1-ce00-000000000000",
            "UserId":"{upn}","AzureActiveDirectoryEventType":1,"ExtendedProperties":[
            {"Name":"ResultStatusDetail","Value":"UserError"},{"Name":"UserAgent","Value":"{agent}"},
            {"Name":"UserAuthenticationMethod","Value":"1"},{"Name":"RequestType","Value":"OAuth2:Token"}],
            "ModifiedProperties":[],{sign_in_parties},"ApplicationId":"1950a258-227b-4e31-a9cf-717495945fc2",
            "DeviceProperties":[{"Name":"SessionId","Value":"{guid}"}],
            "ErrorNumber":"50126","LogonError":"InvalidUserNameOrPassword"}"#,
    },
    Kind {
        name: "group_member",
        content_type: ENTRA,
        share: 60,
        template: r#"{"CreationTime":"{time}","Id":"{id}","Operation":"{group_operation}","OrganizationId":"{tenant}",
            {directory_head}"ObjectId":"{other_upn}","UserId":"{upn}","AzureActiveDirectoryEventType":1,
            "ExtendedProperties":[{"Name":"additionalDetails","Value":"{}"},{"Name":"extendedAuditEventCategory","Value":"Group"}],
            "ModifiedProperties":[{"Name":"Group.ObjectID","NewValue":"{group}","OldValue":""},
            {"Name":"Group.DisplayName","NewValue":"{team_name}","OldValue":""},
            {"Name":"Group.WellKnownObjectName","NewValue":"","OldValue":""}],{directory_parties}}"#,
    },
    Kind {
        name: "role_member",
        content_type: ENTRA,
        share: 6,
        template: r#"{"CreationTime":"{time}","Id":"{id}","Operation":"Add member to role.","OrganizationId":"{tenant}",
            {directory_head}"ObjectId":"{other_upn}","UserId":"{upn}","AzureActiveDirectoryEventType":1,
            "ExtendedProperties":[{"Name":"additionalDetails","Value":"{}"},{"Name":"extendedAuditEventCategory","Value":"Role"}],
            "ModifiedProperties":[{"Name":"Role.ObjectID","NewValue":"{policy}","OldValue":""},{role},
            {"Name":"Role.WellKnownObjectName","NewValue":"{role_name}","OldValue":""}],{directory_parties}}"#,
    },
    Kind {
        name: "update_user",
        content_type: ENTRA,
        share: 150,
        template: r#"{"CreationTime":"{time}","Id":"{id}","Operation":"{user_operation}","OrganizationId":"{tenant}",
            "RecordType":8,"ResultStatus":"Success","UserKey":"Not Available","UserType":4,"Version":1,
            "Workload":"AzureActiveDirectory","ObjectId":"{other_upn}","UserId":"ServicePrincipal_{policy}",
            "AzureActiveDirectoryEventType":1,
            "ExtendedProperties":[{"Name":"additionalDetails","Value":"{\"UserType\":\"Member\"}"},
            {"Name":"extendedAuditEventCategory","Value":"User"}],
            "ModifiedProperties":[{user_change},{"Name":"TargetId.UserType","NewValue":"Member","OldValue":""}],
            "Actor":[{"ID":"Microsoft Substrate Management","Type":1},{"ID":"98db8bd6-0cc0-4e67-9de5-f187f1cd1b41","Type":2},
            {"ID":"ServicePrincipal_{policy}","Type":2},{"ID":"ServicePrincipal","Type":2}],"ActorContextId":"{tenant}",
            "InterSystemsId":"{guid}","IntraSystemId":"{guid}","SupportTicketId":"",{directory_target}}"#,
    },
    Kind {
        name: "device",
        content_type: ENTRA,
        share: 60,
        template: r#"{"CreationTime":"{time}","Id":"{id}","Operation":"{device_operation}","OrganizationId":"{tenant}",
            "RecordType":8,"ResultStatus":"Success","UserKey":"Not Available","UserType":4,"Version":1,
            "Workload":"AzureActiveDirectory","ObjectId":"Not Available","UserId":"ServicePrincipal_{policy}",
            "AzureActiveDirectoryEventType":1,"ExtendedProperties":[{"Name":"additionalDetails","Value":
            "{\"DeviceId\":\"{device_id}\",\"DeviceOSType\":\"Windows\",\"DeviceTrustType\":\"AzureAd\",\"User-Agent\":\"EvoSTS\"}"},
            {"Name":"extendedAuditEventCategory","Value":"Device"}],
            "ModifiedProperties":[{"Name":"CloudDeviceOSVersion","NewValue":"[\r\n  \"10.0.26100.6584\"\r\n]","OldValue":"[\r\n  \"10.0.26100.4946\"\r\n]"},
            {"Name":"Included Updated Properties","NewValue":"CloudDeviceOSVersion","OldValue":""},
            {"Name":"TargetId.DeviceId","NewValue":"{device_id}","OldValue":""},
            {"Name":"TargetId.DeviceOSType","NewValue":"Windows","OldValue":""},
            {"Name":"TargetId.DeviceTrustType","NewValue":"AzureAd","OldValue":""}],
            "Actor":[{"ID":"Device Registration Service","Type":1},{"ID":"01cb2876-7ebd-4aa4-9cc9-d28bd4d359a9","Type":2},
            {"ID":"ServicePrincipal_{policy}","Type":2},{"ID":"ServicePrincipal","Type":2}],"ActorContextId":"{tenant}",
            "InterSystemsId":"{guid}","IntraSystemId":"{guid}","SupportTicketId":"",
            "Target":[{"ID":"Device_{device_id}","Type":2},{"ID":"{device_id}","Type":2},{"ID":"Device","Type":2},
            {"ID":"{device}","Type":1}],"TargetContextId":"{tenant}"}"#,
    },
    Kind {
        name: "application",
        content_type: ENTRA,
        share: 20,
        template: r#"{"CreationTime":"{time}","Id":"{id}","Operation":"{application_operation}","OrganizationId":"{tenant}",
            {directory_head}"ObjectId":"{policy}","UserId":"{upn}","AzureActiveDirectoryEventType":1,
            "ExtendedProperties":[{"Name":"additionalDetails","Value":"{\"User-Agent\":\"{agent}\"}"},
            {"Name":"extendedAuditEventCategory","Value":"ServicePrincipal"}],
            "ModifiedProperties":[{"Name":"AccountEnabled","NewValue":"[\r\n  true\r\n]","OldValue":"[]"},
            {"Name":"AppAddress","NewValue":"[\r\n  {\r\n    \"AddressType\": 0,\r\n    \"Address\": \"https://localhost:30662/\",\r\n    \"ReplyAddressClientType\": 1,\r\n    \"ReplyAddressIndex\": null,\r\n    \"IsReplyAddressDefault\": false\r\n  }\r\n]","OldValue":"[]"},
            {"Name":"DisplayName","NewValue":"[\r\n  \"{team_name} connector\"\r\n]","OldValue":"[]"},
            {"Name":"Credential","NewValue":"[\r\n  {\r\n    \"CredentialType\": 2,\r\n    \"KeyStoreId\": \"{guid}\",\r\n    \"KeyGroupId\": \"{guid}\"\r\n  }\r\n]","OldValue":"[]"},
            {"Name":"Included Updated Properties","NewValue":"AccountEnabled, AppAddress, DisplayName, Credential","OldValue":""}],
            {directory_parties}}"#,
    },
    Kind {
        name: "consent",
        content_type: ENTRA,
        share: 4,
        template: "{consent_to}User.Read openid profile{consent_by}Calendar Sync{consent_end}",
    },
    Kind {
        name: "consent_to_mail_access",
        content_type: ENTRA,
        share: 0,
        template: "{consent_to}offline_access User.Read Mail.Read Mail.Send Files.ReadWrite.All openid profile{consent_by}Mail Backup Pro{consent_end}",
    },
];

pub(super) const FRAGMENTS: &[Fragment] = &[
    ("sign_in_detail", &[(60, "Success"), (40, "Redirect")]),
    (
        "sign_in_method",
        &[
            (70, ""),
            (
                30,
                r#"{"Name":"UserAuthenticationMethod","Value":"{method}"},"#,
            ),
        ],
    ),
    ("method", &[(3, "1"), (1, "16457"), (1, "272")]),
    (
        "request_type",
        &[
            (50, "OAuth2:Authorize"),
            (20, "Login:login"),
            (15, "Kmsi:kmsi"),
            (15, "OAuth2:Token"),
            (5, "Cmsi:Cmsi"),
        ],
    ),
    ("sign_in_error", &[(92, "0"), (8, "50140")]),
    (
        "sign_in_parties",
        &[(
            1,
            r#""Actor":[{"ID":"{user_guid}","Type":0},{"ID":"{upn}","Type":5}],
        "ActorContextId":"{tenant}","ActorIpAddress":"{ip}","InterSystemsId":"{correlation}","IntraSystemId":"{id}",
        "SupportTicketId":"","Target":[{"ID":"{resource}","Type":0}],"TargetContextId":"{tenant}""#,
        )],
    ),
    (
        "device_properties",
        &[
            (
                60,
                r#"{"Name":"Id","Value":"{device_id}"},{"Name":"DisplayName","Value":"{device}"},{"Name":"OS","Value":"{os}"},
            {"Name":"BrowserType","Value":"{browser}"},{"Name":"IsCompliant","Value":"True"},
            {"Name":"IsCompliantAndManaged","Value":"True"},{"Name":"TrustType","Value":"2"},{"Name":"SessionId","Value":"{session}"}"#,
            ),
            (
                40,
                r#"{"Name":"OS","Value":"{os}"},{"Name":"BrowserType","Value":"{browser}"},
            {"Name":"IsCompliantAndManaged","Value":"False"},{"Name":"SessionId","Value":"{session}"}"#,
            ),
        ],
    ),
    (
        "failure",
        &[
            (
                50,
                r#""ErrorNumber":"50126","LogonError":"InvalidUserNameOrPassword""#,
            ),
            (15, r#""ErrorNumber":"50053","LogonError":"IdsLocked""#),
            (
                15,
                r#""ErrorNumber":"50074","LogonError":"UserStrongAuthClientAuthNRequiredInterrupt""#,
            ),
            (
                10,
                r#""ErrorNumber":"53003","LogonError":"BlockedByConditionalAccess""#,
            ),
            (
                6,
                r#""ErrorNumber":"50055","LogonError":"InvalidPasswordExpiredPassword""#,
            ),
            (
                4,
                r#""ErrorNumber":"50034","LogonError":"UserAccountNotFound""#,
            ),
        ],
    ),
    (
        "directory_head",
        &[(
            1,
            r#""RecordType":8,"ResultStatus":"Success","UserKey":"{puid}@{domain}","UserType":0,"Version":1,
        "Workload":"AzureActiveDirectory","ClientIP":"{ip}","#,
        )],
    ),
    (
        "directory_parties",
        &[(
            1,
            r#""Actor":[{"ID":"{upn}","Type":5},{"ID":"{puid}","Type":3},
        {"ID":"Microsoft Office 365 Portal","Type":1},{"ID":"00000006-0000-0ff1-ce00-000000000000","Type":2},
        {"ID":"User_{user_guid}","Type":2},{"ID":"{user_guid}","Type":2},{"ID":"User","Type":2}],
        "ActorContextId":"{tenant}","ActorIpAddress":"{ip}","InterSystemsId":"{guid}","IntraSystemId":"{guid}",
        "SupportTicketId":"",{directory_target}"#,
        )],
    ),
    (
        "directory_target",
        &[(
            1,
            r#""Target":[{"ID":"User_{other_guid}","Type":2},{"ID":"{other_guid}","Type":2},
        {"ID":"User","Type":2},{"ID":"{other_upn}","Type":5},{"ID":"{other_puid}","Type":3}],"TargetContextId":"{tenant}""#,
        )],
    ),
    (
        "group_operation",
        &[
            (7, "Add member to group."),
            (3, "Remove member from group."),
            (1, "Add owner to group."),
        ],
    ),
    (
        "role",
        &[
            (
                5,
                r#"{"Name":"Role.DisplayName","NewValue":"User Administrator","OldValue":""}"#,
            ),
            (
                5,
                r#"{"Name":"Role.DisplayName","NewValue":"Helpdesk Administrator","OldValue":""}"#,
            ),
            (
                2,
                r#"{"Name":"Role.DisplayName","NewValue":"Exchange Administrator","OldValue":""}"#,
            ),
            (
                1,
                r#"{"Name":"Role.DisplayName","NewValue":"Global Administrator","OldValue":""}"#,
            ),
        ],
    ),
    (
        "role_name",
        &[
            (5, "UserAccountAdmins"),
            (5, "HelpdeskAdmins"),
            (1, "TenantAdmins"),
        ],
    ),
    (
        "user_operation",
        &[
            (70, "Update user."),
            (10, "Change user license."),
            (8, "Reset user password."),
            (5, "Add user."),
            (5, "Update StsRefreshTokenValidFrom Timestamp."),
            (2, "Disable account."),
        ],
    ),
    (
        "user_change",
        &[
            (
                4,
                r#"{"Name":"Included Updated Properties","NewValue":"","OldValue":""}"#,
            ),
            (
                3,
                r#"{"Name":"AssignedPlan","NewValue":"[\r\n  {\r\n    \"SubscribedPlanId\": \"{policy}\",\r\n    \"ServiceInstance\": \"exchange/eurp194-003-01\",\r\n    \"CapabilityStatus\": 0,\r\n    \"AssignedTimestamp\": \"{time}Z\"\r\n  }\r\n]","OldValue":"[]"},
            {"Name":"Included Updated Properties","NewValue":"AssignedPlan","OldValue":""}"#,
            ),
            (
                2,
                r#"{"Name":"Department","NewValue":"[\r\n  \"{team_name}\"\r\n]","OldValue":"[]"},
            {"Name":"Included Updated Properties","NewValue":"Department","OldValue":""}"#,
            ),
            (
                1,
                r#"{"Name":"StrongAuthenticationMethod","NewValue":"[\r\n  {\r\n    \"MethodType\": 6,\r\n    \"Default\": true\r\n  }\r\n]","OldValue":"[]"},
            {"Name":"Included Updated Properties","NewValue":"StrongAuthenticationMethod","OldValue":""}"#,
            ),
        ],
    ),
    (
        "device_operation",
        &[
            (8, "Update device."),
            (1, "Add registered owner to device."),
            (1, "Add device."),
        ],
    ),
    (
        "application_operation",
        &[
            (5, "Update application."),
            (4, "Add service principal."),
            (
                2,
                "Update application – Certificates and secrets management ",
            ),
        ],
    ),
    (
        "consent_to",
        &[(
            1,
            r#"{"CreationTime":"{time}","Id":"{id}","Operation":"Consent to application.","OrganizationId":"{tenant}",
        {directory_head}"ObjectId":"{policy}","UserId":"{upn}","AzureActiveDirectoryEventType":1,
        "ExtendedProperties":[{"Name":"additionalDetails","Value":"{\"User-Agent\":\"EvoSTS\"}"},
        {"Name":"extendedAuditEventCategory","Value":"ServicePrincipal"}],
        "ModifiedProperties":[{"Name":"ConsentContext.IsAdminConsent","NewValue":"False","OldValue":""},
        {"Name":"ConsentContext.IsAppOnly","NewValue":"False","OldValue":""},
        {"Name":"ConsentContext.OnBehalfOfAll","NewValue":"False","OldValue":""},
        {"Name":"ConsentContext.Tags","NewValue":"WindowsAzureActiveDirectoryIntegratedApp","OldValue":""},
        {"Name":"ConsentAction.Permissions","NewValue":"[] => [[Id: {token}, ClientId: {policy}, PrincipalId: {user_guid}, ResourceId: {guid}, ConsentType: Principal, Scope:  "#,
        )],
    ),
    (
        "consent_by",
        &[(
            1,
            r#"]]; ","OldValue":""},{"Name":"TargetId.ServicePrincipalNames","NewValue":"{policy}","OldValue":""}],
        "Actor":[{"ID":"{upn}","Type":5},{"ID":"{puid}","Type":3},{"ID":"User_{user_guid}","Type":2},
        {"ID":"{user_guid}","Type":2},{"ID":"User","Type":2}],"ActorContextId":"{tenant}","ActorIpAddress":"{ip}",
        "InterSystemsId":"{guid}","IntraSystemId":"{guid}","SupportTicketId":"",
        "Target":[{"ID":"ServicePrincipal_{correlation}","Type":2},{"ID":"{correlation}","Type":2},
        {"ID":"ServicePrincipal","Type":2},{"ID":""#,
        )],
    ),
    (
        "consent_end",
        &[(1, r#"","Type":1}],"TargetContextId":"{tenant}"}"#)],
    ),
];
