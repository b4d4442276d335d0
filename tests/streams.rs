//! Standard output and standard error of every command when they are full, closed, or not read.
#![cfg(feature = "cli")]
#![cfg(unix)]

#[path = "support/server.rs"]
#[expect(dead_code, reason = "the answers of this file are simple")]
mod server;
#[path = "support/watchdog.rs"]
mod watchdog;

use std::fs::{self, File};
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::{Pid, Signal, kill_process};

use server::{Reply, Server};

fn glassloop(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_glassloop"));
    command.args(arguments).current_dir(folder).stdin(Stdio::null());
    for name in ["http_proxy", "all_proxy", "no_proxy", "ALL_PROXY", "NO_PROXY", "RUST_LOG", "GLASSLOOP_TRACE"] {
        command.env_remove(name);
    }
    command
}

/// Returns the two kinds of streams that cannot be written: a full device, and a pipe without a reader.
fn unwritable() -> [(&'static str, Stdio); 2] {
    let full = File::options().write(true).open("/dev/full").expect("Linux has it");
    let (reader, writer) = pipe().expect("a pipe");
    drop(reader);
    [("full", full.into()), ("closed", writer.into())]
}

/// Returns a full pipe, so that every write to it blocks.
fn unread() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = pipe().expect("a pipe");
    let flags = fcntl_getfl(&writer).expect("its flags");
    fcntl_setfl(&writer, flags | OFlags::NONBLOCK).expect("set");
    while writer.write(b"x").is_ok() {}
    // The child shares the flags.
    fcntl_setfl(&writer, flags).expect("set");
    (reader, writer)
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).expect("it runs");
}

/// Waits until a condition holds, by polling it.
fn wait_until(mut condition: impl FnMut() -> bool) {
    while !condition() {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Returns whether the process waits and has a handler for this signal. While it still runs, it may be installing the
/// handler: signal-hook loses a signal that arrives between `sigaction` and the storing of what the handler does.
fn handles(child: &Child, which: Signal) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).expect("the status of a process");
    let field = |name| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let mask = field("SigCgt:").and_then(|mask| u64::from_str_radix(mask, 16).ok()).expect("the caught signals");
    field("State:").is_some_and(|state| state.starts_with('S')) && mask & (1 << (which.as_raw() - 1)) != 0
}

fn recording(folder: &Path) {
    let made = glassloop(folder, &["flags", "BR", "--trace", "run.jsonl"]).stderr(Stdio::null()).status();
    assert!(made.expect("it starts").success());
}

#[test]
fn standard_error_that_cannot_be_written_changes_no_exit_code_and_loses_no_file() {
    let server = Server::start(|request| match request.path.as_str() {
        "/missing" => Reply::status(404),
        _ => Reply::ok("x"),
    });
    let (good, missing) = (server.url("/good"), server.url("/missing"));
    let cases: &[(&[&str], &[&str], i32)] = &[
        (&["get", &good], &["good"], 0),
        (&["get", &good, "-q"], &["good"], 0),
        (&["get", &good, "--explain", "--summary", "--slow-poll", "0"], &["good"], 0),
        (&["get", &good, "--progress", "bar"], &["good"], 0),
        (&["get", &missing], &[], 1),
        (&["get", &missing, &good], &["good"], 1),
        (&["get", "ftp://a.test/x", &good], &["good"], 2),
        (&["get", "--dry-run", "ftp://a.test/x"], &[], 2),
        (&["get", "--no-such-option"], &[], 2),
        (&["get", "-o", "no/such/../file", "-i", "missing-list"], &[], 2),
        (&["flags", "BR", "-d", "."], &["br.gif"], 0),
        (&["flags", "BR", "-v", "-d", "."], &["br.gif"], 0),
        (&["flags", "BR", "--explain", "-d", "."], &["br.gif"], 0),
        (&["flags", "nonsense"], &[], 2),
        (&["trace", "check", "missing.jsonl"], &[], 2),
        (&["serve", "missing"], &[], 2),
    ];
    for (arguments, files, code) in cases {
        for log in ["warn", "trace"] {
            for (how, stderr) in unwritable() {
                let folder = tempfile::tempdir().expect("a folder");
                let mut command = glassloop(folder.path(), arguments);
                let status = command.env("RUST_LOG", log).stdout(Stdio::null()).stderr(stderr).status();
                assert_eq!(status.expect("it starts").code(), Some(*code), "{arguments:?}, {log}: {how}");
                for file in *files {
                    assert!(folder.path().join(file).exists(), "{arguments:?}, {log}: {how}");
                }
            }
        }
    }
}

#[test]
fn requested_output_that_cannot_be_written_is_exit_code_3() {
    let server = Server::echo();
    let (one, two) = (server.url("/one"), server.url("/two"));
    let folder = tempfile::tempdir().expect("a folder");
    recording(folder.path());
    let cases: &[&[&str]] = &[
        &["get", &one, &two, "--json"],
        &["get", &one, "-o", "-"],
        &["get", &one, "--dry-run"],
        &["trace", "check", "run.jsonl"],
        &["trace", "stats", "run.jsonl"],
        &["trace", "explain", "run.jsonl"],
        &["trace", "perfetto", "run.jsonl"],
        &["trace", "html", "run.jsonl"],
        &["serve", ".", "-p", "0"],
        &["serve", "--ports", "0,0,0"],
        &["--help"],
        &["--version"],
        &["help", "get"],
        &["get", "--help"],
    ];
    for arguments in cases {
        for (how, stdout) in unwritable() {
            let run = glassloop(folder.path(), arguments).stdout(stdout).output().expect("it starts");
            let said = String::from_utf8_lossy(&run.stderr);
            assert_eq!(run.status.code(), Some(3), "{arguments:?}, {how}: {said}");
            assert!(said.contains("standard output"), "{arguments:?}, {how}: {said}");
        }
    }
    for name in ["one", "two"] {
        assert!(folder.path().join(name).exists(), "the files are saved nevertheless");
    }
}

