//! The loop at work: a blocking call in a task stops the spinner.
//!
//!     cargo run --release --example spinner_blocked
//!     cargo run --release --example spinner_blocked -- --fixed
//!
//! `slow` blocks the loop's thread for a second. During this time no timer fires, no socket is read and nothing can be
//! cancelled. With `--fixed`, `slow` runs on a pool thread and the task awaits the result.
//!
//! To try next: compare the two runs as timelines, with GLASSLOOP_TRACE=stall.html and GLASSLOOP_TRACE=fixed.html;
//! remove the sleep of 50 ms before `slow`, and find out why the spinner is then not even drawn.

mod support;

use std::cell::Cell;
use std::io::Write;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};

use glassloop::{run_in_executor, sleep, spawn_named};

async fn spin(steps: Rc<Cell<u32>>) {
    for sign in r"\|/-".chars().cycle() {
        print!("\r{sign} thinking!");
        std::io::stdout().flush().ok();
        sleep(Duration::from_millis(100)).await;
        steps.set(steps.get() + 1);
    }
}

/// Blocks the calling thread for a second.
fn slow() -> u32 {
    std::thread::sleep(Duration::from_secs(1));
    42
}

fn main() -> ExitCode {
    support::main(include_str!("spinner_blocked.rs"), &["--fixed"], |arguments| {
        let is_fixed = arguments.has("--fixed");
        let (steps, started) = (Rc::new(Cell::new(0)), Instant::now());
        let answer = support::event_loop()?.block_on(async {
            let spinner = spawn_named("spinner", spin(steps.clone()));
            sleep(Duration::from_millis(50)).await; // lets the spinner start
            let answer = if is_fixed {
                run_in_executor(None, slow).await // blocks a pool thread
            } else {
                Ok(slow()) // blocks the loop's thread
            };
            spinner.abort();
            answer
        })??;
        print!("\r{:11}\r", "");
        println!("The answer is {answer}, after {:.2} s.", started.elapsed().as_secs_f64());
        match steps.get() {
            0 => println!("The spinner made no step: `slow` blocked the loop. Try --fixed."),
            steps => println!("The spinner made {steps} steps: `slow` blocked another thread."),
        }
        Ok(())
    })
}
