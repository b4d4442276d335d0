//! A download URL, with the credentials split off so that they are never displayed.

use std::fmt;

use http::{HeaderValue, Uri};
use url::Url;

use crate::http::credentials::{basic, percent_decoded};

/// An absolute `http` or `https` URL in normalized form. Userinfo is removed and stored as an `Authorization` header,
/// so that no displayed, logged or saved URL contains a password. A fragment is dropped.
///
/// ```
/// use glassloop::download::DownloadUrl;
///
/// let address = DownloadUrl::parse("http://me:secret@A.test:80/b/../c?d#e")?;
/// assert_eq!(address.as_str(), "http://a.test/c?d");
/// assert_eq!(address.authorization().unwrap(), "Basic bWU6c2VjcmV0");
/// # Ok::<(), glassloop::download::UrlError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct DownloadUrl {
    url: Url,
    /// The URL as it is sent, if that differs from the normalized form: the `url` crate encodes `'` in a query (as the
    /// URL Standard requires, for the sake of HTML attributes), which breaks signatures over the query. RFC 3986 §3.4
    /// allows `'`.
    as_sent: Option<String>,
    authorization: Option<HeaderValue>,
}

impl DownloadUrl {
    /// Parses a URL.
    ///
    /// # Errors
    /// If it is not a valid absolute `http` or `https` URL with a host, or if it contains a control character: the URL
    /// parser would remove some of those and keep others, and neither is likely to be intended.
    pub fn parse(text: &str) -> Result<DownloadUrl, UrlError> {
        if text.chars().any(char::is_control) {
            return Err(UrlError::ControlCharacter);
        }
        let url = Url::parse(text.trim_matches(' ')).map_err(UrlError::Syntax)?;
        // The parser accepts `http:///x` as a URL of the host `x`, which is unlikely to be intended.
        if text.split_once("//").is_none_or(|(_, rest)| rest.starts_with('/'))
            && matches!(url.scheme(), "http" | "https")
        {
            return Err(UrlError::NoHost);
        }
        DownloadUrl::from_url(url, query_of(text.trim_matches(' ')))
    }

    /// Resolves a `Location` header relative to this URL (RFC 9110 §10.2.2). Userinfo in it is ignored: a server must
    /// not choose the credentials that the client sends.
    pub(super) fn follow(&self, location: &[u8]) -> Result<DownloadUrl, UrlError> {
        if location.iter().any(|byte| byte.is_ascii_control()) {
            return Err(UrlError::ControlCharacter);
        }
        // Bytes above ASCII are not legal here, but common; they are percent-encoded without being interpreted.
        let mut ascii = String::with_capacity(location.len());
        for &byte in location {
            match byte {
                0x80.. => ascii.push_str(&format!("%{byte:02X}")),
                byte => ascii.push(char::from(byte)),
            }
        }
        let url = self.url.join(&ascii).map_err(UrlError::Syntax)?;
        // A reference without a path and a query keeps the query of its base (RFC 3986 §5.2.2).
        let keeps_query = matches!(ascii.trim_matches(' ').as_bytes(), [] | [b'#', ..]);
        let query = if keeps_query { query_of(self.as_str()) } else { query_of(&ascii) };
        let mut address = DownloadUrl::from_url(url, query)?;
        address.authorization = None;
        Ok(address)
    }

