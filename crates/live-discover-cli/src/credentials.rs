//! Where the credentials of the integrations are found on this machine.
//!
//! Secrets are kept nowhere: neither in the lake nor here. What is kept is a place for each lake and tenant, the name of
//! an environment variable or the paths of a certificate and its key, in one file of the user's configuration. The
//! credential is read from there each time that a token is asked for.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;

use crate::args::CredentialPlace;
use crate::failure::Failure;
use crate::library::{
    Certificate, Credential, CredentialError, CredentialProvider, Secret, TenantId,
};

/// Holds the client secret where nothing else is said.
pub(crate) const DEFAULT_VARIABLE: &str = "LIVE_DISCOVER_CLIENT_SECRET";

/// Says where the configuration is, in place of the system's folder.
const FOLDER_VARIABLE: &str = "LIVE_DISCOVER_CONFIG";
const FILE: &str = "credentials.json";
const LOCK: &str = "credentials.lock";
const FORMAT_VERSION: u64 = 1;

/// Where a credential is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// In an environment variable.
    Variable(String),
    /// In two PEM files.
    Files {
        certificate: PathBuf,
        private_key: PathBuf,
    },
}

impl Place {
    /// What the options say; `None` if they say nothing. Paths become absolute: the next command may run elsewhere.
    pub(crate) fn of(given: &CredentialPlace) -> Result<Option<Self>, Failure> {
        let absolute = |path: &Path| {
            std::path::absolute(path)
                .map_err(|error| Failure::usage(format!("`{}`: {error}", path.display())))
        };
        match given {
            CredentialPlace {
                client_secret_env: Some(name),
                ..
            } => {
                // What is remembered and shown: somebody's secret, given in place of the name, must not be. Those of Entra
                // have a tilde.
                let is_name = |name: &str| {
                    name.chars()
                        .all(|character| character.is_ascii_alphanumeric() || character == '_')
                };
                if name.is_empty() || !is_name(name) {
                    return Err(Failure::usage(
                        "--client-secret-env takes the name of an environment variable, not the secret",
                    ));
                }
                Ok(Some(Self::Variable(name.clone())))
            }
            CredentialPlace {
                certificate: Some(certificate),
                private_key: Some(private_key),
                ..
            } => Ok(Some(Self::Files {
                certificate: absolute(certificate)?,
                private_key: absolute(private_key)?,
            })),
            _ => Ok(None),
        }
    }

    /// The credential that is there now.
    pub(crate) fn read(&self) -> Result<Credential, CredentialError> {
        match self {
            Self::Variable(name) => match std::env::var(name) {
                Ok(secret) if !secret.is_empty() => {
                    Ok(Credential::ClientSecret(Secret::new(secret)))
                }
                // The secret is part of what the error of the standard library says.
                Err(std::env::VarError::NotUnicode(_)) => Err(CredentialError::Missing(format!(
                    "the environment variable {name} is not UTF-8"
                ))),
                _ => Err(CredentialError::Missing(format!(
                    "the environment variable {name} is not set"
                ))),
            },
            Self::Files {
                certificate,
                private_key,
            } => {
                let read = |path: &Path| {
                    fs::read(path).map_err(|error| {
                        CredentialError::Missing(format!("`{}`: {error}", path.display()))
                    })
                };
                let certificate = read(certificate)?;
                let key = String::from_utf8(read(private_key)?)
                    .map_err(|_| CredentialError::PrivateKey("it is not PEM"))?;
                Certificate::from_pem(&certificate, Secret::new(key)).map(Credential::Certificate)
            }
        }
    }

    fn to_json(&self, lake: &str, tenant: TenantId) -> Value {
        let tenant = tenant.to_string();
        match self {
            Self::Variable(name) => {
                json!({ "lake": lake, "tenant": tenant, "client_secret_env": name })
            }
            Self::Files {
                certificate,
                private_key,
            } => json!({
                "lake": lake,
                "tenant": tenant,
                "certificate": certificate,
                "private_key": private_key,
            }),
        }
    }

    fn of_json(entry: &Value) -> Option<Self> {
        let text = |name: &str| entry.get(name).and_then(Value::as_str);
        let files = || {
            Some(Self::Files {
                certificate: text("certificate")?.into(),
                private_key: text("private_key")?.into(),
            })
        };
        text("client_secret_env")
            .map(|name| Self::Variable(name.to_owned()))
            .or_else(files)
    }
}

/// The file with the places of this user.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    folder: PathBuf,
}

