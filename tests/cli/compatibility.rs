//! Options of curl, wget and aria2c are accepted, or the message names the option to use instead.

use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;

use crate::server::{Reply, Server};
use crate::{glassloop, run, stderr};

fn temporary() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

/// Returns the host, port and path of a URL, without its scheme.
fn without_scheme(url: &str) -> &str {
    url.strip_prefix("http://").expect("an http URL")
}

#[test]
fn options_of_curl_and_wget_are_accepted() {
    let server = Server::start(|request| match request.path.as_str() {
        "/moved" => Reply::redirect(302, "/file"),
        _ => Reply::ok("content"),
    });
    let (file, moved) = (server.url("/file"), server.url("/moved"));
    for arguments in [
        &["get", "-L", &moved][..],
        &["get", "-O", &file],
        &["get", "-s", &file],
        &["get", "-fsSL", &moved],
        &["get", "-LO", &file],
        &["get", "-q", "-P", ".", &file],
        &["get", "-c", &file],
        &["get", "-x", server.url("").as_str(), "http://a.test/file"],
        &["get", without_scheme(&file)],
    ] {
        let directory = temporary();
        let output = run(directory.path(), arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
        let names: Vec<_> = fs::read_dir(directory.path()).expect("readable").collect();
        assert_eq!(names.len(), 1, "{arguments:?}");
    }
}

#[test]
fn a_single_file_is_named_in_the_report() {
    let server = Server::echo();
    let directory = temporary();
    let (url, other) = (server.url("/name.iso"), server.url("/other"));
    let output = run(directory.path(), &["get", &url]);
    assert!(stderr(&output).starts_with("1 saved: ./name.iso; "), "{}", stderr(&output));
    let output = run(directory.path(), &["get", &url]);
    assert!(stderr(&output).starts_with("1 already present: ./name.iso; "), "{}", stderr(&output));
    let output = run(directory.path(), &["get", "-d", "sub", &url, &other]);
    assert!(stderr(&output).starts_with("2 saved; "), "{}", stderr(&output));
}

#[test]
fn redirected_output_gets_a_message_that_says_where_the_file_is() {
    let server = Server::echo();
    let directory = temporary();
    let url = server.url("/file").replace("http://", "http://me:secret@");
    let printed = |arguments: &[&str], stdout: Stdio| {
        let mut command = glassloop(directory.path(), &[&["get", "--overwrite", "always"], arguments].concat());
        let output = command.stdout(stdout).stderr(Stdio::piped()).output().expect("it runs");
        stderr(&output).to_owned()
    };
    let file = || Stdio::from(File::create(directory.path().join("out")).expect("created"));
    let message =
        "glassloop: nothing was written to standard output: the file is ./file; use -o - for standard output\n";
    for stdout in [file(), Stdio::piped()] {
        for arguments in [&[&url[..]][..], &["-s", &url]] {
            let stderr = printed(arguments, if arguments.len() == 1 { file() } else { Stdio::piped() });
            assert!(stderr.ends_with(message) && !stderr.contains("secret"), "{stderr}");
        }
        drop(stdout);
    }
    for (arguments, stdout) in [
        (&[&url[..]][..], Stdio::null()),
        (&["-q", &url], file()),
        (&["-o", "-", &url], file()),
        (&["--json", &url], file()),
        (&["--dry-run", &url], file()),
        (&[&url, &url], file()),
    ] {
        let stderr = printed(arguments, stdout);
        assert!(!stderr.contains("nothing was written"), "{arguments:?}: {stderr}");
    }
}

#[test]
fn a_command_is_needed_before_a_url() {
    let output = run(Path::new("."), &["http://me:secret@a.test/"]);
    assert_eq!(stderr(&output), "glassloop: a URL is not a command; use `glassloop get URL`\n");
}
