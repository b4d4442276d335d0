//! Signals, kills and full disks: the files that they leave, and how the next run resumes them.

use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::run::{Run, TestDirectory, content};
use crate::server::{Reply, Server};

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).expect("it runs");
}

/// Returns the number of the requested file.
fn number_in(head: &str) -> usize {
    let path = head.split(' ').nth(1).expect("a request line");
    path[1..].parse().expect("a number")
}

/// Returns the offset of the first requested byte.
fn first_byte(head: &str) -> u64 {
    let range = head.lines().find_map(|line| line.strip_prefix("range: bytes="));
    range.map_or(0, |range| range.trim_end_matches('-').parse().expect("a number"))
}

/// Starts a server whose bodies take seconds while the flag is set.
fn slow(body: Vec<u8>, is_slow: Arc<AtomicBool>) -> Server {
    Server::start(move |request| {
        let reply = Reply::file(request, &body, "\"1\"");
        if is_slow.load(Ordering::Relaxed) { reply.rate(512) } else { reply }
    })
}

#[test]
fn after_a_signal_the_report_is_printed_and_the_next_run_resumes() {
    for (which, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let body = content(1, 2 << 20);
        let is_slow = Arc::new(AtomicBool::new(true));
        let server = slow(body.clone(), is_slow.clone());
        let place = TestDirectory::new();
        let list: String = (0..20).map(|number| format!("{}\n", server.url(&format!("/{number}")))).collect();
        place.write("list", &list);
        let mut command = place.command(["-i".as_ref(), place.path("list").as_os_str()]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the command runs");
        while server.sent() < 200_000 {
            std::thread::yield_now();
        }
        signal(&child, which);
        let run: Run = child.wait_with_output().expect("it ends").into();
        run.assert(code, "20 cancelled");
        run.assert(code, "glassloop: interrupted; run the same command again to continue\n");
        assert!(place.names().iter().any(|name| name.ends_with(".part")), "{:?}", place.names());
        is_slow.store(false, Ordering::Relaxed);
        place.get(["-i".as_ref(), place.path("list").as_os_str()]).assert(0, "20 saved");
        assert!((0..20).all(|number| place.read(&number.to_string()) == body));
    }
}

/// The process is stopped while it receives both signals. When it continues, their handlers run before the loop does
/// anything, so a loop that is blocked would make no difference.
#[test]
fn a_second_signal_exits_from_its_handler() {
    let server = slow(content(1, 2 << 20), Arc::new(AtomicBool::new(true)));
    let exits_from_the_handler = || {
        let (place, requests) = (TestDirectory::new(), server.requests().len());
        let mut command = place.command([server.url("/1")]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the command runs");
        while server.requests().len() == requests {
            std::thread::yield_now();
        }
        signal(&child, Signal::STOP);
        let stat = format!("/proc/{}/stat", child.id());
        while !std::fs::read_to_string(&stat).expect("Linux has it").contains(") T ") {
            std::thread::yield_now();
        }
        for which in [Signal::INT, Signal::TERM, Signal::CONT] {
            signal(&child, which);
        }
        let run: Run = child.wait_with_output().expect("it ends").into();
        assert!([Some(130), Some(143)].contains(&run.code), "{}", run.stderr);
        !run.stderr.contains("1 cancelled")
    };
    // If two threads run the handlers at the same time, neither of them is the second one.
    assert!((0..50).any(|_| exits_from_the_handler()));
}

#[test]
fn after_twenty_kills_all_files_are_complete_and_nothing_on_disk_was_downloaded_twice() {
    let sizes = [100, 5_000, 60_000, 300_000, 900_000, 2_500_000];
    let files: Vec<Vec<u8>> = (0..48).map(|number| content(number, sizes[number as usize % sizes.len()])).collect();
    let served = files.clone();
    let server = Server::start(move |request| {
        let number: usize = request.path[1..].parse().expect("a number");
        Reply::file(request, &served[number], &format!("\"{number}\"")).rate(8 * 1024)
    });
    let place = TestDirectory::new();
    let list: String = (0..files.len()).map(|number| format!("{}\n", server.url(&format!("/{number}")))).collect();
    let list_file = TestDirectory::new();
    list_file.write("list", &list);
    let list = list_file.path("list");
    let command = || place.command(["-i".as_ref(), list.as_os_str()]);
    let all: u64 = files.iter().map(|file| file.len() as u64).sum();
    // The number of bytes of each part after the latest kill. The next run requests the bytes after them.
    let mut kept = vec![0; files.len()];
    let mut checked = 0;
    let mut check_requests = |kept: &[u64]| {
        let requests = server.requests();
        for head in &requests[checked..] {
            assert_eq!(first_byte(head), kept[number_in(head)], "{head}");
        }
        checked = requests.len();
    };
    for round in 1..=20 {
        let mut child = command().stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the command runs");
        // Kill after another twenty-first of the bytes.
        while server.sent() < all * round / 21 && child.try_wait().expect("its state").is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        child.kill().expect("it can be killed");
        child.wait().expect("it ends");
        check_requests(&kept);
        for (number, kept) in kept.iter_mut().enumerate() {
            *kept = std::fs::metadata(place.path(&format!("{number}.part"))).map_or(0, |part| part.len());
        }
    }
    assert!(kept.iter().any(|&bytes| bytes > 0), "the last kill left no part");
    let run: Run = command().output().expect("the command runs").into();
    run.assert(0, "");
    for (number, file) in files.iter().enumerate() {
        assert!(place.read(&number.to_string()) == *file, "{number}");
    }
    assert_eq!(place.names().len(), files.len(), "{:?}", place.names());
    check_requests(&kept);
}

#[test]
#[ignore = "needs a mount namespace (unshare)"]
fn after_a_full_disk_the_parts_can_be_resumed_elsewhere() {
    let body = content(2, 700_000);
    let served = body.clone();
    let server = Server::start(move |request| Reply::file(request, &served, "\"1\"").rate(64 * 1024));
    let place = TestDirectory::new();
    std::fs::create_dir(place.path("small")).expect("made");
    let script = format!(
        "mount -t tmpfs -o size=1m none {0}/small && cd {0}/small &&
         {1} get --progress none -d . {2} {3} {4}; code=$?; cp -a . {0}/kept; exit $code",
        place.folder().display(),
        env!("CARGO_BIN_EXE_glassloop"),
        server.url("/a"),
        server.url("/b"),
        server.url("/c"),
    );
    let mut unshare = std::process::Command::new("unshare");
    let output = unshare.args(["-Urm", "sh", "-c", &script]).output().expect("unshare runs");
    let run: Run = output.into();
    run.assert(3, "No space left on device").assert(3, "free some space");
    let kept = place.path("kept");
    let arguments = ["a", "b", "c"].map(|name| server.url(&format!("/{name}")));
    let before = server.sent();
    let mut command = place.command(arguments);
    let run: Run = command.arg("--dest").arg(&kept).output().expect("the command runs").into();
    run.assert(0, "saved");
    for name in ["a", "b", "c"] {
        assert!(std::fs::read(kept.join(name)).expect("the file") == body, "{name}");
    }
    assert!(server.sent() - before < 2 * body.len() as u64, "the parts were continued");
}
