//! The loop at work: four countdowns with four delays on one thread.
//!
//!     cargo run --release --example countdown
//!
//! Each task sleeps and prints three times. Only one of them runs at a time, but while a task sleeps, the loop's thread
//! is free for the others. Look at the times: the countdowns do not delay each other, and the program takes as long as
//! the slowest of them.
//!
//! To try next: replace `sleep(delay).await` with `std::thread::sleep(delay)` and look at the times again; start ten
//! thousand tasks instead of four (without the printing); use `EventLoop::builder().virtual_time()` in
//! `support/mod.rs`: the same times are printed, without any waiting.

mod support;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use glassloop::{JoinSet, now, sleep};

const COUNTDOWNS: [(char, u64); 4] = [('A', 350), ('B', 1000), ('C', 150), ('D', 500)];

async fn countdown(label: char, delay: Duration, started: Instant) {
    let column = (label as usize - 'A' as usize) * 10;
    for count in (1..=3).rev() {
        sleep(delay).await;
        println!("{:7.3} s  {:column$}{label} = {count}", (now() - started).as_secs_f64(), "");
    }
}

fn main() -> ExitCode {
    support::main(include_str!("countdown.rs"), &[], |_| {
        support::event_loop()?.block_on(async {
            let started = now(); // the loop's clock, which may be virtual
            let mut tasks = JoinSet::new();
            for (label, milliseconds) in COUNTDOWNS {
                let delay = Duration::from_millis(milliseconds);
                tasks.spawn_named(&format!("countdown {label}"), countdown(label, delay, started));
            }
            while let Some(ended) = tasks.join_next().await {
                ended?;
            }
            Ok(())
        })?
    })
}
