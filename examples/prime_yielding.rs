//! Files and the thread pool: the computation of `prime_blocked`, which now yields to the loop at intervals.
//!
//!     cargo run --release --example prime_yielding
//!
//! After every `STEPS` divisions, `yield_now` lets the loop fire timers and poll other tasks, so the spinner keeps
//! moving. Each yield costs a poll, so the interval is a compromise: if it is too long, the loop stalls; if it is too
//! short, the polls take more time than the computation.
//!
//! Yielding keeps the loop responsive but does not make the work parallel. A thread pool is the better place for it.
//!
//! To try next: `STEPS = 100` and 10_000_000; compare the time and the number of the spinner's steps.

mod support;

use std::process::ExitCode;
use std::time::Instant;

use glassloop::futures::yield_now;
use glassloop::spawn_named;

use support::spinner::Spinner;

const N: u64 = 5_000_111_000_222_021;

/// The number of divisions between two yields.
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
    support::main(include_str!("prime_yielding.rs"), &[], |_| {
        let (spinner, started) = (Spinner::default(), Instant::now());
        let answer = support::event_loop()?.block_on(async {
            let spinning = spawn_named("spinner", spinner.clone().spin());
            let answer = is_prime(N).await;
            spinning.abort();
            answer
        })?;
        println!("Is {N} prime? {answer}, in {:.2} s.", started.elapsed().as_secs_f64());
        println!("The spinner made {} steps.", spinner.steps());
        Ok(())
    })
}
