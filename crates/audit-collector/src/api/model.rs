//! What the API answers, as it is used here.

use audit_schema::ContentType;
use url::Url;
use uuid::Uuid;

/// A content blob as a listing names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentBlobRef {
    /// The content type that was listed.
    pub content_type: ContentType,
    /// Opaque; what identifies the blob.
    pub content_id: String,
    /// Where it is retrieved, as the listing says.
    pub content_uri: Url,
    /// When it became available. Units: microseconds since 1970-01-01, UTC.
    pub created_micros: i64,
    /// Until when it can be retrieved, where the listing says so.
    pub expires_micros: Option<i64>,
}

/// A subscription of the application in the tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// What is subscribed.
    pub content_type: ContentType,
    /// Whether content comes.
    pub status: SubscriptionStatus,
    /// Where notifications go, if anywhere.
    pub webhook: Option<Webhook>,
}

/// Whether content comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SubscriptionStatus {
    /// It is made and can be listed.
    Enabled,
    /// It is not.
    Disabled,
    /// The answer does not say, as in Microsoft's own sample: taken for enabled.
    Unstated,
}

impl SubscriptionStatus {
    /// Whether there is no need to start it.
    pub fn is_enabled(self) -> bool {
        matches!(self, Self::Enabled | Self::Unstated)
    }
}

/// Where notifications go. Its `authId` is a secret and not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// The address.
    pub address: String,
    /// `enabled`, `disabled` or `expired`, as the server says.
    pub status: Option<String>,
}

/// What an access token says of itself. It is our own, so its signature is not checked.
///
/// Everything is `None` for a token that is opaque.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TokenClaims {
    /// `tid`
    pub tenant: Option<Uuid>,
    /// `appid`
    pub application: Option<Uuid>,
    /// `aud`
    pub audience: Option<String>,
    /// `roles` and `scp` together: `ActivityFeed.Read`, `ActivityFeed.ReadDlp`, …
    pub permissions: Option<Vec<String>>,
    /// When it ends. Units: microseconds since 1970-01-01, UTC.
    pub expires_micros: Option<i64>,
}

impl TokenClaims {
    /// Whether the token has the permission; `None` where it does not say.
    pub fn allows(&self, permission: &str) -> Option<bool> {
        let permissions = self.permissions.as_ref()?;
        Some(permissions.iter().any(|held| held == permission))
    }
}
