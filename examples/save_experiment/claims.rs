//! What the chapter says, and what has become of it here.

use super::findings::Findings;
use super::measured::{Measured, size};
use super::trial::Place;

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
}
