//! File names that are in use: by files of this run, by existing files, and by objects that are not files.

use std::fs::{self, File, metadata, symlink_metadata};
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, symlink};
use std::time::{Duration, SystemTime};

use crate::run::{TestDirectory, content};
use crate::server::{Framing, Reply, Server};

const FRAMINGS: [Framing; 3] = [Framing::Length, Framing::Chunked, Framing::UntilClose];

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn make_pipe(place: &TestDirectory, name: &str) {
    let made = std::process::Command::new("mkfifo").arg(place.path(name)).status().expect("mkfifo runs");
    assert!(made.success());
}

/// Starts a server that names all files `report.pdf`. The body is the path.
fn report_server(framing: Framing) -> Server {
    Server::start(move |request| {
        let reply = Reply::ok(request.path.clone()).framing(framing);
        reply.field("Content-Disposition", "attachment; filename=\"report.pdf\"")
    })
}

#[test]
fn an_object_that_is_not_a_file_is_neither_replaced_nor_counted_as_existing() {
    let large = content(1, 600_000);
    let server = Server::start(move |request| match request.path.as_str() {
        "/large" => Reply::ok(large.clone()).field("Content-Disposition", "inline; filename=x"),
        _ => Reply::ok("x").field("Content-Disposition", "inline; filename=x"),
    });
    for kind in ["a directory", "a pipe", "a socket", "a dangling symbolic link", "a device"] {
        for overwrite in ["never", "newer", "always"] {
            for arguments in [&["/x"][..], &["/large", "-J"], &["/y", "-J"]] {
                let place = TestDirectory::new();
                match kind {
                    "a directory" => fs::create_dir(place.path("x")).expect("made"),
                    "a pipe" => make_pipe(&place, "x"),
                    "a socket" => drop(std::os::unix::net::UnixListener::bind(place.path("x")).expect("a socket")),
                    "a device" => symlink("/dev/null", place.path("x")).expect("a link"),
                    _ => symlink("/nonexistent/x", place.path("x")).expect("a link"),
                }
                let before = symlink_metadata(place.path("x")).expect("there").file_type();
                let url = server.url(arguments[0]);
                let run = place.get([&["--overwrite", overwrite, &url], &arguments[1..]].concat());
                run.assert(3, kind).assert(3, "1 failed");
                assert_eq!(symlink_metadata(place.path("x")).expect("there").file_type(), before, "{kind}");
                assert_eq!(place.names(), ["x"], "{kind}");
            }
        }
    }
}

#[test]
fn an_object_that_appears_during_the_download_is_not_replaced() {
    for (large, overwrite) in [(false, "never"), (false, "always"), (true, "never"), (true, "always")] {
        let place = TestDirectory::new();
        let path = place.path("x");
        let server = Server::start(move |_| {
            symlink("/nonexistent/x", &path).expect("a link");
            Reply::ok(content(1, if large { 600_000 } else { 6 }))
        });
        place.get(["--overwrite", overwrite, &server.url("/x")]).assert(3, "a dangling symbolic link");
        assert!(symlink_metadata(place.path("x")).expect("there").is_symlink());
    }
}

#[test]
fn a_symbolic_link_to_a_file_counts_as_the_file() {
    let server = Server::echo();
    let place = TestDirectory::new();
    place.write("target", "mine");
    symlink("target", place.path("x")).expect("a link");
    place.get([server.url("/x")]).assert(0, "1 already present");
    assert_eq!((place.text("x"), server.requests().len()), ("mine".to_owned(), 0));
}

#[test]
fn output_to_a_pipe_or_a_device_is_written_to_it() {
    let body = content(2, 700_000);
    for framing in FRAMINGS {
        let served = body.clone();
        let server = Server::start(move |request| match request.path.as_str() {
            "/small" => Reply::ok("small").framing(framing),
            _ => Reply::ok(served.clone()).framing(framing),
        });
        for (path, sent) in [("/small", &b"small"[..]), ("/large", &body)] {
            let place = TestDirectory::new();
            make_pipe(&place, "pipe");
            symlink("/dev/null", place.path("null")).expect("a link");
            for overwrite in ["never", "always"] {
                let pipe = place.path("pipe");
                let reader = std::thread::spawn(move || {
                    let mut read = vec![];
                    File::open(pipe).and_then(|mut pipe| pipe.read_to_end(&mut read)).map(|_| read)
                });
                let checksum = format!("sha256:{}", sha256(sent));
                let url = server.url(path);
                place.get(["-o", "pipe", "--checksum", &checksum, "--overwrite", overwrite, &url]).assert(0, "1 saved");
                assert!(reader.join().expect("no panic").expect("read") == *sent);
                place.get(["-o", "null", "--overwrite", overwrite, &url]).assert(0, "1 saved");
            }
            assert!(metadata(place.path("pipe")).expect("there").file_type().is_fifo());
            assert!(symlink_metadata(place.path("null")).expect("there").is_symlink());
            assert_eq!(place.names(), ["null", "pipe"]);
        }
    }
    let server = Server::echo();
    TestDirectory::new().get(["-o", "/dev/full", &server.url("/x")]).assert(3, "/dev/full: No space left");
}

