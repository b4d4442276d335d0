//! Proxy selection: whether a request uses a proxy, and which one.
//!
//! An `http` request is sent to the proxy, which forwards it; its request target is the absolute URL (RFC 9112 §3.2.2).
//! A connection to the proxy can serve requests to any server. For `https`, the client requests a
//! [tunnel](super::tunnel) from the proxy with `CONNECT` (RFC 9110 §9.3.6). The proxy cannot read what is sent through
//! it.

use std::fmt;
use std::rc::Rc;
use std::str::FromStr;

use http::{HeaderValue, Uri};

use super::error::ClientErrorKind;
use super::no_proxy::NoProxy;
use super::origin::Origin;
use crate::http::credentials::{basic, percent_decoded};

/// An HTTP proxy. The connection to the proxy itself does not use TLS.
///
/// It is parsed from a URL whose scheme is optional. Userinfo in the URL is sent as `Proxy-Authorization`, only to the
/// proxy, and is never displayed.
///
/// ```
/// use glassloop::http::client::{Proxy, ProxyError};
///
/// let proxy: Proxy = "http://me:secret@Proxy.test:3128/".parse()?;
/// assert_eq!(proxy.to_string(), "proxy.test:3128");
/// assert!(matches!("socks5://127.0.0.1".parse::<Proxy>(), Err(ProxyError::Scheme(_))));
/// # Ok::<(), ProxyError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Proxy {
    origin: Origin,
    authorization: Option<HeaderValue>,
}

impl Proxy {
    /// Returns the origin of the proxy itself.
    pub(super) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Returns the value of `Proxy-Authorization`.
    pub(super) fn authorization(&self) -> Option<&HeaderValue> {
        self.authorization.as_ref()
    }
}

impl FromStr for Proxy {
    type Err = ProxyError;

    fn from_str(text: &str) -> Result<Proxy, ProxyError> {
        let uri = match text.split_once("://") {
            None => format!("http://{text}").parse::<Uri>(),
            Some((scheme, _)) if scheme.eq_ignore_ascii_case("http") => text.parse(),
            Some((scheme, _)) if !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
                return Err(ProxyError::Scheme(scheme.to_owned()));
            }
            Some(_) => return Err(ProxyError::NotAUrl),
        };
        let uri = uri.map_err(|_| ProxyError::NotAUrl)?;
        let origin = Origin::of(&uri).map_err(|_| ProxyError::NotAUrl)?;
        if !matches!(uri.path_and_query().map(|path| path.as_str()), None | Some("/")) {
            return Err(ProxyError::NotAUrl);
        }
        let userinfo = uri.authority().and_then(|authority| authority.as_str().rsplit_once('@'));
        let authorization = userinfo.map(|(userinfo, _)| {
            let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
            basic(&percent_decoded(user), &percent_decoded(password))
        });
        Ok(Proxy { origin, authorization })
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.origin.authority())
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

/// The error of an invalid proxy URL. The message never contains the URL, which may include a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProxyError {
    /// The text is not a URL, or has other parts than a scheme, userinfo, a host and a port.
    NotAUrl,
    /// The scheme is not `http`.
    Scheme(String),
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProxyError::NotAUrl => f.write_str(
                "not a proxy URL; expected http://HOST:PORT or http://USER:PASSWORD@HOST:PORT, where special characters \
                 in the password are percent-encoded",
            ),
            ProxyError::Scheme(scheme) => {
                write!(f, "`{scheme}:` proxies are not supported; expected http://HOST:PORT")
            }
        }
    }
}

impl std::error::Error for ProxyError {}

/// The proxies of a client: one for `http`, one for `https`, and exceptions. There are none by default.
///
/// ```
/// use glassloop::http::client::{Client, ProxyConfig, ProxyError};
///
/// let proxies = ProxyConfig::none()
///     .http("http://127.0.0.1:3128".parse()?)
///     .https("http://127.0.0.1:3128".parse()?)
///     .no_proxy("localhost, .internal.test, 10.0.0.0/8");
/// let client = Client::builder().proxies(proxies).build();
/// # Ok::<(), ProxyError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ProxyConfig {
    http: Option<ProxySetting>,
    https: Option<ProxySetting>,
    no_proxy: NoProxy,
}

/// The proxy setting for a scheme.
#[derive(Clone, Debug)]
enum ProxySetting {
    Proxy(Rc<Proxy>),
    /// The setting is invalid, for this reason. Requests that would use it fail.
    Unusable(String),
}

