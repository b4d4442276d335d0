//! A directory for downloads, and the features of its file system.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::save_error::SaveError;
use super::staging::{remove_staging, sweep};
use crate::platform::{Access, AtFlags, CWD, Errno, Mode, OFlags, OwnedFd, accessat, mkdirat, openat};

/// A directory to save files in. It is a handle: clones refer to the same directory, on any thread. Files are accessed
/// relative to its descriptor, so this works even after it is renamed, except for what uses its [`path`](Self::path).
#[derive(Clone, Debug)]
pub struct Directory {
    shared: Arc<OpenDirectory>,
}

#[derive(Debug)]
struct OpenDirectory {
    descriptor: OwnedFd,
    path: PathBuf,
    /// The directory that was opened by path, if this is one of its subdirectories; `None` if this is that directory.
    root: Option<Directory>,
    support: FileSystemSupport,
}

/// The features that the file system supports, as far as is known, and whether the staging directory has been used.
#[derive(Debug, Default)]
pub(super) struct FileSystemSupport {
    lacks_unnamed: AtomicBool,
    lacks_links: AtomicBool,
    has_staged: AtomicBool,
}

impl FileSystemSupport {
    /// Returns whether files can be created without a name and linked later.
    pub(super) fn unnamed(&self) -> bool {
        !self.lacks_unnamed.load(Ordering::Relaxed) && self.links()
    }

    /// Returns whether an open file can be linked.
    pub(super) fn links(&self) -> bool {
        !self.lacks_links.load(Ordering::Relaxed)
    }

    pub(super) fn lacks_unnamed(&self) {
        self.lacks_unnamed.store(true, Ordering::Relaxed);
    }

    pub(super) fn lacks_links(&self) {
        self.lacks_links.store(true, Ordering::Relaxed);
    }

    pub(super) fn note_staging(&self) {
        self.has_staged.store(true, Ordering::Relaxed);
    }
}

impl Drop for OpenDirectory {
    fn drop(&mut self) {
        if self.support.has_staged.load(Ordering::Relaxed) {
            remove_staging(&self.descriptor);
        }
    }
}

/// The permissions of a new file, before the umask is applied.
pub(super) const MODE: Mode = Mode::from_raw_mode(0o666);

impl Directory {
    /// Opens a directory, creating it first if it does not exist. Removes staged files that killed processes have left
    /// in it.
    ///
    /// # Errors
    /// If it cannot be created, is not a directory, or is not writable.
    pub fn open(path: &Path) -> Result<Directory, SaveError> {
        let failed = |source: io::Error| SaveError::new("opening the directory", path.to_owned(), source);
        std::fs::create_dir_all(path).map_err(failed)?;
        let directory = Directory::open_read_only(path)?;
        accessat(CWD, path, Access::WRITE_OK, AtFlags::empty()).map_err(|error| failed(error.into()))?;
        sweep(directory.descriptor());
        Ok(directory)
    }

    /// Opens an existing directory to which nothing will be written.
    ///
    /// # Errors
    /// If it does not exist or cannot be read.
    pub fn open_read_only(path: &Path) -> Result<Directory, SaveError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let descriptor = openat(CWD, path, flags, Mode::empty())
            .map_err(|error| SaveError::new("opening the directory", path.to_owned(), error.into()))?;
        let shared =
            OpenDirectory { descriptor, path: path.to_owned(), root: None, support: FileSystemSupport::default() };
        Ok(Directory { shared: Arc::new(shared) })
    }

    /// Returns the path that the directory was opened with.
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// Opens a subdirectory, creating it if it does not exist. `path` consists of safe names separated by slashes.
    /// Symbolic links are not followed, since they could lead outside the directory.
    ///
    /// # Errors
    /// If one of the names belongs to something other than a directory, or a directory cannot be created or opened.
    pub fn open_subdirectory(&self, path: &str) -> Result<Directory, SaveError> {
        let mut directory = self.clone();
        for segment in path.split('/') {
            let path = directory.path().join(segment);
            match mkdirat(directory.descriptor(), segment, Mode::from_raw_mode(0o777)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(SaveError::new("making the directory", path, error.into())),
            }
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let opened = openat(directory.descriptor(), segment, flags, Mode::empty());
            let descriptor =
                opened.map_err(|error| SaveError::new("opening the directory", path.clone(), error.into()))?;
            let root = Some(directory.root().clone());
            directory = Directory {
                shared: Arc::new(OpenDirectory { descriptor, path, root, support: FileSystemSupport::default() }),
            };
        }
        Ok(directory)
    }

    /// Returns whether the directory at [`path`](Self::path) can be read and is empty.
    pub fn is_empty(&self) -> bool {
        std::fs::read_dir(self.path()).is_ok_and(|mut entries| entries.next().is_none())
    }

    /// Returns the directory's descriptor, for system calls that take a relative path.
    pub(super) fn descriptor(&self) -> &OwnedFd {
        &self.shared.descriptor
    }

    /// Returns the directory that was opened: this one, or the one of which this is a subdirectory.
    pub(super) fn root(&self) -> &Directory {
        self.shared.root.as_ref().unwrap_or(self)
    }

    /// Returns the features of the file system. Subdirectories share those of the opened directory.
    pub(super) fn support(&self) -> &FileSystemSupport {
        &self.root().shared.support
    }
}
