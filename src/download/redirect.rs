//! Redirect policy: which redirects are followed, and which headers are sent along.

use http::header::{LOCATION, SET_COOKIE};
use http::{HeaderMap, StatusCode};

use super::download_url::DownloadUrl;
use super::error::FetchError;
use super::escape::escaped_line;

/// The redirect policy (`--max-redirs` and related options).
#[derive(Clone, Copy, Debug)]
pub struct RedirectPolicy {
    /// The maximum number of redirects.
    pub max_redirects: u32,
    /// Whether redirects from `https` to `http` are followed.
    pub allow_downgrade: bool,
    /// Whether credentials and the caller's headers are also sent to other origins (curl's `--location-trusted`).
    pub is_location_trusted: bool,
}

impl Default for RedirectPolicy {
    fn default() -> Self {
        RedirectPolicy { max_redirects: 10, allow_downgrade: false, is_location_trusted: false }
    }
}

/// The redirect chain of one request.
#[derive(Debug)]
pub(super) struct RedirectChain {
    here: DownloadUrl,
    /// The URLs that were visited before the current one.
    visited: Vec<String>,
    /// Whether the chain contains a redirect of a URL to itself.
    has_repeated: bool,
    /// Whether a response in the chain has set a cookie.
    has_set_cookie: bool,
    /// The credentials and the caller's headers; empty once they must not be sent any more.
    headers: HeaderMap,
    rules: RedirectPolicy,
}

/// Returns whether a status is a redirect that can be followed automatically (RFC 9110 §15.4). That excludes 300, which
/// leaves the choice to the user, as well as 304, 305 and 306.
pub(super) fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

impl RedirectChain {
    pub(super) fn new(start: DownloadUrl, headers: HeaderMap, rules: RedirectPolicy) -> RedirectChain {
        RedirectChain { here: start, visited: Vec::new(), has_repeated: false, has_set_cookie: false, headers, rules }
    }

    /// Returns the current URL.
    pub(super) fn here(&self) -> &DownloadUrl {
        &self.here
    }

    /// Returns the current URL if it was reached by redirects; `None` if there were none.
    pub(super) fn redirected_to(&self) -> Option<&DownloadUrl> {
        (!self.visited.is_empty()).then_some(&self.here)
    }

    /// Returns the credentials and the caller's headers that may be sent to the current URL.
    pub(super) fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Follows the redirect of a response.
    ///
    /// If the scheme, the host or the port changes, credentials and the caller's headers are dropped, since they were
    /// meant for the original server only. They are not restored if a later redirect returns to the original origin,
    /// because another server may have sent that redirect.
    pub(super) fn follow(&mut self, headers: &HeaderMap) -> Result<(), FetchError> {
        let mut locations = headers.get_all(LOCATION).iter();
        let refused = |reason, to: &str| Err(FetchError::Redirect { reason, to: to.to_owned() });
        let Some(location) = locations.next() else { return refused("no Location header", "nowhere") };
        if locations.any(|other| other != location) {
            return refused("two different Location headers", "two URLs");
        }
        let there = match self.here.follow(location.as_bytes()) {
            Ok(there) => there,
            // A `Location` that could not be parsed may contain a password, so only its beginning is shown.
            Err(error) => {
                let scheme = String::from_utf8_lossy(location.as_bytes());
                let scheme = scheme.split([':', '/']).next().unwrap_or_default();
                return refused("not a valid http or https URL", &format!("`{scheme}…` ({})", escaped_line(error)));
            }
        };
        if self.visited.len() >= self.rules.max_redirects as usize {
            return refused("too many redirects (--max-redirs)", there.as_str());
        }
        if self.here.is_secure() && !there.is_secure() && !self.rules.allow_downgrade {
            return refused("from https to http (--allow-downgrade)", there.as_str());
        }
        self.has_set_cookie |= headers.contains_key(SET_COOKIE);
        // A page that sets a cookie often redirects to itself, and responds with content the second time even if the
        // client sends no cookie. So the first repeat does not count as a loop.
        let is_repeat = self.here.as_str() == there.as_str() && !self.has_repeated;
        self.has_repeated |= is_repeat;
        self.visited.push(self.here.as_str().to_owned());
        if !is_repeat && self.visited.iter().any(|visited| visited == there.as_str()) {
            let reason = match self.has_set_cookie {
                true => "redirect loop that sets a cookie; cookies are not kept (send one with -H 'Cookie: …')",
                false => "redirect loop",
            };
            return refused(reason, there.as_str());
        }
        if there.origin() != self.here.origin() && !self.rules.is_location_trusted {
            self.headers.clear();
        }
        self.here = there;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::AUTHORIZATION;

    use super::*;

    fn route(start: &str, rules: RedirectPolicy) -> RedirectChain {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_static("Basic eDp5"));
        headers.insert("x-mine", HeaderValue::from_static("1"));
        RedirectChain::new(DownloadUrl::parse(start).expect("a URL"), headers, rules)
    }

