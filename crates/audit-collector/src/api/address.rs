//! URLs of the API: which are built, which are followed, and which get the token.

use audit_lake::TenantId;
use audit_schema::ContentType;
use chrono::DateTime;
use url::Url;
use uuid::Uuid;

use crate::cloud::below;

const PUBLISHER: &str = "PublisherIdentifier";

/// The addresses of one tenant's feed.
#[derive(Debug)]
pub(crate) struct Addresses {
    root: Url,
    tenant: TenantId,
    publisher_id: Uuid,
}

impl Addresses {
    pub(crate) fn new(root: Url, tenant: TenantId, publisher_id: Uuid) -> Self {
        Self {
            root,
            tenant,
            publisher_id,
        }
    }

    pub(crate) fn subscriptions(&self) -> Url {
        self.feed("subscriptions/list")
    }

    pub(crate) fn start(&self, content_type: ContentType) -> Url {
        let mut url = self.feed("subscriptions/start");
        url.query_pairs_mut()
            .append_pair("contentType", content_type.as_str());
        url
    }

    /// The window, in whole seconds that hold all of it.
    pub(crate) fn listing(
        &self,
        content_type: ContentType,
        from_micros: i64,
        to_micros: i64,
    ) -> Url {
        let mut url = self.feed("subscriptions/content");
        let to_seconds = to_micros.div_euclid(1_000_000) + i64::from(to_micros % 1_000_000 != 0);
        url.set_query(Some(&format!(
            "contentType={content_type}&startTime={}&endTime={}",
            time(from_micros.div_euclid(1_000_000)),
            time(to_seconds),
        )));
        url
    }

    /// Where a blob is whose listing does not say it.
    pub(crate) fn blob(&self, content_id: &str) -> Url {
        self.feed(&format!("audit/{content_id}"))
    }

    /// The URL as it is sent: as it was given (T16, T17), and with the publisher, which links leave out (T9).
    pub(crate) fn with_publisher(&self, url: &Url) -> Url {
        let mut url = url.clone();
        let is_there = url
            .query_pairs()
            .any(|(name, _)| name.eq_ignore_ascii_case(PUBLISHER));
        if !is_there {
            url.query_pairs_mut()
                .append_pair(PUBLISHER, &self.publisher_id.to_string());
        }
        url
    }

    /// Whether the URL is of the configured server, so that it may have the token (T19).
    pub(crate) fn is_own(&self, url: &Url) -> bool {
        let same_server = url.scheme() == self.root.scheme()
            && url.host() == self.root.host()
            && url.port_or_known_default() == self.root.port_or_known_default();
        let below_root = url
            .path()
            .strip_prefix(self.root.path().trim_end_matches('/'))
            .is_some_and(|rest| rest.starts_with('/'));
        same_server && below_root && url.username().is_empty() && url.password().is_none()
    }

    fn feed(&self, path: &str) -> Url {
        below(
            &self.root,
            &format!("api/v1.0/{}/activity/feed/{path}", self.tenant),
        )
    }
}

/// The content id at the end of a blob's URL.
pub(crate) fn content_id(url: &Url) -> Option<String> {
    let last = url.path_segments()?.next_back()?;
    (!last.is_empty()).then(|| last.to_owned())
}

/// The content type that a content id names among its parts, for messages.
pub(crate) fn content_type_of(content_id: &str) -> Option<ContentType> {
    content_id
        .split('$')
        .find_map(|part| ContentType::parse(&part.replacen('_', ".", 1)))
}

