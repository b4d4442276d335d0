//! Partial downloads: they are resumed only if they are of the same version, and those of others are not touched.

use std::os::unix::fs::symlink;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::run::{TestDirectory, content};
use crate::server::{Framing, Reply, Request, Server};

const LENGTH: usize = 1 << 20;

/// Starts a server that truncates the first response, and then responds with the result of `then`.
fn cutting(first: Vec<u8>, etag: &'static str, then: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Server {
    Server::start(move |request| match request.earlier {
        0 => Reply::file(request, &first, etag).cut_after(LENGTH * 3 / 4),
        _ => then(request),
    })
}

fn range_of(request: &str) -> Option<&str> {
    request.lines().find_map(|line| line.strip_prefix("range: bytes="))
}

#[test]
fn a_retry_resumes_where_the_connection_broke() {
    let body = content(1, LENGTH);
    let served = body.clone();
    let server = cutting(body.clone(), "\"1\"", move |request| Reply::file(request, &served, "\"1\""));
    let place = TestDirectory::new();
    let run = place.get(["--json", &server.url("/x")]);
    run.assert(0, "1 saved");
    assert!(place.read("x") == body);
    assert_eq!(place.names(), ["x"]);
    assert_eq!(range_of(&server.requests()[1]), Some("786432-"));
    assert_eq!(run.line("summary")["bytes"], LENGTH, "no byte is counted twice");
}

#[test]
fn the_next_run_resumes_where_the_last_one_ended() {
    let body = content(2, LENGTH);
    let served = body.clone();
    let server = cutting(body.clone(), "\"1\"", move |request| Reply::file(request, &served, "\"1\""));
    let place = TestDirectory::new();
    place.get(["--retry", "0", &server.url("/x")]).assert(4, "reading the response body");
    assert_eq!(place.names(), ["x.part", "x.part.json"]);
    let run = place.get(["--json", &server.url("/x")]);
    assert_eq!(run.line("done")["resumed_from"], LENGTH * 3 / 4);
    assert!(place.read("x") == body);
    assert_eq!(place.names(), ["x"]);
}

#[test]
fn another_version_of_the_same_length_is_downloaded_from_the_beginning() {
    let (old, new) = (content(3, LENGTH), content(4, LENGTH));
    for retries in ["0", "3"] {
        let served = new.clone();
        let server = cutting(old.clone(), "\"1\"", move |request| Reply::file(request, &served, "\"2\""));
        let place = TestDirectory::new();
        let first = place.get(["--retry", retries, &server.url("/x")]);
        assert_eq!(first.code, Some(if retries == "0" { 4 } else { 0 }), "{}", first.stderr);
        place.get([server.url("/x")]).assert(0, "");
        assert!(place.read("x") == new);
    }
}

#[test]
fn a_server_that_ignores_if_range_cannot_cause_a_mixed_file() {
    let (old, new) = (content(5, LENGTH), content(6, LENGTH));
    for lie in ["etag", "total", "start", "no-range"] {
        let served = new.clone();
        let server = cutting(old.clone(), "\"1\"", move |request| {
            let Some(first) =
                request.field("Range").and_then(|range| range[6..].strip_suffix('-')?.parse::<usize>().ok())
            else {
                return Reply::ok(served.clone()).field("ETag", "\"2\"");
            };
            let part = Reply::status(206).body(&served[first..]);
            let range = |first: usize, total: usize| format!("bytes {first}-{}/{total}", LENGTH - 1);
            match lie {
                "etag" => part.field("ETag", "\"2\"").field("Content-Range", &range(first, LENGTH)),
                "total" => part.field("Content-Range", &range(first, LENGTH + 1)),
                "start" => part.field("Content-Range", &range(first - 1, LENGTH)),
                _ => part,
            }
        });
        let place = TestDirectory::new();
        place.get([server.url("/x")]).assert(0, "1 saved");
        assert!(place.read("x") == new, "{lie}");
        assert_eq!(server.count("/x"), 3, "{lie}: from zero once");
    }
}