impl ProxyConfig {
    /// Returns a configuration without proxies.
    pub fn none() -> ProxyConfig {
        ProxyConfig::default()
    }

    /// Sets the proxy for `http` URLs.
    pub fn http(mut self, proxy: Proxy) -> ProxyConfig {
        self.http = Some(ProxySetting::Proxy(Rc::new(proxy)));
        self
    }

    /// Sets the proxy for `https` URLs, which is used with `CONNECT`.
    pub fn https(mut self, proxy: Proxy) -> ProxyConfig {
        self.https = Some(ProxySetting::Proxy(Rc::new(proxy)));
        self
    }

    /// Marks the proxy for `http` URLs as invalid, for example after parsing an environment variable: requests that
    /// would use it fail with this reason.
    pub fn unusable_http(mut self, reason: String) -> ProxyConfig {
        self.http = Some(ProxySetting::Unusable(reason));
        self
    }

    /// Marks the proxy for `https` URLs as invalid, for example after parsing an environment variable: requests that
    /// would use it fail with this reason.
    pub fn unusable_https(mut self, reason: String) -> ProxyConfig {
        self.https = Some(ProxySetting::Unusable(reason));
        self
    }

    /// Sets the exceptions: servers that are reached without a proxy, in the format of `no_proxy`, separated by commas
    /// or spaces. As in curl, a name matches itself and its subdomains, with or without a leading dot; `*` matches
    /// everything; an IP address, or a network such as `10.0.0.0/8`, matches hosts that are IP addresses, but no names.
    /// A port after a name or an address restricts the entry to that port.
    pub fn no_proxy(mut self, list: &str) -> ProxyConfig {
        self.no_proxy = NoProxy::parse(list);
        self
    }

    /// Returns the proxy for requests to a server, if any.
    ///
    /// # Errors
    /// If the setting that applies is invalid.
    pub(super) fn select(&self, origin: &Origin) -> Result<Option<&Rc<Proxy>>, ClientErrorKind> {
        let setting = if origin.is_https() { &self.https } else { &self.http };
        match setting.as_ref().filter(|_| !self.no_proxy.matches(origin.host(), origin.port())) {
            None => Ok(None),
            Some(ProxySetting::Proxy(proxy)) => Ok(Some(proxy)),
            Some(ProxySetting::Unusable(reason)) => Err(ClientErrorKind::UnusableProxy(reason.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_url_has_a_host_a_port_and_optional_credentials() {
        for (text, name, authorization) in [
            ("http://a.test:3128", "a.test:3128", None),
            ("HTTP://A.test/", "a.test", None),
            ("a.test:8080", "a.test:8080", None),
            ("[::1]:8080", "[::1]:8080", None),
            ("http://me:secret@a.test:1", "a.test:1", Some("Basic bWU6c2VjcmV0")),
            ("me:se%63ret@a.test:1", "a.test:1", Some("Basic bWU6c2VjcmV0")),
            ("http://me@a.test", "a.test", Some("Basic bWU6")),
        ] {
            let proxy: Proxy = text.parse().expect(text);
            let sent = proxy.authorization().map(|value| value.to_str().unwrap());
            assert_eq!((proxy.to_string().as_str(), sent), (name, authorization), "{text}");
            // Neither the password nor its encoded form is displayed.
            assert_eq!(format!("{proxy:?}"), format!("Proxy({name})"));
        }
    }

    #[test]
    fn an_invalid_proxy_url_is_rejected_and_not_displayed() {
        for text in [
            "",
            "http://",
            "http://:3128",
            "me:secret@:1",
            "me:secret@a.test:x",
            "a.test:99999",
            "://a",
            "http://a.test/x",
            "http://me:sec ret@a.test",
            "me:secret@a://b",
            "http://a.test/?q",
        ] {
            let error = text.parse::<Proxy>().expect_err(text);
            assert!(error == ProxyError::NotAUrl && !error.to_string().contains("secret"), "{text}: {error}");
        }
        for scheme in ["https", "socks5", "socks5h", "SOCKS4"] {
            let error = format!("{scheme}://me:secret@a.test").parse::<Proxy>().expect_err(scheme).to_string();
            assert!(error.starts_with(&format!("`{scheme}:` proxies are not supported")), "{error}");
        }
    }
}
