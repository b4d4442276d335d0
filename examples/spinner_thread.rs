//! See the loop: something that turns while something else takes its time, with a thread.
//!
//!     cargo run --release --example spinner_thread
//!
//! The operating system lets the spinner's thread run whenever it likes, also while `slow` blocks. To stop, the spinner
//! has to be told, and has to look: a thread cannot be cancelled from outside. Compare `spinner_loop`.
//!
//! To try next: leave `done.send(())?` away and see the program hang in `join` (Ctrl-C ends it); let `slow` compute
//! instead of sleep, and see that the spinner turns all the same.

mod support;

use std::io::Write;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

fn spin(message: &str, done: &Receiver<()>) -> u32 {
    let mut turns = 0;
    for sign in r"\|/-".chars().cycle() {
        print!("\r{sign} {message}");
        std::io::stdout().flush().ok();
        // A sleep that ends early when the other side says that it is done.
        if done.recv_timeout(Duration::from_millis(100)) != Err(RecvTimeoutError::Timeout) {
            break;
        }
        turns += 1;
    }
    print!("\r{:width$}\r", "", width = message.len() + 2);
    turns
}

/// Blocks its thread, as reading a slow disk would.
fn slow() -> u32 {
    thread::sleep(Duration::from_secs(1));
    42
}

fn main() -> ExitCode {
    support::main(&[], |_| {
        let (done, is_done) = channel();
        let spinner = thread::spawn(move || spin("thinking!", &is_done));
        let answer = slow();
        done.send(())?;
        let turns = spinner.join().map_err(|_| "the spinner panicked")?;
        println!("The answer is {answer}. The spinner turned {turns} times, on a thread of its own.");
        Ok(())
    })
}
