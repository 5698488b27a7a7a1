//! What an administrator reads.

use super::PrerequisiteId;
use crate::error::TokenErrorKind;

pub(super) fn title(id: PrerequisiteId) -> &'static str {
    match id {
        PrerequisiteId::Credential => "The application's secret or certificate is accepted",
        PrerequisiteId::ApiEnabled => {
            "“Enabled for users to sign in?” of the Office 365 Management APIs is Yes"
        }
        PrerequisiteId::Consent => "An administrator has granted consent to the application",
        PrerequisiteId::ReadPermission => "The application has the permission ActivityFeed.Read",
        PrerequisiteId::ReadDlpPermission => {
            "The application has the permission ActivityFeed.ReadDlp, for DLP.All"
        }
        PrerequisiteId::Auditing => "Auditing is turned on in Microsoft 365",
    }
}

pub(super) const RENEW_CREDENTIAL: &str = "In the Azure portal, App registrations, the application, Certificates & \
    secrets, add a new client secret or certificate and give it to the integration before the old one ends.";

pub(super) const CREDENTIAL_OTHER: &str =
    "Check tenant id, client id, cloud and credential; what Microsoft says tells which.";

pub(super) const TOKEN_REJECTED: &str = "A fresh token is refused: check that the cloud is the tenant's own. For a \
    token of the host's own, check that it is for the Office 365 Management APIs of that cloud.";

pub(super) fn credential(kind: TokenErrorKind) -> &'static str {
    match kind {
        TokenErrorKind::SecretWrong => {
            "In the Azure portal, App registrations, the application, Certificates & secrets, add a new client secret \
             and give its value (not its secret ID) to the integration."
        }
        TokenErrorKind::SecretExpired => RENEW_CREDENTIAL,
        TokenErrorKind::CertificateRejected => {
            "In the Azure portal, App registrations, the application, Certificates & secrets, Certificates, upload the \
             certificate whose private key the integration has."
        }
        TokenErrorKind::AssertionExpired => {
            "Set the clock of the machine that collects: it is not the time that Microsoft has."
        }
        TokenErrorKind::TenantUnknown => {
            "Check the tenant id (Azure portal, Microsoft Entra ID, Overview, Tenant ID) and that the cloud is the \
             tenant's own."
        }
        TokenErrorKind::NoCredential => {
            "Give the integration the application's client secret, or its certificate with the private key."
        }
        _ => CREDENTIAL_OTHER,
    }
}

pub(super) fn api_enabled(kind: TokenErrorKind) -> &'static str {
    match kind {
        TokenErrorKind::ResourceMissing => {
            "The tenant does not have the Office 365 Management APIs: check that the cloud is the tenant's own, and that \
             it has a subscription of Microsoft 365."
        }
        TokenErrorKind::ApplicationDisabled => {
            "In the Azure portal, Enterprise applications, set “Enabled for users to sign in?” to Yes and save, in the \
             Properties of two: with application type Microsoft Applications, of Office 365 Management APIs; with \
             application type Enterprise Applications, of the application that collects."
        }
        _ => {
            "In the Azure portal, open Enterprise applications, choose the application type Microsoft Applications, then \
             Office 365 Management APIs, Properties; set “Enabled for users to sign in?” to Yes and save."
        }
    }
}

pub(super) fn consent(kind: TokenErrorKind) -> &'static str {
    match kind {
        TokenErrorKind::PermissionInvalid => {
            "The application asks for a permission that does not exist any more: in its registration, API permissions, \
             leave of the Office 365 Management APIs only ActivityFeed.Read and ActivityFeed.ReadDlp, then open the \
             consent URL of the integration as an administrator and accept."
        }
        _ => {
            "Open the consent URL of the integration as a Global Administrator or Privileged Role Administrator of the \
             tenant and accept. If that was done, check the client id. It may take some minutes to have effect."
        }
    }
}

pub(super) fn permission(name: &str) -> String {
    format!(
        "In the Azure portal, App registrations, the application, API permissions, add of the Office 365 Management \
         APIs the application permission {name}, then grant admin consent."
    )
}

pub(super) const TOKEN_OF_BEFORE: &str = "The token has the permission, and the API does not take it: wait some \
    minutes if it was granted just now; otherwise remove the permission, add it again and grant admin consent.";

pub(super) const AUDITING: &str = "In the Microsoft Purview portal, Audit, choose “Start recording user and admin \
    activity”; or in Exchange Online PowerShell, run Set-AdminAuditLogConfig -UnifiedAuditLogIngestionEnabled $true. It \
    takes up to 60 minutes, sometimes a day, to have effect; the first records may take 12 hours more.";

pub(super) const LICENCE: &str = "The tenant is not set up for auditing: assign a licence of Microsoft 365 that has \
    auditing to a user of it, and turn auditing on: Set-AdminAuditLogConfig -UnifiedAuditLogIngestionEnabled $true in \
    Exchange Online PowerShell. It takes up to 60 minutes, sometimes a day.";

pub(super) const SUBSCRIPTION_DISABLED: &str = "Check that auditing is on: in Exchange Online PowerShell, \
    Get-AdminAuditLogConfig | Format-List UnifiedAuditLogIngestionEnabled says True; if not, run \
    Set-AdminAuditLogConfig -UnifiedAuditLogIngestionEnabled $true. It takes up to 60 minutes, sometimes a day. After a \
    subscription is turned on, the first records may take 12 hours.";
