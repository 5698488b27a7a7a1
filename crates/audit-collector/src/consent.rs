//! Consent: where an administrator is sent to, and what the answer says.
//!
//! An administrator of the tenant opens the URL in a browser, signs in and agrees, and Microsoft sends the browser on
//! to the redirect with the answer
//! (<https://learn.microsoft.com/entra/identity-platform/v2-admin-consent>).

use std::fmt;

use audit_lake::{IdSource, TenantId};
use url::Url;
use uuid::Uuid;

use crate::cloud::{Cloud, below};
use crate::same::is_same;

/// Bytes of Microsoft's description that are kept.
const DESCRIPTION_MAX: usize = 512;

/// A text that comes back with the answer, by which a host knows the answer to its own question. The host keeps it,
/// with whoever asked, until the answer comes, and takes one answer for it.
#[derive(Clone, PartialEq, Eq)]
pub struct ConsentState(String);

impl ConsentState {
    /// A new one that nobody can guess, if the ids are random.
    pub fn new(ids: &dyn IdSource) -> Self {
        Self(format!(
            "{}{}",
            ids.next_id().as_simple(),
            ids.next_id().as_simple()
        ))
    }

    /// One that was kept.
    ///
    /// # Errors
    ///
    /// [`ConsentError::Malformed`] for an empty one, which anybody can guess.
    pub fn kept(text: impl Into<String>) -> Result<Self, ConsentError> {
        let text = text.into();
        if text.is_empty() {
            return Err(ConsentError::Malformed("the state is empty"));
        }
        Ok(Self(text))
    }

    /// As it is sent, and to be kept.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ConsentState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ConsentState(..)")
    }
}

/// What an administrator is asked to consent to.
#[derive(Debug, Clone)]
pub struct ConsentRequest {
    /// Where the tenant lives.
    pub cloud: Cloud,
    /// Whose administrator; `None` for that of whichever organisation signs in.
    pub tenant: Option<TenantId>,
    /// The application.
    pub client_id: Uuid,
    /// Where the browser is sent with the answer: one of those in the application's registration, letter by letter.
    pub redirect: Url,
    /// Comes back with the answer.
    pub state: ConsentState,
}

impl ConsentRequest {
    /// Where to send the administrator. Asks for what the application's registration lists of the Office 365 Management
    /// APIs.
    pub fn url(&self) -> Url {
        let mut url = self.endpoint("v2.0/adminconsent");
        let scope = format!("{}/.default", self.cloud.resource());
        url.query_pairs_mut().append_pair("scope", &scope);
        url
    }

    /// The older page for the same: asks for all that the application's registration lists, of whatever API.
    pub fn classic_url(&self) -> Url {
        self.endpoint("adminconsent")
    }

    /// What the answer says; `redirect` is the URL that the browser was sent to.
    ///
    /// # Errors
    ///
    /// See [`ConsentError`]. Only [`ConsentError::Refused`] and [`ConsentError::OtherTenant`] are Microsoft's answer to
    /// this request; the others may be from anybody and mean nothing.
    pub fn answer(&self, redirect: &Url) -> Result<Consent, ConsentError> {
        let consent = Consent::parse(redirect, &self.state)?;
        match self.tenant {
            Some(asked) if asked != consent.tenant => Err(ConsentError::OtherTenant {
                asked,
                granted: consent.tenant,
            }),
            _ => Ok(consent),
        }
    }

    fn endpoint(&self, page: &str) -> Url {
        let tenant = match self.tenant {
            Some(tenant) => tenant.to_string(),
            None => "organizations".to_owned(),
        };
        let mut url = below(&self.cloud.login_root(), &format!("{tenant}/{page}"));
        url.query_pairs_mut()
            .append_pair("client_id", &self.client_id.to_string())
            .append_pair("redirect_uri", self.redirect.as_str())
            .append_pair("state", self.state.as_str());
        url
    }
}

/// An administrator consented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Consent {
    /// Whose administrator.
    pub tenant: TenantId,
}

