//! Retries: which errors are retried, how often, and when requests to a host are paused.

use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use crate::run::{TestDirectory, content};
use crate::server::{Framing, Reply, Server};

#[test]
fn transient_statuses_are_retried() {
    for status in [408, 425, 429, 500, 502, 503, 504, 522, 524] {
        let server = Server::start(move |request| match request.earlier {
            0 => Reply::status(status),
            _ => Reply::ok("content"),
        });
        let place = TestDirectory::new();
        place.get([server.url("/x")]).assert(0, "1 saved");
        assert_eq!(server.count("/x"), 2, "{status}");
    }
}

#[test]
fn permanent_statuses_are_not_retried_and_their_bodies_are_not_saved() {
    for status in [400, 401, 403, 404, 410, 418, 501] {
        let server = Server::start(move |_| Reply::status(status).body("an error page"));
        let place = TestDirectory::new();
        place.get([server.url("/x")]).assert(1, &format!("the server responded with {status}"));
        assert_eq!((server.count("/x"), place.names().len()), (1, 0), "{status}");
    }
}

#[test]
fn a_transfer_fails_after_four_attempts() {
    let server = Server::start(|_| Reply::status(500));
    let run = TestDirectory::new().get(["--json", &server.url("/x")]);
    run.assert(1, "500");
    assert_eq!((server.count("/x"), run.events()["retry"]), (4, 3));
}

#[test]
fn retry_on_replaces_the_list_of_statuses() {
    let server = Server::start(|_| Reply::status(404));
    TestDirectory::new().get(["--retry", "1", "--retry-on", "404,410", &server.url("/x")]).assert(1, "404");
    assert_eq!(server.count("/x"), 2);
    let server = Server::start(|_| Reply::status(500));
    TestDirectory::new().get(["--retry-on", "404", &server.url("/x")]).assert(1, "500");
    assert_eq!(server.count("/x"), 1);
}

#[test]
fn without_retries_there_is_one_attempt() {
    let server = Server::start(|_| Reply::status(503).field("Retry-After", "1"));
    TestDirectory::new().get(["--retry", "0", &server.url("/x")]).assert(1, "503");
    assert_eq!(server.count("/x"), 1);
}

#[test]
fn truncated_responses_are_retried() {
    let body = content(1, 1000);
    let served = body.clone();
    let server = Server::start(move |request| match request.earlier {
        0 => Reply::ok(served.clone()).cut_after(0),
        1 => Reply::ok(served.clone()).cut_after(500),
        _ => Reply::ok(served.clone()),
    });
    let place = TestDirectory::new();
    place.get([server.url("/x")]).assert(0, "1 saved");
    assert!(place.read("x") == body);
}

#[test]
fn a_refused_connection_is_a_network_error() {
    // A port that was free just before.
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address");
    TestDirectory::new().get(["--retry", "1", &format!("http://{free}/x")]).assert(4, "refused");
}

#[test]
fn retry_after_is_honoured_in_both_forms() {
    for form in [|| "1".to_owned(), || httpdate::fmt_http_date(std::time::SystemTime::now() + Duration::from_secs(2))] {
        let refused_at = std::sync::Arc::new(std::sync::Mutex::new(None::<Instant>));
        let server = Server::start(move |request| {
            let mut refused_at = refused_at.lock().unwrap();
            match (request.earlier, *refused_at) {
                (0, _) => {
                    *refused_at = Some(Instant::now());
                    Reply::status(503).field("Retry-After", &form())
                }
                // Dates have a resolution of one second. A late retry is acceptable, an early one is not.
                (_, Some(at)) if at.elapsed() >= Duration::from_millis(990) => Reply::ok("content"),
                _ => Reply::status(400),
            }
        });
        TestDirectory::new().get([server.url("/x")]).assert(0, "1 saved");
    }
}

#[test]
fn a_retry_after_above_the_limit_fails_at_once() {
    for status in [429, 503] {
        let server = Server::start(move |_| Reply::status(status).field("Retry-After", "99999999"));
        TestDirectory::new()
            .get([server.url("/x")])
            .assert(1, "Retry-After: 99999999 s, which exceeds --retry-max-wait (120 s)");
        assert_eq!(server.count("/x"), 1);
    }
}

