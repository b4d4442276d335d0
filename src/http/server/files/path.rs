//! Converts the path of a request to a file name relative to the served directory.
//!
//! The path is split at its slashes before each segment is percent-decoded, so an encoded slash never becomes a
//! separator. Segments are decoded once (RFC 3986 §2.4).

use std::ffi::OsString;
use std::path::PathBuf;

use crate::platform::os_string;

/// A path beneath the served directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SitePath {
    /// A relative path of normal components only; empty for the served directory itself.
    pub(super) name: PathBuf,
    /// Whether the path ends in a slash, and so means a directory.
    pub(super) is_directory: bool,
}

impl SitePath {
    /// Parses a request path. Returns `None` if a segment is empty, begins with a dot (which includes `..`), or
    /// contains characters that are invalid in a file name.
    pub(super) fn parse(path: &str) -> Option<SitePath> {
        let path = path.strip_prefix('/')?;
        let mut name = PathBuf::new();
        if path.is_empty() {
            return Some(SitePath { name, is_directory: true });
        }
        let (names, is_directory) = match path.strip_suffix('/') {
            Some(names) => (names, true),
            None => (path, false),
        };
        for segment in names.split('/') {
            name.push(decode(segment)?);
        }
        Some(SitePath { name, is_directory })
    }
}

/// Percent-decodes a segment.
fn decode(segment: &str) -> Option<OsString> {
    let mut name = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let [byte, tail @ ..] = rest {
        rest = tail;
        let byte = match byte {
            b'%' => {
                let (digits, tail) = tail.split_at_checked(2)?;
                rest = tail;
                hexadecimal(digits[0])? << 4 | hexadecimal(digits[1])?
            }
            byte => *byte,
        };
        if matches!(byte, b'/' | b'\\' | 0) {
            return None;
        }
        name.push(byte);
    }
    // Rejects empty names, `.`, `..` and hidden files.
    if matches!(name[..], [] | [b'.', ..]) { None } else { os_string(name) }
}

fn hexadecimal(digit: u8) -> Option<u8> {
    // The value is below 16.
    char::from(digit).to_digit(16).map(|value| value as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(path: &str) -> Option<(String, bool)> {
        SitePath::parse(path).map(|path| (path.name.to_str().unwrap().to_owned(), path.is_directory))
    }

    #[test]
    fn segments_are_decoded_once() {
        for (path, name, is_directory) in [
            ("/", "", true),
            ("/a", "a", false),
            ("/a/", "a", true),
            ("/a/b%20c/d.gif", "a/b c/d.gif", false),
            ("/%C3%A9", "é", false),
            ("/%2561", "%61", false),
            ("/a..b/c.", "a..b/c.", false),
            ("/%252e%252e/x", "%2e%2e/x", false),
        ] {
            assert_eq!(parsed(path), Some((name.to_owned(), is_directory)), "{path}");
        }
    }

    #[test]
    fn unsafe_and_invalid_paths_are_rejected() {
        for path in [
            "*",
            "",
            "a",
            "//",
            "//etc/passwd",
            "/a//b",
            "/..",
            "/../x",
            "/a/../../x",
            "/a/.",
            "/.",
            "/.hidden",
            "/a/.git/config",
            "/%2e%2e/x",
            "/%2E/x",
            "/.%2e/x",
            "/a%2fb",
            "/a%2F..%2Fb",
            "/a%5cb",
            "/a\\b",
            "/a%00",
            "/%",
            "/%2",
            "/%zz",
            "/a%",
        ] {
            assert_eq!(parsed(path), None, "{path}");
        }
    }
}
