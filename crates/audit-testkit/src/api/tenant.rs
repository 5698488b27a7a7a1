//! Tenants: what the server knows of each, and how a test sets it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::blob::{BlobBody, GeneratedBody, PublishedBlob};
use super::clock::{DAY, digits_text};
use super::notification::Attempt;
use super::server::Shared;
use super::subscription::Subscription;

/// The content types, as the documentation spells them.
pub const CONTENT_TYPES: [&str; 5] = [
    "Audit.AzureActiveDirectory",
    "Audit.Exchange",
    "Audit.SharePoint",
    "Audit.General",
    "DLP.All",
];

/// The permission that everything needs.
pub(crate) const READ: &str = "ActivityFeed.Read";
/// The permission that `DLP.All` needs as well.
pub(crate) const READ_DLP: &str = "ActivityFeed.ReadDlp";

/// An application that a tenant knows.
#[derive(Clone, PartialEq, Eq)]
pub struct AppRegistration {
    /// The application's id, a GUID.
    pub client_id: String,
    /// Its secret, where it has one.
    pub secret: Option<String>,
    /// From when on the secret is expired, in microseconds since 1970, UTC.
    pub secret_expires_micros: Option<i64>,
    /// The public key of its certificate (PEM of a key or of a certificate), where it has one.
    pub public_key_pem: Option<String>,
    /// The thumbprint (`x5t`, base64url) that assertions must name; any where there is none.
    pub thumbprint: Option<String>,
    /// The permissions that go into its tokens.
    pub roles: Vec<String>,
    /// Whether an administrator has consented; without it the tenant doesn't know the application.
    pub consented: bool,
    /// Whether it may sign in.
    pub enabled: bool,
}

impl AppRegistration {
    /// An application with a secret, consented to, with both permissions.
    pub fn with_secret(client_id: &str, secret: &str) -> Self {
        Self {
            client_id: client_id.to_owned(),
            secret: Some(secret.to_owned()),
            secret_expires_micros: None,
            public_key_pem: None,
            thumbprint: None,
            roles: vec![READ.to_owned(), READ_DLP.to_owned()],
            consented: true,
            enabled: true,
        }
    }

    /// An application with a certificate, consented to, with both permissions.
    pub fn with_certificate(client_id: &str, public_key_pem: &str) -> Self {
        Self {
            secret: None,
            public_key_pem: Some(public_key_pem.to_owned()),
            ..Self::with_secret(client_id, "")
        }
    }
}

impl fmt::Debug for AppRegistration {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppRegistration")
            .field("client_id", &self.client_id)
            .field("secret", &self.secret.as_ref().map(|_| "…"))
            .field("roles", &self.roles)
            .field("consented", &self.consented)
            .field("enabled", &self.enabled)
            .finish_non_exhaustive()
    }
}

/// How the service is to one tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantSettings {
    /// Whether auditing is turned on. Without it `start` fails with a leaked exception and a subscription that there
    /// was is disabled.
    pub auditing: bool,
    /// Whether a licence with auditing is there; without it everything is `AF20012`.
    pub licensed: bool,
    /// Whether the resource "Office 365 Management APIs" may be signed in to.
    pub resource_enabled: bool,
    /// Entries of a page of a listing. The real number is not documented.
    pub page_size: usize,
    /// From `contentCreated` to `contentExpiration` of blobs published from now on: documented as 7 days, seen as 20.
    pub retention_micros: i64,
    /// Requests of one publisher in a minute of the server's clock.
    pub quota_per_minute: u64,
    /// How long each answer takes.
    pub latency: Duration,
    /// How long a token is good for.
    pub token_lifetime_seconds: i64,
    /// How long after its first start a subscription shows nothing.
    pub first_content_delay_micros: i64,
    /// How far before the start of a subscription its content begins; `None` for all there is. Seen: about 22 hours.
    pub backfill_micros: Option<i64>,
    /// A listing over more than 24 hours answers with the first 24 of them and status 200 instead of an error.
    pub partial_wide_windows: bool,
}