impl Places {
    /// `None` where the system says nothing of a folder for configuration.
    pub(crate) fn of_user() -> Option<Self> {
        let variable = |name: &str| {
            let value = std::env::var_os(name).filter(|value| !value.is_empty());
            value.map(PathBuf::from)
        };
        let of_system = || {
            let base = variable("XDG_CONFIG_HOME")
                .or_else(|| variable("APPDATA"))
                .or_else(|| variable("HOME").map(|home| home.join(".config")))?;
            Some(base.join("live-discover"))
        };
        let folder = variable(FOLDER_VARIABLE).or_else(of_system)?;
        Some(Self { folder })
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.join(FILE)
    }

    /// The places that are known for a lake.
    fn of_lake(&self, lake: &Url) -> io::Result<BTreeMap<TenantId, Place>> {
        let key = key_of(lake);
        let entries = self.read()?;
        let of_lake = entries.iter().filter(|entry| is_of(entry, &key, None));
        let place = |entry: &Value| {
            let tenant = entry.get("tenant")?.as_str()?.parse().ok()?;
            Some((tenant, Place::of_json(entry)?))
        };
        Ok(of_lake.filter_map(place).collect())
    }

    /// Remembers the place of a tenant's credential, in the place of what was said before.
    pub(crate) fn remember(
        &self,
        lake: &Url,
        tenant: TenantId,
        place: &Place,
    ) -> Result<(), Failure> {
        let key = key_of(lake);
        let entry = place.to_json(&key, tenant);
        self.change(|entries| {
            entries.retain(|other| !is_of(other, &key, Some(tenant)));
            entries.push(entry);
        })
    }

    pub(crate) fn forget(&self, lake: &Url, tenant: TenantId) -> Result<(), Failure> {
        if !self.file().exists() {
            return Ok(());
        }
        let key = key_of(lake);
        self.change(|entries| entries.retain(|entry| !is_of(entry, &key, Some(tenant))))
    }

    fn change(&self, edit: impl FnOnce(&mut Vec<Value>)) -> Result<(), Failure> {
        self.try_change(edit).map_err(|error| self.failure(&error))
    }

    /// Under a lock, so that two commands at once lose nothing; the file is replaced whole.
    fn try_change(&self, edit: impl FnOnce(&mut Vec<Value>)) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let lock = File::create(self.folder.join(LOCK))?;
        lock.lock()?;
        let mut entries = self.read()?;
        edit(&mut entries);
        let whole = json!({ "format_version": FORMAT_VERSION, "credentials": entries });
        let new = self.folder.join(format!("{FILE}.new"));
        fs::write(&new, format!("{whole:#}\n"))?;
        fs::rename(&new, self.file())
    }

    fn read(&self) -> io::Result<Vec<Value>> {
        let text = match fs::read_to_string(self.file()) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let invalid = |what: &str| io::Error::new(ErrorKind::InvalidData, what.to_owned());
        let mut whole: Value =
            serde_json::from_str(&text).map_err(|error| invalid(&error.to_string()))?;
        if whole.get("format_version") != Some(&json!(FORMAT_VERSION)) {
            return Err(invalid("it is of another version of this program"));
        }
        match whole.get_mut("credentials").map(Value::take) {
            Some(Value::Array(entries)) => Ok(entries),
            _ => Err(invalid("it has no list of credentials")),
        }
    }

    fn failure(&self, error: &io::Error) -> Failure {
        Failure::new(format!(
            "`{}` cannot be used: {error}",
            self.file().display()
        ))
        .with_hint(format!(
            "it says where credentials are found; {FOLDER_VARIABLE} names another folder for it"
        ))
    }
}

/// A lake's URL without what may be a secret in it.
fn key_of(lake: &Url) -> String {
    let mut url = lake.clone();
    // A URL without a host has neither.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.as_str().trim_end_matches('/').to_owned()
}

fn is_of(entry: &Value, lake: &str, tenant: Option<TenantId>) -> bool {
    let is = |name: &str, wanted: &str| entry.get(name).and_then(Value::as_str) == Some(wanted);
    is("lake", lake) && tenant.is_none_or(|tenant| is("tenant", &tenant.to_string()))
}

/// Gives the collector the credentials of a lake's tenants.
///
/// What is remembered is read each time: an integration may be added, or its credential moved, while others are
/// collected.
#[derive(Debug, Clone)]
pub(crate) struct Credentials {
    lake: Url,
    places: Option<Places>,
    given: BTreeMap<TenantId, Place>,
}

