//! Proxies from the environment and the command line: what is sent to them, and how their errors are reported.

use crate::run::{Run, TestDirectory};
use crate::server::{Reply, Server};

/// Runs the command with environment variables.
fn get(place: &TestDirectory, environment: &[(&str, &str)], arguments: &[&str]) -> Run {
    place.command(arguments).envs(environment.iter().copied()).output().expect("the command runs").into()
}

/// Starts a proxy that responds with the requested URL instead of forwarding the request.
fn proxy() -> Server {
    Server::echo()
}

#[test]
fn the_proxy_of_the_environment_is_used_unless_no_proxy_matches() {
    let (proxy, server) = (proxy(), Server::echo());
    let url = proxy.url("");
    for (environment, arguments, is_asked) in [
        (&[("http_proxy", &*url)][..], &[][..], true),
        (&[("all_proxy", &*url)], &[], true),
        (&[("HTTP_PROXY", &*url)], &[], false),
        (&[("https_proxy", &*url)], &[], false),
        (&[("http_proxy", &*url), ("no_proxy", "127.0.0.1")], &[], false),
        (&[("http_proxy", &*url), ("no_proxy", "127.0.0.1")], &["--noproxy", "a.test"], true),
        (&[("http_proxy", &*url)], &["--noproxy", "*"], false),
        (&[("http_proxy", &*url)], &["--proxy", ""], false),
        (&[], &["--proxy", &url], true),
        (&[("http_proxy", "http://127.0.0.1:1")], &["--proxy", &url], true),
    ] {
        let place = TestDirectory::new();
        let x = server.url("/x");
        get(&place, environment, &[arguments, &[&*x]].concat()).assert(0, "1 saved");
        let expected = if is_asked { &*x } else { "/x" };
        assert_eq!(place.text("x"), expected, "{environment:?} {arguments:?}");
    }
}

#[test]
fn a_bad_proxy_is_a_usage_error_that_does_not_show_the_password() {
    let place = TestDirectory::new();
    for (environment, arguments, says) in [
        (&[("http_proxy", "http://me:hunter2@")][..], &[][..], "http_proxy: not a proxy URL"),
        (&[("all_proxy", "socks5h://me:hunter2@a")], &[], "all_proxy: `socks5h:` proxies are not supported"),
        (&[], &["--proxy", "https://me:hunter2@a.test"], "--proxy: `https:` proxies are not supported"),
        (&[], &["--proxy", "me:hunter2@a.test:x"], "--proxy: not a proxy URL"),
    ] {
        let run = get(&place, environment, &[arguments, &["http://a.test/"]].concat());
        run.assert(2, says);
        assert!(!run.stderr.contains("hunter2"), "{}", run.stderr);
    }
}

#[test]
fn a_proxy_that_cannot_be_used_is_an_error_only_for_requests_that_would_use_it() {
    let server = Server::echo();
    let url = server.url("/x");
    for value in ["socks5://127.0.0.1:9", "socks5h://me:hunter2@127.0.0.1:9", "http://", "nonsense://x y"] {
        for (environment, arguments) in [
            (&[("ALL_PROXY", value), ("no_proxy", "127.0.0.1")][..], &[][..]),
            (&[("http_proxy", value), ("https_proxy", value)], &["--noproxy", "*"]),
            (&[("all_proxy", value)], &["--proxy", ""]),
            (&[("https_proxy", value)], &[]),
        ] {
            let run = get(&TestDirectory::new(), environment, &[arguments, &[&*url]].concat());
            run.assert(0, "1 saved");
        }
        // Only the request that needs the proxy fails.
        let run =
            get(&TestDirectory::new(), &[("all_proxy", value), ("no_proxy", "127.0.0.1")], &["http://a.test/", &url]);
        run.assert(2, "1 saved, 1 failed").assert(2, "all_proxy: ");
        assert!(!run.stderr.contains("hunter2"), "{}", run.stderr);
        get(&TestDirectory::new(), &[("all_proxy", value)], &["--dry-run", "http://a.test/"]).assert(0, "");
    }
}

