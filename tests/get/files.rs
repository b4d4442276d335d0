//! File names, existing files, and checksums.

use crate::run::{TestDirectory, content};
use crate::server::{Reply, Server};

#[test]
fn files_are_named_after_their_urls_and_equal_names_are_numbered() {
    let server = Server::echo();
    let list = ["/a.gif", "/x/a.gif", "/", "/y/a.gif", "/b%20c", "/..%2Fd"].map(|path| server.url(path)).join("\n");
    let place = TestDirectory::new();
    place.get_list(&list, &[]).assert(0, "6 saved");
    assert_eq!(place.names(), ["_._d", "a.1.gif", "a.2.gif", "a.gif", "b c", "index.html"]);
    assert_eq!([place.text("a.gif"), place.text("a.1.gif"), place.text("a.2.gif")], ["/a.gif", "/x/a.gif", "/y/a.gif"]);
}

#[test]
fn a_list_can_contain_names_and_checksums() {
    let server = Server::echo();
    let digest = "0".repeat(64);
    let right = sha256(b"/x");
    let place = TestDirectory::new();
    let list = format!("{0}\tright.txt\tsha256:{right}\n{0}\twrong.txt\tsha256:{digest}\n", server.url("/x"));
    place.get_list(&list, &[]).assert(6, "checksum mismatch").assert(6, "1 saved, 1 failed");
    assert_eq!(place.names(), ["right.txt", "wrong.txt.part", "wrong.txt.part.json"]);
    // A part with a wrong checksum is not resumed: the next run restarts from zero.
    let list = list.replace(&digest, &right);
    place.get_list(&list, &[]).assert(0, "1 saved, 1 already present");
    assert_eq!(place.names(), ["right.txt", "wrong.txt"]);
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_checksum_of_a_large_file_is_verified_also_after_a_resumption() {
    let body = content(2, 3 << 20);
    let served = body.clone();
    let server = Server::start(move |request| {
        let reply = Reply::file(request, &served, "\"1\"");
        if request.earlier == 0 { reply.cut_after(1 << 20) } else { reply }
    });
    let place = TestDirectory::new();
    let checksum = format!("sha256:{}", sha256(&body));
    place.get(["--retry", "0", "--checksum", &checksum, &server.url("/x")]).assert(4, "body");
    place.get(["--checksum", &checksum, &server.url("/x")]).assert(0, "1 saved");
    assert!(place.read("x") == body);
    let wrong = format!("sha256:{}", sha256(b"another"));
    place.get(["--checksum", &wrong, "-o", "y", &server.url("/x")]).assert(6, "checksum mismatch");
    assert_eq!(place.names(), ["x", "y.part", "y.part.json"]);
}

#[test]
fn an_existing_file_is_kept_without_a_request() {
    let server = Server::echo();
    let place = TestDirectory::new();
    place.write("x", "mine");
    let run = place.get(["--json", &server.url("/x")]);
    run.assert(0, "1 already present");
    assert_eq!((place.text("x"), server.requests().len()), ("mine".to_owned(), 0));
    assert_eq!(run.line("done")["how"], "exists");
    place.get(["--overwrite", "always", &server.url("/x")]).assert(0, "1 saved");
    assert_eq!(place.text("x"), "/x");
}

#[test]
fn a_file_is_replaced_if_the_server_s_is_newer() {
    let server = Server::start(|request| match (request.path.as_str(), request.field("If-Modified-Since")) {
        ("/old", Some(_)) => Reply::status(304),
        (_, Some(_)) => Reply::ok("newer"),
        (_, None) => Reply::status(400),
    });
    let place = TestDirectory::new();
    place.write("old", "mine");
    place.write("new", "mine");
    let run = place.get(["--overwrite", "newer", &server.url("/old"), &server.url("/new")]);
    run.assert(0, "1 saved, 1 already present");
    assert_eq!([place.text("old"), place.text("new")], ["mine", "newer"]);
}

#[test]
fn files_that_have_not_changed_are_not_downloaded_again() {
    let server = Server::start(|request| {
        let is_same = request.field("If-None-Match") == Some("\"1\"");
        if is_same && request.path != "/changes" { Reply::status(304) } else { Reply::ok("x").field("ETag", "\"1\"") }
    });
    let place = TestDirectory::new();
    let urls = [server.url("/stays"), server.url("/changes"), server.url("/is-lost")];
    let get = || place.get(["-N".to_owned()].iter().chain(&urls));
    get().assert(0, "3 saved");
    std::fs::remove_file(place.path("is-lost")).expect("it was there");
    get().assert(0, "2 saved, 1 unchanged");
}

#[test]
fn an_unexpected_304_or_206_is_a_protocol_error() {
    let server = Server::start(|_| Reply::status(304));
    TestDirectory::new().get([server.url("/x")]).assert(5, "304");
    let server = Server::start(|_| Reply::status(206).body("x").field("Content-Range", "bytes 0-0/1"));
    TestDirectory::new().get([server.url("/x")]).assert(5, "206");
    let server = Server::start(|_| Reply::status(300));
    TestDirectory::new().get([server.url("/x")]).assert(5, "300");
}

#[test]
fn a_tree_has_the_directories_of_the_urls() {
    let server = Server::echo();
    let place = TestDirectory::new();
    place.get(["--tree", &server.url("/a/b/c"), &server.url("/a/c")]).assert(0, "2 saved");
    let host = server.url("").replace("http://", "").replace(':', "_");
    assert_eq!(place.text(&format!("{host}/a/b/c")), "/a/b/c");
    assert_eq!(place.text(&format!("{host}/a/c")), "/a/c");
}

#[test]
fn a_name_from_the_server_is_sanitized() {
    let server =
        Server::start(|_| Reply::ok("x").field("Content-Disposition", "attachment; filename=\"../../a\\\\b.txt\""));
    let place = TestDirectory::new();
    place.get(["-J", &server.url("/x")]).assert(0, "1 saved");
    place.get([server.url("/x")]).assert(0, "1 saved");
    assert_eq!(place.names(), ["b.txt", "x"]);
}

#[test]
fn output_is_a_name_or_standard_output() {
    let body = content(3, 700_000);
    let served = body.clone();
    let server = Server::start(move |request| {
        let reply = Reply::file(request, &served, "\"1\"");
        if request.earlier == 0 { reply.cut_after(400_000) } else { reply }
    });
    let place = TestDirectory::new();
    let run = place.get(["-o", "-", &server.url("/x")]);
    run.assert(0, "1 saved");
    assert!(run.stdout == body, "{} bytes of {}", run.stdout.len(), body.len());
    assert!(place.names().is_empty());
    place.get(["-o", "sub/y", &server.url("/x")]).assert(0, "1 saved");
    assert!(place.read("sub/y") == body);
}

#[test]
fn files_above_the_size_limit_are_not_downloaded() {
    let server = Server::start(|request| match request.path.as_str() {
        "/small" => Reply::ok("x"),
        _ => Reply::ok(vec![0; 5000]),
    });
    let place = TestDirectory::new();
    place.get(["--max-filesize", "4k", &server.url("/small"), &server.url("/large")]).assert(5, "--max-filesize");
    assert_eq!(place.names(), ["small"]);
}

#[test]
fn spider_sends_head_requests_and_writes_no_file() {
    let server = Server::start(|request| if request.path == "/x" { Reply::ok("content") } else { Reply::status(404) });
    let place = TestDirectory::new();
    place.get(["--spider", &server.url("/x"), &server.url("/y")]).assert(1, "1 checked, 1 failed");
    assert!(place.names().is_empty());
    assert!(server.requests().iter().all(|request| request.starts_with("HEAD ")));
}

#[test]
fn an_empty_body_is_an_empty_file() {
    let server = Server::start(|request| Reply::status(if request.path == "/a" { 200 } else { 204 }));
    let place = TestDirectory::new();
    place.get([server.url("/a"), server.url("/b")]).assert(0, "2 saved");
    assert_eq!([place.text("a"), place.text("b")], ["", ""]);
}

#[test]
fn all_fsync_policies_save_the_same_file() {
    let body = content(4, 600_000);
    for fsync in ["none", "file", "full"] {
        let served = body.clone();
        let server = Server::start(move |_| Reply::ok(served.clone()));
        let place = TestDirectory::new();
        place.get(["--fsync", fsync, &server.url("/x")]).assert(0, "1 saved");
        assert!(place.read("x") == body);
        assert_eq!(place.names(), ["x"]);
    }
}
