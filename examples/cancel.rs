//! Coordination: dropping a future cancels an exchange, but not a job that runs.
//!
//!     cargo run --release --example cancel
//!
//! To cancel is to drop. An exchange that is dropped closes its connection, at once, wherever it was: half an answer can
//! never reach the next request. A job on the pool is another matter. A thread cannot be stopped from outside, so what
//! runs, runs on, and what it writes is written; only one that has not started, and that said it need not (`abandonable`),
//! is taken back.
//!
//! To try next: leave `.abandonable()` away; a `limit` longer than the delay, and look at the connections.

mod support;

use std::process::ExitCode;
use std::time::Duration;

use glassloop::futures::timeout;
use glassloop::http::client::Client;
use glassloop::{Job, ThreadPool, run_in_executor, sleep};

use support::countries::body_of;

fn main() -> ExitCode {
    support::main(&["--server URL"], |arguments| {
        let (site, folder, client) = (support::site(arguments)?, support::temporary_folder()?, Client::new());
        let path = |name: &str| folder.path().join(name);
        support::event_loop()?.block_on(async {
            let url = format!("{}/br/br.gif", site.base_url());
            let slow = client.get(&format!("{url}?gl-delay=2000"));
            let limit = Duration::from_millis(100);
            match timeout(limit, async { body_of(slow.await).await }).await {
                Ok(_) => println!("the exchange came to its end in time"),
                Err(elapsed) => println!("the exchange: {elapsed}; it was dropped"),
            }
            println!("   connections that can be used again: {}", client.connections_idle());
            body_of(client.get(&url).await).await?;
            println!("   and after one that came to its end: {}", client.connections_idle());

            // A pool of one thread: the second job has to wait for the first.
            let pool = ThreadPool::new("one thread", 1);
            let (running, waiting) = (path("running"), path("waiting"));
            let runs = run_in_executor(Some(&pool), move || {
                std::thread::sleep(Duration::from_millis(200));
                std::fs::write(running, "whole")
            });
            let waits = run_in_executor(Some(&pool), Job::new(move || std::fs::write(waiting, "whole")).abandonable());
            sleep(Duration::from_millis(50)).await;
            drop((runs, waits));
            println!("two jobs were dropped: one that ran, one that waited and may be abandoned");
            // Behind both in the queue of the only thread.
            run_in_executor(Some(&pool), || ()).await?;
            for name in ["running", "waiting"] {
                println!("   what was {name} has written its file: {}", path(name).exists());
            }
            Ok(())
        })?
    })
}