    /// Normalizes a parsed URL. `query` is the query as it was originally written.
    fn from_url(mut url: Url, query: Option<&str>) -> Result<DownloadUrl, UrlError> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(UrlError::Scheme(url.scheme().to_owned()));
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(UrlError::NoHost);
        }
        let authorization = match (url.username(), url.password()) {
            ("", None) => None,
            (user, password) => Some(basic(&percent_decoded(user), &percent_decoded(password.unwrap_or_default()))),
        };
        url.set_fragment(None);
        // These calls fail only for URLs without a host.
        let _has_a_host = url.set_username("").and_then(|()| url.set_password(None));
        let as_sent = query.filter(|query| query.contains('\'')).map(|query| {
            let mut as_sent = url[..url::Position::BeforeQuery].to_owned();
            push_query(&mut as_sent, query);
            as_sent
        });
        Ok(DownloadUrl { url, as_sent, authorization })
    }

    /// Returns the URL as it is sent, without userinfo and fragment. It is safe to display.
    pub fn as_str(&self) -> &str {
        self.as_sent.as_deref().unwrap_or(self.url.as_str())
    }

    /// Returns the `Basic` credentials, if the URL had userinfo.
    pub fn authorization(&self) -> Option<&HeaderValue> {
        self.authorization.as_ref()
    }

    /// Returns whether this is an `https` URL.
    pub fn is_secure(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// Returns the path, percent-encoded.
    pub fn path(&self) -> &str {
        self.url.path()
    }

    /// Returns scheme, host and port: the origin (RFC 6454). It is the scope of credentials, and of the limits that are
    /// called "per host".
    pub fn origin(&self) -> &str {
        &self.url[..url::Position::BeforePath]
    }

    /// Returns the host, with the port unless it is the scheme's default.
    pub fn host_and_port(&self) -> &str {
        &self.url[url::Position::BeforeHost..url::Position::BeforePath]
    }

    /// Returns the URL in the type that the client takes.
    pub(super) fn to_uri(&self) -> Result<Uri, UrlError> {
        self.as_str().parse().map_err(UrlError::Uri)
    }
}

/// Returns the query of a URL or a reference, without its `?`.
fn query_of(text: &str) -> Option<&str> {
    let without_fragment = text.split_once('#').map_or(text, |(before, _)| before);
    Some(without_fragment.split_once('?')?.1)
}

/// Appends a query, percent-encoded with the URL Standard's "query percent-encode set", which does not include `'`.
fn push_query(url: &mut String, query: &str) {
    for byte in query.bytes() {
        match byte {
            0..=b' ' | b'"' | b'#' | b'<' | b'>' | 0x7f.. => url.push_str(&format!("%{byte:02X}")),
            byte => url.push(char::from(byte)),
        }
    }
}

impl fmt::Display for DownloadUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for DownloadUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DownloadUrl({})", self.as_str())
    }
}

/// The reason why a URL is invalid. The message never contains the URL, since a part that could not be parsed may
/// contain a password.
#[derive(Debug)]
pub enum UrlError {
    /// The URL contains a control character.
    ControlCharacter,
    /// The text is not an absolute URL.
    Syntax(url::ParseError),
    /// The scheme is not supported.
    Scheme(String),
    /// The URL has no host.
    NoHost,
    /// The URL contains a character that cannot be sent.
    Uri(http::uri::InvalidUri),
}

impl UrlError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            UrlError::Syntax(error) => Some(error),
            UrlError::Uri(error) => Some(error),
            _ => None,
        }
    }
}

impl PartialEq for UrlError {
    fn eq(&self, other: &UrlError) -> bool {
        self.to_string() == other.to_string()
    }
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UrlError::ControlCharacter => f.write_str("the URL contains a control character"),
            UrlError::Syntax(url::ParseError::RelativeUrlWithoutBase) => {
                f.write_str("not a URL; expected http://host/path")
            }
            UrlError::Syntax(error) => write!(f, "not a valid URL: {error}"),
            UrlError::Scheme(scheme) => {
                write!(f, "unsupported scheme `{scheme}:`; expected http:// or https://")
            }
            UrlError::NoHost => f.write_str("the URL has no host; expected http://host/path"),
            UrlError::Uri(error) => write!(f, "the URL cannot be sent: {error}"),
        }
    }
}

