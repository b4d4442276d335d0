//! The parent sends signals to a child whose main thread sleeps in the reactor.

use std::cell::Cell;
use std::process::Command;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use glassloop::observe::{Event, EventKind, Observer};
use glassloop::{EventLoop, sleep};

/// Set for the child.
const CHILD: &str = "GLASSLOOP_TEST_CHILD";

pub fn main() {
    if std::env::var_os(CHILD).is_some() {
        return i10_a_signal_ends_no_sleep_early_and_is_no_error();
    }
    let this = std::env::current_exe().expect("a running program has a path");
    let mut child = Command::new(this).env(CHILD, "1").spawn().expect("the child starts");
    let status = loop {
        if let Some(status) = child.try_wait().expect("the child can be waited for") {
            break status;
        }
        // Before its handler is there a signal would end the child: it says when by creating the file.
        if child_is_ready(child.id()) {
            let process = rustix::process::Pid::from_child(&child);
            let _it_has_just_ended = rustix::process::kill_process(process, rustix::process::Signal::USR1);
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    let _ = std::fs::remove_file(ready_file(child.id()));
    assert!(status.success(), "the child failed");
    println!("i10_a_signal_ends_no_sleep_early_and_is_no_error ... ok");
}

fn ready_file(process: u32) -> std::path::PathBuf {
    std::env::temp_dir().join(format!("glassloop-signals-{process}"))
}

fn child_is_ready(process: u32) -> bool {
    ready_file(process).exists()
}

/// Counts sleeps that ended with nothing to show: a signal.
struct Interruptions {
    seen: Rc<Cell<u32>>,
    /// When the sleep going on should end.
    until: Duration,
}

impl Observer for Interruptions {
    fn event(&mut self, event: &Event<'_>) {
        match event.kind {
            EventKind::WaitBegin { timeout, .. } => self.until = event.time + timeout.unwrap_or(Duration::MAX / 2),
            EventKind::WaitEnd { events: 0, woken: false } if event.time < self.until => {
                self.seen.set(self.seen.get() + 1)
            }
            _ => {}
        }
    }
}

fn i10_a_signal_ends_no_sleep_early_and_is_no_error() {
    let signalled = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGUSR1, signalled).expect("a harmless handler");
    let seen = Rc::new(Cell::new(0));
    let observer = Interruptions { seen: seen.clone(), until: Duration::ZERO };
    let mut event_loop = EventLoop::builder().observer(observer).build().expect("a loop");
    std::fs::write(ready_file(std::process::id()), "").expect("a file for the parent");
    let run = event_loop.block_on(async {
        while seen.get() < 3 {
            let (started, wanted) = (Instant::now(), Duration::from_millis(20));
            sleep(wanted).await;
            assert!(started.elapsed() >= wanted, "slept only {:?}", started.elapsed());
        }
    });
    run.expect("EINTR is no error");
}
