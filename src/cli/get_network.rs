//! The arguments of `glassloop get` that decide how servers are reached: names, addresses and proxies.

use std::net::IpAddr;
use std::str::FromStr;

use clap::Args;

use super::proxies::ProxyArguments;
use crate::http::client::Builder;
use crate::net::{AddressFamily, Resolver};

/// The network options of `glassloop get`.
#[derive(Args, Debug)]
#[command(next_help_heading = "Network")]
pub(super) struct NetworkArguments {
    /// Connect over IPv4 only
    #[arg(short = '4', long, overrides_with = "ipv6", hide_short_help = true)]
    ipv4: bool,
    /// Connect over IPv6 only
    #[arg(short = '6', long, overrides_with = "ipv4", hide_short_help = true)]
    ipv6: bool,
    /// Use ADDR for host H and port P, without DNS
    #[arg(long, value_name = "H:P:ADDR", hide_short_help = true)]
    resolve: Vec<ResolveOverride>,
    #[command(flatten)]
    proxies: ProxyArguments,
}

impl NetworkArguments {
    /// Configures a client.
    ///
    /// # Errors
    /// If the URL in `--proxy` is invalid.
    pub(super) fn apply(&self, client: Builder) -> Result<Builder, String> {
        Ok(client.resolver(self.resolver()).proxies(self.proxies.proxies()?))
    }

    fn resolver(&self) -> Resolver {
        let mut resolver = Resolver::builder();
        // The resolver uses the first override for a host and port, but on the command line the last one takes
        // precedence.
        for entry in self.resolve.iter().rev() {
            resolver = resolver.add_override(&entry.host, entry.port, entry.addresses.clone());
        }
        if self.ipv4 {
            resolver = resolver.address_family(AddressFamily::V4);
        }
        if self.ipv6 {
            resolver = resolver.address_family(AddressFamily::V6);
        }
        resolver.build()
    }
}

/// `HOST:PORT:ADDR`, in curl's syntax: several addresses are separated by commas, and IPv6 addresses may be in
/// brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ResolveOverride {
    host: String,
    port: u16,
    addresses: Vec<IpAddr>,
}

impl FromStr for ResolveOverride {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<ResolveOverride, &'static str> {
        let parts = || {
            let port_begins = match text.strip_prefix('[') {
                Some(literal) => 1 + literal.find("]:")? + 1,
                None => text.find(':')?,
            };
            let (host, rest) = text.split_at(port_begins);
            let (port, addresses) = rest[1..].split_once(':')?;
            Some((host, port, addresses))
        };
        let (host, port, addresses) = parts().ok_or("expected HOST:PORT:ADDR, such as example.org:80:127.0.0.1")?;
        // curl's `*` for every host and `-HOST` to remove an entry are not supported.
        if host.is_empty() || host.starts_with(['-', '+']) || host.contains(['*', '/', '@']) {
            return Err("the host must be a name or an address, without a scheme");
        }
        let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().ok().filter(|_| is_number).ok_or("the port must be a number up to 65535")?;
        let address = |text: &str| {
            let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
            bare.parse::<IpAddr>().map_err(|_| "expected an IP address, such as 127.0.0.1 or [::1]")
        };
        let addresses = addresses.split(',').map(address).collect::<Result<_, _>>()?;
        Ok(ResolveOverride { host: host.to_owned(), port, addresses })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_override_has_a_host_a_port_and_addresses() {
        for (text, host, port, addresses) in [
            ("a.test:80:127.0.0.1", "a.test", 80, &["127.0.0.1"][..]),
            ("a.test:443:[::1]", "a.test", 443, &["::1"]),
            ("a.test:443:fe80::1", "a.test", 443, &["fe80::1"]),
            ("[::1]:80:127.0.0.1,[::2]", "[::1]", 80, &["127.0.0.1", "::2"]),
        ] {
            let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
            assert_eq!(text.parse(), Ok(ResolveOverride { host: host.to_owned(), port, addresses }), "{text}");
        }
    }

    #[test]
    fn the_error_for_an_invalid_override_names_the_invalid_part() {
        for (text, says) in [
            ("", "HOST:PORT:ADDR"),
            ("a.test", "HOST:PORT:ADDR"),
            ("a.test:80", "HOST:PORT:ADDR"),
            ("[::1:80:127.0.0.1", "HOST:PORT:ADDR"),
            ("::1:80:127.0.0.1", "host"),
            ("*:80:127.0.0.1", "host"),
            ("-a.test:80:127.0.0.1", "host"),
            ("http://a.test:80:127.0.0.1", "port"),
            ("a.test:+80:127.0.0.1", "port"),
            ("a.test:99999:127.0.0.1", "port"),
            ("a.test:80:b.test", "IP address"),
            ("a.test:80:", "IP address"),
            ("a.test:80:127.0.0.1,", "IP address"),
        ] {
            let error = text.parse::<ResolveOverride>().expect_err(text);
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
