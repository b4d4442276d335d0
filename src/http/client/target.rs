//! The origin, the route and the request target of a request, parsed from its URL and validated.

use std::rc::Rc;

use http::uri::Scheme;
use http::{HeaderValue, Method, Uri};

use super::error::ClientErrorKind;
use super::proxy::{Proxy, ProxyConfig};
use crate::http::proto::{RequestTarget, encode_target, is_host_and_port};

/// Returns the default port of a scheme, if the scheme is supported.
fn usual_port(scheme: &Scheme) -> Option<u16> {
    match scheme.as_str() {
        "http" => Some(80),
        "https" if cfg!(feature = "tls") => Some(443),
        _ => None,
    }
}

/// An origin, which is the unit of connection reuse: requests with equal origins may share a connection (RFC 9110
/// §4.3.1).
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
        let scheme = uri.scheme().ok_or(ClientErrorKind::InvalidUri("it has no scheme"))?;
        let usual_port = usual_port(scheme).ok_or(ClientErrorKind::UnsupportedScheme)?;
        let host = uri.host().filter(|host| !host.is_empty()).ok_or(ClientErrorKind::InvalidUri("it has no host"))?;
        let mut authority = host.to_ascii_lowercase();
        let host_bytes = authority.len();
        let port = match written_port(uri) {
            "" => usual_port,
            digits => digits.parse().map_err(|_| ClientErrorKind::InvalidUri("its port is not from 0 to 65535"))?,
        };
        if port != usual_port {
            authority.push(':');
            authority.push_str(&port.to_string());
        }
        if !is_host_and_port(authority.as_bytes()) {
            return Err(ClientErrorKind::InvalidUri("its host is not a name or an address"));
        }
        Ok(Origin { scheme: scheme.clone(), authority, host_bytes, port })
    }

    /// Returns the value of `Host`.
    pub(super) fn authority(&self) -> &str {
        &self.authority
    }

    /// Returns whether the server is reached with TLS.
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
fn written_port(uri: &Uri) -> &str {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let host_and_port = authority.rsplit('@').next().unwrap_or_default();
    let behind_host = host_and_port.strip_prefix(uri.host().unwrap_or_default()).unwrap_or_default();
    behind_host.strip_prefix(':').unwrap_or_default()
}

/// A pool key: connections with equal keys are interchangeable.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Way {
    /// The peer of the HTTP exchange: the server, or the proxy if it forwards the request.
    pub(super) origin: Origin,
    /// The proxy through whose tunnel the server is reached, if any.
    pub(super) tunnel: Option<Rc<Proxy>>,
}

impl Way {
    /// Returns the host to which the TCP connection is made.
    pub(super) fn first_hop(&self) -> &Origin {
        self.tunnel.as_ref().map_or(&self.origin, |proxy| proxy.origin())
    }
}

/// The parsed target of a request. It is kept for the whole exchange, for error messages.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) way: Way,
    /// The origin server and the proxy, if the request is forwarded by a proxy.
    forwarded: Option<(Origin, Rc<Proxy>)>,
    pub(super) method: Method,
    uri: Uri,
}

impl Target {
    /// Parses and validates the target of a request.
    pub(super) fn new(method: &Method, uri: Uri, proxies: &ProxyConfig) -> Result<Target, ClientErrorKind> {
        // `CONNECT` has a request target of its own form, and is not followed by an HTTP response (RFC 9110 §9.3.6).
        if method == Method::CONNECT {
            return Err(ClientErrorKind::UnsupportedMethod);
        }
        let origin = Origin::of(&uri)?;
        let (way, forwarded) = match proxies.to(&origin)? {
            None => (Way { origin, tunnel: None }, None),
            Some(proxy) if origin.is_https() => (Way { origin, tunnel: Some(proxy.clone()) }, None),
            Some(proxy) => (Way { origin: proxy.origin().clone(), tunnel: None }, Some((origin, proxy.clone()))),
        };
        Ok(Target { way, forwarded, method: method.clone(), uri })
    }

    /// Returns the origin server.
    pub(super) fn origin(&self) -> &Origin {
        self.forwarded.as_ref().map_or(&self.way.origin, |(origin, _)| origin)
    }

