//! Invalid arguments, lists and directories: each error is reported, and the other transfers continue.

use std::os::unix::fs::PermissionsExt;

use crate::run::TestDirectory;
use crate::server::{Reply, Server};

#[test]
fn invalid_lines_are_reported_and_the_others_are_downloaded() {
    let server = Server::echo();
    let list = format!(
        "# a list\n{}\nnonsense\n\nftp://a.test/x\n{}\thttp://b\n{}\n",
        server.url("/1"),
        server.url("/2"),
        server.url("/3")
    );
    let place = TestDirectory::new();
    let run = place.get_list(&list, &[]);
    run.assert(2, "2 saved, 3 bad lines");
    for says in ["line 3: not a URL", "line 5: unsupported scheme `ftp:`", "line 6: invalid file name"] {
        assert!(run.stderr.contains(says), "{}", run.stderr);
    }
    assert_eq!(place.names(), ["1", "3"]);
}

#[test]
fn bad_arguments_are_usage_errors() {
    let place = TestDirectory::new();
    for (arguments, says) in [
        (&[][..], "no URL"),
        (&["/nonsense"], "not a URL"),
        (&["file:///etc/passwd"], "`file:`"),
        (&["http://a.test/\u{7}"], "control character"),
        (&["-i", "/nonexistent/list"], "/nonexistent/list"),
        (&["-o", "x", "http://a.test/1", "http://a.test/2"], "exactly one URL"),
        (&["-H", "nonsense", "http://a.test/"], "Name: value"),
        (&["-H", "A: b\r\nC: d", "http://a.test/"], "control character"),
        (&["--shard", "3/2", "http://a.test/"], "K/N"),
        (&["--checksum", "md5:x", "http://a.test/"], "sha256"),
        (&["--limit-rate", "fast", "http://a.test/"], "unit"),
        (&["-j", "0", "http://a.test/"], "0"),
        (&["--json", "-o", "-", "http://a.test/"], "standard output"),
    ] {
        place.get(arguments).assert(2, says);
    }
    assert!(place.names().is_empty());
}

#[test]
fn an_unusable_directory_is_an_error_before_any_request() {
    let server = Server::echo();
    let place = TestDirectory::new();
    place.write("file", "");
    let folder = place.path("file/sub");
    place.get(["--dest".as_ref(), folder.as_os_str(), server.url("/x").as_ref()]).assert(3, "--dest");
    assert!(server.requests().is_empty());
}

#[test]
fn a_read_only_directory_is_an_error() {
    if rustix::process::geteuid().is_root() {
        return; // root may write to any directory
    }
    let server = Server::echo();
    let place = TestDirectory::new();
    std::fs::set_permissions(place.folder(), PermissionsExt::from_mode(0o500)).expect("ours");
    place.get([server.url("/x")]).assert(3, "--dest");
}

#[test]
fn a_directory_with_the_name_of_a_file_fails_only_that_file() {
    let server = Server::echo();
    let place = TestDirectory::new();
    std::fs::create_dir(place.path("x")).expect("made");
    place.get(["--overwrite", "always", &server.url("/x"), &server.url("/y")]).assert(3, "1 saved, 1 failed");
    assert_eq!(place.names(), ["x", "y"]);
}

#[test]
fn a_dead_host_fails_only_its_own_transfers() {
    let server = Server::echo();
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address");
    let mut list: String = (0..100).map(|number| format!("{}\n", server.url(&format!("/{number}")))).collect();
    list.insert_str(0, &format!("http://{free}/dead\n"));
    TestDirectory::new().get_list(&list, &["--retry", "1"]).assert(4, "100 saved, 1 failed");
}

#[test]
fn the_most_severe_error_determines_the_exit_code_in_any_order() {
    let server = Server::start(|request| match request.path.as_str() {
        "/missing" => Reply::status(404),
        "/circle" => Reply::redirect(302, "/circle"),
        _ => Reply::ok("x"),
    });
    let place = TestDirectory::new();
    place.write("mine.part", "somebody's");
    let [missing, circle, good, mine] = ["/missing", "/circle", "/good", "/mine"].map(|path| server.url(path));
    for (urls, code) in [
        (vec![&good], 0),
        (vec![&missing, &good], 1),
        (vec![&circle, &missing], 5),
        (vec![&missing, &circle], 5),
        (vec![&mine, &circle, &missing], 3),
    ] {
        let urls: Vec<&str> = urls.into_iter().map(String::as_str).collect();
        assert_eq!(place.get([&["--overwrite", "always"], &urls[..]].concat()).code, Some(code), "{urls:?}");
    }
}

#[test]
fn with_fail_fast_nothing_is_started_after_the_first_failure() {
    let server = Server::start(|request| if request.path == "/0" { Reply::status(404) } else { Reply::ok("x") });
    let list: String = (0..100).map(|number| format!("{}\n", server.url(&format!("/{number}")))).collect();
    let run = TestDirectory::new().get_list(&list, &["--fail-fast", "-j", "1"]);
    run.assert(1, "1 failed, 99 cancelled");
    assert_eq!(server.requests().len(), 1);
}
