//! File system errors, with the operation that failed, the path and advice.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::descriptors;

/// A file system error.
#[derive(Debug)]
pub struct SaveError {
    /// The operation that failed.
    pub action: &'static str,
    /// The path that the operation failed on.
    pub path: PathBuf,
    /// The error of the operating system, or a description of what is wrong with the file.
    pub source: io::Error,
    /// Whether the output is a stream, which the next run cannot resume.
    is_stream: bool,
}

impl SaveError {
    pub(super) fn new(action: &'static str, path: PathBuf, source: io::Error) -> SaveError {
        SaveError { action, path, source, is_stream: false }
    }

    /// Creates the error of an output stream.
    pub(super) fn of_stream(action: &'static str, path: PathBuf, source: io::Error) -> SaveError {
        SaveError { action, path, source, is_stream: true }
    }

    /// Returns whether the cause is that the process or the system has run out of file descriptors.
    pub(super) fn is_out_of_descriptors(&self) -> bool {
        descriptors::is_out_of_descriptors(&self.source)
    }

    /// Returns whether the cause is that a file of that name exists.
    pub fn is_taken(&self) -> bool {
        self.source.kind() == io::ErrorKind::AlreadyExists
    }

    /// Returns whether the cause is a full disk or an exhausted quota.
    pub fn is_disk_full(&self) -> bool {
        matches!(self.source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }
}

impl fmt::Display for SaveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.action, self.path.display(), self.source)?;
        match self.is_disk_full() {
            true if self.is_stream => f.write_str("; free some space and run the same command again")?,
            true => f.write_str(
                "; free some space, or choose another directory, and run the same command again: it resumes the \
                 download",
            )?,
            false => {}
        }
        if self.is_out_of_descriptors() {
            f.write_str(descriptors::ADVICE)?;
        }
        if self.source.kind() == io::ErrorKind::FileTooLarge {
            f.write_str(
                "; the file system or `ulimit -f` does not allow a larger file: raise the limit, or choose another directory",
            )?;
        }
        Ok(())
    }
}

impl std::error::Error for SaveError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}
