//! One job, five ways (2): the twenty flags on five threads.
//!
//!     cargo run --release --example flags_threads
//!
//! Five threads take codes from one list, each with a connection of its own, and each blocks as it likes. The operating
//! system does what the loop does in the other three: it notes who waits for which socket, and lets those run who can.
//! What that costs is memory and a switch of context a wait, and care with whatever two threads share: here the list.
//!
//! To try next: `THREADS = 20`; then count what a thousand threads cost (`compare` prints the numbers).

mod support;

use std::path::Path;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::thread;

use glassloop::flags::codes::POPULAR;

use support::Error;
use support::blocking::Connection;

const THREADS: usize = 5;

/// What a thread does: one flag after the other, until the list is empty.
fn download_some(base_url: &str, folder: &Path, codes: &Mutex<impl Iterator<Item = String>>) -> std::io::Result<usize> {
    let mut connection = Connection::open(base_url)?;
    let mut saved = 0;
    // Each takes the lock for as long as it takes to take a code, not longer.
    let next = || codes.lock().unwrap_or_else(PoisonError::into_inner).next();
    while let Some(code) = next() {
        let image = connection.get(&format!("{base_url}/{code}/{code}.gif"))?;
        std::fs::write(folder.join(format!("{code}.gif")), &image)?;
        println!("{code}: {} bytes", image.len());
        saved += 1;
    }
    Ok(saved)
}

fn download_many(base_url: &str, folder: &Path) -> Result<usize, Error> {
    let codes = Mutex::new(POPULAR.iter().map(|code| code.to_lowercase()));
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(|| download_some(base_url, folder, &codes))).collect();
        let mut saved = 0;
        for thread in threads {
            saved += thread.join().map_err(|_| "a thread panicked")??;
        }
        Ok(saved)
    })
}

pub(crate) fn main() -> ExitCode {
    support::flags_main(download_many)
}
