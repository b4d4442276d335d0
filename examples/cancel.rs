//! Coordination: dropping a future cancels an HTTP exchange, but not a blocking job that is already running.
//!
//!     cargo run --release --example cancel
//!
//! An exchange that is dropped at any point closes its connection at once, so the rest of its response can never be
//! taken for the response to the next request. A job on the thread pool is different: a thread cannot be stopped from
//! outside, so a job that is running when its handle is dropped continues to its end, and its file is written. Only a
//! job that has not started, and that was marked as `cancellable`, is removed from the queue.
//!
//! To try next: remove `.cancellable()`; set a `limit` longer than the delay, and see how the number of idle
//! connections changes.

mod support;

use std::process::ExitCode;
use std::time::Duration;

use glassloop::futures::timeout;
use glassloop::http::client::Client;
use glassloop::{Job, ThreadPool, run_in_executor, sleep};

use support::countries::body_of;

fn main() -> ExitCode {
    support::main(include_str!("cancel.rs"), &["--server URL"], |arguments| {
        let (site, directory, client) = (support::site(arguments)?, support::temporary_dir()?, Client::new());
        let path = |name: &str| directory.path().join(name);
        support::event_loop()?.block_on(async {
            let url = format!("{}/br/br.gif", site.base_url());
            let slow = client.get(&format!("{url}?gl-delay=2000"));
            let limit = Duration::from_millis(100);
            match timeout(limit, async { body_of(slow.await).await }).await {
                Ok(_) => println!("the exchange completed in time"),
                Err(elapsed) => println!("the exchange: {elapsed}; it was dropped"),
            }
            println!("   idle connections in the pool: {}", client.connections_idle());
            body_of(client.get(&url).await).await?;
            println!("   after a completed exchange:   {}", client.connections_idle());

            // The pool has one thread, so the second job is queued while the first runs.
            let pool = ThreadPool::new("one thread", 1);
            let (running_path, queued_path) = (path("running"), path("queued"));
            let running = run_in_executor(Some(&pool), move || {
                std::thread::sleep(Duration::from_millis(200));
                std::fs::write(running_path, "complete")
            });
            let job = Job::new(move || std::fs::write(queued_path, "complete")).cancellable();
            let queued = run_in_executor(Some(&pool), job);
            sleep(Duration::from_millis(50)).await;
            drop((running, queued));
            println!("two jobs were dropped: one was running, the other was queued and cancellable");
            // This job is behind both in the queue, so when it completes they are over.
            run_in_executor(Some(&pool), || ()).await?;
            for name in ["running", "queued"] {
                println!("   the {name} job wrote its file: {}", path(name).exists());
            }
            Ok(())
        })?
    })
}
