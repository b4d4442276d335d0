//! One program, five styles: a comparison of wall time, CPU time, threads, sockets, polls, stalls and lines of code.
//!
//!     cargo run --release --example compare
//!     cargo run --release --example compare -- --delay 0 --runs 20
//!
//! This program includes the files of the five styles as modules, unchanged. For each run, it starts a child process
//! that runs one style, so that the measured CPU time and threads do not include those of the server. The server runs
//! in the parent process and delays each response by `--delay` milliseconds. The table shows medians. The columns
//! `threads` and `sockets` contain the highest number at one time; a stall is a time during which the loop does not
//! poll the reactor.
//!
//! What to look at: with a delay, the sequential style takes as long as twenty delays, and the others take as long as
//! four, since they send five requests at a time. Without a delay all take about the same time, since requests spend
//! little time waiting.
//!
//! With GLASSLOOP_TRACE=compare.html, the three styles that use the loop are also recorded, in separate runs before the
//! measurements, to compare.callbacks.html, compare.futures.html and compare.coroutines.html.
//!
//! To try next: `--delay 300`; twenty threads in `flags_threads`, and twenty permits in the styles that use the loop.

// Each of the five files includes the same `support` module.
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

/// A style's name, `main` function and source text.
type Style = (&'static str, fn() -> ExitCode, &'static str);

const STYLES: [Style; 5] = [
    ("sequential", sequential::main, include_str!("flags_sequential.rs")),
    ("threads", threads::main, include_str!("flags_threads.rs")),
    ("callbacks", callbacks::main, include_str!("flags_callbacks.rs")),
    ("futures", futures::main, include_str!("flags_futures.rs")),
    ("coroutines", coroutines::main, include_str!("flags_coroutines.rs")),
];

/// The environment variable that names the style that a child process runs.
const ROLE: &str = "GLASSLOOP_STYLE";

fn main() -> ExitCode {
    if let Ok(role) = std::env::var(ROLE)
        && let Some((_, run, _)) = STYLES.iter().find(|(name, ..)| *name == role)
    {
        return run();
    }
    support::main(include_str!("compare.rs"), &["--server URL", "--delay MS", "--runs N"], |arguments| {
        let (delay, runs) = (Duration::from_millis(arguments.number("--delay", 50)?), arguments.number("--runs", 3)?);
        let delay = Delay { min: delay, max: delay, rate: 1.0 };
        let faults = Faults { delay: Some(delay).filter(|delay| !delay.max.is_zero()), ..Faults::default() };
        let server = EmbeddedServer::serve(Limits::default(), faults, || Ok(Site::default()))?;
        let base_url = arguments.value("--server").map_or_else(|| server.base_url(), str::to_owned);

        // The first request makes the server draw the flags: this run keeps that out of the measurements.
        run_again(&["--server", &base_url], (ROLE, "threads"), None)?;
        if let Some(path) = std::env::var_os(glassloop::trace::ENVIRONMENT_VARIABLE).as_ref().map(Path::new) {
            for name in ["callbacks", "futures", "coroutines"] {
                let extension = path.extension().unwrap_or_default();
                let recording = path.with_extension(format!("{name}.{}", extension.display()));
                run_again(&["--server", &base_url], (ROLE, name), Some(recording.into()))?;
            }
        }

        let mut costs = STYLES.map(|_| Vec::new());
        for _ in 0..runs.max(1) {
            for ((name, ..), costs) in STYLES.iter().zip(&mut costs) {
                costs.push(run_again(&["--server", &base_url], (ROLE, name), None)?);
            }
        }
        println!("20 flags, response delay {} ms, medians of {} runs:\n", delay.max.as_millis(), runs.max(1));
        println!("              wall ms    CPU ms   threads   sockets     polls   longest stall ms   lines");
        for ((name, _, source), costs) in STYLES.iter().zip(costs) {
            let Cost { wall_ms, cpu_ms, threads, sockets, polls, longest_stall_ms } = Cost::median(&costs);
            let loop_columns = match polls {
                0.0 => format!("{:>10}{:>19}", "–", "–"),
                _ => format!("{polls:10}{longest_stall_ms:19.2}"),
            };
            let lines = lines_of_code(source);
            println!("{name:<11}{wall_ms:10.1}{cpu_ms:10.1}{threads:10}{sockets:10}{loop_columns}{lines:8}");
        }
        Ok(())
    })
}

/// Counts the lines that are neither empty nor comments.
fn lines_of_code(source: &str) -> usize {
    source.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")).count()
}
