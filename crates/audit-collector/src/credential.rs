//! How an application proves to the token endpoint who it is. Secrets come from the host at the time of use and are
//! kept nowhere.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use audit_lake::TenantId;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde::{Deserialize, Serialize};
use sha1::{Digest, Sha1};
use uuid::Uuid;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;
use zeroize::Zeroizing;

/// The least that the token endpoint takes
/// (<https://learn.microsoft.com/office/office-365-management-api/get-started-with-office-365-management-apis>).
const KEY_BITS_MIN: usize = 2048;

/// A text that is never shown: `Debug` prints none of it, and its memory is overwritten when it goes.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text over.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text, to be sent and not to be shown.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(..)")
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

/// What a token is asked for with.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Credential {
    /// A client secret of the application (its value, not its id).
    ClientSecret(Secret),
    /// A certificate of the application: an assertion is signed with its key.
    Certificate(Certificate),
    /// An access token that the host got by itself, of a managed or workload identity for example.
    AccessToken(Secret),
}

/// Why there is no credential. Messages must not hold a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialError {
    /// The host has none for this application: nothing helps before somebody gives it one.
    #[error("no credential is configured: {0}")]
    Missing(String),
    /// The host could not get at it: later may help.
    #[error("the credential is not available now: {0}")]
    Unavailable(String),
    /// The certificate is none that can be used.
    #[error("the certificate cannot be used: {0}")]
    Certificate(&'static str),
    /// The private key is none that can be used.
    #[error("the private key cannot be used: {0}")]
    PrivateKey(&'static str),
}

/// The host's store of credentials. Asked each time that a token is needed, about once an hour and again when one is
/// refused, so that a new secret counts at once.
#[async_trait]
pub trait CredentialProvider: Send + Sync {
    /// The credential of the application `client_id` in the tenant.
    async fn credential(
        &self,
        tenant: TenantId,
        client_id: Uuid,
    ) -> Result<Credential, CredentialError>;
}

/// A certificate and its private key.
#[derive(Clone)]
pub struct Certificate(Arc<Parts>);

struct Parts {
    thumbprint: String,
    key: EncodingKey,
    expires_micros: Option<i64>,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Certificate")
            .field("thumbprint", &self.0.thumbprint)
            .field("expires_micros", &self.0.expires_micros)
            .finish_non_exhaustive()
    }
}

impl Certificate {
    /// A certificate in PEM (the first, if there are several) and its RSA key in PEM (PKCS#8 or PKCS#1, not encrypted).
    ///
    /// # Errors
    ///
    /// [`CredentialError::Certificate`] or [`CredentialError::PrivateKey`] where one cannot be read, the key is shorter
    /// than 2048 bits, or the two do not belong together.
    pub fn from_pem(certificate: &[u8], private_key: Secret) -> Result<Self, CredentialError> {
        let der = CertificateDer::from_pem_slice(certificate)
            .map_err(|_| CredentialError::Certificate("it is no certificate in PEM"))?;
        let (_, parsed) = X509Certificate::from_der(&der)
            .map_err(|_| CredentialError::Certificate("it is no X.509 certificate"))?;
        let Ok(PublicKey::RSA(public)) = parsed.public_key().parsed() else {
            return Err(CredentialError::Certificate("its key is not RSA"));
        };
        if public.key_size() < KEY_BITS_MIN {
            return Err(CredentialError::Certificate(
                "its key has less than 2048 bits",
            ));
        }
        let key = EncodingKey::from_rsa_pem(private_key.expose().as_bytes()).map_err(|_| {
            CredentialError::PrivateKey(
                "it is no RSA key in PEM, PKCS#8 or PKCS#1, without a password",
            )
        })?;
        let modulus = without_sign(public.modulus);
        let verifier = DecodingKey::from_rsa_raw_components(modulus, without_sign(public.exponent));
        belong_together(&key, &verifier)?;
        Ok(Self(Arc::new(Parts {
            thumbprint: URL_SAFE_NO_PAD.encode(Sha1::digest(&der)),
            key,
            expires_micros: parsed
                .validity()
                .not_after
                .timestamp()
                .checked_mul(1_000_000),
        })))
    }

    /// When the certificate ends. Units: microseconds since 1970-01-01, UTC.
    pub fn expires_micros(&self) -> Option<i64> {
        self.0.expires_micros
    }

    /// The SHA-1 of the certificate as Microsoft's portal names it by, in base64url.
    pub fn thumbprint(&self) -> &str {
        &self.0.thumbprint
    }

    /// The assertion that stands in for a secret: who asks, whom, and until when it holds.
    pub(crate) fn assertion(
        &self,
        audience: &str,
        client_id: Uuid,
        assertion_id: Uuid,
        now_micros: i64,
    ) -> Result<Secret, CredentialError> {
        let now = now_micros.div_euclid(1_000_000);
        let client_id = client_id.to_string();
        let claims = Claims {
            aud: audience,
            iss: &client_id,
            sub: &client_id,
            jti: assertion_id.to_string(),
            nbf: now - ASSERTION_SLACK_SECONDS,
            exp: now + ASSERTION_SECONDS,
        };
        let mut header = Header::new(Algorithm::RS256);
        header.x5t = Some(self.0.thumbprint.clone());
        jsonwebtoken::encode(&header, &claims, &self.0.key)
            .map(Secret::new)
            .map_err(|_| CredentialError::PrivateKey("it does not sign"))
    }
}

/// How long an assertion holds, and how much the two clocks may differ.
const ASSERTION_SECONDS: i64 = 10 * 60;
const ASSERTION_SLACK_SECONDS: i64 = 60;

#[derive(Serialize)]
struct Claims<'a> {
    aud: &'a str,
    iss: &'a str,
    sub: &'a str,
    jti: String,
    nbf: i64,
    exp: i64,
}

/// Whether the key signs what the certificate verifies.
fn belong_together(key: &EncodingKey, verifier: &DecodingKey) -> Result<(), CredentialError> {
    #[derive(Serialize, Deserialize)]
    struct Nothing {}
    let signed = jsonwebtoken::encode(&Header::new(Algorithm::RS256), &Nothing {}, key)
        .map_err(|_| CredentialError::PrivateKey("it does not sign"))?;
    let mut rules = Validation::new(Algorithm::RS256);
    rules.required_spec_claims.clear();
    rules.validate_exp = false;
    jsonwebtoken::decode::<Nothing>(&signed, verifier, &rules)
        .map(|_| ())
        .map_err(|_| CredentialError::PrivateKey("it is not the key of this certificate"))
}

/// DER puts a zero before an integer whose first bit is set.
fn without_sign(integer: &[u8]) -> &[u8] {
    match integer {
        [0, rest @ ..] => rest,
        whole => whole,
    }
}

#[cfg(test)]
mod tests;
