//! An integration: how a tenant is connected, and what became of it.

mod error;
mod state;

use std::collections::BTreeSet;

use audit_lake::{Document, Lake, TenantId};
use audit_schema::ContentType;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use self::error::IntegrationError;
pub use self::state::{IntegrationState, StateEvent, StateSince};
use crate::cloud::Cloud;

const FORMAT_VERSION: u32 = 1;
/// Hours after which a blob is rarely late any more (T15).
const LATE_HOURS_DEFAULT: u32 = 48;
/// A listing goes seven days back, less a margin.
const LATE_HOURS_MAX: u32 = 167;
/// Bytes of a name for people.
const NAME_MAX: usize = 256;

/// How a tenant is connected. Holds no secret: credentials come from the host at the time of use.
///
/// # Example
///
/// ```
/// use audit_collector::IntegrationConfig;
/// use audit_lake::TenantId;
/// use uuid::Uuid;
///
/// let client_id = Uuid::from_u128(7);
/// let tenant: TenantId = "0fad12b5-8d6a-4c43-a01f-e6d0a0d0e1c7".parse()?;
/// let config = IntegrationConfig::new(tenant, client_id)?;
/// assert_eq!(config.publisher_id.to_string(), tenant.to_string());
/// assert_eq!(config.content_types.len(), 5);
///
/// let error = IntegrationConfig::new(TenantId::UNKNOWN, client_id).unwrap_err();
/// assert_eq!(error.to_string(), "an integration is of one tenant: give its id, a GUID");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntegrationConfig {
    /// Whose records are collected.
    #[serde(with = "tenant_text")]
    pub tenant: TenantId,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The application that the tenant has consented to.
    pub client_id: Uuid,
    /// Whose quota requests count for (`PublisherIdentifier`): the tenant of whoever runs the collector. By default the
    /// tenant's own id.
    pub publisher_id: Uuid,
    /// Where the tenant lives.
    pub cloud: Cloud,
    /// What is collected: all by default.
    #[serde(with = "content_type_texts")]
    pub content_types: BTreeSet<ContentType>,
    /// Hours for which a window is listed again, since blobs come late into windows that were listed: 48 by default,
    /// 24 to 48 is what is known to be needed. More costs a request or two for each hour and content type.
    pub late_hours: u32,
}

impl IntegrationConfig {
    /// A tenant of the commercial cloud with all content types.
    ///
    /// # Errors
    ///
    /// [`IntegrationError::InvalidInput`] for [`TenantId::UNKNOWN`].
    pub fn new(tenant: TenantId, client_id: Uuid) -> Result<Self, IntegrationError> {
        Ok(Self {
            tenant,
            name: None,
            client_id,
            publisher_id: guid(tenant)?,
            cloud: Cloud::Enterprise,
            content_types: ContentType::ALL.into(),
            late_hours: LATE_HOURS_DEFAULT,
        })
    }

    /// Whether it can be added: tells a mistake before anything is made for it.
    ///
    /// # Errors
    ///
    /// [`IntegrationError::InvalidInput`] that says what would be right.
    pub fn check(&self) -> Result<(), IntegrationError> {
        guid(self.tenant)?;
        if self.client_id.is_nil() {
            return Err(IntegrationError::invalid(
                "the application's id is all zeros: give the client id of its registration",
            ));
        }
        if self.publisher_id.is_nil() {
            return Err(IntegrationError::invalid(
                "the publisher's id is all zeros, for which everybody shares one quota: give the id of your own tenant",
            ));
        }
        if self.content_types.is_empty() {
            return Err(IntegrationError::invalid(
                "no content type is left to collect: name one at least",
            ));
        }
        if !(1..=LATE_HOURS_MAX).contains(&self.late_hours) {
            return Err(IntegrationError::invalid(format!(
                "late hours go from 1 to {LATE_HOURS_MAX}, not {}: 48 is usual",
                self.late_hours
            )));
        }
        let is_name = |name: &String| {
            !name.trim().is_empty() && name.len() <= NAME_MAX && !name.chars().any(char::is_control)
        };
        if self.name.as_ref().is_some_and(|name| !is_name(name)) {
            return Err(IntegrationError::invalid(format!(
                "the name is empty, longer than {NAME_MAX} bytes or has control characters"
            )));
        }
        if let Cloud::Custom {
            management_root,
            login_root,
        } = &self.cloud
        {
            Cloud::custom(management_root.clone(), login_root.clone())
                .map_err(|error| IntegrationError::invalid(error.to_string()))?;
        }
        Ok(())
    }
}

