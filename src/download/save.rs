//! How a file comes to be: under its name it is whole, or it is not there.
//!
//! A small file is written in one go. On Linux a file can be written without a name and given one when it is complete
//! (`O_TMPFILE`, `linkat`): whatever kills the process, nothing stray is left. Where the file system cannot do that, the
//! file is written under a name of its own and renamed. A name that is taken is left alone, or replaced by a rename,
//! which is atomic. A large file grows in a [`PartFile`](super::part::PartFile).
//!
//! These are blocking calls: they belong on a pool.

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags, linkat, openat, renameat, renameat_with, unlinkat};
use rustix::io::Errno;

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
    /// Whether its file system has files without names, as far as is known.
    has_unnamed: AtomicBool,
    /// The number of the next temporary name.
    next_name: AtomicU64,
}

/// What is known of a file that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whole {
    /// Its size.
    pub bytes: u64,
    /// When its content was last changed, to the second.
    pub modified: SystemTime,
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
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let descriptor = openat(CWD, path, flags, Mode::empty()).map_err(|error| failed(error.into()))?;
        rustix::fs::accessat(CWD, path, rustix::fs::Access::WRITE_OK, AtFlags::empty())
            .map_err(|error| failed(error.into()))?;
        Ok(Folder {
            shared: Arc::new(Shared {
                descriptor,
                path: path.to_owned(),
                has_unnamed: AtomicBool::new(true),
                next_name: AtomicU64::new(0),
            }),
        })
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
            match rustix::fs::mkdirat(folder.descriptor(), segment, Mode::from_raw_mode(0o777)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(SaveError::new("making the folder", path, error.into())),
            }
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let opened = openat(folder.descriptor(), segment, flags, Mode::empty());
            let descriptor =
                opened.map_err(|error| SaveError::new("opening the folder", path.clone(), error.into()))?;
            folder = Folder {
                shared: Arc::new(Shared {
                    descriptor,
                    path,
                    has_unnamed: AtomicBool::new(folder.shared.has_unnamed.load(Ordering::Relaxed)),
                    next_name: AtomicU64::new(folder.shared.next_name.fetch_add(1, Ordering::Relaxed)),
                }),
            };
        }
        Ok(folder)
    }

    /// What has this name here, or this path from here; `None` if nothing has.
    pub fn look_at(&self, path: &str) -> Option<Whole> {
        let stat = rustix::fs::statat(self.descriptor(), path, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        let modified = Duration::from_secs(u64::try_from(stat.st_mtime).unwrap_or_default());
        Some(Whole { bytes: u64::try_from(stat.st_size).unwrap_or_default(), modified: UNIX_EPOCH + modified })
    }

    /// Whether nothing at all is in it.
    pub fn is_empty(&self) -> bool {
        std::fs::read_dir(self.path()).is_ok_and(|mut entries| entries.next().is_none())
    }

    /// The folder itself, for calls that take a name in it.
    pub(super) fn descriptor(&self) -> &OwnedFd {
        &self.shared.descriptor
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
        let small = Small { name, bytes, times, existing, fsync };
        let saved = self.write_and_name(&small).and_then(|()| match fsync {
            Fsync::Full => rustix::fs::fsync(self.descriptor()),
            Fsync::None | Fsync::File => Ok(()),
        });
        saved.map_err(|error| SaveError::new("saving", self.path().join(name), error.into()))
    }

    fn write_and_name(&self, small: &Small<'_>) -> Result<(), Errno> {
        if self.shared.has_unnamed.load(Ordering::Relaxed) {
            if self.save_unnamed(small)? {
                return Ok(());
            }
            self.shared.has_unnamed.store(false, Ordering::Relaxed);
        }
        self.save_renamed(small)
    }

    /// `false` if there are no files without names here.
    fn save_unnamed(&self, small: &Small<'_>) -> Result<bool, Errno> {
        let folder = self.descriptor();
        let flags = OFlags::WRONLY | OFlags::TMPFILE | OFlags::CLOEXEC;
        let file = match openat(folder, ".", flags, MODE) {
            Ok(file) => File::from(file),
            // `EISDIR` and `EINVAL` are what kernels say that do not know the flag.
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => return Ok(false),
            Err(error) => return Err(error),
        };
        small.write_to(&file)?;
        // `AT_EMPTY_PATH` would need a privilege; the way through /proc needs none.
        let unnamed = format!("/proc/self/fd/{}", file.as_raw_fd());
        match linkat(CWD, &unnamed, folder, small.name, AtFlags::SYMLINK_FOLLOW) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false), // there is no /proc
            Err(Errno::EXIST) if small.existing == Existing::Replace => {
                let temporary = self.temporary_name(small.name);
                linkat(CWD, &unnamed, folder, &temporary, AtFlags::SYMLINK_FOLLOW)?;
                self.rename_or_remove(&temporary, small.name, Existing::Replace).map(|()| true)
            }
            Err(error) => Err(error),
        }
    }

    fn save_renamed(&self, small: &Small<'_>) -> Result<(), Errno> {
        let temporary = self.temporary_name(small.name);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = File::from(openat(self.descriptor(), &temporary, flags, MODE)?);
        let written = small.write_to(&file);
        drop(file);
        match written {
            Ok(()) => self.rename_or_remove(&temporary, small.name, small.existing),
            Err(error) => {
                self.remove(&temporary);
                Err(error)
            }
        }
    }

    fn rename_or_remove(&self, temporary: &OsString, name: &str, existing: Existing) -> Result<(), Errno> {
        self.rename(temporary, name, existing).inspect_err(|_| self.remove(temporary))
    }

    /// Gives a file its name in one step.
    pub(super) fn rename(&self, from: &OsString, name: &str, existing: Existing) -> Result<(), Errno> {
        let folder = self.descriptor();
        if existing == Existing::Replace {
            return renameat(folder, from, folder, name);
        }
        match renameat_with(folder, from, folder, name, RenameFlags::NOREPLACE) {
            // A file system that does not know the flag: a second name, then the first one away.
            Err(Errno::INVAL | Errno::NOSYS) => {
                linkat(folder, from, folder, name, AtFlags::empty())?;
                unlinkat(folder, from, AtFlags::empty())
            }
            renamed => renamed,
        }
    }

    fn remove(&self, temporary: &OsString) {
        if let Err(error) = unlinkat(self.descriptor(), temporary, AtFlags::empty()) {
            log::warn!("removing {}: {error}", self.path().join(temporary).display());
        }
    }

    /// A name that no other process and no other call uses.
    fn temporary_name(&self, name: &str) -> OsString {
        let number = self.shared.next_name.fetch_add(1, Ordering::Relaxed);
        format!(".{name}.{}-{number}.part", std::process::id()).into()
    }
}