impl Credentials {
    pub(crate) fn of_lake(lake: &Url) -> Self {
        Self {
            lake: lake.clone(),
            places: Places::of_user(),
            given: BTreeMap::new(),
        }
    }

    /// What was said for this time alone.
    pub(crate) fn with(mut self, tenant: TenantId, place: Place) -> Self {
        self.given.insert(tenant, place);
        self
    }

    fn read(&self, tenant: TenantId) -> Result<Credential, CredentialError> {
        if let Some(place) = self.given.get(&tenant) {
            return place.read();
        }
        if let Some(places) = &self.places {
            let known = places.of_lake(&self.lake);
            let known = known.map_err(|error| CredentialError::Unavailable(error.to_string()))?;
            if let Some(place) = known.get(&tenant) {
                return place.read();
            }
        }
        let default = Place::Variable(DEFAULT_VARIABLE.to_owned());
        default.read().map_err(|_| {
            CredentialError::Missing(format!(
                "nothing is known of it on this machine: give --client-secret-env NAME, or --certificate FILE \
                 --private-key FILE, or set {DEFAULT_VARIABLE}"
            ))
        })
    }

    /// Whether there is a credential for the tenant.
    pub(crate) fn has(&self, tenant: TenantId) -> bool {
        self.read(tenant).is_ok()
    }
}

#[async_trait]
impl CredentialProvider for Credentials {
    async fn credential(
        &self,
        tenant: TenantId,
        _client_id: Uuid,
    ) -> Result<Credential, CredentialError> {
        self.read(tenant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn a_secret_in_place_of_the_variables_name_is_refused_and_not_shown() {
        for (name, is_taken) in [
            ("M365_SECRET", true),
            ("secret2", true),
            ("", false),
            ("a=b", false),
            ("Zq08Q~3kd.Vt-1x_pLwR7", false),
        ] {
            let given = CredentialPlace {
                client_secret_env: Some(name.to_owned()),
                certificate: None,
                private_key: None,
            };
            match Place::of(&given) {
                Ok(place) => assert!(is_taken && place.is_some(), "{name}"),
                Err(failure) => {
                    let shown = format!("{failure:?}");
                    let is_shown = !name.is_empty() && shown.contains(name);
                    assert!(!is_taken && !is_shown, "{shown}");
                }
            }
        }
    }

    #[test]
    fn places_are_kept_by_lake_and_tenant() {
        let folder = tempfile::tempdir().unwrap();
        let places = Places {
            folder: folder.path().join("deep"),
        };
        let [one, two] = [1, 2].map(|n| {
            format!("0000000{n}-0000-4000-8000-000000000000")
                .parse::<TenantId>()
                .unwrap()
        });
        let lake = url("s3://bucket/lake");
        assert_eq!(places.of_lake(&lake).unwrap(), BTreeMap::new());
        let variable = |name: &str| Place::Variable(name.to_owned());
        let files = Place::Files {
            certificate: "/a.crt".into(),
            private_key: "/a.key".into(),
        };
        places.remember(&lake, one, &variable("OLD")).unwrap();
        places.remember(&lake, one, &variable("NEW")).unwrap();
        places.remember(&lake, two, &files).unwrap();
        let other = url("s3://bucket/other");
        places.remember(&other, one, &variable("OTHER")).unwrap();

        let same = url("s3://user:password@bucket/lake/?sig=secret");
        let found = places.of_lake(&same).unwrap();
        assert_eq!(found, [(one, variable("NEW")), (two, files)].into());
        places.forget(&lake, one).unwrap();
        assert_eq!(places.of_lake(&lake).unwrap().len(), 1);
        assert_eq!(places.of_lake(&other).unwrap().len(), 1);
        let text = fs::read_to_string(places.file()).unwrap();
        assert!(
            !text.contains("secret\"") && !text.contains("password"),
            "{text}"
        );
    }

    #[test]
    fn a_file_that_is_something_else_is_an_error_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let places = Places {
            folder: folder.path().to_owned(),
        };
        for text in [
            "",
            "[]",
            "{\"format_version\": 2}",
            "{\"format_version\": 1}",
        ] {
            fs::write(places.file(), text).unwrap();
            let tenant = TenantId::UNKNOWN;
            let place = Place::Variable("NAME".to_owned());
            assert!(places.of_lake(&url("s3://b/l")).is_err(), "{text}");
            assert!(places.remember(&url("s3://b/l"), tenant, &place).is_err());
            assert_eq!(fs::read_to_string(places.file()).unwrap(), text);
        }
    }
}
