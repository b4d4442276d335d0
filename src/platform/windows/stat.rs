//! File types and metadata, with the field names of `struct stat`.

use std::fs::{self, File};

use super::Errno;

/// The start of Windows file times (1601), in seconds before 1970.
const YEAR_1601: i64 = 11_644_473_600;

/// The type of a directory entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "the last four do not occur on Windows")]
pub(crate) enum FileType {
    RegularFile,
    Directory,
    Symlink,
    Unknown,
    Fifo,
    Socket,
    CharacterDevice,
    BlockDevice,
}

impl FileType {
    pub(crate) fn from_raw_mode(mode: FileType) -> FileType {
        mode
    }

    pub(super) fn of(kind: fs::FileType) -> FileType {
        match kind {
            kind if kind.is_symlink() => FileType::Symlink,
            kind if kind.is_dir() => FileType::Directory,
            kind if kind.is_file() => FileType::RegularFile,
            _ => FileType::Unknown,
        }
    }
}

/// The metadata of a file, with the field names of `struct stat`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stat {
    pub(crate) st_mode: FileType,
    pub(crate) st_ino: u64,
    pub(crate) st_nlink: u64,
    pub(crate) st_size: i64,
    pub(crate) st_mtime: i64,
    /// The creation time, since Windows has no time of the last metadata change.
    pub(crate) st_ctime: i64,
    pub(crate) st_ctime_nsec: i64,
}

impl Stat {
    pub(super) fn of(file: &File) -> Result<Stat, Errno> {
        let information = winapi_util::file::information(file)?;
        let seconds = |time: Option<u64>| (time.unwrap_or(0) / 10_000_000) as i64 - YEAR_1601;
        Ok(Stat {
            st_mode: FileType::of(file.metadata()?.file_type()),
            st_ino: information.file_index(),
            st_nlink: information.number_of_links(),
            st_size: information.file_size() as i64,
            st_mtime: seconds(information.last_write_time()),
            st_ctime: seconds(information.creation_time()),
            st_ctime_nsec: (information.creation_time().unwrap_or(0) % 10_000_000 * 100) as i64,
        })
    }
}
