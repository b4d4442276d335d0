//! See the loop: something that turns while something else takes its time, as two tasks of one thread.
//!
//!     cargo run --release --example spinner_loop
//!
//! The spinner is a loop without an end. It can be cancelled because it gives the thread back at each `await`: `abort`
//! lets the loop drop it there, between two turns of its own. Nobody has to tell it, and it does not look. Compare
//! `spinner_thread`; and `spinner_blocked` for what happens when somebody does not give the thread back.
//!
//! To try next: leave `abort` away: is the program stuck? (No: whatever is still there when `block_on` returns is
//! dropped with the loop.) Await the spinner after `abort` and print what comes.

mod support;

use std::cell::Cell;
use std::io::Write;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use glassloop::{sleep, spawn_named};

async fn spin(message: &str, turns: Rc<Cell<u32>>) {
    let _wipe = WipeLine(message.len() + 2);
    for sign in r"\|/-".chars().cycle() {
        print!("\r{sign} {message}");
        std::io::stdout().flush().ok();
        sleep(Duration::from_millis(100)).await;
        turns.set(turns.get() + 1);
    }
}

/// What a cancelled task has to put in order belongs into a `Drop`: no line of it runs any more.
struct WipeLine(usize);

impl Drop for WipeLine {
    fn drop(&mut self) {
        print!("\r{:width$}\r", "", width = self.0);
    }
}

/// Waits without blocking, as for a slow server.
async fn slow() -> u32 {
    sleep(Duration::from_secs(1)).await;
    42
}

fn main() -> ExitCode {
    support::main(&[], |_| {
        let turns = Rc::new(Cell::new(0));
        let answer = support::event_loop()?.block_on(async {
            let spinner = spawn_named("spinner", spin("thinking!", turns.clone()));
            let answer = slow().await;
            spinner.abort();
            answer
        })?;
        println!("The answer is {answer}. The spinner turned {} times, on the same thread.", turns.get());
        Ok(())
    })
}
