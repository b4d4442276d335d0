//! See the loop: a blocking call in a task, and the spinner never turns.
//!
//!     cargo run --release --example spinner_blocked
//!     cargo run --release --example spinner_blocked -- --fixed
//!
//! `slow` sleeps as a thread sleeps. It does not give the thread back, so for a whole second there is no loop: no timer
//! fires, no socket is read, nothing can be cancelled. With `--fixed` a thread of the pool does the sleeping, and the
//! task awaits its answer.
//!
//! To try next: see the stall as a picture: GLASSLOOP_TRACE=stall.html for the one run, fixed.html for the other; take
//! the 50 ms before `slow` away, and the spinner does not even begin (why?).

mod support;

use std::cell::Cell;
use std::io::Write;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};

use glassloop::{run_in_executor, sleep, spawn_named};

async fn spin(turns: Rc<Cell<u32>>) {
    for sign in r"\|/-".chars().cycle() {
        print!("\r{sign} thinking!");
        std::io::stdout().flush().ok();
        sleep(Duration::from_millis(100)).await;
        turns.set(turns.get() + 1);
    }
}

/// Blocks its thread, whichever it is.
fn slow() -> u32 {
    std::thread::sleep(Duration::from_secs(1));
    42
}

fn main() -> ExitCode {
    support::main(&["--fixed"], |arguments| {
        let is_fixed = arguments.has("--fixed");
        let (turns, started) = (Rc::new(Cell::new(0)), Instant::now());
        let answer = support::event_loop()?.block_on(async {
            let spinner = spawn_named("spinner", spin(turns.clone()));
            sleep(Duration::from_millis(50)).await; // it has begun
            let answer = if is_fixed {
                run_in_executor(None, slow).await // on a thread of the pool
            } else {
                Ok(slow()) // on the loop's own
            };
            spinner.abort();
            answer
        })??;
        print!("\r{:11}\r", "");
        println!("The answer is {answer}, after {:.2} s.", started.elapsed().as_secs_f64());
        match turns.get() {
            0 => println!("The spinner did not turn once: the loop stood still in `slow`. Try --fixed."),
            turns => println!("The spinner turned {turns} times: `slow` blocked another thread."),
        }
        Ok(())
    })
}
