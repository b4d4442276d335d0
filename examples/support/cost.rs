//! Measures what a run of this program costs, by running it in a child process.

use std::ffi::OsString;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use glassloop::trace;

use super::{Error, meter};

/// The cost of one run. All fields are `f64` so that `median` can treat them alike.
#[derive(Clone, Copy, Default)]
pub struct Cost {
    pub wall_ms: f64,
    pub cpu_ms: f64,
    /// The highest number of threads seen at the same time.
    pub threads: f64,
    /// The highest number of sockets seen open at the same time.
    pub sockets: f64,
    /// The number of task polls; 0 for a program without a loop.
    pub polls: f64,
    /// 0 for a program without a loop.
    pub longest_stall_ms: f64,
}

impl Cost {
    /// Returns the median of each field, computed independently.
    pub fn median(runs: &[Cost]) -> Cost {
        let median = |number: fn(&Cost) -> f64| {
            let mut all: Vec<f64> = runs.iter().map(number).collect();
            all.sort_by(f64::total_cmp);
            all[all.len() / 2]
        };
        Cost {
            wall_ms: median(|run| run.wall_ms),
            cpu_ms: median(|run| run.cpu_ms),
            threads: median(|run| run.threads),
            sockets: median(|run| run.sockets),
            polls: median(|run| run.polls),
            longest_stall_ms: median(|run| run.longest_stall_ms),
        }
    }
}

/// Runs this program again in a child process and measures it. `role` is the environment variable that makes the child
/// act as one of the compared programs. The run is recorded only if `recording` names a file, since recording costs
/// time.
pub fn run_again(arguments: &[&str], role: (&str, &str), recording: Option<OsString>) -> Result<Cost, Error> {
    let (variable, value) = meter::request();
    let mut command = Command::new(std::env::current_exe()?);
    command.args(arguments).env(role.0, role.1).env(variable, value).env_remove(trace::ENVIRONMENT_VARIABLE);
    command
        .envs(recording.map(|path| (trace::ENVIRONMENT_VARIABLE, path)))
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let (started, mut cost) = (Instant::now(), Cost::default());
    let mut child = command.spawn()?;
    while child.try_wait()?.is_none() {
        sample(&child, &mut cost);
        std::thread::sleep(Duration::from_micros(500));
    }
    cost.wall_ms = started.elapsed().as_secs_f64() * 1000.0;
    let mut stderr = String::new();
    child.stderr.take().ok_or("the child's stderr is not piped")?.read_to_string(&mut stderr)?;
    let measured = stderr.lines().find_map(|line| line.strip_prefix("measured: "));
    let numbers: Vec<f64> = measured.into_iter().flat_map(str::split_whitespace).flat_map(str::parse).collect();
    match numbers[..] {
        [cpu_us, stall_us, polls] if child.wait()?.success() => {
            Ok(Cost { cpu_ms: cpu_us / 1000.0, longest_stall_ms: stall_us / 1000.0, polls, ..cost })
        }
        _ => {
            let reason = stderr.lines().find(|line| !line.starts_with("measured")).unwrap_or("it failed");
            Err(format!("{}: {reason}", role.1).into())
        }
    }
}

/// Counts the child's threads and sockets (on Linux only, from `/proc`), except the signal thread and its two sockets.
fn sample(child: &Child, cost: &mut Cost) {
    let directory = format!("/proc/{}", child.id());
    let threads = std::fs::read_dir(format!("{directory}/task")).map_or(0, Iterator::count);
    let open = std::fs::read_dir(format!("{directory}/fd")).into_iter().flatten().flatten();
    let sockets = open.filter_map(|entry| std::fs::read_link(entry.path()).ok());
    let sockets = sockets.filter(|target| target.to_string_lossy().starts_with("socket:")).count();
    cost.threads = cost.threads.max(threads.saturating_sub(1) as f64);
    cost.sockets = cost.sockets.max(sockets.saturating_sub(2) as f64);
}
