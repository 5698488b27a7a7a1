//! The identity of a tenant.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use crate::error::{Error, Result};

/// A Microsoft 365 organisation (`OrganizationId`), or [`TenantId::UNKNOWN`].
///
/// Prints as the lower-case GUID; that is also its name in object paths. Parsing takes either case.
///
/// # Example
///
/// ```
/// use audit_lake::TenantId;
///
/// let tenant: TenantId = "0FAD12B5-8D6A-4C43-A01F-E6D0A0D0E1C7".parse()?;
/// assert_eq!(tenant.to_string(), "0fad12b5-8d6a-4c43-a01f-e6d0a0d0e1c7");
/// assert_eq!(
///     "contoso.com".parse::<TenantId>().unwrap_err().to_string(),
///     "`contoso.com` is no tenant: a GUID like 00000000-0000-0000-0000-000000000000 \
///      or the word `unknown` is",
/// );
/// # Ok::<(), audit_lake::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(Identity);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Identity {
    Organization(Uuid),
    Unknown,
}

/// The name under which records without an organisation are kept.
const UNKNOWN_NAME: &str = "unknown";
/// Length of the hyphenated form, the only one that is accepted.
const GUID_LENGTH: usize = 36;

impl TenantId {
    /// Where records of exports go that name no organisation.
    pub const UNKNOWN: Self = Self(Identity::Unknown);
}

impl From<Uuid> for TenantId {
    fn from(organization_id: Uuid) -> Self {
        Self(Identity::Organization(organization_id))
    }
}

impl FromStr for TenantId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text.eq_ignore_ascii_case(UNKNOWN_NAME) {
            return Ok(Self::UNKNOWN);
        }
        let guid = (text.len() == GUID_LENGTH)
            .then(|| Uuid::try_parse(text).ok())
            .flatten();
        guid.map(Self::from).ok_or_else(|| {
            Error::invalid(format!(
                "`{text}` is no tenant: a GUID like 00000000-0000-0000-0000-000000000000 or the word `unknown` is"
            ))
        })
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Identity::Organization(guid) => write!(formatter, "{}", guid.as_hyphenated()),
            Identity::Unknown => formatter.write_str(UNKNOWN_NAME),
        }
    }
}

impl fmt::Debug for TenantId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_a_tenant() {
        for (text, expected) in [
            (
                "0fad12b5-8d6a-4c43-a01f-e6d0a0d0e1c7",
                Some("0fad12b5-8d6a-4c43-a01f-e6d0a0d0e1c7"),
            ),
            (
                "0FAD12B5-8D6A-4C43-A01F-E6D0A0D0E1C7",
                Some("0fad12b5-8d6a-4c43-a01f-e6d0a0d0e1c7"),
            ),
            ("unknown", Some("unknown")),
            ("", None),
            ("..", None),
            ("0fad12b58d6a4c43a01fe6d0a0d0e1c7", None),
            ("{0fad12b5-8d6a-4c43-a01f-e6d0a0d0e1c7}", None),
            ("0fad12b5-8d6a-4c43-a01f-e6d0a0d0e1c7/", None),
        ] {
            let parsed = text
                .parse::<TenantId>()
                .ok()
                .map(|tenant| tenant.to_string());
            assert_eq!(parsed.as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn order_is_the_order_of_the_names() {
        let mut tenants: Vec<TenantId> = [
            "unknown",
            "ffffffff-ffff-ffff-ffff-ffffffffffff",
            "0fad12b5-8d6a-4c43-a01f-e6d0a0d0e1c7",
        ]
        .map(|text| text.parse().unwrap())
        .to_vec();
        tenants.sort();
        let names: Vec<String> = tenants.iter().map(TenantId::to_string).collect();
        assert!(names.is_sorted());
    }
}
