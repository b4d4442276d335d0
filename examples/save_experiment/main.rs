//! Files and the thread pool: an experiment that compares saving files on the loop's thread with saving them on the
//! pool.
//!
//!     cargo run --release --example save_experiment
//!     cargo run --release --example save_experiment -- --full
//!     cargo run --release --example save_experiment -- --slow-disk 20
//!
//! The asyncio chapter of *Fluent Python* says that saving files on the threads of the executor makes no noticeable
//! difference for images of 13 KB, that its advantage becomes clear when each image is written ten times (`img*10`, 130
//! KB), and that it is significant for megapixel images. Here a server in another process serves images of 13 KB, which
//! are written 1, 10, 100 and 1,000 times into each file, on the loop and on the pool, with and without fsync. The
//! cases are interleaved and repeated, and the conclusions about the chapter's claims are computed from the
//! measurements. With `--slow-disk MS`, every save sleeps first, which simulates a slow disk.
//!
//! The results are printed as a table and written to `experiment.json` and `experiment.html` (with charts) in `--out`
//! (default: target/save_experiment). The files are saved in `--dest` (default: the temporary directory) and removed.
//! With GLASSLOOP_TRACE an additional run at the start is recorded; measured runs are not, since recording costs time.
//!
//! To try next: `--dest` on another disk or in memory (/dev/shm); `--slow-disk 20`, to see for which sizes the pool
//! helps if the disk is slow.
//!
//! | file | subject |
//! | --- | --- |
//! | `main.rs` | arguments, and the order of the runs |
//! | `trial.rs`, `server.rs` | one run of one case; the server, which is another process |
//! | `measured.rs` | the runs of a case: median, minimum and maximum |
//! | `results.rs`, `claims.rs` | the results of all runs; the conclusions about the chapter's claims |
//! | `page.rs` | the HTML page with the charts |

#[path = "../support/mod.rs"]
mod support;

mod claims;
mod measured;
mod page;
mod results;
mod server;
mod trial;

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use measured::MeasuredCase;
use results::Results;
use server::Server;
use support::{Error, event_loop, measured_event_loop};
use trial::{Case, Saver, Trial};

/// The number of images written into one file, and the number of files per run without and with `--full`.
const SIZES: [(usize, usize, usize); 4] = [(1, 40, 400), (10, 20, 200), (100, 10, 60), (1000, 2, 12)];

fn main() -> ExitCode {
    if server::is_this_process() {
        return server::main();
    }
    support::main(
        include_str!("main.rs"),
        &["--server URL", "--full", "--runs N", "--slow-disk MS", "--dest DIR", "--out DIR"],
        |arguments| {
            let is_full = arguments.has("--full");
            let runs: usize = arguments.number("--runs", if is_full { 7 } else { 3 })?;
            let slow_disk = Duration::from_millis(arguments.number("--slow-disk", 0)?);
            let directory = arguments.value("--dest").map_or_else(std::env::temp_dir, PathBuf::from);
            let out = PathBuf::from(arguments.value("--out").unwrap_or("target/save_experiment"));
            std::fs::create_dir_all(&out).map_err(|error| format!("creating {}: {error}", out.display()))?;

            let server = if arguments.has("--server") { None } else { Some(Server::start()?) };
            let url = arguments.value("--server").or(server.as_ref().map(Server::url)).unwrap_or_default();
            let trial = Trial { url, slow_disk, directory: &directory };
            let results = measure(&trial, is_full, runs.max(1))?;
            let text = results.text();
            println!("{text}");
            write(&out, "experiment.json", &results.json())?;
            write(&out, "experiment.html", &page::html(&results))?;
            println!("The charts are in {}, the data in experiment.json.", out.join("experiment.html").display());
            Ok(())
        },
    )
}

/// Runs each case `runs` times. The cases are interleaved, so that other load on the machine affects all of them.
fn measure(trial: &Trial<'_>, is_full: bool, runs: usize) -> Result<Results, Error> {
    let cases: Vec<Case> = SIZES
        .iter()
        .flat_map(|&(images, few, many)| {
            let files = if is_full { many } else { few };
            [(Saver::Loop, false), (Saver::Pool, false), (Saver::Loop, true), (Saver::Pool, true)]
                .map(|(saver, fsync)| Case { images, files, saver, fsync })
        })
        .collect();
    let (started, shows_progress) = (Instant::now(), std::io::stderr().is_terminal());
    // A warm-up, which is not measured. It is recorded if GLASSLOOP_TRACE is set.
    trial.run(&cases[0], event_loop()?)?;
    let mut measured: Vec<MeasuredCase> = cases.iter().map(|case| MeasuredCase { case: *case, runs: vec![] }).collect();
    for number in 1..=runs {
        for (index, measured) in measured.iter_mut().enumerate() {
            if shows_progress {
                eprint!("\rrun {number} of {runs}, case {} of {}  ", index + 1, cases.len());
                std::io::stderr().flush().ok();
            }
            let run = trial.run(&measured.case, measured_event_loop()?)?;
            measured.runs.push(run);
        }
    }
    if shows_progress {
        eprint!("\r{:40}\r", "");
    }
    let (slow_disk, elapsed) = (trial.slow_disk, started.elapsed());
    Ok(Results { measured, runs, slow_disk, elapsed, directory: trial.directory.to_owned() })
}

fn write(directory: &Path, name: &str, text: &str) -> Result<(), Error> {
    let path = directory.join(name);
    Ok(std::fs::write(&path, text).map_err(|error| format!("writing {}: {error}", path.display()))?)
}
