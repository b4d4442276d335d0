//! Where a request is sent: the connection that it needs ([`PoolKey`]), and its request target (RFC 9112 §3.2).

use std::net::SocketAddr;
use std::rc::Rc;

use http::{HeaderValue, Method, Uri};

use super::error::{ClientError, ClientErrorKind, Failure, RequestPhase};
use super::origin::Origin;
use super::proxy::{Proxy, ProxyConfig};
use crate::http::proto::{RequestTarget, encode_target};

/// A pool key: connections with equal keys are interchangeable.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct PoolKey {
    /// The peer of the HTTP exchange: the server, or the proxy if it forwards the request.
    pub(super) origin: Origin,
    /// The proxy that provides a tunnel to the server, if any.
    pub(super) tunnel: Option<Rc<Proxy>>,
}

impl PoolKey {
    /// Returns the host to which the TCP connection is made.
    pub(super) fn first_hop(&self) -> &Origin {
        self.tunnel.as_ref().map_or(&self.origin, |proxy| proxy.origin())
    }
}

/// The method and URL of a request, and the connection that it needs. It is kept for the whole exchange, for error
/// messages.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) pool_key: PoolKey,
    /// The origin server and the proxy, if a proxy forwards the request; `None` without a proxy or in a tunnel.
    via_forward_proxy: Option<(Origin, Rc<Proxy>)>,
    pub(super) method: Method,
    uri: Uri,
}

impl Target {
    /// Parses and validates the target of a request.
    pub(super) fn new(method: &Method, uri: Uri, proxies: &ProxyConfig) -> Result<Target, ClientErrorKind> {
        // `CONNECT` needs the authority form of the request target, and a 2xx response turns the connection into a
        // tunnel (RFC 9110 §9.3.6). `Tunnel` sends it.
        if method == Method::CONNECT {
            return Err(ClientErrorKind::UnsupportedMethod);
        }
        let origin = Origin::of(&uri)?;
        let (pool_key, via_forward_proxy) = match proxies.select(&origin)? {
            None => (PoolKey { origin, tunnel: None }, None),
            Some(proxy) if origin.is_https() => (PoolKey { origin, tunnel: Some(proxy.clone()) }, None),
            Some(proxy) => (PoolKey { origin: proxy.origin().clone(), tunnel: None }, Some((origin, proxy.clone()))),
        };
        Ok(Target { pool_key, via_forward_proxy, method: method.clone(), uri })
    }

    /// Returns the origin server.
    pub(super) fn origin(&self) -> &Origin {
        self.via_forward_proxy.as_ref().map_or(&self.pool_key.origin, |(origin, _)| origin)
    }

    /// Returns the proxy, whether it forwards the request or tunnels it.
    pub(super) fn proxy(&self) -> Option<&Proxy> {
        let forward_proxy = self.via_forward_proxy.as_ref().map(|(_, proxy)| proxy);
        forward_proxy.or(self.pool_key.tunnel.as_ref()).map(|proxy| &**proxy)
    }

    /// Returns the value of `Proxy-Authorization` if the request is forwarded. In a tunnel, `CONNECT` has it, and
    /// the proxy cannot read the request.
    pub(super) fn proxy_authorization(&self) -> Option<&HeaderValue> {
        self.via_forward_proxy.as_ref().and_then(|(_, proxy)| proxy.authorization())
    }

    /// Returns the request target (RFC 9112 §3.2). It never contains the fragment, which `Uri` drops.
    pub(super) fn request_target(&self) -> RequestTarget<'_> {
        let path_and_query = self.uri.path_and_query().map_or("/", |path| path.as_str());
        match &self.via_forward_proxy {
            None => RequestTarget::Origin(path_and_query),
            Some((origin, _)) => RequestTarget::Absolute { authority: origin.authority(), path_and_query },
        }
    }

    /// Returns the URL in a form that is safe to display.
    pub(super) fn url(&self) -> String {
        redacted_url(&self.uri)
    }

    /// Creates the error of an exchange with this target.
    pub(super) fn error(
        &self,
        kind: ClientErrorKind,
        phase: RequestPhase,
        peer: Option<SocketAddr>,
        is_reused: bool,
    ) -> ClientError {
        let proxy = self.proxy().map(ToString::to_string);
        ClientError::new(Failure { kind, phase, url: self.url(), peer, proxy, is_reused })
    }
}

/// Formats a URL without its userinfo, which often includes a password, and as printable ASCII only.
pub(super) fn redacted_url(uri: &Uri) -> String {
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

    #[test]
    fn the_displayed_url_has_no_userinfo() {
        assert_eq!(redacted_url(&Uri::from_static("http://user:secret@a.test:81/x?y")), "http://a.test:81/x?y");
    }
}
