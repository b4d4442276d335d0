//! The entries of a directory.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;

use super::{Errno, FileType, OwnedFd};

/// The entries of a directory.
pub(crate) struct Dir(fs::ReadDir);

impl Dir {
    pub(crate) fn new(directory: OwnedFd) -> Result<Dir, Errno> {
        Dir::read_from(&directory)
    }

    pub(crate) fn read_from(directory: &OwnedFd) -> Result<Dir, Errno> {
        Ok(Dir(fs::read_dir(&directory.path)?))
    }
}

impl Iterator for Dir {
    type Item = Result<DirEntry, Errno>;

    fn next(&mut self) -> Option<Self::Item> {
        let entry = self.0.next()?;
        let read = |entry: fs::DirEntry| -> io::Result<DirEntry> {
            Ok(DirEntry { name: EntryName(entry.file_name()), kind: FileType::of(entry.file_type()?) })
        };
        Some(entry.and_then(read).map_err(Errno::from))
    }
}

pub(crate) struct DirEntry {
    name: EntryName,
    kind: FileType,
}

impl DirEntry {
    pub(crate) fn file_name(&self) -> &EntryName {
        &self.name
    }

    pub(crate) fn file_type(&self) -> FileType {
        self.kind
    }
}

pub(crate) struct EntryName(OsString);

impl EntryName {
    pub(crate) fn to_bytes(&self) -> &[u8] {
        self.0.as_encoded_bytes()
    }

    pub(crate) fn to_str(&self) -> Result<&str, &OsStr> {
        self.0.to_str().ok_or(&self.0)
    }
}
