//! What a request is aimed at: the server, the way to it, and the resource, taken from its URL and checked.

use std::rc::Rc;

use http::uri::Scheme;
use http::{HeaderValue, Method, Uri};

use super::error::ClientErrorKind;
use super::proxy::{Proxies, Proxy};
use crate::http::proto::{RequestTarget, encode_target, is_host_and_port};

/// The port of URLs that name none, if their scheme is spoken here.
fn usual_port(scheme: &Scheme) -> Option<u16> {
    match scheme.as_str() {
        "http" => Some(80),
        "https" if cfg!(feature = "tls") => Some(443),
        _ => None,
    }
}

/// A server, as far as connections are concerned: two requests with equal origins may share one (RFC 9110 §4.3.1).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    scheme: Scheme,
    /// Host in lower case, and the port unless it is the scheme's own: what `Host` says.
    authority: String,
    /// How much of the authority is the host.
    host_bytes: usize,
    port: u16,
}

impl Origin {
    /// The server of an absolute URL that can be asked here.
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

    /// The value of `Host`.
    pub(super) fn authority(&self) -> &str {
        &self.authority
    }

    /// Whether it is to be spoken to in TLS.
    pub(super) fn is_https(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }

    /// The host, an IPv6 address in brackets.
    pub(super) fn host(&self) -> &str {
        &self.authority[..self.host_bytes]
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }
}

/// What stands behind the host and its colon. `Uri::port` does not tell an absent port from an absurd one.
fn written_port(uri: &Uri) -> &str {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let host_and_port = authority.rsplit('@').next().unwrap_or_default();
    let behind_host = host_and_port.strip_prefix(uri.host().unwrap_or_default()).unwrap_or_default();
    behind_host.strip_prefix(':').unwrap_or_default()
}

/// What a connection leads to: two requests with equal ways may share one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Way {
    /// The server with which requests and responses are exchanged. A proxy, if requests are for it to pass on.
    pub(super) origin: Origin,
    /// The proxy whose tunnel leads to it.
    pub(super) tunnel: Option<Rc<Proxy>>,
}

impl Way {
    /// The server to which the connection is made.
    pub(super) fn first_hop(&self) -> &Origin {
        self.tunnel.as_ref().map_or(&self.origin, |proxy| proxy.origin())
    }
}

/// A request's target, kept as long as the exchange for those who report on it.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) way: Way,
    /// The server that is meant and the proxy at the end of the way, if that passes requests on.
    forwarded: Option<(Origin, Rc<Proxy>)>,
    pub(super) method: Method,
    uri: Uri,
}

impl Target {
    /// The target of a request.
    pub(super) fn new(method: &Method, uri: Uri, proxies: &Proxies) -> Result<Target, ClientErrorKind> {
        // It asks for a tunnel, in a form of its own, and what follows is not HTTP (RFC 9110 §9.3.6).
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

    /// The server that is meant.
    pub(super) fn origin(&self) -> &Origin {
        self.forwarded.as_ref().map_or(&self.way.origin, |(origin, _)| origin)
    }

    /// The proxy on the way.
    pub(super) fn proxy(&self) -> Option<&Proxy> {
        let passes_on = self.forwarded.as_ref().map(|(_, proxy)| proxy);
        passes_on.or(self.way.tunnel.as_ref()).map(|proxy| &**proxy)
    }

    /// What the request says to a proxy that passes it on. One that makes a tunnel does not see the request.
    pub(super) fn proxy_authorization(&self) -> Option<&HeaderValue> {
        self.forwarded.as_ref().and_then(|(_, proxy)| proxy.authorization())
    }

    /// What the request says that it is for. The fragment never gets here: `Uri` drops it.
    pub(super) fn form(&self) -> RequestTarget<'_> {
        let path_and_query = self.uri.path_and_query().map_or("/", |path| path.as_str());
        match &self.forwarded {
            None => RequestTarget::Origin(path_and_query),
            Some((origin, _)) => RequestTarget::Absolute { authority: origin.authority(), path_and_query },
        }
    }

    /// The URL as it may be shown.
    pub(super) fn url(&self) -> String {
        shown(&self.uri)
    }
}

/// A URL without its userinfo, which is often a password, and with nothing in it but printable ASCII.
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
