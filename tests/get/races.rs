//! Processes that download the same file to the same directory on a file system whose locks exclude no other process, while
//! they are killed and the server's file changes: the published file is always complete and of a single version.
//!
//! For them, `flock` returns 0 and does nothing.

use std::collections::HashMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::denied::{Denied, without};
use crate::run::{TestDirectory, content};
use crate::server::{Reply, Request, Server};

const LENGTH: usize = 1_200_000;

/// The maximum duration of a round.
const ROUND: Duration = Duration::from_millis(1200);

/// A pseudorandom number generator.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    fn is_one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }

    fn pause(&mut self, milliseconds: u64) {
        std::thread::sleep(Duration::from_micros(self.below(milliseconds * 1000)));
    }
}

/// The first request of a process.
struct FirstRequest {
    /// The version that it was served.
    version: usize,
    /// The number of bytes that it did not request.
    range: usize,
    /// The number of bytes of that version that were in the part when it arrived. Another process may have replaced the
    /// part since this one was started, the sooner the busier the machine is; it cannot keep what is gone.
    there: usize,
}

type FirstRequests = Arc<Mutex<HashMap<String, FirstRequest>>>;

/// Returns the length of the part if it is the beginning of this version, otherwise 0.
fn bytes_in_part(part: &Path, version: &[u8]) -> usize {
    let part = std::fs::read(part).unwrap_or_default();
    if version.starts_with(&part) { part.len() } else { 0 }
}

/// Starts a server whose file has the version in `version`, and which sometimes truncates a response.
fn changing(versions: Arc<Vec<Vec<u8>>>, version: Arc<AtomicUsize>, first_requests: FirstRequests) -> Server {
    Server::start(move |request: &Request| {
        let current = version.load(Ordering::SeqCst);
        let reply =
            Reply::file(request, &versions[current % versions.len()], &format!("\"{current}\"")).rate(48 * 1024);
        let range = request.field("Range").and_then(|range| range[6..].strip_suffix('-')?.parse().ok()).unwrap_or(0);
        let process = request.field("X-Process").expect("each says who it is").to_owned();
        let mut dice = Dice(process.parse::<u64>().expect("a number") * 2 + 1);
        let part = request.field("X-Part").expect("each names its part");
        let there = bytes_in_part(Path::new(part), &versions[current % versions.len()]);
        let first = FirstRequest { version: current, range, there };
        first_requests.lock().expect("no panic").entry(process).or_insert(first);
        if dice.is_one_in(8) { reply.cut_after(dice.below(LENGTH as u64) as usize) } else { reply }
    })
}

/// The result of the rounds.
#[derive(Debug, Default)]
struct Sum {
    files: usize,
    /// The bytes of the server's version that were in the part from the start of a process to its first request.
    there: usize,
    /// The number of those bytes that the process did not request again.
    kept: usize,
}

struct Round<'a> {
    place: TestDirectory,
    url: String,
    versions: &'a [Vec<u8>],
    version: &'a AtomicUsize,
    dice: &'a mut Dice,
    processes: Vec<Child>,
    /// For each process that was started, the version and the number of its bytes that were in the part.
    started: Vec<(String, usize, usize)>,
}

impl Round<'_> {
    fn start_process(&mut self, id: u64) {
        let current = self.version.load(Ordering::SeqCst);
        let part = std::fs::read(self.place.path("x.part")).unwrap_or_default();
        let is_prefix = |version: &Vec<u8>| version.starts_with(&part);
        assert!(self.versions.iter().any(is_prefix), "a part of {} bytes is a mixture", part.len());
        let there = if is_prefix(&self.versions[current % self.versions.len()]) { part.len() } else { 0 };
        self.started.push((id.to_string(), current, there));
        let (process, part) = (format!("X-Process: {id}"), format!("X-Part: {}", self.place.path("x.part").display()));
        let mut command: Command = self.place.command(["-q", "-H", &process, "-H", &part, &self.url]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        self.processes.push(child.expect("the command runs"));
    }

    /// Starts and kills processes and changes the version, until the file is complete or the time is up.
    fn run(&mut self, ids: &mut u64) {
        let end = Instant::now() + ROUND;
        while Instant::now() < end && !self.place.path("x").exists() {
            self.processes.retain_mut(|child| child.try_wait().expect("its state").is_none());
            let wanted = 2 + self.dice.below(3) as usize;
            while self.processes.len() < wanted {
                *ids += 1;
                self.start_process(*ids);
                self.dice.pause(20);
            }
            if self.dice.is_one_in(4) {
                self.version.fetch_add(1, Ordering::SeqCst);
            }
            self.dice.pause(40);
            if self.dice.is_one_in(2) {
                let victim = self.dice.below(self.processes.len() as u64) as usize;
                self.processes[victim].kill().expect("it is ours");
            }
        }
        let kills = self.dice.is_one_in(2);
        for mut child in self.processes.drain(..) {
            if kills {
                child.kill().expect("it is ours");
            }
            child.wait().expect("it ends");
        }
    }
}

#[test]
#[ignore = "takes a minute; needs seccomp. GLASSLOOP_ROUNDS and GLASSLOOP_SEED make it longer and another"]
fn without_locks_no_file_is_mixed_and_most_bytes_are_kept() {
    without([Denied::error(libc::SYS_flock, 0)], race);
}

fn race() {
    let number = |name: &str, default| std::env::var(name).map_or(default, |text| text.parse().expect("a number"));
    let (rounds, seed) = (number("GLASSLOOP_ROUNDS", 200), number("GLASSLOOP_SEED", 1));
    let versions: Arc<Vec<Vec<u8>>> = Arc::new((0..64).map(|seed| content(seed + 1, LENGTH)).collect());
    let (version, first_requests) = (Arc::new(AtomicUsize::new(0)), FirstRequests::default());
    let server = changing(versions.clone(), version.clone(), first_requests.clone());
    let (mut dice, mut ids, mut sum) = (Dice(seed * 2 + 1), seed * 1_000_000, Sum::default());
    for number in 1..=rounds {
        let mut round = Round {
            place: TestDirectory::new(),
            url: server.url("/x"),
            versions: &versions,
            version: &version,
            dice: &mut dice,
            processes: vec![],
            started: vec![],
        };
        round.run(&mut ids);
        if round.place.path("x").exists() {
            sum.files += 1;
            let file = round.place.read("x");
            assert!(versions.contains(&file), "round {number}: {} bytes that are no version", file.len());
        }
        let mut first_requests = first_requests.lock().expect("no panic");
        for (id, version, there) in &round.started {
            if let Some(first) = first_requests.get(id).filter(|first| first.version == *version) {
                let there = first.there.min(*there);
                sum.there += there;
                sum.kept += first.range.min(there);
            }
        }
        first_requests.clear();
    }
    println!("{rounds} rounds, {ids} processes, {sum:?}: {:.1} % kept", 100.0 * sum.kept as f64 / sum.there as f64);
    assert!(sum.files > 0 && sum.kept * 10 >= sum.there * 9, "{sum:?}");
}
