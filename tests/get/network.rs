//! Connections: overridden addresses, address families, connect times, and few file descriptors.

use std::fs::File;
use std::process::Command;

use crate::run::{Run, TestDirectory};
use crate::server::{Reply, Server};

#[test]
fn resolve_overrides_the_address_of_a_name() {
    let server = Server::echo();
    let port = server.port();
    let url = |host: &str| format!("http://{host}:{port}/x");
    let place = TestDirectory::new();
    // The first addresses refuse connections, so the next one is used.
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
fn only_addresses_of_the_requested_family_are_tried() {
    let server = Server::echo();
    let port = server.port();
    let (url, literal) = (format!("http://a.test:{port}/x"), server.url("/y"));
    let both = format!("a.test:{port}:::1,127.0.0.1");
    let place = TestDirectory::new();
    place.get(["-4", "--resolve", &both, &url, &literal]).assert(0, "2 saved");
    let run = TestDirectory::new().get(["-6", "--retry", "0", &literal]);
    run.assert(4, "looking up `127.0.0.1`: no IPv6 address, and only IPv6 is allowed");
    // The last override counts.
    TestDirectory::new().get(["-6", "-4", &literal]).assert(0, "1 saved");
}

#[test]
fn an_invalid_resolve_is_a_usage_error() {
    for (text, says) in
        [("a.test", "HOST:PORT:ADDR"), ("a.test:80:b.test", "IP address"), ("a.test:http:127.0.0.1", "port")]
    {
        TestDirectory::new().get(["--resolve", text, "http://a.test/"]).assert(2, says);
    }
}

#[test]
fn json_has_connect_times_unless_the_connection_was_reused() {
    let server = Server::echo();
    let run = TestDirectory::new().get(["--json", "-j", "1", &server.url("/1"), &server.url("/2")]);
    run.assert(0, "2 saved");
    let lines = run.lines();
    let mut done: Vec<_> = lines.iter().filter(|line| line["event"] == "done").collect();
    // The second transfer begins while the first file is being saved, and may end before it.
    done.sort_by_key(|line| line["id"].as_u64());
    let [first, second] = done[..] else { panic!("two are done") };
    let number = |name: &str| first["ms"][name].as_f64().unwrap_or_else(|| panic!("{first}"));
    assert!(number("connect") > 0.0 && number("dns") + number("connect") < number("ttfb"), "{first}");
    assert_eq!(
        (&second["reused"], &second["ms"]["dns"], &second["ms"]["connect"]),
        (&true.into(), &().into(), &().into())
    );
}

/// Runs `get` with these arguments and the list of a directory, with this limit on descriptors. It inherits only the
/// standard streams: other descriptors of the test would count.
fn get_with_descriptors(limit: u32, place: &TestDirectory, arguments: &[&str]) -> Run {
    let get = place.command([&["-i", "-"], arguments].concat());
    let script = format!("exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-; ulimit -n {limit} && exec \"$@\"");
    let mut shell = Command::new("sh");
    let shell = shell.args(["-c", &script, "sh"]).arg(get.get_program()).args(get.get_args());
    let list = File::open(place.path("list")).expect("it was written");
    shell.stdin(list).output().expect("there is a shell").into()
}

#[test]
fn few_descriptors_mean_fewer_connections_and_no_lost_file() {
    let server = Server::start(|request| {
        let body = request.path.repeat(if request.path.starts_with("/large") { 50_000 } else { 1 });
        Reply::ok(body).field("ETag", "\"1\"")
    });
    let paths = (0..150).map(|number| format!("/{number}")).chain((0..20).map(|number| format!("/large{number}")));
    let list: String = paths.map(|path| format!("{}\n", server.url(&path))).collect();
    // With 8, no descriptor is left for a large file, so the run ends with an error.
    for limit in [8, 12, 16, 24, 40] {
        let place = TestDirectory::new();
        place.write("list", &list);
        let run = get_with_descriptors(limit, &place, &["-j", "100", "--per-host", "100"]);
        match run.code {
            Some(3 | 4) if limit < 16 => assert!(run.stderr.contains("ulimit -n"), "{limit}: {}", run.stderr),
            _ => _ = run.assert(0, "170 saved"),
        }
    }
}

#[test]
fn complete_files_are_saved_with_the_last_descriptor() {
    let server = Server::echo();
    let list: String = (0..100).map(|number| format!("{}\n", server.url(&format!("/{number}")))).collect();
    for limit in [8, 10] {
        let place = TestDirectory::new();
        place.write("list", &list);
        get_with_descriptors(limit, &place, &[]).assert(0, "100 saved");
    }
}

#[test]
#[ignore = "it needs strace"]
fn a_shortage_of_descriptors_during_the_run_costs_no_file_and_no_retry() {
    let server = Server::start(|request| Reply::ok(request.path.repeat(50_000)).field("ETag", "\"1\""));
    let urls: Vec<String> = (0..30).map(|number| server.url(&format!("/{number}"))).collect();
    for error in ["EMFILE", "ENFILE"] {
        let place = TestDirectory::new();
        let get = place.command(["--retry", "0"].into_iter().chain(urls.iter().map(String::as_str)));
        let inject = format!("inject=socket:error={error}:when=3+2");
        let run: Run = Command::new("strace")
            .args(["-f", "-o", "/dev/null", "-e", "trace=socket", "-e", &inject])
            .arg(get.get_program())
            .args(get.get_args())
            .output()
            .expect("there is a strace")
            .into();
        run.assert(0, "30 saved");
    }
}
