//! The way to the servers: names with fixed addresses, families, and how long it took.

use crate::run::Place;
use crate::server::Server;

#[test]
fn a_name_is_where_the_command_line_says() {
    let server = Server::echo();
    let port = server.port();
    let url = |host: &str| format!("http://{host}:{port}/x");
    let place = Place::new();
    // Nobody listens at the first addresses: the first that answers is taken.
    let first = format!("a.test:{port}:127.7.7.7,127.0.0.1");
    let second = format!("B.test:{port}:[::1],127.0.0.1");
    let run = place.get(["--resolve", &first, "--resolve", &second, &url("A.test"), &url("b.test")]);
    run.assert(0, "2 saved");
    let mut hosts: Vec<String> =
        server.requests().iter().filter_map(|head| head.lines().nth(1).map(str::to_owned)).collect();
    hosts.sort();
    assert_eq!(hosts, [format!("host: a.test:{port}"), format!("host: b.test:{port}")]);
}

#[test]
fn only_addresses_of_the_family_that_is_asked_for_are_tried() {
    let server = Server::echo();
    let port = server.port();
    let (url, literal) = (format!("http://a.test:{port}/x"), server.url("/y"));
    let both = format!("a.test:{port}:::1,127.0.0.1");
    let place = Place::new();
    place.get(["-4", "--resolve", &both, &url, &literal]).assert(0, "2 saved");
    let run = Place::new().get(["-6", "--retry", "0", &literal]);
    run.assert(4, "looking up `127.0.0.1`: it has no IPv6 address, and no other is wanted");
    // The last one counts.
    Place::new().get(["-6", "-4", &literal]).assert(0, "1 saved");
}

#[test]
fn a_resolve_that_is_none_is_a_usage_error() {
    for (text, says) in
        [("a.test", "HOST:PORT:ADDR"), ("a.test:80:b.test", "digits"), ("a.test:http:127.0.0.1", "port")]
    {
        Place::new().get(["--resolve", text, "http://a.test/"]).assert(2, says);
    }
}

#[test]
fn json_says_how_long_a_connection_took_and_nothing_for_one_that_was_kept() {
    let server = Server::echo();
    let run = Place::new().get(["--json", "-j", "1", &server.url("/1"), &server.url("/2")]);
    run.assert(0, "2 saved");
    let lines = run.lines();
    let done: Vec<_> = lines.iter().filter(|line| line["event"] == "done").collect();
    let [first, second] = done[..] else { panic!("two are done") };
    let number = |name: &str| first["ms"][name].as_f64().unwrap_or_else(|| panic!("{first}"));
    assert!(number("connect") > 0.0 && number("dns") + number("connect") < number("ttfb"), "{first}");
    assert_eq!(
        (&second["reused"], &second["ms"]["dns"], &second["ms"]["connect"]),
        (&true.into(), &().into(), &().into())
    );
}
