//! Compares the claims of the asyncio chapter of *Fluent Python* with the measurements.

use super::measured::{MeasuredCase, size};
use super::results::Results;
use super::trial::Saver;

/// The chapter's claim about one file size.
struct Claim {
    /// The file size, in images.
    images: usize,
    quote: &'static str,
    /// The least speedup by the pool that confirms the claim; `None` if the claim is that there is no difference.
    speedup: Option<f64>,
}

const CLAIMS: [Claim; 4] = [
    Claim { images: 1, quote: "no noticeable difference", speedup: None },
    Claim { images: 10, quote: "the pool's advantage becomes clear", speedup: Some(NOTICEABLE) },
    Claim { images: 100, quote: "the speedup is significant", speedup: Some(1.25) },
    Claim { images: 1000, quote: "the speedup is significant", speedup: Some(1.25) },
];

/// A smaller ratio counts as no difference.
const NOTICEABLE: f64 = 1.1;

/// A difference counts only if at least this share of the rounds has the same sign.
const AGREEMENT: f64 = 0.8;

impl Claim {
    /// Returns the conclusion, given the median speedup and the share of rounds in which the loop took longer.
    fn conclusion(&self, speedup: f64, loop_slower: f64) -> &'static str {
        match self.speedup {
            Some(least) if speedup >= least && loop_slower >= AGREEMENT => "CONFIRMED",
            Some(least) if speedup < least => "NOT CONFIRMED",
            None if (1.0 / NOTICEABLE..=NOTICEABLE).contains(&speedup) => "CONFIRMED",
            None if loop_slower >= AGREEMENT || loop_slower <= 1.0 - AGREEMENT => "NOT CONFIRMED",
            _ => "INCONCLUSIVE (the rounds disagree)",
        }
    }
}

impl Results {
    /// Returns a sentence for each claim, with and without fsync.
    pub fn claims(&self) -> Vec<String> {
        let variants = [(false, "without fsync"), (true, "with fsync")];
        let cases = CLAIMS.iter().flat_map(|claim| variants.map(|(fsync, variant)| (claim, fsync, variant)));
        cases.filter_map(|(claim, fsync, variant)| Some(self.check(claim, variant, self.pair(claim, fsync)?))).collect()
    }

    /// Returns the two cases that differ only in the thread that saves.
    fn pair(&self, claim: &Claim, fsync: bool) -> Option<[&MeasuredCase; 2]> {
        let find = |saver| {
            let mut cases = self.measured.iter().filter(|one| one.case.images == claim.images);
            cases.find(|one| one.case.fsync == fsync && one.case.saver == saver)
        };
        Some([find(Saver::Loop)?, find(Saver::Pool)?])
    }

    fn check(&self, claim: &Claim, variant: &str, [on_loop, on_pool]: [&MeasuredCase; 2]) -> String {
        // Ratios within a round: its runs are close in time, so other load on the machine affects both.
        let rounds = on_loop.runs.iter().zip(&on_pool.runs);
        let mut speedups: Vec<f64> =
            rounds.map(|(on_loop, on_pool)| on_loop.wall.div_duration_f64(on_pool.wall)).collect();
        speedups.sort_by(f64::total_cmp);
        let speedup = speedups[speedups.len() / 2];
        let slower = speedups.iter().filter(|speedup| **speedup > 1.0).count();
        format!(
            "{} {variant}: the chapter says \"{}\". {}{}: saving on the loop took {speedup:.2} times as long as on the pool (median of the ratios within a round; longer in {slower} of {} rounds; medians {:.1} ms and {:.1} ms). Longest stall of the loop: {:.1} ms; with the pool, {:.1} ms.",
            size(claim.images),
            claim.quote,
            claim.conclusion(speedup, slower as f64 / speedups.len() as f64),
            if self.slow_disk.is_zero() { "" } else { " (artificial disk)" },
            speedups.len(),
            on_loop.wall().median,
            on_pool.wall().median,
            on_loop.longest_stall().median,
            on_pool.longest_stall().median,
        )
    }
}
