//! Directory entries at a target path: either a regular file, or an obstacle, which is an object that is not a file and
//! is never replaced.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::directory::Directory;
use super::save_error::SaveError;
use crate::platform::{AtFlags, Errno, FileType, statat};

/// The metadata of an existing regular file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExistingFile {
    /// The size in bytes.
    pub bytes: u64,
    /// The modification time, truncated to seconds.
    pub modified: SystemTime,
    /// The time of the last change to the file or its metadata, truncated to seconds: usually when it was saved.
    pub changed: SystemTime,
}

impl ExistingFile {
    /// Returns whether the file was saved so soon after the server's version was modified that the server may have
    /// modified it again in the same second, without a change of the date (RFC 9110 §8.8.2.2).
    pub(super) fn has_weak_date(&self) -> bool {
        self.changed < self.modified + DATE_RESOLUTION
    }
}

/// The resolution of HTTP dates (one second), plus one second for the difference between the clocks.
const DATE_RESOLUTION: Duration = Duration::from_secs(2);

/// An existing directory entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetEntry {
    /// A regular file, or a symbolic link to one.
    File(ExistingFile),
    /// Any other object.
    Other(Obstacle),
}

/// An object at a target path that is not a regular file, such as a directory or a device. It is never replaced, and
/// does not count as an existing file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Obstacle {
    what: &'static str,
}

impl Obstacle {
    fn of(kind: FileType) -> Obstacle {
        let what = match kind {
            FileType::Directory => "a directory has this name",
            FileType::Fifo => "a pipe has this name",
            FileType::Socket => "a socket has this name",
            FileType::CharacterDevice | FileType::BlockDevice => "a device has this name",
            _ => "something that is not a regular file has this name",
        };
        Obstacle { what }
    }

    /// Returns the error of a file that cannot be saved because this object has its name.
    pub(super) fn error(self, path: PathBuf) -> SaveError {
        let advice = "remove it, or choose another name or another directory";
        SaveError::new("saving", path, io::Error::other(format!("{}; {advice}", self.what)))
    }
}

impl Directory {
    /// Looks up a name or a path relative to this directory, following symbolic links. Returns `None` if it does not
    /// exist or its metadata cannot be read.
    pub fn entry(&self, path: &str) -> Option<TargetEntry> {
        let other = |what| Some(TargetEntry::Other(Obstacle { what }));
        let stat = match statat(self.descriptor(), path, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink => {
                match statat(self.descriptor(), path, AtFlags::empty()) {
                    Ok(stat) => stat,
                    Err(_) => return other("a dangling symbolic link has this name"),
                }
            }
            Ok(stat) => stat,
            Err(Errno::NOTDIR) => return other("one of its directories is a file"),
            Err(_) => return None,
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {
                let time = |seconds| UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
                let bytes = u64::try_from(stat.st_size).unwrap_or_default();
                let (modified, changed) = (time(stat.st_mtime), time(stat.st_ctime));
                Some(TargetEntry::File(ExistingFile { bytes, modified, changed }))
            }
            kind => Some(TargetEntry::Other(Obstacle::of(kind))),
        }
    }
}