#[test]
fn the_proxy_password_is_sent_only_to_the_proxy() {
    let server = Server::echo();
    let there = server.url("/there");
    let proxy = Server::start(move |request| match request.path.as_str() {
        "http://a.test/here" => Reply::redirect(302, &there),
        _ => Reply::ok(request.path.clone()),
    });
    let place = TestDirectory::new();
    let url = proxy.url("").replace("http://", "http://proxyuser:pr0xypass@");
    let arguments =
        ["--proxy", &url, "--noproxy", "127.0.0.1", "--json", "http://a.test/here", "http://you:hunter2@a.test/x"];
    let run = get(&place, &[("RUST_LOG", "trace")], &arguments);
    run.assert(0, "2 saved");
    assert!(!run.stderr.contains("pr0xypass") && !String::from_utf8_lossy(&run.stdout).contains("pr0xypass"));
    assert_eq!((place.text("here"), place.text("x")), ("/there".to_owned(), "http://a.test/x".to_owned()));
    let field = "proxy-authorization: Basic cHJveHl1c2VyOnByMHh5cGFzcw==";
    assert!(proxy.requests().iter().all(|head| head.contains(field)), "{:?}", proxy.requests());
    assert!(server.requests().iter().all(|head| !head.contains("proxy-authorization")), "{:?}", server.requests());
}

#[test]
fn a_407_is_reported_as_an_error_of_the_proxy() {
    let proxy = Server::start(|_| Reply::status(407).field("Proxy-Authenticate", "Basic realm=x"));
    let run = TestDirectory::new().get(["--proxy", &proxy.url(""), "http://a.test/x"]);
    run.assert(1, "--proxy http://USER:PASSWORD@HOST:PORT");
    assert_eq!(proxy.requests().len(), 1);
}

#[cfg(feature = "tls")]
mod tunnels {
    use super::*;
    use crate::certificates::Authority;
    use crate::relay::Relay;
    use crate::tls::start_secured;

    #[test]
    fn https_uses_a_tunnel_and_the_proxy_sees_only_host_and_port() {
        let authority = Authority::new("the authority");
        let identity = authority.issue(&["127.0.0.1"], |_| {});
        let server = start_secured(&identity, |request| Reply::ok(request.path.clone()));
        let (place, relay) = (TestDirectory::new(), Relay::start());
        place.write("ca.pem", authority.pem());
        let ca = place.path("ca.pem").into_os_string().into_string().expect("UTF-8");
        let (one, other) = (server.url("/1"), server.url("/2"));
        let arguments = ["--cacert", &ca, "-j", "1", "--json", &one, &other];
        let run = get(&place, &[("https_proxy", &relay.url()), ("RUST_LOG", "trace")], &arguments);
        run.assert(0, "2 saved");
        assert!(!run.stderr.contains("pr0xypass") && !String::from_utf8_lossy(&run.stdout).contains("pr0xypass"));
        assert_eq!((place.text("1"), place.text("2")), ("/1".to_owned(), "/2".to_owned()));
        let [head] = &relay.requests()[..] else { panic!("{:?}", relay.requests()) };
        let host = server.url("").replace("https://", "");
        assert!(head.starts_with(&format!("CONNECT {host} HTTP/1.1\r\n")), "{head}");
        assert!(server.requests().iter().all(|head| !head.to_lowercase().contains("proxy")), "{:?}", server.requests());
    }

    #[test]
    fn a_rejected_tunnel_is_a_network_error_and_is_retried_only_if_the_status_is_transient() {
        for (status, requests, says) in [
            (403, 1, "the proxy responded with 403 Forbidden"),
            (407, 1, "--proxy http://USER:PASSWORD@HOST:PORT"),
            (503, 2, "the proxy responded with 503 Service Unavailable"),
        ] {
            let proxy = Server::start(move |_| Reply::status(status));
            let run =
                TestDirectory::new().get(["--json", "--retry", "1", "--proxy", &proxy.url(""), "https://a.test/x"]);
            run.assert(4, says);
            assert_eq!(run.line("fail")["error"]["code"], "proxy");
            assert_eq!(proxy.count("a.test:443"), requests, "{status}");
        }
    }
}
