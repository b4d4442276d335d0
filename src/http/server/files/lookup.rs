//! Opens and reads the file for a request. All functions here block on the disk and run on the thread pool (I7).

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::time::SystemTime;

use bytes::Bytes;

use super::path::SitePath;
use super::root::{OpenOutcome, Root};
use super::{listing, media_type};
use crate::http::server::preconditions::Validators;
use crate::http::server::representation::Representation;
use crate::http::server::service::Body;

/// The maximum size of files that are read at once and cached.
pub(super) const SMALL_BYTES: u64 = 64 * 1024;

/// The result of a lookup.
#[derive(Debug)]
pub(super) enum FileLookup {
    /// The cached file has not changed.
    Unchanged,
    /// A file that is small enough for the cache.
    Small { identity: Identity, content: Bytes, media_type: &'static str },
    /// A file that is sent from disk.
    Large { identity: Identity, file: File, media_type: &'static str },
    /// A directory that was requested without a trailing slash.
    Directory,
    /// The listing of a directory.
    Listing(String),
    /// No such file, or one that is not served.
    NotFound,
}

/// Identifies a version of a file. This includes the ctime, which, unlike the mtime, cannot be set to an earlier value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Identity {
    #[cfg(unix)]
    fn of(metadata: &Metadata) -> Identity {
        use std::os::unix::fs::MetadataExt;
        Identity {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Without a number for the file, its times and its size have to do.
    #[cfg(not(unix))]
    fn of(metadata: &Metadata) -> Identity {
        let since_1970 = |time: io::Result<SystemTime>| {
            let time = time.ok().and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok()).unwrap_or_default();
            (time.as_secs() as i64, i64::from(time.subsec_nanos()))
        };
        let modified = since_1970(metadata.modified());
        Identity { device: 0, inode: 0, size: metadata.len(), modified, changed: modified }
    }

    /// Returns the length of the file in bytes.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Returns a representation of the file, with validators made from its identity.
    pub(super) fn representation(&self, body: impl Into<Body>, media_type: &'static str) -> Representation {
        let (seconds, nanoseconds) = self.changed;
        let tag = format!("{:x}-{:x}-{seconds:x}-{nanoseconds:x}", self.inode, self.size);
        let since_1970 = u64::try_from(self.modified.0).unwrap_or(0);
        let modified = SystemTime::UNIX_EPOCH.checked_add(std::time::Duration::from_secs(since_1970));
        Representation::new(body, media_type, Validators::new(&tag, modified))
    }
}

/// Looks up the file at `path`. If its identity is still `known`, it is not read.
///
/// # Errors
/// If the disk fails, or the system is out of memory or file descriptors.
pub(super) fn look_up(
    root: &Root,
    path: &SitePath,
    known: Option<Identity>,
    has_listings: bool,
) -> io::Result<FileLookup> {
    match root.open_beneath(&path.name)? {
        OpenOutcome::File(_) if path.is_directory => Ok(FileLookup::NotFound),
        OpenOutcome::File(file) => read(file, media_type::of(&path.name), known),
        OpenOutcome::Directory(_) if !path.is_directory => Ok(FileLookup::Directory),
        OpenOutcome::Directory(directory) => {
            let index = path.name.join("index.html");
            match root.open_beneath(&index)? {
                OpenOutcome::File(file) => read(file, media_type::of(&index), known),
                _ if has_listings => listing::page(directory, path).map(FileLookup::Listing),
                _ => Ok(FileLookup::NotFound),
            }
        }
        OpenOutcome::NotFound => Ok(FileLookup::NotFound),
    }
}

/// The maximum number of attempts to read a file that changes meanwhile.
const ATTEMPTS: usize = 3;

fn read(mut file: File, media_type: &'static str, known: Option<Identity>) -> io::Result<FileLookup> {
    let mut identity = Identity::of(&file.metadata()?);
    if known == Some(identity) {
        return Ok(FileLookup::Unchanged);
    }
    for _ in 0..ATTEMPTS {
        if identity.size > SMALL_BYTES {
            break;
        }
        let mut content = Vec::with_capacity(identity.size as usize);
        (&mut file).take(SMALL_BYTES + 1).read_to_end(&mut content)?;
        let before = std::mem::replace(&mut identity, Identity::of(&file.metadata()?));
        if identity == before && identity.size == content.len() as u64 {
            return Ok(FileLookup::Small { identity, content: content.into(), media_type });
        }
        // The file changed while it was read, so the content may be a mix of versions, for which there is no valid
        // ETag.
        io::Seek::rewind(&mut file)?;
    }
    Ok(FileLookup::Large { identity, file, media_type })
}
