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

use std::io::Read;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use glassloop::flags::site::{EmbeddedServer, Site};
use glassloop::http::server::{Delay, Faults, Limits};

use support::{Error, meter};

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
        run_once("threads", &base_url)?; // the first flags are drawn, and nobody's time is measured

        let mut seen = STYLES.map(|_| Vec::new());
        for _ in 0..runs.max(1) {
            for ((name, ..), seen) in STYLES.iter().zip(&mut seen) {
                seen.push(run_once(name, &base_url)?);
            }
        }
        println!("20 flags, {} ms before each answer, medians of {}:\n", delay.most.as_millis(), runs.max(1));
        println!("              wall ms    CPU ms   threads   sockets     polls   longest stall ms   lines");
        for ((name, _, source), runs) in STYLES.iter().zip(seen) {
            let median = |number: fn(&Run) -> f64| {
                let mut all: Vec<f64> = runs.iter().map(number).collect();
                all.sort_by(f64::total_cmp);
                all[all.len() / 2]
            };
            let (threads, sockets) = (median(|run| run.threads as f64), median(|run| run.sockets as f64));
            print!(
                "{name:<11}{:10.1}{:10.1}{threads:10}{sockets:10}",
                median(|run| run.wall),
                median(|run| run.processor)
            );
            match median(|run| run.polls) {
                0.0 => print!("{:>10}{:>19}", "–", "–"),
                polls => print!("{polls:10}{:19.2}", median(|run| run.stall)),
            }
            println!("{:8}", lines_of_code(source));
        }
        Ok(())
    })
}

/// What one run has cost. Times in ms.
#[derive(Default)]
struct Run {
    wall: f64,
    processor: f64,
    stall: f64,
    polls: f64,
    threads: usize,
    sockets: usize,
}

/// Runs a style in a process of its own.
fn run_once(style: &str, base_url: &str) -> Result<Run, Error> {
    let (asked, yes) = meter::question();
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--server", base_url]).env(ROLE, style).env(asked, yes).stdout(Stdio::null()).stderr(Stdio::piped());
    let (started, mut run) = (Instant::now(), Run::default());
    let mut child = command.spawn()?;
    while child.try_wait()?.is_none() {
        look_at(&child, &mut run);
        std::thread::sleep(Duration::from_micros(500));
    }
    run.wall = started.elapsed().as_secs_f64() * 1000.0;
    let mut said = String::new();
    child.stderr.take().ok_or("its stderr is piped")?.read_to_string(&mut said)?;
    let measured = said.lines().find_map(|line| line.strip_prefix("measured: "));
    let numbers: Vec<f64> = measured.into_iter().flat_map(str::split_whitespace).flat_map(str::parse).collect();
    match numbers[..] {
        [processor, stall, polls] if child.wait()?.success() => {
            Ok(Run { processor: processor / 1000.0, stall: stall / 1000.0, polls, ..run })
        }
        _ => {
            Err(format!("{style}: {}", said.lines().find(|line| !line.starts_with("measured")).unwrap_or("it failed"))
                .into())
        }
    }
}

/// Counts a process's threads and sockets, where the system shows them (Linux). The thread that waits for Ctrl-C and its
/// two sockets are not counted.
fn look_at(child: &Child, run: &mut Run) {
    let place = format!("/proc/{}", child.id());
    let threads = std::fs::read_dir(format!("{place}/task")).map_or(0, Iterator::count);
    let open = std::fs::read_dir(format!("{place}/fd")).into_iter().flatten().flatten();
    let sockets = open.filter_map(|entry| std::fs::read_link(entry.path()).ok());
    let sockets = sockets.filter(|target| target.to_string_lossy().starts_with("socket:")).count();
    run.threads = run.threads.max(threads.saturating_sub(1));
    run.sockets = run.sockets.max(sockets.saturating_sub(2));
}

/// Lines that are neither empty nor comment.
fn lines_of_code(source: &str) -> usize {
    source.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")).count()
}
