//! Which proxies the environment and the command line ask for.
//!
//! Where they differ from program to program, curl is followed: the names are those in lower case, and those in upper case
//! too except for `HTTP_PROXY`, which in a CGI program is a field of somebody's request (<https://httpoxy.org>).

use clap::Args;

use crate::http::client::{Proxy, ProxyConfig};

/// `--proxy` and `--noproxy`.
#[derive(Args, Debug, Default)]
pub(super) struct ProxyArguments {
    /// The proxy for all requests, instead of http_proxy and https_proxy in the environment; "" is none
    // It is not parsed here: what clap says of a bad value would show the password in it.
    #[arg(long, value_name = "URL")]
    proxy: Option<String>,
    /// To which hosts no proxy leads, instead of no_proxy: names with all below them, addresses, 10.0.0.0/8, or *
    #[arg(long, value_name = "LIST")]
    noproxy: Option<String>,
}

impl ProxyArguments {
    /// What they and the environment ask for, or what is wrong with it.
    pub(super) fn proxies(&self) -> Result<ProxyConfig, String> {
        self.proxies_with(|name| std::env::var(name).ok())
    }

    fn proxies_with(&self, variable: impl Fn(&str) -> Option<String>) -> Result<ProxyConfig, String> {
        // Empty is as good as absent.
        let first_of = |names: &[&'static str]| {
            names.iter().find_map(|&name| Some((name, variable(name).filter(|value| !value.is_empty())?)))
        };
        let parse =
            |(name, url): (&str, String)| url.trim().parse::<Proxy>().map_err(|error| format!("{name}: {error}"));
        let mut proxies = ProxyConfig::none();
        match &self.proxy {
            Some(url) if url.is_empty() => {}
            Some(url) => {
                let proxy = parse(("--proxy", url.clone()))?;
                proxies = proxies.http(proxy.clone()).https(proxy);
            }
            // The environment is for all programs: what this one cannot use is an error only where it would be used.
            None => {
                proxies = match first_of(&["http_proxy", "all_proxy", "ALL_PROXY"]).map(parse) {
                    None => proxies,
                    Some(Ok(proxy)) => proxies.http(proxy),
                    Some(Err(why)) => proxies.unusable_http(why),
                };
                proxies = match first_of(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]).map(parse) {
                    None => proxies,
                    Some(Ok(proxy)) => proxies.https(proxy),
                    Some(Err(why)) => proxies.unusable_https(why),
                };
            }
        }
        let except = self.noproxy.clone().or_else(|| Some(first_of(&["no_proxy", "NO_PROXY"])?.1));
        Ok(proxies.no_proxy(except.as_deref().unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The proxies for http and https, in an environment, with the `--proxy` and `--noproxy` that are not empty.
    fn proxies(environment: &[(&str, &str)], arguments: ProxyArguments) -> Result<ProxyConfig, String> {
        let variable =
            |name: &str| environment.iter().find(|(set, _)| *set == name).map(|(_, value)| (*value).to_owned());
        arguments.proxies_with(variable)
    }

    fn proxy(url: &str) -> Proxy {
        url.parse().unwrap()
    }

    fn said(proxies: ProxyConfig) -> String {
        format!("{proxies:?}")
    }

    #[test]
    fn the_environment_is_read_as_curl_reads_it() {
        let none = ProxyConfig::none;
        for (environment, expected) in [
            (&[][..], none()),
            (&[("http_proxy", "a:1")], none().http(proxy("a:1"))),
            (&[("HTTP_PROXY", "a:1")], none()),
            (&[("HTTPS_PROXY", "a:1")], none().https(proxy("a:1"))),
            (&[("https_proxy", "a:1"), ("HTTPS_PROXY", "b:1")], none().https(proxy("a:1"))),
            (&[("https_proxy", ""), ("HTTPS_PROXY", "b:1")], none().https(proxy("b:1"))),
            (&[("all_proxy", "a:1"), ("http_proxy", "b:1")], none().http(proxy("b:1")).https(proxy("a:1"))),
            (&[("http_proxy", "a:1"), ("NO_PROXY", "b.test")], none().http(proxy("a:1")).no_proxy("b.test")),
            (
                &[("http_proxy", "a:1"), ("https_proxy", "b:1"), ("ALL_PROXY", "socks5://c")],
                none().http(proxy("a:1")).https(proxy("b:1")),
            ),
        ] {
            let found = proxies(environment, ProxyArguments::default()).expect("they can be read");
            assert_eq!(said(found), said(expected), "{environment:?}");
        }
    }

    #[test]
    fn the_command_line_comes_first() {
        let environment = [("http_proxy", "a:1"), ("https_proxy", "socks5://a"), ("no_proxy", "b.test")];
        let arguments = |proxy: Option<&str>, noproxy: Option<&str>| ProxyArguments {
            proxy: proxy.map(str::to_owned),
            noproxy: noproxy.map(str::to_owned),
        };
        for (arguments, expected) in [
            (arguments(Some(""), None), ProxyConfig::none().no_proxy("b.test")),
            (
                arguments(Some("c:1"), None),
                ProxyConfig::none().http(proxy("c:1")).https(proxy("c:1")).no_proxy("b.test"),
            ),
            (arguments(Some("c:1"), Some("")), ProxyConfig::none().http(proxy("c:1")).https(proxy("c:1"))),
            (arguments(Some(""), Some("d.test")), ProxyConfig::none().no_proxy("d.test")),
        ] {
            assert_eq!(said(proxies(&environment, arguments).expect("they can be read")), said(expected));
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place_and_without_the_password() {
        let arguments = ProxyArguments { proxy: Some("https://me:secret@a".to_owned()), noproxy: None };
        let error = proxies(&[], arguments).expect_err("the command line is meant for this program");
        assert!(
            error.starts_with("--proxy: `https:` proxies are not supported") && !error.contains("secret"),
            "{error}"
        );
        for (name, value, says) in [
            ("http_proxy", "http://me:secret@", "http_proxy: not a proxy URL"),
            ("all_proxy", "socks5://me:secret@a", "all_proxy: `socks5:` proxies are not supported"),
        ] {
            let proxies = proxies(&[(name, value)], ProxyArguments::default()).expect("no request would use it yet");
            let said = said(proxies);
            assert!(said.contains(says) && !said.contains("secret"), "{said}");
        }
    }
}
