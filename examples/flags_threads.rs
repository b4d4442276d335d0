//! One program, five styles (2): downloads the twenty flags on five threads.
//!
//!     cargo run --release --example flags_threads
//!
//! Five threads take codes from one shared list. Each has its own connection and blocks on it. The operating system's
//! scheduler does what the event loop does in the next three programs: it keeps track of which thread waits for which
//! socket, and runs the threads whose sockets are ready. The cost is memory for stacks, a context switch per wait, and
//! synchronization of shared state, here the list.
//!
//! To try next: `THREADS = 20`; then measure what a thousand threads cost (`compare` prints the numbers).

mod support;

use std::path::Path;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::thread;

use glassloop::flags::codes::POPULAR;

use support::Error;
use support::blocking::Connection;

const THREADS: usize = 5;

/// Downloads flags until the list is empty, and returns how many it saved. Each thread runs this function.
fn download_some(
    base_url: &str,
    directory: &Path,
    codes: &Mutex<impl Iterator<Item = String>>,
) -> std::io::Result<usize> {
    let mut connection = Connection::open(base_url)?;
    let mut saved = 0;
    // The closure releases the lock before the request is sent.
    let next = || codes.lock().unwrap_or_else(PoisonError::into_inner).next();
    while let Some(code) = next() {
        let image = connection.get(&format!("{base_url}/{code}/{code}.gif"))?;
        std::fs::write(directory.join(format!("{code}.gif")), &image)?;
        println!("{code}: {} bytes", image.len());
        saved += 1;
    }
    Ok(saved)
}

fn download_many(base_url: &str, directory: &Path) -> Result<usize, Error> {
    let codes = Mutex::new(POPULAR.iter().map(|code| code.to_lowercase()));
    thread::scope(|scope| {
        let threads: Vec<_> =
            (0..THREADS).map(|_| scope.spawn(|| download_some(base_url, directory, &codes))).collect();
        let mut saved = 0;
        for thread in threads {
            saved += thread.join().map_err(|_| "a thread panicked")??;
        }
        Ok(saved)
    })
}

pub(crate) fn main() -> ExitCode {
    support::flags_main(include_str!("flags_threads.rs"), download_many)
}
