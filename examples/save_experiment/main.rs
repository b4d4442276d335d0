//! Files and the pool: does it make a difference where files are saved? An experiment.
//!
//!     cargo run --release --example save_experiment
//!     cargo run --release --example save_experiment -- --full
//!     cargo run --release --example save_experiment -- --slow-disk 20
//!
//! The asyncio chapter of *Fluent Python* says that saving on the executor's threads makes no noticeable difference for
//! images of 13 KB, that its advantage becomes clear when each file is written ten times over (`img*10`, 130 KB), and that
//! it is significant for images of megapixels. Here a server in a process of its own gives images of 13 KB, which are
//! written 1, 10, 100 and 1,000 times over, on the loop and on the pool, as they are and with an fsync behind each, in
//! turns, several times. Whether the chapter is right on this machine is worked out from the numbers; nothing of what is
//! said was written before the run. `--slow-disk MS` lets every save sleep first: an artificial disk.
//!
//! It prints a table and leaves `experiment.json` and `experiment.html`, with charts, in `--out` (usually
//! target/save_experiment); the files it saves go to `--dest` (usually the temporary folder) and are removed. With
//! GLASSLOOP_TRACE a run before the first is recorded: what is measured is not, since recording takes time.
//!
//! To try next: `--dest` on another disk, or in memory (/dev/shm); `--slow-disk 20`: whom does the pool help then?
//!
//! | file | subject |
//! | --- | --- |
//! | `main.rs` | the plan |
//! | `trial.rs`, `server.rs` | one run of one case; the server's process |
//! | `measured.rs` | a case and its runs: medians and spread |
//! | `findings.rs`, `claims.rs` | what the runs say together; what becomes of the chapter's claims |
//! | `page.rs` | the page with the charts |

#[path = "../support/mod.rs"]
mod support;

mod claims;
mod findings;
mod measured;
mod page;
mod server;
mod trial;

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use findings::Findings;
use measured::Measured;
use server::Server;
use support::{Error, event_loop, measured_event_loop};
use trial::{Case, Place, Trial};

/// How often the image is written into one file, and how many files a run saves: in short, and with `--full`.
const SIZES: [(usize, usize, usize); 4] = [(1, 40, 400), (10, 20, 200), (100, 10, 60), (1000, 2, 12)];

fn main() -> ExitCode {
    if server::is_this_process() {
        return server::main();
    }
    support::main(&["--server URL", "--full", "--runs N", "--slow-disk MS", "--dest DIR", "--out DIR"], |arguments| {
        let is_full = arguments.has("--full");
        let runs: usize = arguments.number("--runs", if is_full { 7 } else { 3 })?;
        let slow_disk = Duration::from_millis(arguments.number("--slow-disk", 0)?);
        let place = arguments.value("--dest").map_or_else(std::env::temp_dir, PathBuf::from);
        let out = PathBuf::from(arguments.value("--out").unwrap_or("target/save_experiment"));
        std::fs::create_dir_all(&out).map_err(|error| format!("making {}: {error}", out.display()))?;

        let server = if arguments.has("--server") { None } else { Some(Server::start()?) };
        let url = arguments.value("--server").or(server.as_ref().map(Server::url)).unwrap_or_default();
        let trial = Trial { url, slow_disk, place: &place };
        let findings = measure(&trial, is_full, runs.max(1))?;
        let text = findings.text();
        println!("{text}");
        leave(&out, "experiment.json", &findings.json())?;
        leave(&out, "experiment.html", &page::html(&findings))?;
        println!("{} has the charts, experiment.json beside it the numbers.", out.join("experiment.html").display());
        Ok(())
    })
}

/// All cases in turns, as often as asked for: whatever else the machine does meanwhile, it does to all of them.
fn measure(trial: &Trial<'_>, is_full: bool, runs: usize) -> Result<Findings, Error> {
    let cases: Vec<Case> = SIZES
        .iter()
        .flat_map(|&(times, few, many)| {
            let files = if is_full { many } else { few };
            [(Place::Loop, false), (Place::Pool, false), (Place::Loop, true), (Place::Pool, true)]
                .map(|(place, fsync)| Case { times, files, place, fsync })
        })
        .collect();
    let (started, is_watched) = (Instant::now(), std::io::stderr().is_terminal());
    // This run is recorded if GLASSLOOP_TRACE says so, and not measured. Now the server and the disk are awake.
    trial.run(&cases[0], event_loop()?)?;
    let mut measured: Vec<Measured> = cases.iter().map(|case| Measured { case: *case, runs: vec![] }).collect();
    for number in 1..=runs {
        for (at, measured) in measured.iter_mut().enumerate() {
            if is_watched {
                eprint!("\rrun {number} of {runs}, case {} of {}  ", at + 1, cases.len());
                std::io::stderr().flush().ok();
            }
            let run = trial.run(&measured.case, measured_event_loop()?)?;
            measured.runs.push(run);
        }
    }
    if is_watched {
        eprint!("\r{:40}\r", "");
    }
    let (slow_disk, took) = (trial.slow_disk, started.elapsed());
    Ok(Findings { measured, runs, slow_disk, took, place: trial.place.to_owned() })
}

fn leave(folder: &Path, name: &str, text: &str) -> Result<(), Error> {
    let path = folder.join(name);
    Ok(std::fs::write(&path, text).map_err(|error| format!("writing {}: {error}", path.display()))?)
}
