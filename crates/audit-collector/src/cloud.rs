//! The clouds that Microsoft 365 runs in, and the two addresses of each.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use url::Url;

/// Where a tenant lives: decides which servers are asked, and whose token is asked for.
///
/// The addresses are those of
/// <https://learn.microsoft.com/office/office-365-management-api/office-365-management-activity-api-reference>; that of
/// 21Vianet is what collectors in the field use.
///
/// # Example
///
/// ```
/// use audit_collector::Cloud;
///
/// let cloud: Cloud = "gcc_high".parse()?;
/// assert_eq!(cloud.management_root().as_str(), "https://manage.office365.us/");
/// assert_eq!(cloud.resource(), "https://manage.office365.us");
/// # Ok::<(), audit_collector::CloudError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cloud {
    /// The commercial cloud.
    #[default]
    Enterprise,
    /// Government of the United States: GCC.
    Gcc,
    /// Government of the United States: GCC High.
    GccHigh,
    /// Department of Defense of the United States.
    Dod,
    /// China, operated by 21Vianet.
    China,
    /// Servers of one's own, for tests and proxies: [`Cloud::custom`] checks them.
    Custom {
        /// Stands for `https://manage.office.com`; may have a path.
        management_root: Url,
        /// Stands for `https://login.microsoftonline.com`; may have a path.
        login_root: Url,
    },
}

/// What is no cloud.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CloudError {
    /// No cloud has this name.
    #[error("`{name}` is no cloud: enterprise, gcc, gcc_high, dod and china are")]
    Unknown {
        /// What was given.
        name: String,
    },
    /// The URL cannot stand for a server's.
    #[error("the {which} root {problem}: a URL like https://host/path is wanted")]
    Root {
        /// `management` or `login`.
        which: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
}

impl Cloud {
    /// Those with a name.
    pub const NAMED: [Self; 5] = [
        Self::Enterprise,
        Self::Gcc,
        Self::GccHigh,
        Self::Dod,
        Self::China,
    ];

    /// A cloud of the host's own. `http` and `https` will do.
    ///
    /// # Errors
    ///
    /// [`CloudError::Root`] for another scheme, user information, a query or a fragment.
    pub fn custom(management_root: Url, login_root: Url) -> Result<Self, CloudError> {
        for (which, root) in [("management", &management_root), ("login", &login_root)] {
            if let Some(problem) = problem_of_root(root) {
                return Err(CloudError::Root { which, problem });
            }
        }
        Ok(Self::Custom {
            management_root,
            login_root,
        })
    }

    /// The root of the Management Activity API: `/api/v1.0/…` follows.
    pub fn management_root(&self) -> Url {
        match self {
            Self::Enterprise => literal("https://manage.office.com"),
            Self::Gcc => literal("https://manage-gcc.office.com"),
            Self::GccHigh => literal("https://manage.office365.us"),
            Self::Dod => literal("https://manage.protection.apps.mil"),
            Self::China => literal("https://manage.office365.cn"),
            Self::Custom {
                management_root, ..
            } => management_root.clone(),
        }
    }

    /// The root of the token endpoint and of the consent page: `/{tenant}/…` follows.
    pub fn login_root(&self) -> Url {
        match self {
            Self::Enterprise | Self::Gcc => literal("https://login.microsoftonline.com"),
            Self::GccHigh | Self::Dod => literal("https://login.microsoftonline.us"),
            Self::China => literal("https://login.partner.microsoftonline.cn"),
            Self::Custom { login_root, .. } => login_root.clone(),
        }
    }

    /// What tokens are asked for: the management root without a slash at its end.
    pub fn resource(&self) -> String {
        self.management_root()
            .as_str()
            .trim_end_matches('/')
            .to_owned()
    }

    /// What tokens are asked for, in order: behind a root of one's own there may be Microsoft's API, which takes tokens
    /// for itself alone.
    pub(crate) fn resources(&self) -> Vec<String> {
        let own = self.resource();
        match self {
            Self::Custom { .. } => vec![own, Self::Enterprise.resource()],
            _ => vec![own],
        }
    }

    /// The name; `custom` for servers of one's own.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Enterprise => "enterprise",
            Self::Gcc => "gcc",
            Self::GccHigh => "gcc_high",
            Self::Dod => "dod",
            Self::China => "china",
            Self::Custom { .. } => "custom",
        }
    }
}

