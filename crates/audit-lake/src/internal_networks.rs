//! What is inside: the customer's own networks and domains.

use std::cmp::Ordering;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The networks and domains that are the customer's own. The private ranges always are.
///
/// As JSON: `{"networks":["203.0.113.0/24"],"domains":["contoso.com"]}`, without the private ranges.
/// As text: networks, addresses and domains, separated by commas or white space, with comments after `#`.
///
/// # Example
///
/// ```
/// use audit_lake::InternalNetworks;
///
/// let inside: InternalNetworks = "203.0.113.0/24, contoso.com # Berlin".parse()?;
/// assert!(inside.has_address("203.0.113.7".parse().unwrap()));
/// assert!(inside.has_address("10.1.2.3".parse().unwrap()));
/// assert!(inside.has_domain("mail.contoso.com"));
/// assert!(!inside.has_domain("evil-contoso.com"));
///
/// let error = "203.0.113.0/33".parse::<InternalNetworks>().unwrap_err();
/// assert_eq!(error.to_string(), "`203.0.113.0/33` is no network such as 192.0.2.0/24 and no domain");
/// # Ok::<(), audit_lake::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Form", into = "Form")]
pub struct InternalNetworks {
    /// Those beside the private ranges, in order, each once, without host bits.
    networks: Vec<IpNet>,
    /// In lower case and ASCII, in order, each once.
    domains: Vec<String>,
    /// First and last address of all networks: disjoint and in order.
    v4: Vec<(Ipv4Addr, Ipv4Addr)>,
    v6: Vec<(Ipv6Addr, Ipv6Addr)>,
}

/// Loopback, link-local and private networks: RFC 1918, 3927, 4193, 4291, 5735.
const PRIVATE_RANGES: [IpNet; 8] = [
    v4([10, 0, 0, 0], 8),
    v4([127, 0, 0, 0], 8),
    v4([169, 254, 0, 0], 16),
    v4([172, 16, 0, 0], 12),
    v4([192, 168, 0, 0], 16),
    v6([0, 0, 0, 0, 0, 0, 0, 1], 128),
    v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7),
    v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10),
];

const fn v4([a, b, c, d]: [u8; 4], prefix: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix))
}

const fn v6([a, b, c, d, e, f, g, h]: [u16; 8], prefix: u8) -> IpNet {
    IpNet::V6(Ipv6Net::new_assert(
        Ipv6Addr::new(a, b, c, d, e, f, g, h),
        prefix,
    ))
}

impl Default for InternalNetworks {
    /// The private ranges alone.
    fn default() -> Self {
        Self::of(Vec::new(), Vec::new())
    }
}

impl InternalNetworks {
    /// Adds a network (`203.0.113.0/24`) or an address.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidInput`] if it is none.
    pub fn with_network(mut self, network: &str) -> Result<Self> {
        let network = parse_network(network).ok_or_else(|| {
            Error::invalid(format!("`{network}` is no network such as 192.0.2.0/24"))
        })?;
        self.networks.push(network);
        Ok(Self::of(self.networks, self.domains))
    }

    /// Adds a domain, and with it all below.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidInput`] if it is none.
    pub fn with_domain(mut self, domain: &str) -> Result<Self> {
        let domain = parse_domain(domain)
            .ok_or_else(|| Error::invalid(format!("`{domain}` is no domain")))?;
        self.domains.push(domain);
        Ok(Self::of(self.networks, self.domains))
    }

    /// Adds what another one has.
    pub fn with_all_of(mut self, other: &Self) -> Self {
        self.networks.extend_from_slice(&other.networks);
        self.domains.extend_from_slice(&other.domains);
        Self::of(self.networks, self.domains)
    }

    /// The networks beside the private ranges, in order.
    pub fn networks(&self) -> impl Iterator<Item = String> {
        self.networks.iter().map(IpNet::to_string)
    }

    /// The private ranges.
    pub fn private_ranges() -> impl Iterator<Item = String> {
        PRIVATE_RANGES.iter().map(IpNet::to_string)
    }

    /// The domains, in order and in lower case, internationalised ones in their ASCII form.
    pub fn domains(&self) -> impl Iterator<Item = &str> {
        self.domains.iter().map(String::as_str)
    }

