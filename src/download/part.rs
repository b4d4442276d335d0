//! Partial downloads: a large file is downloaded to `NAME.part` (called the *part*), and the state file
//! `NAME.part.json` holds what is needed to resume it.
//!
//! ```text
//!   create: claim the name, write the state file ──▶ write … ──▶ finish: verify, publish, release the name
//!   open: resume  what an earlier run left ──────────▲  │
//!                                                      └── killed, or connection lost: kept for the next run
//! ```
//!
//! A file never becomes a mixture of two versions, and an incomplete file never gets its final name, whatever other
//! processes do in the same directory. This does not depend on locks, since there are file systems on which locking
//! succeeds but excludes no other process. It follows from these invariants:
//!
//! * **An inode holds bytes of only one version during its lifetime.** It is created empty by a process that has
//!   received the head of that version, and is never truncated or restarted: another version gets a new inode, which
//!   takes over the name.
//! * **Writes are positioned, and start at or before the end of the file.** So the file has no holes, and processes
//!   that write to the same inode at the same time write the same bytes to the same offsets: a process joins another
//!   one only if both downloads have the same strong `ETag`, length and URL.
//! * **A state file belongs to an inode** ([`part_entry`]). It is written before the first byte, by the process that
//!   created the inode. So a part with content is resumed only if its state file contains its inode number, or if both
//!   files are recognized as copies.
//! * **The open file is published**, not the file that has the name at that time ([`publish`](super::publish)), and
//!   only after its length on disk has been compared with the length that the server and the state file give.
//! * **A file whose name was taken over by another process** is still completed, and copied if it can no longer be
//!   linked.
//!
//! At worst, if two processes change the name within microseconds of each other, some bytes are downloaded again.
//!
//! Without a validator, a part could not be resumed. In that case the file has no name until it is complete, if the
//! file system supports that.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};

use sha2::Digest;

use super::directory::Directory;
use super::list::Sha256;
use super::part_entry::{self, PartEntry, part_name};
use super::publish::OnExisting;
use super::publish::PublishTarget;
use super::resume::PartState;
use super::save_error::SaveError;
use crate::platform::{Errno, fstat, write_all_at};

/// A file that is being downloaded. Dropping it keeps the part for the next run.
#[derive(Debug)]
pub(super) struct PartFile {
    directory: Directory,
    /// The final name of the file, to which the `.part` suffix is added.
    name: String,
    file: File,
    /// The offset of the next byte. All bytes before it have been written to the file.
    written: u64,
    /// The version of the remote file that the bytes belong to.
    state: PartState,
    hasher: Option<sha2::Sha256>,
    /// Whether a write has failed. Nothing is written after that, since it would leave a hole in the file.
    has_failed: bool,
}

/// The parameters for creating a part.
#[derive(Debug)]
pub(super) struct NewPart {
    pub(super) state: PartState,
    /// Whether there may be an existing part that must be replaced.
    pub(super) replaces_part: bool,
    /// Whether an existing part of the same version may be used.
    pub(super) may_join: bool,
    /// Whether the SHA-256 is to be computed.
    pub(super) hash: bool,
}

/// The outcome of finishing a file.
#[derive(Debug)]
pub(super) enum Finished {
    /// The file was saved under its final name.
    Saved { sha256: Option<Sha256> },
    /// Another file of that name exists and was kept.
    Exists,
    /// The content does not match the checksum. The part is kept, but will not be resumed.
    Mismatch { found: Sha256 },
}

impl PartFile {
    /// Opens the part that an earlier run has left. Returns `None` if there is none that can be resumed.
    ///
    /// # Errors
    /// If the file of that name must not be touched, or is in use by another process. It is left unchanged.
    pub(super) fn open(directory: &Directory, name: &str, hash: bool) -> Result<Option<PartFile>, SaveError> {
        let open = || -> io::Result<Option<PartFile>> {
            let PartEntry::Known { mut file, state } = part_entry::examine(directory, name)? else { return Ok(None) };
            let mut part = PartFile::new(directory, name, file.try_clone()?, state, hash);
            part.written = match &mut part.hasher {
                Some(hasher) => io::copy(&mut file, hasher)?,
                None => file.metadata()?.len(),
            };
            Ok(Some(part))
        };
        open().map_err(|error| SaveError::new("continuing", directory.path().join(part_name(name)), error))
    }

    /// Creates the part for a version of a file.
    ///
    /// # Errors
    /// If a file of that name must not be touched, is in use by another process, or cannot be created.
    pub(super) fn create(directory: &Directory, name: &str, new_part: NewPart) -> Result<PartFile, SaveError> {
        let NewPart { state, replaces_part, may_join, hash } = new_part;
        let create_file = || -> io::Result<File> {
            let is_unnamed = state.validator().is_none() && !replaces_part;
            let unnamed = if is_unnamed { directory.create_unnamed()? } else { None };
            unnamed.map_or_else(|| part_entry::claim(directory, name, &state, may_join), Ok)
        };
        match create_file() {
            Ok(file) => Ok(PartFile::new(directory, name, file, state, hash)),
            Err(error) => Err(SaveError::new("creating", directory.path().join(part_name(name)), error)),
        }
    }

