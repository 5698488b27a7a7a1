//! `domain_of`: the domain of an e-mail address or URL.

use std::net::Ipv4Addr;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, StringViewArray, StringViewBuilder};
use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::ScalarUDF;

use super::of_text::OfText;
use super::{Function, Make};

pub(super) const FUNCTION: Function = Function {
    name: "domain_of",
    arguments: "e-mail address or URL",
    result: "varchar",
    meaning: "The domain of an e-mail address, user name, URL or domain, in lower case; an internationalised one in \
        its ASCII form (`xn--…`). Of a guest (`mallory_evil.example#EXT#@contoso.onmicrosoft.com`) it is the domain \
        of their home, `evil.example`. NULL where there is none, as in an address of numbers.",
    examples: &[
        ("domain_of('Ada@Contoso.com')", "contoso.com"),
        (
            "domain_of('https://files.example:8443/a?b')",
            "files.example",
        ),
        (
            "domain_of('mallory_evil.example#EXT#@contoso.onmicrosoft.com')",
            "evil.example",
        ),
        ("domain_of('http://203.0.113.7/')", "NULL"),
    ],
    make: Make::Fixed(make),
};

fn make() -> ScalarUDF {
    OfText::udf(FUNCTION.name, DataType::Utf8View, (), domains)
}

fn domains(_: &(), texts: &StringViewArray) -> ArrayRef {
    let mut domains = StringViewBuilder::with_capacity(texts.len());
    let mut lower = String::new();
    for text in texts {
        match text.and_then(domain_in) {
            None => domains.append_null(),
            Some(domain) if !domain.is_ascii() => {
                let host = url::Host::parse(domain).ok();
                domains.append_option(host.map(|host| host.to_string()));
            }
            Some(domain) => {
                lower.clear();
                lower.push_str(domain);
                lower.make_ascii_lowercase();
                domains.append_value(&lower);
            }
        }
    }
    Arc::new(domains.finish())
}

/// The domain in a text, as it stands there.
pub(super) fn domain_in(text: &str) -> Option<&str> {
    let text = text.trim();
    if let Some((_scheme, rest)) = text.split_once("://") {
        let authority = rest.split(['/', '?', '#', '\\']).next()?;
        let host = authority.rsplit('@').next()?;
        return domain(host.split(':').next()?);
    }
    let Some((user, rest)) = text.rsplit_once('@') else {
        // A domain alone has a dot; a word is none.
        let host = text.split(['/', '?', '#', ':']).next()?;
        return domain(host).filter(|domain| domain.contains('.'));
    };
    if let Some(home) = home_of_guest(user) {
        return Some(home);
    }
    // What stands behind it belongs to a header, such as `Ada <ada@contoso.com>`.
    let is_behind = |character: char| !(character == '.' || is_of_label(character));
    domain(rest.split(is_behind).next()?)
}

/// `name_home.example#EXT#`: a domain has no `_`, so the last one stands for the `@`.
///
/// <https://learn.microsoft.com/en-us/entra/external-id/user-properties>
fn home_of_guest(user: &str) -> Option<&str> {
    const MARK: &str = "#EXT#";
    let (name, mark) = user.split_at_checked(user.len().checked_sub(MARK.len())?)?;
    if !mark.eq_ignore_ascii_case(MARK) {
        return None;
    }
    let (_, home) = name.rsplit_once('_')?;
    domain(home)
}

/// The text, without a final full stop, if it is a domain by its letters.
fn domain(text: &str) -> Option<&str> {
    let text = text.strip_suffix('.').unwrap_or(text);
    let is_label =
        |label: &str| !label.is_empty() && label.len() <= 63 && label.chars().all(is_of_label);
    let is_domain =
        text.len() <= 253 && text.split('.').all(is_label) && text.parse::<Ipv4Addr>().is_err();
    is_domain.then_some(text)
}

fn is_of_label(character: char) -> bool {
    character.is_alphanumeric() || character == '-' || character == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_are_found() {
        for (text, expected) in [
            ("ada@contoso.com", Some("contoso.com")),
            (" Ada@Contoso.COM ", Some("Contoso.COM")),
            ("smtp:ada@contoso.com", Some("contoso.com")),
            ("mailto:ada@contoso.com?subject=x", Some("contoso.com")),
            ("Ada <ada@contoso.com>", Some("contoso.com")),
            ("\"Ada\" [SMTP:ada@contoso.com]", Some("contoso.com")),
            ("i:0#.f|membership|ada@contoso.com", Some("contoso.com")),
            ("urn:spo:guest#mallory@evil.example", Some("evil.example")),
            ("app@sharepoint", Some("sharepoint")),
            (
                "mallory_a_evil.example#ext#@contoso.onmicrosoft.com",
                Some("evil.example"),
            ),
            ("#EXT#@contoso.com", Some("contoso.com")),
            ("contoso.com", Some("contoso.com")),
            ("contoso.com.", Some("contoso.com")),
            ("contoso.com/a/b", Some("contoso.com")),
            ("contoso.com:8443", Some("contoso.com")),
            (
                "https://contoso.sharepoint.com/x",
                Some("contoso.sharepoint.com"),
            ),
            ("HTTPS://Contoso.com", Some("Contoso.com")),
            ("https://user:p@ss@evil.example:1/", Some("evil.example")),
            ("https://contoso.com@evil.example/", Some("evil.example")),
            ("https://contoso.com\\@evil.example/", Some("contoso.com")),
            (
                "https://evil.example/?a=ada@contoso.com",
                Some("evil.example"),
            ),
            ("https://evil.example#ada@contoso.com", Some("evil.example")),
            ("https://localhost/", Some("localhost")),
            ("müller.example", Some("müller.example")),
            ("https://203.0.113.7/", None),
            ("https://[2001:db8::1]/", None),
            ("203.0.113.7", None),
            ("203.0.113.7:25", None),
            ("2001:db8::1", None),
            ("Administrator", None),
            ("NT AUTHORITY\\SYSTEM", None),
            ("a b.example", None),
            ("a..example", None),
            ("", None),
            ("@", None),
            ("://", None),
        ] {
            assert_eq!(domain_in(text), expected, "{text}");
        }
    }
}