impl std::error::Error for UrlError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        UrlError::source(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DownloadUrl {
        DownloadUrl::parse(text).expect("a URL")
    }

    #[test]
    fn invalid_urls_are_rejected_without_being_displayed() {
        for (text, says) in [
            ("file:///etc/passwd", "`file:`"),
            ("ftp://me:secret@a.test/", "`ftp:`"),
            ("a.test/x", "not a URL"),
            ("http://", "not a valid URL"),
            ("http:///x", "no host"),
            ("http://a.test/\tx", "control character"),
            ("http://me:secret@a.test:99999999/", "not a valid URL"),
        ] {
            let message = DownloadUrl::parse(text).expect_err(text).to_string();
            assert!(message.contains(says) && !message.contains("secret"), "{text}: {message}");
        }
    }

    #[test]
    fn locations_are_resolved_as_in_rfc_3986_and_userinfo_is_dropped() {
        let here = at("http://me:secret@a.test/b/c?d");
        for (location, there) in [
            ("e", "http://a.test/b/e"),
            ("/e f", "http://a.test/e%20f"),
            ("//b.test", "http://b.test/"),
            ("?x#y", "http://a.test/b/c?x"),
            ("https://you:pass@b.test/z", "https://b.test/z"),
        ] {
            let followed = here.follow(location.as_bytes()).expect("a URL");
            assert_eq!((followed.as_str(), followed.authorization()), (there, None), "{location}");
        }
        assert_eq!(here.follow(b"/\xc3\xa4").expect("a URL").as_str(), "http://a.test/%C3%A4");
        for refused in ["file:///etc/passwd", "javascript:alert(1)", "http://[", "/a\tb"] {
            here.follow(refused.as_bytes()).expect_err(refused);
        }
    }

    #[test]
    fn an_apostrophe_in_a_query_is_sent_unchanged() {
        for (text, sent) in [
            ("http://me@A.test:80/x?a='b'#f'", "http://a.test/x?a='b'"),
            ("http://a.test/x'y?a=%27'b c<d>\"é", "http://a.test/x'y?a=%27'b%20c%3Cd%3E%22%C3%A9"),
            ("http://a.test?'", "http://a.test/?'"),
            ("http://a.test/x?a=%27", "http://a.test/x?a=%27"),
            ("http://a.test/x#?'", "http://a.test/x"),
            ("http://a.test/x?y?'", "http://a.test/x?y?'"),
        ] {
            let address = at(text);
            assert_eq!(address.as_str(), sent, "{text}");
            assert_eq!(address.to_uri().expect("it can be sent").to_string(), sent, "{text}");
            assert_eq!(address.origin(), "http://a.test", "{text}");
        }
        assert_ne!(at("http://a.test/?'"), at("http://a.test/?%27"));
        let here = at("http://a.test/b?c='d'");
        for (location, there) in [
            ("?e='f'", "http://a.test/b?e='f'"),
            ("/g?h='%27", "http://a.test/g?h='%27"),
            ("/g", "http://a.test/g"),
            ("#i", "http://a.test/b?c='d'"),
            ("", "http://a.test/b?c='d'"),
        ] {
            assert_eq!(here.follow(location.as_bytes()).expect("a URL").as_str(), there, "{location}");
        }
    }

    #[test]
    fn origins_are_equal_when_scheme_host_and_port_are() {
        assert_eq!(at("http://A.test:80/x").origin(), at("http://u@a.test/y").origin());
        assert_ne!(at("http://a.test/").origin(), at("https://a.test/").origin());
        assert_ne!(at("http://a.test/").origin(), at("http://a.test:81/").origin());
        assert_eq!(at("http://a.test:81/x").host_and_port(), "a.test:81");
    }

    #[test]
    fn credentials_are_decoded_and_not_shown() {
        let address = at("http://a%40b:p%3Aq@a.test/");
        assert_eq!(address.authorization(), Some(&basic(b"a@b", b"p:q")));
        assert!(!format!("{address:?} {address}").contains("p%3Aq"));
    }
}
