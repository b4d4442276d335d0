//! An origin: scheme, host and port of a server or a proxy.

use http::Uri;
use http::uri::Scheme;

use super::error::ClientErrorKind;
use crate::http::proto::is_host_and_port;

/// Returns the default port of a scheme, if the scheme is supported.
fn default_port(scheme: &Scheme) -> Option<u16> {
    match scheme.as_str() {
        "http" => Some(80),
        "https" if cfg!(feature = "tls") => Some(443),
        _ => None,
    }
}

/// An origin (RFC 9110 §4.3.1). A connection can be reused for requests with an equal
/// [`PoolKey`](super::target::PoolKey), of which the origin is one part.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    scheme: Scheme,
    /// The host in lower case, with the port unless it is the scheme's default: the value of `Host`.
    authority: String,
    /// The length of the host in `authority`.
    host_bytes: usize,
    port: u16,
}

impl Origin {
    /// Returns the origin of a supported absolute URL.
    pub(super) fn of(uri: &Uri) -> Result<Origin, ClientErrorKind> {
        let scheme = uri.scheme().ok_or(ClientErrorKind::InvalidUri("no scheme"))?;
        let default_port = default_port(scheme).ok_or(ClientErrorKind::UnsupportedScheme)?;
        let host = uri.host().filter(|host| !host.is_empty()).ok_or(ClientErrorKind::InvalidUri("no host"))?;
        let mut authority = host.to_ascii_lowercase();
        let host_bytes = authority.len();
        let port = match explicit_port(uri) {
            "" => default_port,
            digits => {
                digits.parse().map_err(|_| ClientErrorKind::InvalidUri("the port is not a number from 0 to 65535"))?
            }
        };
        if port != default_port {
            authority.push(':');
            authority.push_str(&port.to_string());
        }
        if !is_host_and_port(authority.as_bytes()) {
            return Err(ClientErrorKind::InvalidUri("the host is neither a host name nor an IP address"));
        }
        Ok(Origin { scheme: scheme.clone(), authority, host_bytes, port })
    }

    /// Returns the value of `Host`.
    pub(super) fn authority(&self) -> &str {
        &self.authority
    }

    /// Returns whether the scheme is `https`.
    pub(super) fn is_https(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }

    /// Returns the host, with an IPv6 address in brackets.
    pub(super) fn host(&self) -> &str {
        &self.authority[..self.host_bytes]
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }
}

/// Returns the text of the port in a URL. `Uri::port` does not distinguish a missing port from an invalid one.
fn explicit_port(uri: &Uri) -> &str {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let host_and_port = authority.rsplit('@').next().unwrap_or_default();
    let after_host = host_and_port.strip_prefix(uri.host().unwrap_or_default()).unwrap_or_default();
    after_host.strip_prefix(':').unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(url: &'static str) -> Result<Origin, ClientErrorKind> {
        Origin::of(&Uri::from_static(url))
    }

    #[test]
    fn urls_of_the_same_server_have_equal_origins() {
        let plain = origin("http://a.test/x").unwrap();
        for same in ["http://A.TEST", "http://a.test:80/y?z", "http://user:secret@a.test:/"] {
            assert_eq!(origin(same).unwrap(), plain, "{same}");
        }
        assert_ne!(origin("http://a.test:8080/x").unwrap(), plain);
        assert_ne!(origin("http://b.test/x").unwrap(), plain);
    }

    #[test]
    fn the_authority_omits_the_default_port_and_the_userinfo() {
        assert_eq!(origin("http://u:p@A.test:80/").unwrap().authority(), "a.test");
        let literal = origin("http://[::1]:8080/").unwrap();
        assert_eq!((literal.authority(), literal.host(), literal.port()), ("[::1]:8080", "[::1]", 8080));
    }

    #[cfg(feature = "tls")]
    #[test]
    fn https_is_another_origin_with_its_own_default_port() {
        let secured = origin("https://a.test/").unwrap();
        assert_eq!((secured.authority(), secured.port(), secured.is_https()), ("a.test", 443, true));
        assert_eq!(origin("https://a.test:443/").unwrap(), secured);
        assert_ne!(origin("http://a.test:443/").unwrap(), secured);
        assert_eq!(origin("https://a.test:80/").unwrap().authority(), "a.test:80");
    }

    #[test]
    fn unsupported_schemes_and_invalid_urls_are_distinguished() {
        assert!(matches!(origin("ftp://a.test/"), Err(ClientErrorKind::UnsupportedScheme)));
        assert_eq!(origin("https://a.test/").is_ok(), cfg!(feature = "tls"));
        assert!(matches!(origin("/x"), Err(ClientErrorKind::InvalidUri("no scheme"))));
        assert!(matches!(origin("http://a.test:70000/"), Err(ClientErrorKind::InvalidUri(_))));
    }
}
