//! What there is under a name. Everything here waits for the disk, and runs on the thread pool (I7).

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::time::SystemTime;

use bytes::Bytes;

use super::path::SitePath;
use super::root::{Opened, Root};
use super::{listing, media_type};
use crate::http::server::preconditions::Validators;
use crate::http::server::representation::Representation;
use crate::http::server::service::Body;

/// Files up to this size are read as a whole, and kept in memory.
pub(super) const SMALL_BYTES: u64 = 64 * 1024;

/// What there is.
#[derive(Debug)]
pub(super) enum Found {
    /// The file that is known already.
    Unchanged,
    /// A file that is small enough to be kept.
    Small { identity: Identity, content: Bytes, media_type: &'static str },
    /// One that is not.
    Large { identity: Identity, file: File, media_type: &'static str },
    /// A folder, asked for without a slash at the end.
    Folder,
    /// A folder, as a page of links.
    Listing(String),
    /// Nothing that is served.
    Nothing,
}

/// Tells one state of one file from every other. The time of the last change to its metadata is part of it: unlike that
/// of its content, nobody can set it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Identity {
    fn of(metadata: &Metadata) -> Identity {
        Identity {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// The length of the file, in bytes.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// The file as something that can be sent.
    pub(super) fn representation(&self, body: impl Into<Body>, media_type: &'static str) -> Representation {
        let (seconds, nanoseconds) = self.changed;
        let tag = format!("{:x}-{:x}-{seconds:x}-{nanoseconds:x}", self.inode, self.size);
        let since_1970 = u64::try_from(self.modified.0).unwrap_or(0);
        let modified = SystemTime::UNIX_EPOCH.checked_add(std::time::Duration::from_secs(since_1970));
        Representation::new(body, media_type, Validators::new(&tag, modified))
    }
}

/// Looks what there is at `path`. A file that is still the `known` one is not read again.
///
/// # Errors
/// If the disk fails, or the system is short of something.
pub(super) fn look_up(root: &Root, path: &SitePath, known: Option<Identity>, has_listings: bool) -> io::Result<Found> {
    match root.open_below(&path.name)? {
        Opened::File(_) if path.is_folder => Ok(Found::Nothing),
        Opened::File(file) => take(file, media_type::of(&path.name), known),
        Opened::Folder(_) if !path.is_folder => Ok(Found::Folder),
        Opened::Folder(folder) => {
            let index = path.name.join("index.html");
            match root.open_below(&index)? {
                Opened::File(file) => take(file, media_type::of(&index), known),
                _ if has_listings => listing::page(folder, path).map(Found::Listing),
                _ => Ok(Found::Nothing),
            }
        }
        Opened::Nothing => Ok(Found::Nothing),
    }
}

/// How often a file is read that is being written meanwhile.
const ATTEMPTS: usize = 3;

fn take(mut file: File, media_type: &'static str, known: Option<Identity>) -> io::Result<Found> {
    let mut identity = Identity::of(&file.metadata()?);
    if known == Some(identity) {
        return Ok(Found::Unchanged);
    }
    for _ in 0..ATTEMPTS {
        if identity.size > SMALL_BYTES {
            break;
        }
        let mut content = Vec::with_capacity(identity.size as usize);
        (&mut file).take(SMALL_BYTES + 1).read_to_end(&mut content)?;
        let before = std::mem::replace(&mut identity, Identity::of(&file.metadata()?));
        if identity == before && identity.size == content.len() as u64 {
            return Ok(Found::Small { identity, content: content.into(), media_type });
        }
        // It was written meanwhile: these bytes are of no state that a tag could name.
        io::Seek::rewind(&mut file)?;
    }
    Ok(Found::Large { identity, file, media_type })
}
