//! Proxies: which requests go through one, and through which.
//!
//! An `http` request is handed to the proxy, which passes it on: its target is the whole URL (RFC 9112 §3.2.2). Connections
//! to the proxy serve requests to any server. For `https` the proxy is asked for a [tunnel](super::tunnel) (RFC 9110
//! §9.3.6), and what goes through it is none of its business.

use std::fmt;
use std::rc::Rc;
use std::str::FromStr;

use http::{HeaderValue, Uri};

use super::error::ClientErrorKind;
use super::no_proxy::Exceptions;
use super::target::Origin;
use crate::http::credentials::{basic, percent_decoded};

/// A proxy that is spoken to in HTTP, without TLS.
///
/// It is read from a URL, whose scheme may be left out. A user name and a password in it are sent to the proxy and to nobody
/// else, as `Proxy-Authorization`, and never shown.
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
    /// The proxy as a server.
    pub(super) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// What `Proxy-Authorization` says.
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

/// Why a text does not name a proxy. The message never shows the text: it may hold a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProxyError {
    /// It is no URL of a host alone.
    NotAUrl,
    /// The URL is of another scheme than `http`.
    Scheme(String),
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProxyError::NotAUrl => f.write_str(
                "it does not name a proxy; give it as http://HOST:PORT or http://USER:PASSWORD@HOST:PORT, with \
                 percent-encoding for what is not a letter or a digit in the password",
            ),
            ProxyError::Scheme(scheme) => {
                write!(f, "`{scheme}:` proxies are not supported; give one like http://HOST:PORT")
            }
        }
    }
}

impl std::error::Error for ProxyError {}

/// The proxies of a client: for `http`, for `https`, and to which servers it goes without. None unless asked for.
///
/// ```
/// use glassloop::http::client::{Client, Proxies, ProxyError};
///
/// let proxies = Proxies::none()
///     .http("http://127.0.0.1:3128".parse()?)
///     .https("http://127.0.0.1:3128".parse()?)
///     .except("localhost, .internal.test, 10.0.0.0/8");
/// let client = Client::builder().proxies(proxies).build();
/// # Ok::<(), ProxyError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    http: Option<Hop>,
    https: Option<Hop>,
    except: Exceptions,
}

/// What stands between the client and servers of a scheme.
#[derive(Clone, Debug)]
enum Hop {
    Proxy(Rc<Proxy>),
    /// A proxy that cannot be used, and why.
    Unusable(String),
}

impl Proxies {
    /// No proxy for anything.
    pub fn none() -> Proxies {
        Proxies::default()
    }

    /// Sends requests for `http` URLs to this proxy.
    pub fn http(mut self, proxy: Proxy) -> Proxies {
        self.http = Some(Hop::Proxy(Rc::new(proxy)));
        self
    }

    /// Lets this proxy make tunnels for `https` URLs.
    pub fn https(mut self, proxy: Proxy) -> Proxies {
        self.https = Some(Hop::Proxy(Rc::new(proxy)));
        self
    }

    /// Fails requests for `http` URLs that are not excepted: their proxy cannot be used, for this reason.
    pub fn unusable_http(mut self, why: String) -> Proxies {
        self.http = Some(Hop::Unusable(why));
        self
    }

    /// The same for `https` URLs.
    pub fn unusable_https(mut self, why: String) -> Proxies {
        self.https = Some(Hop::Unusable(why));
        self
    }

    /// Goes without a proxy to the servers in this list, separated by commas or spaces. It is what `no_proxy` holds, read as
    /// curl reads it: a name stands for itself and all names below it, with or without a dot in front; `*` for everything;
    /// an address, or a network such as `10.0.0.0/8`, for URLs that name an address. A port behind a name or an address
    /// restricts it to that port.
    pub fn except(mut self, list: &str) -> Proxies {
        self.except = Exceptions::read(list);
        self
    }

    /// Returns the proxy that leads to a server, if one does.
    ///
    /// # Errors
    /// If that proxy cannot be used.
    pub(super) fn to(&self, origin: &Origin) -> Result<Option<&Rc<Proxy>>, ClientErrorKind> {
        let hop = if origin.is_https() { &self.https } else { &self.http };
        match hop.as_ref().filter(|_| !self.except.hold(origin.host(), origin.port())) {
            None => Ok(None),
            Some(Hop::Proxy(proxy)) => Ok(Some(proxy)),
            Some(Hop::Unusable(why)) => Err(ClientErrorKind::UnusableProxy(why.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_a_host_and_a_port_with_or_without_a_user() {
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
            // Neither the password nor its encoded form.
            assert_eq!(format!("{proxy:?}"), format!("Proxy({name})"));
        }
    }

    #[test]
    fn what_names_no_proxy_is_refused_without_being_shown() {
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
