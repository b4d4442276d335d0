//! The measured runs of a case, and their median, minimum and maximum.

use std::time::Duration;

use super::trial::{Case, IMAGE_BYTES, Run, Saver};

/// A case and its measured runs.
pub struct MeasuredCase {
    pub case: Case,
    pub runs: Vec<Run>,
}

/// The median and the range of a quantity over the runs of a case.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

impl MeasuredCase {
    /// Returns the spread of `quantity` over all runs.
    pub fn spread(&self, quantity: impl Fn(&Run, &Case) -> f64) -> Spread {
        let mut all: Vec<f64> = self.runs.iter().map(|run| quantity(run, &self.case)).collect();
        all.sort_by(f64::total_cmp);
        let median = (all[(all.len() - 1) / 2] + all[all.len() / 2]) / 2.0;
        Spread { median, min: all[0], max: all[all.len() - 1] }
    }

    /// Returns the wall time in ms.
    pub fn wall(&self) -> Spread {
        self.spread(|run, _| ms(run.wall))
    }

    /// Returns the CPU time of the client in ms.
    pub fn cpu(&self) -> Spread {
        self.spread(|run, _| ms(run.cpu))
    }

    /// Returns the requests per second.
    pub fn rate(&self) -> Spread {
        self.spread(|run, case| case.files as f64 / run.wall.as_secs_f64())
    }

    /// Returns the longest stall of each run in ms.
    pub fn longest_stall(&self) -> Spread {
        self.spread(|run, _| run.stalls.last().copied().map_or(0.0, ms))
    }

    /// Returns the 99th percentile of the stalls of all runs in ms.
    pub fn p99_stall(&self) -> f64 {
        let mut all: Vec<Duration> = self.runs.iter().flat_map(|run| run.stalls.iter().copied()).collect();
        all.sort_unstable();
        all.get((all.len() * 99).div_ceil(100).saturating_sub(1)).copied().map_or(0.0, ms)
    }

    /// Returns how the files are saved, such as `pool, fsync`.
    pub fn label(&self) -> String {
        let saver = if self.case.saver == Saver::Loop { "loop" } else { "pool" };
        format!("{saver}{}", if self.case.fsync { ", fsync" } else { "" })
    }
}

/// Converts a duration to milliseconds.
pub fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// Formats the size of so many images, such as `13 KB` or `1.3 MB`.
pub fn size(images: usize) -> String {
    match (images * IMAGE_BYTES) as f64 / 1000.0 {
        kilobytes if kilobytes < 1000.0 => format!("{kilobytes} KB"),
        kilobytes => format!("{} MB", kilobytes / 1000.0),
    }
}
