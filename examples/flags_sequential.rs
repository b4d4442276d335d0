//! One job, five ways (1): the twenty flags one after the other.
//!
//!     cargo run --release --example flags_sequential
//!
//! No loop, no threads: a blocking socket. Each request waits for the one before, so the time is the sum of twenty
//! waits. It is the shortest of the five, and where the server is near and quick it is hard to beat.
//!
//! The HTTP is the library's codec all the same (`support/blocking.rs`): bytes in, events out, whoever reads them.
//!
//! To try next: `cargo run --release --example compare` for the five side by side; a slow server, in another terminal
//! `cargo run --release -- serve`, then `--server http://127.0.0.1:8002/flags`.

mod support;

use std::path::Path;
use std::process::ExitCode;

use glassloop::flags::codes::POPULAR;

use support::Error;
use support::blocking::Connection;

fn download_many(base_url: &str, folder: &Path) -> Result<usize, Error> {
    let mut connection = Connection::open(base_url)?;
    for code in POPULAR.map(str::to_lowercase) {
        let image = connection.get(&format!("{base_url}/{code}/{code}.gif"))?;
        std::fs::write(folder.join(format!("{code}.gif")), &image)?;
        println!("{code}: {} bytes", image.len());
    }
    Ok(POPULAR.len())
}

pub(crate) fn main() -> ExitCode {
    support::flags_main(download_many)
}