    /// Whether an address is in one of the networks. An IPv4 address that is written as IPv6 is the IPv4 address.
    pub fn has_address(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(address) => is_in(&self.v4, address),
            IpAddr::V6(address) => is_in(&self.v6, address),
        }
    }

    /// Whether a domain is one of ours or below one, whatever its case.
    pub fn has_domain(&self, domain: &str) -> bool {
        if !domain.is_ascii() {
            return parse_domain(domain).is_some_and(|domain| self.has_domain(&domain));
        }
        let mut rest = Some(domain.strip_suffix('.').unwrap_or(domain));
        while let Some(domain) = rest {
            let found = (self.domains).binary_search_by(|own| ignoring_case(own, domain));
            if found.is_ok() {
                return true;
            }
            rest = domain.split_once('.').map(|(_, parent)| parent);
        }
        false
    }

    fn of(mut networks: Vec<IpNet>, mut domains: Vec<String>) -> Self {
        networks.sort_unstable();
        networks.dedup();
        domains.sort_unstable();
        domains.dedup();
        let mut inside = Self {
            v4: Vec::new(),
            v6: Vec::new(),
            networks,
            domains,
        };
        let all = inside.networks.iter().chain(&PRIVATE_RANGES).copied();
        for network in IpNet::aggregate(&all.collect()) {
            match network {
                IpNet::V4(network) => inside.v4.push((network.network(), network.broadcast())),
                IpNet::V6(network) => inside.v6.push((network.network(), network.broadcast())),
            }
        }
        inside.v4.sort_unstable();
        inside.v6.sort_unstable();
        inside
    }
}

impl FromStr for InternalNetworks {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut networks = Vec::new();
        let mut domains = Vec::new();
        for line in text.lines() {
            let line = line.split_once('#').map_or(line, |(line, _comment)| line);
            let words = line.split(|c: char| c.is_whitespace() || c == ',');
            for word in words.filter(|word| !word.is_empty()) {
                if let Some(network) = parse_network(word) {
                    networks.push(network);
                } else if let Some(domain) = parse_domain(word) {
                    domains.push(domain);
                } else {
                    return Err(Error::invalid(format!(
                        "`{word}` is no network such as 192.0.2.0/24 and no domain"
                    )));
                }
            }
        }
        Ok(Self::of(networks, domains))
    }
}

/// As it is written down.
#[derive(Serialize, Deserialize)]
struct Form {
    #[serde(default)]
    networks: Vec<String>,
    #[serde(default)]
    domains: Vec<String>,
}

impl From<InternalNetworks> for Form {
    fn from(inside: InternalNetworks) -> Self {
        Self {
            networks: inside.networks().collect(),
            domains: inside.domains,
        }
    }
}

impl TryFrom<Form> for InternalNetworks {
    type Error = Error;

    fn try_from(form: Form) -> Result<Self> {
        let mut inside = Self::default();
        for network in &form.networks {
            inside.networks.push(parse_network(network).ok_or_else(|| {
                Error::invalid(format!("`{network}` is no network such as 192.0.2.0/24"))
            })?);
        }
        for domain in &form.domains {
            inside.domains.push(
                parse_domain(domain)
                    .ok_or_else(|| Error::invalid(format!("`{domain}` is no domain")))?,
            );
        }
        Ok(Self::of(inside.networks, inside.domains))
    }
}

/// A network (`203.0.113.0/24`) or an address as one, without host bits; IPv4 if it is IPv4 that is written as IPv6.
pub fn parse_network(text: &str) -> Option<IpNet> {
    /// Of `::ffff:0:0/96`, in which IPv4 addresses are written.
    const MAPPED_PREFIX: u8 = 96;
    let network = match text.parse() {
        Ok(network) => network,
        Err(_) => IpNet::from(text.parse::<IpAddr>().ok()?),
    };
    let mapped = match network {
        IpNet::V6(network) => network
            .addr()
            .to_ipv4_mapped()
            .zip(network.prefix_len().checked_sub(MAPPED_PREFIX)),
        IpNet::V4(_) => None,
    };
    match mapped {
        Some((address, prefix)) => Some(IpNet::V4(Ipv4Net::new(address, prefix).ok()?.trunc())),
        None => Some(network.trunc()),
    }
}

/// A domain in lower case and ASCII.
fn parse_domain(text: &str) -> Option<String> {
    let text = text.trim().trim_end_matches('.');
    let url::Host::Domain(domain) = url::Host::parse(text).ok()? else {
        return None;
    };
    let is_label = |label: &str| !label.is_empty() && label.len() <= 63;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let is_domain =
        domain.bytes().all(is_plain) && domain.len() <= 253 && domain.split('.').all(is_label);
    is_domain.then_some(domain)
}

/// Compares a text in lower case with another one.
fn ignoring_case(lower: &str, other: &str) -> Ordering {
    lower
        .bytes()
        .cmp(other.bytes().map(|byte| byte.to_ascii_lowercase()))
}

