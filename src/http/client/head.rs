//! Encodes the head of a request: request line and headers.

use http::header::{
    ACCEPT, ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderValue, PROXY_AUTHORIZATION,
    TRANSFER_ENCODING, USER_AGENT,
};
use http::{HeaderName, Method};

use super::error::ClientErrorKind;
use super::target::Target;
use crate::http::proto::encode_request_head;

/// The initial capacity of the buffer: more than most heads need, so that one allocation suffices.
const INITIAL_CAPACITY: usize = 256;

/// An encoded request head.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) bytes: Vec<u8>,
    /// Whether the request allows the connection to be reused.
    pub(super) is_persistent: bool,
}

impl Head {
    /// Encodes the request line and the caller's headers, with defaults for missing ones: `User-Agent`, `Accept: */*`,
    /// and `Accept-Encoding: identity`, since the client does not decompress. A `Referer` is never added.
    pub(super) fn new(
        target: &Target,
        mut fields: HeaderMap,
        user_agent: &HeaderValue,
    ) -> Result<Head, ClientErrorKind> {
        // Requests have no body. A header that announces one would make the server wait for it, or interpret the next
        // request as the body (request smuggling).
        if let Some(name) = [CONTENT_LENGTH, TRANSFER_ENCODING].into_iter().find(|name| fields.contains_key(name)) {
            return Err(ClientErrorKind::InvalidHeader(name));
        }
        insert_default(&mut fields, USER_AGENT, user_agent.clone());
        insert_default(&mut fields, ACCEPT, HeaderValue::from_static("*/*"));
        insert_default(&mut fields, ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if let Some(authorization) = target.proxy_authorization() {
            insert_default(&mut fields, PROXY_AUTHORIZATION, authorization.clone());
        }
        if matches!(target.method, Method::POST | Method::PUT | Method::PATCH) {
            // RFC 9110 §8.6: requests with these methods usually have a body, so state explicitly that this one has
            // none.
            fields.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        let host = match fields.get(HOST) {
            Some(host) => host.to_str().map_err(|_| ClientErrorKind::InvalidHeader(HOST))?,
            None => target.origin().authority(),
        };
        let mut bytes = Vec::with_capacity(INITIAL_CAPACITY);
        let encoded = encode_request_head(&mut bytes, &target.method, target.request_target(), host, &fields);
        match encoded {
            Ok(()) => Ok(Head { bytes, is_persistent: !has_connection_close(&fields) }),
            // The `Host` that is derived from the URL has already been validated.
            Err(_) => Err(ClientErrorKind::InvalidHeader(HOST)),
        }
    }
}

/// Sets a header unless the caller has set it.
fn insert_default(fields: &mut HeaderMap, name: HeaderName, value: HeaderValue) {
    fields.entry(name).or_insert(value);
}

/// Returns whether the request has `Connection: close` (RFC 9112 §9.6).
fn has_connection_close(fields: &HeaderMap) -> bool {
    let options = fields.get_all(CONNECTION).iter().flat_map(|line| line.as_bytes().split(|&byte| byte == b','));
    options.into_iter().any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::client::ProxyConfig;
    use http::header::{EXPECT, REFERER};

    fn head(method: Method, url: &'static str, fields: &[(HeaderName, &'static str)]) -> Result<Head, ClientErrorKind> {
        head_through(&ProxyConfig::none(), method, url, fields)
    }

    fn head_through(
        proxies: &ProxyConfig,
        method: Method,
        url: &'static str,
        fields: &[(HeaderName, &'static str)],
    ) -> Result<Head, ClientErrorKind> {
        let target = Target::new(&method, http::Uri::from_static(url), proxies).unwrap();
        let fields = fields.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect();
        Head::new(&target, fields, &HeaderValue::from_static("agent/1"))
    }

    fn text(head: Result<Head, ClientErrorKind>) -> String {
        String::from_utf8(head.unwrap().bytes).unwrap()
    }

    #[test]
    fn a_request_has_these_default_headers_and_no_others() {
        assert_eq!(
            text(head(Method::GET, "http://me:secret@A.test:8080/a%20b?c#d", &[])),
            "GET /a%20b?c HTTP/1.1\r\nhost: a.test:8080\r\nuser-agent: agent/1\r\naccept: */*\r\n\
             accept-encoding: identity\r\n\r\n"
        );
    }

    #[test]
    fn a_forward_proxy_receives_the_absolute_url_and_the_credentials() {
        let proxies = ProxyConfig::none().http("http://me:secret@proxy.test:3128".parse().unwrap());
        assert_eq!(
            text(head_through(&proxies, Method::GET, "http://you:too@A.test:80/b?c#d", &[(ACCEPT, "text/html")])),
            "GET http://a.test/b?c HTTP/1.1\r\nhost: a.test\r\naccept: text/html\r\nuser-agent: agent/1\r\n\
             accept-encoding: identity\r\nproxy-authorization: Basic bWU6c2VjcmV0\r\n\r\n"
        );
    }

    #[test]
    fn the_callers_headers_replace_the_defaults() {
        let fields = [(USER_AGENT, "me"), (ACCEPT, "image/png"), (HOST, "b.test")];
        assert_eq!(
            text(head(Method::GET, "http://a.test", &fields)),
            "GET / HTTP/1.1\r\nhost: b.test\r\nuser-agent: me\r\naccept: image/png\r\naccept-encoding: identity\r\n\r\n"
        );
    }

    #[test]
    fn methods_that_usually_have_a_body_send_content_length_0() {
        assert!(text(head(Method::POST, "http://a.test/", &[])).contains("\r\ncontent-length: 0\r\n"));
        assert!(!text(head(Method::DELETE, "http://a.test/", &[])).contains("content-length"));
    }

    #[test]
    fn a_header_that_announces_a_body_is_rejected() {
        for (name, value) in [(CONTENT_LENGTH, "5"), (TRANSFER_ENCODING, "chunked")] {
            let rejected = head(Method::GET, "http://a.test/", &[(name.clone(), value)]);
            assert!(matches!(rejected, Err(ClientErrorKind::InvalidHeader(named)) if named == name));
        }
        assert!(head(Method::GET, "http://a.test/", &[(EXPECT, "x"), (REFERER, "x")]).is_ok());
    }

    #[test]
    fn connection_close_in_the_request_prevents_reuse() {
        assert!(head(Method::GET, "http://a.test/", &[]).unwrap().is_persistent);
        assert!(!head(Method::GET, "http://a.test/", &[(CONNECTION, "te, Close")]).unwrap().is_persistent);
    }
}
