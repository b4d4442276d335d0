//! Retries: after what, how often, and when a whole host is left alone.

use std::time::{Duration, Instant};

use crate::run::{Place, content};
use crate::server::{Reply, Server};

#[test]
fn what_may_heal_is_tried_again() {
    for status in [408, 425, 429, 500, 502, 503, 504, 522, 524] {
        let server = Server::start(move |request| match request.earlier {
            0 => Reply::status(status),
            _ => Reply::ok("content"),
        });
        let place = Place::new();
        place.get([server.url("/x")]).assert(0, "1 saved");
        assert_eq!(server.count("/x"), 2, "{status}");
    }
}

#[test]
fn what_does_not_heal_is_asked_once_and_never_written_to_a_file() {
    for status in [400, 401, 403, 404, 410, 418, 501] {
        let server = Server::start(move |_| Reply::status(status).body("an error page"));
        let place = Place::new();
        place.get([server.url("/x")]).assert(1, &format!("the server answered {status}"));
        assert_eq!((server.count("/x"), place.names().len()), (1, 0), "{status}");
    }
}

#[test]
fn a_transfer_is_tried_four_times_and_then_has_failed() {
    let server = Server::start(|_| Reply::status(500));
    let run = Place::new().get(["--json", &server.url("/x")]);
    run.assert(1, "500");
    assert_eq!((server.count("/x"), run.events()["retry"]), (4, 3));
}

#[test]
fn the_list_of_statuses_can_be_another_one() {
    let server = Server::start(|_| Reply::status(404));
    Place::new().get(["--retry", "1", "--retry-on", "404,410", &server.url("/x")]).assert(1, "404");
    assert_eq!(server.count("/x"), 2);
    let server = Server::start(|_| Reply::status(500));
    Place::new().get(["--retry-on", "404", &server.url("/x")]).assert(1, "500");
    assert_eq!(server.count("/x"), 1);
}

#[test]
fn without_retries_there_is_one_attempt() {
    let server = Server::start(|_| Reply::status(503).field("Retry-After", "1"));
    Place::new().get(["--retry", "0", &server.url("/x")]).assert(1, "503");
    assert_eq!(server.count("/x"), 1);
}

#[test]
fn a_server_that_cuts_off_is_tried_again() {
    let body = content(1, 1000);
    let served = body.clone();
    let server = Server::start(move |request| match request.earlier {
        0 => Reply::ok(served.clone()).cut_after(0),
        1 => Reply::ok(served.clone()).cut_after(500),
        _ => Reply::ok(served.clone()),
    });
    let place = Place::new();
    place.get([server.url("/x")]).assert(0, "1 saved");
    assert!(place.read("x") == body);
}

#[test]
fn nobody_there_is_a_network_error() {
    // A port that was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address");
    Place::new().get(["--retry", "1", &format!("http://{free}/x")]).assert(4, "refused");
}

#[test]
fn the_server_s_own_wait_is_kept_in_both_forms() {
    for form in [|| "1".to_owned(), || httpdate::fmt_http_date(std::time::SystemTime::now() + Duration::from_secs(2))] {
        let refused_at = std::sync::Arc::new(std::sync::Mutex::new(None::<Instant>));
        let server = Server::start(move |request| {
            let mut refused_at = refused_at.lock().unwrap();
            match (request.earlier, *refused_at) {
                (0, _) => {
                    *refused_at = Some(Instant::now());
                    Reply::status(503).field("Retry-After", &form())
                }
                // Dates have whole seconds. Too late is no fault; too early is.
                (_, Some(at)) if at.elapsed() >= Duration::from_millis(990) => Reply::ok("content"),
                _ => Reply::status(400),
            }
        });
        Place::new().get([server.url("/x")]).assert(0, "1 saved");
    }
}

#[test]
fn a_wait_that_is_too_long_fails_at_once() {
    for status in [429, 503] {
        let server = Server::start(move |_| Reply::status(status).field("Retry-After", "99999999"));
        Place::new().get([server.url("/x")]).assert(1, "asks to wait 99999999 s; --retry-max-wait allows 120 s");
        assert_eq!(server.count("/x"), 1);
    }
}

#[test]
fn a_host_that_refuses_everything_for_a_while_is_asked_little_and_all_is_had_in_the_end() {
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
    let place = Place::new();
    place.get_list(&list, &[]).assert(0, "500 saved");
    let refused = REFUSED.load(Ordering::SeqCst);
    assert!(refused < 60, "{refused} requests were refused");
}

#[test]
fn a_host_that_has_paused_for_too_long_fails_what_waits_for_it_and_no_other() {
    let bad = Server::start(|_| Reply::status(429));
    let good = Server::echo();
    let list: String =
        (0..50).map(|n| format!("{}\n{}\n", bad.url(&format!("/b{n}")), good.url(&format!("/g{n}")))).collect();
    let place = Place::new();
    let run = place.get_list(&list, &["--retry-max-wait", "1"]);
    run.assert(1, "50 saved, 50 failed").assert(1, "--retry-max-wait");
    assert!(bad.requests().len() < 30, "{} requests", bad.requests().len());
}

#[test]
fn retries_to_one_host_are_ten_and_a_fifth_of_its_requests() {
    let server = Server::start(|_| Reply::status(500));
    let list: String = (0..100).map(|number| format!("{}\n", server.url(&format!("/{number}")))).collect();
    let run = Place::new().get_list(&list, &["--json"]);
    run.assert(1, "100 failed");
    let (retries, requests) = (run.events()["retry"], server.requests().len());
    assert!(retries <= 10 + requests / 5, "{retries} retries of {requests} requests");
}

#[test]
fn a_transfer_that_waits_lets_others_go_first() {
    let server = Server::start(|request| match (request.path.as_str(), request.earlier) {
        ("/first", 0) => Reply::status(500),
        _ => Reply::ok("x"),
    });
    let list = format!("{}\n{}\n", server.url("/first"), server.url("/second"));
    let place = Place::new();
    place.get_list(&list, &["-j", "1"]).assert(0, "2 saved");
}

#[test]
fn silence_has_limits() {
    let slow = Server::start(|_| Reply::ok("x").delay(Duration::from_secs(60)));
    let url = slow.url("/x");
    Place::new().get(["--head-timeout", "0.2", "--retry", "0", &url]).assert(4, "not complete after 200ms");
    Place::new().get(["--max-time", "0.2", &url]).assert(4, "--max-time");
}
