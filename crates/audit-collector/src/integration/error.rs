//! Errors of integrations by what the caller does next.

use audit_lake::TenantId;

/// What went wrong with an integration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IntegrationError {
    /// What was given cannot be used: change it.
    #[error("{message}")]
    InvalidInput {
        /// What is wrong with it and what would be right.
        message: String,
    },
    /// Nobody has said yet which networks and domains are the customer's own: give them or decline.
    #[error(
        "the first integration of a lake needs your own domains and IP networks: give them \
         (`--internal-networks FILE`), or decline (`--no-internal-networks`); they can be changed at any time"
    )]
    NetworksUndecided,
    /// The tenant has an integration: change that, or remove it first.
    #[error("tenant {tenant} has an integration already: remove it first, or change it")]
    Exists {
        /// Whose it is.
        tenant: TenantId,
    },
    /// The tenant has no integration: add one.
    #[error("tenant {tenant} has no integration: add one")]
    NotFound {
        /// Whose it would be.
        tenant: TenantId,
    },
    /// A collector is still at work for the tenant: wait until it stops, and do it again.
    #[error(
        "a collector ({holder}) is still at work for tenant {tenant}: it stops by itself, or is not waited for any \
         more a while after it was last heard of; do it again then"
    )]
    InUse {
        /// Whose data it stores.
        tenant: TenantId,
        /// Host and process.
        holder: String,
        /// When its lease ends by its own clock. Units: microseconds since 1970-01-01, UTC.
        until_micros: i64,
    },
    /// Others were first again and again: try later.
    #[error("the integration of tenant {tenant} kept being changed by others: try again")]
    Conflict {
        /// Whose it is.
        tenant: TenantId,
    },
    /// What the lake says.
    #[error(transparent)]
    Lake(#[from] audit_lake::Error),
}

impl IntegrationError {
    #[cold]
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::InvalidInput {
            message: message.into(),
        }
    }
}
