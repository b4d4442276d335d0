//! Redirects: which ones are followed, and which headers are sent along.

use crate::run::TestDirectory;
use crate::server::{Reply, Server};

#[test]
fn redirects_are_followed_and_the_file_is_named_after_the_first_url() {
    for status in [301, 302, 303, 307, 308] {
        let server = Server::start(move |request| match request.path.as_str() {
            "/a.txt" => Reply::redirect(status, "b/c.txt"),
            _ => Reply::ok("content"),
        });
        let place = TestDirectory::new();
        place.get([server.url("/a.txt")]).assert(0, "1 saved");
        assert_eq!(place.names(), ["a.txt"]);
        assert_eq!(server.count("/b/c.txt"), 1);
    }
}

#[test]
fn credentials_and_headers_are_dropped_at_another_origin_and_not_restored() {
    let other = Server::start(|request| {
        let home = request.path.split_once("?back=").map(|(_, home)| home.to_owned());
        home.map_or(Reply::ok("other"), |home| Reply::redirect(302, &home))
    });
    let away = other.url("/away");
    let home = Server::start(move |request| match request.path.as_str() {
        "/start" => Reply::redirect(302, &format!("{away}?back=http://{}/end", request.field("Host").unwrap())),
        _ => Reply::ok("home"),
    });
    let place = TestDirectory::new();
    let arguments = ["-H", "X-Mine: 1", "-H", "Cookie: a=b", &home.url_with_password("/start")];
    place.get(arguments).assert(0, "1 saved");
    let requests = home.requests();
    for field in ["authorization: Basic", "cookie: a=b", "x-mine: 1"] {
        assert!(requests[0].contains(field), "{}", requests[0]);
        assert!(!other.requests()[0].contains(field), "{}", other.requests()[0]);
        assert!(!requests[1].contains(field), "{}", requests[1]);
    }
}

#[test]
fn credentials_are_sent_to_trusted_locations() {
    let other = Server::echo();
    let away = other.url("/x");
    let home = Server::start(move |_| Reply::redirect(302, &away));
    TestDirectory::new().get(["--location-trusted", "-u", "a:b", &home.url("/")]).assert(0, "1 saved");
    assert!(other.requests()[0].contains("authorization: Basic YTpi"), "{}", other.requests()[0]);
}

#[test]
fn redirects_that_are_not_followed_exit_with_5_and_leave_no_file() {
    for (location, says) in
        [("file:///etc/passwd", "not a valid http"), ("/start", "redirect loop"), ("//[", "not a valid http")]
    {
        let server = Server::start(move |_| Reply::redirect(302, location));
        let place = TestDirectory::new();
        place.get([server.url("/start")]).assert(5, says);
        assert!(place.names().is_empty());
    }
}

#[test]
fn a_redirect_to_the_same_url_is_followed_once() {
    let answers = |answers_at_last: bool| {
        Server::start(move |request| match request.earlier {
            1.. if answers_at_last => Reply::ok("content"),
            _ => Reply::redirect(302, &request.path).field("Set-Cookie", "seen=1"),
        })
    };
    let (server, place) = (answers(true), TestDirectory::new());
    place.get([server.url("/a.txt")]).assert(0, "1 saved");
    assert_eq!(place.text("a.txt"), "content");

    let (server, place) = (answers(false), TestDirectory::new());
    place.get([server.url("/a.txt")]).assert(5, "cookie");
    assert_eq!((server.count("/a.txt"), place.names().len()), (2, 0));
}

#[test]
fn a_redirect_needs_exactly_one_location() {
    let two = Server::start(|_| Reply::redirect(302, "/a").field("Location", "/b"));
    TestDirectory::new().get([two.url("/x")]).assert(5, "two different");
    let none = Server::start(|_| Reply::status(302));
    TestDirectory::new().get([none.url("/x")]).assert(5, "no Location");
}

#[test]
fn the_number_of_redirects_is_limited() {
    let server = Server::start(|request| {
        let number: u32 = request.path[1..].parse().expect("a number");
        Reply::redirect(302, &format!("/{}", number + 1))
    });
    TestDirectory::new().get([server.url("/0")]).assert(5, "--max-redirs");
    assert_eq!(server.requests().len(), 11);
    TestDirectory::new().get(["--max-redirs", "0", &server.url("/100")]).assert(5, "--max-redirs");
}

#[test]
fn the_limit_per_host_applies_to_the_hosts_of_redirects() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static NOW: AtomicUsize = AtomicUsize::new(0);
    static MOST: AtomicUsize = AtomicUsize::new(0);
    let target = Server::start(|_| {
        MOST.fetch_max(NOW.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        std::thread::sleep(std::time::Duration::from_millis(20));
        NOW.fetch_sub(1, Ordering::SeqCst);
        Reply::ok("x")
    });
    let to = target.url("/x");
    let start = Server::start(move |_| Reply::redirect(302, &to));
    let list: String = (0..20).map(|number| format!("{}\n", start.url(&format!("/{number}")))).collect();
    TestDirectory::new().get_list(&list, &["--per-host", "2"]).assert(0, "20 saved");
    assert!(MOST.load(Ordering::SeqCst) <= 2, "{} at once", MOST.load(Ordering::SeqCst));
}