fn guid(tenant: TenantId) -> Result<Uuid, IntegrationError> {
    Uuid::try_parse(&tenant.to_string())
        .ok()
        .filter(|id| !id.is_nil())
        .ok_or_else(|| {
            IntegrationError::invalid("an integration is of one tenant: give its id, a GUID")
        })
}

/// An integration as the lake keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Integration {
    /// Another one for each time that an integration of the tenant is added.
    pub id: Uuid,
    /// When it was added. Units: microseconds since 1970-01-01, UTC.
    pub added_micros: i64,
    /// How the tenant is connected.
    pub config: IntegrationConfig,
    /// What became of it.
    #[serde(flatten)]
    pub state: StateSince,
    /// Whether its data is being deleted, and it with it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_being_deleted: bool,
}

impl Integration {
    pub(crate) fn new(config: IntegrationConfig, id: Uuid, now_micros: i64) -> Self {
        Self {
            id,
            added_micros: now_micros,
            config,
            state: StateSince::new(now_micros),
            is_being_deleted: false,
        }
    }

    /// Whose it is.
    pub fn tenant(&self) -> TenantId {
        self.config.tenant
    }

    /// Whether a collector has to work on it: it is neither paused nor removed.
    pub fn is_collected(&self) -> bool {
        !matches!(
            self.state.state,
            IntegrationState::Paused | IntegrationState::Removed
        )
    }

    pub(crate) fn is_removed(&self) -> bool {
        self.state.state == IntegrationState::Removed
    }

    pub(crate) fn read(tenant: TenantId, document: &Document) -> Result<Self, IntegrationError> {
        let integration: Self = read(tenant, "configuration", document)?;
        if integration.tenant() == tenant {
            return Ok(integration);
        }
        Err(corrupt(document, "it names another tenant"))
    }

    pub(crate) fn write(&self, lake: &Lake) -> Result<Bytes, IntegrationError> {
        write(lake, self)
    }
}

/// A version of a document: no two are equal, and a program knows whether it can read it.
#[derive(Serialize)]
struct Written<'a, T> {
    format_version: u32,
    change_id: Uuid,
    #[serde(flatten)]
    content: &'a T,
}

pub(crate) fn write<T: Serialize>(lake: &Lake, content: &T) -> Result<Bytes, IntegrationError> {
    let written = Written {
        format_version: FORMAT_VERSION,
        change_id: lake.ids().next_id(),
        content,
    };
    let json = serde_json::to_vec_pretty(&written);
    let json = json.map_err(|error| audit_lake::Error::Internal {
        message: format!("a document of an integration cannot be written: {error}"),
    })?;
    Ok(json.into())
}

pub(crate) fn read<T: for<'a> Deserialize<'a>>(
    tenant: TenantId,
    name: &str,
    document: &Document,
) -> Result<T, IntegrationError> {
    /// What every version of the format has.
    #[derive(Deserialize)]
    struct Format {
        format_version: u32,
    }
    let Format { format_version } =
        serde_json::from_slice(&document.content).map_err(|error| corrupt(document, error))?;
    if format_version > FORMAT_VERSION {
        return Err(IntegrationError::invalid(format!(
            "the integration of tenant {tenant} is of a newer program (its {name} has format {format_version}): use that"
        )));
    }
    serde_json::from_slice(&document.content).map_err(|error| corrupt(document, error))
}

#[cold]
fn corrupt(document: &Document, message: impl std::fmt::Display) -> IntegrationError {
    IntegrationError::Lake(document.corrupt(message))
}

mod tenant_text {
    use audit_lake::TenantId;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(
        tenant: &TenantId,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(tenant)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<TenantId, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

mod content_type_texts {
    use std::collections::BTreeSet;

    use audit_schema::ContentType;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(
        content_types: &BTreeSet<ContentType>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(content_types.iter().map(|one| one.as_str()))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeSet<ContentType>, D::Error> {
        let names = Vec::<String>::deserialize(deserializer)?;
        (names.iter())
            .map(|name| {
                ContentType::parse(name)
                    .ok_or_else(|| de::Error::custom(format!("`{name}` is no content type")))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests;
