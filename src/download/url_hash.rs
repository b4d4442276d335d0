//! The URL that a file came from, recorded in an extended attribute of the file.
//!
//! With `--remote-name`, servers choose the names, so two URLs may get the same name, and which of them gets a numeric
//! suffix depends on which response arrives first. If an earlier run has saved only one of them, the name alone does
//! not show which URL the existing file came from. So with `--remote-name`, an attribute with a hash of its URL is
//! added to each file before the file is published. (curl and wget record the whole URL in `user.xdg.origin.url` with
//! an option. A hash reveals nothing that is secret in the URL.)
//!
//! A file without the attribute is treated as if it came from the requested URL. The attribute is missing if the file
//! was saved without `--remote-name` or by another program, if the file system does not support extended attributes, or
//! if the file is a copy without them.

use std::fmt::Write;
use std::fs::File;

use sha2::Digest;

use super::directory::Directory;
use crate::platform::{Mode, OFlags, attribute, openat, set_attribute};

/// The name of the attribute.
const ATTRIBUTE: &str = "user.glassloop.url";

/// The length of a hash as text: 128 bits in hexadecimal.
const HASH_LENGTH: usize = 32;

/// A hash of the URL of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct UrlHash(String);

impl UrlHash {
    pub(super) fn of(url: &str) -> UrlHash {
        let digest = sha2::Sha256::digest(url.as_bytes());
        let mut hash = String::with_capacity(HASH_LENGTH);
        for byte in &digest[..HASH_LENGTH / 2] {
            // Writing to a string cannot fail.
            let _infallible = write!(hash, "{byte:02x}");
        }
        UrlHash(hash)
    }

    /// Records the URL of a file that does not have its name yet. Not all file systems support this.
    pub(super) fn record(&self, file: &File) {
        if let Err(error) = set_attribute(file, ATTRIBUTE, self.0.as_bytes()) {
            log::debug!("recording the URL of a file: {error}");
        }
    }

    /// Returns whether an existing file is known to have come from another URL. `path` is relative to the directory.
    pub(super) fn differs_from(&self, directory: &Directory, path: &str) -> bool {
        // Non-blocking, since the file may have been replaced by a pipe.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let Ok(descriptor) = openat(directory.descriptor(), path, flags, Mode::empty()) else { return false };
        let mut recorded = [0; HASH_LENGTH];
        let length = attribute(&File::from(descriptor), ATTRIBUTE, &mut recorded);
        length == Ok(HASH_LENGTH) && recorded != self.0.as_bytes()
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn only_a_recorded_url_tells_files_apart() {
        let temporary = tempfile::tempdir().expect("a temporary directory");
        let directory = Directory::open(temporary.path()).expect("a directory");
        let (one, other) = (UrlHash::of("http://a.test/1"), UrlHash::of("http://a.test/2"));
        let file = File::create(temporary.path().join("x")).expect("created");
        for name in ["x", "missing"] {
            assert!(!one.differs_from(&directory, name), "{name}");
        }
        one.record(&file);
        assert!(!one.differs_from(&directory, "x") && other.differs_from(&directory, "x"));
    }
}
