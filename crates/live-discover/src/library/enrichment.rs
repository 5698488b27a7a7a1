//! Enrichments: where more is to be had about a value, outside of this system.

use audit_schema::ValueType;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use crate::error::{Error, Result};

/// What a value may hold as it is (RFC 3986, unreserved); all else is encoded.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
const MARK: &str = "$$";

/// A service that is asked about a value by a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrichment {
    name: String,
    value_type: ValueType,
    before: String,
    after: String,
}

/// A link about a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The enrichment's name.
    pub name: String,
    /// Where it leads.
    pub url: String,
}

impl Enrichment {
    /// A name for people, the type of the values, and a URL with the value's place in `$$…$$`:
    /// `https://example.com/ip/$$ip$$`.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidQuery`] if it is no http(s) URL, has no place or several, or has it in front of the path: a
    /// value must not choose whose server is asked.
    pub fn new(name: impl Into<String>, value_type: ValueType, template: &str) -> Result<Self> {
        let wrong =
            |what: &str| Error::invalid(format!("the URL `{template}` of the enrichment {what}"));
        let place = "has to hold the value's place once, as in https://example.com/ip/$$ip$$";
        let (before, rest) = template.split_once(MARK).ok_or_else(|| wrong(place))?;
        let (_, after) = rest.split_once(MARK).ok_or_else(|| wrong(place))?;
        if after.contains(MARK) {
            return Err(wrong(place));
        }
        let url = Url::parse(before).map_err(|_| wrong("is no URL"))?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(wrong("is neither http nor https"));
        }
        // Behind `https://host/`, whatever is there is a path, a query or a fragment.
        let host = before.split_once("//").map_or("", |(_, host)| host);
        if !host.contains('/') {
            return Err(wrong("has the value's place in front of the path"));
        }
        Ok(Self {
            name: name.into(),
            value_type,
            before: before.to_owned(),
            after: after.to_owned(),
        })
    }

    /// Its name for people.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The type of the values that it knows about.
    pub fn value_type(&self) -> ValueType {
        self.value_type
    }

    pub(super) fn link(&self, value: &str) -> Link {
        let value = utf8_percent_encode(value, ENCODED);
        Link {
            name: self.name.clone(),
            url: format!("{}{value}{}", self.before, self.after),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_hold_the_value_encoded() {
        for (template, value, expected) in [
            (
                "https://example.com/ip/$$ip$$",
                "203.0.113.1",
                "https://example.com/ip/203.0.113.1",
            ),
            (
                "https://example.com/?q=$$ip$$&x=1#top",
                "a b&c=d/../é$$",
                "https://example.com/?q=a%20b%26c%3Dd%2F..%2F%C3%A9%24%24&x=1#top",
            ),
        ] {
            let enrichment = Enrichment::new("example", ValueType::Ip, template).unwrap();
            assert_eq!(enrichment.link(value).url, expected);
        }
    }

    #[test]
    fn a_value_never_chooses_the_server() {
        for template in [
            "https://example.com/",
            "https://$$ip$$/",
            "https://$$ip$$.example.com/",
            "https://example.com$$ip$$",
            "https://example.com/$$a$$/$$b$$",
            "javascript:alert($$ip$$)",
            "ftp://example.com/$$ip$$",
            "/ip/$$ip$$",
            "https://example.com/$$ip",
        ] {
            assert!(
                Enrichment::new("x", ValueType::Ip, template).is_err(),
                "{template}"
            );
        }
    }
}
