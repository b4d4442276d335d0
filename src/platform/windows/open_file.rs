//! Open files and directories, which remember their path: what a file descriptor is on Unix.

use std::fs::File;
use std::path::{Component, Path, PathBuf};

use super::Errno;

/// An open file or directory, and its path.
#[derive(Debug)]
pub(crate) struct OwnedFd {
    pub(super) file: File,
    pub(super) path: PathBuf,
}

impl From<OwnedFd> for File {
    fn from(opened: OwnedFd) -> File {
        opened.file
    }
}

/// The current directory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cwd;

pub(crate) const CWD: Cwd = Cwd;

/// An open file or directory, or the current directory.
pub(crate) trait AsFd {
    fn file(&self) -> Option<&File>;

    /// Returns the path of a name in this directory.
    fn resolve(&self, name: &Path) -> Result<PathBuf, Errno>;
}

impl AsFd for Cwd {
    fn file(&self) -> Option<&File> {
        None
    }

    fn resolve(&self, name: &Path) -> Result<PathBuf, Errno> {
        Ok(name.to_owned())
    }
}

impl AsFd for File {
    fn file(&self) -> Option<&File> {
        Some(self)
    }

    fn resolve(&self, _name: &Path) -> Result<PathBuf, Errno> {
        Err(Errno::NOTDIR)
    }
}

impl AsFd for OwnedFd {
    fn file(&self) -> Option<&File> {
        Some(&self.file)
    }

    /// Rejects names that lead out of the directory: `C:`, and alternate data streams (`file:stream`).
    fn resolve(&self, name: &Path) -> Result<PathBuf, Errno> {
        let is_plain = |part: Component<'_>| match part {
            Component::Normal(name) => !name.as_encoded_bytes().contains(&b':'),
            Component::CurDir => true,
            Component::Prefix(_) | Component::RootDir | Component::ParentDir => false,
        };
        if name.components().all(is_plain) { Ok(self.path.join(name)) } else { Err(Errno::INVAL) }
    }
}

impl<F: AsFd> AsFd for &F {
    fn file(&self) -> Option<&File> {
        (*self).file()
    }

    fn resolve(&self, name: &Path) -> Result<PathBuf, Errno> {
        (*self).resolve(name)
    }
}