#[test]
fn an_output_that_is_a_directory_is_an_error_before_any_request() {
    let server = Server::echo();
    let place = TestDirectory::new();
    fs::create_dir(place.path("sub")).expect("made");
    for (output, code, says) in [
        ("sub", 3, "is a directory"),
        ("sub/", 3, "is a directory"),
        ("..", 3, "is a directory"),
        ("new/", 2, "name of a file"),
    ] {
        place.get(["-o", output, &server.url("/x")]).assert(code, says).assert(code, "--dest");
    }
    assert!(server.requests().is_empty());
}

#[test]
fn a_tree_can_contain_a_file_and_a_directory_of_the_same_name() {
    let server = Server::echo();
    let host = server.url("").replace("http://", "").replace(':', "_");
    let contents = |place: &TestDirectory, paths: &[&str]| -> Vec<String> {
        paths.iter().map(|path| place.text(&format!("{host}/{path}"))).collect()
    };
    let urls = [["/a", "/a/b"], ["/a/b", "/a"]].map(|paths| paths.map(|path| server.url(path)));
    for urls in &urls {
        // For URLs of the command line, files keep their names.
        let place = TestDirectory::new();
        place.get(["--tree".to_owned()].iter().chain(urls)).assert(0, "2 saved");
        assert_eq!(contents(&place, &["a", "a.1/b"]), ["/a", "/a/b"]);
        place.get(["--tree".to_owned()].iter().chain(urls)).assert(0, "2 already present");
    }
    for (urls, paths) in urls.iter().zip([["a", "a.1/b"], ["a.1", "a/b"]]) {
        let place = TestDirectory::new();
        place.get_list(&urls.join("\n"), &["--tree"]).assert(0, "2 saved");
        assert_eq!(contents(&place, &paths), ["/a", "/a/b"]);
        place.get_list(&urls.join("\n"), &["--tree"]).assert(0, "2 already present");
    }
    // A file of an earlier run has the name of the directory.
    let place = TestDirectory::new();
    place.get(["--tree", &urls[0][0]]).assert(0, "1 saved");
    place.get(["--tree", &urls[0][1]]).assert(3, "one of its directories is a file");
}

