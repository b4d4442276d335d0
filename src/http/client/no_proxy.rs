//! Parsing and matching of `no_proxy` lists.
//!
//! There is no standard for this list. This implementation follows curl (`CURLOPT_NOPROXY`), and also accepts
//! `host:port`, as Python and Go do. Entries that cannot be parsed match nothing, since the list is often written for
//! other programs too.

use std::net::IpAddr;

/// A parsed `no_proxy` list.
#[derive(Clone, Debug, Default)]
pub(super) struct NoProxy(Vec<NoProxyEntry>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct NoProxyEntry {
    hosts: Hosts,
    /// The port that the entry is restricted to, if any.
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Hosts {
    All,
    /// This domain, in lower case, and its subdomains.
    Named(String),
    /// A network in CIDR notation: an address and the length of its prefix in bits.
    Network(IpAddr, u32),
}

impl NoProxy {
    /// Parses a list that is separated by commas or white space.
    pub(super) fn parse(list: &str) -> NoProxy {
        let entries = list.split(|character: char| character == ',' || character.is_whitespace());
        NoProxy(entries.filter_map(NoProxyEntry::parse).collect())
    }

    /// Returns whether a server matches the list. `host` must be in lower case, with brackets if it is an IPv6 address.
    pub(super) fn matches(&self, host: &str, port: u16) -> bool {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let address = bare.parse::<IpAddr>().ok();
        let name = bare.strip_suffix('.').unwrap_or(bare);
        self.0.iter().any(|entry| {
            let is_host = match (&entry.hosts, address) {
                (Hosts::All, _) => true,
                (Hosts::Named(domain), None) => {
                    let subdomain = name.strip_suffix(domain.as_str());
                    subdomain.is_some_and(|subdomain| subdomain.is_empty() || subdomain.ends_with('.'))
                }
                (Hosts::Network(network, bits), Some(address)) => is_within(address, *network, *bits),
                (Hosts::Named(_), Some(_)) | (Hosts::Network(..), None) => false,
            };
            is_host && entry.port.is_none_or(|only| only == port)
        })
    }
}

impl NoProxyEntry {
    fn parse(entry: &str) -> Option<NoProxyEntry> {
        let (host, port) = split_port(entry)?;
        let hosts = match host {
            "*" => Hosts::All,
            _ => match parse_network(host) {
                Some((address, bits)) => Hosts::Network(address, bits),
                None => {
                    let name = host.strip_prefix('.').unwrap_or(host);
                    let name = name.strip_suffix('.').unwrap_or(name);
                    Hosts::Named(Some(name).filter(|name| !name.is_empty())?.to_ascii_lowercase())
                }
            },
        };
        Some(NoProxyEntry { hosts, port })
    }
}

/// Splits an entry into a host and an optional port. More than one colon without brackets indicates an IPv6 address.
fn split_port(entry: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match entry.strip_prefix('[') {
        Some(literal) => {
            let (address, rest) = literal.split_once(']')?;
            (address, rest.strip_prefix(':'))
        }
        None => match entry.split_once(':') {
            Some((host, port)) if !port.contains(':') => (host, Some(port)),
            _ => (entry, None),
        },
    };
    match port {
        Some(digits) => Some((host, Some(digits.parse().ok()?))),
        None => Some((host, None)),
    }
}

/// Parses an address, or a network in CIDR notation (RFC 4632).
fn parse_network(text: &str) -> Option<(IpAddr, u32)> {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits.parse::<u32>().ok()?)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let all = if address.is_ipv4() { 32 } else { 128 };
    Some((address, bits.unwrap_or(all))).filter(|&(_, bits)| bits <= all)
}

fn is_within(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            let differing = address.to_bits() ^ network.to_bits();
            differing.leading_zeros() >= bits
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            let differing = address.to_bits() ^ network.to_bits();
            differing.leading_zeros() >= bits
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_parsed_as_in_curl() {
        for (list, host, port, is_matched) in [
            ("a.test", "a.test", 80, true),
            ("A.Test", "a.test", 80, true),
            ("a.test", "b.a.test", 80, true),
            (".a.test", "b.a.test", 80, true),
            (".a.test", "a.test", 80, true),
            ("a.test.", "a.test", 80, true),
            ("a.test", "a.test.", 80, true),
            ("a.test", "ba.test", 80, false),
            ("b.a.test", "a.test", 80, false),
            ("x, a.test", "a.test", 80, true),
            ("x a.test", "a.test", 80, true),
            ("*", "a.test", 80, true),
            ("x,*", "[::1]", 80, true),
            ("a.test:81", "a.test", 81, true),
            ("a.test:81", "a.test", 80, false),
            ("a.test:x", "a.test", 80, false),
            ("127.0.0.1", "127.0.0.1", 80, true),
            ("127.0.0.1:80", "127.0.0.1", 80, true),
            ("0.0.1", "127.0.0.1", 80, false),
            ("10.0.0.0/8", "10.1.2.3", 80, true),
            ("10.0.0.0/8", "11.1.2.3", 80, false),
            ("192.168.2.0/23", "192.168.3.255", 80, true),
            ("0.0.0.0/0", "11.1.2.3", 80, true),
            ("10.0.0.0/33", "10.0.0.0", 80, false),
            ("0.0.0.0/0", "a.test", 80, false),
            ("::1", "[::1]", 80, true),
            ("[::1]:80", "[::1]", 80, true),
            ("[::1]:80", "[::1]", 81, false),
            ("fe80::/10", "[fe80::7]", 80, true),
            ("fe80::/10", "[::1]", 80, false),
            ("0.0.0.0/0", "[::1]", 80, false),
            ("", "a.test", 80, false),
            (".", "a.test", 80, false),
            (",,", "a.test", 80, false),
        ] {
            assert_eq!(NoProxy::parse(list).matches(host, port), is_matched, "{list:?} and {host}:{port}");
        }
    }
}
