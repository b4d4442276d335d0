//! Files and the thread pool: why regular files need a thread pool.
//!
//!     cargo run --release --example files_and_epoll
//!
//! The kernel reports when a socket becomes readable. For a regular file there is no such event: it counts as always
//! ready, and `read` blocks until the data has been read from the disk. Linux's epoll therefore rejects regular files
//! (EPERM); kqueue accepts them, but reports them as ready at once. So a program that must not block reads files on
//! another thread.
//!
//! To try next: register a terminal instead of the file (`/dev/stdin`, if it is one), then `/dev/null`.

mod support;

use std::process::ExitCode;

use glassloop::event_loop::{InitialReadiness, PollEvented, SourceMetadata};
use glassloop::run_in_executor;

use support::Error;

fn main() -> ExitCode {
    support::main(include_str!("files_and_epoll.rs"), &[], |_| {
        let directory = support::temporary_dir()?;
        let path = directory.path().join("regular");
        std::fs::write(&path, "the content of the file")?;
        support::event_loop()?.block_on(async {
            let (reader, _writer) = std::io::pipe()?;
            let described = SourceMetadata { what: "", descriptor: None, peer: None };

            register("pipe", &reader, described)?;
            register("regular file", &std::fs::File::open(&path)?, described)?;

            let content = run_in_executor(None, move || std::fs::read_to_string(path)).await??;
            println!("a pool thread has read it: {content}");
            Ok(())
        })?
    })
}

/// Tries to register a descriptor with the reactor and prints the result.
#[cfg(unix)]
fn register(name: &'static str, io: &impl std::os::fd::AsRawFd, described: SourceMetadata) -> Result<(), Error> {
    let descriptor = io.as_raw_fd();
    let source = mio::unix::SourceFd(&descriptor);
    let described = SourceMetadata { what: name, descriptor: Some(descriptor), ..described };
    match PollEvented::new(source, InitialReadiness::NotReady, described) {
        Ok(source) => println!("a {name} is registered as {}", source.id()),
        Err(error) => println!("a {name} cannot be registered: {error}"),
    }
    Ok(())
}

#[cfg(not(unix))]
fn register<T>(name: &'static str, _io: &T, _described: SourceMetadata) -> Result<(), Error> {
    println!("a {name}: the reactor supports only sockets on this system");
    Ok(())
}
