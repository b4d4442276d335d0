//! One job, five ways, side by side: wall time, processor time, threads, polls, sockets, stalls, lines.
//!
//!     cargo run --release --example compare
//!     cargo run --release --example compare -- --delay 0 --runs 20
//!
//! The five files are mounted as they are. This program starts itself again for each of them, in turns, so that
//! processor time and threads are one style's and not the server's; the server, which lets each answer wait for `--delay`
//! milliseconds, stays here. Shown are medians; threads and sockets are the most that were seen at one time.
//!
//! What to look at: with a delay, four styles take the time of four rounds of five, and the first that of twenty. Without
//! one, all take much the same: there is little to wait for, and so little to gain.
//!
//! With GLASSLOOP_TRACE=compare.html the three that have a loop are recorded, before anything is measured, each into a
//! file of its own: compare.callbacks.html and so on.
//!
//! To try next: `--delay 300`; `flags_threads` with twenty threads, and the loops with twenty permits.

// Each of the five files has the same `support`.
#![allow(clippy::duplicate_mod)]

mod support;

#[path = "flags_callbacks.rs"]
mod callbacks;
#[path = "flags_coroutines.rs"]
mod coroutines;
#[path = "flags_futures.rs"]
mod futures;
#[path = "flags_sequential.rs"]
mod sequential;
#[path = "flags_threads.rs"]
mod threads;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use glassloop::flags::site::{EmbeddedServer, Site};
use glassloop::http::server::{Delay, Faults, Limits};

use support::cost::{Cost, run_again};

/// A style: its name, its program, and its source.
type Style = (&'static str, fn() -> ExitCode, &'static str);

const STYLES: [Style; 5] = [
    ("sequential", sequential::main, include_str!("flags_sequential.rs")),
    ("threads", threads::main, include_str!("flags_threads.rs")),
    ("callbacks", callbacks::main, include_str!("flags_callbacks.rs")),
    ("futures", futures::main, include_str!("flags_futures.rs")),
    ("coroutines", coroutines::main, include_str!("flags_coroutines.rs")),
];

/// Which style this process is to be.
const ROLE: &str = "GLASSLOOP_STYLE";

fn main() -> ExitCode {
    if let Ok(role) = std::env::var(ROLE)
        && let Some((_, run, _)) = STYLES.iter().find(|(name, ..)| *name == role)
    {
        return run();
    }
    support::main(&["--server URL", "--delay MS", "--runs N"], |arguments| {
        let (delay, runs) = (Duration::from_millis(arguments.number("--delay", 50)?), arguments.number("--runs", 3)?);
        let delay = Delay { least: delay, most: delay, rate: 1.0 };
        let faults = Faults { delay: Some(delay).filter(|delay| !delay.most.is_zero()), ..Faults::default() };
        let server = EmbeddedServer::serve(Limits::default(), faults, || Ok(Site::default()))?;
        let base_url = arguments.value("--server").map_or_else(|| server.base_url(), str::to_owned);

        // Before anybody's time is measured, the flags are drawn, and what is to be recorded is recorded.
        run_again(&["--server", &base_url], (ROLE, "threads"), None)?;
        if let Some(path) = std::env::var_os(glassloop::trace::VARIABLE).as_ref().map(Path::new) {
            for name in ["callbacks", "futures", "coroutines"] {
                let ending = path.extension().unwrap_or_default();
                let recording = path.with_extension(format!("{name}.{}", ending.display()));
                run_again(&["--server", &base_url], (ROLE, name), Some(recording.into()))?;
            }
        }

        let mut costs = STYLES.map(|_| Vec::new());
        for _ in 0..runs.max(1) {
            for ((name, ..), costs) in STYLES.iter().zip(&mut costs) {
                costs.push(run_again(&["--server", &base_url], (ROLE, name), None)?);
            }
        }
        println!("20 flags, {} ms before each answer, medians of {}:\n", delay.most.as_millis(), runs.max(1));
        println!("              wall ms    CPU ms   threads   sockets     polls   longest stall ms   lines");
        for ((name, _, source), costs) in STYLES.iter().zip(costs) {
            let Cost { wall, processor, threads, sockets, polls, longest_stall } = Cost::median(&costs);
            let on_the_loop = match polls {
                0.0 => format!("{:>10}{:>19}", "–", "–"),
                _ => format!("{polls:10}{longest_stall:19.2}"),
            };
            let lines = lines_of_code(source);
            println!("{name:<11}{wall:10.1}{processor:10.1}{threads:10}{sockets:10}{on_the_loop}{lines:8}");
        }
        Ok(())
    })
}

/// Lines that are neither empty nor comment.
fn lines_of_code(source: &str) -> usize {
    source.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")).count()
}
