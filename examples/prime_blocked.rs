//! Files and the thread pool: a long computation in a task stops the spinner.
//!
//!     cargo run --release --example prime_blocked
//!
//! `is_prime` computes and never waits. For the loop this is like a blocking call: until the function returns, no other
//! task is polled. Making the function `async` does not help, since it contains no `await`.
//!
//! To try next: `prime_yielding`; make `is_prime` a plain `fn`, run it on the thread pool with
//! `run_in_executor(None, || is_prime(N)).await`, and compare the times.

mod support;

use std::process::ExitCode;
use std::time::Instant;

use glassloop::spawn_named;

use support::spinner::Spinner;

const N: u64 = 5_000_111_000_222_021;

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
    }
    true
}

fn main() -> ExitCode {
    support::main(include_str!("prime_blocked.rs"), &[], |_| {
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