    fn follow(route: &mut RedirectChain, locations: &[&'static str]) -> Result<String, String> {
        let fields: HeaderMap = locations.iter().map(|at| (LOCATION, HeaderValue::from_static(at))).collect();
        route.follow(&fields).map(|()| route.here().to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn credentials_are_dropped_at_another_origin_and_not_restored() {
        let mut route = route("http://a.test/1", RedirectPolicy::default());
        follow(&mut route, &["/2"]).expect("followed");
        assert_eq!(route.headers().len(), 2);
        follow(&mut route, &["http://a.test:81/3"]).expect("followed");
        assert!(route.headers().is_empty());
        follow(&mut route, &["http://a.test/4"]).expect("followed");
        assert!(route.headers().is_empty());
    }

    #[test]
    fn credentials_are_sent_to_trusted_locations() {
        let mut route = route("http://a.test/1", RedirectPolicy { is_location_trusted: true, ..Default::default() });
        follow(&mut route, &["https://b.test/"]).expect("followed");
        assert_eq!(route.headers().len(), 2);
    }

    #[test]
    fn the_errors_of_redirects_state_the_reason() {
        for (start, locations, says) in [
            ("http://a.test/", &[][..], "no Location"),
            ("http://a.test/", &["/x", "/y"], "two different"),
            ("http://a.test/", &["file:///etc/passwd"], "`file…`"),
            ("http://a.test/", &["ftp://me:secret@b.test/"], "`ftp…`"),
            ("http://a.test/", &["http://me:secret@:81/"], "not a valid"),
            ("https://a.test/", &["http://a.test/"], "--allow-downgrade"),
        ] {
            let error = follow(&mut route(start, RedirectPolicy::default()), locations).expect_err(says);
            assert!(error.contains(says) && !error.contains("secret"), "{error}");
        }
        follow(&mut route("http://a.test/", RedirectPolicy::default()), &["/x", "/x"]).expect("two equal ones are one");
        let rules = RedirectPolicy { allow_downgrade: true, ..Default::default() };
        follow(&mut route("https://a.test/", rules), &["http://a.test/"]).expect("allowed");
    }

    #[test]
    fn a_redirect_to_the_same_url_is_followed_once_and_no_other_loop_is() {
        let start = || route("http://a.test/x", RedirectPolicy::default());
        let mut route = start();
        assert_eq!(follow(&mut route, &["/x#top"]).as_deref(), Ok("http://a.test/x"));
        assert_eq!(route.headers().len(), 2, "it is the same origin");
        let error = follow(&mut route, &["/x"]).expect_err("the second repeat");
        assert!(error.contains("redirect loop") && !error.contains("cookie"), "{error}");

        for (way, ends_well) in [
            (&["/x", "/y"][..], true),
            (&["/y", "/y", "/z"], true),
            (&["/x", "/y", "/y"], false),
            (&["/y", "/x"], false),
            (&["/x", "/y", "/x"], false),
            (&["/y", "/z", "/y"], false),
        ] {
            let mut route = start();
            let (last, before) = way.split_last().expect("a way");
            before.iter().for_each(|to| _ = follow(&mut route, &[to]).expect("followed"));
            assert_eq!(follow(&mut route, &[last]).is_ok(), ends_well, "{way:?}");
        }
    }

    #[test]
    fn the_error_of_a_redirect_loop_mentions_cookies_if_one_was_set() {
        let mut headers = HeaderMap::new();
        headers.insert(LOCATION, HeaderValue::from_static("/x"));
        headers.insert(SET_COOKIE, HeaderValue::from_static("session=secret"));
        let mut route = route("http://a.test/x", RedirectPolicy::default());
        route.follow(&headers).expect("the first repeat");
        // The cookie need not be set by the last response of the chain.
        let error = follow(&mut route, &["/x"]).expect_err("the second");
        assert!(error.contains("cookie") && error.contains("-H") && !error.contains("secret"), "{error}");
    }

    #[test]
    fn the_number_of_redirects_is_limited() {
        let mut route = route("http://a.test/", RedirectPolicy { max_redirects: 2, ..Default::default() });
        follow(&mut route, &["/1"]).expect("the first");
        follow(&mut route, &["/2"]).expect("the second");
        assert!(follow(&mut route, &["/3"]).expect_err("the third").contains("--max-redirs"));
    }
}
