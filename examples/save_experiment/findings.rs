//! What the runs say together: medians and spread, a table, and what becomes of the chapter's claims.

use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use super::trial::{Case, IMAGE_BYTES, Place, Run};

/// A case and its runs.
pub struct Measured {
    pub case: Case,
    pub runs: Vec<Run>,
}

/// Everything.
pub struct Findings {
    pub measured: Vec<Measured>,
    pub runs: usize,
    pub slow_disk: Duration,
    pub took: Duration,
    pub place: PathBuf,
}

/// The middle, and the two ends.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    pub median: f64,
    pub least: f64,
    pub most: f64,
}

impl Measured {
    /// Of any number that a run has.
    pub fn spread(&self, number: impl Fn(&Run, &Case) -> f64) -> Spread {
        let mut all: Vec<f64> = self.runs.iter().map(|run| number(run, &self.case)).collect();
        all.sort_by(f64::total_cmp);
        let middle = (all[(all.len() - 1) / 2] + all[all.len() / 2]) / 2.0;
        Spread { median: middle, least: all[0], most: all[all.len() - 1] }
    }

    /// In ms.
    pub fn wall(&self) -> Spread {
        self.spread(|run, _| ms(run.wall))
    }

    /// Of the client, in ms.
    pub fn processor(&self) -> Spread {
        self.spread(|run, _| ms(run.processor))
    }

    /// Requests a second.
    pub fn rate(&self) -> Spread {
        self.spread(|run, case| case.files as f64 / run.wall.as_secs_f64())
    }

    /// In ms.
    pub fn longest_stall(&self) -> Spread {
        self.spread(|run, _| run.stalls.last().copied().map_or(0.0, ms))
    }

    /// What 99 of 100 stalls do not exceed, of those of all runs together, in ms.
    pub fn p99_stall(&self) -> f64 {
        let mut all: Vec<Duration> = self.runs.iter().flat_map(|run| run.stalls.iter().copied()).collect();
        all.sort_unstable();
        all.get((all.len() * 99).div_ceil(100).saturating_sub(1)).copied().map_or(0.0, ms)
    }

    /// `pool, fsync`.
    pub fn way(&self) -> String {
        let place = if self.case.place == Place::Loop { "loop" } else { "pool" };
        format!("{place}{}", if self.case.fsync { ", fsync" } else { "" })
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// `13 KB`, `1.3 MB`.
pub fn size(times: usize) -> String {
    match (times * IMAGE_BYTES) as f64 / 1000.0 {
        kilobytes if kilobytes < 1000.0 => format!("{kilobytes} KB"),
        kilobytes => format!("{} MB", kilobytes / 1000.0),
    }
}

/// What the chapter says of a size.
struct Claim {
    times: usize,
    words: &'static str,
    /// How many times as long the loop has to take, at least; `None` if it must make no difference.
    gain: Option<f64>,
}

const CLAIMS: [Claim; 4] = [
    Claim { times: 1, words: "no noticeable difference", gain: None },
    Claim { times: 10, words: "the pool's advantage becomes clear", gain: Some(NOTICEABLE) },
    Claim { times: 100, words: "the speedup is significant", gain: Some(1.25) },
    Claim { times: 1000, words: "the speedup is significant", gain: Some(1.25) },
];

/// Less than this is no difference, whatever the runs say.
const NOTICEABLE: f64 = 1.1;

/// A difference counts if so many of the rounds agree on which is longer.
const AGREED: f64 = 0.8;

impl Claim {
    /// What has become of it, if the loop takes `gain` times as long, and longer in this part of the rounds.
    fn verdict(&self, gain: f64, longer: f64) -> &'static str {
        match self.gain {
            Some(least) if gain >= least && longer >= AGREED => "SEEN here",
            Some(least) if gain < least => "NOT SEEN here",
            None if (1.0 / NOTICEABLE..=NOTICEABLE).contains(&gain) => "SEEN here",
            None if longer >= AGREED || longer <= 1.0 - AGREED => "NOT SEEN here",
            _ => "UNDECIDED here, the rounds disagree",
        }
    }
}

impl Findings {
    /// The table and the claims.
    pub fn text(&self) -> String {
        format!("{}\n\n{}\n\n{}", self.circumstances(), self.table(), self.claims().join("\n"))
    }

