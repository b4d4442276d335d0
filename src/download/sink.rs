//! Where the bytes of a body go: into a file that grows, or to standard output.

use std::io::{self, Write};
use std::path::PathBuf;

use sha2::Digest;

use super::list::Sha256;
use super::part::{Finished, PartFile};
use super::resume::PartState;
use super::save::{Existing, Fsync, SaveError};

/// What a body is written to, a chunk at a time, by threads of a pool.
#[derive(Debug)]
pub(super) enum Sink {
    /// A file.
    Part(PartFile),
    /// Standard output.
    Stdout(Stdout),
}

/// Standard output, and what has been written to it.
#[derive(Debug)]
pub(super) struct Stdout {
    written: u64,
    state: PartState,
    hasher: Option<sha2::Sha256>,
}

impl Stdout {
    /// Nothing has been written yet. `hash`: what is will be.
    pub(super) fn new(state: PartState, hash: bool) -> Stdout {
        Stdout { written: 0, state, hasher: hash.then(sha2::Sha256::default) }
    }
}

impl Stdout {
    /// How many bytes have been written.
    pub(super) fn written(&self) -> u64 {
        self.written
    }
}

impl Sink {
    /// How many bytes are in it.
    pub(super) fn written(&self) -> u64 {
        match self {
            Sink::Part(part) => part.written(),
            Sink::Stdout(stdout) => stdout.written,
        }
    }

    /// Of which version they are.
    pub(super) fn state(&self) -> &PartState {
        match self {
            Sink::Part(part) => part.state(),
            Sink::Stdout(stdout) => &stdout.state,
        }
    }

    /// Adds bytes.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), SaveError> {
        match self {
            Sink::Part(part) => part.write(bytes),
            Sink::Stdout(stdout) => {
                io::stdout().write_all(bytes).map_err(to_stdout)?;
                stdout.written += bytes.len() as u64;
                if let Some(hasher) = &mut stdout.hasher {
                    hasher.update(bytes);
                }
                Ok(())
            }
        }
    }

    /// All has been written.
    pub(super) fn finish(
        self,
        total: Option<u64>,
        name: &str,
        expected: Option<Sha256>,
        existing: Existing,
        fsync: Fsync,
    ) -> Result<Finished, SaveError> {
        match self {
            Sink::Part(part) => part.finish(total, name, expected, existing, fsync),
            Sink::Stdout(stdout) => {
                io::stdout().flush().map_err(to_stdout)?;
                let found = stdout.hasher.map(|hasher| Sha256(hasher.finalize().into()));
                match (expected, found) {
                    (Some(expected), Some(found)) if expected != found => Ok(Finished::Mismatch { found }),
                    _ => Ok(Finished::Saved { sha256: found }),
                }
            }
        }
    }
}

fn to_stdout(error: io::Error) -> SaveError {
    SaveError::new("writing to", PathBuf::from("standard output"), error)
}
