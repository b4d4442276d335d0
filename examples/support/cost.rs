//! What a run of this program costs, in a process of its own.

use std::ffi::OsString;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use glassloop::trace;

use super::{Error, meter};

/// What a run has cost: times in ms; of threads and sockets the most that were seen at one time.
#[derive(Clone, Copy, Default)]
pub struct Cost {
    pub wall: f64,
    pub processor: f64,
    pub threads: f64,
    pub sockets: f64,
    /// 0 where there is no loop, as for the stall.
    pub polls: f64,
    pub longest_stall: f64,
}

impl Cost {
    /// The median of each number by itself.
    pub fn median(runs: &[Cost]) -> Cost {
        let median = |number: fn(&Cost) -> f64| {
            let mut all: Vec<f64> = runs.iter().map(number).collect();
            all.sort_by(f64::total_cmp);
            all[all.len() / 2]
        };
        Cost {
            wall: median(|run| run.wall),
            processor: median(|run| run.processor),
            threads: median(|run| run.threads),
            sockets: median(|run| run.sockets),
            polls: median(|run| run.polls),
            longest_stall: median(|run| run.longest_stall),
        }
    }
}

/// Starts this program again with these arguments and a word in its environment that says what it is to be, and watches
/// it. It is recorded only if a file is named: that takes time.
pub fn run_again(arguments: &[&str], role: (&str, &str), recording: Option<OsString>) -> Result<Cost, Error> {
    let (asked, yes) = meter::question();
    let mut command = Command::new(std::env::current_exe()?);
    command.args(arguments).env(role.0, role.1).env(asked, yes).env_remove(trace::VARIABLE);
    command.envs(recording.map(|path| (trace::VARIABLE, path))).stdout(Stdio::null()).stderr(Stdio::piped());
    let (started, mut cost) = (Instant::now(), Cost::default());
    let mut child = command.spawn()?;
    while child.try_wait()?.is_none() {
        look_at(&child, &mut cost);
        std::thread::sleep(Duration::from_micros(500));
    }
    cost.wall = started.elapsed().as_secs_f64() * 1000.0;
    let mut said = String::new();
    child.stderr.take().ok_or("its stderr is piped")?.read_to_string(&mut said)?;
    let measured = said.lines().find_map(|line| line.strip_prefix("measured: "));
    let numbers: Vec<f64> = measured.into_iter().flat_map(str::split_whitespace).flat_map(str::parse).collect();
    match numbers[..] {
        [processor, stall, polls] if child.wait()?.success() => {
            Ok(Cost { processor: processor / 1000.0, longest_stall: stall / 1000.0, polls, ..cost })
        }
        _ => {
            let why = said.lines().find(|line| !line.starts_with("measured")).unwrap_or("it failed");
            Err(format!("{}: {why}", role.1).into())
        }
    }
}

/// Counts a process's threads and sockets, where the system shows them (Linux). The thread that waits for Ctrl-C and its
/// two sockets are not counted.
fn look_at(child: &Child, cost: &mut Cost) {
    let place = format!("/proc/{}", child.id());
    let threads = std::fs::read_dir(format!("{place}/task")).map_or(0, Iterator::count);
    let open = std::fs::read_dir(format!("{place}/fd")).into_iter().flatten().flatten();
    let sockets = open.filter_map(|entry| std::fs::read_link(entry.path()).ok());
    let sockets = sockets.filter(|target| target.to_string_lossy().starts_with("socket:")).count();
    cost.threads = cost.threads.max(threads.saturating_sub(1) as f64);
    cost.sockets = cost.sockets.max(sockets.saturating_sub(2) as f64);
}