    pub fn circumstances(&self) -> String {
        let disk = match self.slow_disk {
            Duration::ZERO => String::new(),
            slow => format!(" ARTIFICIAL: every save sleeps {} ms first, as on a slow disk.", slow.as_millis()),
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        format!(
            "Images of {}, five requests at once, files in {}; medians of {} runs in turns, with the least and the most; {} cores, {:.0} s in all.{disk}",
            size(1),
            self.place.display(),
            self.runs,
            cores,
            self.took.as_secs_f64(),
        )
    }

    /// A line a case.
    pub fn table(&self) -> String {
        let mut table = "file size  saved on      files              wall ms     CPU ms   requests/s       longest stall ms   p99 stall ms".to_owned();
        for measured in &self.measured {
            let (wall, stall) = (measured.wall(), measured.longest_stall());
            write!(
                table,
                "\n{:<11}{:<12}{:7}{:>21}{:11.1}{:13.0}{:>23}{:15.2}",
                size(measured.case.times),
                measured.way(),
                measured.case.files,
                format!("{:.1} ({:.0}–{:.0})", wall.median, wall.least, wall.most),
                measured.processor().median,
                measured.rate().median,
                format!("{:.2} ({:.1}–{:.1})", stall.median, stall.least, stall.most),
                measured.p99_stall(),
            )
            .expect("writing to a string does not fail");
        }
        table
    }

    /// Each claim beside what was seen.
    pub fn claims(&self) -> Vec<String> {
        let ways = [(false, "as it is"), (true, "with fsync")];
        let cases = CLAIMS.iter().flat_map(|claim| ways.map(|(fsync, way)| (claim, fsync, way)));
        cases.filter_map(|(claim, fsync, way)| Some(self.seen(claim, way, self.pair(claim.times, fsync)?))).collect()
    }

    /// The same work on the loop and on the pool.
    fn pair(&self, times: usize, fsync: bool) -> Option<[&Measured; 2]> {
        let find = |place| {
            let mut cases = self.measured.iter();
            cases.find(|one| one.case.times == times && one.case.fsync == fsync && one.case.place == place)
        };
        Some([find(Place::Loop)?, find(Place::Pool)?])
    }

    fn seen(&self, claim: &Claim, way: &str, [on_loop, on_pool]: [&Measured; 2]) -> String {
        // Runs of one round are neighbours in time: whatever else the machine did, it did to both.
        let rounds = on_loop.runs.iter().zip(&on_pool.runs);
        let mut gains: Vec<f64> = rounds.map(|(slow, quick)| slow.wall.div_duration_f64(quick.wall)).collect();
        gains.sort_by(f64::total_cmp);
        let (gain, longer) = (gains[gains.len() / 2], gains.iter().filter(|gain| **gain > 1.0).count());
        format!(
            "{} {way}: the chapter says \"{}\". {}{}: on the loop it took {gain:.2} times as long as on the pool (the median of the rounds' ratios; longer in {longer} of {} rounds; medians {:.1} ms and {:.1} ms). The loop stood still for up to {:.1} ms; with the pool, {:.1} ms.",
            size(claim.times),
            claim.words,
            claim.verdict(gain, longer as f64 / gains.len() as f64),
            if self.slow_disk.is_zero() { "" } else { " (artificial disk)" },
            gains.len(),
            on_loop.wall().median,
            on_pool.wall().median,
            on_loop.longest_stall().median,
            on_pool.longest_stall().median,
        )
    }

    /// All numbers, for other programs.
    pub fn json(&self) -> String {
        let spread = |spread: Spread| json!({"median": spread.median, "least": spread.least, "most": spread.most});
        let cases: Vec<Value> = self
            .measured
            .iter()
            .map(|one| {
                let runs: Vec<Value> = one
                    .runs
                    .iter()
                    .map(|run| {
                        json!({
                            "wall_ms": ms(run.wall), "cpu_ms": ms(run.processor),
                            "longest_stall_ms": run.stalls.last().copied().map_or(0.0, ms), "stalls": run.stalls.len(),
                        })
                    })
                    .collect();
                json!({
                    "file_bytes": one.case.times * IMAGE_BYTES, "files": one.case.files,
                    "saved_on": if one.case.place == Place::Loop { "loop" } else { "pool" }, "fsync": one.case.fsync,
                    "wall_ms": spread(one.wall()), "cpu_ms": spread(one.processor()),
                    "requests_per_second": spread(one.rate()),
                    "longest_stall_ms": spread(one.longest_stall()), "p99_stall_ms": one.p99_stall(),
                    "runs": runs,
                })
            })
            .collect();
        let all = json!({
            "experiment": "save", "runs": self.runs, "artificial_slow_disk_ms": self.slow_disk.as_millis() as u64,
            "circumstances": self.circumstances(), "claims": self.claims(), "cases": cases,
        });
        format!("{all:#}\n")
    }
}
