//! I12 where the system gives no more threads, in a process of its own since the limit is the process's.

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
#[path = "support/watchdog.rs"]
mod watchdog;

#[cfg(target_os = "linux")]
fn main() {
    watchdog::watch();
    linux::i12_a_thread_that_cannot_be_started_makes_the_pool_smaller();
    println!("i12_a_thread_that_cannot_be_started_makes_the_pool_smaller ... ok");
}

#[cfg(target_os = "linux")]
mod linux {
    use std::sync::mpsc;

    use glassloop::{EventLoop, JobError, ThreadPool, run_in_executor};
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    /// A new thread's stack is two megabytes: leaves room for less.
    fn allow_no_more_threads() {
        let pages = std::fs::read_to_string("/proc/self/statm").expect("Linux has it");
        let pages: u64 = pages.split(' ').next().and_then(|first| first.parse().ok()).expect("a number of pages");
        let current = Some(pages * rustix::param::page_size() as u64 + 512 * 1024);
        setrlimit(Resource::As, Rlimit { current, ..getrlimit(Resource::As) }).expect("a lower limit");
    }

    fn allow_threads() {
        let limit = getrlimit(Resource::As);
        setrlimit(Resource::As, Rlimit { current: limit.maximum, ..limit }).expect("back to what it was");
    }

    pub fn i12_a_thread_that_cannot_be_started_makes_the_pool_smaller() {
        let mut event_loop = EventLoop::new().expect("a loop");
        let run = async {
            let pool = ThreadPool::new("small", 2);
            allow_no_more_threads();
            let refused = run_in_executor(Some(&pool), || 1).await;
            allow_threads();
            assert!(matches!(refused, Err(JobError::NoThread(_))), "{refused:?}");

            let (release, gate) = mpsc::channel::<()>();
            let first = run_in_executor(Some(&pool), move || gate.recv().is_ok());
            allow_no_more_threads();
            let second = run_in_executor(Some(&pool), || 2);
            allow_threads();
            assert_eq!(pool.threads_started(), 1);
            release.send(()).expect("the first job waits");
            assert!(first.await.expect("no panic"));
            assert_eq!(second.await.expect("the one thread does it"), 2);
        };
        event_loop.block_on(run).expect("it runs");
    }
}
