//! The proxies that the environment variables and the command line specify.
//!
//! Programs differ in which variables they read; this follows curl: names in lower case, and also in upper case except
//! for `HTTP_PROXY`, which in a CGI program contains a header of the client's request (<https://httpoxy.org>).

use clap::Args;

use crate::http::client::{Proxy, ProxyConfig};

/// `--proxy` and `--noproxy`.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Network")]
pub(super) struct ProxyArguments {
    /// Proxy for all requests; "" for none
    // It is parsed later, because clap's error message would contain the password in it.
    #[arg(short = 'x', long, value_name = "URL")]
    proxy: Option<String>,
    /// Hosts to connect to directly, as in no_proxy
    #[arg(long, value_name = "LIST", hide_short_help = true)]
    noproxy: Option<String>,
}

impl ProxyArguments {
    /// Returns the proxies that the arguments and the environment specify.
    ///
    /// # Errors
    /// If the URL in `--proxy` is invalid.
    pub(super) fn proxies(&self) -> Result<ProxyConfig, String> {
        self.proxies_with(|name| std::env::var(name).ok())
    }

    fn proxies_with(&self, variable: impl Fn(&str) -> Option<String>) -> Result<ProxyConfig, String> {
        // An empty variable is the same as none.
        let first_of = |names: &[&'static str]| {
            names.iter().find_map(|&name| Some((name, variable(name).filter(|value| !value.is_empty())?)))
        };
        let parse =
            |(name, url): (&str, String)| url.trim().parse::<Proxy>().map_err(|error| format!("{name}: {error}"));
        let mut proxies = ProxyConfig::none();
        match &self.proxy {
            Some(url) if url.is_empty() => {}
            // `-x` has another meaning in aria2c, where it is followed by a number.
            Some(number) if number.bytes().all(|byte| byte.is_ascii_digit()) => {
                return Err(format!(
                    "`{number}` is not a proxy; use -x as in curl, or --per-host {number} for {number} connections per host"
                ));
            }
            Some(url) => {
                let proxy = parse(("--proxy", url.clone()))?;
                proxies = proxies.http(proxy.clone()).https(proxy);
            }
            // The environment is shared with other programs, so a value that this one cannot use is an error only when
            // a request would use it.
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

    /// Returns the proxies for these environment variables and arguments.
    fn proxies(environment: &[(&str, &str)], arguments: ProxyArguments) -> Result<ProxyConfig, String> {
        let variable =
            |name: &str| environment.iter().find(|(set, _)| *set == name).map(|(_, value)| (*value).to_owned());
        arguments.proxies_with(variable)
    }

    fn proxy(url: &str) -> Proxy {
        url.parse().unwrap()
    }

    fn text(proxies: ProxyConfig) -> String {
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
            let found = proxies(environment, ProxyArguments::default()).expect("valid");
            assert_eq!(text(found), text(expected), "{environment:?}");
        }
    }

    #[test]
    fn the_command_line_overrides_the_environment() {
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
            assert_eq!(text(proxies(&environment, arguments).expect("valid")), text(expected));
        }
    }

    #[test]
    fn an_error_names_the_variable_or_option_and_hides_the_password() {
        let arguments = ProxyArguments { proxy: Some("https://me:secret@a".to_owned()), noproxy: None };
        let error = proxies(&[], arguments).expect_err("it cannot be used");
        assert!(
            error.starts_with("--proxy: `https:` proxies are not supported") && !error.contains("secret"),
            "{error}"
        );
        for (name, value, message) in [
            ("http_proxy", "http://me:secret@", "http_proxy: not a proxy URL"),
            ("all_proxy", "socks5://me:secret@a", "all_proxy: `socks5:` proxies are not supported"),
        ] {
            let proxies =
                proxies(&[(name, value)], ProxyArguments::default()).expect("it is an error only when it is used");
            let text = text(proxies);
            assert!(text.contains(message) && !text.contains("secret"), "{text}");
        }
    }
}
