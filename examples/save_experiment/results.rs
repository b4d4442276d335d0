//! The results of all runs, as a table and as JSON.

use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use super::measured::{MeasuredCase, Spread, ms, size};
use super::trial::{IMAGE_BYTES, Saver};

/// The results of all runs, and the settings they were made with.
pub struct Results {
    pub measured: Vec<MeasuredCase>,
    pub runs: usize,
    pub slow_disk: Duration,
    pub elapsed: Duration,
    pub directory: PathBuf,
}

impl Results {
    /// Returns the settings, the table and the claims as text.
    pub fn text(&self) -> String {
        format!("{}\n\n{}\n\n{}", self.settings(), self.table(), self.claims().join("\n"))
    }

    /// Returns a sentence about the settings of the experiment.
    pub fn settings(&self) -> String {
        let disk = match self.slow_disk {
            Duration::ZERO => String::new(),
            slow => format!(" ARTIFICIAL: every save sleeps {} ms first, as on a slow disk.", slow.as_millis()),
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        format!(
            "Images of {}, five concurrent requests, files in {}; medians of {} interleaved runs, with minimum and maximum; {} cores, {:.0} s in total.{disk}",
            size(1),
            self.directory.display(),
            self.runs,
            cores,
            self.elapsed.as_secs_f64(),
        )
    }

    /// Returns a table with one line per case.
    pub fn table(&self) -> String {
        let mut table = "file size  saved on      files              wall ms     CPU ms   requests/s       longest stall ms   p99 stall ms".to_owned();
        for measured in &self.measured {
            let (wall, stall) = (measured.wall(), measured.longest_stall());
            write!(
                table,
                "\n{:<11}{:<12}{:7}{:>21}{:11.1}{:13.0}{:>23}{:15.2}",
                size(measured.case.images),
                measured.label(),
                measured.case.files,
                format!("{:.1} ({:.0}–{:.0})", wall.median, wall.min, wall.max),
                measured.cpu().median,
                measured.rate().median,
                format!("{:.2} ({:.1}–{:.1})", stall.median, stall.min, stall.max),
                measured.p99_stall(),
            )
            .expect("writing to a string does not fail");
        }
        table
    }

    /// Returns all numbers as JSON.
    pub fn json(&self) -> String {
        let spread = |spread: Spread| json!({"median": spread.median, "min": spread.min, "max": spread.max});
        let cases: Vec<Value> = self
            .measured
            .iter()
            .map(|one| {
                let runs: Vec<Value> = one
                    .runs
                    .iter()
                    .map(|run| {
                        json!({
                            "wall_ms": ms(run.wall), "cpu_ms": ms(run.cpu),
                            "longest_stall_ms": run.stalls.last().copied().map_or(0.0, ms), "stalls": run.stalls.len(),
                        })
                    })
                    .collect();
                json!({
                    "file_bytes": one.case.images * IMAGE_BYTES, "files": one.case.files,
                    "saved_on": if one.case.saver == Saver::Loop { "loop" } else { "pool" }, "fsync": one.case.fsync,
                    "wall_ms": spread(one.wall()), "cpu_ms": spread(one.cpu()),
                    "requests_per_second": spread(one.rate()),
                    "longest_stall_ms": spread(one.longest_stall()), "p99_stall_ms": one.p99_stall(),
                    "runs": runs,
                })
            })
            .collect();
        let all = json!({
            "experiment": "save", "runs": self.runs, "artificial_slow_disk_ms": self.slow_disk.as_millis() as u64,
            "settings": self.settings(), "claims": self.claims(), "cases": cases,
        });
        format!("{all:#}\n")
    }
}
