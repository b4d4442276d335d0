//! See the loop: four countdowns, four delays, one thread.
//!
//!     cargo run --release --example countdown
//!
//! Each task sleeps and prints three times. None of them knows of the others, and none ever runs while another one does:
//! whoever sleeps has lent the thread to the loop. Look at the times: they are those of four clocks that tick by
//! themselves, and the whole takes as long as the slowest.
//!
//! To try next: `std::thread::sleep(delay)` for `sleep(delay).await`, and see who counts, and when; ten thousand tasks
//! in place of four (leave the printing out); `EventLoop::builder().virtual_time()` in `support/mod.rs`: the same times, and
//! nobody waits.

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
    support::main(&[], |_| {
        support::event_loop()?.block_on(async {
            let started = now(); // by the loop's clock
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
