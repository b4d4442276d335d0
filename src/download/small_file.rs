//! Small files: the whole content is received into memory, and then saved by one job.

use sha2::Digest;

use super::destination::Publication;
use super::directory::Directory;
use super::list::Sha256;
use super::part::{Finished, PartFile};
use super::plan::TargetPath;
use super::publish::OnExisting;
use super::save_error::SaveError;

/// A complete file in memory.
pub(super) struct SmallFile {
    pub(super) directory: Directory,
    pub(super) target_path: TargetPath,
    pub(super) publication: Publication,
    /// The URL, for the state file of content that does not match its checksum.
    pub(super) url: String,
    pub(super) bytes: Vec<u8>,
    /// The expected SHA-256 of the content, if any.
    pub(super) expected: Option<Sha256>,
    /// Whether the SHA-256 is to be computed.
    pub(super) hash: bool,
}

impl SmallFile {
    /// Verifies the checksum and saves the file. Blocking.
    ///
    /// # Errors
    /// If the file cannot be saved. The call can be repeated.
    pub(super) fn save(&self) -> Result<Finished, SaveError> {
        let directory = self.target_path.directory_in(&self.directory)?;
        let found = self.hash.then(|| Sha256(sha2::Sha256::digest(&self.bytes).into()));
        if let (Some(expected), Some(found)) = (self.expected, found)
            && expected != found
        {
            PartFile::keep_mismatch_of(&directory, &self.target_path.name, &self.url, &self.bytes[..])?;
            return Ok(Finished::Mismatch { found });
        }
        let target = self.publication.target();
        match directory.save_as(&target, &self.bytes, 1) {
            Ok(()) => Ok(Finished::Saved { sha256: found }),
            Err(error) if error.is_taken() && target.existing == OnExisting::Keep => Ok(Finished::Exists),
            Err(error) => Err(error),
        }
    }
}
