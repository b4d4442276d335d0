//! How a file comes to be: under its name it is whole, or it is not there.
//!
//! A small file is written in one go. On Linux a file can be written without a name and given one when it is complete
//! (`O_TMPFILE`, `linkat`): whatever kills the process, nothing stray is left. [`publish`](super::publish) says how files
//! get their names, also where the file system cannot do that. A large file grows in a
//! [`PartFile`](super::part::PartFile).
//!
//! These are blocking calls: they belong on a pool.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::publish::{Target, errno, remove_staging, sweep};
use crate::platform::{Access, AtFlags, CWD, Errno, Mode, OFlags, OwnedFd, accessat, mkdirat, openat};

/// A folder to save files in. A handle: clones are the same folder, also on other threads, and also when it is renamed
/// meanwhile.
#[derive(Clone, Debug)]
pub struct Folder {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    descriptor: OwnedFd,
    path: PathBuf,
    /// The folder that was opened, if this is one inside it.
    root: Option<Folder>,
    support: Support,
}

/// What the file system of a folder can do, as far as is known, and whether the staging directory has been used.
#[derive(Debug, Default)]
pub(super) struct Support {
    lacks_unnamed: AtomicBool,
    lacks_links: AtomicBool,
    has_staged: AtomicBool,
}

impl Support {
    /// Whether files can be written without a name and be given one later.
    pub(super) fn unnamed(&self) -> bool {
        !self.lacks_unnamed.load(Ordering::Relaxed) && self.links()
    }

    /// Whether an open file can be given another name.
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

impl Drop for Shared {
    fn drop(&mut self) {
        if self.support.has_staged.load(Ordering::Relaxed) {
            remove_staging(&self.descriptor);
        }
    }
}

/// What becomes of a file that has the name already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and there is an error of the kind [`io::ErrorKind::AlreadyExists`].
    Keep,
    /// The new one takes its place.
    Replace,
}

/// What has to be safe from a power failure before a file counts as saved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fsync {
    /// Nothing: the system writes it when it likes.
    #[default]
    None,
    /// The content.
    File,
    /// The content, and its name in the folder.
    Full,
}

/// Who may read and write a new file; the process's mask takes away from it.
pub(super) const MODE: Mode = Mode::from_raw_mode(0o666);

impl Folder {
    /// Opens a folder and makes it first if it is missing.
    ///
    /// # Errors
    /// If it cannot be made, is not a folder, or cannot be written to.
    pub fn open(path: &Path) -> Result<Folder, SaveError> {
        let failed = |source: io::Error| SaveError::new("opening the folder", path.to_owned(), source);
        std::fs::create_dir_all(path).map_err(failed)?;
        let folder = Folder::open_to_read(path)?;
        accessat(CWD, path, Access::WRITE_OK, AtFlags::empty()).map_err(|error| failed(error.into()))?;
        sweep(folder.descriptor());
        Ok(folder)
    }

