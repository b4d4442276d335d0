//! The arguments of `glassloop get` about the way to the servers.

use std::net::IpAddr;
use std::str::FromStr;

use clap::Args;

use super::proxies::ProxyArguments;
use crate::http::client::Builder;
use crate::net::{AddressFamily, Resolver};

/// The way to the servers, as it is typed.
#[derive(Args, Debug)]
pub(super) struct NetworkArguments {
    /// Connect to IPv4 addresses only
    #[arg(short = '4', long, overrides_with = "ipv6")]
    ipv4: bool,
    /// Connect to IPv6 addresses only
    #[arg(short = '6', long, overrides_with = "ipv4")]
    ipv6: bool,
    /// Where a host is, for connections to one port; may be given many times
    #[arg(long, value_name = "HOST:PORT:ADDR")]
    resolve: Vec<Answer>,
    #[command(flatten)]
    proxies: ProxyArguments,
}

impl NetworkArguments {
    /// What it means for a client, or what is wrong with it.
    pub(super) fn apply(&self, client: Builder) -> Result<Builder, String> {
        Ok(client.resolver(self.resolver()).proxies(self.proxies.proxies()?))
    }

    fn resolver(&self) -> Resolver {
        let mut resolver = Resolver::builder();
        // The last one counts, as for other arguments.
        for answer in self.resolve.iter().rev() {
            resolver = resolver.add_override(&answer.host, answer.port, answer.addresses.clone());
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

/// `HOST:PORT:ADDR`, as curl takes it: several addresses are separated by commas, and those of IPv6 may be in brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Answer {
    host: String,
    port: u16,
    addresses: Vec<IpAddr>,
}

impl FromStr for Answer {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Answer, &'static str> {
        let parts = || {
            let port_begins = match text.strip_prefix('[') {
                Some(literal) => 1 + literal.find("]:")? + 1,
                None => text.find(':')?,
            };
            let (host, rest) = text.split_at(port_begins);
            let (port, addresses) = rest[1..].split_once(':')?;
            Some((host, port, addresses))
        };
        let (host, port, addresses) = parts().ok_or("give it as HOST:PORT:ADDR, such as example.org:80:127.0.0.1")?;
        // curl's `*` for every host and `-HOST` to forget one are no hosts here.
        if host.is_empty() || host.starts_with(['-', '+']) || host.contains(['*', '/', '@']) {
            return Err("the host has to be a name or an address, without a scheme");
        }
        let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().ok().filter(|_| is_number).ok_or("the port has to be a number up to 65535")?;
        let address = |text: &str| {
            let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
            bare.parse::<IpAddr>().map_err(|_| "the address has to be one in digits, such as 127.0.0.1 or [::1]")
        };
        let addresses = addresses.split(',').map(address).collect::<Result<_, _>>()?;
        Ok(Answer { host: host.to_owned(), port, addresses })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_a_host_a_port_and_addresses() {
        for (text, host, port, addresses) in [
            ("a.test:80:127.0.0.1", "a.test", 80, &["127.0.0.1"][..]),
            ("a.test:443:[::1]", "a.test", 443, &["::1"]),
            ("a.test:443:fe80::1", "a.test", 443, &["fe80::1"]),
            ("[::1]:80:127.0.0.1,[::2]", "[::1]", 80, &["127.0.0.1", "::2"]),
        ] {
            let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
            assert_eq!(text.parse(), Ok(Answer { host: host.to_owned(), port, addresses }), "{text}");
        }
    }

    #[test]
    fn what_is_no_answer_is_told_what_is_wrong_with_it() {
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
            ("a.test:80:b.test", "digits"),
            ("a.test:80:", "digits"),
            ("a.test:80:127.0.0.1,", "digits"),
        ] {
            let error = text.parse::<Answer>().expect_err(text);
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
