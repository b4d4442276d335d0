//! I12 where the system gives no more threads, in a process of its own since the limit is the process's.

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
#[path = "support/watchdog.rs"]
mod watchdog;

#[cfg(target_os = "linux")]
fn main() {
    watchdog::watch();
    // First the one in which no thread ends: the C library keeps the stacks of those that have, and needs no memory for more.
    linux::i14_a_mandatory_job_without_a_thread_runs_before_the_loop_is_gone();
    println!("i14_a_mandatory_job_without_a_thread_runs_before_the_loop_is_gone ... ok");
    linux::i12_a_thread_that_cannot_be_started_makes_the_pool_smaller();
    println!("i12_a_thread_that_cannot_be_started_makes_the_pool_smaller ... ok");
}

#[cfg(target_os = "linux")]
mod linux {
    use std::sync::mpsc;

    use std::sync::{Arc, Mutex};

    use glassloop::event_loop::ShutdownReport;
    use glassloop::{EventLoop, Job, JobError, ThreadPool, run_in_executor};
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
            assert!(matches!(refused, Err(JobError::SpawnThread(_))), "{refused:?}");

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

    /// Whoever awaits such a job is answered with an error. The others have nobody to answer to, and run in the end.
    pub fn i14_a_mandatory_job_without_a_thread_runs_before_the_loop_is_gone() {
        let ran = Arc::new(Mutex::new(Vec::new()));
        let job = |what: &'static str| {
            let ran = ran.clone();
            Job::new(move || ran.lock().unwrap().push(what)).label(what)
        };
        let mut event_loop = EventLoop::builder().pool_threads(1).pool_queue_capacity(1).build().expect("a loop");
        let [kept] = event_loop
            .block_on(async {
                let pool = ThreadPool::with_queue_capacity("own", 1, 1);
                allow_no_more_threads();
                drop(run_in_executor(None, job("dropped")));
                drop(run_in_executor(None, job("cancellable").cancellable()));
                drop(run_in_executor(Some(&pool), job("dropped, on a pool of its own")));
                let awaited = run_in_executor(None, job("awaited")).await;
                assert!(matches!(awaited, Err(JobError::SpawnThread(_))), "{awaited:?}");
                [run_in_executor(None, job("kept and not polled"))]
            })
            .expect("a job that was refused holds up nobody");
        let stuck = event_loop.block_on(std::future::pending::<()>()).expect_err("nothing can happen any more");
        assert!(stuck.to_string().starts_with("deadlock"), "{stuck}");
        let report = event_loop.shutdown();
        allow_threads();
        assert_eq!(report, ShutdownReport::default());
        assert_eq!(*ran.lock().unwrap(), ["dropped", "dropped, on a pool of its own", "kept and not polled"]);
        let result = EventLoop::new().expect("a loop").block_on(kept).expect("it has run");
        assert!(result.is_ok(), "{result:?}");
    }
}
