//! Files and the pool: why there is a pool at all.
//!
//!     cargo run --release --example files_and_epoll
//!
//! A socket can be waited for: the kernel says when there is something to read. A regular file cannot. It counts as
//! always ready, and reading it takes as long as the disk takes; so Linux's epoll refuses it outright, and kqueue, which
//! takes it, says "ready" at once and means nothing by it. Whoever does not want to wait for a disk has to let another
//! thread wait.
//!
//! To try next: a pipe or a terminal (`/dev/stdin` when it is one) in place of the file; `/dev/null`.

mod support;

use std::process::ExitCode;

use glassloop::event_loop::{Described, Initially, Source};
use glassloop::run_in_executor;

use support::Error;

fn main() -> ExitCode {
    support::main(&[], |_| {
        let folder = support::temporary_folder()?;
        let path = folder.path().join("regular");
        std::fs::write(&path, "the words in the file")?;
        support::event_loop()?.block_on(async {
            let (reader, _writer) = std::io::pipe()?;
            let described = Described { what: "", descriptor: None, peer: None };

            register("pipe", &reader, described)?;
            register("regular file", &std::fs::File::open(&path)?, described)?;

            let words = run_in_executor(None, move || std::fs::read_to_string(path)).await??;
            println!("a thread of the pool has read it: {words}");
            Ok(())
        })?
    })
}

/// Tries to register something with the reactor.
#[cfg(unix)]
fn register(name: &'static str, io: &impl std::os::fd::AsRawFd, described: Described) -> Result<(), Error> {
    let descriptor = io.as_raw_fd();
    let source = mio::unix::SourceFd(&descriptor);
    let described = Described { what: name, descriptor: Some(descriptor), ..described };
    match Source::new(source, Initially::Waiting, described) {
        Ok(source) => println!("a {name} is registered as {}", source.id()),
        Err(error) => println!("a {name} cannot be registered: {error}"),
    }
    Ok(())
}

#[cfg(not(unix))]
fn register<T>(name: &'static str, _io: &T, _described: Described) -> Result<(), Error> {
    println!("a {name}: this system's reactor knows sockets only");
    Ok(())
}