    /// Opens a folder that nothing will be written to.
    ///
    /// # Errors
    /// If it is not there, or cannot be read.
    pub fn open_to_read(path: &Path) -> Result<Folder, SaveError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let descriptor = openat(CWD, path, flags, Mode::empty())
            .map_err(|error| SaveError::new("opening the folder", path.to_owned(), error.into()))?;
        let shared = Shared { descriptor, path: path.to_owned(), root: None, support: Support::default() };
        Ok(Folder { shared: Arc::new(shared) })
    }

    /// The path it was opened by.
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// A folder in this one, made if it is missing. `path` has harmless segments with slashes between them. Links are
    /// not followed: one could lead anywhere.
    ///
    /// # Errors
    /// If something else has one of the names, or it cannot be made.
    pub fn within(&self, path: &str) -> Result<Folder, SaveError> {
        let mut folder = self.clone();
        for segment in path.split('/') {
            let path = folder.path().join(segment);
            match mkdirat(folder.descriptor(), segment, Mode::from_raw_mode(0o777)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(SaveError::new("making the folder", path, error.into())),
            }
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let opened = openat(folder.descriptor(), segment, flags, Mode::empty());
            let descriptor =
                opened.map_err(|error| SaveError::new("opening the folder", path.clone(), error.into()))?;
            let root = Some(folder.root().clone());
            folder = Folder { shared: Arc::new(Shared { descriptor, path, root, support: Support::default() }) };
        }
        Ok(folder)
    }

    /// Whether nothing at all is in it.
    pub fn is_empty(&self) -> bool {
        std::fs::read_dir(self.path()).is_ok_and(|mut entries| entries.next().is_none())
    }

    /// The folder itself, for calls that take a name in it.
    pub(super) fn descriptor(&self) -> &OwnedFd {
        &self.shared.descriptor
    }

    /// The folder that was opened, of which this is one, or itself.
    pub(super) fn root(&self) -> &Folder {
        self.shared.root.as_ref().unwrap_or(self)
    }

    /// What the file system can do. The same for all folders inside one.
    pub(super) fn support(&self) -> &Support {
        &self.root().shared.support
    }

    /// Writes a whole file, `times` copies of `bytes` one after the other.
    ///
    /// # Errors
    /// If the disk is full, the name is taken or a folder's, and so on. Nothing is left behind.
    pub fn save(
        &self,
        name: &str,
        bytes: &[u8],
        times: usize,
        existing: Existing,
        fsync: Fsync,
    ) -> Result<(), SaveError> {
        self.save_as(&Target { name, existing, fsync, modified: None }, bytes, times)
    }

    /// The same, with everything that can be said about how it is published.
    pub(super) fn save_as(&self, target: &Target<'_>, bytes: &[u8], times: usize) -> Result<(), SaveError> {
        let saved = self.write_and_publish(bytes, times, target).map_err(io::Error::from);
        let saved = saved.and_then(|()| target.seal_name(self.descriptor()));
        saved.map_err(|error| self.not_published(target.name, error))
    }

    // Nobody else can reach the file before it has its final name: when all has been written, all is there.
    fn write_and_publish(&self, bytes: &[u8], times: usize, target: &Target<'_>) -> Result<(), Errno> {
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

/// Why a file is not there.
#[derive(Debug)]
pub struct SaveError {
    /// What was being done.
    pub action: &'static str,
    /// To what.
    pub path: PathBuf,
    /// What the system said, or what is wrong with the file.
    pub source: io::Error,
}

impl SaveError {
    pub(super) fn new(action: &'static str, path: PathBuf, source: io::Error) -> SaveError {
        SaveError { action, path, source }
    }

    /// Whether there is a file of that name already.
    pub fn is_taken(&self) -> bool {
        self.source.kind() == io::ErrorKind::AlreadyExists
    }

    /// Whether there is no room left, for this file or any other.
    pub fn is_disk_full(&self) -> bool {
        matches!(self.source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }
}

impl fmt::Display for SaveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.action, self.path.display(), self.source)?;
        if self.is_disk_full() {
            f.write_str("; make room, or choose another folder, and run it again: what is there is continued")?;
        }
        if self.source.kind() == io::ErrorKind::FileTooLarge {
            f.write_str(
                "; the file system or `ulimit -f` allows no larger file: raise the limit, or choose another folder",
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
        let entries = std::fs::read_dir(path).expect("a folder").map(|entry| entry.expect("an entry").file_name());
        // It is there for as long as the folder is open.
        let mut names: Vec<_> = entries.filter(|name| name != STAGING).collect();
        names.sort();
        names
    }

    fn both_ways(test: impl Fn(&Folder)) {
        for has_unnamed in [true, false] {
            let place = tempfile::tempdir().expect("a temporary folder");
            let folder = Folder::open(&place.path().join("a/b")).expect("a new folder");
            if !has_unnamed {
                folder.support().lacks_unnamed();
            }
            test(&folder);
            drop(folder);
            assert!(!place.path().join("a/b").join(STAGING).exists());
        }
    }

    #[test]
    fn a_saved_file_holds_the_bytes_so_many_times_and_nothing_else_is_there() {
        both_ways(|folder| {
            folder.save("br.gif", b"GIF", 3, Existing::Replace, Fsync::None).expect("saved");
            assert_eq!(std::fs::read(folder.path().join("br.gif")).expect("the file"), b"GIFGIFGIF");
            assert_eq!(names_in(folder.path()), ["br.gif"]);
        });
    }

    #[test]
    fn a_name_that_is_taken_is_replaced() {
        both_ways(|folder| {
            folder.save("br.gif", b"old and longer", 1, Existing::Replace, Fsync::None).expect("saved");
            folder.save("br.gif", b"new", 1, Existing::Replace, Fsync::None).expect("saved again");
            assert_eq!(std::fs::read(folder.path().join("br.gif")).expect("the file"), b"new");
            assert_eq!(names_in(folder.path()), ["br.gif"]);
        });
    }

    #[test]
    fn a_name_that_is_taken_is_left_alone_unless_asked_otherwise() {
        both_ways(|folder| {
            folder.save("br.gif", b"old", 1, Existing::Keep, Fsync::Full).expect("saved");
            let error = folder.save("br.gif", b"new", 1, Existing::Keep, Fsync::None).expect_err("it is there");
            assert!(error.is_taken(), "{error}");
            assert_eq!(std::fs::read(folder.path().join("br.gif")).expect("the file"), b"old");
            assert_eq!(names_in(folder.path()), ["br.gif"]);
        });
    }

    #[test]
    fn the_content_and_the_name_are_synced_if_that_is_asked_for() {
        both_ways(|folder| {
            for (fsync, syncs) in [(Fsync::None, 0), (Fsync::File, 1), (Fsync::Full, 2)] {
                SYNCS.set(0);
                folder.save("x", b"x", 1, Existing::Replace, fsync).expect("saved");
                assert_eq!(SYNCS.get(), syncs, "{fsync:?}");
            }
        });
    }

    #[test]
    fn folders_are_made_inside_and_links_are_not_followed() {
        let place = tempfile::tempdir().expect("a temporary folder");
        let folder = Folder::open(place.path()).expect("a folder");
        let inner = folder.within("a.test/b").expect("made");
        inner.save("c", b"", 1, Existing::Keep, Fsync::None).expect("saved");
        assert!(
            place.path().join("a.test/b/c").exists() && folder.within("a.test/b").expect("there").entry("c").is_some()
        );
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("/", place.path().join("out")).expect("a link");
            folder.within("out/x").expect_err("a link");
        }
    }

    #[test]
    fn a_folder_in_the_place_of_the_file_is_an_error_that_leaves_nothing() {
        both_ways(|folder| {
            std::fs::create_dir(folder.path().join("br.gif")).expect("a folder");
            let error =
                folder.save("br.gif", b"GIF", 1, Existing::Replace, Fsync::None).expect_err("a folder is there");
            assert!(error.to_string().contains("br.gif: a folder has this name"), "{error}");
            assert_eq!(names_in(folder.path()), ["br.gif"]);
        });
    }

    #[test]
    fn a_file_in_the_place_of_the_folder_is_an_error() {
        let place = tempfile::NamedTempFile::new().expect("a temporary file");
        Folder::open(place.path()).expect_err("a file is there");
    }
}
