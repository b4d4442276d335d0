//! Atomic saves: a file appears under its final name only when it is complete.
//!
//! A small file is written at once. On Linux, it can be written without a name and linked when it is complete
//! (`O_TMPFILE`, `linkat`), so a killed process leaves no temporary file. [`publish`](super::publish) explains how
//! files are published, also on file systems that do not support this. A large file is downloaded to a
//! [`PartFile`](super::part::PartFile).
//!
//! All functions here are blocking and belong on a thread pool.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::descriptors;
use super::publish::{PublishTarget, errno, remove_staging, sweep};
use crate::platform::{Access, AtFlags, CWD, Errno, Mode, OFlags, OwnedFd, accessat, mkdirat, openat};

/// A directory to save files in. It is a handle: clones refer to the same directory, on any thread, even after it is
/// renamed.
#[derive(Clone, Debug)]
pub struct Directory {
    shared: Arc<OpenDirectory>,
}

#[derive(Debug)]
struct OpenDirectory {
    descriptor: OwnedFd,
    path: PathBuf,
    /// The directory that was opened, if this is a subdirectory of it.
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

/// The policy for an existing file of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnExisting {
    /// The existing file is kept, and saving fails with [`io::ErrorKind::AlreadyExists`].
    Keep,
    /// The existing file is replaced.
    Replace,
}

/// The fsync policy: what is synced to disk before a file counts as saved, to survive a power failure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fsync {
    /// No fsync: the operating system decides when it writes the data.
    #[default]
    None,
    /// The content.
    File,
    /// The content and the directory entry.
    Full,
}

/// The permissions of a new file, before the umask is applied.
pub(super) const MODE: Mode = Mode::from_raw_mode(0o666);

impl Directory {
    /// Opens a directory, creating it first if it does not exist.
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
    /// If another object has one of the names, or the directory cannot be created.
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

    /// Returns whether the directory is empty.
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

    /// Saves a complete file that consists of `times` copies of `bytes`.
    ///
    /// # Errors
    /// If the disk is full, or the name is in use, for example. Nothing is left behind.
    pub fn save(
        &self,
        name: &str,
        bytes: &[u8],
        times: usize,
        existing: OnExisting,
        fsync: Fsync,
    ) -> Result<(), SaveError> {
        self.save_as(&PublishTarget { name, existing, fsync, modified: None, origin: None }, bytes, times)
    }

    /// Saves a complete file with all parameters of publishing.
    pub(super) fn save_as(&self, target: &PublishTarget<'_>, bytes: &[u8], times: usize) -> Result<(), SaveError> {
        let saved = self.write_and_publish(bytes, times, target).map_err(io::Error::from);
        let saved = saved.and_then(|()| target.seal_name(self.descriptor()));
        saved.map_err(|error| self.not_published(target, error))
    }

    // No other process can access the file before it has its final name, so its length need not be checked after
    // writing.
    fn write_and_publish(&self, bytes: &[u8], times: usize, target: &PublishTarget<'_>) -> Result<(), Errno> {
        let write = |mut file: &File| -> io::Result<()> {
            (0..times).try_for_each(|_| file.write_all(bytes))?;
            target.seal(file)
        };
        if let Some(file) = self.create_unnamed()? {
            write(&file).map_err(errno)?;
            if self.publish_by_link(&file, target)? {
                return Ok(());
            }
        }
        let staged = self.stage()?;
        write(&staged.file).map_err(errno)?;
        staged.publish(target)
    }
}

/// A file system error.
#[derive(Debug)]
pub struct SaveError {
    /// The operation that failed.
    pub action: &'static str,
    /// The path that it failed on.
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
                "; the file system or `ulimit -f` allows no larger file: raise the limit, or choose another directory",
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

#[cfg(test)]
mod tests {
    use super::super::publish::{STAGING, SYNCS};
    use super::*;

    fn names_in(path: &Path) -> Vec<std::ffi::OsString> {
        let entries = std::fs::read_dir(path).expect("a directory").map(|entry| entry.expect("an entry").file_name());
        // The staging directory exists as long as the output directory is open.
        let mut names: Vec<_> = entries.filter(|name| name != STAGING).collect();
        names.sort();
        names
    }

