//! Publishing: giving a complete file its final name atomically.
//!
//! A directory entry can change between two system calls: the file that is called `NAME.part` when it is examined may
//! have been replaced by another process's incomplete file when it is renamed. So a file is never renamed from
//! `NAME.part` directly to its final name.
//!
//! 1. The open file itself is linked to its final name (`linkat` through `/proc/self/fd`). This cannot link a different
//!    file, and never replaces an existing one.
//! 2. To replace a file, the open file is linked to `.NAME.new.part`, which is then renamed. Every process that uses
//!    that name has linked a complete file there, so it does not matter whose file is renamed. A kill between the two
//!    steps leaves a file that [`remove_leftovers`](super::part_entry::remove_leftovers) removes.
//! 3. Without hard links or `/proc`, `NAME.part` is first renamed to a name that only this process uses, in the
//!    directory [`STAGING`], and from there to the final name if it is the right file. If another file has taken over
//!    the name `NAME.part`, the content of the open file is copied to [`STAGING`]. What a killed process leaves there
//!    is removed the next time the output directory is opened, without a search of the output directory itself.

use std::fs::{File, FileTimes};
use std::io::{self, Seek, SeekFrom};
use std::time::SystemTime;

use super::directory::{Directory, MODE};
use super::save_error::SaveError;
use super::staging::{STAGING, open_directory, remove, replacing_name, unique_name};
use super::target_entry::TargetEntry;
use super::url_hash::UrlHash;
use crate::platform::{
    AsFd, AtFlags, Errno, Mode, OFlags, OwnedFd, fstat, link_open_file, linkat, mkdirat, openat, rename_noreplace,
    renameat, statat,
};

/// The maximum number of retries after races with other processes.
const MAX_RACES: usize = 16;

/// The policy for an existing file of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnExisting {
    /// The existing file is kept, and saving fails with [`io::ErrorKind::AlreadyExists`].
    Keep,
    /// The existing file is replaced.
    Replace,
}

/// The fsync policy: what is synced to disk before success is reported, so that it survives a power failure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fsync {
    /// No fsync: the operating system decides when it writes the data.
    #[default]
    None,
    /// The content of the file is synced.
    File,
    /// The content of the file and its directory entry are synced.
    Full,
}

/// The parameters of publishing a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct PublishTarget<'a> {
    pub(super) name: &'a str,
    pub(super) existing: OnExisting,
    pub(super) fsync: Fsync,
    /// The modification time that the file is given, if any.
    pub(super) modified: Option<SystemTime>,
    /// The URL that is recorded in the file, if any.
    pub(super) url_hash: Option<&'a UrlHash>,
}

impl PublishTarget<'_> {
    /// Prepares a complete file for publishing: records its URL, sets its modification time, and syncs it, each if
    /// required.
    pub(super) fn seal(&self, file: &File) -> io::Result<()> {
        if let Some(url_hash) = self.url_hash {
            url_hash.record(file);
        }
        if let Some(modified) = self.modified
            && let Err(error) = file.set_times(FileTimes::new().set_modified(modified))
        {
            // Some file systems do not support this, and the content is more important.
            log::debug!("setting the modification time of {}: {error}", self.name);
        }
        match self.fsync {
            Fsync::None => Ok(()),
            Fsync::File | Fsync::Full => sync(file),
        }
    }

    /// Syncs the directory if required, which makes the file's name durable.
    pub(super) fn seal_name(&self, directory: &OwnedFd) -> io::Result<()> {
        match self.fsync {
            Fsync::None | Fsync::File => Ok(()),
            // Some file systems cannot sync a directory, and some need not. The file is saved nevertheless.
            Fsync::Full => sync(directory).or_else(|error| match Errno::from_io_error(&error) {
                Some(Errno::INVAL | Errno::OPNOTSUPP) => Ok(()),
                _ => Err(error),
            }),
        }
    }
}

/// Syncs a file or a directory to disk.
fn sync(file: impl AsFd) -> io::Result<()> {
    let sync = || {
        #[cfg(test)]
        SYNCS.set(SYNCS.get() + 1);
        #[cfg(test)]
        if let Some(error) = SYNC_ERROR.take() {
            return Err(error);
        }
        crate::platform::fsync(&file)
    };
    // On some network file systems, a signal interrupts `fsync`.
    loop {
        match sync() {
            Err(Errno::INTR) => {}
            synced => return Ok(synced?),
        }
    }
}

#[cfg(test)]
thread_local! {
    /// The number of syncs on this thread.
    pub(super) static SYNCS: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
    /// The error that the next sync on this thread returns instead of syncing.
    pub(super) static SYNC_ERROR: std::cell::Cell<Option<Errno>> = const { std::cell::Cell::new(None) };
}

