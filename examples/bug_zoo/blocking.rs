//! A blocking call in a task.
//!
//! `std::thread::sleep` stands for any blocking call: reading a file, `getaddrinfo`, compression, a contended lock. The
//! loop has one thread, which is blocked for 100 ms here, so the other task cannot make its step every 10 ms. The fix
//! is to block a pool thread instead.

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
