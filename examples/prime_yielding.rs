//! Files and the pool: the same computation, which gives the thread back now and then.
//!
//!     cargo run --release --example prime_yielding
//!
//! Every so many steps `yield_now` lets the loop look at its timers and at the other tasks. The spinner turns. What it
//! costs is the price of a poll each time, and somebody has to choose the number of steps: with too many the loop
//! stutters, with too few it does nothing else.
//!
//! It is a help and no cure: on one thread, twice the work takes twice the time. The pool is the better place.
//!
//! To try next: `STEPS = 100` and 10_000_000, with an eye on both numbers that are printed.

mod support;

use std::process::ExitCode;
use std::time::Instant;

use glassloop::futures::yield_now;
use glassloop::spawn_named;

use support::spinner::Spinner;

const N: u64 = 5_000_111_000_222_021;

/// Divisions between two looks at the others.
const STEPS: u64 = 50_000;

async fn is_prime(n: u64) -> bool {
    if n < 2 || n.is_multiple_of(2) {
        return n == 2;
    }
    let mut divisor = 3;
    while divisor * divisor <= n {
        if n.is_multiple_of(divisor) {
            return false;
        }
        divisor += 2;
        if divisor % (2 * STEPS) == 1 {
            yield_now().await;
        }
    }
    true
}

fn main() -> ExitCode {
    support::main(&[], |_| {
        let (spinner, started) = (Spinner::default(), Instant::now());
        let answer = support::event_loop()?.block_on(async {
            let spinning = spawn_named("spinner", spinner.clone().spin());
            let answer = is_prime(N).await;
            spinning.abort();
            answer
        })?;
        println!("Is {N} prime? {answer}, in {:.2} s.", started.elapsed().as_secs_f64());
        println!("The spinner turned {} times.", spinner.turns());
        Ok(())
    })
}
