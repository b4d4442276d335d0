//! Where the bytes of a body go: into a file that grows, or into a stream that only takes bytes: standard output, a pipe
//! or a device.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::Digest;

use super::list::Sha256;
use super::part::{Finished, PartFile};
use super::publish::Target;
use super::resume::PartState;
use super::save::SaveError;
use crate::platform::{CWD, FileType, Mode, OFlags, fstat, openat};

/// Something that takes bytes and cannot give them back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamTarget {
    /// Standard output.
    Stdout,
    /// A pipe or a device.
    Path(PathBuf),
}

/// What a body is written to, a chunk at a time, by threads of a pool.
#[derive(Debug)]
pub(super) enum Sink {
    /// A file.
    Part(PartFile),
    /// A stream.
    Stream(Stream),
}

/// A stream, and what has been written to it.
#[derive(Debug)]
pub(super) struct Stream {
    target: Arc<OpenStream>,
    written: u64,
    state: PartState,
    hasher: Option<sha2::Sha256>,
}

/// A stream that bytes can be written to.
#[derive(Debug)]
pub(super) struct OpenStream {
    file: File,
    path: PathBuf,
}

impl OpenStream {
    /// Opens a stream. Blocks until a pipe has a reader.
    ///
    /// # Errors
    /// If it cannot be opened for writing, or has become a regular file meanwhile.
    pub(super) fn open(target: &StreamTarget) -> Result<OpenStream, SaveError> {
        let (file, path) = match target {
            StreamTarget::Stdout => (stdout(), Path::new("standard output")),
            StreamTarget::Path(path) => (open_device(path), path.as_path()),
        };
        let file = file.map_err(|error| SaveError::new("opening", path.to_owned(), error))?;
        Ok(OpenStream { file, path: path.to_owned() })
    }
}

impl Stream {
    /// Nothing has been written yet. `hash`: whether the SHA-256 is to be worked out.
    pub(super) fn new(target: Arc<OpenStream>, state: PartState, hash: bool) -> Stream {
        Stream { target, written: 0, state, hasher: hash.then(sha2::Sha256::default) }
    }

    /// How many bytes have been written.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), SaveError> {
        let written = (&self.target.file).write_all(bytes);
        written.map_err(|error| SaveError::new("writing to", self.target.path.clone(), error))?;
        self.written += bytes.len() as u64;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(bytes);
        }
        Ok(())
    }
}

/// Returns standard output as a file: std's own handle has a buffer, and reports success if the descriptor cannot be
/// written to.
pub(crate) fn stdout() -> io::Result<File> {
    #[cfg(unix)]
    let owned = std::os::fd::AsFd::as_fd(&io::stdout()).try_clone_to_owned();
    #[cfg(windows)]
    let owned = std::os::windows::io::AsHandle::as_handle(&io::stdout()).try_clone_to_owned();
    owned.map(File::from)
}

fn open_device(path: &Path) -> io::Result<File> {
    // A terminal must not become the one that sends this process its signals.
    let flags = OFlags::WRONLY | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = openat(CWD, path, flags, Mode::empty())?;
    match FileType::from_raw_mode(fstat(&file)?.st_mode) {
        FileType::RegularFile => Err(io::Error::other("it has become a regular file; run it again")),
        _ => Ok(file.into()),
    }
}

impl Sink {
    /// How many bytes are in it.
    pub(super) fn written(&self) -> u64 {
        match self {
            Sink::Part(part) => part.written(),
            Sink::Stream(stream) => stream.written,
        }
    }

    /// Of which version they are.
    pub(super) fn state(&self) -> &PartState {
        match self {
            Sink::Part(part) => part.state(),
            Sink::Stream(stream) => &stream.state,
        }
    }

    /// Adds bytes.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), SaveError> {
        match self {
            Sink::Part(part) => part.write(bytes),
            Sink::Stream(stream) => stream.write(bytes),
        }
    }

    /// All has been written.
    pub(super) fn finish(
        self,
        total: Option<u64>,
        expected: Option<Sha256>,
        target: &Target<'_>,
    ) -> Result<Finished, SaveError> {
        match self {
            Sink::Part(part) => part.finish(total, expected, target),
            Sink::Stream(stream) => {
                let found = stream.hasher.map(|hasher| Sha256(hasher.finalize().into()));
                match (expected, found) {
                    (Some(expected), Some(found)) if expected != found => Ok(Finished::Mismatch { found }),
                    _ => Ok(Finished::Saved { sha256: found }),
                }
            }
        }
    }
}
