//! Client addresses, whatever the field and spelling.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The address and, if given, the port of a `ClientIP`-like text; `None` when it is no address.
///
/// Seen on the wire: `v4`, `v4:port`, `[v4]:port`, `v6`, `[v6]`, `[v6]:port`, `::ffff:v4`,
/// `[::ffff:v4]:port`, `ffff:v4`, blanks around, a zone (`fe80::1%5`), and host names, which are
/// none.
pub fn parse_address(text: &str) -> Option<(IpAddr, Option<u16>)> {
    let text = text.trim();
    let (ip, port) = if let Ok(v4) = text.parse::<Ipv4Addr>() {
        (IpAddr::V4(v4), None)
    } else if let Ok(socket) = text.parse::<SocketAddr>() {
        (socket.ip(), Some(socket.port()))
    } else if let Some(inner) = text.strip_prefix('[') {
        let (inner, tail) = inner.split_once(']')?;
        let port = match tail.strip_prefix(':') {
            Some(port) => Some(port.parse().ok()?),
            None if tail.is_empty() => None,
            None => return None,
        };
        (bare(inner)?, port)
    } else {
        (bare(text)?, None)
    };
    Some((plain(ip), port))
}

fn bare(text: &str) -> Option<IpAddr> {
    let text = text
        .split_once('%')
        .map_or(text, |(address, _zone)| address);
    text.parse().ok().or_else(|| {
        text.strip_prefix("ffff:")
            .and_then(|v4| v4.parse::<Ipv4Addr>().ok())
            .map(IpAddr::V4)
    })
}

/// An IPv4 address that is written as IPv6 is the IPv4 address.
fn plain(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => IpAddr::V4(v4),
            None => IpAddr::V6(Ipv6Addr::from(v6.octets())),
        },
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings() {
        for (text, want) in [
            ("52.159.112.221", Some(("52.159.112.221", None))),
            (" 52.159.112.221", Some(("52.159.112.221", None))),
            (
                "52.159.112.221:49817",
                Some(("52.159.112.221", Some(49817))),
            ),
            (
                "[52.159.112.221]:49817",
                Some(("52.159.112.221", Some(49817))),
            ),
            ("[52.159.112.221]", Some(("52.159.112.221", None))),
            ("2603:10A6:20b::1", Some(("2603:10a6:20b::1", None))),
            ("[2603:10a6:20b::1]", Some(("2603:10a6:20b::1", None))),
            (
                "[2603:10a6:20b::1]:443",
                Some(("2603:10a6:20b::1", Some(443))),
            ),
            ("::ffff:10.11.0.229", Some(("10.11.0.229", None))),
            ("[::ffff:10.11.0.229]:25", Some(("10.11.0.229", Some(25)))),
            ("ffff:10.11.0.229", Some(("10.11.0.229", None))),
            ("fe80::1%5", Some(("fe80::1", None))),
            ("[fe80::1%5]:80", Some(("fe80::1", Some(80)))),
            ("::1", Some(("::1", None))),
            ("", None),
            ("localhost", None),
            ("mail.example.com:25", None),
            ("AZ3PR09OB7969 (10.20.1909.012)\n", None),
            ("15.20.1909.012", None),
            ("256.1.1.1", None),
            ("[10.0.0.1", None),
            ("[10.0.0.1]:99999", None),
            ("10.0.0.1:", None),
        ] {
            let want = want.map(|(ip, port)| (ip.to_owned(), port));
            assert_eq!(
                parse_address(text).map(|(ip, port)| (ip.to_string(), port)),
                want,
                "{text}"
            );
        }
    }
}
