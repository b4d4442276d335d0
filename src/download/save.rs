//! How a file comes to be: under its name it is whole, or it is not there.
//!
//! On Linux a file can be written without a name and given one when it is complete (`O_TMPFILE`, `linkat`): whatever
//! kills the process, nothing stray is left. Where the file system cannot do that, the file is written under a name of
//! its own and renamed. A name that is taken is replaced by a rename too, which is atomic.
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

use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat, openat, renameat, unlinkat};
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

/// Who may read and write a new file; the process's mask takes away from it.
const MODE: Mode = Mode::from_raw_mode(0o666);

impl Folder {
    /// Opens a folder and makes it first if it is missing.
    ///
    /// # Errors
    /// If it cannot be made, is not a folder, or cannot be written to.
    pub fn open(path: &Path) -> Result<Folder, SaveError> {
        let failed = |source: io::Error| SaveError { action: "opening the folder", path: path.to_owned(), source };
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

    /// Writes a whole file, `times` copies of `bytes` one after the other, and replaces what had its name.
    ///
    /// # Errors
    /// If the disk is full, the name is a folder's, and so on. Nothing is left behind.
    pub fn save(&self, name: &str, bytes: &[u8], times: usize) -> Result<(), SaveError> {
        self.write_and_name(name, bytes, times).map_err(|error| SaveError {
            action: "saving",
            path: self.path().join(name),
            source: error.into(),
        })
    }

    fn write_and_name(&self, name: &str, bytes: &[u8], times: usize) -> Result<(), Errno> {
        if self.shared.has_unnamed.load(Ordering::Relaxed) {
            if self.save_unnamed(name, bytes, times)? {
                return Ok(());
            }
            self.shared.has_unnamed.store(false, Ordering::Relaxed);
        }
        self.save_renamed(name, bytes, times)
    }

    /// `false` if there are no files without names here.
    fn save_unnamed(&self, name: &str, bytes: &[u8], times: usize) -> Result<bool, Errno> {
        let folder = &self.shared.descriptor;
        let flags = OFlags::WRONLY | OFlags::TMPFILE | OFlags::CLOEXEC;
        let file = match openat(folder, ".", flags, MODE) {
            Ok(file) => File::from(file),
            // `EISDIR` and `EINVAL` are what kernels say that do not know the flag.
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => return Ok(false),
            Err(error) => return Err(error),
        };
        write(&file, bytes, times)?;
        // `AT_EMPTY_PATH` would need a privilege; the way through /proc needs none.
        let unnamed = format!("/proc/self/fd/{}", file.as_raw_fd());
        match linkat(CWD, &unnamed, folder, name, AtFlags::SYMLINK_FOLLOW) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false), // there is no /proc
            Err(Errno::EXIST) => {
                let temporary = self.temporary_name(name);
                linkat(CWD, &unnamed, folder, &temporary, AtFlags::SYMLINK_FOLLOW)?;
                self.rename(&temporary, name).map(|()| true)
            }
            Err(error) => Err(error),
        }
    }

    fn save_renamed(&self, name: &str, bytes: &[u8], times: usize) -> Result<(), Errno> {
        let temporary = self.temporary_name(name);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = File::from(openat(&self.shared.descriptor, &temporary, flags, MODE)?);
        let written = write(&file, bytes, times);
        drop(file);
        match written {
            Ok(()) => self.rename(&temporary, name),
            Err(error) => {
                self.remove(&temporary);
                Err(error)
            }
        }
    }

    fn rename(&self, temporary: &OsString, name: &str) -> Result<(), Errno> {
        let folder = &self.shared.descriptor;
        renameat(folder, temporary, folder, name).inspect_err(|_| self.remove(temporary))
    }

    fn remove(&self, temporary: &OsString) {
        if let Err(error) = unlinkat(&self.shared.descriptor, temporary, AtFlags::empty()) {
            log::warn!("removing {}: {error}", self.path().join(temporary).display());
        }
    }

    /// A name that no other process and no other call uses.
    fn temporary_name(&self, name: &str) -> OsString {
        let number = self.shared.next_name.fetch_add(1, Ordering::Relaxed);
        format!(".{name}.{}-{number}.part", std::process::id()).into()
    }
}

fn write(mut file: &File, bytes: &[u8], times: usize) -> Result<(), Errno> {
    for _ in 0..times {
        file.write_all(bytes).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    }
    Ok(())
}

/// Why a file is not there.
#[derive(Debug)]
pub struct SaveError {
    /// What was being done.
    pub action: &'static str,
    /// To what.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

impl fmt::Display for SaveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.action, self.path.display(), self.source)
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
            folder.save("br.gif", b"GIF", 3).expect("saved");
            assert_eq!(std::fs::read(folder.path().join("br.gif")).expect("the file"), b"GIFGIFGIF");
            assert_eq!(names_in(folder.path()), ["br.gif"]);
        });
    }

    #[test]
    fn a_name_that_is_taken_is_replaced() {
        both_ways(|folder| {
            folder.save("br.gif", b"old and longer", 1).expect("saved");
            folder.save("br.gif", b"new", 1).expect("saved again");
            assert_eq!(std::fs::read(folder.path().join("br.gif")).expect("the file"), b"new");
            assert_eq!(names_in(folder.path()), ["br.gif"]);
        });
    }

    #[test]
    fn a_folder_in_the_place_of_the_file_is_an_error_that_leaves_nothing() {
        both_ways(|folder| {
            std::fs::create_dir(folder.path().join("br.gif")).expect("a folder");
            let error = folder.save("br.gif", b"GIF", 1).expect_err("a folder is there");
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