impl Default for TenantSettings {
    fn default() -> Self {
        Self {
            auditing: true,
            licensed: true,
            resource_enabled: true,
            page_size: 200,
            retention_micros: 7 * DAY,
            quota_per_minute: 2_000,
            latency: Duration::ZERO,
            token_lifetime_seconds: 3_600,
            first_content_delay_micros: 0,
            backfill_micros: None,
            partial_wide_windows: false,
        }
    }
}

/// What the server knows of a tenant.
#[derive(Debug, Default)]
pub(crate) struct Tenant {
    pub(crate) settings: TenantSettings,
    pub(crate) apps: Vec<AppRegistration>,
    /// Tokens with a lower serial number are no longer accepted.
    pub(crate) tokens_from_serial: u64,
    /// By application and content type as it was given, in lower case and as given.
    pub(crate) subscriptions: BTreeMap<(String, String), Subscription>,
    /// In order of publication; found by id through `by_id`.
    pub(crate) blobs: Vec<PublishedBlob>,
    pub(crate) by_id: BTreeMap<String, usize>,
    pub(crate) attempts: Vec<Attempt>,
}

impl Tenant {
    pub(crate) fn app(&self, client_id: &str) -> Option<&AppRegistration> {
        self.apps
            .iter()
            .find(|app| app.client_id.eq_ignore_ascii_case(client_id))
    }

    pub(crate) fn blob(&self, content_id: &str) -> Option<&PublishedBlob> {
        self.by_id.get(content_id).map(|index| &self.blobs[*index])
    }
}

/// The spelling of the documentation, whatever the case.
pub(crate) fn canonical(content_type: &str) -> Option<&'static str> {
    CONTENT_TYPES
        .into_iter()
        .find(|known| known.eq_ignore_ascii_case(content_type))
}

/// `Audit.Exchange` as content ids have it: `audit_exchange$Audit_Exchange`.
pub(crate) fn content_id_for(content_type: &str, created_micros: i64, serial: u64) -> String {
    let feed = content_type.replace('.', "_");
    let stamp = format!("{}{:06}", digits_text(created_micros), serial % 1_000_000);
    // Some of the real ones have two parts more.
    let more = if serial.is_multiple_of(3) {
        "$na0030$na0030"
    } else {
        ""
    };
    format!("{stamp}${stamp}${}${feed}{more}", feed.to_lowercase())
}

/// One tenant of a running server.
#[derive(Debug, Clone)]
pub struct TenantHandle {
    pub(crate) shared: Arc<Shared>,
    pub(crate) id: String,
}

impl TenantHandle {
    /// The tenant's id, a lower-case GUID.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Changes how the service is to the tenant.
    pub fn configure(&self, change: impl FnOnce(&mut TenantSettings)) -> &Self {
        self.with(|tenant| change(&mut tenant.settings));
        self
    }

    /// Adds an application, in place of one with the same id.
    pub fn register(&self, app: AppRegistration) -> &Self {
        self.with(|tenant| {
            tenant
                .apps
                .retain(|other| !other.client_id.eq_ignore_ascii_case(&app.client_id));
            tenant.apps.push(app);
        });
        self
    }

    /// Changes an application, where the tenant knows it.
    pub fn change_app(&self, client_id: &str, change: impl FnOnce(&mut AppRegistration)) -> &Self {
        self.with(|tenant| {
            let mut apps = tenant.apps.iter_mut();
            if let Some(app) = apps.find(|app| app.client_id.eq_ignore_ascii_case(client_id)) {
                change(app);
            }
        });
        self
    }

    /// No token issued until now is accepted any more.
    pub fn revoke_tokens(&self) {
        let serial = self.shared.next_serial();
        self.with(|tenant| tenant.tokens_from_serial = serial);
    }