fn is_in<T: Ord>(ranges: &[(T, T)], address: T) -> bool {
    let before = ranges.partition_point(|(first, _)| *first <= address);
    before
        .checked_sub(1)
        .and_then(|index| ranges.get(index))
        .is_some_and(|(_, last)| address <= *last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_inside_or_not() {
        let inside: InternalNetworks = "203.0.113.128/25 198.51.100.9 2001:db8::/32 10.5.0.0/16 \
             ::ffff:192.0.2.0/120"
            .parse()
            .unwrap();
        for (address, expected) in [
            ("203.0.113.128", true),
            ("203.0.113.255", true),
            ("203.0.113.127", false),
            ("203.0.114.0", false),
            ("198.51.100.9", true),
            ("198.51.100.8", false),
            ("198.51.100.10", false),
            ("192.0.2.77", true),
            ("192.0.3.0", false),
            ("2001:db8:ffff::1", true),
            ("2001:db9::1", false),
            ("::ffff:203.0.113.200", true),
            ("::ffff:8.8.8.8", false),
            ("10.0.0.0", true),
            ("10.255.255.255", true),
            ("11.0.0.0", false),
            ("9.255.255.255", false),
            ("172.16.0.1", true),
            ("172.31.255.255", true),
            ("172.32.0.0", false),
            ("192.168.1.1", true),
            ("127.0.0.1", true),
            ("169.254.169.254", true),
            ("0.0.0.0", false),
            ("255.255.255.255", false),
            ("::1", true),
            ("::", false),
            ("fd00::1", true),
            ("fe80::1", true),
            ("fec0::1", false),
        ] {
            assert_eq!(
                inside.has_address(address.parse().unwrap()),
                expected,
                "{address}"
            );
        }
    }

    #[test]
    fn domains_are_inside_or_not() {
        let inside: InternalNetworks = "Contoso.com, fabrikam.co.uk. müller.example"
            .parse()
            .unwrap();
        for (domain, expected) in [
            ("contoso.com", true),
            ("CONTOSO.COM", true),
            ("contoso.com.", true),
            ("a.b.contoso.com", true),
            ("evilcontoso.com", false),
            ("contoso.com.evil.example", false),
            ("com", false),
            ("co.uk", false),
            ("fabrikam.co.uk", true),
            ("xn--mller-kva.example", true),
            ("MÜLLER.example", true),
            ("www.müller.example", true),
            ("muller.example", false),
            ("", false),
            (".", false),
        ] {
            assert_eq!(inside.has_domain(domain), expected, "{domain}");
        }
    }

    #[test]
    fn texts_and_json_are_read_as_they_are_written() {
        for (text, networks, domains) in [
            ("", vec![], vec![]),
            ("# nothing\n\n", vec![], vec![]),
            (
                "10.1.2.3/8,203.0.113.7\n contoso.com # us\nCONTOSO.com",
                vec!["10.0.0.0/8", "203.0.113.7/32"],
                vec!["contoso.com"],
            ),
            ("2001:DB8::1/32", vec!["2001:db8::/32"], vec![]),
            ("::ffff:10.1.0.0/112", vec!["10.1.0.0/16"], vec![]),
        ] {
            let inside: InternalNetworks = text.parse().unwrap();
            assert_eq!(inside.networks().collect::<Vec<_>>(), networks, "{text}");
            assert_eq!(inside.domains().collect::<Vec<_>>(), domains, "{text}");
            let json = serde_json::to_string(&inside).unwrap();
            assert_eq!(
                serde_json::from_str::<InternalNetworks>(&json).unwrap(),
                inside
            );
        }
        let given = InternalNetworks::default()
            .with_network("203.0.113.0/24")
            .and_then(|inside| inside.with_domain("contoso.com"))
            .unwrap();
        let read: InternalNetworks = "contoso.com 203.0.113.0/24".parse().unwrap();
        assert_eq!(read, given);
        assert_eq!(
            serde_json::to_string(&given).unwrap(),
            r#"{"networks":["203.0.113.0/24"],"domains":["contoso.com"]}"#
        );
    }

    #[test]
    fn what_is_neither_is_told() {
        for text in [
            "10.0.0.0/33",
            "a b@c",
            "https://contoso.com",
            "-/-",
            "contoso..com",
            "*.contoso.com",
            "256.1.1.1",
        ] {
            assert!(text.parse::<InternalNetworks>().is_err(), "{text}");
        }
        let error = serde_json::from_str::<InternalNetworks>(r#"{"networks":["x"]}"#);
        assert_eq!(
            error.unwrap_err().to_string(),
            "`x` is no network such as 192.0.2.0/24"
        );
    }
}
