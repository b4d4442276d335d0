//! The loop at work: a spinner and a slow operation as two tasks on one thread.
//!
//!     cargo run --release --example spinner_loop
//!
//! The spinner is an infinite loop. It can be cancelled because it is suspended at each `await`: `abort` makes the
//! event loop drop the suspended future. Unlike the thread in `spinner_thread`, it needs no channel and no check for
//! cancellation. `spinner_blocked` shows what happens when a task does not return to the event loop.
//!
//! To try next: remove `abort`, and see that the program still ends, since the remaining tasks are dropped with the
//! event loop; await the spinner after `abort` and print the result.

mod support;

use std::cell::Cell;
use std::io::Write;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use glassloop::{sleep, spawn_named};

async fn spin(message: &str, steps: Rc<Cell<u32>>) {
    let _clear_line = ClearLine(message.len() + 2);
    for sign in r"\|/-".chars().cycle() {
        print!("\r{sign} {message}");
        std::io::stdout().flush().ok();
        sleep(Duration::from_millis(100)).await;
        steps.set(steps.get() + 1);
    }
}

/// Clears the line when it is dropped. A cancelled task runs no more code of its own, so its cleanup has to be in
/// `Drop`.
struct ClearLine(usize);

impl Drop for ClearLine {
    fn drop(&mut self) {
        print!("\r{:width$}\r", "", width = self.0);
    }
}

/// Sleeps without blocking the thread, as if waiting for a slow server.
async fn slow() -> u32 {
    sleep(Duration::from_secs(1)).await;
    42
}

fn main() -> ExitCode {
    support::main(include_str!("spinner_loop.rs"), &[], |_| {
        let steps = Rc::new(Cell::new(0));
        let answer = support::event_loop()?.block_on(async {
            let spinner = spawn_named("spinner", spin("thinking!", steps.clone()));
            let answer = slow().await;
            spinner.abort();
            answer
        })?;
        println!("The answer is {answer}. The spinner made {} steps on the same thread.", steps.get());
        Ok(())
    })
}
