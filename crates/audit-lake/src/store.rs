//! From a URL to the object store behind it, by options named as `object_store` names them.

use std::sync::Arc;

use object_store::ObjectStore;
use object_store::aws::AmazonS3ConfigKey;
use object_store::azure::AzureConfigKey;
use object_store::gcp::GoogleConfigKey;
use object_store::path::Path;
use url::Url;

use crate::error::{Error, Result};
use crate::lake::without_credentials;

/// Variables of Azure's command line that mean the same as an option of another name:
/// <https://learn.microsoft.com/cli/azure/storage>.
const ALIASES: [(&str, &str); 2] = [
    ("azure_storage_account", "azure_storage_account_name"),
    ("azure_storage_key", "azure_storage_account_key"),
];

/// Opens the object store that a URL is of, and tells the path in it: `s3://bucket/path`, `gs://bucket/path`,
/// `abfss://container@account.dfs.core.windows.net/path`, `az://container/path` and others that
/// [`ObjectStoreScheme`](object_store::ObjectStoreScheme) lists.
///
/// Options have the names of `object_store`: of [S3](AmazonS3ConfigKey), [Azure](AzureConfigKey) or
/// [Google Cloud](GoogleConfigKey). Those of the others are passed over, so one list does for all.
///
/// # Errors
///
/// [`Error::InvalidInput`] for a URL of no store, an option of no store, and what the store lacks.
pub fn open_store(url: &Url, options: &[(String, String)]) -> Result<(Arc<dyn ObjectStore>, Path)> {
    if let Some((key, _)) = options.iter().find(|(key, _)| !is_option(key)) {
        return Err(Error::invalid(format!(
            "no object store has an option `{key}`"
        )));
    }
    let options = options.iter().map(|(key, value)| (key, value));
    let (store, path) = object_store::parse_url_opts(url, options).map_err(|source| {
        let shown = without_credentials(url.as_str());
        // It may say the URL again.
        let reason = source.to_string().replace(url.as_str(), &shown);
        Error::invalid(format!("no object store for `{shown}`: {reason}"))
    })?;
    Ok((store.into(), path))
}

/// The options of object stores among the variables of a process, as the clouds' own tools name them: `AWS_REGION`,
/// `AZURE_STORAGE_ACCOUNT_NAME`, `GOOGLE_APPLICATION_CREDENTIALS`.
///
/// ```
/// let variables = [("AWS_REGION", "eu-central-1"), ("AWS_PAGER", "less"), ("REGION", "north")];
/// let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
/// let options = audit_lake::store_options(variables);
/// assert_eq!(options, [("aws_region".to_owned(), "eu-central-1".to_owned())]);
/// ```
pub fn store_options(
    variables: impl IntoIterator<Item = (String, String)>,
) -> Vec<(String, String)> {
    let options = variables.into_iter().filter_map(|(name, value)| {
        let name = name.to_ascii_lowercase();
        let alias = ALIASES.iter().find(|(alias, _)| *alias == name);
        let name = alias.map_or(name, |(_, option)| (*option).to_owned());
        let is_of_cloud = ["aws_", "azure_", "google_"]
            .iter()
            .any(|cloud| name.starts_with(cloud));
        (is_of_cloud && !value.is_empty() && is_option(&name)).then_some((name, value))
    });
    options.collect()
}

fn is_option(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    key.parse::<AmazonS3ConfigKey>().is_ok()
        || key.parse::<AzureConfigKey>().is_ok()
        || key.parse::<GoogleConfigKey>().is_ok()
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::{open_store, store_options};

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let pairs = pairs.iter();
        pairs
            .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
            .collect()
    }

    #[test]
    fn each_cloud_has_its_variables() {
        for (name, option) in [
            ("AWS_ACCESS_KEY_ID", Some("aws_access_key_id")),
            ("AWS_ENDPOINT_URL", Some("aws_endpoint_url")),
            (
                "AWS_WEB_IDENTITY_TOKEN_FILE",
                Some("aws_web_identity_token_file"),
            ),
            ("AWS_TIMEOUT", Some("aws_timeout")),
            ("AWS_PROFILE", None),
            ("AZURE_STORAGE_ACCOUNT", Some("azure_storage_account_name")),
            ("AZURE_STORAGE_KEY", Some("azure_storage_account_key")),
            ("AZURE_CLIENT_ID", Some("azure_client_id")),
            (
                "GOOGLE_APPLICATION_CREDENTIALS",
                Some("google_application_credentials"),
            ),
            // Without a cloud's name it may mean anything.
            ("TOKEN", None),
        ] {
            let options = store_options(pairs(&[(name, "value")]));
            let names: Vec<&str> = options.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names, Vec::from_iter(option), "{name}");
        }
        assert!(store_options(pairs(&[("AWS_REGION", "")])).is_empty());
    }

    #[test]
    fn what_a_store_needs_or_has_not_is_told() {
        for (url, options, told) in [
            (
                "s3://bucket/lake",
                &[("aws_regoin", "x")][..],
                "no object store has an option `aws_regoin`",
            ),
            ("s3://bucket/lake", &[("azure_client_id", "x")], ""),
            (
                "az://container/lake?sig=secret",
                &[],
                "no object store for `az://container/lake`: ",
            ),
            (
                "ftp://host/lake",
                &[],
                "no object store for `ftp://host/lake`: ",
            ),
        ] {
            let opened = open_store(&Url::parse(url).unwrap(), &pairs(options));
            let error = opened.map_or_else(
                |error| error.to_string(),
                |(_, path)| {
                    assert_eq!(path.as_ref(), "lake");
                    String::new()
                },
            );
            assert!(
                error.starts_with(told) && error.is_empty() == told.is_empty(),
                "{error}"
            );
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
