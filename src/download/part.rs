//! A large file while it grows: `NAME.part`, with what must be known to continue it in `NAME.part.json`.
//!
//! ```text
//!   begin: claim the name, write the state ──▶ write … ──▶ finish: verify, publish, release the name
//!   find: continue what an earlier run left ──────▲  │
//!                                                    └── killed, or the connection broke: it stays for the next run
//! ```
//!
//! A file never becomes a mixture of two versions, and no unfinished file gets a final name, whatever other processes do in
//! the same folder. Locks are only a courtesy: there are file systems on which they succeed and exclude nobody. Why it
//! holds without them:
//!
//! * **An inode holds bytes of one version in its whole life.** It is created empty by whoever has received the head of
//!   that version, and is never truncated or begun again: another version gets a new inode, which takes the name over.
//! * **Writes are positioned, and begin at or before the end of the file.** So the file has no holes, and those who write
//!   to one inode at the same time write the same bytes to the same places: they have the same strong `ETag`, the same
//!   length and the same URL.
//! * **A state belongs to an inode** ([`slot`]). It is written before the first byte, by whoever has created the inode. So a
//!   part with bytes in it either has a state that names its inode, or is not continued.
//! * **What is published is the open file**, and not whatever has the name by then ([`publish`](super::publish)), and
//!   only after its length on disk has been compared with the one that server and state say.
//! * **A file whose name another process has taken over** is written to its end all the same, and copied if it can no
//!   longer be linked.
//!
//! Races cost bytes that are fetched again, at worst, when two processes change the name within microseconds.
//!
//! Without a validator nothing could be continued: then the file has no name until it is complete, if possible.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};

use sha2::Digest;

use super::list::Sha256;
use super::publish::Target;
use super::resume::PartState;
use super::save::{Existing, Folder, SaveError};
use super::slot::{self, Slot, part_name};
use crate::platform::{Errno, fstat, write_all_at};

/// A file that is being downloaded. Dropping it leaves it for the next run.
#[derive(Debug)]
pub(super) struct PartFile {
    folder: Folder,
    /// The name that the file will have, to which the ending is added.
    name: String,
    file: File,
    /// Where the next byte goes. All before it is on disk.
    written: u64,
    /// Of which version the bytes are.
    state: PartState,
    hasher: Option<sha2::Sha256>,
    /// Whether a write has failed. Then no more is written: what follows would leave a hole.
    has_failed: bool,
}

/// How a file is begun.
#[derive(Debug)]
pub(super) struct Beginning {
    pub(super) state: PartState,
    /// Whether there may be a part, which is not to stay.
    pub(super) replaces_part: bool,
    /// Whether a part of the same version may be used.
    pub(super) may_join: bool,
    /// Whether the SHA-256 is to be worked out.
    pub(super) hash: bool,
}

/// How a file ended.
#[derive(Debug)]
pub(super) enum Finished {
    /// It has its name.
    Saved { sha256: Option<Sha256> },
    /// There was another file of that name, which stays.
    Exists,
    /// Its content is not what it should be. It stays where it is, and will not be continued.
    Mismatch { found: Sha256 },
}

impl PartFile {
    /// Opens the part that an earlier run has left. `None` if there is none that can be continued.
    ///
    /// # Errors
    /// If what has its name is not ours, or is in use. It stays as it is.
    pub(super) fn find(folder: &Folder, name: &str, hash: bool) -> Result<Option<PartFile>, SaveError> {
        let find = || -> io::Result<Option<PartFile>> {
            let Slot::Known { mut file, state } = slot::look(folder, name)? else { return Ok(None) };
            let mut part = PartFile::new(folder, name, file.try_clone()?, state, hash);
            part.written = match &mut part.hasher {
                Some(hasher) => io::copy(&mut file, hasher)?,
                None => file.metadata()?.len(),
            };
            Ok(Some(part))
        };
        find().map_err(|error| SaveError::new("continuing", folder.path().join(part_name(name)), error))
    }

    /// Begins a file of a version.
    ///
    /// # Errors
    /// As for [`find`](Self::find), and if it cannot be created.
    pub(super) fn begin(folder: &Folder, name: &str, beginning: Beginning) -> Result<PartFile, SaveError> {
        let Beginning { state, replaces_part, may_join, hash } = beginning;
        let create = || -> io::Result<File> {
            let is_unnamed = state.validator().is_none() && !replaces_part;
            let unnamed = if is_unnamed { folder.create_unnamed()? } else { None };
            unnamed.map_or_else(|| slot::claim(folder, name, &state, may_join), Ok)
        };
        match create() {
            Ok(file) => Ok(PartFile::new(folder, name, file, state, hash)),
            Err(error) => Err(SaveError::new("creating", folder.path().join(part_name(name)), error)),
        }
    }

