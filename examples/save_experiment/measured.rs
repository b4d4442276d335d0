//! A case and its runs: medians and spread.

use std::time::Duration;

use super::trial::{Case, IMAGE_BYTES, Place, Run};

/// A case and its runs.
pub struct Measured {
    pub case: Case,
    pub runs: Vec<Run>,
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

/// A time as a number.
pub fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// `13 KB`, `1.3 MB`.
pub fn size(times: usize) -> String {
    match (times * IMAGE_BYTES) as f64 / 1000.0 {
        kilobytes if kilobytes < 1000.0 => format!("{kilobytes} KB"),
        kilobytes => format!("{} MB", kilobytes / 1000.0),
    }
}
