//! The output that a body is written to: a partial file, or a stream, which can only be appended to (standard output, a
//! pipe or a device).

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::Digest;

use super::list::Sha256;
use super::part::{Finished, PartFile};
use super::publish::PublishTarget;
use super::resume::PartState;
use super::save_error::SaveError;
use crate::platform::{CWD, FileType, Mode, OFlags, fstat, openat};

/// An output stream, whose content cannot be truncated or read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamTarget {
    /// Standard output.
    Stdout,
    /// A pipe or a device.
    Path(PathBuf),
}

/// The output of a body. It is written one chunk at a time, by threads of a pool.
#[derive(Debug)]
pub(super) enum BodySink {
    /// A partial file.
    Part(PartFile),
    /// An output stream.
    Stream(Stream),
}

/// An output stream, with the number of bytes written to it and the version of the remote file that they belong to.
#[derive(Debug)]
pub(super) struct Stream {
    target: Arc<OpenStream>,
    written: u64,
    state: PartState,
    hasher: Option<sha2::Sha256>,
}

/// An open output stream.
#[derive(Debug)]
pub(super) struct OpenStream {
    file: File,
    path: PathBuf,
}

impl OpenStream {
    /// Opens a stream. Opening a pipe blocks until it has a reader.
    ///
    /// # Errors
    /// If it cannot be opened for writing, or has meanwhile become a regular file.
    pub(super) fn open(target: &StreamTarget) -> Result<OpenStream, SaveError> {
        let (file, path) = match target {
            StreamTarget::Stdout => (stdout(), Path::new("standard output")),
            StreamTarget::Path(path) => (open_device(path), path.as_path()),
        };
        let file = file.map_err(|error| SaveError::of_stream("opening", path.to_owned(), error))?;
        Ok(OpenStream { file, path: path.to_owned() })
    }
}

impl Stream {
    /// Creates a stream to which nothing has been written. `hash` states whether the SHA-256 is to be computed.
    pub(super) fn new(target: Arc<OpenStream>, state: PartState, hash: bool) -> Stream {
        Stream { target, written: 0, state, hasher: hash.then(sha2::Sha256::default) }
    }

    /// Returns the number of bytes written.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), SaveError> {
        let written = (&self.target.file).write_all(bytes);
        written.map_err(|error| SaveError::of_stream("writing to", self.target.path.clone(), error))?;
        self.written += bytes.len() as u64;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(bytes);
        }
        Ok(())
    }
}

/// Returns standard output as a file: the standard library's handle is buffered, and ignores the error of a descriptor
/// that is not open for writing (`EBADF`).
pub(crate) fn stdout() -> io::Result<File> {
    #[cfg(unix)]
    let owned = std::os::fd::AsFd::as_fd(&io::stdout()).try_clone_to_owned();
    #[cfg(windows)]
    let owned = std::os::windows::io::AsHandle::as_handle(&io::stdout()).try_clone_to_owned();
    owned.map(File::from)
}

fn open_device(path: &Path) -> io::Result<File> {
    // `O_NOCTTY`: opening a terminal must not make it the controlling terminal, which would send signals to this
    // process.
    let flags = OFlags::WRONLY | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = openat(CWD, path, flags, Mode::empty())?;
    match FileType::from_raw_mode(fstat(&file)?.st_mode) {
        FileType::RegularFile => Err(io::Error::other("it has become a regular file; run the command again")),
        _ => Ok(file.into()),
    }
}

impl BodySink {
    /// Returns the number of bytes written.
    pub(super) fn written(&self) -> u64 {
        match self {
            BodySink::Part(part) => part.written(),
            BodySink::Stream(stream) => stream.written,
        }
    }

    /// Returns the version that the bytes belong to.
    pub(super) fn state(&self) -> &PartState {
        match self {
            BodySink::Part(part) => part.state(),
            BodySink::Stream(stream) => &stream.state,
        }
    }

    /// Appends bytes.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), SaveError> {
        match self {
            BodySink::Part(part) => part.write(bytes),
            BodySink::Stream(stream) => stream.write(bytes),
        }
    }

    /// Completes the output after the last byte: verifies it, and publishes the file.
    pub(super) fn finish(
        self,
        total: Option<u64>,
        expected: Option<Sha256>,
        target: &PublishTarget<'_>,
    ) -> Result<Finished, SaveError> {
        match self {
            BodySink::Part(part) => part.finish(total, expected, target),
            BodySink::Stream(stream) => {
                let found = stream.hasher.map(|hasher| Sha256(hasher.finalize().into()));
                match (expected, found) {
                    (Some(expected), Some(found)) if expected != found => Ok(Finished::Mismatch { found }),
                    _ => Ok(Finished::Saved { sha256: found }),
                }
            }
        }
    }
}
