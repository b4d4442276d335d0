//! The loop at work: a spinner on its own thread, for comparison with `spinner_loop`.
//!
//!     cargo run --release --example spinner_thread
//!
//! The operating system schedules the spinner's thread even while `slow` blocks the main thread. A thread cannot be
//! cancelled from outside, so the main thread sends a message, for which the spinner checks at each step.
//!
//! To try next: remove `done.send(())?` and see the program hang in `join` (Ctrl-C ends it); let `slow` compute instead
//! of sleeping, and see that the spinner keeps moving.

mod support;

use std::io::Write;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

fn spin(message: &str, done: &Receiver<()>) -> u32 {
    let mut steps = 0;
    for sign in r"\|/-".chars().cycle() {
        print!("\r{sign} {message}");
        std::io::stdout().flush().ok();
        // A sleep that ends early when the message arrives.
        if done.recv_timeout(Duration::from_millis(100)) != Err(RecvTimeoutError::Timeout) {
            break;
        }
        steps += 1;
    }
    print!("\r{:width$}\r", "", width = message.len() + 2);
    steps
}

/// Blocks the calling thread, like a read from a slow disk.
fn slow() -> u32 {
    thread::sleep(Duration::from_secs(1));
    42
}

fn main() -> ExitCode {
    support::main(include_str!("spinner_thread.rs"), &[], |_| {
        let (done, is_done) = channel();
        let spinner = thread::spawn(move || spin("thinking!", &is_done));
        let answer = slow();
        done.send(())?;
        let steps = spinner.join().map_err(|_| "the spinner panicked")?;
        println!("The answer is {answer}. The spinner made {steps} steps on a thread of its own.");
        Ok(())
    })
}