#[test]
fn a_transfer_restarts_only_once_if_no_response_matches() {
    let body = content(7, LENGTH);
    let server = cutting(body, "\"1\"", |_| {
        Reply::status(206).body("x").field("Content-Range", "bytes 0-0/1").field("ETag", "\"1\"")
    });
    TestDirectory::new().get([server.url("/x")]).assert(5, "206");
    assert_eq!(server.count("/x"), 3);
}

#[test]
fn a_restarted_file_can_be_resumed() {
    let (old, new) = (content(13, LENGTH), content(14, LENGTH));
    let served = new.clone();
    let server = cutting(old, "\"1\"", move |request| match request.earlier {
        1 => Reply::status(206).body("x").field("Content-Range", "bytes 0-0/1"),
        2 => Reply::file(request, &served, "\"2\"").cut_after(LENGTH / 2),
        _ => Reply::file(request, &served, "\"2\""),
    });
    let place = TestDirectory::new();
    place.get([server.url("/x")]).assert(0, "1 saved");
    assert!(place.read("x") == new);
    let ranges: Vec<Option<String>> =
        server.requests().iter().map(|request| range_of(request).map(str::to_owned)).collect();
    assert_eq!(ranges, [None, Some("786432-".to_owned()), None, Some("524288-".to_owned())]);
}

#[test]
fn without_a_validator_nothing_is_resumed() {
    let body = content(8, LENGTH);
    for weak in ["W/\"1\"", ""] {
        let served = body.clone();
        let server = Server::start(move |request| {
            assert_eq!(request.field("Range"), None);
            let reply = Reply::ok(served.clone()).field("ETag", weak);
            if request.earlier == 0 { reply.cut_after(LENGTH / 2) } else { reply }
        });
        let place = TestDirectory::new();
        place.get([server.url("/x")]).assert(0, "1 saved");
        assert!(place.read("x") == body);
    }
}