#[test]
fn a_host_that_rejects_everything_for_a_while_receives_few_requests_and_all_files_are_saved() {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicUsize, Ordering};
    static REFUSED: AtomicUsize = AtomicUsize::new(0);
    static BEGAN: OnceLock<Instant> = OnceLock::new();
    let server = Server::start(|request| {
        if BEGAN.get_or_init(Instant::now).elapsed() < Duration::from_secs(5) {
            REFUSED.fetch_add(1, Ordering::SeqCst);
            return Reply::status(503);
        }
        Reply::ok(request.path.clone())
    });
    let list: String = (0..500).map(|number| format!("{}\n", server.url(&format!("/{number}")))).collect();
    let place = TestDirectory::new();
    place.get_list(&list, &[]).assert(0, "500 saved");
    let refused = REFUSED.load(Ordering::SeqCst);
    assert!(refused < 60, "{refused} requests were refused");
}

#[test]
fn a_host_that_is_paused_for_too_long_fails_only_its_own_transfers() {
    let bad = Server::start(|_| Reply::status(429));
    let good = Server::echo();
    let list: String =
        (0..50).map(|n| format!("{}\n{}\n", bad.url(&format!("/b{n}")), good.url(&format!("/g{n}")))).collect();
    let place = TestDirectory::new();
    let run = place.get_list(&list, &["--retry-max-wait", "1"]);
    run.assert(1, "50 saved, 50 failed").assert(1, "--retry-max-wait");
    assert!(bad.requests().len() < 30, "{} requests", bad.requests().len());
}

#[test]
fn a_url_that_is_always_rejected_does_not_make_others_fail() {
    let check = |field: (&'static str, &'static str)| {
        let server = Server::start(move |request| match request.path.as_str() {
            "/bad" => Reply::status(429).field(field.0, field.1),
            path => Reply::ok(path),
        });
        let paths = std::iter::once("/bad".to_owned()).chain((0..100).map(|number| format!("/{number}")));
        let list: String = paths.map(|path| format!("{}\n", server.url(&path))).collect();
        let run = TestDirectory::new().get_list(&list, &["--retry", "1"]);
        run.assert(1, "100 saved, 1 failed").assert(1, "/bad: the server responded with 429");
        assert!(server.count("/bad") < 10, "{field:?}: {} requests for it", server.count("/bad"));
    };
    std::thread::scope(|scope| {
        for field in [("Retry-After", "0"), ("Retry-After", "1"), ("X", "")] {
            scope.spawn(move || check(field));
        }
    });
}

#[test]
fn a_retry_after_of_zero_or_in_the_past_does_not_cause_an_immediate_retry() {
    for (status, value) in [(429, "0"), (503, "0"), (503, "Sun, 06 Nov 1994 08:49:37 GMT"), (500, "0")] {
        let server = Server::start(move |_| Reply::status(status).field("Retry-After", value));
        TestDirectory::new().get(["--retry-max-wait", "1", &server.url("/x")]).assert(1, "");
        assert!(server.count("/x") < 10, "{status} {value}: {} requests", server.count("/x"));
    }
}

#[test]
fn a_retry_after_date_is_relative_to_the_server_s_clock() {
    // The server's clock is days behind in one case and days ahead in the other. The wait is one second in both.
    for now in ["Sun, 06 Nov 1994 08:49:37 GMT", "Wed, 06 Nov 2999 08:49:37 GMT"] {
        let server = Server::start(move |request| match request.earlier {
            0 => Reply::status(503).field("Date", now).field("Retry-After", &now.replace(":37", ":38")),
            _ => Reply::ok("content"),
        });
        let run = TestDirectory::new().get(["--json", &server.url("/x")]);
        run.assert(0, "1 saved");
        let wait = run.line("retry")["wait_ms"].as_f64().expect("a number");
        assert!(wait > 500.0 && wait <= 1000.0, "{wait} ms");
    }
}

#[test]
fn retries_above_the_budget_are_delayed_but_not_denied() {
    let server = Server::start(|request| match request.earlier {
        0 => Reply::status(500),
        _ => Reply::ok(request.path.clone()),
    });
    let list: String = (0..60).map(|number| format!("{}\n", server.url(&format!("/{number}")))).collect();
    let place = TestDirectory::new();
    place.get_list(&list, &["--retry", "1"]).assert(0, "60 saved");
}

#[test]
fn transfers_continue_when_the_head_of_the_probe_s_response_arrives() {
    // The body of the probe ends only after another file has been requested.
    let other = Arc::new((Mutex::new(false), Condvar::new()));
    let asked = other.clone();
    let server = Server::start(move |request| match (request.path.as_str(), request.earlier) {
        (_, 0) => Reply::status(503).field("Retry-After", "1"),
        ("/big", _) => {
            let other = other.clone();
            Reply::ok(content(1, 50_000)).begun(move || {
                let is_asked = other.0.lock().unwrap();
                let is_asked = other.1.wait_timeout_while(is_asked, Duration::from_secs(20), |asked| !*asked).unwrap();
                assert!(!is_asked.1.timed_out(), "nobody else has asked while the body was coming");
            })
        }
        (path, _) => {
            *asked.0.lock().unwrap() = true;
            asked.1.notify_all();
            Reply::ok(path)
        }
    });
    let place = TestDirectory::new();
    // One at a time at first, so that the large file is the first to wait.
    let urls = ["/big", "/1", "/2", "/3"].map(|path| server.url(path));
    place.get(["--per-host", "2"].into_iter().chain(urls.iter().map(String::as_str))).assert(0, "4 saved");
    assert_eq!(place.read("big"), content(1, 50_000));
}