impl Directory {
    /// Creates a file without a name (`O_TMPFILE`). Returns `None` if the file system does not support that, or if such
    /// a file could not be linked later.
    pub(super) fn create_unnamed(&self) -> Result<Option<File>, Errno> {
        if !self.support().unnamed() {
            return Ok(None);
        }
        match open_unnamed(self.descriptor()) {
            Ok(file) => Ok(Some(file)),
            // Kernels that do not know the flag return `EISDIR`, `EINVAL` or `ENOENT`.
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOENT) => {
                self.support().lacks_unnamed();
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Links an open file to its final name. Returns `false` if that is not supported, or if the last name of the file
    /// has been removed.
    ///
    /// # Errors
    /// [`Errno::EXIST`] if the name is in use and must not be replaced.
    pub(super) fn publish_by_link(&self, file: &File, target: &PublishTarget<'_>) -> Result<bool, Errno> {
        match self.link(file, target.name) {
            Err(Errno::EXIST) if target.existing == OnExisting::Replace => {
                self.check_replaceable(target.name)?;
                self.replace_by_link(file, target.name)
            }
            linked => linked,
        }
    }

    fn link(&self, file: &File, name: &str) -> Result<bool, Errno> {
        if !self.support().links() {
            return Ok(false);
        }
        match link_open_file(file, self.descriptor(), name) {
            Ok(()) => Ok(true),
            // There is no `/proc`, or the last name of the file has been removed.
            Err(Errno::NOENT) => Ok(false),
            Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL | Errno::XDEV | Errno::MLINK) => {
                self.support().lacks_links();
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    fn replace_by_link(&self, file: &File, name: &str) -> Result<bool, Errno> {
        let (directory, temporary) = (self.descriptor(), replacing_name(name));
        for _ in 0..MAX_RACES {
            match self.link(file, &temporary) {
                Ok(true) => {}
                Ok(false) => return Ok(false),
                // The file was left by a killed process, or belongs to another process, which will also retry.
                Err(Errno::EXIST) => {
                    remove(directory, &temporary)?;
                    continue;
                }
                Err(error) => return Err(error),
            }
            match renameat(directory, &temporary, directory, name) {
                Ok(()) => {
                    // Renaming one name of a file to another name of the same file does nothing, so both names remain.
                    if fstat(file)?.st_nlink > 1 {
                        remove(directory, &temporary)?;
                    }
                    return Ok(true);
                }
                Err(Errno::NOENT) => {}
                Err(error) => {
                    remove(directory, &temporary)?;
                    return Err(error);
                }
            }
        }
        Err(Errno::AGAIN)
    }

    /// Publishes a complete file that was downloaded as `part`. If the file was linked, it also keeps the name `part`.
    ///
    /// # Errors
    /// [`Errno::EXIST`] if the name is in use and must not be replaced.
    pub(super) fn publish(&self, file: &File, part: &str, target: &PublishTarget<'_>) -> Result<(), Errno> {
        if self.publish_by_link(file, target)? {
            return Ok(());
        }
        if target.existing == OnExisting::Keep && self.has(target.name) {
            return Err(Errno::EXIST);
        }
        if let Some(staged) = self.stage_part(file, part)? {
            return staged.publish(target);
        }
        let staged = self.stage()?;
        let copied = (&*file).seek(SeekFrom::Start(0)).and_then(|_| io::copy(&mut &*file, &mut &staged.file));
        copied.and_then(|_| target.seal(&staged.file)).map_err(errno)?;
        staged.publish(target)
    }

    /// Moves a file from `part` to the staging directory. Returns `None` if another file has the name `part` by now.
    fn stage_part(&self, file: &File, part: &str) -> Result<Option<Staged>, Errno> {
        let (directory, inode) = (self.descriptor(), fstat(file)?.st_ino);
        let has_inode = |directory: &OwnedFd, name: &str| {
            statat(directory, name, AtFlags::SYMLINK_NOFOLLOW).is_ok_and(|named| named.st_ino == inode)
        };
        if !has_inode(directory, part) {
            return Ok(None);
        }
        let (staging, name) = (self.staging()?, unique_name());
        match renameat(directory, part, &staging, &name) {
            Ok(()) => {}
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(error),
        }
        if has_inode(&staging, &name) {
            let file = file.try_clone().map_err(errno)?;
            return Ok(Some(Staged { directory: self.clone(), staging, name, file }));
        }
        // Another process has put its own file there in the meantime, so it is moved back.
        match rename_noreplace(&staging, &name, directory, part) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => renameat(&staging, &name, directory, part)?,
            Err(Errno::EXIST) => remove(&staging, &name)?,
            renamed => renamed?,
        }
        Ok(None)
    }

    /// Creates a file in the staging directory under a name that no other process uses.
    pub(super) fn stage(&self) -> Result<Staged, Errno> {
        for _ in 0..MAX_RACES {
            let (staging, name) = (self.staging()?, unique_name());
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            match openat(&staging, &name, flags, MODE) {
                Ok(file) => return Ok(Staged { directory: self.clone(), staging, name, file: file.into() }),
                // Another process has removed the staging directory, or a killed process has left a file of this name.
                Err(Errno::NOENT | Errno::EXIST) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Errno::AGAIN)
    }

    fn staging(&self) -> Result<OwnedFd, Errno> {
        let root = self.root();
        root.support().note_staging();
        for _ in 0..MAX_RACES {
            match open_directory(root.descriptor(), STAGING) {
                Err(Errno::NOENT) => match mkdirat(root.descriptor(), STAGING, Mode::from_raw_mode(0o777)) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(error) => return Err(error),
                },
                opened => return opened,
            }
        }
        Err(Errno::AGAIN)
    }

    /// Returns an error if the name belongs to an object other than a file, such as a directory, a pipe, a device or a
    /// dangling link.
    fn check_replaceable(&self, name: &str) -> Result<(), Errno> {
        match self.entry(name) {
            Some(TargetEntry::Other(_)) => Err(Errno::EXIST),
            Some(TargetEntry::File(_)) | None => Ok(()),
        }
    }

    /// Returns the error of a file that could not be given its final name. If an obstacle has the name, the error
    /// always counts as a failure; if a regular file has it, the caller may accept that ([`SaveError::is_taken`]).
    pub(super) fn not_published(&self, target: &PublishTarget<'_>, error: io::Error) -> SaveError {
        let path = self.path().join(target.name);
        let is_other = |url_hash: &UrlHash| url_hash.differs_from(self, target.name);
        match self.entry(target.name) {
            Some(TargetEntry::Other(obstacle)) => obstacle.error(path),
            // The file is neither saved nor present, so this must not be reported as an existing file that was kept.
            None if error.kind() == io::ErrorKind::AlreadyExists => {
                let error = io::Error::other("another file had this name for a moment; run the command again");
                SaveError::new("saving", path, error)
            }
            Some(TargetEntry::File(_)) if target.url_hash.is_some_and(is_other) => {
                let error = io::Error::other(
                    "the file of another URL was given this name in the meantime; run the command again",
                );
                SaveError::new("saving", path, error)
            }
            Some(TargetEntry::File(_)) | None => SaveError::new("saving", path, error),
        }
    }

    /// Returns whether the name exists.
    pub(super) fn has(&self, name: &str) -> bool {
        statat(self.descriptor(), name, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }
}

/// A file in the [`STAGING`] directory. It is removed on drop unless it has been published.
pub(super) struct Staged {
    directory: Directory,
    staging: OwnedFd,
    name: String,
    pub(super) file: File,
}

impl Staged {
    /// Publishes the file under its final name.
    pub(super) fn publish(self, target: &PublishTarget<'_>) -> Result<(), Errno> {
        let (from, to) = (&self.staging, self.directory.descriptor());
        if target.existing == OnExisting::Replace {
            self.directory.check_replaceable(target.name)?;
            return renameat(from, &self.name, to, target.name);
        }
        match rename_noreplace(from, &self.name, to, target.name) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {}
            renamed => return renamed,
        }
        match linkat(from, &self.name, to, target.name, AtFlags::empty()) {
            Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL | Errno::XDEV | Errno::MLINK) => {}
            linked => return linked,
        }
        // There is no atomic operation for this here, so a file that is created between these two calls is replaced.
        // The only alternative would be not to save the file at all.
        if self.directory.has(target.name) {
            return Err(Errno::EXIST);
        }
        renameat(from, &self.name, to, target.name)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.staging, &self.name) {
            log::warn!("removing {STAGING}/{}: {error}", self.name);
        }
    }
}

pub(super) fn errno(error: io::Error) -> Errno {
    Errno::from_io_error(&error).unwrap_or(Errno::IO)
}

#[cfg(target_os = "linux")]
fn open_unnamed(directory: &OwnedFd) -> Result<File, Errno> {
    openat(directory, ".", OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC, MODE).map(File::from)
}

#[cfg(not(target_os = "linux"))]
fn open_unnamed(_folder: &OwnedFd) -> Result<File, Errno> {
    Err(Errno::OPNOTSUPP)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_publication_counts_as_existing_only_if_the_file_is_still_there() {
        let place = tempfile::tempdir().expect("a temporary directory");
        let directory = Directory::open(place.path()).expect("a directory");
        let target =
            PublishTarget { name: "x", existing: OnExisting::Keep, fsync: Fsync::None, modified: None, url_hash: None };
        let error = directory.not_published(&target, Errno::EXIST.into());
        assert!(!error.is_taken() && error.to_string().contains("run the command again"), "{error}");
        std::fs::write(place.path().join("x"), "").expect("written");
        assert!(directory.not_published(&target, Errno::EXIST.into()).is_taken());
        // It is not the file that was to be saved if it has come from another URL.
        let (one, other) = (UrlHash::of("http://a.test/1"), UrlHash::of("http://a.test/2"));
        one.record(&std::fs::File::open(place.path().join("x")).expect("the file"));
        for (url_hash, is_taken) in [(&one, true), (&other, false)] {
            let target = PublishTarget { url_hash: Some(url_hash), ..target };
            assert_eq!(directory.not_published(&target, Errno::EXIST.into()).is_taken(), is_taken);
        }
    }
}