/// The one form that is documented for seconds.
fn time(seconds: i64) -> String {
    DateTime::from_timestamp(seconds, 0)
        .unwrap_or_default()
        .format("%Y-%m-%dT%H:%M:%S")
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FEED: &str =
        "https://manage.office.com/api/v1.0/0fad12b5-8d6a-4c43-a01f-e6d0a0d0e1c7/activity/feed";

    fn addresses(root: &str) -> Addresses {
        let tenant = "0fad12b5-8d6a-4c43-a01f-e6d0a0d0e1c7".parse().unwrap();
        Addresses::new(Url::parse(root).unwrap(), tenant, Uuid::from_u128(7))
    }

    #[test]
    fn addresses_of_the_operations() {
        let own = addresses("https://manage.office.com");
        let from = 1_445_000_000_000_000;
        for (url, expected) in [
            (own.subscriptions(), "/subscriptions/list"),
            (
                own.start(ContentType::DlpAll),
                "/subscriptions/start?contentType=DLP.All",
            ),
            (
                own.listing(ContentType::Exchange, from, from + 3_600_000_000),
                "/subscriptions/content?contentType=Audit.Exchange&startTime=2015-10-16T12:53:20&endTime=2015-10-16T13:53:20",
            ),
            (
                own.listing(ContentType::Exchange, from + 999_999, from + 1_000_001),
                "/subscriptions/content?contentType=Audit.Exchange&startTime=2015-10-16T12:53:20&endTime=2015-10-16T12:53:22",
            ),
            (
                own.blob("2017$2017$audit_sharepoint"),
                "/audit/2017$2017$audit_sharepoint",
            ),
        ] {
            assert_eq!(url.as_str(), format!("{FEED}{expected}"));
        }
    }

    #[test]
    fn t9_the_publisher_goes_with_every_url() {
        let own = addresses("https://manage.office.com");
        let publisher = "PublisherIdentifier=00000000-0000-0000-0000-000000000007";
        for (given, sent) in [
            ("https://h/a", format!("https://h/a?{publisher}")),
            (
                "https://h/a?b=c%20d&e",
                format!("https://h/a?b=c%20d&e&{publisher}"),
            ),
            (
                "https://h/a?publisheridentifier=x",
                "https://h/a?publisheridentifier=x".to_owned(),
            ),
        ] {
            assert_eq!(
                own.with_publisher(&Url::parse(given).unwrap()).as_str(),
                sent
            );
        }
    }

    #[test]
    fn t16_t17_links_are_followed_verbatim() {
        let own = addresses("https://manage.office.com");
        let link = "https://manage.office.com/api/v1/t/activity/feed/audit/1$2$audit_x$Audit_X$na0030?nextPage=2015R%2B1";
        let sent = own.with_publisher(&Url::parse(link).unwrap());
        assert!(sent.as_str().starts_with(link), "{sent}");
    }

    #[test]
    fn t19_only_the_configured_server_gets_the_token() {
        for (root, url, own) in [
            (
                "https://manage.office.com",
                "https://manage.office.com/api/v1/x",
                true,
            ),
            (
                "https://manage.office.com",
                "https://MANAGE.office.com:443/api/v1/x",
                true,
            ),
            (
                "https://manage.office.com",
                "http://manage.office.com/api/v1/x",
                false,
            ),
            (
                "https://manage.office.com",
                "https://manage.office.com:444/api/v1/x",
                false,
            ),
            (
                "https://manage.office.com",
                "https://manage.office.com.evil.example/api",
                false,
            ),
            (
                "https://manage.office.com",
                "https://manage.office.com@evil.example/api",
                false,
            ),
            (
                "https://manage.office.com",
                "https://user@manage.office.com/api",
                false,
            ),
            (
                "http://127.0.0.1:9/m",
                "http://127.0.0.1:9/m/api/v1.0/x",
                true,
            ),
            (
                "http://127.0.0.1:9/m/",
                "http://127.0.0.1:9/m/api/v1.0/x",
                true,
            ),
            ("http://127.0.0.1:9/m", "http://127.0.0.1:9/mm/api", false),
            (
                "http://127.0.0.1:9/m",
                "http://127.0.0.1:9/m/../other",
                false,
            ),
            (
                "http://127.0.0.1:9/m",
                "http://127.0.0.1:9/m/%2e%2e/other",
                false,
            ),
        ] {
            assert_eq!(
                addresses(root).is_own(&Url::parse(url).unwrap()),
                own,
                "{root} {url}"
            );
        }
    }

    #[test]
    fn a_content_id_names_its_type() {
        for (id, content_type) in [
            (
                "2017$2017$audit_sharepoint$Audit_SharePoint",
                Some(ContentType::SharePoint),
            ),
            (
                "2017$2017$dlp_all$DLP_All$na0030$na0030",
                Some(ContentType::DlpAll),
            ),
            ("492638008028$492638008028$f28spo2015043022$04", None),
        ] {
            assert_eq!(content_type_of(id), content_type, "{id}");
        }
    }
}