// -- Truncated bodies ------------------------------------------------------------------------------------------------

/// Responds with a file of which each connection sends only a limited number of bytes.
fn limited(request: &crate::server::Request, file: &[u8], at_most: usize, framing: Framing) -> Reply {
    let range = request.field("Range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
    let left = file.len() - range.unwrap_or(0usize);
    let reply = Reply::file(request, file, "\"1\"").framing(framing);
    if left > at_most { reply.cut_after(at_most) } else { reply }
}

#[test]
fn a_large_file_is_saved_although_every_connection_ends_early() {
    let file = Arc::new(content(1, 1_500_000));
    for framing in [Framing::Length, Framing::Chunked] {
        let served = file.clone();
        let server = Server::start(move |request| limited(request, &served, 300_000, framing));
        let place = TestDirectory::new();
        let run = place.get(["--json", &server.url("/x")]);
        run.assert(0, "1 saved");
        assert!(place.read("x") == *file, "{framing:?}");
        // Nothing is sent twice, except for bytes that were lost with their connection.
        assert!(
            run.line("done")["attempts"].as_u64().is_some_and(|attempts| (5..12).contains(&attempts)),
            "{framing:?}"
        );
    }
}

#[test]
fn a_close_delimited_body_that_ends_with_a_reset_is_retried() {
    // A reset discards the bytes that were not read, so their number varies.
    let file = Arc::new(content(1, 1_500_000));
    let served = file.clone();
    let server = Server::start(move |request| {
        let reply = Reply::file(request, &served, "\"1\"").framing(Framing::UntilClose);
        if request.earlier == 0 { reply.cut_after(300_000) } else { reply }
    });
    let place = TestDirectory::new();
    place.get([server.url("/x")]).assert(0, "1 saved");
    assert!(place.read("x") == *file && server.count("/x") == 2);
}

#[test]
fn attempts_without_progress_are_bounded() {
    // Each connection ends at the same offset, for any range.
    let file = content(1, 600_000);
    let server = Server::start(move |request| match request.field("Range") {
        None => Reply::file(request, &file, "\"1\"").cut_after(400_000),
        Some(_) => Reply::file(request, &file, "\"1\"").cut_after(0),
    });
    TestDirectory::new().get(["--retry", "2", &server.url("/x")]).assert(4, "body");
    assert_eq!(server.count("/x"), 4, "one that got somewhere, its retry, and two more");
}

#[test]
fn large_files_are_saved_from_servers_that_recover() {
    let file = Arc::new(content(1, 1_000_000));
    for (framing, status) in [(Framing::Length, 500), (Framing::Chunked, 503), (Framing::UntilClose, 429)] {
        let served = file.clone();
        let server = Server::start(move |request| match request.earlier {
            0 => Reply::status(status).body(vec![b'x'; 100_000]).framing(framing),
            1 => Reply::status(502),
            _ => Reply::file(request, &served, "\"1\"").framing(framing),
        });
        let place = TestDirectory::new();
        place.get([server.url("/x")]).assert(0, "1 saved");
        assert!(place.read("x") == *file, "{framing:?}");
    }
}

#[test]
fn a_transfer_in_backoff_lets_others_go_first() {
    let server = Server::start(|request| match (request.path.as_str(), request.earlier) {
        ("/first", 0) => Reply::status(500),
        _ => Reply::ok("x"),
    });
    let list = format!("{}\n{}\n", server.url("/first"), server.url("/second"));
    let place = TestDirectory::new();
    place.get_list(&list, &["-j", "1"]).assert(0, "2 saved");
}

#[test]
fn silent_servers_time_out() {
    let slow = Server::start(|_| Reply::ok("x").delay(Duration::from_secs(60)));
    let url = slow.url("/x");
    TestDirectory::new().get(["--head-timeout", "0.2", "--retry", "0", &url]).assert(4, "timed out after 200ms");
    TestDirectory::new().get(["--max-time", "0.2", &url]).assert(4, "--max-time");
}