/// Why an answer is no consent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConsentError {
    /// The answer is not to this request: its state is another one or missing. Ignore it, and ask again.
    #[error(
        "the answer does not belong to this request (its state is missing or another one): start again"
    )]
    WrongState,
    /// Microsoft says no.
    #[error("consent was refused ({error}): {explanation}; Microsoft says: {description}")]
    Refused {
        /// Microsoft's word for it, such as `access_denied`.
        error: String,
        /// Microsoft's description: one line, at most 512 bytes.
        description: String,
        /// What to do.
        explanation: &'static str,
    },
    /// An administrator of another tenant consented, for that one.
    #[error(
        "consent was granted for tenant {granted}, not for {asked}: sign in as an administrator of {asked}"
    )]
    OtherTenant {
        /// Who was asked for.
        asked: TenantId,
        /// Who consented.
        granted: TenantId,
    },
    /// It is no answer of the consent page.
    #[error("this is no answer of the consent page: {0}")]
    Malformed(&'static str),
}

impl Consent {
    /// What the answer says, whoever's administrator it is.
    ///
    /// # Errors
    ///
    /// See [`ConsentRequest::answer`].
    pub fn parse(redirect: &Url, expected: &ConsentState) -> Result<Self, ConsentError> {
        let answer = Parameters(redirect);
        let state = answer.single("state").ok_or(ConsentError::WrongState)?;
        if !is_same(state.as_bytes(), expected.as_str().as_bytes()) {
            return Err(ConsentError::WrongState);
        }
        // First: a refusal comes with `admin_consent=True` as well.
        if let Some(error) = answer.single("error") {
            let description = answer.single("error_description").unwrap_or_default();
            return Err(ConsentError::Refused {
                explanation: explanation(&error, &description),
                error: one_line(&error),
                description: one_line(&description),
            });
        }
        let granted = answer.single("admin_consent");
        if !granted.is_some_and(|granted| granted.eq_ignore_ascii_case("true")) {
            return Err(ConsentError::Malformed("`admin_consent` is not True"));
        }
        let tenant = answer
            .single("tenant")
            .and_then(|tenant| tenant.parse().ok());
        match tenant {
            Some(tenant) if tenant != TenantId::UNKNOWN => Ok(Self { tenant }),
            _ => Err(ConsentError::Malformed("`tenant` is no tenant's id")),
        }
    }
}

struct Parameters<'a>(&'a Url);

impl Parameters<'_> {
    /// The value of a parameter that is there once: of two, somebody added one.
    fn single(&self, name: &str) -> Option<String> {
        let mut values = self.0.query_pairs().filter(|(key, _)| key == name);
        let (_, value) = values.next()?;
        values.next().is_none().then(|| value.into_owned())
    }
}

/// What to do, by the number in the description, which is for people only; by Microsoft's word otherwise.
fn explanation(error: &str, description: &str) -> &'static str {
    let by_number = [
        (
            "AADSTS650051",
            "the application asks for a permission that does not exist any more (such as ActivityReports.Read or those of \
             threat intelligence): in its registration, under API permissions, leave of the Office 365 Management APIs only \
             ActivityFeed.Read and ActivityFeed.ReadDlp, then consent again",
        ),
        (
            "AADSTS650052",
            "the tenant has no Office 365 Management APIs: it needs a subscription of Microsoft 365 with auditing",
        ),
        (
            "AADSTS65004",
            "whoever signed in declined: open the consent page again and accept",
        ),
        (
            "AADSTS90094",
            "whoever signed in may not consent: sign in as a Global Administrator or Privileged Role Administrator",
        ),
        (
            "AADSTS65001",
            "nobody has consented yet: open the consent page as an administrator and accept",
        ),
        (
            "AADSTS700016",
            "the application is not known there: check its client id, and that it is for accounts of any organisation if it \
             is registered in another tenant",
        ),
        (
            "AADSTS90002",
            "there is no such tenant: check its id and the cloud",
        ),
        (
            "AADSTS7000112",
            "the application is disabled: enable it in the Azure portal, Enterprise applications, the application, \
             Properties, “Enabled for users to sign in?”",
        ),
    ];
    let numbered = by_number.into_iter().find(|(number, _)| {
        // AADSTS65001 is the beginning of other numbers.
        description
            .split_once(number)
            .is_some_and(|(_, rest)| !rest.starts_with(|next: char| next.is_ascii_digit()))
    });
    match (numbered, error) {
        (Some((_, explanation)), _) => explanation,
        (None, "access_denied") => {
            "whoever signed in declined, or may not consent: sign in as a Global Administrator and accept"
        }
        (None, "consent_required") => "open the consent page as an administrator and accept",
        (None, "temporarily_unavailable" | "server_error") => "try again later",
        (None, _) => "do what Microsoft says, then open the consent page again",
    }
}

fn one_line(text: &str) -> String {
    let line: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let end = line.floor_char_boundary(DESCRIPTION_MAX);
    line.get(..end).unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests;
