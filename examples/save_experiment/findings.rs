//! What the runs say together: a table, and everything for other programs.

use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use super::measured::{Measured, Spread, ms, size};
use super::trial::{IMAGE_BYTES, Place};

/// Everything.
pub struct Findings {
    pub measured: Vec<Measured>,
    pub runs: usize,
    pub slow_disk: Duration,
    pub took: Duration,
    pub place: PathBuf,
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