    fn both_ways(test: impl Fn(&Directory)) {
        for has_unnamed in [true, false] {
            let place = tempfile::tempdir().expect("a temporary directory");
            let directory = Directory::open(&place.path().join("a/b")).expect("a new directory");
            if !has_unnamed {
                directory.support().lacks_unnamed();
            }
            test(&directory);
            drop(directory);
            assert!(!place.path().join("a/b").join(STAGING).exists());
        }
    }

    #[test]
    fn a_saved_file_holds_the_bytes_so_many_times_and_nothing_else_is_there() {
        both_ways(|directory| {
            directory.save("br.gif", b"GIF", 3, OnExisting::Replace, Fsync::None).expect("saved");
            assert_eq!(std::fs::read(directory.path().join("br.gif")).expect("the file"), b"GIFGIFGIF");
            assert_eq!(names_in(directory.path()), ["br.gif"]);
        });
    }

    #[test]
    fn a_name_that_is_taken_is_replaced() {
        both_ways(|directory| {
            directory.save("br.gif", b"old and longer", 1, OnExisting::Replace, Fsync::None).expect("saved");
            directory.save("br.gif", b"new", 1, OnExisting::Replace, Fsync::None).expect("saved again");
            assert_eq!(std::fs::read(directory.path().join("br.gif")).expect("the file"), b"new");
            assert_eq!(names_in(directory.path()), ["br.gif"]);
        });
    }

    #[test]
    fn a_name_that_is_taken_is_left_alone_unless_asked_otherwise() {
        both_ways(|directory| {
            directory.save("br.gif", b"old", 1, OnExisting::Keep, Fsync::Full).expect("saved");
            let error = directory.save("br.gif", b"new", 1, OnExisting::Keep, Fsync::None).expect_err("it is there");
            assert!(error.is_taken(), "{error}");
            assert_eq!(std::fs::read(directory.path().join("br.gif")).expect("the file"), b"old");
            assert_eq!(names_in(directory.path()), ["br.gif"]);
        });
    }

    #[test]
    fn the_content_and_the_name_are_synced_if_that_is_asked_for() {
        both_ways(|directory| {
            for (fsync, syncs) in [(Fsync::None, 0), (Fsync::File, 1), (Fsync::Full, 2)] {
                SYNCS.set(0);
                directory.save("x", b"x", 1, OnExisting::Replace, fsync).expect("saved");
                assert_eq!(SYNCS.get(), syncs, "{fsync:?}");
            }
        });
    }

    #[test]
    fn folders_are_made_inside_and_links_are_not_followed() {
        let place = tempfile::tempdir().expect("a temporary directory");
        let directory = Directory::open(place.path()).expect("a directory");
        let inner = directory.open_subdirectory("a.test/b").expect("made");
        inner.save("c", b"", 1, OnExisting::Keep, Fsync::None).expect("saved");
        assert!(
            place.path().join("a.test/b/c").exists()
                && directory.open_subdirectory("a.test/b").expect("there").entry("c").is_some()
        );
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("/", place.path().join("out")).expect("a link");
            directory.open_subdirectory("out/x").expect_err("a link");
        }
    }

    #[test]
    fn a_folder_in_the_place_of_the_file_is_an_error_that_leaves_nothing() {
        both_ways(|directory| {
            std::fs::create_dir(directory.path().join("br.gif")).expect("a directory");
            let error = directory
                .save("br.gif", b"GIF", 1, OnExisting::Replace, Fsync::None)
                .expect_err("a directory is there");
            assert!(error.to_string().contains("br.gif: a directory has this name"), "{error}");
            assert_eq!(names_in(directory.path()), ["br.gif"]);
        });
    }

    #[test]
    fn a_file_in_the_place_of_the_folder_is_an_error() {
        let place = tempfile::NamedTempFile::new().expect("a temporary file");
        Directory::open(place.path()).expect_err("a file is there");
    }
}
