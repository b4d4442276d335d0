//! The system's resolver: a blocking call of `getaddrinfo`.

use std::io;
use std::net::IpAddr;

use dns_lookup::{AddrFamily, AddrInfoHints, LookupErrorKind, SockType, getaddrinfo};

use super::{AddressFamily, LookupResult, ResolveError};

/// Calls `getaddrinfo`, which returns both address families at once unless only one is requested.
pub(super) fn getaddrinfo_blocking(name: &str, family: Option<AddressFamily>) -> LookupResult {
    let fail = |reason: String, is_temporary| {
        let reason = match family {
            None => reason,
            Some(family) => format!("{reason} (only {family} addresses were requested)"),
        };
        Err(ResolveError { name: name.to_owned(), reason, is_temporary })
    };
    let address = match family {
        None => 0,
        Some(AddressFamily::V4) => AddrFamily::Inet.into(),
        Some(AddressFamily::V6) => AddrFamily::Inet6.into(),
    };
    let hints = AddrInfoHints { socktype: SockType::Stream.into(), address, ..AddrInfoHints::default() };
    match getaddrinfo(Some(name), None, Some(hints)) {
        Ok(found) => {
            let addresses: Vec<IpAddr> = found.filter_map(Result::ok).map(|entry| entry.sockaddr.ip()).collect();
            match addresses.is_empty() {
                true => fail("the name has no address".to_owned(), false),
                false => Ok(addresses),
            }
        }
        Err(error) => {
            // If `getaddrinfo` cannot open a file or a socket for lack of descriptors, it reports that the name does
            // not exist.
            let is_temporary = matches!(error.kind(), LookupErrorKind::Again) || !can_open_descriptor();
            fail(io::Error::from(error).to_string(), is_temporary)
        }
    }
}

/// Returns whether the process can open another file descriptor.
fn can_open_descriptor() -> bool {
    !cfg!(unix) || std::fs::File::open("/dev/null").is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_requested_family_is_returned_and_each_address_once() {
        let resolve = |family| getaddrinfo_blocking("127.0.0.1", family);
        let expected: [IpAddr; 1] = [[127, 0, 0, 1].into()];
        assert_eq!(resolve(None).expect("it is an address"), expected);
        assert_eq!(resolve(Some(AddressFamily::V4)).expect("it is an address"), expected);
        resolve(Some(AddressFamily::V6)).expect_err("it is an IPv4 address");
    }
}