    /// Keeps content that is not what it should be as `NAME.part`, to be looked at and not to be continued.
    ///
    /// # Errors
    /// If that is impossible.
    pub(super) fn keep(folder: &Folder, name: &str, url: &str, mut content: impl io::Read) -> Result<(), SaveError> {
        let useless = PartState { url: url.to_owned(), ..PartState::default() };
        let keep = slot::claim(folder, name, &useless, false).and_then(|mut file| io::copy(&mut content, &mut file));
        keep.map_or_else(
            |error| Err(SaveError::new("creating", folder.path().join(part_name(name)), error)),
            |_| Ok(()),
        )
    }

    fn new(folder: &Folder, name: &str, file: File, state: PartState, hash: bool) -> PartFile {
        let hasher = hash.then(sha2::Sha256::default);
        PartFile { folder: folder.clone(), name: name.to_owned(), file, written: 0, state, hasher, has_failed: false }
    }

    /// How many bytes are in it.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Of which version they are.
    pub(super) fn state(&self) -> &PartState {
        &self.state
    }

    /// Adds bytes.
    ///
    /// # Errors
    /// If the disk is full, for example, or an earlier write has failed. What has been written before is kept.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), SaveError> {
        if self.has_failed {
            return Err(self.failed("writing", io::Error::other("an earlier write has failed")));
        }
        let write = || -> io::Result<()> {
            // Whoever has made it shorter would get a hole that looks like the content.
            if self.file.metadata()?.len() < self.written {
                return Err(io::Error::other("another program has made it shorter; run it again"));
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

    /// A failed write adds nothing to a file, or the beginning of what it was given, so that the file ends with good bytes.
    /// But on a network file system it may be the report that earlier bytes are lost: then none of them is trusted.
    /// The file is not truncated, since another process may be further.
    fn give_up_writing(&mut self) {
        self.has_failed = true;
        if self.file.sync_data().is_err() {
            self.distrust();
        }
    }

    /// Lets nobody continue the part.
    fn distrust(&self) {
        if let Err(error) = self.disown() {
            log::warn!("{}: {error}", self.folder.path().join(part_name(&self.name)).display());
        }
    }

    fn disown(&self) -> io::Result<()> {
        slot::disown(&self.folder, &self.name, &self.state, fstat(&self.file)?.st_ino)
    }

    /// Gives the complete file its name, if its length is `total`, where that is known, and its content is right.
    ///
    /// # Errors
    /// If that is impossible. The part stays.
    pub(super) fn finish(
        mut self,
        total: Option<u64>,
        expected: Option<Sha256>,
        target: &Target<'_>,
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

    /// Compares what is on disk with what has been written and with what is said to be the length of the whole.
    fn check_length(&self, total: Option<u64>) -> io::Result<()> {
        let on_disk = self.file.metadata()?.len();
        let wrong = [total, self.state.total, Some(self.written)].into_iter().flatten().find(|&bytes| bytes != on_disk);
        wrong.map_or(Ok(()), |bytes| {
            Err(io::Error::other(format!("it has {on_disk} bytes on disk and should have {bytes}; run it again")))
        })
    }

    fn keep_mismatch(&self) -> Result<(), SaveError> {
        if self.state.validator().is_none() {
            (&self.file).seek(SeekFrom::Start(0)).map_err(|error| self.failed("giving up", error))?;
            return PartFile::keep(&self.folder, &self.name, &self.state.url, &self.file);
        }
        self.disown().map_err(|error| self.failed("giving up", error))
    }

    /// Returns whether the file was published, and not another one of its name kept.
    fn publish(&self, target: &Target<'_>) -> Result<bool, SaveError> {
        let failed = |error| self.failed("finishing", error);
        if let Err(error) = target.seal(&self.file) {
            // What the disk has lost can still be read for a while: the part looks whole and is not.
            self.distrust();
            return Err(failed(error));
        }
        let is_new = match self.folder.publish(&self.file, &part_name(&self.name), target) {
            Ok(()) => true,
            Err(Errno::EXIST) => {
                let error = self.folder.not_published(target.name, Errno::EXIST.into());
                if !error.is_taken() || target.existing == Existing::Replace {
                    return Err(error);
                }
                false
            }
            Err(error) => return Err(failed(error.into())),
        };
        let inode = fstat(&self.file).map_err(|error| failed(error.into()))?.st_ino;
        slot::release(&self.folder, &self.name, inode).map_err(failed)?;
        target.seal_name(self.folder.descriptor()).map_err(failed)?;
        Ok(is_new)
    }

    fn failed(&self, action: &'static str, error: io::Error) -> SaveError {
        SaveError::new(action, self.folder.path().join(part_name(&self.name)), error)
    }
}

#[cfg(all(test, unix))]
#[path = "part_tests.rs"]
mod tests;