    /// Saves content that does not match its checksum as `NAME.part`, for inspection. It will not be resumed.
    ///
    /// # Errors
    /// If the file cannot be created or written.
    pub(super) fn keep_mismatch_of(
        directory: &Directory,
        name: &str,
        url: &str,
        mut content: impl io::Read,
    ) -> Result<(), SaveError> {
        let no_validators = PartState { url: url.to_owned(), ..PartState::default() };
        let keep = part_entry::claim(directory, name, &no_validators, false)
            .and_then(|mut file| io::copy(&mut content, &mut file));
        keep.map_or_else(
            |error| Err(SaveError::new("creating", directory.path().join(part_name(name)), error)),
            |_| Ok(()),
        )
    }

    fn new(directory: &Directory, name: &str, file: File, state: PartState, hash: bool) -> PartFile {
        let hasher = hash.then(sha2::Sha256::default);
        PartFile {
            directory: directory.clone(),
            name: name.to_owned(),
            file,
            written: 0,
            state,
            hasher,
            has_failed: false,
        }
    }

    /// Returns the number of bytes written.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Returns the version that the bytes belong to.
    pub(super) fn state(&self) -> &PartState {
        &self.state
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// For example, if the disk is full or an earlier write failed. Bytes that were written before are kept.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), SaveError> {
        if self.has_failed {
            return Err(self.failed("writing", io::Error::other("an earlier write failed")));
        }
        let write = || -> io::Result<()> {
            // If another program has truncated the file, writing at the old offset would leave a hole.
            if self.file.metadata()?.len() < self.written {
                return Err(io::Error::other("another program has truncated it; run the command again"));
            }
            write_all_at(&self.file, bytes, self.written)
        };
        if let Err(error) = write() {
            self.give_up_writing();
            return Err(self.failed("writing", error));
        }
        self.written += bytes.len() as u64;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(bytes);
        }
        Ok(())
    }

    /// Handles a failed write. A failed write has appended either nothing or a prefix of its bytes, so the content of
    /// the file is valid. But on a network file system, the error may mean that earlier bytes were lost; if syncing
    /// also fails, the part is marked as not resumable. The file is not truncated, since another process may have
    /// written more of it.
    fn give_up_writing(&mut self) {
        self.has_failed = true;
        if self.file.sync_data().is_err() {
            self.try_remove_validators();
        }
    }

    /// Marks the part as not resumable.
    fn try_remove_validators(&self) {
        if let Err(error) = self.remove_validators() {
            log::warn!("{}: {error}", self.directory.path().join(part_name(&self.name)).display());
        }
    }

    fn remove_validators(&self) -> io::Result<()> {
        part_entry::remove_validators(&self.directory, &self.name, &self.state, fstat(&self.file)?.st_ino)
    }

    /// Verifies the checksum and the length (against `total`, if it is known), and publishes the file under its final
    /// name.
    ///
    /// # Errors
    /// If the length is wrong or the file cannot be published. The part is kept.
    pub(super) fn finish(
        mut self,
        total: Option<u64>,
        expected: Option<Sha256>,
        target: &PublishTarget<'_>,
    ) -> Result<Finished, SaveError> {
        self.check_length(total).map_err(|error| self.failed("finishing", error))?;
        let found = self.hasher.take().map(|hasher| Sha256(hasher.finalize().into()));
        if let (Some(expected), Some(found)) = (expected, found)
            && expected != found
        {
            self.keep_mismatch()?;
            return Ok(Finished::Mismatch { found });
        }
        let is_new = self.publish(target)?;
        Ok(if is_new { Finished::Saved { sha256: found } } else { Finished::Exists })
    }

    /// Compares the length on disk with the number of bytes written and with the expected length of the file.
    fn check_length(&self, total: Option<u64>) -> io::Result<()> {
        let on_disk = self.file.metadata()?.len();
        let wrong = [total, self.state.total, Some(self.written)].into_iter().flatten().find(|&bytes| bytes != on_disk);
        wrong.map_or(Ok(()), |bytes| {
            Err(io::Error::other(format!("{on_disk} bytes on disk instead of {bytes}; run the command again")))
        })
    }

    fn keep_mismatch(&self) -> Result<(), SaveError> {
        if self.state.validator().is_none() {
            (&self.file).seek(SeekFrom::Start(0)).map_err(|error| self.failed("giving up", error))?;
            return PartFile::keep_mismatch_of(&self.directory, &self.name, &self.state.url, &self.file);
        }
        self.remove_validators().map_err(|error| self.failed("giving up", error))
    }

    /// Publishes the file. Returns `false` if another file of that name was kept instead.
    fn publish(&self, target: &PublishTarget<'_>) -> Result<bool, SaveError> {
        let failed = |error| self.failed("finishing", error);
        if let Err(error) = target.seal(&self.file) {
            // Data that the disk has lost may still be readable from the page cache, so the part would appear complete.
            self.try_remove_validators();
            return Err(failed(error));
        }
        let is_new = match self.directory.publish(&self.file, &part_name(&self.name), target) {
            Ok(()) => true,
            Err(Errno::EXIST) => {
                let error = self.directory.not_published(target, Errno::EXIST.into());
                if !error.is_taken() || target.existing == OnExisting::Replace {
                    return Err(error);
                }
                false
            }
            Err(error) => return Err(failed(error.into())),
        };
        let inode = fstat(&self.file).map_err(|error| failed(error.into()))?.st_ino;
        part_entry::release(&self.directory, &self.name, inode).map_err(failed)?;
        target.seal_name(self.directory.descriptor()).map_err(failed)?;
        Ok(is_new)
    }

    fn failed(&self, action: &'static str, error: io::Error) -> SaveError {
        SaveError::new(action, self.directory.path().join(part_name(&self.name)), error)
    }
}

#[cfg(all(test, unix))]
#[path = "part_tests.rs"]
mod tests;
