//! The bug zoo: classic mistakes in futures and reactors, one per file.
//!
//!     cargo run --release --example bug_zoo                          list the bugs
//!     cargo run --release --example bug_zoo -- spin
//!     cargo run --release --example bug_zoo -- spin --fixed
//!     GLASSLOOP_TRACE=zoo.jsonl cargo run --release --example bug_zoo -- spin
//!     cargo run --release -- trace explain zoo.jsonl                 print the recording, with the findings
//!
//! A run prints the effect of the bug and ends. Its recording contains the finding that the list names for the bug.
//! With `--fixed` it runs a version in which the bug is fixed, with as few changes as possible, and the recording
//! contains no finding.
//!
//! To try next: read a file and predict its output before you run it; then add the same bug to `flags_futures.rs`.

#[path = "../support/mod.rs"]
mod support;

mod blocking;
mod lost_waker;
mod lost_wakeup;
mod not_drained;
mod poll_after_ready;
mod snooze;
mod spin;
mod stale_waker;
mod token_reuse;

use std::process::ExitCode;

use support::Error;

/// A bug: its name, the finding in its trace, a description, and the function that runs it (fixed, if `true`).
type Bug = (&'static str, &'static str, &'static str, fn(bool) -> Result<(), Error>);

const ZOO: [Bug; 9] = [
    ("lost_waker", "lost_waker", "a future returns Pending without storing its waker", lost_waker::run),
    ("stale_waker", "stale_waker", "a future keeps its old waker after moving to another task", stale_waker::run),
    ("lost_wakeup", "deadlock", "a signal arrives between the check and the registration", lost_wakeup::run),
    ("not_drained", "undrained", "an edge-triggered source is not read until WouldBlock", not_drained::run),
    ("spin", "spin", "a future waits by waking itself", spin::run),
    ("poll_after_ready", "poll_after_ready", "a future is polled after it returned Ready", poll_after_ready::run),
    ("token_reuse", "stale_event", "a source is dropped without deregistering it from epoll", token_reuse::run),
    ("snooze", "snooze", "a woken future is not polled while its task awaits another one", snooze::run),
    ("blocking", "slow_poll", "a task makes a blocking call", blocking::run),
];

fn main() -> ExitCode {
    support::main(include_str!("main.rs"), &["NAME", "--fixed"], |arguments| {
        let list =
            || ZOO.map(|(name, finding, mistake, _)| format!("{name:<18}{mistake} (finding: {finding})\n")).concat();
        match arguments.positional() {
            [] => print!("{}", list()),
            [name] => match ZOO.iter().find(|(known, ..)| known == name) {
                Some((_, finding, mistake, run)) => {
                    let is_fixed = arguments.has("--fixed");
                    println!("{mistake}{}", if is_fixed { ": fixed" } else { "" });
                    run(is_fixed)?;
                    if !is_fixed {
                        println!("Finding in the trace: {finding}. Try --fixed.");
                    }
                }
                None => return Err(format!("unknown bug `{name}`; the bugs are:\n{}", list().trim_end()).into()),
            },
            _ => return Err("give the name of one bug".into()),
        }
        Ok(())
    })
}
