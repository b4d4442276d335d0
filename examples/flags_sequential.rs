//! One program, five styles (1): downloads the twenty flags one after the other.
//!
//!     cargo run --release --example flags_sequential
//!
//! It uses a blocking socket, without a loop or threads. Each request is sent after the response to the previous one,
//! so the response times add up. It is the shortest of the five programs, and with a fast server nearby the others save
//! little time.
//!
//! `support/blocking.rs` parses the responses with the library's codec, which is sans-I/O and works with any socket.
//!
//! To try next: `cargo run --release --example compare` compares the five styles; for a slow server, run
//! `cargo run --release -- serve` in another terminal, then use `--server http://127.0.0.1:8002/flags`.

mod support;

use std::path::Path;
use std::process::ExitCode;

use glassloop::flags::codes::POPULAR;

use support::Error;
use support::blocking::Connection;

fn download_many(base_url: &str, directory: &Path) -> Result<usize, Error> {
    let mut connection = Connection::open(base_url)?;
    for code in POPULAR.map(str::to_lowercase) {
        let image = connection.get(&format!("{base_url}/{code}/{code}.gif"))?;
        std::fs::write(directory.join(format!("{code}.gif")), &image)?;
        println!("{code}: {} bytes", image.len());
    }
    Ok(POPULAR.len())
}

pub(crate) fn main() -> ExitCode {
    support::flags_main(include_str!("flags_sequential.rs"), download_many)
}
