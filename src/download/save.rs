//! Atomic saves: a file appears under its final name only when it is complete.
//!
//! A small file is written at once. On Linux, it can be written without a name and linked when it is complete
//! (`O_TMPFILE`, `linkat`), so a killed process leaves no temporary file. [`publish`](super::publish) explains how
//! files are published, including on file systems that do not support this. A large file is downloaded to a
//! [`PartFile`](super::part::PartFile).
//!
//! All functions here are blocking and belong on a thread pool.

use std::fs::File;
use std::io::{self, Write};

use super::directory::Directory;
use super::publish::{Fsync, OnExisting, PublishTarget, errno};
use super::save_error::SaveError;
use crate::platform::Errno;

impl Directory {
    /// Saves a complete file that consists of `times` copies of `bytes`.
    ///
    /// # Errors
    /// For example, if the disk is full or the name is in use. Nothing is left behind, except if syncing the directory
    /// fails: then the complete file has already been published.
    pub fn save(
        &self,
        name: &str,
        bytes: &[u8],
        times: usize,
        existing: OnExisting,
        fsync: Fsync,
    ) -> Result<(), SaveError> {
        self.save_as(&PublishTarget { name, existing, fsync, modified: None, url_hash: None }, bytes, times)
    }

    /// Saves a complete file with all parameters of publishing.
    pub(super) fn save_as(&self, target: &PublishTarget<'_>, bytes: &[u8], times: usize) -> Result<(), SaveError> {
        let saved = self.write_and_publish(bytes, times, target).map_err(io::Error::from);
        let saved = saved.and_then(|()| target.seal_name(self.descriptor()));
        saved.map_err(|error| self.not_published(target, error))
    }

    // No other process uses the file before it has its final name, so its length need not be checked after writing.
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::publish::SYNCS;
    use super::super::staging::STAGING;
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
    fn a_saved_file_contains_the_bytes_repeatedly_and_no_other_file_is_left() {
        both_ways(|directory| {
            directory.save("br.gif", b"GIF", 3, OnExisting::Replace, Fsync::None).expect("saved");
            assert_eq!(std::fs::read(directory.path().join("br.gif")).expect("the file"), b"GIFGIFGIF");
            assert_eq!(names_in(directory.path()), ["br.gif"]);
        });
    }

    #[test]
    fn an_existing_file_is_replaced_with_on_existing_replace() {
        both_ways(|directory| {
            directory.save("br.gif", b"old and longer", 1, OnExisting::Replace, Fsync::None).expect("saved");
            directory.save("br.gif", b"new", 1, OnExisting::Replace, Fsync::None).expect("saved again");
            assert_eq!(std::fs::read(directory.path().join("br.gif")).expect("the file"), b"new");
            assert_eq!(names_in(directory.path()), ["br.gif"]);
        });
    }

    #[test]
    fn an_existing_file_is_kept_with_on_existing_keep() {
        both_ways(|directory| {
            directory.save("br.gif", b"old", 1, OnExisting::Keep, Fsync::Full).expect("saved");
            let error = directory.save("br.gif", b"new", 1, OnExisting::Keep, Fsync::None).expect_err("it is there");
            assert!(error.is_taken(), "{error}");
            assert_eq!(std::fs::read(directory.path().join("br.gif")).expect("the file"), b"old");
            assert_eq!(names_in(directory.path()), ["br.gif"]);
        });
    }

    #[test]
    fn the_fsync_policy_determines_what_is_synced() {
        both_ways(|directory| {
            for (fsync, syncs) in [(Fsync::None, 0), (Fsync::File, 1), (Fsync::Full, 2)] {
                SYNCS.set(0);
                directory.save("x", b"x", 1, OnExisting::Replace, fsync).expect("saved");
                assert_eq!(SYNCS.get(), syncs, "{fsync:?}");
            }
        });
    }

    #[test]
    fn subdirectories_are_created_and_symbolic_links_are_not_followed() {
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
    fn a_directory_with_the_name_of_the_file_is_an_error_and_leaves_no_other_file() {
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
    fn opening_a_file_as_a_directory_fails() {
        let place = tempfile::NamedTempFile::new().expect("a temporary file");
        Directory::open(place.path()).expect_err("a file is there");
    }
}