impl fmt::Display for Cloud {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Cloud {
    type Err = CloudError;

    fn from_str(name: &str) -> Result<Self, CloudError> {
        Self::NAMED
            .into_iter()
            .find(|cloud| cloud.name().eq_ignore_ascii_case(name))
            .ok_or_else(|| CloudError::Unknown {
                name: name.to_owned(),
            })
    }
}

#[expect(clippy::expect_used, reason = "the URLs stand in this file")]
fn literal(url: &str) -> Url {
    Url::parse(url).expect("a URL")
}

fn problem_of_root(root: &Url) -> Option<&'static str> {
    if !matches!(root.scheme(), "http" | "https") {
        Some("is neither http nor https")
    } else if root.host().is_none() {
        Some("has no host")
    } else if !root.username().is_empty() || root.password().is_some() {
        Some("holds a user or a password")
    } else if root.query().is_some() || root.fragment().is_some() {
        Some("has a query or a fragment")
    } else {
        None
    }
}

/// `root` with `path` below it, whether or not the root ends in a slash.
pub(crate) fn below(root: &Url, path: &str) -> Url {
    let mut url = root.clone();
    let joined = format!("{}/{path}", root.path().trim_end_matches('/'));
    url.set_path(&joined);
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn addresses_of_the_clouds() {
        for (name, management, login) in [
            (
                "enterprise",
                "https://manage.office.com",
                "https://login.microsoftonline.com/",
            ),
            (
                "gcc",
                "https://manage-gcc.office.com",
                "https://login.microsoftonline.com/",
            ),
            (
                "gcc_high",
                "https://manage.office365.us",
                "https://login.microsoftonline.us/",
            ),
            (
                "dod",
                "https://manage.protection.apps.mil",
                "https://login.microsoftonline.us/",
            ),
            (
                "china",
                "https://manage.office365.cn",
                "https://login.partner.microsoftonline.cn/",
            ),
        ] {
            let cloud: Cloud = name.to_uppercase().parse().unwrap();
            assert_eq!(cloud.to_string(), name);
            assert_eq!(cloud.resource(), management);
            assert_eq!(cloud.management_root(), url(management));
            assert_eq!(cloud.login_root().as_str(), login);
        }
        assert!("commercial".parse::<Cloud>().is_err());
    }

    #[test]
    fn a_cloud_is_kept_as_json_and_comes_back() {
        let custom = Cloud::custom(
            url("http://127.0.0.1:9/management"),
            url("http://127.0.0.1:9/login/"),
        );
        for (cloud, json) in Cloud::NAMED
            .into_iter()
            .map(|cloud| (cloud.clone(), format!("\"{cloud}\"")))
            .chain([(
                custom.unwrap(),
                r#"{"custom":{"management_root":"http://127.0.0.1:9/management","login_root":"http://127.0.0.1:9/login/"}}"#
                    .to_owned(),
            )])
        {
            assert_eq!(serde_json::to_string(&cloud).unwrap(), json);
            assert_eq!(serde_json::from_str::<Cloud>(&json).unwrap(), cloud);
        }
    }

    #[test]
    fn custom_roots_are_plain_urls() {
        for (root, allowed) in [
            ("http://127.0.0.1:9/management", true),
            ("https://proxy.contoso.com", true),
            ("ftp://proxy.contoso.com", false),
            ("https://user:word@proxy.contoso.com", false),
            ("https://proxy.contoso.com/?a=b", false),
            ("https://proxy.contoso.com/#a", false),
        ] {
            let good = url("https://login.contoso.com");
            assert_eq!(
                Cloud::custom(url(root), good.clone()).is_ok(),
                allowed,
                "{root}"
            );
            assert_eq!(Cloud::custom(good, url(root)).is_ok(), allowed, "{root}");
        }
    }

    #[test]
    fn paths_go_below_a_root_with_a_path() {
        for (root, expected) in [
            (
                "https://manage.office.com",
                "https://manage.office.com/api/v1.0/a",
            ),
            (
                "http://127.0.0.1:9/management",
                "http://127.0.0.1:9/management/api/v1.0/a",
            ),
            (
                "http://127.0.0.1:9/management/",
                "http://127.0.0.1:9/management/api/v1.0/a",
            ),
        ] {
            assert_eq!(below(&url(root), "api/v1.0/a").as_str(), expected);
        }
    }
}