    /// Disables the subscriptions of every application to a content type, behind their backs.
    pub fn disable_subscription(&self, content_type: &str) {
        self.with(|tenant| {
            for ((_, key), subscription) in &mut tenant.subscriptions {
                if key.eq_ignore_ascii_case(content_type) {
                    subscription.enabled = false;
                }
            }
        });
    }

    /// The content types, as they were given, with a subscription of an application that is enabled.
    pub fn enabled_subscriptions(&self, client_id: &str) -> Vec<String> {
        self.with(|tenant| {
            tenant
                .subscriptions
                .iter()
                .filter(|((app, _), subscription)| {
                    app.eq_ignore_ascii_case(client_id) && subscription.enabled
                })
                .map(|(_, subscription)| subscription.spelling.clone())
                .collect()
        })
    }

    /// Publishes a blob and returns its id: listings name it once the clock has reached `created_micros`.
    pub fn publish(&self, content_type: &str, created_micros: i64, body: Bytes) -> String {
        self.add(
            content_type,
            created_micros,
            created_micros,
            BlobBody::Bytes(body),
            None,
        )
    }

    /// Publishes a blob late: its `contentCreated` is as given, and listings name it from now on only.
    pub fn publish_late(&self, content_type: &str, created_micros: i64, body: Bytes) -> String {
        let now = self.shared.clock.now_micros();
        self.add(
            content_type,
            created_micros,
            now,
            BlobBody::Bytes(body),
            None,
        )
    }

    /// Publishes a blob whose records are made while they are sent.
    pub fn publish_generated(
        &self,
        content_type: &str,
        created_micros: i64,
        body: GeneratedBody,
    ) -> String {
        let body = BlobBody::Generated(body);
        self.add(content_type, created_micros, created_micros, body, None)
    }

    /// Publishes a blob under an id of the caller's choice, which is not taken yet.
    pub fn publish_as(
        &self,
        content_id: &str,
        content_type: &str,
        created_micros: i64,
        body: Bytes,
    ) -> String {
        let body = BlobBody::Bytes(body);
        self.add(
            content_type,
            created_micros,
            created_micros,
            body,
            Some(content_id),
        )
    }

    /// Takes a blob away, also from the truth. Those who know its id get `AF20050`.
    pub fn withdraw(&self, content_id: &str) {
        self.with(|tenant| {
            if tenant.by_id.remove(content_id).is_some() {
                tenant.blobs.retain(|blob| blob.content_id != content_id);
                let ids = tenant.blobs.iter().map(|blob| blob.content_id.clone());
                tenant.by_id = ids.zip(0..).collect();
            }
        });
    }

    fn add(
        &self,
        content_type: &str,
        created_micros: i64,
        listed_from_micros: i64,
        mut body: BlobBody,
        content_id: Option<&str>,
    ) -> String {
        let content_type = canonical(content_type).unwrap_or(content_type);
        // The wire has milliseconds; the rules shall not see more.
        let created_micros = created_micros - created_micros.rem_euclid(1_000);
        let serial = self.shared.next_serial();
        if let BlobBody::Generated(generated) = &mut body {
            generated.organization.clone_from(&self.id);
            generated.created_micros = created_micros;
            generated.serial = serial;
        }
        let content_id = content_id.map_or_else(
            || content_id_for(content_type, created_micros, serial),
            str::to_owned,
        );
        let blob = self.with(|tenant| {
            let blob = PublishedBlob {
                tenant_id: self.id.clone(),
                content_type: content_type.to_owned(),
                content_id: content_id.clone(),
                created_micros,
                expires_micros: created_micros + tenant.settings.retention_micros,
                listed_from_micros,
                body,
            };
            tenant.by_id.insert(content_id.clone(), tenant.blobs.len());
            tenant.blobs.push(blob.clone());
            blob
        });
        self.shared.notify(&blob);
        content_id
    }

    fn with<T>(&self, change: impl FnOnce(&mut Tenant) -> T) -> T {
        change(
            self.shared
                .state()
                .tenants
                .entry(self.id.clone())
                .or_default(),
        )
    }
}
