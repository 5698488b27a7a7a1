//! URLs: <https://trino.io/docs/current/functions/url.html>.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array};
use datafusion::common::Result;
use url::form_urlencoded;

use super::Function;
use super::scalar::{Call, Scalar, Takes, at, gives_integer, gives_text};

const PAGE: &str = "url";

pub(super) fn functions() -> Vec<Function> {
    use Takes::Text;
    let scalar =
        |syntax, meaning, scalar: Scalar| Function::scalar(PAGE, syntax, meaning, scalar.build());
    let part = |name, syntax, meaning, run| {
        scalar(syntax, meaning, Scalar::new(name, &[Text], gives_text, run))
    };
    vec![
        part(
            "url_extract_protocol",
            "url_extract_protocol(url)",
            "`https`",
            |call| parts(call, |url| url.scheme),
        ),
        part(
            "url_extract_host",
            "url_extract_host(url)",
            "The name or address of the host.",
            |call| parts(call, |url| url.host),
        ),
        part(
            "url_extract_path",
            "url_extract_path(url)",
            "`/a/b`",
            |call| parts(call, |url| Some(url.path)),
        ),
        part(
            "url_extract_query",
            "url_extract_query(url)",
            "What follows `?`.",
            |call| parts(call, |url| Some(url.query.unwrap_or_default())),
        ),
        part(
            "url_extract_fragment",
            "url_extract_fragment(url)",
            "What follows `#`.",
            |call| parts(call, |url| Some(url.fragment.unwrap_or_default())),
        ),
        scalar(
            "url_extract_port(url)",
            "The port, if there is one.",
            Scalar::new("url_extract_port", &[Text], gives_integer, url_extract_port),
        ),
        scalar(
            "url_extract_parameter(url, name)",
            "The first value of a parameter of the query; NULL if it is not there.",
            Scalar::new(
                "url_extract_parameter",
                &[Text, Text],
                gives_text,
                url_extract_parameter,
            ),
        ),
        part(
            "url_encode",
            "url_encode(text)",
            "As the value of a parameter.",
            |call| {
                let text = call.text(0)?;
                call.text_rows(|row| {
                    let encoded = |text: &str| {
                        form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>()
                    };
                    Ok(at(text, row).map(encoded))
                })
            },
        ),
        part(
            "url_decode",
            "url_decode(text)",
            "The value of a parameter as text.",
            |call| {
                let text = call.text(0)?;
                call.text_rows(|row| Ok(at(text, row).map(decoded)))
            },
        ),
    ]
}

/// The parts as RFC 3986, appendix B, tells them apart.
struct Url<'a> {
    scheme: Option<&'a str>,
    host: Option<&'a str>,
    port: Option<i64>,
    path: &'a str,
    query: Option<&'a str>,
    fragment: Option<&'a str>,
}

fn url(text: &str) -> Url<'_> {
    let split = |text, at| match str::split_once(text, at) {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    };
    let (rest, fragment) = split(text.trim(), '#');
    let (rest, query) = split(rest, '?');
    let (scheme, rest) = match rest.split_once(':') {
        Some((scheme, rest)) if !scheme.is_empty() && !scheme.contains('/') => (Some(scheme), rest),
        _ => (None, rest),
    };
    let (authority, path) = match rest.strip_prefix("//") {
        Some(rest) => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            (Some(authority), path)
        }
        None => (None, rest),
    };
    let place = authority.map(|authority| {
        authority
            .rsplit_once('@')
            .map_or(authority, |(_, place)| place)
    });
    let (host, port) = match place {
        None => (None, None),
        // An address of IPv6 stands in brackets and has colons of its own.
        Some(place) => match place.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (Some(host), port.parse().ok()),
            _ => (Some(place), None),
        },
    };
    Url {
        scheme,
        host: host.filter(|host| !host.is_empty()),
        port,
        path,
        query,
        fragment,
    }
}

fn parts(call: &Call, part: impl Fn(Url<'_>) -> Option<&str>) -> Result<ArrayRef> {
    let text = call.text(0)?;
    call.text_rows(|row| Ok(at(text, row).and_then(|text| part(url(text)))))
}

fn url_extract_port(call: &Call) -> Result<ArrayRef> {
    let text = call.text(0)?;
    let array: Int64Array = call.rows(|row| Ok(at(text, row).and_then(|text| url(text).port)))?;
    Ok(Arc::new(array))
}

fn url_extract_parameter(call: &Call) -> Result<ArrayRef> {
    let (text, name) = (call.text(0)?, call.text(1)?);
    call.text_rows(|row| {
        let (Some(text), Some(name)) = (at(text, row), at(name, row)) else {
            return Ok(None);
        };
        let mut pairs = form_urlencoded::parse(url(text).query.unwrap_or_default().as_bytes());
        Ok(pairs
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.into_owned()))
    })
}

fn decoded(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_encoding::percent_decode_str(&spaced)
        .decode_utf8_lossy()
        .into_owned()
}