    /// Returns the proxy, whether it forwards the request or tunnels it.
    pub(super) fn proxy(&self) -> Option<&Proxy> {
        let passes_on = self.forwarded.as_ref().map(|(_, proxy)| proxy);
        passes_on.or(self.way.tunnel.as_ref()).map(|proxy| &**proxy)
    }

    /// Returns the value of `Proxy-Authorization` if the request is forwarded. In a tunnel, the proxy does not see the
    /// request.
    pub(super) fn proxy_authorization(&self) -> Option<&HeaderValue> {
        self.forwarded.as_ref().and_then(|(_, proxy)| proxy.authorization())
    }

    /// Returns the request target (RFC 9112 §3.2). It never contains the fragment, which `Uri` drops.
    pub(super) fn form(&self) -> RequestTarget<'_> {
        let path_and_query = self.uri.path_and_query().map_or("/", |path| path.as_str());
        match &self.forwarded {
            None => RequestTarget::Origin(path_and_query),
            Some((origin, _)) => RequestTarget::Absolute { authority: origin.authority(), path_and_query },
        }
    }

    /// Returns the URL in a form that is safe to display.
    pub(super) fn url(&self) -> String {
        shown(&self.uri)
    }
}

/// Formats a URL without its userinfo, which often includes a password, and as printable ASCII only.
pub(super) fn shown(uri: &Uri) -> String {
    let mut url = Vec::new();
    if let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) {
        let host_and_port = authority.as_str().rsplit('@').next().unwrap_or_default();
        url.extend_from_slice(format!("{scheme}://{host_and_port}").as_bytes());
    }
    encode_target(&mut url, uri.path_and_query().map_or("/", |path| path.as_str()));
    String::from_utf8_lossy(&url).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(url: &'static str) -> Result<Origin, ClientErrorKind> {
        Origin::of(&Uri::from_static(url))
    }

    #[test]
    fn equal_servers_are_equal_however_they_are_written() {
        let plain = origin("http://a.test/x").unwrap();
        for same in ["http://A.TEST", "http://a.test:80/y?z", "http://user:secret@a.test:/"] {
            assert_eq!(origin(same).unwrap(), plain, "{same}");
        }
        assert_ne!(origin("http://a.test:8080/x").unwrap(), plain);
        assert_ne!(origin("http://b.test/x").unwrap(), plain);
    }

    #[test]
    fn the_authority_leaves_the_usual_port_and_the_userinfo_out() {
        assert_eq!(origin("http://u:p@A.test:80/").unwrap().authority(), "a.test");
        let literal = origin("http://[::1]:8080/").unwrap();
        assert_eq!((literal.authority(), literal.host(), literal.port()), ("[::1]:8080", "[::1]", 8080));
    }

    #[cfg(feature = "tls")]
    #[test]
    fn a_secured_server_is_another_one_with_a_usual_port_of_its_own() {
        let secured = origin("https://a.test/").unwrap();
        assert_eq!((secured.authority(), secured.port(), secured.is_https()), ("a.test", 443, true));
        assert_eq!(origin("https://a.test:443/").unwrap(), secured);
        assert_ne!(origin("http://a.test:443/").unwrap(), secured);
        assert_eq!(origin("https://a.test:80/").unwrap().authority(), "a.test:80");
    }

    #[test]
    fn what_cannot_be_asked_is_told_apart() {
        assert!(matches!(origin("ftp://a.test/"), Err(ClientErrorKind::UnsupportedScheme)));
        assert_eq!(origin("https://a.test/").is_ok(), cfg!(feature = "tls"));
        assert!(matches!(origin("/x"), Err(ClientErrorKind::InvalidUri("it has no scheme"))));
        assert!(matches!(origin("http://a.test:70000/"), Err(ClientErrorKind::InvalidUri(_))));
    }

    #[test]
    fn a_url_is_shown_without_its_password() {
        assert_eq!(shown(&Uri::from_static("http://user:secret@a.test:81/x?y")), "http://a.test:81/x?y");
    }
}