#[test]
fn standard_output_that_is_open_for_reading_only_is_exit_code_3_too() {
    let server = Server::echo();
    let url = server.url("/x");
    let folder = tempfile::tempdir().expect("a folder");
    for arguments in [&["get", &url, "--json"][..], &["get", &url, "-o", "-"], &["get", &url, "--dry-run"]] {
        let stdout = File::open("/dev/null").expect("it is there");
        let run = glassloop(folder.path(), arguments).stdout(stdout).output().expect("it starts");
        assert_eq!(run.status.code(), Some(3), "{arguments:?}: {}", String::from_utf8_lossy(&run.stderr));
    }
}

/// Returns the exit status of a command after one signal, while a stream is not read. `is_ready` returns whether to send
/// the signal.
fn end_of(command: &mut Command, which: Signal, is_ready: impl Fn(&Child) -> bool) -> ExitStatus {
    let mut child = command.spawn().expect("it starts");
    wait_until(|| is_ready(&child));
    signal(&child, which);
    child.wait().expect("it ends")
}

#[test]
fn one_signal_ends_a_command_whose_streams_are_not_read() {
    let server = Server::start(|request| match request.path.as_str() {
        "/large" => Reply::ok(vec![0; 8 << 20]),
        path if path.starts_with("/slow") => Reply::ok(vec![0; 1 << 20]).rate(1),
        _ => Reply::ok("x"),
    });
    let (slow, large) = (server.url("/slow"), server.url("/large"));
    let folder = tempfile::tempdir().expect("a folder");
    // More lines than are read ahead of their readers, and then a transfer that does not end.
    let list = format!("{slow}\n{}", "nonsense\n".repeat(50_000));
    fs::write(folder.path().join("list"), list).expect("a list");
    let many: String = (0..500).map(|number| format!("{}\n", server.url(&format!("/slow{number}")))).collect();
    fs::write(folder.path().join("many"), many).expect("a list");
    for (which, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        for arguments in [
            &["get", "-i", "list"][..],
            &["get", "-i", "list", "--json"],
            &["get", &slow, "--progress", "plain"],
            &["get", "-i", "many", "--explain", "--summary"],
            &["get", "-o", "-", &large],
            &["flags", "BR", "-v", "-s", "DELAY"],
        ] {
            let (requests, (_reader, writer)) = (server.requests().len(), unread());
            let mut command = glassloop(folder.path(), arguments);
            command.stderr(writer.try_clone().expect("a descriptor")).stdout(writer);
            let asks_us = arguments[0] == "get";
            let ended = end_of(&mut command, which, |child| {
                handles(child, which) && (!asks_us || server.requests().len() > requests)
            });
            assert_eq!(ended.code(), Some(code), "{arguments:?}");
        }
        for arguments in [&["serve", ".", "-p", "0"][..], &["serve", "--ports", "0,0,0", "-v", "--explain"]] {
            let (_reader, writer) = unread();
            let mut command = glassloop(folder.path(), arguments);
            command.stderr(writer.try_clone().expect("a descriptor")).stdout(writer);
            assert_eq!(end_of(&mut command, which, |child| handles(child, which)).code(), Some(0), "{arguments:?}");
        }
    }
}

#[test]
fn a_signal_ends_a_command_that_has_only_output_left_to_write() {
    let server = Server::echo();
    let url = server.url("/x");
    let folder = tempfile::tempdir().expect("a folder");
    recording(folder.path());
    for (arguments, is_stdout) in [(&["get", &url][..], false), (&["get", &url, "--json", "-q"], true)] {
        let (_reader, writer) = unread();
        let mut command = glassloop(folder.path(), arguments);
        if is_stdout {
            command.stdout(writer)
        } else {
            command.stderr(writer)
        };
        let file = folder.path().join("x");
        let ended = end_of(&mut command, Signal::INT, |_| file.exists());
        assert_eq!(ended.code(), Some(130), "{arguments:?}");
        fs::remove_file(file).expect("it was saved");
    }
    // No loop, no handlers: the signal ends the process. SIGINT may be ignored, as in background jobs of a shell.
    for arguments in [&["get", &url, "--dry-run"][..], &["trace", "explain", "run.jsonl"], &["--help"]] {
        let (_reader, writer) = unread();
        let ended = end_of(glassloop(folder.path(), arguments).stdout(writer), Signal::TERM, |_| true);
        assert_eq!(ended.signal(), Some(Signal::TERM.as_raw()), "{arguments:?}");
    }
}

#[test]
fn a_reader_that_is_late_gets_everything() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("list"), "nonsense\n".repeat(50_000)).expect("a list");
    let mut child = glassloop(folder.path(), &["get", "-i", "list", "--json", "--progress", "none"])
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let (mut stdout, mut stderr) = (child.stdout.take().expect("a pipe"), child.stderr.take().expect("a pipe"));
    let printed = std::thread::spawn(move || {
        let mut printed = String::new();
        stdout.read_to_string(&mut printed).map(|_| printed)
    });
    let mut said = String::new();
    stderr.read_to_string(&mut said).expect("text");
    let printed = printed.join().expect("no panic").expect("text");
    assert_eq!(child.wait().expect("it ends").code(), Some(2));
    assert_eq!((said.lines().count(), printed.lines().count()), (50_001, 50_001));
}