/// A file that is written in one go.
struct Small<'a> {
    name: &'a str,
    bytes: &'a [u8],
    /// How many copies of the bytes it holds.
    times: usize,
    existing: Existing,
    fsync: Fsync,
}

impl Small<'_> {
    fn write_to(&self, mut file: &File) -> Result<(), Errno> {
        let written = (0..self.times).try_for_each(|_| file.write_all(self.bytes));
        let safe = written.and_then(|()| if self.fsync == Fsync::None { Ok(()) } else { file.sync_all() });
        safe.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
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
    use super::*;

    fn names_in(path: &Path) -> Vec<OsString> {
        let mut names: Vec<_> =
            std::fs::read_dir(path).expect("a folder").map(|entry| entry.expect("an entry").file_name()).collect();
        names.sort();
        names
    }

    fn both_ways(test: impl Fn(&Folder)) {
        for has_unnamed in [true, false] {
            let place = tempfile::tempdir().expect("a temporary folder");
            let folder = Folder::open(&place.path().join("a/b")).expect("a new folder");
            folder.shared.has_unnamed.store(has_unnamed, Ordering::Relaxed);
            test(&folder);
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
    fn folders_are_made_inside_and_links_are_not_followed() {
        let place = tempfile::tempdir().expect("a temporary folder");
        let folder = Folder::open(place.path()).expect("a folder");
        let inner = folder.within("a.test/b").expect("made");
        inner.save("c", b"", 1, Existing::Keep, Fsync::None).expect("saved");
        assert!(
            place.path().join("a.test/b/c").exists()
                && folder.within("a.test/b").expect("there").look_at("c").is_some()
        );
        std::os::unix::fs::symlink("/", place.path().join("out")).expect("a link");
        folder.within("out/x").expect_err("a link");
    }

    #[test]
    fn a_folder_in_the_place_of_the_file_is_an_error_that_leaves_nothing() {
        both_ways(|folder| {
            std::fs::create_dir(folder.path().join("br.gif")).expect("a folder");
            let error =
                folder.save("br.gif", b"GIF", 1, Existing::Replace, Fsync::None).expect_err("a folder is there");
            assert!(error.to_string().contains("br.gif"), "{error}");
            assert_eq!(names_in(folder.path()), ["br.gif"]);
        });
    }

    #[test]
    fn a_file_in_the_place_of_the_folder_is_an_error() {
        let place = tempfile::NamedTempFile::new().expect("a temporary file");
        Folder::open(place.path()).expect_err("a file is there");
    }
}