#[test]
fn two_urls_with_the_same_name_from_the_server_are_both_saved() {
    for framing in FRAMINGS {
        let server = report_server(framing);
        for arguments in [&["-J"][..], &["-J", "--overwrite", "always"], &["-J", "--overwrite", "newer"], &["-J", "-N"]]
        {
            let place = TestDirectory::new();
            // The URL of the third one has this name.
            let urls = ["/january", "/february", "/report.pdf"].map(|path| server.url(path));
            let command = || arguments.iter().map(|argument| (*argument).to_owned()).chain(urls.clone());
            place.get(command()).assert(0, "3 saved");
            let is_complete = |place: &TestDirectory| {
                let names = ["report.1.pdf", "report.2.pdf", "report.pdf"];
                assert_eq!(place.names().iter().filter(|name| name.ends_with(".pdf")).collect::<Vec<_>>(), names);
                let mut contents = names.map(|name| place.text(name));
                contents.sort();
                assert_eq!(contents, ["/february", "/january", "/report.pdf"], "{arguments:?}");
            };
            is_complete(&place);
            // The next run replaces them or not, and still each has a file of its own.
            place.get(command()).assert(0, if arguments.len() == 1 { "3 already present" } else { "3 saved" });
            is_complete(&place);
        }
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_file_of_an_earlier_run_from_another_url_does_not_count_as_existing() {
    for overwrite in ["never", "newer", "always"] {
        let server = Server::start(|request| {
            let reply = Reply::ok(request.path.clone()).field("Content-Disposition", "inline; filename=report.pdf");
            match (request.path.as_str(), request.earlier) {
                ("/january", 0) => Reply::status(404),
                // In the second run, the response heads arrive in the other order.
                ("/february", 1) => reply.delay(Duration::from_millis(300)),
                _ => reply,
            }
        });
        let place = TestDirectory::new();
        let urls = ["/january", "/february"].map(|path| server.url(path));
        let get = || place.get(["-J", "--overwrite", overwrite].into_iter().chain(urls.iter().map(String::as_str)));
        get().assert(1, "1 saved, 1 failed");
        get().assert(0, if overwrite == "never" { "1 saved, 1 already present" } else { "2 saved" });
        assert_eq!((place.text("report.pdf"), place.text("report.1.pdf")), ("/february".into(), "/january".into()));
        // A file that was not saved by this program may be that of any URL.
        let other = TestDirectory::new();
        other.write("report.pdf", "mine");
        other.get(["-J", &urls[0]]).assert(0, "1 already present");
    }
}

#[test]
fn the_body_is_not_downloaded_if_the_file_with_the_name_from_the_server_is_kept() {
    let server = Server::start(|_| {
        let reply = Reply::ok(vec![0; 32 << 20]).field("Content-Disposition", "attachment; filename=have.bin");
        reply.field("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT")
    });
    for overwrite in ["never", "newer"] {
        let place = TestDirectory::new();
        place.write("have.bin", "mine");
        let run = place.get(["-J", "--json", "--overwrite", overwrite, &server.url("/x")]);
        run.assert(0, "1 already present");
        let path = run.line("done")["path"].as_str().expect("a path").to_owned();
        assert!(path.ends_with("/have.bin"), "{path}");
        assert_eq!((place.text("have.bin"), place.names().len()), ("mine".to_owned(), 1));
    }
    // The server may have sent as much as the socket buffers can hold.
    assert!(server.sent() < 32 << 20, "{} bytes were sent", server.sent());
}

#[test]
fn a_name_from_the_server_is_kept_for_retries() {
    let body = content(3, 700_000);
    let served = body.clone();
    let server = Server::start(move |request| {
        let reply = Reply::file(request, &served, "\"1\"").field("Content-Disposition", "inline; filename=real.bin");
        if request.earlier == 0 { reply.cut_after(400_000) } else { reply }
    });
    let place = TestDirectory::new();
    place.get(["-J", &server.url("/x")]).assert(0, "1 saved");
    assert!(place.read("real.bin") == body);
    assert_eq!(place.names(), ["real.bin"]);
}

#[test]
fn an_existing_file_that_does_not_match_its_checksum_is_downloaded_again() {
    let server = Server::echo();
    let (right, wrong) = (sha256(b"/x"), sha256(b"another"));
    for options in [&[][..], &["--overwrite", "newer"], &["-N"], &["-J"]] {
        for is_list in [true, false] {
            let place = TestDirectory::new();
            let get = |digest: &str| match is_list {
                true => place.get_list(&format!("{}\tx\tsha256:{digest}\n", server.url("/x")), options),
                false => place.get([&["--checksum", &format!("sha256:{digest}"), &server.url("/x")], options].concat()),
            };
            place.write("x", "half of it");
            get(&right).assert(0, "1 saved");
            assert_eq!(place.text("x"), "/x", "{options:?}");
            let requests = server.requests().len();
            get(&right).assert(0, "1 already present");
            let json = place.get_list(&format!("{}\tx\tsha256:{right}\n", server.url("/x")), &["--json"]);
            assert_eq!(json.line("done")["sha256"], right.as_str());
            assert!(options == ["-J"] || server.requests().len() == requests, "a file that is right is not asked for");
            // The server's version is wrong as well, so the existing file is kept.
            place.write("x", "mine");
            get(&wrong).assert(6, "checksum mismatch");
            assert_eq!(place.text("x"), "mine", "{options:?}");
        }
    }
}

#[test]
fn files_get_the_modification_time_of_the_server() {
    let (date, seconds) = ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777);
    let body = content(4, 700_000);
    let served = body.clone();
    let server = Server::start(move |request| {
        let reply = match request.path.as_str() {
            "/small" | "/x" => Reply::ok("small"),
            "/large" => Reply::ok(served.clone()),
            "/chunked" => Reply::ok(served.clone()).framing(Framing::Chunked),
            "/bad" => return Reply::ok("x").field("Last-Modified", "yesterday"),
            "/none" => return Reply::ok("x"),
            _ => {
                let reply = Reply::file(request, &served, "\"1\"");
                if request.earlier == 0 { reply.cut_after(400_000) } else { reply }
            }
        };
        reply.field("Last-Modified", date)
    });
    let place = TestDirectory::new();
    let started = SystemTime::now() - Duration::from_secs(2);
    let modified = |name: &str| metadata(place.path(name)).expect("the file").modified().expect("its time");
    let names = ["small", "large", "chunked", "resumed", "bad", "none"];
    let urls = names.map(|name| server.url(&format!("/{name}")));
    place.get(&urls).assert(0, "6 saved");
    for name in &names[..4] {
        assert_eq!(modified(name), SystemTime::UNIX_EPOCH + Duration::from_secs(seconds), "{name}");
    }
    assert!(names[4..].iter().all(|name| modified(name) > started));
    place.get(["--overwrite", "always", "-J", &urls[0]]).assert(0, "1 saved");
    assert!(modified("small") < started, "also under a name from the server");
    place.get(["--no-mtime", "--overwrite", "always", &urls[0], &urls[1]]).assert(0, "2 saved");
    assert!(modified("small") > started && modified("large") > started);
}

#[test]
fn newer_compares_with_last_modified_and_not_with_the_time_of_the_download() {
    // The server ignores If-Modified-Since in requests for `/ignores`.
    let server = Server::start(|request| {
        let (first, second) = ("Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 09:00:00 GMT");
        let date = if request.earlier < 2 { first } else { second };
        match request.field("If-Modified-Since") {
            Some(since) if since == date && request.path == "/obeys" => Reply::status(304),
            _ => Reply::ok(format!("of {date}")).field("Last-Modified", date),
        }
    });
    let place = TestDirectory::new();
    let urls = ["/obeys", "/ignores"].map(|path| server.url(path));
    let get = || place.get(["--overwrite", "newer"].into_iter().chain(urls.iter().map(String::as_str)));
    get().assert(0, "2 saved");
    get().assert(0, "2 already present");
    get().assert(0, "2 saved");
    for name in ["obeys", "ignores"] {
        assert_eq!(place.text(name), "of Sun, 06 Nov 1994 09:00:00 GMT");
    }
}

#[test]
fn newer_fetches_a_second_version_of_the_same_second_if_its_length_differs() {
    // The file is modified twice in one second, and downloaded in between.
    let date = httpdate::fmt_http_date(SystemTime::now());
    let server = Server::start(move |request| {
        let body = if request.earlier == 0 { "first" } else { "the second" };
        match request.field("If-Modified-Since") {
            Some(since) if since == date => Reply::status(304),
            _ => Reply::ok(body).field("Last-Modified", &date),
        }
    });
    let place = TestDirectory::new();
    let get = || place.get(["--overwrite", "newer", &server.url("/x")]);
    get().assert(0, "1 saved");
    get().assert(0, "1 saved");
    assert_eq!(place.text("x"), "the second");
    get().assert(0, "1 already present");
}

#[test]
fn max_filesize_is_the_largest_size_that_is_downloaded() {
    for framing in FRAMINGS {
        let server = Server::start(move |request| {
            let length = request.path[1..].parse().expect("a length");
            Reply::ok(vec![b'x'; length]).framing(framing)
        });
        for limit in [1, 4096, 256 * 1024, 600_000] {
            let place = TestDirectory::new();
            let (fits, larger) = (server.url(&format!("/{limit}")), server.url(&format!("/{}", limit + 1)));
            let run = place.get(["--max-filesize", &limit.to_string(), "--retry", "0", &fits, &larger]);
            run.assert(5, "1 saved, 1 failed").assert(5, "--max-filesize");
            assert_eq!(place.read(&limit.to_string()).len(), limit, "{framing:?}");
            assert!(!place.path(&(limit + 1).to_string()).exists(), "{framing:?}");
        }
    }
}

#[test]
#[ignore = "needs strace"]
fn files_are_synced_before_they_are_reported() {
    let body = content(5, 600_000);
    let server = Server::start(move |request| match request.path.as_str() {
        "/small" => Reply::ok("x"),
        _ => Reply::ok(body.clone()).field("ETag", "\"1\""),
    });
    for (fsync, syncs) in [("none", 0), ("file", 2), ("full", 4)] {
        let (place, log) = (TestDirectory::new(), TestDirectory::new());
        let command = place.command(["--fsync", fsync, &server.url("/small"), &server.url("/large")]);
        let mut strace = std::process::Command::new("strace");
        strace.args(["-f", "-e", "trace=fsync,fdatasync", "-o"]).arg(log.path("log"));
        let status = strace.arg(command.get_program()).args(command.get_args()).status().expect("strace runs");
        assert!(status.success());
        let calls = log.text("log").lines().filter(|line| line.contains("sync(")).count();
        assert_eq!(calls, syncs, "{fsync}: {}", log.text("log"));
    }
}
