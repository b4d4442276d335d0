//! A time limit for tests: a test that hangs becomes a failure with a name.

use std::io::Write;
use std::process::abort;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

/// Far more than any test needs, also with six test binaries on two processors. `GLASSLOOP_TEST_LIMIT` (seconds) replaces it.
const LIMIT: Duration = Duration::from_secs(120);

thread_local! {
    /// Dropped when the thread of the test ends, which ends the watchdog.
    static WATCHED: Option<Sender<()>> = start();
}

/// Aborts this test binary, after printing the name of the calling test, if the test runs longer than the limit. It counts from
/// the first call; further calls change nothing.
pub(crate) fn watch() {
    WATCHED.with(|_| ());
}

fn start() -> Option<Sender<()>> {
    // The test harness runs each test on a thread that has the name of the test.
    let test = thread::current().name()?.to_owned();
    let seconds = std::env::var("GLASSLOOP_TEST_LIMIT").ok().and_then(|limit| limit.parse().ok());
    let limit = seconds.map_or(LIMIT, Duration::from_secs);
    let (sender, end) = channel();
    let (ready, started) = channel();
    let wait = move || {
        let _test_is_waiting = ready.send(());
        if end.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
            // Not `eprintln`: the harness would capture the line and never print it.
            let line = format!("\ntest {test} did not end within {} s; the test binary is aborted\n", limit.as_secs());
            let _stderr_is_closed = std::io::stderr().write_all(line.as_bytes());
            kill_children();
            abort();
        }
    };
    thread::Builder::new().name("watchdog".to_owned()).spawn(wait).expect("a thread");
    // The test may lower a limit that a thread needs to start.
    started.recv().expect("the watchdog has started");
    Some(sender)
}

/// Kills the processes that this one has started: they would outlive it.
fn kill_children() {
    #[cfg(target_os = "linux")]
    for thread in std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        let children = std::fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        for child in children.split_whitespace().filter_map(|pid| rustix::process::Pid::from_raw(pid.parse().ok()?)) {
            let _ended = rustix::process::kill_process(child, rustix::process::Signal::KILL);
        }
    }
}