#[test]
fn a_complete_part_is_published() {
    let body = content(9, LENGTH);
    let served = body.clone();
    // The state file contains a larger total than that of the file.
    let server = Server::start(move |request| match (request.path.as_str(), request.earlier) {
        ("/x", 0) => Reply::ok([&served[..], b"more"].concat()).field("ETag", "\"1\"").cut_after(LENGTH),
        _ => Reply::file(request, &served, "\"1\""),
    });
    let place = TestDirectory::new();
    place.get(["--retry", "0", &server.url("/x")]).assert(4, "");
    // With the wrong total, the file is downloaded again; with the right one, a 416 completes it.
    place.get([server.url("/x")]).assert(0, "1 saved");
    assert!(place.read("x") == body);
    place.write("y.part", &body);
    let state =
        format!(r#"{{"v":1,"url":"{}","etag":"\"1\"","last_modified":null,"total":{LENGTH}}}"#, server.url("/y"));
    place.write("y.part.json", state);
    let sent = server.sent();
    place.get([server.url("/y")]).assert(0, "1 saved");
    assert!(place.read("y") == body);
    assert_eq!(server.sent(), sent, "nothing was missing");
}

#[test]
fn no_continue_restarts_from_zero() {
    let body = content(10, LENGTH);
    let served = body.clone();
    let server = cutting(body.clone(), "\"1\"", move |request| Reply::file(request, &served, "\"1\""));
    let place = TestDirectory::new();
    place.get(["--retry", "0", &server.url("/x")]).assert(4, "");
    place.get(["--no-continue", &server.url("/x")]).assert(0, "1 saved");
    assert_eq!(range_of(&server.requests()[1]), None);
    assert!(place.read("x") == body);
}

#[test]
fn parts_of_others_are_not_touched() {
    let body = content(11, LENGTH);
    let server = Server::start(move |request| Reply::file(request, &body, "\"1\""));
    for (kind, says) in [("foreign", "no state file"), ("symlink", "symbolic link"), ("pipe", "not a regular file")] {
        let place = TestDirectory::new();
        match kind {
            "foreign" => place.write("x.part", "somebody's"),
            "symlink" => {
                place.write("target", "precious");
                symlink("target", place.path("x.part")).expect("a link");
            }
            _ => {
                let made = std::process::Command::new("mkfifo").arg(place.path("x.part")).status();
                assert!(made.expect("mkfifo runs").success());
            }
        }
        place.get([server.url("/x")]).assert(3, says).assert(3, "not touched");
        assert!(!place.path("x").exists());
        match kind {
            "foreign" => assert_eq!(place.text("x.part"), "somebody's"),
            "symlink" => assert_eq!(place.text("target"), "precious"),
            _ => {}
        }
    }
}

#[test]
fn a_part_that_another_process_is_downloading_is_not_touched() {
    let body = content(12, LENGTH);
    let served = body.clone();
    let server = Server::start(move |request| {
        // The first response is slow.
        let reply = Reply::file(request, &served, "\"1\"");
        if request.earlier == 0 { reply.rate(4096) } else { reply }
    });
    let place = TestDirectory::new();
    let mut first = place.command([server.url("/x")]).stderr(Stdio::null()).spawn().expect("the command runs");
    while !place.path("x.part.json").exists() {
        std::thread::yield_now();
    }
    place.get([server.url("/x")]).assert(3, "another process");
    assert!(first.wait().expect("it ends").success());
    assert!(place.read("x") == body);
    assert_eq!(place.names(), ["x"]);
}

#[test]
fn a_part_is_resumed_for_another_query_only_with_a_strong_etag() {
    let body = content(15, LENGTH);
    for (fields, continues) in [
        (vec![("ETag", "\"1\"")], true),
        (vec![("ETag", "W/\"1\""), ("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT")], false),
    ] {
        let (served, cut) = (body.clone(), Arc::new(AtomicBool::new(true)));
        let server = Server::start(move |request| {
            let etag = request.field("If-Range").unwrap_or("\"none\"").to_owned();
            let mut reply = Reply::ok(&served[..]);
            if let Some(first) = request.field("Range").and_then(|range| range[6..].strip_suffix('-')?.parse().ok()) {
                let range = format!("bytes {first}-{}/{LENGTH}", LENGTH - 1);
                reply = Reply::status(206).body(&served[first..]).field("Content-Range", &range);
                assert!(fields.iter().any(|(_, value)| *value == etag));
            }
            reply = fields.iter().fold(reply, |reply, (name, value)| reply.field(name, value));
            if cut.swap(false, Ordering::SeqCst) { reply.cut_after(LENGTH * 3 / 4) } else { reply }
        });
        let place = TestDirectory::new();
        place.get(["--retry", "0", "-o", "x", &server.url("/f?sig=old")]).assert(4, "");
        place.get(["-o", "x", &server.url("/f?sig=new")]).assert(0, "1 saved");
        assert!(place.read("x") == body);
        assert_eq!(range_of(&server.requests()[1]), continues.then_some("786432-"));
        assert_eq!(place.names(), ["x"]);
    }
}

#[test]
fn a_part_is_not_resumed_for_another_path_or_server_with_the_same_etag() {
    let (old, new) = (content(16, LENGTH), content(17, LENGTH));
    let first = Server::start(move |request| Reply::file(request, &old, "\"1\"").cut_after(LENGTH / 2));
    let served = new.clone();
    let second = Server::start(move |request| Reply::file(request, &served, "\"1\""));
    for url in [second.url("/f"), second.url("/g")] {
        let place = TestDirectory::new();
        place.get(["--retry", "0", "-o", "x", &first.url("/f")]).assert(4, "");
        place.get(["-o", "x", &url]).assert(0, "1 saved");
        assert!(place.read("x") == new);
    }
}

#[test]
fn after_redirects_to_mirrors_a_part_is_resumed_only_from_its_own_mirror() {
    let (old, new) = (content(18, LENGTH), content(19, LENGTH));
    for leads_to_the_same in [true, false] {
        let (old, new) = (old.clone(), new.clone());
        let expected = if leads_to_the_same { old.clone() } else { new.clone() };
        let first = Server::start(move |request| match request.earlier {
            0 => Reply::file(request, &old, "\"1\"").cut_after(LENGTH / 2),
            _ => Reply::file(request, &old, "\"1\""),
        });
        // Another file with the same length and ETag.
        let second = Server::start(move |request| Reply::file(request, &new, "\"1\""));
        let urls = [first.url("/f"), if leads_to_the_same { &first } else { &second }.url("/f")];
        let redirecting = Server::start(move |request| Reply::redirect(302, &urls[request.earlier.min(1)]));
        for retries in ["0", "3"] {
            let place = TestDirectory::new();
            let run = place.get(["--retry", retries, &redirecting.url("/x")]);
            assert!(run.code == Some(0) || retries == "0", "{}", run.stderr);
            place.get([redirecting.url("/x")]).assert(0, "");
            assert!(place.read("x") == expected);
        }
        let ranges = [&redirecting, &first, &second]
            .map(|server| server.requests().iter().filter(|request| range_of(request).is_some()).count());
        assert_eq!(ranges, [0, usize::from(leads_to_the_same), 0]);
    }
}

#[test]
fn a_206_without_a_validator_is_not_trusted() {
    let (old, new) = (content(25, LENGTH), content(26, LENGTH));
    let served = new.clone();
    // The server ignores `If-Range`.
    let server = cutting(old, "\"1\"", move |request| match request.field("Range") {
        None => Reply::ok(&served[..]).field("ETag", "\"2\""),
        Some(_) => Reply::status(206)
            .body(&served[LENGTH * 3 / 4..])
            .field("Content-Range", &format!("bytes 786432-{}/{LENGTH}", LENGTH - 1)),
    });
    let place = TestDirectory::new();
    place.get([server.url("/x")]).assert(0, "1 saved");
    assert!(place.read("x") == new);
}

#[test]
fn the_whole_file_is_requested_if_range_requests_are_rejected() {
    let body = content(27, LENGTH);
    for (status, requests) in [(400, 3), (403, 3), (404, 3), (501, 3), (500, 4), (503, 4)] {
        let served = body.clone();
        let server = cutting(body.clone(), "\"1\"", move |request| match request.field("Range") {
            Some(_) => Reply::status(status),
            None => Reply::file(request, &served, "\"1\""),
        });
        let place = TestDirectory::new();
        place.get(["--retry", "0", &server.url("/x")]).assert(4, "");
        place.get([server.url("/x")]).assert(0, "1 saved");
        assert!(place.read("x") == body);
        assert_eq!((server.count("/x"), place.names()), (requests, vec!["x".to_owned()]), "{status}");
    }
}

#[test]
fn the_whole_file_is_requested_only_once_and_the_part_is_kept_if_everything_is_rejected() {
    let body = content(28, LENGTH);
    let server = cutting(body.clone(), "\"1\"", |_| Reply::status(403));
    let place = TestDirectory::new();
    place.get(["--retry", "0", &server.url("/x")]).assert(4, "");
    place.get([server.url("/x")]).assert(1, "403");
    assert_eq!(server.count("/x"), 3);
    assert!(place.read("x.part") == body[..LENGTH * 3 / 4]);
}

#[test]
fn a_206_whose_body_does_not_match_its_range_never_completes_a_file() {
    let body = content(29, LENGTH);
    let rest = &body[LENGTH * 3 / 4..];
    let too_long = [rest, b"more"].concat();
    for framing in [Framing::Length, Framing::Chunked, Framing::UntilClose] {
        for sent in [rest, &rest[..10], &rest[..0], &too_long] {
            // A wrong Content-Length is detected before the body; the other responses have none.
            let (served, sent) = (body.clone(), sent.to_owned());
            let is_right = sent.len() == LENGTH / 4;
            let server = cutting(body.clone(), "\"1\"", move |request| match request.earlier {
                1 => Reply::status(206)
                    .field("ETag", "\"1\"")
                    .field("Content-Range", &format!("bytes 786432-{}/{LENGTH}", LENGTH - 1))
                    .body(&sent[..])
                    .framing(framing),
                _ => Reply::file(request, &served, "\"1\""),
            });
            let place = TestDirectory::new();
            place.get(["--retry", "0", &server.url("/x")]).assert(4, "");
            let run = place.get(["--retry", "0", &server.url("/x")]);
            assert_eq!(run.code == Some(0), place.path("x").exists(), "{}", run.stderr);
            if !is_right && run.code != Some(0) {
                assert!(body.starts_with(&place.read("x.part")));
                place.get([server.url("/x")]).assert(0, "1 saved");
            }
            assert!(place.read("x") == body, "{framing:?}, {is_right}");
            assert_eq!(place.names(), ["x"]);
        }
    }
}

#[test]
fn an_unsuitable_response_to_a_range_request_does_not_replace_the_part() {
    for status in [202, 204, 207] {
        let body = content(12, LENGTH);
        let served = body.clone();
        let server = cutting(body.clone(), "\"1\"", move |request| match request.field("Range") {
            Some(_) => Reply::status(status),
            None => Reply::file(request, &served, "\"1\""),
        });
        let place = TestDirectory::new();
        place.get(["--retry", "0", &server.url("/x")]).assert(4, "reading the response body");
        place.get([&server.url("/x")]).assert(0, "1 saved");
        assert!(place.read("x") == body, "{status}");
        assert_eq!(place.names(), ["x"]);
    }
}

#[test]
fn the_beginning_of_a_small_file_is_resumed_if_there_is_a_validator() {
    let body = content(1, 200_000);
    for framing in [Framing::Length, Framing::Chunked] {
        for has_validator in [true, false] {
            let served = body.clone();
            let server = Server::start(move |request| {
                let reply = match has_validator {
                    true => Reply::file(request, &served, "\"1\"").framing(framing),
                    false => Reply::ok(served.clone()).framing(framing),
                };
                if request.earlier == 0 { reply.cut_after(120_000) } else { reply }
            });
            let place = TestDirectory::new();
            place.get(["--retry", "1", &server.url("/x")]).assert(0, "1 saved");
            assert!(place.read("x") == body, "{framing:?}");
            assert_eq!(place.names(), ["x"]);
            let expected = if has_validator { 200_000 } else { 320_000 };
            assert_eq!(server.sent(), expected, "{framing:?}");
        }
    }
    let server = Server::start(move |request| {
        let reply = Reply::file(request, &body, "\"1\"");
        if request.earlier == 0 { reply.cut_after(120_000) } else { reply }
    });
    let place = TestDirectory::new();
    place.get(["--retry", "0", &server.url("/x")]).assert(4, "1 failed");
    assert_eq!(place.names(), ["x.part", "x.part.json"]);
    place.get([server.url("/x")]).assert(0, "1 saved");
    assert_eq!((place.names(), server.sent()), (vec!["x".to_owned()], 200_000));
}

#[test]
fn a_directory_with_the_name_of_the_part_is_an_error_with_advice() {
    let server = Server::start(|_| Reply::ok(content(1, 600_000)).field("ETag", "\"1\""));
    let place = TestDirectory::new();
    std::fs::create_dir(place.path("x.part")).expect("made");
    place.get([server.url("/x")]).assert(3, "x.part: it is a directory").assert(3, "remove it");
}
