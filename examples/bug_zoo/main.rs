//! The bug zoo: the classic mistakes of those who write futures and reactors, each in a cage of its own.
//!
//!     cargo run --release --example bug_zoo                          who lives here
//!     cargo run --release --example bug_zoo -- spin
//!     cargo run --release --example bug_zoo -- spin --fixed
//!     GLASSLOOP_TRACE=zoo.jsonl cargo run --release --example bug_zoo -- spin
//!     cargo run --release -- trace explain zoo.jsonl                 and what the trace says of it
//!
//! Each shows its mistake, says what comes of it, and ends by itself; the trace has a finding with the name that the list
//! gives. With `--fixed` the mistake is put right, in as few lines as possible, and the finding is gone.
//!
//! To try next: read a file before you run it, and guess what will happen; then make the same mistake in
//! `flags_futures.rs`.

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

/// A bug: its name, the finding in the trace, the mistake in a sentence, and the cage.
type Bug = (&'static str, &'static str, &'static str, fn(bool) -> Result<(), Error>);

const ZOO: [Bug; 9] = [
    ("lost_waker", "lost_waker", "a future returns Pending and has kept nobody's waker", lost_waker::run),
    ("stale_waker", "stale_waker", "a future keeps its first waker and moves to another task", stale_waker::run),
    ("lost_wakeup", "deadlock", "between the look and the wait, somebody signals", lost_wakeup::run),
    ("not_drained", "undrained", "one read an event, though the kernel tells of changes only", not_drained::run),
    ("spin", "spin", "a future that waits by waking itself", spin::run),
    ("poll_after_ready", "poll_after_ready", "both are polled, also the one that is done", poll_after_ready::run),
    ("token_reuse", "stale_event", "a source is forgotten here and not in the kernel", token_reuse::run),
    ("snooze", "snooze", "a future is woken while its owner waits for something else", snooze::run),
    ("blocking", "slow_poll", "a call that blocks, in a task", blocking::run),
];

fn main() -> ExitCode {
    support::main(&["NAME", "--fixed"], |arguments| {
        let list =
            || ZOO.map(|(name, finding, mistake, _)| format!("{name:<18}{mistake} (finding: {finding})\n")).concat();
        match arguments.words() {
            [] => print!("{}", list()),
            [name] => match ZOO.iter().find(|(known, ..)| known == name) {
                Some((_, finding, mistake, run)) => {
                    let is_fixed = arguments.has("--fixed");
                    println!("{mistake}{}", if is_fixed { ": fixed" } else { "" });
                    run(is_fixed)?;
                    if !is_fixed {
                        println!("In the trace: {finding}. Try --fixed.");
                    }
                }
                None => return Err(format!("`{name}` does not live here. Who does:\n{}", list().trim_end()).into()),
            },
            _ => return Err("one bug at a time, please".into()),
        }
        Ok(())
    })
}
