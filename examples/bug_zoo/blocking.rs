//! A blocking call in a task.
//!
//! `std::thread::sleep` stands for any blocking call: reading a file, `getaddrinfo`, compression, a contended lock. It
//! blocks the loop's only thread for 100 ms, so the other task, which sleeps for 10 ms at a time, is polled much too
//! late. In the fixed version, the call blocks a thread of the pool instead.

use std::time::Duration;

use glassloop::{run_in_executor, sleep, spawn_named};

use super::support::{self, Error};

pub fn run(is_fixed: bool) -> Result<(), Error> {
    support::event_loop()?.block_on(async {
        let ticks = spawn_named("ticks", async {
            let mut longest = Duration::ZERO;
            for _ in 0..15 {
                let before = glassloop::now();
                sleep(Duration::from_millis(10)).await;
                longest = longest.max(glassloop::now() - before);
            }
            longest
        });
        let blocker = spawn_named("blocker", async move {
            sleep(Duration::from_millis(25)).await;
            let block = || std::thread::sleep(Duration::from_millis(100));
            match is_fixed {
                true => run_in_executor(None, block).await,
                false => {
                    block();
                    Ok(())
                }
            }
        });
        blocker.await??;
        println!("sleeps of 10 ms took up to {} ms", ticks.await?.as_millis());
        Ok(())
    })?
}
